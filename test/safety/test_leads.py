"""Leads keep within the limits, begin where the plan is, and go on as the proposal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.safety.leads import approach, joins
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.safety.profiles import inset
import pytest

START_NS = 1_600_000_000_000_000_000
NAMES = ('a', 'b')
LIMITS = LimitArrays(np.array([-2.0, -1.0]), np.array([2.0, 1.0]), np.array([0.8, 1.2]),
                     np.array([6.0, 9.0]), np.array([90.0, 150.0]))
WITHIN = inset(LIMITS, 0.002)


def state(position: float = 0.0, velocity: float = 0.0) -> JointMotion:
    """Return a state without acceleration, the same for both joints."""
    return JointMotion(np.full(2, position), np.full(2, velocity), np.zeros(2), np.zeros(2))


def proposal(position: float, velocity: float, duration_s: float = 1.0) -> Trajectory:
    """Return an even motion."""
    times = np.array([0, int(duration_s * 1e9)])
    velocities = np.full((2, 2), velocity)
    return Trajectory(START_NS, NAMES, times, position + velocities * times[:, None] / 1e9,
                      velocities)


def all_leads(at: JointMotion, path: Trajectory):
    """Return every lead onto a proposal and towards it."""
    found = list(joins(START_NS, at, path, LIMITS, WITHIN))
    for scale in (1.0, 0.75, 0.5, 0.25):
        lead = approach(START_NS, at, path, scale, LIMITS, WITHIN)
        if lead is not None:
            found.append(lead)
    return found


positions, velocities = st.floats(-0.9, 0.9), st.floats(-0.7, 0.7)


@given(positions, velocities, positions, velocities)
def test_every_lead_is_within_velocity_acceleration_and_jerk(q, v, goal, speed):
    at = state(q, v)
    wide = LimitArrays(LIMITS.position_min - 5.0, LIMITS.position_max + 5.0, LIMITS.velocity,
                       LIMITS.acceleration, LIMITS.jerk)
    for lead in all_leads(at, proposal(goal, speed)):
        assert check_limits(lead.motion, wide, resolution_s=0.002) is None
        assert lead.motion.start_ns == START_NS
        begins = lead.motion.at(START_NS)
        assert begins.position == pytest.approx(at.position, abs=1e-12)
        assert begins.velocity == pytest.approx(at.velocity, abs=1e-12)


@given(positions, velocities, positions, velocities)
def test_what_comes_after_a_lead_goes_on_without_a_step(q, v, goal, speed):
    for lead in all_leads(state(q, v), proposal(goal, speed)):
        end_ns = lead.motion.end_ns
        before, after = lead.motion.at(end_ns), lead.onwards.at(end_ns)
        assert after.position == pytest.approx(before.position, abs=1e-9)
        if lead.onwards is not lead.motion:
            assert after.velocity == pytest.approx(before.velocity, abs=1e-7)
            assert after.velocity == pytest.approx(np.full(2, lead.scale * speed), abs=1e-7)


def test_a_join_meets_the_proposal_at_its_time_and_follows_it_to_its_end():
    path = proposal(0.001, 0.02)
    lead = next(joins(START_NS, state(), path, LIMITS, WITHIN))
    assert lead.motion.end_ns == START_NS + 100_000_000
    at_ns = START_NS + 500_000_000
    assert lead.onwards.at(at_ns).position == pytest.approx(path.at(at_ns).position, abs=1e-12)
    assert lead.follow is lead.onwards


def test_what_is_too_far_is_not_joined_but_approached():
    path = proposal(1.5, 0.1)
    assert not list(joins(START_NS, state(), path, LIMITS, WITHIN))
    lead = approach(START_NS, state(), path, 0.5, LIMITS, WITHIN)
    assert lead.follow is path
    assert lead.motion.end_ns > START_NS + 1_000_000_000


def test_a_goal_beyond_a_position_limit_is_approached_no_further_than_that():
    lead = approach(START_NS, state(), proposal(1.5, 0.0), 1.0, LIMITS, WITHIN)
    assert lead.motion.positions[-1] == pytest.approx([1.5, 1.0])
    assert lead.onwards is lead.motion


def test_what_ruckig_does_not_take_has_no_lead():
    broken = state(velocity=float('nan'))
    assert approach(START_NS, broken, proposal(0.1, 0.1), 1.0, LIMITS, WITHIN) is None
