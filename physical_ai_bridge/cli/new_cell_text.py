"""The text of a first cell file: each number with where it comes from, or a mark."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
import json
import re
import textwrap

from physical_ai_bridge.cli.new_cell_controllers import Entry
from physical_ai_bridge.cli.new_cell_limits import Limits, Sourced
from physical_ai_bridge.contract.decisions import DECIDE, question

_WIDTH = 98
_PLAIN = re.compile(r'[A-Za-z_/][A-Za-z0-9_/.-]*')
_RESERVED = re.compile(r'(?i:true|false|null|yes|no|on|off|y|n)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """
    What was found, to be written down.

    ``sources`` are the files read, with what each was read for; ``tool_frames`` the links that
    may be the tip; ``joint_states`` and ``path_tolerance`` (rad) None where no file says them;
    ``limits_note`` what is to be known of the limits, '' for nothing; ``notes`` what should be
    changed in the controllers' file.
    """

    name: str
    urdf: str
    sources: tuple[tuple[str, str], ...]
    controllers: str
    joints: tuple[str, ...]
    base_frame: str
    tool_frames: tuple[str, ...]
    controller: Entry
    joint_states: Entry | None
    wrenches: dict[str, Entry]
    path_tolerance: float | None
    limits: dict[str, Limits]
    limits_note: str
    notes: tuple[str, ...]


_Path = tuple[str, ...]


class _Lines:
    """Lines of YAML. A path is dotted, or a tuple where a name in it may have a dot itself."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, indent: int, text: str, item: str = '') -> None:
        """Write a comment above what comes next, wrapped; ``item`` is what begins its line."""
        begin = f'{" " * indent}# '
        self.lines += textwrap.wrap(
            _one_line(text), _WIDTH, initial_indent=begin + item,
            subsequent_indent=begin + ' ' * len(item), break_long_words=False,
            break_on_hyphens=False)

    def put(self, path: str | _Path, value: str = '', why: str = '') -> None:
        """Write the key at the end of a path, its value, and where that comes from."""
        steps, why = _steps(path), _one_line(why)
        indent = 2 * (len(steps) - 1)
        line = f'{" " * indent}{scalar(steps[-1])}:{" " if value else ""}{value}'
        if why and len(line) + len(why) + 4 <= _WIDTH + 20:
            self.lines.append(f'{line}  # {why}')
            return
        if why:
            self.note(indent, f'{steps[-1]}: {why}')
        self.lines.append(line)

    def decide(self, path: str | _Path, more: str = '') -> None:
        """Write a mark, and above it what there is to decide."""
        steps = _steps(path)
        text = question(steps)
        self.note(2 * (len(steps) - 1), f'{steps[-1]}: {text}{"; " if more else ""}{more}')
        self.put(steps, DECIDE)

    def number(self, path: _Path, found: Sourced) -> None:
        """Write a number with its source, or a mark with why there is none."""
        if found.value is None:
            self.put(path, DECIDE, found.source)
        else:
            self.put(path, number(found.value), found.source)


def _steps(path: str | _Path) -> _Path:
    return tuple(path.split('.')) if isinstance(path, str) else path


def _one_line(text: str) -> str:
    """Return a text without line ends: a comment must not become anything else."""
    return ' '.join(text.split())


def scalar(text: str) -> str:
    """Return a text as YAML writes it, in quotes where it could be read as something else."""
    plain = _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """Return a number as every YAML reader takes it: digits and a point, no exponent."""
    text = f'{Decimal(repr(value)):f}'
    return text if '.' in text else f'{text}.0'


def cell_text(draft: Draft) -> str:
    """Return the text of the cell file."""
    out = _Lines()
    _head(out, draft)
    _robot(out, draft)
    _sensors(out, draft)
    _controller(out, draft)
    _safety(out, draft)
    return '\n'.join(out.lines) + '\n'


def _head(out: _Lines, draft: Draft) -> None:
    out.note(0, 'A first cell file, written by `physical_ai_bridge new-cell` from')
    for source, what in draft.sources:
        out.note(0, f'{what}: {source}', '  ')
    out.note(0, f'{DECIDE} marks what a person must still decide: until then no node starts and '
             'no verb runs. What each key means, and those that are not here: '
             'config/cells/template.yaml of this package.')
    if draft.notes:
        out.note(0, f'To change in {draft.controllers}:')
        for text in draft.notes:
            out.note(0, text, '  - ')
    out.put('schema', '1')
    out.put('name', scalar(draft.name))


def _robot(out: _Lines, draft: Draft) -> None:
    out.lines.append('')
    out.put('robot')
    out.put('robot.urdf', scalar(draft.urdf))
    out.put('robot.joints', f'[{", ".join(map(scalar, draft.joints))}]',
            f'{draft.controller.short_name} in {draft.controllers}')
    out.put('robot.base_frame', scalar(draft.base_frame), 'URDF: the link that carries the arm')
    frames = draft.tool_frames
    if len(frames) == 1:
        out.put('robot.tcp_frame', scalar(frames[0]),
                "URDF: the arm's last link; write the tip of your tool if the URDF has it")
    else:
        out.decide('robot.tcp_frame', f'the URDF has {", ".join(frames)}' if frames else '')


