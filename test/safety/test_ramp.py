"""With the authority ``ramp`` the speed limits rise in motion, and forces lower them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell import Ramp as RampLimits
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.decision import Authority, Mode
from physical_ai_bridge.safety.ramp import Ramp
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

FAR = 3.0 * np.array([0.4, -0.3, 0.5, 0.2, -0.6, 0.8])
LIMITS = RampLimits(floor=0.2, duration_s=2.0)


@given(st.lists(st.integers(-NS_PER_S, NS_PER_S), max_size=20))
def test_the_share_rises_from_the_floor_to_all_and_never_falls(durations):
    ramp = Ramp(LIMITS)
    shares = [ramp.share]
    for duration in durations:
        ramp.moved(duration)
        shares.append(ramp.share)
    assert shares[0] == pytest.approx(0.2)
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0


@pytest.mark.parametrize(('moved_s', 'share'), [(0.0, 0.2), (1.0, 0.6), (2.0, 1.0), (9.0, 1.0)])
def test_it_rises_in_a_straight_line_and_says_what_is_left(moved_s, share):
    ramp = Ramp(LIMITS)
    ramp.moved(round(moved_s * NS_PER_S))
    assert ramp.share == pytest.approx(share)
    assert ramp.refusal.reason is Reason.RAMPING_IN
    assert f'{share:.0%}' in ramp.refusal.detail


def ramped(**force: float) -> Cell:
    """Return a cell that ramps in within 2 s, with such a force limit."""
    cell = example_cell()
    limit = replace(cell.safety.force_limits['wrist'], **force)
    return replace(cell, safety=replace(
        cell.safety, ramp=LIMITS, force_limits={'wrist': limit}))


def ready(authority: Authority, cell: Cell | None = None) -> SupervisedRobot:
    """Return a robot that is ready under such an authority."""
    robot = SupervisedRobot(cell or ramped(), authority)
    robot.make_ready()
    return robot


def fastest(robot: SupervisedRobot) -> float:
    """Return the largest share of a joint's velocity limit in what was sent last."""
    motion = robot.commands[-1]
    times = np.arange(robot.clock.now.ros_ns, motion.end_ns, 1_000_000) - motion.stamp_ns
    return float(np.abs(motion.at_many(times).velocity).max()) / 3.14


def test_under_ramp_it_begins_slowly_and_says_why():
    robot = ready(Authority.RAMP)
    decisions = robot.move_to(FAR, 25)
    assert robot.commands[1:]
    assert fastest(robot) < 0.5
    limited = [decision for decision in decisions if decision.reason is Reason.RAMPING_IN]
    assert limited
    assert {decision.mode for decision in limited} == {Mode.LIMITING}
    assert decisions[0].speed_share == pytest.approx(0.2, abs=0.02)
    assert decisions[-1].speed_share < 0.5


def test_live_it_does_not():
    robot = ready(Authority.LIVE)
    decisions = robot.move_to(FAR, 25)
    assert {decision.speed_share for decision in decisions} == {1.0}
    assert {decision.mode for decision in decisions} == {Mode.ACTIVE}
    assert fastest(robot) > 0.5


def test_time_at_rest_does_not_count():
    robot = ready(Authority.RAMP)
    robot.tick(300)
    assert robot.move_to(FAR, 2)[0].speed_share == pytest.approx(0.2, abs=0.02)


def test_it_begins_anew_after_a_reset():
    robot = ready(Authority.RAMP)
    assert robot.move_to(0.1 * FAR, 100)[-1].speed_share > 0.5
    robot.supervisor.stop(robot.clock.now)
    assert robot.tick(100).mode is Mode.STOPPED
    assert robot.supervisor.reset(robot.clock.now) is None
    assert robot.move_to(FAR, 2)[0].speed_share == pytest.approx(0.2, abs=0.02)


def test_the_slow_down_band_of_a_force_lowers_the_speed_and_is_named():
    robot = ready(Authority.LIVE, ramped(slow_down_force_n=40.0))
    robot.force_n = 65.0
    decisions = robot.move_to(FAR, 25)
    assert decisions[-1].speed_share == pytest.approx(0.55)
    assert Reason.FORCE_SLOW_DOWN in {decision.reason for decision in decisions}
    assert fastest(robot) <= 0.55 + 1e-6


def test_the_lower_of_both_shares_holds():
    robot = ready(Authority.RAMP, ramped(slow_down_force_n=40.0))
    robot.force_n = 85.0
    band = 1.0 - 0.9 * (85.0 - 40.0) / 50.0
    assert robot.move_to(0.1 * FAR, 5)[-1].speed_share == pytest.approx(band)
    robot.force_n = 0.0
    assert robot.tick().speed_share < 0.3
