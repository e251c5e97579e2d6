"""
The MuJoCo cell's twin in Gazebo: its files, written from the cell file, the MJCF and the URDF.

``python -m physical_ai_bridge.simulation.gazebo FOLDER`` writes them, and docs/gazebo.md says what
becomes of them. Gazebo itself is not needed for it.
"""
