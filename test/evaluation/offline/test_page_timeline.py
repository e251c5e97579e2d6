from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
from physical_ai_bridge.evaluation.offline.page_timeline import NEAR_S, timeline_values
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline, ModeSpan, WorstMoment
from physical_ai_bridge.testing.judged import judged
import pytest


def unpacked(values: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(values['bdata']), '<f4')


@pytest.fixture(scope='module')
def long() -> BagTimeline:
    """Ten minutes with one worst moment at 300 s, and a peak at 100 s."""
    timeline = judged(bags=1, duration_s=600.0, pictures=False).timelines[0]
    times, measured = timeline.measured
    measured = measured.copy()
    measured[np.searchsorted(times, 100.0), 2] = 9.0
    return replace(timeline, measured=(times, measured), moments=(
        WorstMoment(at_s=300.0, what='', frames={}),))


def drawn(timeline: BagTimeline) -> dict[str, Any]:
    return timeline_values(timeline, None, None)


def test_around_a_worst_moment_nothing_is_left_out(long: BagTimeline) -> None:
    times, measured = long.measured
    shown = drawn(long)['measured'][2]
    x, y = unpacked(shown['x']), unpacked(shown['y'])
    near = np.abs(times - 300.0) <= NEAR_S
    kept = np.abs(x - 300.0) <= NEAR_S + 1e-3
    assert kept.sum() == near.sum()
    np.testing.assert_allclose(y[kept], np.degrees(measured[near, 2]), atol=1e-3)


def test_far_from_them_it_is_thinned_and_keeps_the_peaks(long: BagTimeline) -> None:
    shown = drawn(long)['measured'][2]
    assert len(unpacked(shown['x'])) < 0.1 * len(long.measured[0])
    assert unpacked(shown['y']).max() == pytest.approx(np.degrees(9.0))
    assert (np.diff(unpacked(shown['x'])) >= 0.0).all()


def test_all_proposals_near_a_worst_moment_are_drawn_and_some_of_the_others(
        long: BagTimeline) -> None:
    starts = unpacked(drawn(long)['chunks']['starts'])
    all_starts = long.chunks[0]
    near = np.abs(all_starts - 300.0) <= NEAR_S
    assert (np.abs(starts - 300.0) <= NEAR_S + 1e-3).sum() == near.sum()
    assert near.sum() < len(starts) < 0.5 * len(all_starts)


def test_proposals_are_where_they_were_made(long: BagTimeline) -> None:
    chunks = drawn(long)['chunks']
    rows = unpacked(chunks['y'][1]).reshape(-1, len(chunks['after']))
    np.testing.assert_allclose(rows[0, [0, -1]], np.degrees(long.chunks[1][0, [0, -1], 1]),
                               atol=1e-3)
    assert chunks['after'][-1] == pytest.approx(15 * long.period_s)


def test_neighbouring_spans_of_one_mode_and_reason_become_one() -> None:
    def span(start_s: float, end_s: float, detail: str) -> ModeSpan:
        return ModeSpan(start_s=start_s, end_s=end_s, mode='LIMITING', reason='JOINING',
                        detail=detail)

    timeline = replace(judged(bags=1).timelines[0], modes=(
        span(0.0, 1.0, ''), span(1.0, 2.0, ''), span(2.0, 3.0, 'by 3°'), span(4.0, 5.0, '')))
    strip, = drawn(timeline)['modes']
    assert unpacked(strip['start']).tolist() == [0.0, 2.0, 4.0]
    assert unpacked(strip['length']).tolist() == [2.0, 1.0, 1.0]
    assert [strip['texts'][index] for index in strip['text']] == [
        'JOINING', 'JOINING: by 3°', 'JOINING']


def test_a_recording_in_which_nothing_happened_can_be_drawn() -> None:
    none = np.zeros(0)
    empty = BagTimeline(
        bag='empty', joints=('a', 'b'), duration_s=0.0, measured=(none, np.zeros((0, 2))),
        commanded=(none, np.zeros((0, 2))), chunks=(none, np.zeros((0, 0, 2))), period_s=0.1,
        errors=(none, none), modes=(), forces={'wrist': (none, none)}, gaps=(), moments=())
    values = drawn(empty)
    assert values['measured'] == values['commanded'] == values['modes'] == []


def test_it_begins_with_the_joint_that_is_worst() -> None:
    timeline = judged(bags=1).timelines[0]
    assert timeline_values(timeline, None, 'elbow_joint')['first'] == 2
    assert timeline_values(timeline, None, 'no_joint')['first'] == 0
