"""What the controllers and the bridge between Gazebo and ROS are told."""

from __future__ import annotations

from typing import Any

from physical_ai_bridge.simulation.gazebo.sensors import topic_in_gazebo
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gazebo.world import WORLD
import yaml

BROADCASTER = 'joint_state_broadcaster'
_WRITTEN = '# Written by python -m physical_ai_bridge.simulation.gazebo; do not edit.\n'
# A frame that waits grows old; of what comes at 500 Hz, 32 ms may wait.
_NEWEST, _STREAM = 1, 16


def controllers_yaml(source: Source) -> str:
    """
    Return the parameters of the controller manager and its two controllers.

    The gain is that of MuJoCo's actuator; its damping is in the arm's model.
    """
    joints, controller = list(source.cell.robot.joints), source.controller
    return _WRITTEN + _dump({
        'controller_manager': {'ros__parameters': {
            'update_rate': round(source.cell.controller.rate_hz),
            BROADCASTER: {'type': 'joint_state_broadcaster/JointStateBroadcaster'},
            controller: {'type': 'joint_trajectory_controller/JointTrajectoryController'},
        }},
        BROADCASTER: {'ros__parameters': {
            'joints': joints, 'interfaces': ['position', 'velocity']}},
        controller: {'ros__parameters': {
            'joints': joints,
            'command_interfaces': ['effort'],
            'state_interfaces': ['position', 'velocity'],
            'interpolate_from_desired_state': True,
            # Jazzy and Kilted do not know this one; where it is known, its default is true.
            'allow_trajectory_replacement': False,
            'allow_nonzero_velocity_at_trajectory_end': False,
            'allow_partial_joints_goal': False,
            'gains': {
                name: {'p': float(source.model.actuator(name).gainprm[0]), 'i': 0.0, 'd': 0.0}
                for name in joints},
        }},
    })


def bridge_yaml(source: Source) -> str:
    """Return what ros_gz_bridge carries from Gazebo to ROS: the clock, images, wrenches."""
    sensors = source.cell.sensors
    return _WRITTEN + _dump([
        _carried('/clock', 'rosgraph_msgs/msg/Clock', 'gz.msgs.Clock', _NEWEST,
                 gazebo=f'/world/{WORLD}/clock'),
        *(_carried(camera.topic, camera.type, 'gz.msgs.Image', _NEWEST)
          for camera in sensors.cameras.values()),
        *(_carried(wrench.topic, 'geometry_msgs/msg/WrenchStamped', 'gz.msgs.Wrench', _STREAM)
          for wrench in sensors.wrenches.values()),
    ])


def _carried(topic: str, ros: str, gz: str, queue: int, *, gazebo: str = '') -> dict[str, Any]:
    return {
        'ros_topic_name': topic,
        'gz_topic_name': gazebo or f'/{topic_in_gazebo(topic)}',
        'ros_type_name': ros,
        'gz_type_name': gz,
        'subscriber_queue': queue,
        'publisher_queue': queue,
        'direction': 'GZ_TO_ROS',
    }


class _Plain(yaml.SafeDumper):
    """Without anchors and aliases, which ROS's parser of parameters refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _dump(content: Any) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False)
