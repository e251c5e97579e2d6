"""One recording and one policy as a job: everything that it needs by name, everything it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
import sys
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
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode, Severity
from physical_ai_bridge.evaluation.offline.judge import Judge
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.parity import Parity, ParityCheck
from physical_ai_bridge.evaluation.offline.replay_clock import ReplayClock
from physical_ai_bridge.evaluation.offline.scores import BagScores, ParityScore
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.evaluation.offline.timelines import timeline_of
from physical_ai_bridge.evaluation.offline.topics import JOINT_STATE, JOINTS, match, Topics
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.open_policy import open_policy, OpenedPolicy
from physical_ai_bridge.runtime import cdr
from physical_ai_bridge.safety.robot_model import RobotModel

_TURN_S = 1e-4
# Who has no joint state among so many messages has none that matters.
_LONGEST_HEAD = 20_000
TRACES = frozenset((POLICY_TRACE, SUPERVISOR_TRACE))
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
    opened = open_policy(job.policy, like=job.like)
    binding = bind(cell, opened.manifest, cell_path=str(job.cell),
                   manifest_path=opened.manifest_path)
    robot = RobotModel.from_urdf(text, cell)
    opened.connect()
    return Bench(replace(binding, bundle_digest=opened.digest), cell_digest(job.cell), robot,
                 opened)


@lru_cache(maxsize=2)
def _bench(cell: Path, policy: str, like: str | None, urdf: Path | None) -> Bench:
    return open_bench(BagJob(bag=Path(), name='', cell=cell, policy=policy, like=like, urdf=urdf))


def judge_bag(job: BagJob) -> BagOutcome:
    """Judge a recording; one that cannot be read, or is of another robot, is a failed one."""
    begun_s = time.perf_counter()
    bench = _bench(job.cell, job.policy, job.like, job.urdf)
    try:
        with _short_turns(), Recording(job.bag) as recording:
            outcome = _judge(job, bench, recording, begun_s)
    except RecordingError as error:
        finding = Finding(
            code=str(FindingCode.BAG_UNREADABLE), severity=str(Severity.ERROR), where=job.name,
            detail=str(error))
        return failed_outcome(job, str(error), (finding,))
    return outcome


@contextmanager
def _short_turns() -> Iterator[None]:
    """
    Let threads take turns often.

    numpy and onnxruntime give the interpreter away for moments; the usual 5 ms until the thread
    that reads gives it back would be waited for thousands of times.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


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
    runs = topics.policy
    kinematics = kinematics_for(bench.binding, _read_urdf(job))
    parity = ParityCheck(
        bench.binding.cell, bench.digest, bench.robot, binding=bench.binding,
        infer=bench.opened.policy.infer, kinematics=kinematics) if job.parity else None
    watched = frozenset() if parity is None else parity.topics & recorded.keys()
    if not watched & TRACES:
        parity, watched = None, frozenset()
    messages = prefetched(recording, {*topics.inputs, *watched})
    with closing(messages), ThreadPoolExecutor(1, 'inference') as executor:
        head = _head(messages, topics)
        if not head:
            return failed_outcome(job, 'it holds no message that is of use', ledger.findings())
        different = _other_robot(bench, head, ledger)
        if different:
            return failed_outcome(job, different, ledger.findings())
        clock = ReplayClock()
        _compare_clocks(head[-1], clock, ledger)
        judge = Judge(
            bench.binding, bench.robot, topics, ledger, clock, head[0].stamp_ns + clock.shift_ns,
            policy=bench.opened.policy if runs else None, kinematics=kinematics,
            executor=executor, latency_s=job.latency_s)
        count = 0
        for message in chain(head, messages):
            count += 1
            judge.take(message)
            if parity is not None:
                parity.on_message(message)
        judge.finish()
    _note_problems(recording.problems, judge, ledger)
    return _outcome(job, recording, judge, ledger, count, _parity_score(parity), runs, begun_s)


def _head(messages: Iterator[RecordedMessage], topics: Topics) -> list[RecordedMessage]:
    """Return the messages up to the first joint state: it tells robot and clock."""
    joints = {topic for topic, source in topics.inputs.items() if source.kind == JOINTS}
    head: list[RecordedMessage] = []
    for message in messages:
        head.append(message)
        if message.topic in joints or len(head) >= _LONGEST_HEAD:
            break
    return head


def _read_urdf(job: BagJob) -> Any:
    return lambda: Path(job.urdf or urdf_path(load_cell(job.cell), job.cell)).read_bytes().decode()


def _other_robot(bench: Bench, head: list[RecordedMessage], ledger: Ledger) -> str:
    """Return why the recording is of another robot than the cell's, '' where it is not."""
    joints, message = bench.binding.cell.robot.joints, head[-1]
    names = _joint_state(message)
    if names is None or set(joints) & set(names.names):
        return ''
    why = (f'{message.topic}: its joints are {", ".join(names.names) or "none"}; those of the '
           f'cell file are {", ".join(joints)}')
    ledger.add(FindingCode.ROBOT_DIFFERENT, message.topic, why)
    return why


def _joint_state(message: RecordedMessage) -> JointSample | None:
    if message.type_name != JOINT_STATE:
        return None
    try:
        return cdr.decode_joint_state(message.data)
    except WireError:
        return None  # told of every such message, later


def _compare_clocks(message: RecordedMessage, clock: ReplayClock, ledger: Ledger) -> None:
    sample = _joint_state(message)
    if sample is None:
        return
    shift_ns = clock.compare(message.stamp_ns, sample.stamp_ns)
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


def _parity_score(check: ParityCheck | None) -> ParityScore:
    if check is None:
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
