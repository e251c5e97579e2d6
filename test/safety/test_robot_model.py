"""The robot's model: what it measures is right, and how far joints move things is never less."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Box, SelfCollision
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.world import urdf_path
from physical_ai_bridge.testing.contracts import example_cell, example_limit
from physical_ai_bridge.testing.robots import (
    example_robot,
    EXAMPLE_START,
    example_urdf,
    seven_joint_cell,
    seven_joint_robot,
    SEVEN_JOINT_START,
    seven_joint_urdf,
    SEVEN_JOINTS,
    wide_cell,
)
import pytest

TABLE = Box(min=(-1.0, -1.0, -0.5), max=(1.0, 1.0, -0.05))


def with_robot(cell, **changes):
    """Return ``cell`` with fields of its Robot replaced."""
    return replace(cell, robot=replace(cell.robot, **changes))


def moves_of(pair: str, robot: RobotModel) -> list[str]:
    """Return the joints that change the distance of the pairs named ``pair``."""
    index = [each.what for each in robot.pairs].index(pair)
    return [name for name, reach in zip(robot.joints, robot.pair_reach[index], strict=True)
            if reach]


class TestWhatItMeasures:

    def test_the_tcp_is_where_the_kinematics_say(self):
        robot = example_robot()
        arm = ArmKinematics(urdf_path(), robot.joints, 'tool0')
        for q in np.random.default_rng(0).uniform(-3.0, 3.0, (20, 6)):
            assert robot.tcp(q) == pytest.approx(arm.pose(q)[1], abs=1e-12)

    def test_speeds_and_accelerations_of_the_tcp_are_derivatives_of_its_position(self):
        robot, rng, dt = seven_joint_robot(), np.random.default_rng(1), 1e-4
        q, v, a = rng.uniform(-1.0, 1.0, (3, 7))
        before, here, after = (
            robot.tcp(q + t * v + 0.5 * t * t * a) for t in (-dt, 0.0, dt))
        [[position, velocity, acceleration]] = robot.tcp_states(q[None], v[None], a[None])
        assert position == pytest.approx(here, abs=1e-15)
        assert velocity == pytest.approx((after - before) / (2.0 * dt), abs=1e-6)
        assert acceleration == pytest.approx(
            (after - 2.0 * here + before) / dt**2, abs=1e-5)

    def test_everything_is_in_the_base_frame(self):
        cell = wide_cell(keep_out={'table': TABLE})
        # base_link_inertia is base_link turned by half a turn about z.
        turned = example_robot(with_robot(cell, base_frame='base_link_inertia'))
        robot = example_robot(cell)
        assert turned.tcp(EXAMPLE_START) == pytest.approx(
            robot.tcp(EXAMPLE_START) * (-1.0, -1.0, 1.0), abs=1e-12)
        assert turned.distances(EXAMPLE_START) == pytest.approx(
            robot.distances(EXAMPLE_START), abs=1e-6)

    def test_joints_are_in_the_order_of_the_cell(self):
        cell = wide_cell()
        backwards = example_robot(with_robot(cell, joints=cell.robot.joints[::-1]))
        robot = example_robot(cell)
        assert backwards.tcp(EXAMPLE_START[::-1]) == pytest.approx(robot.tcp(EXAMPLE_START))
        assert backwards.tcp_reach[::-1] == pytest.approx(robot.tcp_reach)
        assert backwards.pair_reach[:, ::-1] == pytest.approx(robot.pair_reach)

    def test_distances_are_those_of_the_shapes(self):
        robot = seven_joint_robot(seven_joint_cell(
            self_collision=None, keep_out={'post': Box(min=(0.5, -1, -1), max=(0.6, 1, 2))}))
        q = np.array([*SEVEN_JOINT_START[:6], 0.0])
        [hand] = [i for i, pair in enumerate(robot.pairs) if pair.what.startswith('link_7')]
        # The hand points down here, with its 0.08 m along the base's x.
        wanted = 0.5 - robot.tcp(q)[0] - 0.04
        assert robot.distance(q, hand) == pytest.approx(wanted, abs=2e-6)
        assert robot.distances(q)[hand] == pytest.approx(wanted, abs=2e-6)

    def test_distances_agree_with_an_independent_computation(self):
        robot = example_robot(wide_cell(keep_out={'cube': Box(
            min=(0.5, -0.1, 0.3), max=(0.7, 0.1, 0.5))}, self_collision=None))
        index = [pair.what for pair in robot.pairs].index(
            'wrist_3_link and the keep-out box cube')
        for q in np.random.default_rng(2).uniform(-3.0, 3.0, (30, 6)):
            found = robot.distance(q, index)
            if found > 0.0:
                assert found == pytest.approx(wrist_3_to_cube(q), abs=2e-6)

    def test_the_same_question_has_the_same_answer_whatever_was_asked_before(self):
        robot, rng = example_robot(wide_cell(keep_out={'table': TABLE})), np.random.default_rng(5)
        first = robot.distances(EXAMPLE_START)
        for q in rng.uniform(-3.0, 3.0, (20, 6)):
            robot.distances(q)
            assert (robot.distances(EXAMPLE_START) == first).all()
            pair = int(rng.integers(len(first)))
            robot.distance(q, pair)
            assert robot.distance(EXAMPLE_START, pair) == first[pair]

    def test_shapes_that_overlap_have_a_negative_distance(self):
        robot = seven_joint_robot(seven_joint_cell(keep_out={'all': Box(
            min=(-1.0, -1.0, -1.0), max=(1.0, 1.0, 1.0))}))
        assert robot.distances(SEVEN_JOINT_START).min() < -0.1


def wrist_3_to_cube(q: np.ndarray) -> float:
    """Return the distance of the last cylinder from the cube, by alternating projections."""
    rotation, position = ArmKinematics(
        urdf_path(), example_cell().robot.joints, 'wrist_3_link').pose(q)
    low, high = np.array((0.5, -0.1, 0.3)), np.array((0.7, 0.1, 0.5))
    point = position
    centre = np.array((0.0, 0.0, -0.0225))
    for _ in range(20_000):
        on_cube = np.clip(point, low, high)
        local = rotation.T @ (on_cube - position) - centre
        radial = np.hypot(*local[:2])
        local[:2] *= min(1.0, 0.037 / radial) if radial else 1.0
        local[2] = np.clip(local[2], -0.0225, 0.0225)
        nearer = position + rotation @ (local + centre)
        if np.linalg.norm(nearer - point) < 1e-12:
            break
        point = nearer
    return float(np.linalg.norm(point - on_cube))


class TestWhichPairs:

    def test_links_that_a_joint_connects_are_left_out(self):
        names = {pair.what for pair in seven_joint_robot().pairs}
        assert 'link_3 and link_4' not in names
        assert 'link_3 and link_5' in names

    def test_an_ignored_pair_is_left_out_in_either_order(self):
        for pair in (('link_3', 'link_5'), ('link_5', 'link_3')):
            cell = seven_joint_cell(self_collision=SelfCollision(ignore=(pair,)))
            names = {each.what for each in seven_joint_robot(cell).pairs}
            assert 'link_3 and link_5' not in names
            assert 'link_3 and link_6' in names

    def test_what_does_not_move_is_not_kept_out_of_boxes(self):
        robot = seven_joint_robot(seven_joint_cell(
            self_collision=None, keep_out={'table': TABLE}))
        names = [pair.what for pair in robot.pairs]
        assert 'link_1 and the keep-out box table' in names
        assert not any(name.startswith('link_0') for name in names)
        assert {pair.reason for pair in robot.pairs} == {Reason.KEEP_OUT}

    def test_null_leaves_self_collision_out(self):
        assert seven_joint_robot(seven_joint_cell(self_collision=None)).pairs == ()

    def test_only_the_joints_between_two_links_change_their_distance(self):
        robot = seven_joint_robot(seven_joint_cell(keep_out={'table': TABLE}))
        assert moves_of('link_2 and link_5', robot) == ['joint_3', 'joint_4', 'joint_5']
        assert moves_of('link_2 and the keep-out box table', robot) == ['joint_1', 'joint_2']

    def test_joints_that_the_cell_does_not_drive_are_locked(self):
        robot = RobotModel.from_urdf(seven_joint_urdf(fingers=True), seven_joint_cell())
        assert set(robot.locked) == {'left_finger_joint', 'right_finger_joint'}
        names = {pair.what for pair in robot.pairs}
        # The fingers are one body with the hand, and next to the link that carries it.
        assert 'link_5 and left_finger' in names
        assert not any('link_7' in name and 'finger' in name for name in names)
        assert not any('link_6' in name and 'finger' in name for name in names)

    def test_the_packaged_cell_has_no_pair_that_is_always_too_close(self):
        robot = example_robot(wide_cell())
        most = np.max([robot.distances(q) for q in np.random.default_rng(3).uniform(
            -3.0, 3.0, (200, 6))], axis=0)
        assert (most > robot.least_m).all()


def prismatic_urdf() -> str:
    """Return the arm with seven joints, its fourth one sliding along x."""
    text = seven_joint_urdf()
    begin = text.index('<joint name="joint_4" type="revolute">')
    end = text.index('</joint>', begin)
    return (text[:begin] + text[begin:end].replace('revolute', 'prismatic').replace(
        '<axis xyz="0 0 1"/>', '<axis xyz="1 0 0"/>') + text[end:])


def prismatic_cell():
    """Return a cell for ``prismatic_urdf`` whose slide goes from -0.3 to 0.5 m."""
    cell = seven_joint_cell(keep_out={'table': TABLE})
    limits = {**cell.safety.joint_limits,
              'joint_4': example_limit(min_position=-0.3, max_position=0.5)}
    return replace(cell, safety=replace(cell.safety, joint_limits=limits))


ROBOTS = {
    'six': lambda: example_robot(wide_cell(keep_out={'table': TABLE})),
    'seven': lambda: seven_joint_robot(seven_joint_cell(keep_out={'table': TABLE})),
    'sliding': lambda: RobotModel.from_urdf(prismatic_urdf(), prismatic_cell()),
}


@pytest.fixture(scope='module', params=list(ROBOTS))
def robot(request):
    """Each of the robots, once."""
    return ROBOTS[request.param]()


def configurations(robot: RobotModel, rng: np.random.Generator, size: float) -> np.ndarray:
    """Return two configurations, (2, N), in each joint ``size`` apart at most."""
    q = rng.uniform(-3.0, 3.0, len(robot.joints))
    both = np.stack((q, q + rng.uniform(-size, size, len(q))))
    for column, name in enumerate(robot.joints):
        if name == 'joint_4' and robot.tcp_reach[column] == 1.0:
            both[:, column] = np.clip(both[:, column], -0.3, 0.5)
    return both


FOLDING = ROBOTS['six']()


class TestReach:

    @given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-4, 2.0))
    def test_nothing_moves_further_than_its_reach_says(self, robot, seed, size):
        before, after = configurations(robot, np.random.default_rng(seed), size)
        moved = np.abs(after - before)
        assert np.linalg.norm(robot.tcp(after) - robot.tcp(before)) <= (
            robot.tcp_reach @ moved + 1e-12)
        change = np.abs(robot.distances(after) - robot.distances(before))
        assert (change <= robot.pair_reach @ moved + 1e-5).all()

    @given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-4, 2.0))
    def test_nothing_moves_further_than_its_reach_near_where_it_was(self, robot, seed, size):
        rng = np.random.default_rng(seed)
        q, after = configurations(robot, rng, size)
        travel = np.abs(after - q)
        middle = q + rng.uniform(0.0, 1.0, len(q)) * (after - q)
        every = np.arange(len(robot.pairs))
        robot.distances(q)
        near = robot.reach_near(travel, every)
        assert (near <= robot.pair_reach + 1e-12).all()
        for there, here in ((middle, after), (q, after)):
            change = np.abs(robot.distances(here) - robot.distances(there))
            assert (change <= near @ np.abs(here - there) + 1e-5).all()

    def test_near_a_folded_arm_the_first_joint_reaches_less_far(self):
        robot = example_robot(wide_cell(keep_out={'table': TABLE}))
        [tool] = [i for i, pair in enumerate(robot.pairs)
                  if pair.what == 'wrist_3_link and the keep-out box table']
        robot.distances(EXAMPLE_START)
        [near] = robot.reach_near(np.full(6, 0.01), np.array([tool]))
        assert near[0] < 0.6 * robot.pair_reach[tool, 0]

    @given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.0, 2.0))
    def test_the_first_joint_reaches_the_tool_wherever_the_others_carry_it(self, seed, size):
        robot = FOLDING
        [tool] = [i for i, pair in enumerate(robot.pairs)
                  if pair.what == 'wrist_3_link and the keep-out box table']
        q, after = configurations(robot, np.random.default_rng(seed), size)
        robot.distances(q)
        [near] = robot.reach_near(np.abs(after - q), np.array([tool]))
        # The tcp is on the face of the last link, and the first joint turns about z.
        assert np.hypot(*robot.tcp(after)[:2]) <= near[0] + 1e-12

    def test_reach_is_not_far_from_what_can_be(self, robot):
        """A bound that is many times too large would refuse what is safe."""
        rng, dq = np.random.default_rng(4), 1e-4
        most = np.zeros(len(robot.joints))
        for _ in range(300):
            q, _ = configurations(robot, rng, 0.0)
            for joint in range(len(q)):
                step = np.zeros(len(q))
                step[joint] = dq
                speed = np.linalg.norm(robot.tcp(q + step) - robot.tcp(q)) / dq
                most[joint] = max(most[joint], speed)
        assert (robot.tcp_reach <= 2.0 * most + 1e-3).all()

    def test_a_joint_about_the_tcp_itself_does_not_move_it(self):
        robot = example_robot(wide_cell())
        assert robot.tcp_reach[-1] == pytest.approx(0.0, abs=1e-12)

    def test_a_slide_moves_everything_by_as_much_as_it_slides(self):
        robot = ROBOTS['sliding']()
        assert robot.tcp_reach[3] == 1.0
        assert robot.tcp_reach[0] > 1.0


TURN_AND_SLIDE = """
<robot name="turn_and_slide">
  <link name="base"/><link name="arm"/>
  <link name="ball"><collision><geometry><sphere radius="0.05"/></geometry></collision></link>
  <joint name="turn" type="revolute"><parent link="base"/><child link="arm"/>
    <axis xyz="0 0 1"/><limit lower="-3" upper="3" effort="1" velocity="1"/></joint>
  <joint name="slide" type="prismatic"><parent link="arm"/><child link="ball"/>
    <origin xyz="0.1 0 0.7"/><axis xyz="1 0 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
