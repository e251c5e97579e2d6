"""A rollout is the whole loop on the simulated cell, the same for a seed wherever it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.simulation.rollout import Job, Outcome, run_job, run_jobs, score_of
import pytest
import yaml

CELL, BUNDLE = config_path('cells/mujoco_ur5e.yaml'), config_path('bundles/ur5e_insertion')


def job(seed: int, *, teacher: bool = False, brightness: float = 1.0) -> Job:
    """Return a job of the packaged cell and bundle."""
    return Job(seed=seed, cell_file=Path(CELL), bundle=Path(BUNDLE), teacher=teacher,
               brightness=brightness)


@pytest.mark.parametrize('teacher', [True, False], ids=['teacher', 'student'])
def test_the_connector_goes_in_and_no_limit_is_exceeded(teacher):
    outcome = run_job(job(4_000_001, teacher=teacher))
    assert outcome.success
    assert outcome.stop_reason is None
    assert outcome.limit_share <= 1.0
    assert outcome.peak_force_n < 45.0


def test_the_same_through_setpoints_for_a_controller_that_holds_the_last(tmp_path):
    values = yaml.safe_load(Path(CELL).read_text())
    values['robot']['urdf'] = str((Path(CELL).parent / values['robot']['urdf']).resolve())
    values['controller'] |= {
        'interface': 'position_stream', 'topic': '/forward_position_controller/commands',
        'joints': values['robot']['joints'][::-1]}
    stream = tmp_path / 'stream.yaml'
    stream.write_text(yaml.safe_dump(values))
    played = run_job(replace(job(4_000_001, teacher=True), cell_file=stream))
    assert played.success
    assert played.stop_reason is None
    # All of it differences from setpoint to setpoint.
    assert played.limit_share <= 1.0
    assert played.elapsed_s == run_job(job(4_000_001, teacher=True)).elapsed_s


def test_smooth_proposals_are_never_limited():
    assert run_job(job(4_000_002)).limiting_share == 0.0


def test_a_seed_gives_the_same_episode_here_and_in_a_worker():
    jobs = [job(4_000_003), job(4_000_004)]
    assert [run_job(each) for each in jobs] == run_jobs(jobs, workers=2)


def outcome(success: bool, elapsed_s: float, force_n: float) -> Outcome:
    """Return an outcome with what a score looks at."""
    return Outcome(seed=0, success=success, elapsed_s=elapsed_s, depth_m=0.0, lateral_m=0.0,
                   peak_force_n=force_n, stop_reason=None if success else 'FORCE_LIMIT',
                   limiting_share=0.0, limit_share=0.5, refusals={})


def test_a_score_counts_failures_and_takes_durations_from_successes_alone():
    score = score_of([outcome(True, 3.0, 10.0), outcome(True, 5.0, 20.0),
                      outcome(False, 12.0, 90.0)])
    assert (score.episodes, score.successes, score.stopped) == (3, 2, 1)
    assert score.duration_mean_s == 4.0
    assert score.peak_force_max_n == 90.0
    assert score_of([outcome(False, 12.0, 1.0)]).duration_mean_s == 0.0
