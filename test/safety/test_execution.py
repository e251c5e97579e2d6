"""What the controller executes: nothing that is sent goes on from what is in doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.safety.execution import Execution
from physical_ai_bridge.safety.plans import Passed, Plan
from physical_ai_bridge.safety.watch import Watch
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

CELL = example_cell()
REPORTING = replace(CELL, controller=replace(
    CELL.controller, state_topic='/joint_trajectory_controller/controller_state'))
GOAL = np.array([1.2, -0.9, 1.5, 0.6, -1.8, 2.4])
RUNNING = (Mode.READY, Mode.ACTIVE, Mode.LIMITING)


class Reporting(SupervisedRobot):
    """
    A robot whose controller reports the reference that it executes, at each tick.

    ``loses`` says that commands do not arrive, ``mute`` that reports do not; ``aside`` (rad) is
    how far the reference is from what was sent.
    """

    def __init__(self) -> None:
        super().__init__(REPORTING)
        self.loses = self.mute = False
        self.aside = 0.0

    def apply(self, decision: Decision) -> Decision:
        """Take note of a decision and execute its command, unless that is lost."""
        before = self.command
        super().apply(decision)
        if self.loses:
            self.command = before
        return decision

    def sense(self) -> None:
        """Give one sample of everything, and what the controller executes."""
        super().sense()
        if self.mute:
            return
        now = self.clock.now
        velocity = np.zeros(6) if self.command is None else self.command.at(now.ros_ns).velocity
        self.supervisor.on_controller_state(JointSample(
            now.ros_ns, self.names, self.position + self.aside, velocity), now)


@pytest.fixture
def robot() -> Reporting:
    """Return one in motion, with the last command confirmed."""
    robot = Reporting()
    robot.make_ready()
    for _ in range(60):
        robot.move_to(GOAL, 5)
        if robot.decisions[-1].mode is Mode.ACTIVE and len(robot.commands) > 3:
            break
    while robot.decisions[-1].command is None:
        robot.tick()
    return robot


def stopping(robot: Reporting, ticks: int) -> Decision:
    """Return the first decision within so many ticks that stops."""
    for _ in range(ticks):
        decision = robot.tick()
        if decision.mode not in RUNNING:
            return decision
    raise AssertionError(f'it goes on: {decision}')


def test_nothing_is_taken_over_before_the_controller_is_heard():
    robot = Reporting()
    robot.mute = True
    robot.apply(robot.supervisor.activate(robot.clock.now))
    decision = robot.tick(50)
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.CONTROLLER_SILENT)
    assert robot.commands == []
    robot.mute = False
    assert robot.tick(2).mode is Mode.READY


def test_the_hold_is_where_the_controller_holds_not_where_the_joints_are():
    robot = Reporting()
    robot.aside = 0.01
    robot.make_ready()
    assert robot.commands[0].positions[0] == pytest.approx(np.full(6, 0.01), abs=1e-12)


def test_no_command_goes_out_while_it_is_in_doubt_which_one_is_executed(robot):
    assert robot.decisions[-1].command is not None
    decision = robot.tick()
    assert decision.command is None
    assert decision.mode is Mode.ACTIVE


def test_a_stop_waits_until_it_is_known_what_it_would_go_on_from(robot):
    robot.supervisor.stop(robot.clock.now)
    decision = robot.tick()
    assert (decision.mode, decision.command) == (Mode.STOPPING, None)
    for _ in range(4):
        decision = robot.tick()
        if decision.command is not None:
            break
    assert decision.mode is Mode.STOPPING
    assert not decision.command.velocities[-1].any()


def test_a_reference_that_nobody_sent_stops_without_a_command(robot):
    commands = len(robot.commands)
    robot.aside = 0.05
    decision = stopping(robot, 2)
    assert decision.reason is Reason.REFERENCE_LOST
    robot.tick(100)
    assert len(robot.commands) == commands


def test_a_lost_command_stops_and_is_named(robot):
    robot.loses = True
    decision = stopping(robot, 30)
    assert decision.reason is Reason.COMMAND_LOST


def test_a_controller_that_falls_silent_in_motion_stops_it(robot):
    robot.mute = True
    for _ in range(30):
        robot.propose(robot.proposal_to(GOAL))
        if robot.tick().mode not in RUNNING:
            break
    assert robot.decisions[-1].reason is Reason.CONTROLLER_SILENT


def test_an_input_that_pauses_while_nothing_moves_is_waited_for():
    robot = Reporting()
    robot.make_ready()
    robot.mute = True
    decision = robot.tick(30)
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.CONTROLLER_SILENT)
    robot.mute = False
    assert robot.tick(2).mode is Mode.READY
    assert len(robot.commands) == 1


class Held:
    """An execution that has taken a standing robot over, without reports of a controller."""

    def __init__(self) -> None:
        self.now = Instant(1_800_000_000 * NS_PER_S, 10**12)
        watch = Watch(CELL)
        watch.emergency_stop(False, self.now)
        watch.joint_state(
            JointSample(self.now.ros_ns, CELL.robot.joints, np.zeros(6)), self.now)
        watch.wrench(
            'wrist', WrenchSample(self.now.ros_ns, np.zeros(3), np.zeros(3)), self.now)
        self.execution = Execution(CELL, watch, shadow=False)
        self.hold: Trajectory = self.execution.take_over(self.now)

    def at(self, ros_s: float, steady_s: float) -> Instant:
        """Return the instant so much later on each clock."""
        return Instant(self.now.ros_ns + round(ros_s * NS_PER_S),
                       self.now.steady_ns + round(steady_s * NS_PER_S))


def test_what_was_withdrawn_leaves_the_plan_as_it_was():
    held = Held()
    before, now = held.execution.plan, held.at(0.01, 0.01)
    longer = Trajectory(held.hold.stamp_ns, held.hold.joint_names, 50 * held.hold.times_ns,
                        held.hold.positions, held.hold.velocities)
    held.execution.sent(Passed(
        Plan(longer), longer, 0, 1.0, Reason.OK, '', now.ros_ns + 20_000_000, 'path', 1), now)
    assert held.execution.plan.motion is longer
    assert held.execution.withdraw()
    assert held.execution.plan is before
    assert not held.execution.playing(held.at(1.0, 1.0))
    assert not held.execution.withdraw()


def test_a_stop_lasts_by_the_steady_clock_whatever_ros_time_does():
    held = Held()
    since = held.now.steady_ns
    assert not held.execution.over(held.at(-3600.0, 0.01), since)
    assert not held.execution.over(held.at(3600.0, 0.01), since)
    assert held.execution.over(held.at(0.5, 0.5), since)


def test_a_stop_lasts_while_ros_time_stands_still_in_it():
    held = Held()
    assert not held.execution.over(held.at(0.05, 60.0), held.now.steady_ns)


def test_before_the_last_command_begins_the_clock_has_gone_back():
    held = Held()
    back = held.at(-1.0, 0.01)
    assert held.execution.cause(back).reason is Reason.CLOCK_STEPPED
    assert held.execution.free(back)
    assert not held.execution.may_brake(back)
    assert held.execution.cause(held.at(0.01, 0.01)) is None
    assert held.execution.may_brake(held.at(0.01, 0.01))
