"""Episodes in worker processes: each has a simulated cell of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.distillation.dataset import Episode, EpisodeStore
from physical_ai_bridge.distillation.relabel import Perturbed, Relabelling
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.protocol import Policy
from physical_ai_bridge.simulation import MujocoCell, Teacher
from physical_ai_bridge.simulation.rollout import Latency, Outcome, run_episode
from physical_ai_bridge.simulation.workers import in_workers

Actor = Literal['teacher', 'perturbed', 'student']

# The socket and the start pose vary by 30 mm each: beyond this nothing of the task is in sight.
_ASTRAY_LATERAL_M = 0.14
_ASTRAY_HEIGHT_M = 0.18


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    One episode to run.

    ``bundle`` is the student's, None for the teacher; ``store`` takes the recording under ``key``,
    None records nothing. ``brightness`` multiplies the images that the policy sees.
    """

    key: str
    seed: int
    actor: Actor
    cell_file: Path
    manifest: Manifest
    bundle: Path | None
    store: Path | None
    latency_s: float
    brightness: float = 1.0


def run_all(jobs: list[Job], workers: int,
            on_done: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Run every job in worker processes and return the outcomes in the order of the jobs."""
    return in_workers(run_job, jobs, workers, on_done)


def run_job(job: Job) -> Outcome:
    """Run one episode, supervisor and all, and record it where the job says so."""
    cell = _cell(job.cell_file, job.brightness)
    cell.reset(job.seed)
    teacher = Teacher(job.manifest, cell)
    actor: Policy = teacher
    if job.actor == 'perturbed':
        actor = Perturbed(teacher, job.seed)
    elif job.bundle is not None:
        actor = _student(job.bundle)
    socket = cell.socket
    targets = np.array([socket.x_m, socket.y_m, socket.yaw_rad], np.float32)

    def astray() -> bool:
        status = cell.episode
        return status.lateral_m > _ASTRAY_LATERAL_M or status.depth_m < -_ASTRAY_HEIGHT_M

    recorder = Relabelling(actor, teacher, lambda: targets, astray)
    outcome = run_episode(
        cell, bind(cell.cell, job.manifest), recorder if job.store else actor, job.seed,
        Latency(least_s=job.latency_s, most_s=job.latency_s),
        given_up=lambda: recorder.runaway)
    recorded = recorder.recorded()
    if job.store and recorded:
        EpisodeStore(job.store).append(job.key, Episode(recorded, asdict(outcome)))
    return outcome


# A worker keeps the cell and the student of its last job: making them takes longer than using
# them.
_kept_cells: dict[tuple[Path, float], MujocoCell] = {}
_kept_students: dict[Path, Policy] = {}


def _cell(cell_file: Path, brightness: float) -> MujocoCell:
    key = (cell_file, brightness)
    if key not in _kept_cells:
        for other in _kept_cells.values():
            other.close()
        _kept_cells.clear()
        _kept_cells[key] = MujocoCell(load_cell(cell_file), brightness=brightness)
    return _kept_cells[key]


def _student(bundle: Path) -> Policy:
    if bundle not in _kept_students:
        _kept_students.clear()
        _kept_students[bundle] = OnnxPolicy(load_bundle(bundle))
    return _kept_students[bundle]
