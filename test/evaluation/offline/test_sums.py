"""What is summed up of recordings makes the scores of all of them."""

from __future__ import annotations

from dataclasses import replace
import json

import numpy as np
from physical_ai_bridge.evaluation.offline.scores import as_json
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.testing.judged import judged
import pytest

JOINTS, AFTER_S = ('a', 'b'), (0.1, 0.2, 0.3)


def sums_of(truth: str, error: float) -> Sums:
    sums = Sums.empty(JOINTS, AFTER_S, truth)
    for row, pool in enumerate(sums.predictions.steps):
        pool.add(np.full(4, error * (row + 1)))
    sums.predictions.all.add(np.full(12, error))
    sums.counts.proposals, sums.counts.passed = 10, 9
    sums.counts.stops['FORCE_LIMIT'] = 1
    sums.counts.mode_ns.update(ACTIVE=3, STOPPED=1)
    return sums


def test_counts_and_shares_are_those_of_all():
    total = sums_of('measured', 0.1)
    total.merge(sums_of('measured', 0.1))
    verdicts = total.scores().verdicts
    assert (verdicts.proposals, verdicts.passed, verdicts.stops) == (20, 18, {'FORCE_LIMIT': 2})
    assert verdicts.limited_share == pytest.approx(0.1)
    assert verdicts.mode_share == {'ACTIVE': 0.75, 'STOPPED': 0.25}


def test_the_drift_is_the_slope_along_the_rows():
    assert sums_of('measured', 0.1).scores().action_error.drift_rad_per_s == pytest.approx(1.0)


@pytest.mark.filterwarnings('error')
def test_recordings_with_and_without_commands_are_mixed_and_said_to_be():
    total = sums_of('measured', 0.1)
    total.merge(sums_of('commanded', 0.1))
    scores = total.scores()
    assert scores.action_error.truth == 'mixed'
    whole = replace(judged(1).scores, overall=scores)
    assert json.loads(as_json(whole))['overall']['action_error']['truth'] == 'mixed'


def test_of_nothing_the_scores_are_none():
    scores = Sums.empty(JOINTS, AFTER_S, 'measured').scores()
    assert scores.action_error.rad.rmse is None
    assert scores.action_error.drift_rad_per_s is None
    assert scores.verdicts.limited_share is None
