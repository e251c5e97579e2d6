"""
The marks in a cell file for what only a person can decide.

The YAML value ``DECIDE`` stands where nothing that a machine can read says what is right. A file
that holds one is no cell yet: reading it reports every mark, each with what is to be decided.
"""

from __future__ import annotations

from collections.abc import Iterator
import re
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import Problem
from physical_ai_bridge.contract.wording import annotation_at, dotted, Path, wanted

DECIDE = 'DECIDE'
FOUND = f'found {DECIDE}, which a person has to replace'
_WORD = re.compile(rf'\b{DECIDE}\b')

# By key, with * for a name that the cell chooses. What is not here is said by its unit alone.
_QUESTIONS = {
    'robot.base_frame': 'the link that stands still, in which the workspace is given',
    'robot.tcp_frame':
        'the link whose origin is the tip of the tool: what stays in the workspace and under the '
        'tcp speed limit',
    'sensors.cameras': 'each camera under the name that the bundle uses, {} where there is none',
    'sensors.joint_states.rate_hz': 'how often they are published; `ros2 topic hz` shows it',
    'sensors.joint_states.max_age_s': 'the oldest joint state that the policy may be given',
    'sensors.wrenches.*.rate_hz': 'how often it is published; `ros2 topic hz` shows it',
    'sensors.wrenches.*.max_age_s': 'the oldest reading that the policy may be given',
    'controller.rate_hz': 'the update_rate of the controller manager',
    'controller.latency_s':
        'the longest time from deciding a command until the controller executes it',
    'controller.tracking_tolerance_rad':
        'how far the measured joints may lag behind the command; more stops the robot',
    'safety.joint_limits.*.has_position_limits':
        'whether the joint has ends; true needs min_position and max_position',
    'safety.joint_limits.*.max_velocity':
        "the joint's top speed in this cell, at most what the robot's maker allows",
    'safety.joint_limits.*.max_acceleration':
        'how hard the joint may speed up, and how hard it brakes in a stop: less is gentler, but '
        'a stop takes longer',
    'safety.joint_limits.*.max_jerk':
        'how fast the acceleration may change: it is reached after max_acceleration / max_jerk '
        'seconds',
    'safety.tcp_speed_max_m_s': 'the top speed of the tip of the tool, from the risk assessment',
    'safety.workspace':
        'the box, in the base frame, that the tip of the tool never leaves: '
        '{min: [x, y, z], max: [x, y, z]}',
    'safety.force_limits.*.max_force_n':
        'the force at which the robot stops, from what part, tool and robot bear',
    'safety.force_limits.*.max_torque_nm':
        'the torque at which the robot stops, from what part, tool and robot bear',
    'safety.emergency_stop.timeout_s':
        'how long the heartbeat of the emergency stop may be silent before the robot stops',
    'safety.watchdogs.proposals_s':
        'how long the policy may be silent while it moves the robot; some periods of the policy',
    'safety.watchdogs.joint_states_s':
        'how long the joint states may be silent; some periods of their rate',
    'safety.watchdogs.wrenches_s':
        'how long a wrench sensor may be silent; some periods of its rate',
    'safety.watchdogs.tick_s':
        'how late a tick of the supervisor itself may come; some periods of tick_rate_hz',
    'safety.watchdogs.controller_state_s':
        "how long the controller's state may be silent; some periods of its rate",
}


def question(path: Path) -> str:
    """Return what there is to decide at a place in a cell file: '' where its unit says it."""
    names = [str(step) for step in path]
    for pattern, text in _QUESTIONS.items():
        parts = pattern.split('.')
        if len(parts) == len(names) and all(
                part in ('*', name) for part, name in zip(parts, names, strict=True)):
            return text
    return ''


def find_marks(raw: Any, where: str) -> list[Problem]:
    """Return every mark in the plain values of a cell file, in its order."""
    return [Problem(where, dotted(path), FOUND, _write(path)) for path in _marked(raw, ())]


def without_echoes(problems: list[Problem], marks: list[Problem]) -> list[Problem]:
    """Return ``problems`` without those that are about nothing but one of ``marks``."""
    if not marks:
        return problems
    places = {mark.key for mark in marks}
    return [each for each in problems if each.key not in places
            and not _WORD.search(f'{each.key} {each.found} {each.write}')]


def _marked(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _marked(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _marked(inner, (*path, index))
    elif value == DECIDE:
        yield path


def _write(path: Path) -> str:
    text, what = wanted(annotation_at(Cell, path)), question(path)
    return f'{text}: {what}' if what else text
