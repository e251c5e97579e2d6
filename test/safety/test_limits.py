"""A motion passes only if it keeps within its limits between its knots as well as at them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.limits import check_limits
import pytest


def one_joint(times_s, positions, velocities) -> Trajectory:
    """Return a trajectory of one joint."""
    times = (np.asarray(times_s) * 1e9).astype(np.int64)
    return Trajectory(0, ('j',), times, np.array(positions, dtype=float)[:, None],
                      np.array(velocities, dtype=float)[:, None])


def limits(position=10.0, velocity=100.0, acceleration=1e4, jerk=1e6) -> LimitArrays:
    """Return one joint's limits, wide where not given."""
    return LimitArrays(*(np.array([x]) for x in (
        -position, position, velocity, acceleration, jerk)))


def breach(motion: Trajectory, bound: LimitArrays) -> Reason | None:
    """Return the reason code of the breach, if any."""
    found = check_limits(motion, bound, resolution_s=0.002)
    return found.reason if found else None


def test_a_position_that_overshoots_between_two_knots_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 0.0], [4.0, -4.0])
    assert breach(motion, limits(position=0.99)) is Reason.POSITION_LIMIT
    assert breach(motion, limits(position=1.01)) is None


def test_a_velocity_that_peaks_between_two_knots_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(velocity=1.49)) is Reason.VELOCITY_LIMIT
    assert breach(motion, limits(velocity=1.51)) is None


def test_an_acceleration_is_found_at_either_end_of_a_segment():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(acceleration=5.99)) is Reason.ACCELERATION_LIMIT
    assert breach(motion, limits(acceleration=6.01)) is None


def test_a_jerk_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(jerk=11.9)) is Reason.JERK_LIMIT
    assert breach(motion, limits(jerk=12.1)) is None


def test_an_acceleration_that_steps_at_a_knot_breaks_the_jerk_limit():
    motion = one_joint([0.0, 1.0, 2.0], [0.0, 0.5, 1.5], [0.0, 1.0, 1.0])
    assert breach(motion, limits(jerk=100.0)) is Reason.JERK_LIMIT


def test_a_motion_exactly_at_its_limits_passes():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(
        position=1.0, velocity=1.5, acceleration=6.0, jerk=12.0)) is None


def test_a_joint_without_position_limits_may_be_anywhere():
    motion = one_joint([0.0, 1.0], [1e4, 1e4], [0.0, 0.0])
    assert breach(motion, limits(position=np.inf)) is None


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_motion_that_is_not_finite_never_passes(bad):
    assert breach(one_joint([0.0, 1.0], [0.0, bad], [0.0, 0.0]), limits()) is (
        Reason.PROPOSAL_NOT_FINITE)
    assert breach(one_joint([0.0, 1.0], [0.0, 0.0], [0.0, bad]), limits()) is (
        Reason.PROPOSAL_NOT_FINITE)


numbers = st.floats(-2.0, 2.0)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=5),
       st.floats(0.1, 3.0), st.floats(0.1, 5.0))
def test_what_passes_is_within_its_limits_at_every_sample(knots, position, velocity):
    times = np.arange(len(knots)) * 0.7
    motion = one_joint(times, [q for q, _ in knots], [v for _, v in knots])
    bound = limits(position=position, velocity=velocity)
    samples = motion.at_many(np.linspace(0, motion.times_ns[-1], 500).astype(np.int64))
    inside = (np.abs(samples.position).max() <= position * (1 + 1e-9)
              and np.abs(samples.velocity).max() <= velocity * (1 + 1e-9))
    if breach(motion, bound) is None:
        assert inside
    elif breach(motion, limits(position=position * 1.05, velocity=velocity * 1.05)):
        assert not inside