def _sensors(out: _Lines, draft: Draft) -> None:
    out.lines.append('')
    out.put('sensors')
    out.put('sensors.joint_states')
    found = draft.joint_states
    if found is None:
        out.put('sensors.joint_states.topic', '/joint_states',
                f'the usual name: no joint_state_broadcaster in {draft.controllers}')
        out.decide('sensors.joint_states.rate_hz')
    else:
        local = found.parameters.get('use_local_topics') is True
        topic = found.topic('joint_states') if local else f'{found.namespace}/joint_states'
        out.put('sensors.joint_states.topic', scalar(topic),
                f'{found.short_name} in {draft.controllers}')
        _rate(out, 'sensors.joint_states.rate_hz', found.rate_hz, draft)
    out.decide('sensors.joint_states.max_age_s')
    out.decide('sensors.cameras')
    if draft.wrenches:
        out.note(2, 'By the names that bundles use.')
        out.put('sensors.wrenches')
    for name, sensor in draft.wrenches.items():
        place = ('sensors', 'wrenches', name)
        out.put(place)
        out.put((*place, 'topic'), scalar(sensor.topic('wrench')),
                f'{sensor.short_name} in {draft.controllers}')
        out.put((*place, 'frame_id'), scalar(sensor.parameters['frame_id']),
                f'{sensor.short_name} in {draft.controllers}')
        _rate(out, (*place, 'rate_hz'), sensor.rate_hz, draft)
        out.decide((*place, 'max_age_s'))


def _rate(out: _Lines, path: str | _Path, rate_hz: float | None, draft: Draft) -> None:
    if rate_hz is None:
        out.decide(path, f'{draft.controllers} has no update_rate')
    else:
        out.put(path, number(rate_hz), f'update_rate in {draft.controllers}')


def _controller(out: _Lines, draft: Draft) -> None:
    controller = draft.controller
    out.lines.append('')
    out.put('controller')
    out.put('controller.topic', scalar(controller.topic('joint_trajectory')),
            f'{controller.short_name} in {draft.controllers}')
    out.put('controller.state_topic', scalar(controller.topic('controller_state')),
            'where it reports the reference that it executes')
    _rate(out, 'controller.rate_hz', controller.rate_hz, draft)
    out.decide('controller.latency_s')
    if draft.path_tolerance is None:
        out.decide('controller.tracking_tolerance_rad',
                   f'{draft.controllers} has no constraints.<joint>.trajectory')
    else:
        out.put('controller.tracking_tolerance_rad', number(draft.path_tolerance),
                f'the least constraints.<joint>.trajectory in {draft.controllers}')


def _safety(out: _Lines, draft: Draft) -> None:
    out.lines.append('')
    out.put('safety')
    for key in ('max_acceleration', 'max_jerk'):
        limits = draft.limits.values()
        if any(getattr(each, key.removeprefix('max_')).value is None for each in limits):
            out.note(2, f'{key}: {question(("safety", "joint_limits", "*", key))}.')
    if draft.limits_note:
        out.note(2, f'{draft.limits_note}.')
    out.put('safety.joint_limits')
    for name, limits in draft.limits.items():
        _joint(out, ('safety', 'joint_limits', name), limits)
    out.decide('safety.tcp_speed_max_m_s')
    out.decide('safety.workspace')
    if draft.wrenches:
        out.put('safety.force_limits')
    for name in draft.wrenches:
        place = ('safety', 'force_limits', name)
        out.put(place)
        out.decide((*place, 'max_force_n'))
        out.decide((*place, 'max_torque_nm'))
    out.put('safety.emergency_stop')
    out.put('safety.emergency_stop.topic', '/emergency_stop',
            'std_msgs/Bool: true is pressed, silence is pressed')
    out.decide('safety.emergency_stop.timeout_s')
    out.put('safety.watchdogs')
    for key in ('proposals_s', 'joint_states_s', 'wrenches_s', 'tick_s', 'controller_state_s'):
        out.decide(f'safety.watchdogs.{key}')


def _joint(out: _Lines, place: _Path, limits: Limits) -> None:
    out.put(place, why='prismatic: m, m/s, m/s² and m/s³' if limits.prismatic else '')
    if limits.ends is None:
        out.put((*place, 'has_position_limits'), 'false', 'URDF: it turns without end')
    else:
        out.put((*place, 'has_position_limits'), 'true')
        out.number((*place, 'min_position'), limits.ends[0])
        out.number((*place, 'max_position'), limits.ends[1])
    for key in ('velocity', 'acceleration', 'jerk'):
        out.put((*place, f'has_{key}_limits'), 'true')
        out.number((*place, f'max_{key}'), getattr(limits, key))
