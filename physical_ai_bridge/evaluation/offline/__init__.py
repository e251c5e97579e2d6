"""Judge a policy on recordings, through the code that runs the robot."""
