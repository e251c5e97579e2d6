"""Inverse kinematics: what is reached is reached within the tolerance, and what is not is said."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.policy.kinematics import Pose, TcpKinematics, TOLERANCE_M, TOLERANCE_RAD
from physical_ai_bridge.policy.reference import position_bounds
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import (
    example_robot,
    EXAMPLE_START,
    example_urdf,
    seven_joint_cell,
    SEVEN_JOINT_START,
    seven_joint_urdf,
)
import pytest

ARMS = {'ur5e': (example_cell(), example_urdf(), EXAMPLE_START),
        'seven joints': (seven_joint_cell(), seven_joint_urdf(), SEVEN_JOINT_START)}
KINEMATICS = {name: TcpKinematics.from_urdf(urdf, cell) for name, (cell, urdf, _) in ARMS.items()}
# The UR5e stretched out, with its wrist singular as well.
STRETCHED = np.array([0.3, -1.2, 0.0, 0.4, 0.0, 0.1])


def bounds(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    low, high = position_bounds(limit_arrays(cell))
    return np.maximum(low, -3.0), np.minimum(high, 3.0)


def apart(first: Pose, second: Pose) -> tuple[float, float]:
    """Return how far two poses are apart, in m and rad."""
    # By the chord between the rotations: exact for small angles too, where an axis is not.
    chord = float(np.linalg.norm(first.rotation - second.rotation))
    angle = 2.0 * np.arcsin(min(chord / np.sqrt(8.0), 1.0))
    return float(np.linalg.norm(first.translation - second.translation)), angle


@st.composite
def joints_and_a_step(draw, name: str):
    """Draw joints anywhere within limits, and others up to 0.1 rad from them."""
    low, high = bounds(ARMS[name][0])
    shares = st.lists(st.floats(0.0, 1.0), min_size=len(low), max_size=len(low))
    q = low + np.array(draw(shares)) * (high - low)
    return q, np.clip(q + 0.1 * (2.0 * np.array(draw(shares)) - 1.0), low, high)


@pytest.mark.parametrize('name', ARMS)
class TestAnywhere:

    @settings(max_examples=60)
    @given(data=st.data())
    def test_a_pose_that_joints_nearby_have_is_reached_within_the_tolerance(self, name, data):
        kinematics = KINEMATICS[name]
        near, there = data.draw(joints_and_a_step(name))
        goal = kinematics.pose(there)
        low, high = bounds(ARMS[name][0])
        solution = kinematics.solve(goal, near, low, high)
        assert solution.reached
        metres, radians = apart(kinematics.pose(solution.joints), goal)
        assert metres <= TOLERANCE_M
        assert radians <= TOLERANCE_RAD
        assert (solution.joints >= low).all()
        assert (solution.joints <= high).all()

    @settings(max_examples=30)
    @given(data=st.data())
    def test_the_pose_where_the_arm_is_leaves_the_joints_as_they_are_to_the_bit(self, name, data):
        kinematics = KINEMATICS[name]
        near, _ = data.draw(joints_and_a_step(name))
        solution = kinematics.solve(kinematics.pose(near), near, *bounds(ARMS[name][0]))
        assert np.array_equal(solution.joints, near)

    @settings(max_examples=30)
    @given(data=st.data())
    def test_what_is_said_to_be_left_is_left(self, name, data):
        kinematics = KINEMATICS[name]
        near, _ = data.draw(joints_and_a_step(name))
        _, elsewhere = data.draw(joints_and_a_step(name))
        goal = kinematics.pose(elsewhere)
        # So little room that most poses are not reached.
        solution = kinematics.solve(goal, near, near - 0.05, near + 0.05)
        metres, radians = apart(kinematics.pose(solution.joints), goal)
        assert solution.left_m == pytest.approx(metres, abs=1e-9)
        assert solution.left_rad == pytest.approx(radians, abs=1e-6)
        assert np.abs(solution.joints - near).max() <= 0.05 + 1e-12


def test_its_forward_kinematics_are_the_supervisors():
    cell = example_cell()
    robot = example_robot(cell)
    for q in np.random.default_rng(0).uniform(-2.5, 2.5, (20, 6)):
        assert KINEMATICS['ur5e'].pose(q).translation == pytest.approx(robot.tcp(q), abs=1e-12)


def test_the_joint_order_is_the_cells():
    cell = example_cell()
    joints = cell.robot.joints[::-1]
    limits = {name: cell.safety.joint_limits[name] for name in joints}
    turned = replace(cell, robot=replace(cell.robot, joints=joints),
                     safety=replace(cell.safety, joint_limits=limits))
    kinematics = TcpKinematics.from_urdf(example_urdf(), turned)
    goal = KINEMATICS['ur5e'].pose(EXAMPLE_START + 0.05)
    low, high = bounds(turned)
    solution = kinematics.solve(goal, EXAMPLE_START[::-1], low, high)
    assert solution.joints[::-1] == pytest.approx(EXAMPLE_START + 0.05, abs=1e-6)


def test_poses_are_in_the_base_frame_wherever_the_urdf_puts_it():
    urdf = seven_joint_urdf().replace(
        '<link name="tcp"/>',
        '<link name="tcp"/><link name="table"/><joint name="mount" type="fixed">'
        '<parent link="table"/><child link="link_0"/><origin xyz="1 2 3" rpy="0.3 0.2 0.1"/>'
        '</joint>')
    moved = TcpKinematics.from_urdf(urdf, seven_joint_cell())
    metres, radians = apart(
        moved.pose(SEVEN_JOINT_START), KINEMATICS['seven joints'].pose(SEVEN_JOINT_START))
    assert metres < 1e-12
    assert radians < 1e-6


class TestWhereItCannot:

    def test_a_pose_out_of_reach_leaves_what_the_arm_is_short_of_it(self):
        kinematics = KINEMATICS['ur5e']
        here = kinematics.pose(EXAMPLE_START)
        goal = Pose(here.rotation, 2.0 * here.translation / np.linalg.norm(here.translation))
        solution = kinematics.solve(goal, EXAMPLE_START, *bounds(example_cell()))
        assert not solution.reached
        assert np.isfinite(solution.joints).all()
        # A UR5e reaches 0.85 m from its shoulder, and then its flange.
        assert solution.left_m > 0.9

    def test_a_joint_at_its_bound_stays_there(self):
        kinematics = KINEMATICS['ur5e']
        goal = kinematics.pose(EXAMPLE_START + np.array([0.3, 0, 0, 0, 0, 0]))
        low, high = bounds(example_cell())
        high[0] = EXAMPLE_START[0] + 0.1
        solution = kinematics.solve(goal, EXAMPLE_START, low, high)
        assert not solution.reached
        assert solution.joints[0] <= high[0]

    def test_the_others_make_up_for_a_joint_at_its_bound_where_they_can(self):
        # Seven joints: the pose is to be had with the third one held as it is.
        kinematics = KINEMATICS['seven joints']
        goal = kinematics.pose(SEVEN_JOINT_START)
        goal = Pose(goal.rotation, goal.translation + np.array([0.02, 0.03, -0.02]))
        low, high = bounds(seven_joint_cell())
        low[2] = high[2] = SEVEN_JOINT_START[2]
        solution = kinematics.solve(goal, SEVEN_JOINT_START, low, high)
        assert solution.reached
        assert solution.joints[2] == SEVEN_JOINT_START[2]

    @pytest.mark.parametrize('wrist_2', [0.0, 1.0])
    @pytest.mark.parametrize('size', [1e-9, 1e-6, 2e-4, 1e-3, 0.1, 1.0, 1e6, 1e30])
    def test_where_it_is_singular_joints_stay_finite_and_what_is_left_is_told(self, size, wrist_2):
        kinematics = KINEMATICS['ur5e']
        start = np.array([*STRETCHED[:4], wrist_2, STRETCHED[5]])
        here = kinematics.pose(start)
        out = here.translation / np.linalg.norm(here.translation)
        solution = kinematics.solve(
            Pose(here.rotation, here.translation + size * out), start, *bounds(example_cell()))
        assert np.isfinite(solution.joints).all()
        assert solution.reached == (solution.left_m <= TOLERANCE_M
                                    and solution.left_rad <= TOLERANCE_RAD)
        assert solution.reached or size > TOLERANCE_M / 2
        # The nearest that was met, not the last: steps at a singularity may lead away.
        assert np.hypot(solution.left_m, solution.left_rad) <= size * (1.0 + 1e-6) + 1e-12

    def test_nothing_that_can_move_means_nothing_moves(self):
        kinematics = KINEMATICS['ur5e']
        goal = kinematics.pose(EXAMPLE_START + 0.1)
        solution = kinematics.solve(goal, EXAMPLE_START, EXAMPLE_START, EXAMPLE_START)
        assert np.array_equal(solution.joints, EXAMPLE_START)
        assert not solution.reached


class TestModels:

    def test_fingers_that_the_cell_does_not_drive_stand_still(self):
        with_fingers = TcpKinematics.from_urdf(seven_joint_urdf(fingers=True), seven_joint_cell())
        metres, radians = apart(with_fingers.pose(SEVEN_JOINT_START),
                                KINEMATICS['seven joints'].pose(SEVEN_JOINT_START))
        assert (metres, radians) == pytest.approx((0.0, 0.0), abs=1e-12)

    def test_a_joint_that_turns_without_end_is_one_angle(self):
        urdf = seven_joint_urdf().replace(
            'name="joint_7" type="revolute"', 'name="joint_7" type="continuous"')
        endless = TcpKinematics.from_urdf(urdf, seven_joint_cell())
        metres, radians = apart(endless.pose(SEVEN_JOINT_START),
                                KINEMATICS['seven joints'].pose(SEVEN_JOINT_START))
        assert (metres, radians) == pytest.approx((0.0, 0.0), abs=1e-12)

    @pytest.mark.parametrize(('text', 'said'), [
        ('no XML', 'not a URDF'), ('<robot name="r"/>', 'not a URDF'),
        (seven_joint_urdf().replace('joint_4', 'elbow'), 'lacks joint_4'),
        (seven_joint_urdf().replace('"tcp"', '"hand"'), 'lacks tcp')])
    def test_what_does_not_have_the_cells_joints_and_frames_is_refused(self, text, said):
        with pytest.raises(SetupError, match=said):
            TcpKinematics.from_urdf(text, seven_joint_cell())

    def test_a_frame_that_too_few_joints_move_is_refused(self):
        cell = seven_joint_cell()
        cell = replace(cell, robot=replace(cell.robot, tcp_frame='link_5'))
        with pytest.raises(SetupError, match=r'5 joints of robot\.joints move link_5'):
            TcpKinematics.from_urdf(seven_joint_urdf(), cell)

    def test_a_base_that_a_joint_moves_is_refused(self):
        cell = seven_joint_cell()
        cell = replace(cell, robot=replace(cell.robot, base_frame='link_2'))
        with pytest.raises(SetupError, match='link_2 moves'):
            TcpKinematics.from_urdf(seven_joint_urdf(), cell)
