"""
Every fault that needs no transport and no process, met in mid-motion: what becomes of it.

docs/faults.md maps each fault to its test. Whatever comes, the commands stay within the limits,
go on from each other without a step, and end at rest; ``robot`` holds them to that at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
import struct

import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import (
    JointSample,
    TrajectoryMessage,
    TrajectoryPoint,
    WrenchSample,
)
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest
import ruckig

CELL = example_cell()
DOGS = CELL.safety.watchdogs
LIMITS = limit_arrays(CELL)
TICK_S = 1.0 / CELL.safety.tick_rate_hz
HOUR_NS = 3_600 * NS_PER_S
# A robot that goes there is in full motion for more than a second.
FAR = 3.0 * np.array([0.4, -0.3, 0.5, 0.2, -0.6, 0.8])
NAN, INF = float('nan'), float('inf')
STOPS = (Mode.STOPPING, Mode.STOPPED)


class Robot(SupervisedRobot):
    """A robot whose driver may lie: ``report`` changes each joint state, or withholds it."""

    def __init__(self) -> None:
        super().__init__(CELL)
        self.report: Callable[[JointSample], JointSample | None] | None = None

    def sense(self) -> None:
        """Give one sample of everything, the joint state as ``report`` has it."""
        if self.report is not None:
            self.silent.add('joint_state')
        super().sense()
        if self.report is None:
            return
        now = self.clock.now
        sample = self.report(JointSample(now.ros_ns, self.names, self.position + self.offset))
        if sample is not None:
            self.supervisor.on_joint_state(sample, now)

    @property
    def refusals(self) -> dict[Reason, int]:
        """What was refused since activation."""
        return self.supervisor.refusals

    def good(self) -> TrajectoryMessage:
        """Return a good proposal."""
        return message_from_trajectory(self.proposal_to(FAR))

    def hand_in(self, message: TrajectoryMessage) -> bool:
        """Hand in a proposal as it is; return whether it wants a tick at once."""
        return self.supervisor.on_proposal(message, self.clock.now)


def moving_robot() -> Robot:
    """Return a robot in full motion."""
    robot = Robot()
    robot.make_ready()
    robot.move_to(FAR, 30)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    assert np.abs(robot.command.at(robot.clock.now.ros_ns).velocity).max() > 1.0
    return robot


@pytest.fixture
def robot(record_property: Callable[[str, object], None]) -> Iterator[Robot]:
    """
    Return a robot in full motion; what it was sent is held against the invariants.

    With --junitxml the report tells after how many ms on the steady clock it began to stop.
    """
    robot = moving_robot()
    begun_ns = robot.clock.now.steady_ns
    yield robot
    assert_commands_are_safe(robot)
    for decision in robot.decisions:
        if decision.mode is Mode.STOPPING:
            record_property('stops_after_ms', (decision.now.steady_ns - begun_ns) // 1_000_000)
            break


def assert_commands_are_safe(robot: Robot) -> None:
    """Hold what was published against I1, I2, I4 and I5."""
    for command in robot.commands:
        assert command.joint_names == robot.names
        assert np.isfinite(command.positions).all()
        assert np.isfinite(command.velocities).all()
        assert not command.velocities[-1].any()
        assert check_limits(command, LIMITS, resolution_s=0.002) is None
    for before, after in pairwise(robot.commands):
        at = after.start_ns + 1
        old, new = before.at(at), after.at(at)
        assert np.abs(old.position - new.position).max() < 1e-8
        assert np.abs(old.velocity - new.velocity).max() < 1e-6


def assert_stops(robot: Robot, reason: Reason, *, ticks: int = 1) -> None:
    """Hold it to stop within so many ticks, to come to rest, and to stay there."""
    for _ in range(ticks):
        decision = robot.tick()
        if decision.mode in STOPS:
            break
    assert (decision.mode, decision.reason) == (Mode.STOPPING, reason)
    assert decision.detail
    for _ in range(100):
        decision = robot.tick()
    assert (decision.mode, decision.reason) == (Mode.STOPPED, reason)
    commands = len(robot.commands)
    robot.move_to(FAR, 20)
    assert robot.decisions[-1].mode is Mode.STOPPED
    assert len(robot.commands) == commands
    assert not robot.command.at(robot.clock.now.ros_ns).velocity.any()


def assert_dropped(
        robot: Robot, make: Callable[[TrajectoryMessage], TrajectoryMessage],
        reason: Reason) -> None:
    """Hold it to drop such a proposal, to follow the last good one on, and to stop at many."""
    robot.propose(robot.proposal_to(FAR))
    followed = robot.tick().proposal_stamp_ns
    assert not robot.hand_in(make(robot.good()))
    decision = robot.tick()
    assert robot.refusals == {reason: 1}
    assert robot.supervisor.last_refusal.detail
    assert (decision.mode, decision.proposal_stamp_ns) == (Mode.ACTIVE, followed)
    assert_commands_are_safe(robot)
    for _ in range(DOGS.bad_proposals - 1):
        robot.hand_in(make(robot.good()))
    assert_stops(robot, Reason.PROPOSALS_BAD)


def with_point(message: TrajectoryMessage, index: int, **changes: object) -> TrajectoryMessage:
    """Return the message with one of its points changed."""
    points = list(message.points)
    points[index] = replace(points[index], **changes)
    return replace(message, points=tuple(points))


def with_first(values: tuple[float, ...], value: float) -> tuple[float, ...]:
    """Return the values with another first one."""
    return (value, *values[1:])


def shifted(message: TrajectoryMessage, offset: tuple[float, ...]) -> TrajectoryMessage:
    """Return the message with all positions shifted."""
    return replace(message, points=tuple(
        replace(point, positions=tuple(
            q + by for q, by in zip(point.positions, offset, strict=True)))
        for point in message.points))


def with_times(message: TrajectoryMessage, times_s: list[float]) -> TrajectoryMessage:
    """Return the message with as many points as times, at these times."""
    return replace(message, points=tuple(
        replace(point, time_from_start_ns=seconds_to_ns(at))
        for point, at in zip(message.points, times_s, strict=False)))


class TestMessage:
    """Proposals that are not what they should be."""

    @pytest.mark.parametrize('index', [0, 10], ids=['first', 'middle'])
    def test_nan_position(self, robot, index):
        assert_dropped(robot, lambda good: with_point(
            good, index, positions=with_first(good.points[index].positions, NAN)),
            Reason.PROPOSAL_NOT_FINITE)

    @pytest.mark.parametrize('value', [INF, -INF])
    def test_infinite_velocity(self, robot, value):
        assert_dropped(robot, lambda good: with_point(
            good, 0, velocities=with_first(good.points[0].velocities, value)),
            Reason.PROPOSAL_NOT_FINITE)

    @pytest.mark.parametrize('field', ['positions', 'velocities'])
    def test_nan_only_in_the_last_point(self, robot, field):
        assert_dropped(robot, lambda good: with_point(
            good, -1, **{field: (*getattr(good.points[-1], field)[:-1], NAN)}),
            Reason.PROPOSAL_NOT_FINITE)

    def test_no_points(self, robot):
        assert_dropped(robot, lambda good: replace(good, points=()), Reason.PROPOSAL_EMPTY)

    def test_no_names(self, robot):
        assert_dropped(robot, lambda good: replace(good, joint_names=()), Reason.PROPOSAL_JOINTS)

    def test_duplicate_names(self, robot):
        assert_dropped(robot, lambda good: replace(
            good, joint_names=(good.joint_names[1], *good.joint_names[1:])),
            Reason.PROPOSAL_JOINTS)

    def test_unknown_names(self, robot):
        assert_dropped(robot, lambda good: replace(
            good, joint_names=('another_joint', *good.joint_names[1:])), Reason.PROPOSAL_JOINTS)

    def test_missing_names(self, robot):
        assert_dropped(robot, lambda good: replace(
            good, joint_names=good.joint_names[1:]), Reason.PROPOSAL_JOINTS)

    def test_permuted_names_are_put_in_order(self, robot):
        twin = moving_robot()
        good = robot.good()
        order = [3, 0, 5, 1, 4, 2]
        permuted = replace(
            good, joint_names=tuple(good.joint_names[i] for i in order), points=tuple(
                replace(point, positions=tuple(point.positions[i] for i in order),
                        velocities=tuple(point.velocities[i] for i in order))
                for point in good.points))
        assert_moves_alike(robot, permuted, twin, good)

    @pytest.mark.parametrize(('field', 'values'), [
        ('positions', (0.0,) * 5), ('positions', (0.0,) * 7), ('positions', ()),
        ('velocities', (0.0,) * 5), ('velocities', ()), ('accelerations', (0.0,) * 5),
        ('effort', (0.0,) * 7)])
    def test_wrong_widths(self, robot, field, values):
        assert_dropped(robot, lambda good: with_point(good, 3, **{field: values}),
                       Reason.PROPOSAL_WIDTHS)

    def test_zero_times(self, robot):
        assert_dropped(robot, lambda good: with_times(good, [0.0] * len(good.points)),
                       Reason.PROPOSAL_TIMES)

    def test_equal_times(self, robot):
        assert_dropped(robot, lambda good: with_times(good, [0.1, 0.2, 0.2, 0.3]),
                       Reason.PROPOSAL_TIMES)

    def test_decreasing_times(self, robot):
        assert_dropped(robot, lambda good: with_times(good, [0.1, 0.3, 0.2, 0.4]),
                       Reason.PROPOSAL_TIMES)

    def test_negative_times(self, robot):
        assert_dropped(robot, lambda good: with_times(good, [-0.1, 0.1, 0.2, 0.3]),
                       Reason.PROPOSAL_TIMES)

    def test_nanosec_overflow(self, robot):
        inputs = SupervisorInputs(robot.supervisor, CELL)
        data = bytearray(encode_joint_trajectory(robot.proposal_to(FAR)))
        data[8:12] = struct.pack('<I', NS_PER_S)
        for bad in (data, encode_joint_trajectory(robot.proposal_to(FAR))[:-4]
                    + struct.pack('<I', 2**32 - 1)):
            assert not inputs.take('proposal', bytes(bad), robot.clock.now)
        assert robot.refusals == {Reason.MESSAGE_MALFORMED: 2}
        assert robot.tick().mode is Mode.ACTIVE

    def test_100000_points(self, robot):
        many = tuple(TrajectoryPoint(i * 1_000_000, (0.0,) * 6, (0.0,) * 6, (), ())
                     for i in range(1, 100_001))
        assert_dropped(robot, lambda good: replace(good, points=many), Reason.PROPOSAL_TOO_LARGE)

    def test_100000_points_are_not_even_decoded(self, robot):
        inputs = SupervisorInputs(robot.supervisor, CELL)
        times = np.arange(1, 100_001, dtype=np.int64) * 1_000_000
        rest = np.zeros((len(times), 6))
        data = encode_joint_trajectory(
            Trajectory(robot.clock.now.ros_ns, robot.names, times, rest, rest))
        assert not inputs.take('proposal', data, robot.clock.now)
        assert robot.refusals == {Reason.MESSAGE_MALFORMED: 1}
        assert 'found 100000' in robot.supervisor.last_refusal.detail

    def test_an_effort_field_is_not_used(self, robot):
        twin = moving_robot()
        good = robot.good()
        assert_moves_alike(robot, replace(good, points=tuple(
            replace(point, effort=(1e6,) * 6) for point in good.points)), twin, good)

    def test_an_acceleration_that_contradicts_the_velocity_is_not_used(self, robot):
        twin = moving_robot()
        good = robot.good()
        assert_moves_alike(robot, replace(good, points=tuple(
            replace(point, accelerations=(-1e3,) * 6) for point in good.points)), twin, good)

    def test_degrees_for_radians(self, robot):
        assert_dropped(robot, lambda good: replace(good, points=tuple(
            replace(point, positions=tuple(np.degrees(point.positions)),
                    velocities=tuple(np.degrees(point.velocities)))
            for point in good.points)), Reason.PROPOSAL_FAR)

    @pytest.mark.parametrize('turns', [1, -1])
    def test_a_wrap_by_two_pi(self, robot, turns):
        assert_dropped(robot, lambda good: shifted(
            good, (0.0, 0.0, 0.0, 0.0, 0.0, turns * 2.0 * np.pi)), Reason.PROPOSAL_FAR)

    def test_a_small_constant_offset_is_led_onto(self):
        robot = moving_slowly()
        offset = robot.proposal_to(robot.command.positions[-1] + 0.02)
        offset = replace(offset, positions=offset.positions + 0.01)
        decision = robot.propose(offset)
        assert (decision.mode, decision.reason) == (Mode.LIMITING, Reason.JOINING)
        robot.tick(35)
        assert_is(robot, Mode.ACTIVE, Reason.OK)
        at = robot.clock.now.ros_ns
        assert robot.position == pytest.approx(offset.at(at).position, abs=1e-9)
        assert_commands_are_safe(robot)

    @pytest.mark.parametrize('offset', [1.5, -1.5])
    def test_a_large_constant_offset(self, robot, offset):
        assert_dropped(robot, lambda good: shifted(good, (offset,) * 6), Reason.PROPOSAL_FAR)

    def test_a_frozen_chunk_that_comes_again_and_again_ends_with_its_age(self, robot):
        frozen = message_from_trajectory(robot.proposal_to(FAR, 2.0))
        for _ in range(ticks(CELL.safety.proposal_max_age_s)):
            assert robot.hand_in(frozen)
            assert robot.tick().mode is Mode.ACTIVE
        for _ in range(DOGS.bad_proposals):
            assert not robot.hand_in(frozen)
            decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.PROPOSALS_BAD)
        assert 'PROPOSAL_STALE' in decision.detail

    def test_a_frozen_chunk_that_is_stamped_anew_moves_no_further_than_it_says(self, robot):
        frozen = robot.proposal_to(FAR)
        farthest = frozen.positions.max(axis=0)
        for _ in range(40):
            robot.propose(replace(frozen, stamp_ns=robot.clock.now.ros_ns))
            robot.tick(5)
        assert (robot.position <= farthest + 0.5).all()
        assert_commands_are_safe(robot)

    def test_sign_flipping_chatter_stays_within_the_limits(self, robot):
        for index in range(60):
            robot.propose(robot.proposal_to(FAR if index % 2 else -FAR))
            robot.tick(2)
        robot.tick(150)
        assert not robot.command.at(robot.clock.now.ros_ns).velocity.any()

    def test_raw_chatter_that_flips_its_sign_stays_within_the_limits(self, robot):
        for index in range(60):
            good = robot.proposal_to(FAR)
            sign = 1.0 if index % 2 else -1.0
            robot.propose(replace(
                good, positions=sign * good.positions, velocities=sign * good.velocities))
            robot.tick(2)
        robot.tick(150)
        assert not robot.command.at(robot.clock.now.ros_ns).velocity.any()

    def test_a_nonzero_end_velocity_ends_at_rest_all_the_same(self, robot):
        good = robot.proposal_to(FAR, 0.3)
        assert np.abs(good.velocities[-1]).max() > 0.5
        robot.propose(good)
        robot.tick(100)
        assert robot.decisions[-1].reason is Reason.PROPOSALS_SILENT
        assert not robot.command.at(robot.clock.now.ros_ns).velocity.any()


def assert_moves_alike(
        robot: Robot, message: TrajectoryMessage, twin: Robot, plain: TrajectoryMessage) -> None:
    """Hold it to take one message for the other, bit for bit."""
    for each, taken in ((robot, message), (twin, plain)):
        assert each.hand_in(taken)
        each.apply(each.supervisor.tick(each.clock.now))
        each.tick(20)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    assert not robot.refusals
    for one, other in zip(robot.commands, twin.commands, strict=True):
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.velocities, other.velocities)


class TestTime:
    """Stamps and clocks that do not agree."""

    def test_a_future_stamp(self, robot):
        assert_dropped(robot, lambda good: replace(
            good, stamp_ns=good.stamp_ns + seconds_to_ns(0.2)), Reason.FROM_THE_FUTURE)

    def test_a_stale_stamp(self, robot):
        assert_dropped(robot, lambda good: replace(
            good, stamp_ns=good.stamp_ns - seconds_to_ns(CELL.safety.proposal_max_age_s + 0.01)),
            Reason.PROPOSAL_STALE)

    @pytest.mark.parametrize('step_s', [-3_600.0, -0.2, 0.2, 3_600.0])
    def test_a_clock_step_in_motion(self, robot, step_s):
        robot.clock.step_ros(step_s)
        robot.sense = lambda: None
        decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.CLOCK_STEPPED)
        # Where the controller is in its plan nobody knows now; the plan itself ends at rest.
        assert decision.command is None

    def test_after_a_step_back_only_taking_over_anew_moves_it(self, robot):
        standing = robot.command.positions[-1]
        robot.command = Trajectory.hold(robot.clock.now.ros_ns, robot.names, standing)
        robot.clock.step_ros(-60.0)
        for _ in range(150):
            decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPED, Reason.CLOCK_STEPPED)
        refusal = robot.supervisor.reset(robot.clock.now)
        assert refusal.reason is Reason.CLOCK_STEPPED
        assert 'deactivate and activate' in refusal.detail
        robot.make_ready()
        assert robot.command.positions[0] == pytest.approx(standing)
        del robot.commands[:-1]
        robot.move_to(standing + 0.2, 20)
        assert robot.decisions[-1].mode is Mode.ACTIVE

    def test_a_step_back_while_it_stands_ready(self):
        robot = Robot()
        robot.make_ready()
        robot.tick(20)
        robot.clock.step_ros(-60.0)
        decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.CLOCK_STEPPED)

    def test_simulated_time_pauses(self, robot):
        robot.tick()
        pause = Paused(robot)
        pause.last(DOGS.joint_states_s + TICK_S)
        assert_is(robot, Mode.STOPPING, Reason.JOINTS_SILENT)
        commands = len(robot.commands)
        pause.last(5.0)
        assert_is(robot, Mode.STOPPING, Reason.JOINTS_SILENT)
        robot.silent = set()
        robot.tick(2)
        assert robot.supervisor.reset(robot.clock.now) is not None
        assert len(robot.commands) <= commands + 1
        robot.tick(100)
        assert_is(robot, Mode.STOPPED, Reason.JOINTS_SILENT)

    def test_a_pause_before_the_policy_is_missed_goes_on_as_if_nothing_was(self, robot):
        pause = Paused(robot)
        pause.last(DOGS.joint_states_s - 2 * TICK_S)
        robot.silent = set()
        assert robot.tick().mode is Mode.ACTIVE

    def test_no_reset_while_a_pause_holds_up_the_last_command(self, robot):
        robot.supervisor.stop(robot.clock.now)
        robot.tick()
        pause = Paused(robot, silent=())
        pause.last(3.0)
        assert_is(robot, Mode.STOPPING, Reason.STOP_REQUESTED)
        assert robot.supervisor.reset(robot.clock.now) is not None
        robot.tick(100)
        assert robot.supervisor.reset(robot.clock.now) is None

    def test_simulated_time_is_reset(self, robot):
        robot.clock.step_ros(-robot.clock.now.ros_ns / NS_PER_S)
        decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.CLOCK_STEPPED)
        assert decision.command is None

    @pytest.mark.parametrize('off_ns', [-HOUR_NS, HOUR_NS])
    def test_a_proposal_on_another_clock(self, robot, off_ns):
        assert_dropped(
            robot, lambda good: replace(good, stamp_ns=good.stamp_ns + off_ns),
            Reason.PROPOSAL_STALE if off_ns < 0 else Reason.FROM_THE_FUTURE)

    @pytest.mark.parametrize('off_ns', [-HOUR_NS, HOUR_NS])
    def test_joint_states_on_another_clock(self, robot, off_ns):
        robot.report = lambda sample: replace(sample, stamp_ns=sample.stamp_ns + off_ns)
        assert_stops(robot, Reason.JOINTS_SILENT, ticks=ticks(DOGS.joint_states_s))
        assert set(robot.refusals) >= {
            Reason.JOINTS_STALE if off_ns < 0 else Reason.FROM_THE_FUTURE}

    @pytest.mark.parametrize('off_ns', [-HOUR_NS, HOUR_NS])
    def test_a_wrench_on_another_clock(self, robot, off_ns):
        robot.silent = {'wrench'}
        for _ in range(ticks(DOGS.wrenches_s)):
            robot.supervisor.on_wrench('wrist', WrenchSample(
                robot.clock.now.ros_ns + off_ns, np.zeros(3), np.zeros(3)), robot.clock.now)
            robot.tick()
        assert_is(robot, Mode.STOPPING, Reason.WRENCH_SILENT)
        assert robot.refusals.keys() == {
            Reason.WRENCH_STALE if off_ns < 0 else Reason.FROM_THE_FUTURE}


class Paused:
    """Simulated time stands still, and with it everything that simulated sensors send."""

    def __init__(self, robot: Robot, silent: tuple[str, ...] = ('joint_state', 'wrench')) -> None:
        self._robot = robot
        robot.silent = set(silent)

    def last(self, seconds: float) -> None:
        """Tick for so long on the steady clock."""
        robot = self._robot
        for _ in range(round(seconds / TICK_S)):
            robot.clock.step_ros(-TICK_S)
            robot.tick()


def ticks(seconds: float) -> int:
    """Return within how many ticks a silence of so long is noticed."""
    return round(seconds / TICK_S) + 1


def assert_is(robot: Robot, mode: Mode, reason: Reason) -> None:
    """Hold the last decision to a mode and its reason."""
    decision = robot.decisions[-1]
    assert (decision.mode, decision.reason) == (mode, reason)


class TestTransport:
    """What a network does to good proposals; commands to the controller: test_anchor."""

    def test_lost_proposals(self, robot):
        random = np.random.default_rng(0)
        for index in range(200):
            if index % 5 == 0 and random.random() > 0.3:
                robot.propose(robot.proposal_to(FAR))
            robot.tick()
        assert {decision.mode for decision in robot.decisions[-200:]} <= {
            Mode.ACTIVE, Mode.LIMITING}
        assert not robot.refusals

    def test_reordered_proposals(self, robot):
        robot.tick()
        older = robot.good()
        robot.tick()
        newer = robot.good()
        robot.hand_in(newer)
        assert not robot.hand_in(older)
        assert robot.tick().proposal_stamp_ns == newer.stamp_ns
        assert robot.refusals == {Reason.PROPOSAL_REORDERED: 1}

    def test_reordering_says_nothing_against_the_policy(self, robot):
        older = robot.good()
        robot.tick()
        robot.propose(robot.proposal_to(FAR))
        for _ in range(2 * DOGS.bad_proposals):
            robot.hand_in(older)
        assert robot.tick().mode is Mode.ACTIVE

    def test_duplicate_proposals(self, robot):
        good = robot.good()
        for _ in range(5):
            robot.hand_in(good)
            robot.apply(robot.supervisor.tick(robot.clock.now))
        decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.ACTIVE, Reason.OK)
        assert decision.proposal_stamp_ns == good.stamp_ns

    def test_a_burst_of_proposals_after_a_stall(self, robot):
        burst = []
        for _ in range(20):
            burst.append(robot.good())
            robot.tick()
        for message in burst:
            if robot.hand_in(message):
                robot.apply(robot.supervisor.tick(robot.clock.now))
        decision = robot.tick()
        assert decision.proposal_stamp_ns == burst[-1].stamp_ns
        assert decision.mode in (Mode.ACTIVE, Mode.LIMITING)
        robot.move_to(FAR, 60)
        assert_is(robot, Mode.ACTIVE, Reason.OK)


def moving_slowly() -> Robot:
    """Return a robot that moves so slowly that it takes seconds to be off by the tolerance."""
    robot = Robot()
    robot.make_ready()
    creep(robot, 60)
    return robot


def creep(robot: Robot, times: int) -> None:
    """Let time pass while the policy asks for slow motion."""
    for index in range(times):
        if index % 5 == 0:
            robot.propose(robot.proposal_to(robot.command.positions[-1] + 0.02))
        robot.tick()
        if robot.decisions[-1].mode in STOPS:
            return


class TestState:
    """Joint states that do not show what the robot does, and robots that do not do as told."""

    def test_joint_states_frozen_but_stamped_anew(self, robot):
        frozen = robot.position.copy()
        robot.report = lambda sample: replace(sample, position=frozen)
        robot.move_to(FAR, ticks(DOGS.joint_states_s) + 1)
        assert robot.decisions[-1].mode in STOPS
        assert robot.decisions[-1].reason in (Reason.JOINTS_FROZEN, Reason.TRACKING_LOST)

    def test_joint_states_frozen_while_it_moves_slowly(self):
        robot = moving_slowly()
        frozen, sent = robot.position.copy(), robot.position.copy()
        robot.report = lambda sample: replace(sample, position=frozen)
        creep(robot, 100)
        assert_is(robot, Mode.STOPPING, Reason.JOINTS_FROZEN)
        assert np.abs(robot.command.positions[-1] - sent).max() < 0.05
        assert_commands_are_safe(robot)

    def test_one_joint_frozen(self):
        robot = moving_slowly()
        frozen = robot.position[2]
        robot.report = lambda sample: replace(sample, position=np.where(
            np.arange(6) == 2, frozen, sample.position))
        creep(robot, 100)
        assert_is(robot, Mode.STOPPING, Reason.JOINTS_FROZEN)
        assert robot.names[2] in robot.decisions[-1].detail

    def test_a_robot_that_stands_still_as_told_is_not_frozen(self):
        robot = Robot()
        robot.make_ready()
        assert robot.tick(300).mode is Mode.READY
        creep(robot, 100)
        assert robot.decisions[-1].mode is Mode.ACTIVE

    @pytest.mark.parametrize('names', [CELL.robot.joints[:-1], ()], ids=['one', 'all'])
    def test_a_joint_missing(self, robot, names):
        robot.report = lambda sample: JointSample(
            sample.stamp_ns, names, sample.position[:len(names)])
        assert_stops(robot, Reason.JOINTS_SILENT, ticks=ticks(DOGS.joint_states_s))
        assert set(robot.refusals) >= {Reason.JOINTS_MISSING}
        assert 'JOINTS_MISSING' in robot.decisions[-1].detail

    def test_nan_position(self, robot):
        robot.report = lambda sample: replace(sample, position=np.where(
            np.arange(6) == 3, NAN, sample.position))
        assert_stops(robot, Reason.JOINTS_SILENT, ticks=ticks(DOGS.joint_states_s))
        assert set(robot.refusals) >= {Reason.JOINTS_MALFORMED}

    @pytest.mark.parametrize('velocity', [np.full(6, NAN), None], ids=['nan', 'none'])
    def test_nan_or_no_velocity_is_not_used(self, robot, velocity):
        twin = moving_robot()
        robot.report = lambda sample: replace(sample, velocity=velocity)
        for each in (robot, twin):
            each.move_to(FAR, 20)
        assert_is(robot, Mode.ACTIVE, Reason.OK)
        assert np.array_equal(robot.commands[-1].positions, twin.commands[-1].positions)

    @pytest.mark.parametrize('height', [0.5, -3.0])
    def test_a_spike_is_refused_and_stops_nothing(self, robot, height):
        for spiked in (True, False) * 10:
            robot.report = lambda sample, spiked=spiked: replace(
                sample, position=sample.position + height * spiked * (np.arange(6) == 1))
            robot.propose(robot.proposal_to(FAR))
            robot.tick()
        assert_is(robot, Mode.ACTIVE, Reason.OK)
        assert robot.refusals == {Reason.JOINTS_JUMPED: 10}

    def test_a_jump_that_stays(self, robot):
        robot.offset[2] = 0.5
        assert_stops(robot, Reason.TRACKING_LOST, ticks=ticks(DOGS.joint_states_s))
        assert set(robot.refusals) >= {Reason.JOINTS_JUMPED}

    def test_a_jump_too_far_to_get_there_within_the_watchdog(self, robot):
        robot.offset[2] = 5.0
        assert_stops(robot, Reason.JOINTS_SILENT, ticks=ticks(DOGS.joint_states_s))
        assert 'JOINTS_JUMPED' in robot.decisions[-1].detail

    def test_reordered_joint_states(self, robot):
        now = robot.clock.now
        older = JointSample(now.ros_ns - seconds_to_ns(0.02), robot.names, robot.position - 0.1)
        robot.supervisor.on_joint_state(older, now)
        assert robot.refusals == {Reason.JOINTS_STALE: 1}
        assert robot.tick().mode is Mode.ACTIVE

    @pytest.mark.parametrize('side', [1.0, -1.0])
    def test_a_start_outside_the_limits(self, side):
        robot = Robot()
        robot.position[4] = side * 6.4
        robot.apply(robot.supervisor.activate(robot.clock.now))
        decision = robot.tick(50)
        assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.OUTSIDE_LIMITS)
        assert not robot.commands

    def test_a_tracking_lag_within_the_tolerance(self, robot):
        robot.report = lambda sample: replace(sample, position=robot.command.at(
            sample.stamp_ns - seconds_to_ns(0.02)).position)
        robot.move_to(FAR, 20)
        assert_is(robot, Mode.ACTIVE, Reason.OK)

    def test_a_tracking_lag_beyond_the_tolerance(self, robot):
        robot.report = lambda sample: replace(sample, position=sample.position - 0.15 * np.array(
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]) * min(1.0, len(robot.decisions) / 10.0))
        robot.move_to(FAR, 5)
        assert_is(robot, Mode.ACTIVE, Reason.OK)
        robot.offset[0] = -0.06
        assert_stops(robot, Reason.TRACKING_LOST, ticks=2)

    def test_a_protective_stop_of_the_robot(self):
        robot = moving_slowly()
        stands = robot.position.copy()
        random = np.random.default_rng(0)
        robot.report = lambda sample: replace(
            sample, position=stands + random.normal(0.0, 1e-5, 6))
        creep(robot, 400)
        assert_is(robot, Mode.STOPPING, Reason.TRACKING_LOST)
        assert np.abs(robot.command.positions[-1] - stands).max() < (
            CELL.controller.tracking_tolerance_rad + 0.05)


class TestSystem:
    """Emergency stops, force sensors, the supervisor's own ticks, and its configuration."""

    def test_the_policy_dies(self, robot):
        assert_stops(robot, Reason.PROPOSALS_SILENT, ticks=ticks(DOGS.proposals_s))

    def test_the_supervisor_is_stopped_and_continued(self, robot):
        robot.clock.advance(1.0)
        assert_stops(robot, Reason.TICK_OVERRUN)

    def test_ticks_come_late_again_and_again(self, robot):
        for index in range(2 * DOGS.late_ticks):
            if index % 5 == 0:
                robot.propose(robot.proposal_to(FAR))
            robot.clock.advance(0.7 * TICK_S)
            decision = robot.tick()
            if decision.mode in STOPS:
                break
        assert index <= DOGS.late_ticks
        assert_is(robot, Mode.STOPPING, Reason.TICKS_LATE)

    def test_an_emergency_stop_in_mid_splice(self, robot):
        good = robot.proposal_to(FAR)
        decision = robot.propose(replace(good, positions=good.positions + 0.05))
        assert (decision.mode, decision.reason) == (Mode.LIMITING, Reason.JOINING)
        robot.clock.advance(0.5 * TICK_S)
        assert robot.supervisor.on_emergency_stop(True, robot.clock.now)
        decision = robot.apply(robot.supervisor.tick(robot.clock.now))
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.EMERGENCY_STOP)
        robot.pressed = True
        robot.tick(100)
        assert_is(robot, Mode.STOPPED, Reason.EMERGENCY_STOP)

    def test_a_proposal_and_an_emergency_stop_at_the_same_instant(self, robot):
        robot.hand_in(robot.good())
        robot.pressed = True
        assert_stops(robot, Reason.EMERGENCY_STOP)

    def test_an_emergency_stop_that_is_released_stays_latched(self, robot):
        robot.pressed = True
        robot.tick()
        robot.pressed = False
        robot.move_to(FAR, 100)
        assert_is(robot, Mode.STOPPED, Reason.EMERGENCY_STOP)
        commands = len(robot.commands)
        robot.move_to(FAR, 20)
        assert len(robot.commands) == commands

    def test_an_emergency_stop_that_flaps_stops_once(self, robot):
        for index in range(100):
            robot.pressed = index % 2 == 0
            robot.tick()
        assert_is(robot, Mode.STOPPED, Reason.EMERGENCY_STOP)
        assert {decision.mode for decision in robot.decisions[-100:]} == set(STOPS)

    def test_an_emergency_stop_that_flaps_between_two_ticks(self, robot):
        robot.supervisor.on_emergency_stop(True, robot.clock.now)
        robot.supervisor.on_emergency_stop(False, robot.clock.now)
        assert_stops(robot, Reason.EMERGENCY_STOP)

    def test_an_emergency_stop_whose_heartbeat_is_lost(self, robot):
        robot.silent = {'emergency_stop'}
        within = ticks(CELL.safety.emergency_stop.timeout_s)
        robot.move_to(FAR, within)
        assert robot.decisions[-2].mode is Mode.ACTIVE
        assert_is(robot, Mode.STOPPING, Reason.EMERGENCY_STOP_SILENT)

    def test_a_contact(self, robot):
        robot.force_n = 95.0
        assert_stops(robot, Reason.FORCE_LIMIT)

    def test_a_force_sensor_that_falls_silent(self, robot):
        robot.silent = {'wrench'}
        assert_stops(robot, Reason.WRENCH_SILENT, ticks=ticks(DOGS.wrenches_s))

    def test_reset_while_it_moves(self, robot):
        assert robot.supervisor.reset(robot.clock.now) is not None
        robot.supervisor.stop(robot.clock.now)
        robot.tick()
        assert robot.supervisor.reset(robot.clock.now) is not None
        assert_stops_on(robot, Reason.STOP_REQUESTED)

    def test_reset_before_the_measured_robot_stands(self, robot):
        robot.supervisor.stop(robot.clock.now)
        robot.tick(100)
        for _ in range(5):
            robot.offset[0] += 0.003
            robot.tick()
            refusal = robot.supervisor.reset(robot.clock.now)
        assert refusal.reason is Reason.NOT_AT_REST


