"""Braking ends at rest, within limits, as soon as they allow, whichever way it is computed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.trajectory import JointMotion
from physical_ai_bridge.safety.braking import brake, closed_form_stop, ruckig_stop
from physical_ai_bridge.safety.cubics import Cubics
from physical_ai_bridge.safety.limits import check_cubics, check_limits
from physical_ai_bridge.safety.profiles import inset, plan_profiles, Profiles
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


def ruckig_that_raises(state: JointMotion, limits: LimitArrays) -> Profiles | None:
    """Ask ruckig what it does not take."""
    not_limits = LimitArrays(limits.position_min, limits.position_max, limits.velocity,
                             -limits.acceleration, limits.jerk)
    return ruckig_stop(state, not_limits)


def ruckig_that_takes_too_long(state: JointMotion, limits: LimitArrays) -> Profiles | None:
    """Ask ruckig for a stop of many hours, which its binding has no result for."""
    endless = JointMotion(
        state.position, state.velocity + 1e6, state.acceleration, state.jerk)
    return ruckig_stop(endless, limits)


def ruckig_that_finds_nothing(state: JointMotion, limits: LimitArrays) -> Profiles | None:
    """Fail as ruckig does where it finds no trajectory, which it says by its result."""
    class FindsNothing(ruckig.Ruckig):
        def calculate(
                self, wanted: ruckig.InputParameter, planned: ruckig.Trajectory) -> ruckig.Result:
            super().calculate(wanted, planned)
            return ruckig.Result.ErrorExecutionTimeCalculation

    wanted = ruckig.InputParameter(len(state.position))
    wanted.current_velocity = state.velocity.tolist()
    wanted.max_velocity = limits.velocity.tolist()
    wanted.max_acceleration = limits.acceleration.tolist()
    wanted.max_jerk = limits.jerk.tolist()
    assert plan_profiles(wanted) is not None
    return plan_profiles(wanted, FindsNothing)


PLANNERS = (ruckig_stop, ruckig_that_finds_nothing, ruckig_that_raises, ruckig_that_takes_too_long)
velocities = st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3)
accelerations = st.lists(st.floats(-4.9, 4.9), min_size=3, max_size=3)


@pytest.mark.parametrize('planner', PLANNERS)
@given(velocities, accelerations)
def test_a_stop_ends_at_rest_within_the_limits_whoever_plans_it(planner, v, a):
    motion = brake(0, NAMES, state(v, a), inset(limits(), 0.002), planner)
    assert not motion.velocities[-1].any()
    end = motion.at(motion.end_ns)
    assert np.abs(end.acceleration).max() < 0.03
    assert check_limits(motion, limits(), resolution_s=0.002) is None
    if len(motion.times_ns) > 1:
        assert check_cubics(Cubics.of(motion), NAMES, limits(), resolution_s=0.002,
                            to_rest=True) is None


@pytest.mark.parametrize('planner', PLANNERS[1:])
def test_a_planner_that_is_meant_to_fail_does(planner):
    assert planner(state([1.0] * 3, [0.0] * 3), limits()) is None


@pytest.mark.parametrize('planner', PLANNERS[1:])
@given(velocities, accelerations)
def test_without_ruckig_a_stop_is_the_same(planner, v, a):
    with_it = brake(0, NAMES, state(v, a), limits())
    without = brake(0, NAMES, state(v, a), limits(), planner)
    assert without.end_ns == pytest.approx(with_it.end_ns, abs=1_000)
    assert without.positions[-1] == pytest.approx(with_it.positions[-1], abs=1e-6)


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
