"""What came of a recording is kept in a file, and used again only where it is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.evaluation.offline.bag_job import BagOutcome
from physical_ai_bridge.evaluation.offline.outcome_file import (
    load_outcome,
    load_timeline,
    save_outcome,
)
from physical_ai_bridge.evaluation.offline.scores import BagScores, ParityScore
from physical_ai_bridge.evaluation.offline.timelines import timeline_of
import pytest


@pytest.fixture(scope='module')
def outcome(verdict):
    judge = verdict.judge
    return BagOutcome(
        scores=BagScores(
            bag='first', status='evaluated', failure='', storage='mcap', distribution='jazzy',
            duration_s=judge.duration_s, messages=5, streams={},
            findings=tuple(verdict.findings.values()), episodes=judge.episode_scores(),
            policy=verdict.scores, parity=ParityScore(
                recorded=False, compared={}, identical={}, gaps=(), first_difference='')),
        sums=judge.sums, timeline=timeline_of('first', judge),
        timing={'wall_s': 1.5, 'duration_s': judge.duration_s, 'inference_s': np.arange(3.0)})


def test_it_comes_back_as_it_was(outcome, tmp_path):
    save_outcome(outcome, tmp_path / 'bags' / 'first.npz', 'key')
    again = load_outcome(tmp_path / 'bags' / 'first.npz', 'key')
    assert again.scores == outcome.scores
    assert again.sums.scores() == outcome.sums.scores()
    assert again.timing['inference_s'].tolist() == [0.0, 1.0, 2.0]


def test_two_halves_that_were_kept_add_up_as_they_do_in_memory(outcome, tmp_path):
    save_outcome(outcome, tmp_path / 'a.npz', '')
    one, other = (load_outcome(tmp_path / 'a.npz', '').sums for _ in range(2))
    one.merge(other)
    assert one.scores().inferences == 2 * outcome.scores.policy.inferences
    assert one.scores().action_error.rad.rmse == pytest.approx(
        outcome.scores.policy.action_error.rad.rmse)


def test_the_timeline_comes_back_with_its_pictures(outcome, tmp_path):
    save_outcome(outcome, tmp_path / 'a.npz', '')
    again, was = load_timeline(tmp_path / 'a.npz'), outcome.timeline
    assert [(m.at_s, m.what, m.frames) for m in again.moments] == [
        (m.at_s, m.what, m.frames) for m in was.moments]
    assert again.modes == was.modes
    assert np.array_equal(again.chunks[1], was.chunks[1])
    assert again.forces.keys() == was.forces.keys()


def test_of_other_inputs_it_is_not_used(outcome, tmp_path):
    save_outcome(outcome, tmp_path / 'a.npz', 'key')
    assert load_outcome(tmp_path / 'a.npz', 'another') is None
    assert load_outcome(tmp_path / 'nothing.npz', 'key') is None


@pytest.mark.parametrize('share', [0.0, 0.3, 0.95])
def test_a_file_that_was_cut_is_made_again(outcome, tmp_path, share):
    path = tmp_path / 'a.npz'
    save_outcome(outcome, path, 'key')
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
    assert load_outcome(path, 'key') is None


def test_one_without_anything_evaluated_is_kept_too(outcome, tmp_path):
    save_outcome(replace(outcome, sums=None, timeline=None), tmp_path / 'a.npz', '')
    assert load_outcome(tmp_path / 'a.npz', '').sums is None
    assert load_timeline(tmp_path / 'a.npz') is None
