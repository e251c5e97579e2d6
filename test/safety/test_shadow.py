"""A shadow runs beside what moves the robot, and goes on from that where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.decision import Authority, Mode
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

CELL = example_cell()
STEADY_RAD_S = 0.2


def cruise(robot: SupervisedRobot, position: np.ndarray) -> Trajectory:
    """Return what moves the robot at a steady speed from ``position`` on, and then stops it."""
    at_ns = robot.clock.now.ros_ns
    ahead = position + STEADY_RAD_S * 0.5
    speed = np.full(6, STEADY_RAD_S)
    rest = ahead + STEADY_RAD_S * 0.5 / 2.0
    return Trajectory(at_ns, robot.names, np.array([0, 500_000_000, 1_000_000_000]),
                      np.stack((position, ahead, rest)), np.stack((speed, speed, 0.0 * speed)))


@pytest.fixture
def shadow() -> SupervisedRobot:
    robot = SupervisedRobot(CELL, Authority.SHADOW)
    robot.make_ready()
    robot.command = Trajectory.hold(robot.clock.now.ros_ns, robot.names, np.zeros(6))
    return robot


def proposal_on(robot: SupervisedRobot, motion: Trajectory) -> Trajectory:
    """Return a proposal that is what moves the robot already."""
    now_ns = robot.clock.now.ros_ns
    return replace(motion, stamp_ns=now_ns, times_ns=motion.times_ns + motion.stamp_ns - now_ns)


def test_what_goes_on_from_what_moves_the_robot_passes_unchanged(shadow):
    moving = cruise(shadow, np.full(6, 0.4))
    shadow.supervisor.on_command(moving, shadow.clock.now)
    decision = shadow.propose(proposal_on(shadow, moving))
    assert (decision.mode, decision.reason) == (Mode.ACTIVE, Reason.OK)


def test_what_does_not_go_on_from_it_is_limited(shadow):
    moving = cruise(shadow, np.full(6, 0.4))
    shadow.supervisor.on_command(moving, shadow.clock.now)
    decision = shadow.propose(proposal_on(shadow, cruise(shadow, np.full(6, 0.38))))
    assert decision.mode is Mode.LIMITING


def test_a_proposal_out_of_reach_of_it_is_refused(shadow):
    shadow.supervisor.on_command(cruise(shadow, np.full(6, 0.4)), shadow.clock.now)
    shadow.propose(proposal_on(shadow, cruise(shadow, np.full(6, 2.4))))
    assert shadow.supervisor.refusals


def test_a_command_that_has_not_begun_is_not_gone_on_from(shadow):
    later = replace(cruise(shadow, np.full(6, 0.4)),
                    stamp_ns=shadow.clock.now.ros_ns + 50_000_000)
    shadow.supervisor.on_command(later, shadow.clock.now)
    decision = shadow.propose(shadow.proposal_to(np.full(6, 0.1)))
    assert (decision.mode, decision.reason) == (Mode.ACTIVE, Reason.OK)


def test_nothing_waits_until_the_robot_rests(shadow):
    moving = cruise(shadow, np.zeros(6))
    shadow.command = moving
    for _ in range(20):
        shadow.tick()
        shadow.supervisor.on_command(moving, shadow.clock.now)
        shadow.propose(proposal_on(shadow, moving))
    shadow.supervisor.stop(shadow.clock.now)
    assert shadow.tick().mode is Mode.STOPPING
    modes = [shadow.tick().mode for _ in range(60)]
    assert Mode.STOPPED in modes
    assert shadow.supervisor.reset(shadow.clock.now) is None
    assert shadow.tick().mode is Mode.READY


def test_a_supervisor_that_is_live_goes_on_from_its_own_commands():
    robot = SupervisedRobot(CELL, Authority.LIVE)
    robot.make_ready()
    robot.supervisor.on_command(cruise(robot, np.full(6, 0.4)), robot.clock.now)
    decision = robot.propose(robot.proposal_to(np.full(6, 0.1)))
    assert decision.mode is Mode.ACTIVE
    assert np.abs(decision.command.positions[0]).max() < 0.01
