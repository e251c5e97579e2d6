"""The supervisor: what may reach the controller, decided without ROS and without a clock."""
