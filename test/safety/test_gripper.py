"""A gripper keeps its own limits, moves only when the arm may, and holds where the arm stops."""

from __future__ import annotations

from dataclasses import asdict, replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.gripper import Gripper
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper, STEP_NS
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.gripper import gripper_cell, GripperMotion, split
from physical_ai_bridge.safety.gripping import GrippingSupervisor, supervisor_of
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.safety.snapshot import restore, snapshot
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import example_robot
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

JOINT = 'finger_joint'


def gripper(**changes: object) -> Gripper:
    values = {
        'joint': JOINT, 'unit': 'm', 'topic': '/gripper_controller/joint_trajectory',
        'rate_hz': 100.0, 'min_position': 0.0, 'max_position': 0.08, 'max_velocity': 0.1,
        'max_acceleration': 1.0, 'max_jerk': 20.0}
    return Gripper(**{**values, **changes})


def gripping_cell(**changes: object) -> Cell:
    return replace(example_cell(), gripper=gripper(**changes))


class GrippingRobot(SupervisedRobot):
    """A supervised robot whose gripper is where its plan says, or ``blocked`` by a part."""

    def __init__(self, cell: Cell, authority: Authority = Authority.LIVE) -> None:
        super().__init__(cell, authority)
        self.supervisor = GrippingSupervisor(cell, example_robot(cell), authority)
        self.opening = 0.04
        self.blocked_at: float | None = None
        self.gripper_commands: list[Trajectory] = []
        self._gripper_shaper = ReferenceShaper(10.0, replace(
            limit_arrays(gripper_cell(cell)), position_min=np.array([-1.0]),
            position_max=np.array([1.0])))

    @property
    def commanded(self) -> float:
        """Where the gripper is sent."""
        if not self.gripper_commands:
            return self.opening
        return float(self.gripper_commands[-1].at(self.clock.now.ros_ns).position[0])

    def sense(self) -> None:
        """Give the supervisor what the arm senses, and the gripper's joint state."""
        super().sense()
        now = self.clock.now
        if self.gripper_commands:
            self.opening = max(self.commanded, self.blocked_at or self.commanded)
        if 'gripper' not in self.silent:
            self.supervisor.on_joint_state(
                JointSample(now.ros_ns, (JOINT,), np.array([self.opening])), now)

    def apply(self, decision: Decision) -> Decision:
        """Execute the gripper's command, too."""
        if decision.gripper is not None:
            self.gripper_commands.append(decision.gripper)
        return super().apply(decision)

    def grip(self, goal: np.ndarray, opening: float, duration_s: float = 0.7,
             ) -> TrajectoryMessage:
        """Return a proposal for arm and gripper, the gripper's column in the middle."""
        arm = self.proposal_to(goal, duration_s)
        plan = self.supervisor.gripper_plan or Trajectory.hold(
            arm.start_ns, (JOINT,), np.array([self.opening]))
        steps = len(arm.times_ns) - 1
        jaw = self._gripper_shaper.follow(
            arm.stamp_ns, arm.start_ns, plan.at(arm.start_ns),
            np.full((steps, 1), opening), (JOINT,))
        assert jaw.times_ns[1] - jaw.times_ns[0] == STEP_NS
        return message_from_trajectory(Trajectory(
            arm.stamp_ns, (*arm.joint_names[:2], JOINT, *arm.joint_names[2:]), arm.times_ns,
            np.insert(arm.positions, 2, jaw.positions[:, 0], axis=1),
            np.insert(arm.velocities, 2, jaw.velocities[:, 0], axis=1)))

    def hand_in(self, message: TrajectoryMessage) -> None:
        """Give the supervisor a proposal; it decides at once where it wants to."""
        if self.supervisor.on_proposal(message, self.clock.now):
            self.apply(self.supervisor.tick(self.clock.now))

    def work(self, goal: float, opening: float, ticks: int) -> None:
        """Propose at every fifth tick."""
        for index in range(ticks):
            if index % 5 == 0:
                self.hand_in(self.grip(np.full(6, goal), opening))
            self.tick()


