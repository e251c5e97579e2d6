"""The audit of setpoints sees what happens at samples, between them, and at every change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.simulation.controller import Setpoint
from physical_ai_bridge.testing.setpoint_audit import SetpointAudit
import pytest

MS = 1_000_000
PERIOD_S = 0.002
NAMES = ('a',)
LIMITS = LimitArrays(*(np.array([x]) for x in (-1.0, 3.0, 2.0, 10.0, 100.0)))


def cubic(*, stamp_ns=0, q=(1.0, 1.0), v=(0.0, 0.0), times_ms=(0, 100)):
    return Trajectory(stamp_ns, NAMES, np.array([t * MS for t in times_ms]),
                      np.array(q)[:, None], np.array(v)[:, None])


@pytest.fixture
def audit():
    audit = SetpointAudit(LIMITS, PERIOD_S)
    audit.executes(cubic(), 0)
    return audit


def play(audit, plan, until_ms, since_ms=0):
    for at in range(since_ms, until_ms + 1, 2):
        motion = plan.at(at * MS)
        audit.add(Setpoint(motion.position, motion.velocity, motion.acceleration))
    return audit.finish(until_ms * MS)


def test_at_rest_in_the_middle_nothing_is_used(audit):
    use = play(audit, cubic(), 200)
    assert all(getattr(use, name) == 0.0 for name in use.__slots__)
    assert use.violations(0.0, 0.0) == ()


@given(q1=st.floats(-1.0, 3.0), v0=st.floats(-3.0, 3.0), v1=st.floats(-3.0, 3.0))
def test_extremes_between_samples_are_those_of_a_fine_grid(q1, v0, v1):
    plan = cubic(q=(1.0, q1), v=(v0, v1))
    audit = SetpointAudit(LIMITS, PERIOD_S)
    audit.executes(plan, 13 * MS)
    use = audit.finish(71 * MS)
    fine = plan.at_many(np.linspace(13 * MS, 71 * MS, 5801).astype(np.int64))
    for name, share, slack in (
            ('position', np.abs(fine.position - 1.0) / 2.0, 1e-6),
            ('velocity', np.abs(fine.velocity) / 2.0, 1e-6),
            ('acceleration', np.abs(fine.acceleration) / 10.0, 1e-3),
            ('jerk', np.abs(fine.jerk) / 100.0, 1e-9)):
        assert share.max() <= getattr(use, name) + 1e-12
        assert getattr(use, name) <= share.max() + slack * (1.0 + share.max())


def test_what_comes_after_another_trajectory_took_over_was_not_executed(audit):
    wild = cubic(q=(1.0, 2.0), times_ms=(0, 10))
    audit.executes(wild, 0)
    audit.executes(cubic(), 0)
    use = play(audit, cubic(), 100)
    assert use.position == use.velocity == 0.0


@pytest.mark.parametrize(('plan', 'name', 'value'), [
    (cubic(q=(1.1, 1.1)), 'position_jump', 0.1),
    (cubic(q=(1.0, 1.02), v=(0.2, 0.2)), 'velocity_jump', 0.2)])
def test_a_jump_where_one_takes_over_is_seen(audit, plan, name, value):
    audit.executes(plan, 0)
    use = audit.finish(0)
    assert getattr(use, name) == pytest.approx(value)
    assert name in use.violations(10.0, 1e-9)


def test_a_step_of_the_acceleration_is_jerk_in_one_period(audit):
    # A parabola of 1 rad/s² from rest: the jerk is a step of 1 over 2 ms, 500 rad/s³.
    audit.executes(cubic(q=(1.0, 1.005), v=(0.0, 0.1)), 0)
    assert audit.finish(50 * MS).jerk == pytest.approx(5.0)


def test_so_is_one_at_a_knot_and_one_at_the_end():
    up_and_down = Trajectory(
        0, NAMES, np.array([0, 100 * MS, 200 * MS]), np.array([[1.0], [1.005], [1.01]]),
        np.array([[0.0], [0.1], [0.0]]))
    audit = SetpointAudit(LIMITS, PERIOD_S)
    audit.executes(up_and_down, 0)
    assert audit.finish(199 * MS).jerk == pytest.approx(10.0)
    late = SetpointAudit(LIMITS, PERIOD_S)
    late.executes(up_and_down, 110 * MS)
    assert late.finish(200 * MS).jerk == pytest.approx(5.0)


def test_what_the_controller_puts_out_counts_whatever_it_was_told(audit):
    audit.add(Setpoint(np.array([1.0]), np.zeros(1), np.zeros(1)))
    audit.add(Setpoint(np.array([1.01]), np.array([0.1]), np.array([1.0])))
    use = audit.finish(2 * MS)
    assert use.sampled_velocity == pytest.approx(2.5)
    assert use.sampled_acceleration == pytest.approx(5.0)
    assert use.sampled_jerk == pytest.approx(5.0)
    assert use.violations(1e-9, 1e-9) == (
        'sampled_velocity', 'sampled_acceleration', 'sampled_jerk')


@pytest.mark.parametrize('field', [0, 1, 2])
def test_what_is_not_a_number_is_a_violation(audit, field):
    rows = [np.ones(1), np.zeros(1), np.zeros(1)]
    rows[field] = np.array([np.nan])
    audit.add(Setpoint(*rows))
    use = audit.finish(0)
    assert ('position', 'velocity', 'acceleration')[field] in use.violations(1e-9, 1e-9)


def test_a_joint_without_position_limits_has_no_share_of_them():
    limits = LimitArrays(np.array([-np.inf]), np.array([np.inf]), *(
        np.array([x]) for x in (2.0, 10.0, 100.0)))
    audit = SetpointAudit(limits, PERIOD_S)
    audit.executes(cubic(q=(50.0, 50.0)), 0)
    audit.add(Setpoint(np.array([50.0]), np.zeros(1), np.zeros(1)))
    assert audit.finish(50 * MS).position == 0.0
