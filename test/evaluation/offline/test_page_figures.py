from __future__ import annotations

from dataclasses import replace
import math

from physical_ai_bridge.evaluation.offline.page_figures import BAGS_IN_A_PLOT, figures_of
from physical_ai_bridge.testing.judged import judged
import pytest


def test_there_is_no_plot_of_what_there_is_not() -> None:
    assert figures_of(judged(bags=0).scores, {}) == {}
    assert set(figures_of(judged(bags=1).scores, {})) == {'drift', 'joints'}


def test_the_error_by_time_ahead_stands_beside_that_of_the_baseline() -> None:
    scores = judged(bags=1, baseline=True).scores
    lines = {line['name']: line for line in figures_of(scores, {})['drift']['data']}
    steps, theirs = scores.overall.action_error.steps, scores.baseline.action_error.steps
    assert lines['rmse']['x'] == [step.after_s for step in steps]
    assert lines['rmse']['y'] == [math.degrees(step.rmse_rad) for step in steps]
    assert lines['rmse, baseline']['y'] == [math.degrees(step.rmse_rad) for step in theirs]


def test_a_difference_is_a_share_of_the_baseline_with_its_interval() -> None:
    scores = judged(bags=1, baseline=True).scores
    figure = figures_of(scores, {})['forest']
    each = scores.comparison.quantities['jerk_p95_rad_s3']
    point, = (point for point, label in zip(
        figure['data'], figure['layout']['yaxis']['ticktext'], strict=True)
        if label == 'jerk of what was proposed')
    low = point['x'][0] - point['error_x']['arrayminus'][0]
    high = point['x'][0] + point['error_x']['array'][0]
    assert [low, point['x'][0], high] == pytest.approx(
        [100.0 * value / each.baseline for value in (each.low, each.difference, each.high)])
    assert point['marker']['symbol'] == 'triangle-right'


def test_what_cannot_be_a_share_of_the_baseline_is_left_to_the_table() -> None:
    scores = judged(bags=1, baseline=True).scores
    shown = figures_of(scores, {})['forest']['layout']['yaxis']['ticktext']
    assert 'share of observations that could not be made' not in shown
    nothing = {name: replace(each, baseline=0.0)
               for name, each in scores.comparison.quantities.items()}
    assert 'forest' not in figures_of(
        replace(scores, comparison=replace(scores.comparison, quantities=nothing)), {})


def test_of_many_recordings_the_slowest_are_drawn_and_the_deadline_is_in_view() -> None:
    timing = {'deadline_ms': 500.0, 'bags': {
        f'run_{number}': {'inference_ms': {'p50': 1.0, 'p99': float(number), 'max': None}}
        for number in range(100)} | {'not timed': {}}}
    figure = figures_of(judged(bags=0).scores, timing)['latency']
    p99 = figure['data'][1]
    assert p99['y'] == [float(number) for number in range(99, 99 - BAGS_IN_A_PLOT, -1)]
    assert figure['layout']['yaxis']['range'][1] > 500.0
