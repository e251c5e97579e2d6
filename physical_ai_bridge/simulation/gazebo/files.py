"""Which files there are."""

from __future__ import annotations

from physical_ai_bridge.simulation.gazebo.robot import CONTROLLERS_FILE, robot_sdf, robot_urdf
from physical_ai_bridge.simulation.gazebo.settings import bridge_yaml, controllers_yaml
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gazebo.world import world_sdf


def texts(source: Source) -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        'world.sdf': world_sdf(source),
        'robot.sdf': robot_sdf(source),
        'robot.urdf': robot_urdf(source),
        CONTROLLERS_FILE: controllers_yaml(source),
        'bridge.yaml': bridge_yaml(source),
    }
