"""From a recording to a run: what was said on which topic becomes values over one clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from physical_ai_bridge.bags.reader import decode, RecordedMessage, Recording, Status
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.names import DIAGNOSTICS, EPISODE, PROPOSALS, SUPERVISOR_STATE
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, WrenchSample
from physical_ai_bridge.evaluation.run import (
    Command,
    Diagnostics,
    Episode,
    JointTrack,
    ModeChange,
    Proposal,
    Run,
    Stream,
    WrenchTrack,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message

_UNDECODED = frozenset({'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'})


@dataclass(slots=True)
class _Try:
    """An episode while it is being put together from its reports."""

    begun_ns: int
    seed: int | None
    ended_ns: int | None = None
    last_ns: int = 0
    success: bool = False
    peak_force_n: float | None = None
    limit_share: float | None = None
    limits_exceeded: tuple[str, ...] = ()


@dataclass(slots=True)
class _Gathered:
    """What the messages said, in the order in which they came."""

    cell: Cell
    joints: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    wrenches: dict[str, list[tuple[int, float, float]]] = field(
        default_factory=lambda: defaultdict(list))
    proposals: list[Proposal] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    modes: list[ModeChange] = field(default_factory=list)
    tries: dict[int, _Try] = field(default_factory=dict)
    diagnostics: dict[str, list[tuple[int, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list))
    undecodable: Counter[str] = field(default_factory=Counter)

    def on_joints(self, message: RecordedMessage, sample: JointSample) -> None:
        column = {name: index for index, name in enumerate(sample.names)}
        if any(name not in column for name in self.cell.robot.joints):
            raise WireError(f'{message.topic}: a joint of the cell is missing')
        order = [column[name] for name in self.cell.robot.joints]
        velocity = np.full(len(order), np.nan) if sample.velocity is None else (
            sample.velocity[order])
        self.joints.append((sample.stamp_ns, sample.position[order], velocity))

    def on_wrench(self, name: str, sample: WrenchSample) -> None:
        self.wrenches[name].append((sample.stamp_ns, float(np.linalg.norm(sample.force)),
                                    float(np.linalg.norm(sample.torque))))

    def on_proposal(self, message: RecordedMessage, value: TrajectoryMessage) -> None:
        self.proposals.append(Proposal(
            stamp_ns=value.stamp_ns, received_ns=message.stamp_ns))

    def on_command(self, message: RecordedMessage, value: TrajectoryMessage) -> None:
        motion = trajectory_from_message(value, self.cell.robot.joints)
        self.commands.append(Command(trajectory=motion, received_ns=message.stamp_ns))

    def on_state(self, message: RecordedMessage, status: Status) -> None:
        values = status.values
        change = ModeChange(
            stamp_ns=int(values.get('stamp_ns') or message.stamp_ns),
            mode=values.get('mode', ''), reason=values.get('reason', ''),
            detail=values.get('detail', ''))
        # What is said again once a second is no change; a latched one may come late.
        last = self.modes[-1] if self.modes else None
        if last is None or (last.mode, last.reason) != (change.mode, change.reason):
            self.modes.append(change)

    def on_episode(self, message: RecordedMessage, status: Status) -> None:
        values = status.values
        index, now_ns = int(values['index']), message.stamp_ns
        elapsed_ns = round(float(values['elapsed_s']) * NS_PER_S)
        if index not in self.tries:
            seed = values.get('seed', '')
            self.tries[index] = _Try(
                begun_ns=now_ns - elapsed_ns, seed=int(seed) if seed else None)
        found = self.tries[index]
        found.last_ns = now_ns
        if found.ended_ns is None and values.get('done') == 'true':
            found.ended_ns = min(now_ns, found.begun_ns + elapsed_ns)
            found.success = values.get('success') == 'true'
            found.peak_force_n = float(values['peak_force_n'])
        found.limit_share = float(values['limits_worst_share'])
        found.limits_exceeded = tuple(values.get('limits_exceeded', '').split())


def load_run(
        path: Path, cell: Cell, *, dropped: Mapping[str, int] | None = None,
        advance: Callable[[int], object] | None = None) -> Run:
    """
    Return the run that the recording at ``path`` holds.

    ``dropped`` says how many messages of each topic the recorder could not write. ``advance`` is
    told, now and then, how many more messages were read. Messages that do not decode are left
    out and counted in the run's notes, which tell, too, what is wrong with the recording.

    Raises
    ------
    RecordingError
        When the recording cannot be read.

    """
    gathered = _Gathered(cell)
    handlers = _handlers(cell, gathered)
    received: dict[str, list[int]] = defaultdict(list)
    types: dict[str, str] = {}
    with Recording(path) as recording:
        notes = recording.notes
        for count, message in enumerate(recording.messages()):
            received[message.topic].append(message.stamp_ns)
            types[message.topic] = message.type_name
            handler = handlers.get(message.topic)
            if handler is not None and message.type_name not in _UNDECODED:
                _hand_over(gathered, handler, message)
            if advance is not None and count % 2000 == 1999:
                advance(2000)
        if recording.problems:
            notes['problems'] = ' '.join(f'{problem}.' for problem in recording.problems)
    if gathered.undecodable:
        notes['undecodable'] = ', '.join(
            f'{topic} {count}' for topic, count in sorted(gathered.undecodable.items()))
    rates = wanted_rates(cell)
    dropped = dropped or {}
    return Run(
        cell=cell, joints=_joint_track(gathered), wrenches=_wrench_tracks(gathered),
        proposals=tuple(gathered.proposals), commands=tuple(gathered.commands),
        modes=tuple(gathered.modes), episodes=_episodes(gathered),
        streams={topic: Stream(
            type_name=types.get(topic, ''), received_ns=np.array(received[topic], dtype=np.int64),
            wanted_rate_hz=rates.get(topic), dropped=dropped.get(topic, 0))
            for topic in sorted({*received, *dropped})},
        diagnostics={name: Diagnostics(name=name, told=tuple(told))
                     for name, told in sorted(gathered.diagnostics.items())}, notes=notes)


def wanted_rates(cell: Cell) -> dict[str, float]:
    """Return the rates that the cell file promises, by topic."""
    sensors = cell.sensors
    rates = {sensors.joint_states.topic: sensors.joint_states.rate_hz}
    rates.update({each.topic: each.rate_hz for each in sensors.cameras.values()})
    rates.update({each.topic: each.rate_hz for each in sensors.wrenches.values()})
    return rates


Handler = Callable[[RecordedMessage, object], None]


def _handlers(cell: Cell, gathered: _Gathered) -> dict[str, Handler]:
    """Return what each topic's values are handed to; images stay undecoded."""
    def told(message: RecordedMessage, statuses: tuple[Status, ...]) -> None:
        for status in statuses:
            gathered.diagnostics[status.name].append(
                (status.stamp_ns or message.stamp_ns, status.values))

    def wrench_of(name: str) -> Handler:
        return lambda _, sample: gathered.on_wrench(name, sample)

    return {
        cell.sensors.joint_states.topic: gathered.on_joints,
        **{each.topic: wrench_of(name) for name, each in cell.sensors.wrenches.items()},
        PROPOSALS: gathered.on_proposal,
        cell.controller.plan_topic: gathered.on_command,
        SUPERVISOR_STATE: lambda message, statuses: gathered.on_state(message, statuses[0]),
        EPISODE: lambda message, statuses: gathered.on_episode(message, statuses[0]),
        DIAGNOSTICS: told,
    }


