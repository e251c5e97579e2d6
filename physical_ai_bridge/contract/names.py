"""The ROS names of a cell, and what becomes of them in a namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from physical_ai_bridge.contract.cell import Cell

CLOCK = '/clock'
PROPOSALS = '/proposed_trajectory'
DIAGNOSTICS = '/diagnostics'
ROBOT_DESCRIPTION = '/robot_description'
# What ~/trace, ~/task, ~/state and ~/episode are where nothing is remapped.
SUPERVISOR_TRACE = '/safety_supervisor/trace'
POLICY_TRACE = '/policy_node/trace'
POLICY_TASK = '/policy_node/task'
SUPERVISOR_STATE = '/safety_supervisor/state'
EPISODE = '/mujoco_cell/episode'


def topics_of(cell: Cell) -> tuple[str, ...]:
    """Return every topic that a cell file names, each once, in the order of the file."""
    return tuple(dict.fromkeys(_topics(cell)))


def sensed_topics(cell: Cell) -> tuple[str, ...]:
    """Return what a cell itself publishes: sensors, emergency stop, the controller's reference."""
    reference = cell.controller.state_topic
    return tuple(dict.fromkeys((
        *_topics(cell.sensors), cell.safety.emergency_stop.topic,
        *(() if reference is None else (reference,)))))


def shared_topics(cell: Cell) -> tuple[str, ...]:
    """Return the absolute names that the nodes of a cell use, but for the clock's."""
    return tuple(dict.fromkeys((
        *(name for name in topics_of(cell) if name.startswith('/')),
        PROPOSALS, DIAGNOSTICS, ROBOT_DESCRIPTION)))


def into_namespace(name: str, namespace: str) -> str:
    """Return the full name that ``name`` has in ``namespace``; one that is in it stays."""
    prefix = '/'.join(('', *filter(None, namespace.split('/'))))
    return name if prefix and name.startswith(f'{prefix}/') else f'{prefix}/{name.lstrip("/")}'


def remappings(cell: Cell, namespace: str) -> tuple[tuple[str, str], ...]:
    """
    Return the remappings that keep a cell's nodes to ``namespace``, such as /left.

    A namespace alone does not reach absolute names, and cell files have those. What is left out
    are the names that ROS itself shares: /rosout, /parameter_events and /clock.
    """
    pairs = ((name, into_namespace(name, namespace)) for name in shared_topics(cell))
    return tuple((name, moved) for name, moved in pairs if moved != name)


def _topics(value: Any) -> Iterator[str]:
    """Yield what stands under ``topic`` and ``*_topic`` anywhere in a value of the contract."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _topics(inner)
    elif is_dataclass(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            if field.name == 'topic' or field.name.endswith('_topic'):
                if inner is not None:
                    yield inner
            else:
                yield from _topics(inner)
