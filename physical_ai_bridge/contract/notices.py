"""What a person has to know of a cell that is right, before its robot moves."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Cell

_STREAM = (
    'the controller on {topic} holds its last setpoint when messages stop: where the supervisor '
    'dies or its process pauses amid a motion, the robot stops at once, by its own limits and not '
    'by the acceleration and jerk written here; see docs/command_interfaces.md')

_GRIPPER = (
    'the gripper {joint} is verified against its own limits alone: for self-collision, keep-out '
    'boxes and the tcp it stands at the neutral position that the robot description gives it, '
    'whatever it does; describe the fingers where they reach furthest, or keep them out by larger '
    'boxes')


def notices(cell: Cell) -> tuple[str, ...]:
    """Return, one sentence each, what this cell does otherwise than the default."""
    found = []
    if cell.controller.streams:
        found.append(_STREAM.format(topic=cell.controller.topic))
    if cell.gripper is not None:
        found.append(_GRIPPER.format(joint=cell.gripper.joint))
        if cell.gripper.streams:
            found.append(_STREAM.format(topic=cell.gripper.topic))
    return tuple(found)
