"""Braking ends at rest, within limits, as soon as they allow, whichever way it is computed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.trajectory import JointMotion
from physical_ai_bridge.safety.braking import brake, closed_form_stop
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.safety.profiles import inset
import pytest
import ruckig

NAMES = ('a', 'b', 'c')


def limits(acceleration: float = 5.0, jerk: float = 50.0) -> LimitArrays:
    """Return limits of three joints, wide but for acceleration and jerk."""
    full = np.full(3, 1.0)
    return LimitArrays(-100 * full, 100 * full, 10 * full, acceleration * full, jerk * full)


def state(velocity: list[float], acceleration: list[float]) -> JointMotion:
    """Return a state at the origin."""
    return JointMotion(np.zeros(3), np.array(velocity), np.array(acceleration), np.zeros(3))


velocities = st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3)
accelerations = st.lists(st.floats(-4.9, 4.9), min_size=3, max_size=3)


@given(velocities, accelerations)
def test_a_stop_ends_at_rest_within_the_limits(v, a):
    motion = brake(0, NAMES, state(v, a), inset(limits(), 0.002))
    assert not motion.velocities[-1].any()
    end = motion.at(motion.end_ns)
    assert np.abs(end.acceleration).max() < 0.03
    assert check_limits(motion, limits(), resolution_s=0.002) is None


@given(velocities, accelerations)
def test_a_stop_begins_in_the_state_that_it_is_given(v, a):
    motion = brake(0, NAMES, state(v, a), limits())
    begin = motion.at(0)
    assert begin.velocity == pytest.approx(v)
    if len(motion.times_ns) > 1 and motion.times_ns[1] > 1_000_000:
        assert begin.acceleration == pytest.approx(a, abs=0.03)


@pytest.mark.parametrize(('acceleration', 'duration_s', 'distance_rad'), [
    (0.0, 0.300, 0.150),
    (5.0, 0.450, 0.335),
])
def test_the_stop_from_one_radian_a_second_takes_what_the_formula_says(
        acceleration, duration_s, distance_rad):
    motion = brake(0, NAMES, state([1.0] * 3, [acceleration] * 3), limits())
    assert motion.end_ns / 1e9 == pytest.approx(duration_s, rel=0.01)
    assert motion.positions[-1] == pytest.approx([distance_rad] * 3, rel=0.01)


@given(st.floats(-3.0, 3.0), st.floats(-5.0, 5.0))
def test_the_closed_form_comes_to_rest(v, a):
    phases = closed_form_stop(v, a, 5.0, 50.0)
    for duration, jerk in zip(phases.durations, phases.jerks, strict=True):
        assert duration >= 0.0
        v += duration * (a + duration * jerk / 2.0)
        a += duration * jerk
        assert abs(a) <= 5.0 + 1e-9
    assert v == pytest.approx(0.0, abs=1e-9)
    assert a == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-3.0, 3.0), st.floats(-5.0, 5.0))
def test_the_closed_form_is_as_fast_as_ruckig(v, a):
    wanted = ruckig.InputParameter(1)
    wanted.control_interface = ruckig.ControlInterface.Velocity
    wanted.current_velocity, wanted.current_acceleration = [v], [a]
    wanted.max_acceleration, wanted.max_jerk = [5.0], [50.0]
    planned = ruckig.Trajectory(1)
    assert ruckig.Ruckig(1).calculate(wanted, planned) == ruckig.Result.Working
    own = sum(closed_form_stop(v, a, 5.0, 50.0).durations)
    assert own == pytest.approx(planned.duration, abs=1e-6)


def test_joints_stop_independently():
    motion = brake(0, NAMES, state([2.0, 0.1, 0.0], [0.0] * 3), limits())
    slow_end = 2.0 * np.sqrt(0.1 / 50.0)
    later = motion.at_many(np.array([int((slow_end + 0.01) * 1e9)]))
    assert later.velocity[0, 1] == pytest.approx(0.0, abs=1e-9)
    assert later.velocity[0, 0] > 1.0
