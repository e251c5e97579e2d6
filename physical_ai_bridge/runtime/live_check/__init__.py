"""``check --live``: what a running cell shows, held against its cell file; no ROS in here."""