</robot>"""


def turn_and_slide(travel_m: float) -> RobotModel:
    """Return a ball that slides to ``travel_m`` at most, away from 0.1 m beside a turning axis."""
    cell = seven_joint_cell(self_collision=None, keep_out={'table': TABLE})
    limit = example_limit(min_position=-0.2, max_position=travel_m)
    return RobotModel.from_urdf(TURN_AND_SLIDE, replace(
        cell, safety=replace(cell.safety, joint_limits={'turn': limit, 'slide': limit}),
        robot=replace(cell.robot, joints=('turn', 'slide'), base_frame='base', tcp_frame='ball')))


class TestSlides:

    def test_what_slides_out_is_reached_further_away(self):
        robot = turn_and_slide(2.0)
        assert robot.tcp_reach == pytest.approx((2.1, 1.0))
        # The farthest point of the ball.
        assert robot.pair_reach[0] == pytest.approx((2.15, 1.0))

    def test_what_slides_is_moved_by_a_turn_at_least_as_by_the_slide(self):
        """Near the axis the turn moves it little, but it turns the slide's own speed."""
        assert turn_and_slide(0.3).tcp_reach == pytest.approx((1.0, 1.0))

    @given(turn=st.floats(-3.0, 3.0), slide=st.floats(-0.2, 0.2), left=st.floats(0.0, 0.1))
    def test_near_where_it_was_too(self, turn, slide, left):
        robot = turn_and_slide(0.3)
        robot.distances(np.array([turn, slide]))
        [near] = robot.reach_near(np.array([0.1, left]), np.array([0]))
        assert abs(0.1 + slide + left) + 0.05 <= near[0] + 1e-12
        assert near[1] == 1.0


