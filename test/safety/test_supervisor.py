"""The supervisor's rules, one by one, with a robot that does what it is told."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.decision import Authority, Mode
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

CELL = example_cell()
LIMITS = limit_arrays(CELL)
GOAL = np.array([0.4, -0.3, 0.5, 0.2, -0.6, 0.8])


@pytest.fixture
def robot() -> SupervisedRobot:
    """Return a robot whose supervisor is READY."""
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    return robot


def modes(decisions) -> set[Mode]:
    """Return the modes that occur."""
    return {decision.mode for decision in decisions}


def assert_commands_are_safe(robot: SupervisedRobot) -> None:
    """Hold what was published against I1, I2, I4 and I5."""
    for command in robot.commands:
        assert np.isfinite(command.positions).all()
        assert np.isfinite(command.velocities).all()
        assert not command.velocities[-1].any()
        assert check_limits(command, LIMITS, resolution_s=0.002) is None
    for before, after in pairwise(robot.commands):
        at = after.start_ns + 1
        old, new = before.at(at), after.at(at)
        assert np.abs(old.position - new.position).max() < 1e-8
        assert np.abs(old.velocity - new.velocity).max() < 1e-6


def test_it_is_inactive_until_every_input_is_there(robot):
    robot = SupervisedRobot(CELL)
    robot.silent = {'wrench'}
    robot.apply(robot.supervisor.activate(robot.clock.now))
    decision = robot.tick(50)
    assert decision.mode is Mode.INACTIVE
    assert decision.reason is Reason.WRENCH_SILENT
    assert not robot.commands
    robot.silent = set()
    assert robot.tick().mode is Mode.READY


def test_it_does_not_take_over_a_robot_that_moves():
    robot = SupervisedRobot(CELL)
    robot.apply(robot.supervisor.activate(robot.clock.now))
    for _ in range(50):
        robot.offset += 0.001
        decision = robot.tick()
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.NOT_AT_REST)
    robot.tick(30)
    assert robot.decisions[-1].mode is Mode.READY


def test_on_taking_over_it_holds_where_the_robot_stands(robot):
    assert len(robot.commands) == 1
    assert not robot.commands[0].velocities.any()
    assert robot.commands[0].positions[0] == pytest.approx(np.zeros(6))


def test_a_safe_proposal_passes_unchanged(robot):
    proposal = robot.proposal_to(GOAL)
    decision = robot.propose(proposal)
    assert (decision.mode, decision.reason) == (Mode.ACTIVE, Reason.OK)
    assert decision.proposal_stamp_ns == proposal.stamp_ns
    committed_ns = robot.clock.now.ros_ns + 50_000_000
    times = np.arange(proposal.start_ns, committed_ns - 10**6, 10**6)
    for at in times:
        wanted, got = proposal.at(int(at)), decision.command.at(int(at))
        assert got.position == pytest.approx(wanted.position, abs=1e-12)
        assert got.velocity == pytest.approx(wanted.velocity, abs=1e-9)


def test_safe_proposals_stay_active_and_reach_the_goal(robot):
    decisions = robot.move_to(GOAL, 300)
    assert modes(decisions) == {Mode.ACTIVE}
    assert robot.position == pytest.approx(GOAL, abs=1e-3)
    assert_commands_are_safe(robot)


def test_a_fresh_proposal_is_acted_on_at_once(robot):
    assert robot.supervisor.on_proposal(
        message_from_trajectory(robot.proposal_to(GOAL)), robot.clock.now)


def test_a_proposal_that_does_not_begin_where_the_plan_is_is_led_onto(robot):
    shifted = robot.proposal_to(0.1 * GOAL)
    shifted = Trajectory(shifted.stamp_ns, shifted.joint_names, shifted.times_ns,
                         shifted.positions + 0.01, shifted.velocities)
    decision = robot.propose(shifted)
    assert (decision.mode, decision.reason) == (Mode.LIMITING, Reason.JOINING)
    robot.tick(35)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    assert_commands_are_safe(robot)
    at = robot.clock.now.ros_ns
    assert robot.position == pytest.approx(shifted.at(at).position, abs=1e-9)


def test_a_proposal_beyond_a_position_limit_is_not_followed_there(robot):
    now = robot.clock.now.ros_ns
    times = np.arange(1, 61, dtype=np.int64) * 10_000_000
    path = np.linspace(0.0, 9.0, 60)[:, None] * np.ones(6)
    velocity = np.full_like(path, 9.0 / 0.6)
    robot.propose(Trajectory(now, robot.names, times, path, velocity))
    robot.tick(60)
    assert modes(robot.decisions[-50:-20]) <= {Mode.LIMITING, Mode.STOPPING}
    assert_commands_are_safe(robot)


def test_silence_of_the_policy_stops_within_its_watchdog_and_says_so(robot):
    robot.move_to(GOAL * 3, 30)
    robot.tick(150)
    decision = robot.decisions[-1]
    assert (decision.mode, decision.reason) == (Mode.STOPPED, Reason.PROPOSALS_SILENT)
    assert_commands_are_safe(robot)


def test_a_proposal_that_comes_to_rest_may_be_the_last(robot):
    proposal = robot.proposal_to(GOAL * 0.02, 1.0)
    proposal.velocities[-1] = 0.0
    robot.propose(proposal)
    decision = robot.tick(200)
    assert (decision.mode, decision.reason) == (Mode.READY, Reason.OK)


@pytest.mark.parametrize(('disturb', 'reason'), [
    (lambda robot: setattr(robot, 'pressed', True), Reason.EMERGENCY_STOP),
    (lambda robot: robot.silent.add('emergency_stop'), Reason.EMERGENCY_STOP_SILENT),
    (lambda robot: setattr(robot, 'force_n', 95.0), Reason.FORCE_LIMIT),
    (lambda robot: robot.silent.add('joint_state'), Reason.JOINTS_SILENT),
    (lambda robot: robot.silent.add('wrench'), Reason.WRENCH_SILENT),
    (lambda robot: robot.supervisor.stop(robot.clock.now), Reason.STOP_REQUESTED),
    (lambda robot: robot.offset.__setitem__(2, 0.3), Reason.TRACKING_LOST),
    (lambda robot: robot.clock.step_ros(-1.0), Reason.CLOCK_STEPPED),
    (lambda robot: robot.clock.advance(0.2), Reason.TICK_OVERRUN),
], ids=lambda value: value.value if isinstance(value, Reason) else '')
def test_each_cause_stops_the_motion_and_is_named(robot, disturb, reason):
    robot.move_to(GOAL * 3, 30)
    disturb(robot)
    decisions = [robot.tick() for _ in range(40)]
    assert Mode.STOPPING in modes(decisions)
    stopped = next(d for d in decisions if d.mode is Mode.STOPPING)
    assert stopped.reason is reason
    assert stopped.detail
    assert_commands_are_safe(robot)


def test_a_stop_brakes_sooner_than_the_plan_would_have(robot):
    robot.move_to(GOAL * 3, 30)
    before = robot.command
    robot.supervisor.stop(robot.clock.now)
    decision = robot.apply(robot.supervisor.tick(robot.clock.now))
    assert decision.command is not None
    assert decision.command.end_ns < before.end_ns
    assert_commands_are_safe(robot)


def test_a_contact_above_the_limit_asks_for_a_tick_at_once(robot):
    sample = WrenchSample(robot.clock.now.ros_ns, np.array([0.0, 0.0, 95.0]), np.zeros(3))
    assert robot.supervisor.on_wrench('wrist', sample, robot.clock.now)
    assert not robot.supervisor.on_wrench('wrist', sample, robot.clock.now)


def test_a_pressed_emergency_stop_asks_for_a_tick_at_once(robot):
    assert robot.supervisor.on_emergency_stop(True, robot.clock.now)


def test_a_stop_that_is_asked_for_asks_for_a_tick_at_once(robot):
    assert robot.supervisor.stop(robot.clock.now)


def test_a_stop_is_over_only_when_the_robot_is_seen_at_rest(robot):
    robot.move_to(GOAL, 30)
    robot.supervisor.stop(robot.clock.now)
    for _ in range(150):
        robot.offset[0] += 0.001
        decision = robot.tick()
    assert robot.clock.now.ros_ns > robot.command.end_ns
    assert decision.mode is Mode.STOPPING
    assert robot.tick(20).mode is Mode.STOPPED


def stopped_robot() -> SupervisedRobot:
    """Return a robot that was stopped in mid-motion and stands still."""
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    robot.move_to(GOAL, 30)
    robot.supervisor.stop(robot.clock.now)
    assert robot.tick(100).mode is Mode.STOPPED
    return robot


def test_a_stop_is_latched_until_reset():
    robot = stopped_robot()
    commands = len(robot.commands)
    decisions = robot.move_to(GOAL, 100)
    assert modes(decisions) == {Mode.STOPPED}
    assert len(robot.commands) == commands
    assert robot.supervisor.reset(robot.clock.now) is None
    assert robot.tick().mode is Mode.READY
    assert Mode.ACTIVE in modes(robot.move_to(GOAL, 20))
    assert_commands_are_safe(robot)


def test_where_nothing_is_latched_there_is_nothing_to_reset(robot):
    assert 'nothing to reset in READY' in robot.supervisor.reset(robot.clock.now).detail
    before = robot.proposal_to(GOAL)
    robot.propose(before)
    assert robot.supervisor.reset(robot.clock.now) is not None
    assert robot.tick().proposal_stamp_ns == before.stamp_ns


def test_reset_is_refused_while_its_cause_is_there():
    robot = stopped_robot()
    robot.pressed = True
    robot.tick()
    assert robot.supervisor.reset(robot.clock.now).reason is Reason.EMERGENCY_STOP
    assert robot.tick().mode is Mode.STOPPED


def test_reset_is_refused_while_the_robot_moves():
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    robot.move_to(GOAL * 3, 30)
    robot.supervisor.stop(robot.clock.now)
    robot.tick(2)
    assert robot.supervisor.reset(robot.clock.now) is not None


def test_reset_is_refused_where_ros_time_has_gone_back_into_the_last_command():
    robot = stopped_robot()
    last = robot.command
    robot.command = Trajectory.hold(robot.clock.now.ros_ns, robot.names, last.positions[-1])
    robot.clock.step_ros((last.start_ns - robot.clock.now.ros_ns) / 1e9)
    robot.tick(15)
    assert robot.clock.now.ros_ns < last.end_ns
    assert 'has not come to its end' in robot.supervisor.reset(robot.clock.now).detail
    robot.tick(50)
    assert robot.supervisor.reset(robot.clock.now) is None


def test_reset_does_not_follow_a_proposal_from_before_it():
    robot = stopped_robot()
    old = robot.proposal_to(GOAL)
    robot.tick(5)
    assert robot.supervisor.reset(robot.clock.now) is None
    robot.propose(old)
    assert robot.tick(5).mode is Mode.READY
    assert robot.supervisor.refusals[Reason.PROPOSAL_REORDERED] == 1


def test_the_first_cause_of_a_stop_is_the_one_reported(robot):
    robot.move_to(GOAL * 3, 30)
    robot.pressed = True
    robot.tick()
    robot.silent = {'joint_state', 'wrench'}
    assert robot.tick(60).reason is Reason.EMERGENCY_STOP


def test_a_bad_proposal_never_replaces_a_good_one(robot):
    robot.propose(robot.proposal_to(GOAL))
    before = robot.tick()
    bad = message_from_trajectory(robot.proposal_to(GOAL))
    point = bad.points[-1]
    worse = TrajectoryMessage(bad.stamp_ns, bad.joint_names, (
        *bad.points[:-1], type(point)(point.time_from_start_ns, (float('nan'),) * 6,
                                      point.velocities, (), ())))
    assert not robot.supervisor.on_proposal(worse, robot.clock.now)
    after = robot.tick()
    assert after.proposal_stamp_ns == before.proposal_stamp_ns
    assert robot.supervisor.refusals == {Reason.PROPOSAL_NOT_FINITE: 1}


def test_repeated_bad_proposals_stop_the_motion(robot):
    robot.move_to(GOAL * 3, 30)
    empty = TrajectoryMessage(robot.clock.now.ros_ns, robot.names, ())
    for _ in range(CELL.safety.watchdogs.bad_proposals):
        robot.supervisor.on_proposal(empty, robot.clock.now)
    decision = robot.tick()
    assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.PROPOSALS_BAD)


@pytest.mark.parametrize(('names', 'position', 'reason'), [
    (CELL.robot.joints[:-1], np.zeros(5), Reason.JOINTS_MISSING),
    (('renamed', *CELL.robot.joints[1:]), np.zeros(6), Reason.JOINTS_MISSING),
    (CELL.robot.joints, np.array([0, 0, np.nan, 0, 0, 0]), Reason.JOINTS_MALFORMED),
    (CELL.robot.joints, np.zeros(5), Reason.JOINTS_MALFORMED),
])
def test_a_bad_joint_state_is_refused_and_does_not_feed_the_watchdog(
        robot, names, position, reason):
    robot.move_to(GOAL * 3, 30)
    robot.silent = {'joint_state'}
    for _ in range(20):
        robot.supervisor.on_joint_state(
            JointSample(robot.clock.now.ros_ns, names, position), robot.clock.now)
        decision = robot.tick()
    assert robot.supervisor.refusals[reason] == 20
    assert decision.reason is Reason.JOINTS_SILENT
    assert reason.value in decision.detail


def test_extra_joints_in_the_drivers_message_do_not_matter(robot):
    names = ('gripper', *reversed(CELL.robot.joints))
    robot.supervisor.on_joint_state(
        JointSample(robot.clock.now.ros_ns, names, np.zeros(7)), robot.clock.now)
    assert not robot.supervisor.refusals


def test_a_frozen_driver_that_stamps_old_data_is_refused(robot):
    old = robot.clock.now.ros_ns - 1_000_000_000
    robot.supervisor.on_joint_state(
        JointSample(old, robot.names, np.zeros(6)), robot.clock.now)
    assert robot.supervisor.refusals == {Reason.JOINTS_STALE: 1}


def test_in_shadow_nothing_is_published_and_everything_is_decided():
    robot = SupervisedRobot(CELL, Authority.SHADOW)
    robot.make_ready()
    robot.command = Trajectory.hold(robot.clock.now.ros_ns, robot.names, np.zeros(6))
    decision = robot.propose(robot.proposal_to(GOAL))
    assert decision.mode is Mode.ACTIVE
    assert not robot.commands


def test_deactivating_in_mid_motion_brakes(robot):
    robot.move_to(GOAL * 3, 30)
    decision = robot.apply(robot.supervisor.deactivate(robot.clock.now))
    assert decision.mode is Mode.INACTIVE
    assert not decision.command.velocities[-1].any()
    assert_commands_are_safe(robot)


def test_a_robot_outside_its_limits_is_not_taken_over():
    robot = SupervisedRobot(CELL)
    robot.offset = np.full(6, 6.5)
    robot.apply(robot.supervisor.activate(robot.clock.now))
    decision = robot.tick(30)
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.OUTSIDE_LIMITS)


@settings(max_examples=25)
@given(st.lists(st.tuples(
    st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6), st.integers(1, 25)),
    min_size=1, max_size=5), st.floats(-0.2, 0.2), st.integers(1, 12))
def test_whatever_is_proposed_the_commands_are_safe_and_end_at_rest(moves, shift, gap):
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    for goal, ticks in moves:
        for index in range(ticks):
            if index % gap == 0:
                proposal = robot.proposal_to(np.array(goal))
                robot.propose(Trajectory(
                    proposal.stamp_ns, proposal.joint_names, proposal.times_ns,
                    proposal.positions + shift, proposal.velocities * (1.0 + shift)))
            robot.tick()
    robot.tick(150)
    assert_commands_are_safe(robot)
    assert not robot.command.at(robot.clock.now.ros_ns).velocity.any()


def test_a_command_that_was_held_up_is_withdrawn_and_the_plan_stays_what_was_sent(robot):
    robot.move_to(GOAL, 30)
    robot.clock.advance(0.01)
    robot.sense()
    decision = robot.supervisor.tick(robot.clock.now)
    late = robot.clock.advance(0.015)
    assert late.steady_ns - decision.now.steady_ns > robot.supervisor.command_expires_ns
    withdrawn = robot.supervisor.withdraw(decision, late)
    assert withdrawn.command is None
    assert robot.supervisor.plan is robot.command
    assert robot.supervisor.refusals[Reason.COMMAND_LATE] == 1
    robot.tick(100)
    assert_commands_are_safe(robot)


def test_a_stop_that_was_held_up_is_sent_with_the_next_tick(robot):
    robot.move_to(GOAL * 3, 30)
    robot.supervisor.stop(robot.clock.now)
    held_up = robot.supervisor.tick(robot.clock.now)
    robot.supervisor.withdraw(held_up, robot.clock.advance(0.011))
    robot.sense()
    decision = robot.apply(robot.supervisor.tick(robot.clock.now))
    assert decision.mode is Mode.STOPPING
    assert decision.command is not None
    assert robot.tick().command is None
    assert_commands_are_safe(robot)


def test_a_tick_at_the_same_instant_changes_nothing(robot):
    robot.propose(robot.proposal_to(GOAL))
    first = robot.supervisor.tick(robot.clock.now)
    second = robot.supervisor.tick(Instant(robot.clock.now.ros_ns, robot.clock.now.steady_ns))
    assert first.mode is second.mode
    assert first.command.positions[-1] == pytest.approx(second.command.positions[-1], abs=1e-9)
