"""A whole evaluation: every recording judged, added up, compared, held against a gate, told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
import json
from pathlib import Path
from typing import Any

from physical_ai_bridge import __version__
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.files import write_text
from physical_ai_bridge.evaluation.offline.bag_job import (
    BagJob,
    BagOutcome,
    Bench,
    failed_outcome,
    judge_bag,
    open_bench,
)
from physical_ai_bridge.evaluation.offline.compare import compare
from physical_ai_bridge.evaluation.offline.fleet import in_fleet
from physical_ai_bridge.evaluation.offline.gate import check_gate, Gate
from physical_ai_bridge.evaluation.offline.outcome_file import (
    load_outcome,
    load_timeline,
    save_outcome,
)
from physical_ai_bridge.evaluation.offline.page import write_page
from physical_ai_bridge.evaluation.offline.scores import as_json, Judged, PolicyScores, Scores
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.evaluation.offline.timing import timing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    What to evaluate.

    ``bags`` are recordings with the names that reports call them. ``policy`` and ``baseline`` are
    what ``policy.open_policy`` takes. ``workers`` is how many recordings are judged at a time;
    with ``ray`` a cluster's address, that many there. ``out`` is the folder that gets everything.
    """

    bags: Sequence[tuple[str, Path]]
    cell: Path
    policy: str
    out: Path
    baseline: str | None = None
    gate: Gate | None = None
    urdf: Path | None = None
    latency_s: float
    remap: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    ray: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What came of it: the scores, this machine's timing, and where everything was written."""

    scores: Scores
    timing: dict[str, Any]
    metrics: Path
    report: Path


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One of the policies: who it is, and what it is judged with."""

    judged: Judged
    policy: str
    like: str | None
    bench: Bench


def open_sides(request: Request) -> tuple[_Side, _Side | None]:
    """
    Return the policy, and the baseline where there is one, both loaded and bound to the cell.

    Raises
    ------
    BridgeError
        If one does not fit the cell, or cannot be loaded or reached: before anything is run.

    """
    candidate = _side(request, request.policy, request.baseline)
    if request.baseline is None:
        return candidate, None
    return candidate, _side(request, request.baseline, request.policy)


def _side(request: Request, policy: str, other: str | None) -> _Side:
    policy, other = _absolute(policy), _absolute(other)
    like = other if _is_address(policy) else None
    bench = open_bench(BagJob(bag=Path(), name='', cell=request.cell, policy=policy, like=like,
                              urdf=request.urdf))
    opened = bench.opened
    return _Side(Judged(kind=opened.kind, name=opened.name, digest=opened.digest), policy, like,
                 bench)


def evaluate(
        request: Request, on_done: Callable[[str, BagOutcome], None] = lambda name, outcome: None,
        *, made: str) -> Evaluated:
    """
    Judge every recording, write metrics.json, timing.json and report.html, and return it all.

    What was judged before, by the same policy, cell and settings, is taken from ``request.out``.
    ``on_done`` is told of each recording. ``made`` is when, for people.

    Raises
    ------
    BridgeError
        If the evaluation cannot be begun, or its results cannot be written.

    """
    candidate, baseline = open_sides(request)
    outcomes = _judge_all(request, candidate, on_done)
    others = None if baseline is None else _judge_all(request, baseline, on_done)
    scores = _scores(request, candidate, outcomes, baseline, others)
    timing = _timing(request, candidate, outcomes)
    if request.gate is not None:
        scores = replace(scores, gate=check_gate(
            request.gate, json.loads(as_json(scores)), timing))
    metrics, report = request.out / 'metrics.json', request.out / 'report.html'
    write_text(metrics, as_json(scores))
    write_text(request.out / 'timing.json', json.dumps(timing, indent=1) + '\n')
    write_page(scores, _timelines(request, candidate), timing, report, made=made,
               cell=load_cell(request.cell))
    return Evaluated(scores=scores, timing=timing, metrics=metrics, report=report)


def _judge_all(
        request: Request, side: _Side, on_done: Callable[[str, BagOutcome], None],
) -> list[BagOutcome]:
    """Return the outcome of every recording, in their order; timelines stay in their files."""
    found: dict[str, BagOutcome] = {}
    jobs = []
    for name, bag in request.bags:
        # Absolute, since a worker may be elsewhere.
        job = BagJob(
            bag=bag.resolve(), name=name, cell=request.cell.resolve(), policy=side.policy,
            like=side.like, urdf=None if request.urdf is None else request.urdf.resolve(),
            latency_s=request.latency_s, remap=request.remap)
        kept = load_outcome(_file(request, side, name), _key(job, side))
        if kept is None:
            jobs.append(job)
        else:
            found[name] = kept
            on_done(name, kept)

    def keep(outcome: BagOutcome) -> None:
        name = outcome.scores.bag
        job = next(job for job in jobs if job.name == name)
        if outcome.scores.status != 'failed':
            save_outcome(outcome, _file(request, side, name), _key(job, side))
        found[name] = replace(outcome, timeline=None)
        on_done(name, found[name])

    if request.ray is not None:
        from physical_ai_bridge.evaluation.offline.ray_fleet import on_ray
        on_ray(judge_bag, jobs, address=request.ray, failed=failed_outcome, needs=_needs,
               on_done=keep)
    else:
        in_fleet(judge_bag, jobs, workers=request.workers, failed=failed_outcome, on_done=keep)
    return [found[name] for name, _ in request.bags]


def _needs(job: BagJob) -> list[str]:
    """Return what a job reads, wherever it runs."""
    files = [job.bag, job.cell, *([] if job.urdf is None else [job.urdf])]
    files += [Path(policy) for policy in (job.policy, job.like)
              if policy is not None and not _is_address(policy)]
    return [str(path) for path in files]


def _is_address(policy: str) -> bool:
    return '://' in policy


def _absolute(policy: str | None) -> str | None:
    return policy if policy is None or _is_address(policy) else str(Path(policy).resolve())


def _file(request: Request, side: _Side, name: str) -> Path:
    return request.out / 'bags' / f'{name}.{side.judged.digest[:12]}.npz'


def _key(job: BagJob, side: _Side) -> str:
    """Return a digest of everything that the outcome of a job depends on."""
    files = [job.bag] if job.bag.is_file() else sorted(
        path for path in job.bag.rglob('*') if path.is_file())
    states = [(str(path.relative_to(job.bag.parent)), path.stat().st_size,
               path.stat().st_mtime_ns) for path in files]
    bench = side.bench
    told = [__version__, job.name, states, bench.digest, bench.urdf_digest, side.judged.digest,
            repr(bench.binding.manifest), job.latency_s, sorted(job.remap.items())]
    return sha256(json.dumps(told).encode()).hexdigest()


def _timelines(request: Request, side: _Side) -> Iterator[BagTimeline]:
    for name, _ in request.bags:
        path = _file(request, side, name)
        timeline = load_timeline(path) if path.is_file() else None
        if timeline is not None:
            yield timeline


def _overall(outcomes: Sequence[BagOutcome]) -> PolicyScores | None:
    total: Sums | None = None
    for outcome in outcomes:
        if outcome.sums is None:
            continue
        if total is None:
            first = outcome.sums
            total = Sums.empty(first.joints, first.after_s, first.truth)
        total.merge(outcome.sums)
    return None if total is None else total.scores()


def _scores(
        request: Request, candidate: _Side, outcomes: Sequence[BagOutcome],
        baseline: _Side | None, others: Sequence[BagOutcome] | None) -> Scores:
    bags = tuple(outcome.scores for outcome in outcomes)
    scores = Scores(
        cell=candidate.bench.binding.cell.name, cell_digest=candidate.bench.digest,
        policy=candidate.judged, latency_s=request.latency_s, bags=bags,
        overall=_overall(outcomes))
    if baseline is None:
        return scores
    return replace(
        scores, baseline=_overall(others), comparison=compare(
            bags, [outcome.scores for outcome in others], whose=baseline.judged))


def _timing(
        request: Request, side: _Side, outcomes: Sequence[BagOutcome]) -> dict[str, Any]:
    """Return what depends on this machine."""
    spent = [(each.scores.bag, each.timing['wall_s'], each.timing['duration_s'],
              each.timing['inference_s']) for each in outcomes if 'wall_s' in each.timing]
    return asdict(timing_of(
        spent, 1.0 / side.bench.binding.manifest.rate_hz, request.workers))