@pytest.fixture
def robot() -> GrippingRobot:
    made = GrippingRobot(gripping_cell())
    made.make_ready()
    return made


def test_the_gripper_follows_its_column_and_each_command_ends_at_rest_within_limits(robot):
    robot.work(0.3, 0.01, 60)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    assert robot.commanded == pytest.approx(0.01, abs=5e-3)
    limits = limit_arrays(gripper_cell(robot.cell))
    assert len(robot.gripper_commands) > 20
    for command in robot.gripper_commands:
        assert command.joint_names == (JOINT,)
        assert not command.velocities[-1].any()
        assert check_limits(command, limits, resolution_s=0.01) is None
    for before, after in zip(robot.gripper_commands, robot.gripper_commands[1:], strict=False):
        at = after.start_ns
        assert after.at(at).position[0] == pytest.approx(before.at(at).position[0], abs=1e-12)


def test_until_it_is_asked_to_move_the_gripper_is_left_as_it_is(robot):
    robot.move_to(np.full(6, 0.3), 30)
    assert not robot.gripper_commands


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-0.001, 0.081), min_size=1, max_size=4), st.integers(5, 20))
def test_whatever_is_proposed_no_command_breaks_a_limit(openings, ticks):
    robot = GrippingRobot(gripping_cell())
    robot.make_ready()
    for opening in openings:
        message = robot.grip(np.full(6, 0.2), opening)
        # Far faster than it may.
        robot.hand_in(replace(message, points=tuple(
            replace(point, time_from_start_ns=point.time_from_start_ns // 2 + 1)
            for point in message.points)))
        robot.tick(ticks)
    limits = limit_arrays(gripper_cell(robot.cell))
    for command in robot.gripper_commands:
        assert check_limits(command, limits, resolution_s=0.01) is None
        assert not command.velocities[-1].any()


def test_the_arm_is_decided_about_bit_for_bit_as_without_a_gripper(robot):
    plain = SupervisedRobot(example_cell())
    plain.make_ready()
    for index in range(60):
        if index % 5 == 0:
            robot.hand_in(robot.grip(np.full(6, 0.3), 0.01))
            plain.propose(plain.proposal_to(np.full(6, 0.3)))
        robot.tick()
        plain.tick()
    without = [decision_payload(replace(each, gripper=None)) for each in robot.decisions]
    assert without == [decision_payload(each) for each in plain.decisions]
    assert any(each.gripper is not None for each in robot.decisions)


def test_on_a_stop_the_gripper_brakes_and_holds_and_never_opens(robot):
    robot.work(0.3, 0.0, 25)
    moving, planned = robot.commanded, robot.gripper_commands[-1].positions[-1, 0]
    robot.pressed = True
    robot.tick(5)
    assert robot.decisions[-1].mode is Mode.STOPPING
    held = robot.gripper_commands[-1].positions[-1, 0]
    # Sooner than the plan that was there, which has one more step in it.
    assert planned < held < moving
    robot.tick(80)
    assert robot.decisions[-1].mode is Mode.STOPPED
    assert robot.commanded == held
    sent = len(robot.gripper_commands)
    robot.hand_in(robot.grip(np.full(6, 0.3), 0.08))
    robot.tick(20)
    assert len(robot.gripper_commands) == sent


def test_a_part_between_the_fingers_is_no_cause_to_stop(robot):
    robot.blocked_at = 0.03
    robot.work(0.3, 0.0, 60)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    assert robot.opening == 0.03
    assert robot.commanded < 0.01


def test_where_the_arm_is_not_let_on_the_gripper_comes_to_rest(robot):
    robot.work(0.3, 0.0, 10)
    decision = robot.decisions[-1]
    motion = GripperMotion(robot.cell)
    motion.joint_state(JointSample(robot.clock.now.ros_ns, (JOINT,), np.array([0.04])),
                       robot.clock.now)
    motion.take(Trajectory(
        robot.clock.now.ros_ns, (JOINT,), np.array([0, 10**9]), np.array([[0.04], [0.01]]),
        np.zeros((2, 1))))
    for held_back in (replace(decision, command=None), replace(decision, scale=0.0),
                      replace(decision, mode=Mode.READY)):
        assert motion.follow(held_back, robot.clock.now) is None
    assert motion.follow(decision, robot.clock.now) is not None


@pytest.mark.parametrize(('value', 'reason'), [
    (float('nan'), Reason.PROPOSAL_NOT_FINITE), (float('inf'), Reason.PROPOSAL_NOT_FINITE),
    (0.2, Reason.POSITION_LIMIT), (-0.05, Reason.POSITION_LIMIT)])
def test_a_value_that_no_gripper_can_have_refuses_the_proposal_as_a_whole(robot, value, reason):
    message = robot.grip(np.full(6, 0.3), 0.01)
    first = message.points[3]
    points = list(message.points)
    points[3] = replace(
        first, positions=(*first.positions[:2], value, *first.positions[3:]))
    robot.hand_in(replace(message, points=tuple(points)))
    robot.tick(5)
    assert robot.decisions[-1].mode is Mode.READY
    assert robot.supervisor.refusals == {reason: 1}


@pytest.mark.parametrize('points', [(), ((0.0,) * 6,)])
def test_a_proposal_whose_columns_cannot_be_told_apart_is_refused(robot, points):
    message = robot.grip(np.full(6, 0.3), 0.01)
    short = replace(message, points=tuple(
        replace(message.points[0], positions=positions) for positions in points))
    robot.hand_in(short)
    assert sum(robot.supervisor.refusals.values()) == 1
    assert not robot.commands[1:]


@pytest.mark.parametrize('field', ['accelerations', 'effort'])
@pytest.mark.parametrize(('joints', 'values'), [
    ((*range(6), JOINT), (0.0,) * 6), ((JOINT, *range(6)), (0.0,))],
    ids=['of the arm alone', 'of the gripper alone'])
def test_a_row_for_some_of_the_joints_alone_refuses_the_proposal(robot, field, joints, values):
    """Either part would be as wide as it has to be, or have nothing there."""
    message = robot.grip(np.full(6, 0.3), 0.01)
    names = tuple(joint if joint == JOINT else robot.names[joint] for joint in joints)
    order = [message.joint_names.index(name) for name in names]
    points = [replace(point, positions=tuple(point.positions[at] for at in order),
                      velocities=tuple(point.velocities[at] for at in order))
              for point in message.points]
    points[3] = replace(points[3], **{field: values})
    robot.hand_in(replace(message, joint_names=names, points=tuple(points)))
    robot.tick(5)
    assert robot.decisions[-1].mode is Mode.READY
    assert robot.supervisor.refusals == {Reason.PROPOSAL_WIDTHS: 1}


def test_a_gripper_that_is_not_heard_of_stops_the_arm(robot):
    robot.work(0.3, 0.0, 20)
    robot.silent.add('gripper')
    robot.tick(30)
    stop = next(each for each in robot.decisions if each.mode is Mode.STOPPING)
    assert stop.reason is Reason.JOINTS_SILENT
    assert JOINT in stop.detail


def test_it_is_waited_for_before_the_robot_is_taken_over():
    robot = GrippingRobot(gripping_cell())
    robot.silent.add('gripper')
    robot.apply(robot.supervisor.activate(robot.clock.now))
    decision = robot.tick(20)
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.JOINTS_SILENT)
    robot.silent.clear()
    assert robot.tick(20).mode is Mode.READY


