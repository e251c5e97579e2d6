"""How a controller is commanded: the interfaces that there are, and those that are refused."""

from __future__ import annotations

from physical_ai_bridge.contract.fields import Complaint

INTERFACES = ('joint_trajectory', 'position_stream')
# Where the supervisor tells the plan to those who go on from it, if the controller's topic cannot.
VERIFIED_TRAJECTORY = '/verified_trajectory'
_NOT_ITS_TOPIC = {'joint_trajectory': '/commands', 'position_stream': '/joint_trajectory'}
_ACTION = ('an action goal lives by itself: its server may cancel or abort it and then holds '
           'where it is, which nobody has verified, and goals cannot follow each other at every '
           'tick')


def interface_complaint(interface: str, topic: str) -> Complaint | None:
    """Return what is wrong with a controller's interface, or with its topic for that."""
    if interface == 'follow_joint_trajectory':
        return ('interface', f'found {interface}, which is refused: {_ACTION}',
                'write joint_trajectory: the same controller takes the topic, too')
    if interface == 'gripper_command':
        return ('interface', f'found {interface}, which is refused: {_ACTION}',
                'write joint_trajectory or position_stream, and drive the joint by such a '
                'controller')
    if interface not in INTERFACES:
        return ('interface', f'found {interface!r}', f'write {" or ".join(INTERFACES)}')
    if topic.endswith(_NOT_ITS_TOPIC[interface]):
        return ('topic', f'found {topic} with interface {interface}',
                'write the topic of that controller: /joint_trajectory_controller/joint_trajectory'
                ', say, or /forward_position_controller/commands for a position_stream')
    return None
