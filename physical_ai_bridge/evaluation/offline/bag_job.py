"""One recording and one policy as a job: everything that it needs by name, everything it found."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
import time
from typing import Any

import numpy as np
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.prefetch import prefetched
from physical_ai_bridge.bags.problems import ReadingProblem
from physical_ai_bridge.bags.reader import RecordedMessage, Recording
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell, urdf_path
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import SetupError, WireError
from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode, Severity
from physical_ai_bridge.evaluation.offline.judge import Judge
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.parity import Parity, ParityCheck
from physical_ai_bridge.evaluation.offline.replay_clock import ReplayClock
from physical_ai_bridge.evaluation.offline.scores import BagScores, ParityScore
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.evaluation.offline.timelines import timeline_of
from physical_ai_bridge.evaluation.offline.topics import JOINTS, match, Topics
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.open_policy import open_policy, OpenedPolicy
from physical_ai_bridge.runtime import cdr
from physical_ai_bridge.safety.robot_model import RobotModel

_NO_PARITY = ParityScore(recorded=False, compared={}, identical={}, gaps=(), first_difference='')


@dataclass(frozen=True, slots=True, kw_only=True)
class BagJob:
    """
    What to judge, how, all of it plain.

    ``name`` is what the recording is called in reports. ``policy`` is a bundle's folder, a
    teacher's file or its URL, which then is ``like`` a bundle. ``urdf`` is a file that stands for
    /robot_description where the cell file names that. ``latency_s`` is how long an inference is
    taken to last on the recording's clock.
    """

    bag: Path
    name: str
    cell: Path
    policy: str
    like: str | None = None
    urdf: Path | None = None
    latency_s: float = 0.04
    remap: Mapping[str, str] = field(default_factory=dict)
    parity: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BagOutcome:
    """
    What came of a job: its scores, what adds up over recordings, what the page draws.

    ``sums`` and ``timeline`` are None where nothing could be evaluated. ``timing`` is of this
    machine: ``wall_s``, and ``inference_s`` of each inference.
    """

    scores: BagScores
    sums: Sums | None
    timeline: BagTimeline | None
    timing: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What judges: made once in a process, used for one recording after the other."""

    binding: Binding
    digest: str
    robot: RobotModel
    opened: OpenedPolicy


def open_bench(job: BagJob) -> Bench:
    """
    Return what ``job`` is judged with, the policy loaded.

    Raises
    ------
    ContractError
        If the policy does not fit the cell, with every mismatch.
    SetupError
        If there is no URDF.

    """
    cell = load_cell(job.cell)
    urdf = job.urdf or urdf_path(cell, job.cell)
    if urdf is None:
        raise SetupError(f'{job.cell}: robot.urdf: the URDF comes from /robot_description, which '
                         'no recording is asked for; give the file: --urdf FILE')
    text = Path(urdf).read_bytes().decode()
    opened = open_policy(job.policy, like=None if job.like is None else job.like)
    binding = bind(cell, opened.manifest, bundle_digest=opened.digest, cell_path=str(job.cell),
                   manifest_path=str(opened.manifest_path))
    return Bench(binding, cell_digest(job.cell), RobotModel.from_urdf(text, cell), opened)


@lru_cache(maxsize=2)
def _bench(cell: Path, policy: str, like: str | None, urdf: Path | None) -> Bench:
    return open_bench(BagJob(bag=Path(), name='', cell=cell, policy=policy, like=like, urdf=urdf))


def judge_bag(job: BagJob) -> BagOutcome:
    """Judge a recording; one that cannot be read, or is of another robot, is a failed one."""
    begun_s = time.perf_counter()
    bench = _bench(job.cell, job.policy, job.like, job.urdf)
    try:
        with Recording(job.bag) as recording:
            outcome = _judge(job, bench, recording, begun_s)
    except RecordingError as error:
        finding = Finding(
            code=str(FindingCode.BAG_UNREADABLE), severity=str(Severity.ERROR), where=job.name,
            detail=str(error))
        return failed_outcome(job, str(error), (finding,))
    return outcome


def failed_outcome(job: BagJob, why: str, findings: tuple[Finding, ...] = ()) -> BagOutcome:
    """Return the outcome of a job that came to nothing."""
    return BagOutcome(
        scores=BagScores(
            bag=job.name, status='failed', failure=why, storage='', distribution=None,
            duration_s=0.0, messages=0, streams={}, findings=findings, episodes=(), policy=None,
            parity=_NO_PARITY),
        sums=None, timeline=None, timing={})


