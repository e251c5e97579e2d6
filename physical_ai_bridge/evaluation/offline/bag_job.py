"""One recording and one policy as a job: everything that it needs by name, everything it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.prefetch import prefetched
from physical_ai_bridge.bags.problems import ReadingProblem
from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell, urdf_path
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.evaluation.offline.beginning import clock_of, head_of, other_robot
from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode, Severity
from physical_ai_bridge.evaluation.offline.inference import Inference
from physical_ai_bridge.evaluation.offline.judge import Judge
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.parity import Parity, ParityCheck
from physical_ai_bridge.evaluation.offline.scores import BagScores, ParityScore
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.evaluation.offline.timelines import timeline_of
from physical_ai_bridge.evaluation.offline.topics import match
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.policy.open_policy import open_policy, OpenedPolicy
from physical_ai_bridge.safety.robot_model import RobotModel

_TURN_S = 1e-4
_TRACES = frozenset((POLICY_TRACE, SUPERVISOR_TRACE))
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
    urdf_digest: str
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
    return Bench(
        replace(binding, bundle_digest=opened.digest), cell_digest(job.cell),
        sha256(text.encode()).hexdigest(), robot, opened)


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
    kinematics = kinematics_for(bench.binding, _read_urdf(job))
    with ThreadPoolExecutor(1, 'inference') as executor:
        inference = Inference(bench.opened.policy, executor)
        parity = _parity_check(job, bench, recorded, kinematics, inference)
        wanted = {*topics.inputs, *(() if parity is None else parity.topics & recorded.keys())}
        with closing(prefetched(recording, wanted)) as messages:
            head = head_of(messages, topics)
            different = other_robot(head, bench.binding.cell, ledger)
            if different or not head:
                return failed_outcome(job, different or 'it holds no message that is of use',
                                      ledger.findings())
            clock = clock_of(head, ledger)
            judge = Judge(
                bench.binding, bench.robot, topics, ledger, clock,
                head[0].stamp_ns + clock.shift_ns, inference=inference if topics.policy else None,
                kinematics=kinematics, latency_s=job.latency_s)
            for message in chain(head, messages):
                judge.take(message)
                if parity is not None:
                    parity.on_message(message)
        judge.finish()
        found = _parity_score(parity)
    _note_problems(recording.problems, judge, ledger)
    return _outcome(job, recording, judge, ledger, found, begun_s, inference.seconds)


def _parity_check(
        job: BagJob, bench: Bench, recorded: Mapping[str, Any], kinematics: TcpKinematics | None,
        inference: Inference) -> ParityCheck | None:
    """Return what decides a recorded run again; None where there is none to decide."""
    if not job.parity or not _TRACES & recorded.keys():
        return None
    bundle = bench.opened.kind == 'bundle'
    return ParityCheck(
        bench.binding.cell, bench.digest, bench.robot,
        binding=bench.binding if bundle else None, infer=inference.infer if bundle else None,
        kinematics=kinematics, provider=getattr(bench.opened.policy, 'provider', None))


def _read_urdf(job: BagJob) -> Any:
    return lambda: Path(job.urdf or urdf_path(load_cell(job.cell), job.cell)).read_bytes().decode()


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
        job: BagJob, recording: Recording, judge: Judge, ledger: Ledger, parity: ParityScore,
        begun_s: float, inference_s: list[float]) -> BagOutcome:
    runs = judge.sums.counts.inferences > 0 or judge.topics.policy
    streams = {topic: health.score() for topic, health in sorted(judge.streams.items())}
    findings = ledger.findings()
    partly = any(each.severity == Severity.ERROR for each in findings)
    timeline = timeline_of(job.name, judge)
    return BagOutcome(
        scores=BagScores(
            bag=job.name, status='partly' if partly or not runs else 'evaluated', failure='',
            storage=recording.storage, distribution=recording.distribution,
            duration_s=judge.duration_s, messages=judge.messages, streams=streams,
            findings=findings, episodes=judge.episode_scores() if runs else (),
            policy=judge.sums.scores() if runs else None, parity=parity),
        sums=judge.sums if runs else None, timeline=timeline,
        timing={'wall_s': time.perf_counter() - begun_s,
                'inference_s': np.array(inference_s), 'duration_s': judge.duration_s})
