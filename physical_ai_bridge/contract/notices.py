"""What a person has to know of a cell that is right, before its robot moves."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Cell

_STREAM = (
    'the controller on {topic} holds its last setpoint when messages stop: where the supervisor '
    'dies or its process pauses amid a motion, the robot stops at once, by its own limits and not '
    'by the acceleration and jerk written here; see docs/command_interfaces.md')


def notices(cell: Cell) -> tuple[str, ...]:
    """Return, one sentence each, what this cell does otherwise than the default."""
    found = []
    if cell.controller.streams:
        found.append(_STREAM.format(topic=cell.controller.topic))
    return tuple(found)
