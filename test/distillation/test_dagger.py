"""A distillation from beginning to end, as small as it can be: it need not be any good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import shutil

from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.distillation.config import DistillConfig, TrainConfig
from physical_ai_bridge.distillation.dagger import (
    Distiller,
    DistillResult,
    RoundResult,
)
from physical_ai_bridge.distillation.runs import RunFolder
from physical_ai_bridge.distillation.train import TrainReport
from physical_ai_bridge.simulation.rollout import Score
import pytest

CELL_FILE = Path(__file__).parents[2] / 'config' / 'cells' / 'mujoco_ur5e.yaml'
TINY = DistillConfig(
    demonstrations=2, rounds=1, episodes=1, first_steps=6, round_steps=4, last_steps=4, hidden=32,
    selection_episodes=1, report_episodes=1,
    brightness=(1.0,), train=TrainConfig(batch=16))


@pytest.mark.timeout(600)
def test_a_run_makes_a_bundle_and_an_interrupted_one_makes_the_same(tmp_path: Path) -> None:
    joints = load_cell(CELL_FILE).robot.joints
    stages: list[str] = []

    def distill() -> DistillResult:
        stages.clear()
        run = RunFolder.begin(tmp_path / 'run', 'test', joints, TINY)
        return Distiller(run, CELL_FILE, workers=0,
                         progress=lambda stage, *_: stages.append(stage)).run(tmp_path / 'bundle')

    first = distill()
    assert stages[0] == 'demonstrations' and 'round 1 rollouts' in stages
    bundle = load_bundle(tmp_path / 'bundle')
    provenance = bundle.manifest.provenance
    assert provenance['training'] == TINY.as_provenance()
    assert provenance['dataset']['sha256'] == first.rounds[first.chosen].dataset_sha256
    assert set(provenance['fidelity']['student_by_brightness']) == {'1'}
    assert bundle.manifest.shaping.contact_guard is not None

    # As after a power cut in the middle of the second round.
    shutil.rmtree(tmp_path / 'run' / 'rounds' / '1')
    (tmp_path / 'run' / 'episodes' / 'r1-00000.npz').unlink()
    again = distill()
    assert 'demonstrations' not in stages and 'round 0 training' not in stages
    assert again == first
    assert load_bundle(tmp_path / 'bundle').digest == bundle.digest


def score(rate: float, force_n: float = 10.0) -> Score:
    return Score(episodes=100, successes=round(100 * rate), success_rate=rate, stopped=0,
                 duration_mean_s=3.0, peak_force_mean_n=5.0, peak_force_p95_n=force_n,
                 peak_force_max_n=2.0 * force_n)


@pytest.mark.parametrize(('worst', 'holds'), [
    (score(0.95), True), (score(0.94), False), (score(1.0, 45.0), False)])
def test_a_student_holds_only_if_it_does_at_every_brightness(worst: Score, holds: bool) -> None:
    training = TrainReport(samples=1, steps=1, action_loss=0.0, target_loss=0.0)
    only = RoundResult(index=0, episodes=1, dataset_sha256='', training=training,
                       selection=score(1.0))
    result = DistillResult(rounds=(only,), chosen=0, teacher=score(1.0),
                           student={'1': score(1.0), '0.7': worst, '1.25': score(1.0)})
    assert result.holds is holds
    assert replace(result, teacher=score(0.98), student={'1': score(0.94)}).holds
