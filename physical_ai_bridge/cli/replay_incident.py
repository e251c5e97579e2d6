"""``replay-incident``: say what an incident was, and decide it again."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from physical_ai_bridge import __version__
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.evaluation.timeline import Event, Timeline
from physical_ai_bridge.runtime.cdr import decode_joint_trajectory
from physical_ai_bridge.runtime.decision_bytes import decision_payload, split_outcome
from physical_ai_bridge.runtime.incident import Happening, main_of
from physical_ai_bridge.runtime.incident_file import (
    Header,
    IncidentError,
    library_versions,
    read_incident,
)
from physical_ai_bridge.runtime.incident_replay import replay_incident
from physical_ai_bridge.runtime.replay import FAULT, Replayed
from physical_ai_bridge.safety.decision import Decision, Mode

_ROWS = 30
_LISTED = 5
_MOST_POINTS = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``replay-incident``."""
    parser.add_argument('file', type=Path, metavar='FILE',
                        help='a record that the supervisor wrote: incident-*.zip')


def run(args: argparse.Namespace, out: Output) -> int:
    """Replay; return 0 if every decision is the same as then, bit for bit, 1 if one is not."""
    incident = read_incident(args.file)
    header = incident.header
    main = main_of(header.happenings)
    timeline = Timeline(main.steady_ns)
    decisions, first, reached = 0, None, False
    with out.progress('entries', len(incident.entries)) as advance:
        for replayed in replay_incident(incident):
            timeline.add(replayed)
            decisions += replayed.decision is not None or replayed.entry.kind == FAULT
            reached |= _is(main, replayed.decision)
            if not replayed.identical:
                # From here on its state is another one: what follows says nothing.
                first = _difference(replayed, decisions, main)
                break
            advance()
    if first is None and not reached and main.mode != Mode.FAULT:
        raise IncidentError(f'{args.file}: no decision in it is the one that it is said to be '
                            f'about, {main.mode}: {main.reason}')
    events = timeline.events()
    others = _other_versions(header)
    _show(out, header, main, events)
    _judge(out, decisions, first, others)
    out.result({
        'ok': first is None, 'file': str(args.file), 'incident': asdict(header),
        'meaning': _meaning(main.reason), 'decisions': decisions, 'first_difference': first,
        'other_versions': others, 'timeline': [asdict(event) for event in events]})
    return 0 if first is None else 1


def _is(happening: Happening, decision: Decision | None) -> bool:
    return decision is not None and (
        str(decision.mode), str(decision.reason), decision.now.steady_ns) == (
        happening.mode, happening.reason, happening.steady_ns)


def _show(out: Output, header: Header, main: Happening, events: list[Event]) -> None:
    def say(text: str, style: str | None = None) -> None:
        out.say(_clean(text), style)

    say(f'{header.mode}: {header.reason}, on {header.at}', 'bold red' if main.stopped else 'bold')
    meaning = _meaning(main.reason)
    say(meaning if header.detail in ('', meaning) else f'{meaning}: {header.detail}')
    say(f'{header.node} of the cell {header.cell}, authority {header.authority}, '
        f'physical_ai_bridge {header.package_version}')
    say(', '.join(f'{name} {digest[:12] or "unknown"}' for name, digest in (
        ('cell file', header.cell_digest), ('URDF', header.urdf_digest),
        ('bundle', header.bundle_digest))))
    if header.interventions > 1:
        others = [each for each in header.happenings if each is not main]
        listed = '; '.join(f'{each.mode}: {each.reason} {_offset(each, main)}'
                           for each in others[:_LISTED])
        say(f'{header.interventions} interventions in this record, beside it: {listed}'
            + ('; ...' if header.interventions - 1 > _LISTED else ''))
    out.say()
    near = sorted(events, key=lambda event: abs(event.at_s))[:_ROWS]
    out.table(('time', 'what', ''), [
        (f'{event.at_s:+.3f} s', _clean(event.what), _clean(event.detail))
        for event in events if event in near])
    if len(events) > len(near):
        say(f'... and {len(events) - len(near)} further away; --json has all of them')
    out.say()


def _judge(out: Output, decisions: int, first: dict[str, Any] | None, others: list[str]) -> None:
    if first is None:
        out.say(f'replayed {decisions} decisions, all identical', style='bold green')
        return
    out.say(f'decision {first["decision"]} is another one now: {first["entry"]}, '
            f'{first["at_s"]:+.3f} s', style='bold red')
    for line in first['differences']:
        out.say(_clean(f'  {line}'))
    for line in others:
        out.say(_clean(line))


def _difference(replayed: Replayed, number: int, main: Happening) -> dict[str, Any]:
    """Say how a decision differs from the one of then."""
    entry = replayed.entry
    now = b'' if replayed.decision is None else decision_payload(replayed.decision)
    return {
        'decision': number, 'entry': entry.kind,
        'at_s': (entry.now.steady_ns - main.steady_ns) / NS_PER_S,
        'differences': _differences(entry.payload, now)}


def _differences(then: bytes, now: bytes) -> list[str]:
    try:
        (old, old_command), (new, new_command) = split_outcome(then), split_outcome(now)
    except ValueError:
        return ['the error that it met then does not come again' if not now
                else 'what was decided then cannot be read']
    lines = [f'{key}: then {old.get(key)!r}, now {new.get(key)!r}'
             for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if old_command != new_command:
        lines.append(_commands(old_command, new_command))
    return lines or ['its form is another one']


def _commands(then: bytes, now: bytes) -> str:
    if not then or not now:
        return f'then {"a" if then else "no"} command, now {"one" if now else "none"}'
    try:
        old, new = (decode_joint_trajectory(each, _MOST_POINTS) for each in (then, now))
        times = [[point.time_from_start_ns for point in each.points] for each in (old, new)]
        if (old.stamp_ns, old.joint_names, times[0]) != (new.stamp_ns, new.joint_names, times[1]):
            return (f'the command: then {len(old.points)} points, now {len(new.points)}, at '
                    'other times')
        apart = np.abs(_positions(old) - _positions(new))
        joint = old.joint_names[int(apart.max(axis=0).argmax())]
        return f'the command: {joint} differs most, by {apart.max():.3g} rad'
    except (WireError, ValueError) as error:
        return f'the command of then cannot be read: {error}'


def _positions(message: TrajectoryMessage) -> np.ndarray:
    return np.array([point.positions for point in message.points])


def _other_versions(header: Header) -> list[str]:
    """Say what computes here in another version than there: the last bit may depend on it."""
    here = {**library_versions(), 'physical_ai_bridge': __version__}
    there = {**header.libraries, 'physical_ai_bridge': header.package_version}
    return [f'{name}: recorded with {there.get(name, "none")}, here is {here.get(name, "none")}'
            for name in sorted({*here, *there}) if here.get(name) != there.get(name)]


def _meaning(reason: str) -> str:
    try:
        return Reason(reason).meaning
    except ValueError:
        return 'a reason that this version does not know'


def _offset(happening: Happening, main: Happening) -> str:
    return f'{(happening.steady_ns - main.steady_ns) / NS_PER_S:+.3f} s'


def _clean(text: str) -> str:
    """Keep what a file says from steering the terminal."""
    return ''.join(each if each.isprintable() else '\N{REPLACEMENT CHARACTER}' for each in text)
