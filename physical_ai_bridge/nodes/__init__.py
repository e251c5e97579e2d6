"""The ROS 2 nodes. Nothing outside this room imports rclpy or a message package."""
