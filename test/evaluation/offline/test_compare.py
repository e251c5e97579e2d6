"""Two policies are told apart where they differ, and seldom where they do not."""

from __future__ import annotations

from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.offline.compare import compare
from physical_ai_bridge.evaluation.offline.scores import (
    BagScores,
    Comparison,
    EPISODE_SCORES,
    EpisodeScore,
    Judged,
    ParityScore,
)
import pytest

BASELINE = Judged(kind='bundle', name='last year', digest='0' * 64)
PRIMARY = 'action_rmse_rad'


def recording(name: str, episodes: list[dict[str, float | None]]) -> BagScores:
    return BagScores(
        bag=name, status='evaluated', failure='', storage='mcap', distribution=None,
        duration_s=1.0, messages=1, streams={}, findings=(), policy=None,
        parity=ParityScore(recorded=False, compared={}, identical={}, gaps=(),
                           first_difference=''),
        episodes=tuple(
            EpisodeScore(number=number, start_s=0.0, end_s=1.0, succeeded=None, scores=scores)
            for number, scores in enumerate(episodes)))


def judged(values: np.ndarray, names: tuple[str, ...] = (PRIMARY,), per_bag: int = 3
           ) -> list[BagScores]:
    """Return recordings of ``per_bag`` episodes each from (E,) or (E, Q) values."""
    rows = [dict(zip(names, row, strict=True))
            for row in np.asarray(values, float).reshape(len(values), -1).tolist()]
    return [recording(f'bag_{start:03}', rows[start:start + per_bag])
            for start in range(0, len(rows), per_bag)]


def compared(candidate: np.ndarray, baseline: np.ndarray, **settings) -> Comparison:
    return compare(judged(candidate), judged(baseline), whose=BASELINE, **settings)


def drawn(seed: int, episodes: int, quantities: int = 1, shift: float = 0.0
          ) -> tuple[np.ndarray, np.ndarray]:
    """Draw two policies on the same episodes, ``shift`` apart in units of their scatter."""
    generator = np.random.default_rng(seed)
    hard = generator.lognormal(-4.0, 0.5, (episodes, 1))
    common = generator.normal(0.0, 0.5, (episodes, 1))
    scatter = common + generator.normal(0.0, 1.0, (episodes, quantities))
    return hard * (1.0 + 0.1 * (scatter + shift)), np.broadcast_to(hard, scatter.shape)


def test_less_is_better_and_more_is_worse():
    ours, theirs = drawn(1, 20, shift=3.0)
    worse, better = compared(ours, theirs), compared(theirs, ours)
    interval = worse.quantities[PRIMARY]
    assert (worse.verdict, interval.verdict, interval.pairs) == ('worse', 'worse', 20)
    assert interval.candidate == pytest.approx(float(np.mean(ours)))
    assert interval.difference == pytest.approx(float(np.mean(ours - theirs)))
    assert 0.0 < interval.low < interval.difference < interval.high
    assert (better.verdict, better.quantities[PRIMARY].verdict) == ('better', 'better')


def test_who_is_compared_with_whom_and_how_is_kept():
    result = compared(*drawn(1, 6), resamples=100, seed=7)
    assert (result.baseline, result.resamples, result.seed) == (BASELINE, 100, 7)
    assert list(result.quantities) == list(EPISODE_SCORES)


def test_a_policy_is_not_told_apart_from_itself():
    values, _ = drawn(1, 20)
    result = compared(values, values)
    interval = result.quantities[PRIMARY]
    assert (interval.low, interval.high, interval.p_value) == (0.0, 0.0, 1.0)
    assert (interval.verdict, result.verdict) == ('cannot tell', 'cannot tell')


@pytest.mark.parametrize('pairs', [1, 2, 4])
def test_too_few_pairs_tell_nothing(pairs):
    ours, theirs = drawn(1, pairs, shift=50.0)
    interval = compared(ours, theirs).quantities[PRIMARY]
    assert interval.difference > 0.0
    assert (interval.low, interval.high, interval.verdict) == (None, None, 'cannot tell')


def test_five_pairs_have_an_interval_and_no_verdict():
    interval = compared(*drawn(1, 5, shift=50.0)).quantities[PRIMARY]
    assert interval.low > 0.0
    assert (interval.p_value, interval.verdict) == (2 / 2 ** 5, 'cannot tell')


def test_differences_that_are_all_the_same_tell_nothing():
    values = np.arange(1.0, 11.0)
    result = compared(values + 0.5, values)
    assert result.quantities[PRIMARY].low is None
    assert result.verdict == 'cannot tell'


def test_differences_of_two_values_have_an_interval():
    values = np.arange(10.0)
    interval = compared(values + np.arange(10) % 2, values).quantities[PRIMARY]
    assert math.isfinite(interval.low) and math.isfinite(interval.high)


