"""Episodes in lockstep: one in this process, or many in worker processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle_file import load_bundle, load_manifest
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.protocol import Policy
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.simulation.cell import MujocoCell
from physical_ai_bridge.simulation.teacher import Teacher, with_joint_positions
from physical_ai_bridge.simulation.workers import in_workers
from physical_ai_bridge.simulation.world import urdf_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long inferences are made to take on the cell's clock: uniform, drawn from the seed."""

    least_s: float = 0.02
    most_s: float = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    One episode to run: of ``bundle``'s student or, with ``teacher``, of the scripted teacher.

    The teacher takes the place of the bundle's model and needs its manifest all the same.
    ``brightness`` multiplies the images.
    """

    seed: int
    cell_file: Path
    bundle: Path
    teacher: bool = False
    brightness: float = 1.0
    latency: Latency = Latency()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How an episode went.

    ``stop_reason`` is why the supervisor stopped the motion, None if it did not.
    ``limiting_share`` is the share of moving ticks on which it changed the proposal.
    ``limit_share`` is the largest share of any joint limit that the controller's reference or the
    simulated joints used; 1.0 is the limit.
    """

    seed: int
    success: bool
    elapsed_s: float
    depth_m: float
    lateral_m: float
    peak_force_n: float
    stop_reason: str | None
    limiting_share: float
    limit_share: float
    refusals: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A set of episodes in numbers; the duration is that of the successes."""

    episodes: int
    successes: int
    success_rate: float
    stopped: int
    duration_mean_s: float
    peak_force_mean_n: float
    peak_force_p95_n: float
    peak_force_max_n: float


def score_of(outcomes: Sequence[Outcome]) -> Score:
    """Return the score of a set of episodes."""
    forces = np.array([each.peak_force_n for each in outcomes])
    durations = [each.elapsed_s for each in outcomes if each.success]
    return Score(
        episodes=len(outcomes), successes=len(durations),
        success_rate=len(durations) / len(outcomes),
        stopped=sum(each.stop_reason is not None for each in outcomes),
        duration_mean_s=round(float(np.mean(durations)), 3) if durations else 0.0,
        peak_force_mean_n=round(float(forces.mean()), 2),
        peak_force_p95_n=round(float(np.percentile(forces, 95)), 2),
        peak_force_max_n=round(float(forces.max()), 2))


def run_episode(
        cell: MujocoCell, binding: Binding, policy: Policy, seed: int,
        latency: Latency = Latency(), *, given_up: Callable[[], bool] = lambda: False) -> Outcome:
    """Run the episode of a seed until it is done, given up, or stopped by the supervisor."""
    cell.reset(seed)
    rng = np.random.default_rng([seed, 2])
    lockstep = Lockstep(
        binding, policy, cell, robot=cell.robot_model,
        latency_ns=lambda: seconds_to_ns(float(rng.uniform(latency.least_s, latency.most_s))),
        kinematics=kinematics_for(binding, lambda: urdf_path().read_text(encoding='utf-8')))
    ticks: Counter[Mode] = Counter()
    stop_reason = None
    while not (cell.episode.done or given_up()) and stop_reason is None:
        decision = lockstep.cycle()
        ticks[decision.mode] += 1
        if decision.mode in (Mode.STOPPED, Mode.FAULT):
            stop_reason = decision.reason.value
    status = cell.episode
    moving = ticks[Mode.ACTIVE] + ticks[Mode.LIMITING]
    refusals = Counter(lockstep.loop.refusals) + Counter(lockstep.supervisor.refusals)
    return Outcome(
        seed=seed, success=status.success, elapsed_s=status.elapsed_s, depth_m=status.depth_m,
        lateral_m=status.lateral_m, peak_force_n=status.peak_force_n, stop_reason=stop_reason,
        limiting_share=ticks[Mode.LIMITING] / moving if moving else 0.0,
        limit_share=cell.limit_use.worst,
        refusals={reason.value: count for reason, count in refusals.items()})


def run_job(job: Job) -> Outcome:
    """Run one job; what it needs is kept for the next one like it in this process."""
    cell, binding, policy = _Kept.get(job)
    return run_episode(cell, binding, policy, job.seed, job.latency)


def run_jobs(
        jobs: Sequence[Job], workers: int,
        on_done: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Run every job in worker processes and return the outcomes in the order of the jobs."""
    return in_workers(run_job, jobs, workers, on_done)


class _Kept:
    """The last job's cell and policy: making them takes longer than an episode."""

    key: tuple[Path, Path, bool, float] | None = None
    held: tuple[MujocoCell, Binding, Policy]

    @classmethod
    def get(cls, job: Job) -> tuple[MujocoCell, Binding, Policy]:
        key = (job.cell_file, job.bundle, job.teacher, job.brightness)
        if cls.key != key:
            if cls.key is not None:
                cls.held[0].close()
            cls.held = cls._make(job)
            cls.key = key
        return cls.held

    @staticmethod
    def _make(job: Job) -> tuple[MujocoCell, Binding, Policy]:
        cell_file = load_cell(job.cell_file)
        cell = MujocoCell(cell_file, brightness=job.brightness)
        if job.teacher:
            manifest = with_joint_positions(load_manifest(job.bundle))
            return cell, bind(cell_file, manifest), Teacher(manifest, cell)
        bundle = load_bundle(job.bundle)
        binding = bind(cell_file, bundle.manifest, bundle_digest=bundle.digest,
                       cell_path=str(job.cell_file), manifest_path=str(job.bundle))
        return cell, binding, OnnxPolicy(bundle)
