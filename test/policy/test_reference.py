"""The shaped reference is smooth, within limits and ends up on its target."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays, LimitArrays
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.testing.contracts import example_cell
import pytest

CELL = example_cell()
NAMES = CELL.robot.joints
SHAPER = ReferenceShaper(20.0, limit_arrays(CELL))
BEGIN = 1_800_000_000_000_000_000
REST = JointMotion(*(np.zeros(6) for _ in range(4)))


def follow(target: np.ndarray, state: JointMotion = REST) -> Trajectory:
    """Shape a target given once every 10 ms."""
    return SHAPER.follow(BEGIN - 50_000_000, BEGIN, state, target, NAMES)


def test_it_is_stamped_with_the_observation_and_begins_in_the_given_state():
    path = follow(np.ones((10, 6)))
    assert path.stamp_ns == BEGIN - 50_000_000
    assert path.start_ns == BEGIN
    assert not path.positions[0].any()
    assert np.diff(path.times_ns).tolist() == [10_000_000] * 10


def test_it_comes_to_rest_on_a_target_that_stands_still():
    path = follow(np.full((300, 6), 0.2))
    assert path.positions[-1] == pytest.approx([0.2] * 6, abs=1e-6)
    assert path.velocities[-1] == pytest.approx([0.0] * 6, abs=1e-5)


def test_a_small_step_is_followed_without_overshoot():
    path = follow(np.full((300, 6), 0.003))
    assert path.positions.max() <= 0.003 + 1e-6


def test_it_lags_a_ramp_by_three_over_the_bandwidth():
    ramp = 0.2 * 0.01 * np.arange(1, 301)[:, None] * np.ones(6)
    path = follow(ramp)
    lag_s = (ramp[-1] - path.positions[-1]) / 0.2
    assert lag_s == pytest.approx([3.0 / 20.0] * 6, abs=0.011)


@given(arrays(np.float64, (60, 6), elements=st.floats(-4.0, 4.0)))
def test_whatever_the_target_velocity_acceleration_and_jerk_stay_within_the_limits(target):
    path = follow(target)
    motion = path.at_many(np.arange(path.times_ns[0], path.times_ns[-1], 2_500_000))
    limits = limit_arrays(CELL)
    assert (np.abs(motion.velocity) <= limits.velocity).all()
    assert (np.abs(motion.acceleration) <= limits.acceleration).all()
    assert (np.abs(motion.jerk) <= limits.jerk).all()


@given(arrays(np.float64, (60, 6), elements=st.floats(-4.0, 4.0)))
def test_its_acceleration_does_not_step_at_the_knots(target):
    path = follow(target)
    before = path.at_many(path.times_ns[1:-1] - 1)
    after = path.at_many(path.times_ns[1:-1] + 1)
    assert np.abs(before.acceleration - after.acceleration).max() < 1e-5


def test_a_target_beyond_a_position_limit_is_held_inside_it():
    narrow = LimitArrays(np.full(6, -0.1), np.full(6, 0.1), *(
        getattr(limit_arrays(CELL), name) for name in ('velocity', 'acceleration', 'jerk')))
    path = ReferenceShaper(20.0, narrow).follow(BEGIN, BEGIN, REST, np.ones((300, 6)), NAMES)
    assert path.positions[-1] == pytest.approx([0.08] * 6, abs=1e-6)
