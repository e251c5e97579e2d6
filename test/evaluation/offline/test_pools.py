"""Pools add up to what all values together are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.evaluation.offline.pools import Pool
import pytest

magnitudes = st.lists(st.floats(1e-8, 1e5), min_size=1, max_size=200)


def pool_of(values) -> Pool:
    pool = Pool()
    pool.add(np.array(values))
    return pool


@given(magnitudes)
def test_count_rmse_and_largest_are_exact(values):
    score = pool_of(values).error()
    assert score.count == len(values)
    assert score.rmse == pytest.approx(float(np.sqrt(np.mean(np.square(values)))), rel=1e-12)
    assert score.max == max(values)


@given(magnitudes, st.sampled_from([50.0, 95.0, 99.0]))
def test_a_percentile_is_right_to_half_a_percent(values, percent):
    nearest = float(np.percentile(values, percent, method='inverted_cdf'))
    assert pool_of(values).percentile(percent) == pytest.approx(nearest, rel=0.006)


@given(magnitudes, magnitudes)
def test_parts_add_up_to_the_whole(some, others):
    total = pool_of(some)
    total.merge(pool_of(others))
    whole = pool_of([*some, *others])
    assert total.error().p95 == whole.error().p95
    assert total.error().count == whole.error().count
    assert total.rmse == pytest.approx(whole.rmse, rel=1e-12)


def test_the_sign_does_not_matter_and_what_is_not_finite_is_left_out():
    assert pool_of([-2.0, np.nan, np.inf, 1.0]).error() == pool_of([2.0, 1.0]).error()


def test_nothing_is_none_and_zero_is_zero():
    nothing, zero = Pool().error(), pool_of([0.0, 0.0]).error()
    assert (nothing.count, nothing.rmse, nothing.p95, nothing.max) == (0, None, None, None)
    assert (zero.rmse, zero.p95, zero.max) == (0.0, 0.0, 0.0)


def test_a_pool_is_restored_from_its_state_and_from_no_other():
    pool, again = pool_of([1.0, 2.0, 3.0]), Pool()
    again.restore(*pool.state())
    assert again.error() == pool.error()
    with pytest.raises(ValueError, match='not of this version'):
        again.restore(1, 1.0, 1.0, np.zeros(3, np.int64))
