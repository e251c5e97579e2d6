"""Episodes are told by the cell; a recording without reports is one."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.offline.chunk_scores import ChunkRow
from physical_ai_bridge.evaluation.offline.episodes import Episodes
import pytest


def report(index, elapsed_s, **more):
    return {'index': str(index), 'elapsed_s': str(elapsed_s), **more}


def row(at_s, error):
    return ChunkRow(at_s * NS_PER_S, error**2 * 6, 6, 0.0, 0, 0.0, 0, error)


def test_without_reports_the_recording_is_one_episode():
    episodes = Episodes(0, told=False)
    assert episodes.counts(5)
    (score,) = episodes.scores([row(1, 0.1), row(2, 0.1)], 0, 4 * NS_PER_S)
    assert (score.start_s, score.end_s) == (0.0, 4.0)
    assert score.scores['action_rmse_rad'] == pytest.approx(0.1)


def test_nothing_counts_before_something_is_acted_on_nor_after_the_end():
    episodes = Episodes(0, told=True)
    assert not episodes.counts(0)
    assert episodes.on_status(report(1, 0.0), 10)
    assert not episodes.counts(20)
    episodes.on_proposal(30)
    assert episodes.counts(30)
    assert not episodes.counts(29)
    assert not episodes.on_status(report(1, 1.0, done='true', success='true'), 2 * NS_PER_S)
    assert not episodes.counts(3 * NS_PER_S)


def test_an_episode_ends_where_the_next_begins_and_each_has_its_own_scores():
    episodes = Episodes(0, told=True)
    episodes.on_status(report(1, 0.0), 0)
    episodes.on_proposal(1)
    assert episodes.on_status(report(2, 0.0), 10 * NS_PER_S)
    episodes.on_proposal(10 * NS_PER_S + 1)
    episodes.on_status(report(2, 5.0, done='true', success='false'), 15 * NS_PER_S)
    first, second = episodes.scores([row(5, 0.1), row(12, 0.3)], 0, 20 * NS_PER_S)
    assert first.scores['action_rmse_rad'] == pytest.approx(0.1)
    assert second.scores['action_rmse_rad'] == pytest.approx(0.3)
    assert (first.succeeded, second.succeeded) == (None, False)
    assert second.end_s == pytest.approx(15.0)


def test_an_episode_without_a_prediction_is_left_out():
    episodes = Episodes(0, told=True)
    episodes.on_status(report(1, 0.0), 0)
    assert episodes.scores([], 0, NS_PER_S) == ()