@pytest.mark.parametrize(('sample', 'reason'), [
    (((JOINT,), [np.nan], 0), Reason.JOINTS_MALFORMED),
    (((JOINT, JOINT), [0.0, 0.0], 0), Reason.JOINTS_MALFORMED),
    (((JOINT, 'other'), [0.0], 0), Reason.JOINTS_MALFORMED),
    (((JOINT,), [0.0], -10**9), Reason.JOINTS_STALE),
    (((JOINT,), [0.0], 10**9), Reason.FROM_THE_FUTURE)])
def test_a_bad_joint_state_of_it_is_refused(robot, sample, reason):
    names, position, later_ns = sample
    now = robot.clock.now
    robot.supervisor.on_gripper_state(
        JointSample(now.ros_ns + later_ns, names, np.array(position)), now)
    assert robot.supervisor.refusals == {reason: 1}


def test_one_that_stands_outside_its_limits_is_a_cause_to_stop(robot):
    robot.opening = 0.1
    assert robot.tick().reason is Reason.OUTSIDE_LIMITS


def test_in_shadow_the_gripper_gets_nothing():
    robot = GrippingRobot(gripping_cell(), Authority.SHADOW)
    robot.apply(robot.supervisor.activate(robot.clock.now))
    robot.tick(5)
    arm = Trajectory.hold(robot.clock.now.ros_ns, robot.names, np.zeros(6))
    robot.command = arm
    robot.work(0.3, 0.0, 20)
    assert robot.decisions[-1].mode in (Mode.ACTIVE, Mode.LIMITING)
    assert not robot.gripper_commands