def assert_stops_on(robot: Robot, reason: Reason) -> None:
    """Hold a stop that has begun to go on until it stands."""
    assert_is(robot, Mode.STOPPING, reason)
    robot.tick(100)
    assert_is(robot, Mode.STOPPED, reason)


def test_ruckig_raising():
    """A velocity that it does not believe: the closed form brakes."""
    joints = len(CELL.robot.joints)
    zero = np.zeros(joints)
    fast = JointMotion(zero, zero + 1e10, zero, zero)
    with pytest.raises(ruckig.RuckigError):
        ruckig_stop(fast)
    motion = brake(0, CELL.robot.joints, fast, LIMITS)
    assert not motion.velocities[-1].any()
    assert (np.diff(motion.times_ns) > 0).all()
    assert np.isfinite(motion.positions).all()


def ruckig_stop(state: JointMotion) -> None:
    """Ask ruckig for a stop with the first joint's limits."""
    wanted = ruckig.InputParameter(1)
    wanted.control_interface = ruckig.ControlInterface.Velocity
    wanted.current_velocity = [float(state.velocity[0])]
    wanted.max_acceleration = [float(LIMITS.acceleration[0])]
    wanted.max_jerk = [float(LIMITS.jerk[0])]
    ruckig.Ruckig(1).calculate(wanted, ruckig.Trajectory(1))