def _judge(job: BagJob, bench: Bench, recording: Recording, begun_s: float) -> BagOutcome:
    ledger = Ledger()
    recorded = {name: (topic.type_name, topic.count) for name, topic in recording.topics.items()}
    topics = match(bench.binding, recorded, job.remap, ledger)
    different = _other_robot(bench, recording, topics, ledger)
    if different:
        return failed_outcome(job, different, ledger.findings())
    clock = ReplayClock()
    begin = _begin(recording, topics, clock, ledger)
    if begin is None:
        return failed_outcome(job, 'it holds no message that is of use', ledger.findings())
    runs = topics.policy
    kinematics = kinematics_for(bench.binding, _read_urdf(job))
    with ThreadPoolExecutor(1, 'inference') as executor:
        judge = Judge(
            bench.binding, bench.robot, topics, ledger, clock, begin,
            policy=bench.opened.policy if runs else None, kinematics=kinematics,
            executor=executor, latency_s=job.latency_s)
        parity = ParityCheck(
            bench.binding.cell, bench.digest, bench.robot, binding=bench.binding,
            infer=bench.opened.policy.infer, kinematics=kinematics) if job.parity else None
        watched = frozenset() if parity is None else parity.topics & recorded.keys()
        count = 0
        for message in prefetched(recording, {*topics.inputs, *watched}):
            count += 1
            judge.take(message)
            if parity is not None and message.topic in parity.topics:
                parity.on_message(message)
        judge.finish()
    _note_problems(recording.problems, judge, ledger)
    return _outcome(job, recording, judge, ledger, count,
                    _parity_score(parity, watched), runs, begun_s)


def _read_urdf(job: BagJob) -> Any:
    return lambda: Path(job.urdf or urdf_path(load_cell(job.cell), job.cell)).read_bytes().decode()


def _first(recording: Recording, topic: str) -> RecordedMessage | None:
    return next(iter(recording.messages([topic])), None)


def _other_robot(
        bench: Bench, recording: Recording, topics: Topics, ledger: Ledger) -> str:
    """Return why the recording is of another robot than the cell's, '' where it is not."""
    joints = bench.binding.cell.robot.joints
    for topic, source in topics.inputs.items():
        message = _first(recording, topic) if source.kind == JOINTS else None
        if message is None:
            continue
        try:
            names = cdr.decode_joint_state(message.data).names
        except WireError:
            return ''  # told of each message
        missing = [joint for joint in joints if joint not in names]
        if missing and not set(joints) & set(names):
            why = (f'{topic}: its joints are {", ".join(names) or "none"}; the cell file has '
                   f'{", ".join(joints)}')
            ledger.add(FindingCode.ROBOT_DIFFERENT, topic, why)
            return why
    return ''


def _begin(
        recording: Recording, topics: Topics, clock: ReplayClock, ledger: Ledger) -> int | None:
    """Return the ROS time of the first message of use; the clock is set for the recording."""
    first = None
    for topic, source in topics.inputs.items():
        message = _first(recording, topic)
        if message is None:
            continue
        if first is None or message.stamp_ns < first:
            first = message.stamp_ns
        if source.kind == JOINTS:
            _compare_clocks(message, clock, ledger)
    return None if first is None else first + clock.shift_ns


def _compare_clocks(message: RecordedMessage, clock: ReplayClock, ledger: Ledger) -> None:
    try:
        stamp_ns = cdr.decode_joint_state(message.data).stamp_ns
    except WireError:
        return
    shift_ns = clock.compare(message.stamp_ns, stamp_ns)
    if shift_ns:
        ledger.add(
            FindingCode.CLOCKS_APART, message.topic,
            f'stamps and recorder are {abs(shift_ns) / NS_PER_S:.3f} s apart; the stamps are '
            'followed')


def _note_problems(
        problems: tuple[ReadingProblem, ...], judge: Judge, ledger: Ledger) -> None:
    for problem in problems:
        at_s = None if problem.stamp_ns is None else judge.seconds(problem.stamp_ns)
        ledger.add(FindingCode.BAG_DAMAGED, problem.where, f'{problem.code}: {problem.detail}',
                   at_s)


def _parity_score(check: ParityCheck | None, watched: frozenset[str]) -> ParityScore:
    if check is None or not watched:
        return _NO_PARITY
    found: Parity = check.finish()
    nodes = (found.supervisor, found.policy)
    first = next((node for node in nodes if node.first_difference is not None), None)
    return ParityScore(
        recorded=True, compared={node.node: sum(node.compared.values()) for node in nodes},
        identical={node.node: sum(node.identical.values()) for node in nodes},
        gaps=tuple(f'{node.node}: {gap}' for node in nodes for gap in node.gaps),
        first_difference='' if first is None else f'{first.node}: {first.first_difference}')


def _outcome(
        job: BagJob, recording: Recording, judge: Judge, ledger: Ledger, count: int,
        parity: ParityScore, runs: bool, begun_s: float) -> BagOutcome:
    streams = {topic: health.score() for topic, health in sorted(judge.streams.items())}
    findings = ledger.findings()
    partly = any(each.severity == Severity.ERROR for each in findings)
    timeline = timeline_of(job.name, judge)
    return BagOutcome(
        scores=BagScores(
            bag=job.name, status='partly' if partly or not runs else 'evaluated', failure='',
            storage=recording.storage, distribution=recording.distribution,
            duration_s=judge.duration_s, messages=count, streams=streams, findings=findings,
            episodes=judge.episode_scores() if runs else (),
            policy=judge.sums.scores() if runs else None, parity=parity),
        sums=judge.sums if runs else None, timeline=timeline,
        timing={'wall_s': time.perf_counter() - begun_s,
                'inference_s': np.array(judge.inference_s), 'duration_s': judge.duration_s})