def test_a_quantity_that_no_episode_has_tells_nothing():
    interval = compared(*drawn(1, 6)).quantities['tcp_rmse_m']
    assert (interval.pairs, interval.candidate, interval.verdict) == (0, None, 'cannot tell')


@pytest.mark.parametrize('nothing', [None, math.nan])
def test_an_episode_without_a_value_on_either_side_is_left_out_and_counted(nothing):
    ours, theirs = drawn(1, 12)
    candidate = [recording('a', [{PRIMARY: value} for value in ours[:, 0].tolist()])]
    baseline = [recording('a', [{PRIMARY: value} for value in theirs[:-1, 0].tolist()])]
    first = candidate[0].episodes[0]
    candidate[0] = replace(candidate[0], episodes=(
        replace(first, scores={PRIMARY: nothing}), *candidate[0].episodes[1:]))
    interval = compare(candidate, baseline, whose=BASELINE).quantities[PRIMARY]
    assert (interval.pairs, interval.left_out) == (10, 2)
    assert interval.difference == pytest.approx(float(np.mean((ours - theirs)[1:-1])))


def test_episodes_are_paired_by_recording_and_number_in_whichever_order_they_come():
    ours, theirs = drawn(3, 12)
    candidate, baseline = judged(ours), judged(theirs)
    backwards = [replace(bag, episodes=bag.episodes[::-1]) for bag in baseline[::-1]]
    assert (compare(candidate[::-1], backwards, whose=BASELINE)
            == compare(candidate, baseline, whose=BASELINE))


def test_the_same_seed_gives_the_same_and_another_seed_another_interval():
    ours, theirs = drawn(3, 12)
    assert compared(ours, theirs, seed=1) == compared(ours, theirs, seed=1)
    assert (compared(ours, theirs, seed=1).quantities[PRIMARY]
            != compared(ours, theirs, seed=2).quantities[PRIMARY])


def test_a_name_that_two_recordings_share_is_refused():
    bags = [recording('a', [{PRIMARY: 1.0}]), recording('a', [{PRIMARY: 2.0}])]
    with pytest.raises(BridgeError, match='a: there are two episodes 0'):
        compare(bags, [], whose=BASELINE)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12))
def test_whatever_the_differences_a_verdict_agrees_with_its_interval(differences):
    values = np.array(differences)
    interval = compared(values, np.zeros_like(values), resamples=50).quantities[PRIMARY]
    if interval.verdict == 'cannot tell':
        return
    assert interval.low * interval.high > 0.0
    assert interval.verdict == ('worse' if interval.low > 0.0 else 'better')


def shares(episodes: int, quantities: int, shift: float, of: int = 150) -> dict[str, float]:
    """Return how often each overall verdict was given for policies ``shift`` apart."""
    names = tuple(EPISODE_SCORES)[:quantities]
    verdicts = []
    for seed in range(of):
        ours, theirs = drawn(seed, episodes, quantities, shift)
        verdicts.append(compare(judged(ours, names), judged(theirs, names), whose=BASELINE,
                                resamples=400, seed=seed).verdict)
    return {verdict: verdicts.count(verdict) / of for verdict in ('better', 'worse')}


# Of 150 draws at 5 %, more than 8 % come up once in 30 seeds; these are fixed.
@pytest.mark.parametrize(('episodes', 'quantities'), [(6, 1), (12, 1), (10, 7), (30, 7)])
def test_policies_that_are_alike_are_seldom_told_apart(episodes, quantities):
    found = shares(episodes, quantities, shift=0.0)
    assert found['better'] + found['worse'] <= 0.08


def test_a_real_difference_is_found():
    assert shares(20, 7, shift=1.5, of=30)['worse'] >= 0.9
    assert shares(20, 7, shift=-1.5, of=30)['better'] >= 0.9


def two_apart(first: float, second: float) -> Comparison:
    """Compare policies that are ``first`` and ``second`` apart in two of seven quantities."""
    names = tuple(EPISODE_SCORES)
    ours, theirs = drawn(5, 20, len(names))
    ours = ours + 0.1 * theirs * np.array([first, second, *[0.0] * (len(names) - 2)])
    return compare(judged(ours, names), judged(theirs, names), whose=BASELINE)


def test_what_is_better_in_one_quantity_and_worse_in_another_is_worse():
    assert two_apart(-3.0, 3.0).verdict == 'worse'


def test_a_quantity_that_is_worse_by_itself_speaks_against_better():
    found = [two_apart(-6.0, shift / 100) for shift in range(0, 200, 10)]
    spoken_against = [each.verdict for each in found
                      if each.quantities['tcp_rmse_m'].verdict == 'worse']
    assert found[0].verdict == 'better'
    # First those that Holm's correction does not confirm.
    assert set(spoken_against) == {'cannot tell', 'worse'}
