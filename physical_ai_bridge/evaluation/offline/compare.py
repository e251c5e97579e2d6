"""Two policies on the same recordings: which is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
import warnings

import numpy as np
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.offline.scores import (
    BagScores,
    Comparison,
    EPISODE_SCORES,
    EpisodeScore,
    Interval,
    Judged,
    Verdict,
)

FEWEST_PAIRS = 5
ALPHA = 0.05
# So many numbers are drawn at a time, 32 MB of them, however many episodes there are.
_BATCH = 4_000_000

_Episodes = dict[tuple[str, int], EpisodeScore]


def compare(
        candidate: Sequence[BagScores], baseline: Sequence[BagScores], *, whose: Judged,
        resamples: int = 2000, seed: int = 0) -> Comparison:
    """
    Compare two policies episode by episode; ``whose`` says whose the baseline is.

    Episodes are paired by recording and number. One that has no value on either side is left out
    of that quantity, and counted. For each quantity there is the mean difference, candidate less
    baseline, with its 95 % confidence interval by bootstrap over the episodes: BCa where that is
    defined, else percentile. Less is better for all of them.

    A quantity is 'better' or 'worse' where two things agree: the interval leaves zero out, and a
    sign-flip test (were the two policies alike, each difference might as well have the other
    sign) gives p <= 0.05. The bootstrap alone is wrong too often with few episodes. Fewer than 5
    pairs, and differences that are all the same, tell nothing; with 5 pairs no p is that small.

    The whole is 'worse' if any quantity is worse, and 'better' if any is better, after Holm's
    correction for all quantities that differ at all: of policies that are alike, 5 % at most are
    told apart by mistake. It is never 'better' while a quantity by itself is worse, which without
    the correction is said sooner. With seven quantities this takes 9 episodes or more.

    The same episodes and seed give the same result, in whichever order the recordings come.

    Raises
    ------
    BridgeError
        If two recordings have one name, or two episodes of one recording one number.

    """
    ours, theirs = _by_key(candidate), _by_key(baseline)
    keys = sorted(ours.keys() | theirs.keys())
    quantities = {}
    for index, name in enumerate(EPISODE_SCORES):
        pairs = [(_value(ours, key, name), _value(theirs, key, name)) for key in keys]
        whole = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2)
        # A generator for each: a quantity does not depend on what the others have.
        quantities[name] = _interval(whole[:, 0], whole[:, 1], len(pairs) - len(whole), resamples,
                                     np.random.default_rng([seed, index]))
    return Comparison(baseline=whose, quantities=quantities,
                      verdict=_overall(list(quantities.values())), resamples=resamples, seed=seed)


def _by_key(bags: Sequence[BagScores]) -> _Episodes:
    episodes: _Episodes = {}
    for bag in bags:
        for episode in bag.episodes:
            key = (bag.bag, episode.number)
            if key in episodes:
                raise BridgeError(f'{bag.bag}: there are two episodes {episode.number} under this '
                                  'name; give each recording once, and rename those that share '
                                  'a name')
            episodes[key] = episode
    return episodes


def _value(episodes: _Episodes, key: tuple[str, int], name: str) -> float | None:
    value = episodes[key].scores.get(name) if key in episodes else None
    return None if value is None or not np.isfinite(value) else value


def _interval(candidate: np.ndarray, baseline: np.ndarray, left_out: int, resamples: int,
              generator: np.random.Generator) -> Interval:
    """Judge one quantity by its pairs of values, (E,) float64 each."""
    difference = candidate - baseline
    pairs = len(difference)
    if not pairs:
        return Interval(pairs=0, candidate=None, baseline=None, difference=None, low=None,
                        high=None, verdict='cannot tell', left_out=left_out)
    mean = float(difference.mean())
    low = high = p_value = None
    if not difference.any():
        low, high, p_value = 0.0, 0.0, 1.0
    elif pairs >= FEWEST_PAIRS and np.ptp(difference) > 1e-12 * np.abs(difference).max():
        low, high = _bootstrap(difference, resamples, generator)
        p_value = _sign_flip(difference, resamples, generator)
    verdict: Verdict = 'cannot tell'
    if p_value is not None and p_value <= ALPHA and (low > 0.0 or high < 0.0):
        verdict = 'worse' if mean > 0.0 else 'better'
    return Interval(
        pairs=pairs, candidate=float(candidate.mean()), baseline=float(baseline.mean()),
        difference=mean, low=low, high=high, verdict=verdict, p_value=p_value, left_out=left_out)


def _bootstrap(difference: np.ndarray, resamples: int, generator: np.random.Generator
               ) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean."""
    from scipy.stats import bootstrap, DegenerateDataWarning
    settings: dict[str, Any] = {
        'n_resamples': resamples, 'vectorized': True, 'random_state': generator,
        'batch': max(_BATCH // len(difference), 1)}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DegenerateDataWarning)
        interval = bootstrap((difference,), np.mean, method='BCa', **settings).confidence_interval
        if not np.isfinite([interval.low, interval.high]).all():
            interval = bootstrap((difference,), np.mean, method='percentile',
                                 **settings).confidence_interval
    return float(interval.low), float(interval.high)


def _sign_flip(difference: np.ndarray, resamples: int, generator: np.random.Generator) -> float:
    """Return the two-sided p of the mean: exact where all signs can be tried, else drawn."""
    from scipy.stats import permutation_test

    def mean(ours: np.ndarray, theirs: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(ours - theirs, axis=axis)

    return float(permutation_test(
        (difference, np.zeros_like(difference)), mean, permutation_type='samples',
        vectorized=True, n_resamples=resamples, batch=max(_BATCH // len(difference), 1),
        random_state=generator).pvalue)


def _overall(quantities: list[Interval]) -> Verdict:
    """Judge the whole by Holm's correction; see ``compare``."""
    # One that is the same in all episodes cannot be told apart, and costs the others nothing.
    tested = sorted((each for each in quantities if each.p_value is not None
                     and each.low != each.high), key=lambda each: each.p_value)
    found = set()
    for index, each in enumerate(tested):
        if each.p_value > ALPHA / (len(tested) - index):
            break
        found.add(each.verdict)
    if 'worse' in found:
        return 'worse'
    spoken_against = any(each.verdict == 'worse' for each in quantities)
    return 'better' if 'better' in found and not spoken_against else 'cannot tell'