def _hand_over(gathered: _Gathered, handler: Handler, message: RecordedMessage) -> None:
    try:
        handler(message, decode(message))
    except (WireError, KeyError, ValueError):
        gathered.undecodable[message.topic] += 1


def _joint_track(gathered: _Gathered) -> JointTrack:
    rows, width = gathered.joints, len(gathered.cell.robot.joints)
    return JointTrack(
        stamps_ns=np.array([row[0] for row in rows], dtype=np.int64),
        position=np.array([row[1] for row in rows]).reshape(-1, width),
        velocity=np.array([row[2] for row in rows]).reshape(-1, width))


def _wrench_tracks(gathered: _Gathered) -> dict[str, WrenchTrack]:
    return {name: WrenchTrack(
        stamps_ns=np.array([row[0] for row in rows], dtype=np.int64),
        force_n=np.array([row[1] for row in rows]), torque_nm=np.array([row[2] for row in rows]))
        for name, rows in sorted(gathered.wrenches.items())}


def _episodes(gathered: _Gathered) -> tuple[Episode, ...]:
    """
    Return the episodes: from the first observation that was acted on to the cell's verdict.

    Between the cell's reset and the first proposal nothing moves; that is not counted. A reset to
    which no policy ever proposed anything and that did not run out of time is no episode.
    """
    found = []
    for each in (gathered.tries[index] for index in sorted(gathered.tries)):
        end_ns = each.ended_ns or each.last_ns
        acted = next((p.stamp_ns for p in gathered.proposals
                      if each.begun_ns <= p.stamp_ns < end_ns), None)
        if acted is None and each.ended_ns is None:
            continue
        found.append(Episode(
            number=len(found) + 1, seed=each.seed,
            start_ns=each.begun_ns if acted is None else acted, end_ns=end_ns,
            success=each.success, peak_force_n=each.peak_force_n, limit_share=each.limit_share,
            limits_exceeded=each.limits_exceeded))
    return tuple(found)
