"""A rollout is the real loop: recorded, labelled, and the same wherever it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.distillation.config import insertion_manifest
from physical_ai_bridge.distillation.dataset import ACTION, EpisodeStore, gather
from physical_ai_bridge.distillation.rollout import Actor, Job, run_all, run_job
import pytest

CELL_FILE = Path(__file__).parents[2] / 'config' / 'cells' / 'mujoco_ur5e.yaml'
MANIFEST = insertion_manifest('test', load_cell(CELL_FILE).robot.joints)


def job(key: str, seed: int, store: Path | None, actor: Actor = 'teacher') -> Job:
    return Job(key=key, seed=seed, actor=actor, cell_file=CELL_FILE, manifest=MANIFEST,
               bundle=None, store=store, latency_s=0.04)


def test_the_teacher_succeeds_and_its_episode_fits_the_manifest(tmp_path: Path) -> None:
    outcome = run_job(job('a', 7, tmp_path / 'episodes'))
    assert outcome.success
    assert outcome.stop_reason is None
    store = EpisodeStore(tmp_path / 'episodes')
    assert store.keys() == ['a']
    episode = store.load('a')
    assert episode.facts['success'] is True
    # One inference a camera frame, from the first frame to the end.
    assert len(episode) == pytest.approx(outcome.elapsed_s * MANIFEST.rate_hz, abs=3)
    joined = gather(store, ['a'], MANIFEST, tmp_path / 'cache')
    assert set(input_tensors(MANIFEST)) < set(joined)
    assert np.isfinite(joined[ACTION]).all()


def test_an_episode_is_the_same_in_another_process_and_in_another_order(tmp_path: Path) -> None:
    here, there = EpisodeStore(tmp_path / 'here'), EpisodeStore(tmp_path / 'there')
    for key, seed in (('b', 4), ('a', 3)):
        run_job(job(key, seed, here.folder, 'perturbed'))
    outcomes = run_all([job(key, seed, there.folder, 'perturbed')
                        for key, seed in (('a', 3), ('b', 4))], workers=1)
    assert [outcome.seed for outcome in outcomes] == [3, 4]
    assert here.digest() == there.digest()


def test_without_a_store_nothing_is_written(tmp_path: Path) -> None:
    assert run_job(job('a', 7, None)).success
    assert list(tmp_path.iterdir()) == []