class TestUrdf:

    def test_a_continuous_joint_turns_without_end(self):
        text = example_urdf().replace(
            '<joint name="wrist_3_joint" type="revolute">',
            '<joint name="wrist_3_joint" type="continuous">')
        robot = RobotModel.from_urdf(text, wide_cell())
        q = EXAMPLE_START + 100.0 * np.eye(6)[5]
        assert robot.distances(q) == pytest.approx(
            example_robot(wide_cell()).distances(q), abs=1e-9)

    def test_a_mesh_counts_as_its_convex_hull(self, tmp_path):
        corners = np.array(list(product((-0.04, 0.04), (-0.1, 0.1), (-0.03, 0.03))))
        mesh = tmp_path / 'hand.obj'
        # Two of the three edges of each face's triangles are enough to make a closed box.
        faces = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5),
                 (2, 6, 8, 4))
        mesh.write_text(''.join(f'v {x} {y} {z}\n' for x, y, z in corners) + ''.join(
            f'f {a} {b} {c}\nf {a} {c} {d}\n' for a, b, c, d in faces), encoding='utf-8')
        text = seven_joint_urdf().replace(
            '<box size="0.08 0.2 0.06"/>', f'<mesh filename="file://{mesh}"/>')
        cell = seven_joint_cell(keep_out={'table': TABLE})
        meshed, boxed = RobotModel.from_urdf(text, cell), seven_joint_robot(cell)
        assert meshed.distances(SEVEN_JOINT_START) == pytest.approx(
            boxed.distances(SEVEN_JOINT_START), abs=1e-5)
        assert meshed.pair_reach == pytest.approx(boxed.pair_reach, abs=1e-6)

    @pytest.mark.parametrize(('text', 'words'), [
        ('', 'is not a URDF'),
        ('a robot', 'is not a URDF'),
        ('<sdf/>', 'its first element is <sdf>'),
        ('<robot name="r"/>', 'the URDF cannot be read'),
        (seven_joint_urdf().replace('type="fixed"', 'type="floating"', 1).replace(
            'joint_3"', 'joint_x"'), 'has no movable joint joint_3'),
        (seven_joint_urdf().replace('"tcp"', '"tool"'), 'has no link tcp; write in robot.tcp_fra'),
        (seven_joint_urdf().replace('"link_0"', '"root"'), 'has no link link_0; write in robot.b'),
        (seven_joint_urdf().replace(
            '<box size="0.08 0.2 0.06"/>', '<mesh filename="package://nowhere/hand.stl"/>'),
         'collision geometry of the URDF cannot be loaded'),
    ])
    def test_what_cannot_be_used_is_refused_with_a_sentence(self, text, words):
        with pytest.raises(SetupError, match=words):
            RobotModel.from_urdf(text, seven_joint_cell())

    def test_a_base_that_moves_is_refused(self):
        cell = with_robot(seven_joint_cell(), base_frame='link_2')
        with pytest.raises(SetupError, match='link_2 is moved by joint_2'):
            seven_joint_robot(cell)

    def test_a_driven_joint_with_more_than_one_degree_of_freedom_is_refused(self):
        text = seven_joint_urdf().replace(
            '<joint name="joint_5" type="revolute">', '<joint name="joint_5" type="floating">')
        with pytest.raises(SetupError, match='joint_5 of the URDF has 6 degrees of freedom'):
            RobotModel.from_urdf(text, seven_joint_cell())

    def test_a_slide_without_limits_is_refused(self):
        cell = prismatic_cell()
        limits = {**cell.safety.joint_limits, 'joint_4': example_limit(
            has_position_limits=False, min_position=None, max_position=None)}
        cell = replace(cell, safety=replace(cell.safety, joint_limits=limits))
        with pytest.raises(SetupError, match='joint_4 is a prismatic joint without position'):
            RobotModel.from_urdf(prismatic_urdf(), cell)

    @pytest.mark.parametrize(('checks', 'words'), [
        ({}, 'self_collision: null'),
        ({'self_collision': None, 'keep_out': {'table': TABLE}}, 'remove safety.keep_out')])
    def test_checks_of_shapes_need_shapes(self, checks, words):
        with pytest.raises(SetupError, match=words):
            RobotModel.from_urdf(seven_joint_urdf(shapes=False), seven_joint_cell(**checks))

    def test_without_such_checks_no_shapes_are_needed(self):
        cell = seven_joint_cell(self_collision=None)
        robot = RobotModel.from_urdf(seven_joint_urdf(shapes=False), cell)
        assert robot.joints == SEVEN_JOINTS
        assert robot.distances(SEVEN_JOINT_START).shape == (0,)

    def test_an_unknown_link_to_ignore_is_named(self):
        cell = seven_joint_cell(self_collision=SelfCollision(ignore=(('link_3', 'gripper'),)))
        with pytest.raises(SetupError, match='names gripper, which the URDF does not have'):
            seven_joint_robot(cell)
