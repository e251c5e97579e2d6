"""The message type in which the cell's controller reports its reference."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError
from sensor_msgs.msg import JointState


def controller_state_type(cell: Cell) -> type:
    """
    Return the type of the messages on the cell's ``controller.state_topic``.

    Raises
    ------
    BridgeError
        If it is not installed: control_msgs comes with ros2_control, not with ROS itself.

    """
    if cell.controller.state_type == 'sensor_msgs/msg/JointState':
        return JointState
    try:
        from control_msgs.msg import JointTrajectoryControllerState
    except ImportError:
        raise BridgeError(
            f'controller.state_type: {cell.controller.state_type} is not installed; install '
            'control_msgs (ros-$ROS_DISTRO-control-msgs), or take controller.state_topic out of '
            'the cell file') from None
    return JointTrajectoryControllerState