def test_a_gripper_whose_stream_has_left_its_plan_stops_the_arm_and_stays_there(robot):
    robot.work(0.3, 0.0, 20)
    now, held = robot.clock.now, np.array([robot.commanded])
    robot.supervisor.on_gripper_setpoints('the process paused', None, now)
    assert robot.tick().reason is Reason.SETPOINTS_LATE
    robot.supervisor.on_gripper_setpoints('the process paused', held, robot.clock.now)
    np.testing.assert_array_equal(robot.supervisor.gripper_plan.positions[-1], held)


def test_a_withdrawn_command_was_never_sent(robot):
    robot.work(0.3, 0.0, 12)
    plan = robot.supervisor.gripper_plan
    robot.clock.advance(0.01)
    robot.sense()
    decision = robot.supervisor.tick(robot.clock.now)
    assert decision.gripper is not None
    withdrawn = robot.supervisor.withdraw(decision, robot.clock.now)
    assert withdrawn.command is None
    assert withdrawn.gripper is None
    assert robot.supervisor.gripper_plan is plan


def test_a_supervisor_is_restored_with_its_gripper(robot):
    robot.work(0.3, 0.01, 23)
    twin = GrippingSupervisor(robot.cell, example_robot(robot.cell))
    restore(snapshot(robot.supervisor), twin)
    robot.clock.advance(0.01)
    first, second = (core.tick(robot.clock.now) for core in (robot.supervisor, twin))
    assert first.gripper is not None
    assert decision_payload(first) == decision_payload(second)


def test_splitting_leaves_the_arm_what_it_was_without_the_gripper():
    names = ('a', JOINT, 'b')
    whole = Trajectory(1, names, np.array([0, 5]), np.arange(6.0).reshape(2, 3), np.ones((2, 3)))
    parts = split(message_from_trajectory(whole), JOINT)
    assert not isinstance(parts, Refusal)
    arm, alone = parts
    assert asdict(arm) == asdict(message_from_trajectory(replace(
        whole, joint_names=('a', 'b'), positions=whole.positions[:, [0, 2]],
        velocities=whole.velocities[:, [0, 2]])))
    assert alone.points[1].positions == (4.0,)


def test_a_cell_without_a_gripper_has_a_plain_supervisor():
    cell = example_cell()
    assert type(supervisor_of(cell, example_robot(cell))) is Supervisor
