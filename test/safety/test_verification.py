"""A whole motion is verified, between its knots and samples too, or it is refused."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Box, limit_arrays, SelfCollision
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.safety import clearance, tcp_check
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.profiles import inset
from physical_ai_bridge.safety.verification import Verification
from physical_ai_bridge.testing.contracts import example_limit, JOINTS
from physical_ai_bridge.testing.robots import (
    example_robot,
    EXAMPLE_START,
    seven_joint_cell,
    seven_joint_robot,
    SEVEN_JOINT_START,
    wide_cell,
)
import pytest

# Joint limits that no motion here meets: what is left are the limits of the tcp and the shapes.
LOOSE = {name: example_limit(
    max_velocity=1e3, max_acceleration=1e6, max_jerk=1e10,
    has_position_limits=False, min_position=None, max_position=None) for name in JOINTS}


def loose_cell(**safety):
    """Return a cell of six joints with no limits but those given."""
    return wide_cell(**{'joint_limits': LOOSE, 'tcp_speed_max_m_s': 1e3, 'self_collision': None,
                        **safety})


def verification(cell) -> Verification:
    """Return the verification of one of the two robots, by the number of joints of its cell."""
    make = example_robot if len(cell.robot.joints) == 6 else seven_joint_robot
    return Verification(cell, make(cell))


def breach(cell, motion: Trajectory, **share) -> Reason | None:
    """Return the reason code of the breach, if any."""
    found = verification(cell).check(motion, **share)
    return found.reason if found else None


def through(times_s, *knots) -> Trajectory:
    """Return a motion through knots (N,), at rest at each."""
    times = np.round(np.asarray(times_s) * 1e9).astype(np.int64)
    positions = np.array(knots, dtype=float)
    joints = JOINTS if positions.shape[1] == 6 else seven_joint_cell().robot.joints
    return Trajectory(0, joints, times, positions, np.zeros_like(positions))


def swing(joint: int, angle: float, duration_s: float, start=EXAMPLE_START) -> Trajectory:
    """Return a motion of one joint by ``angle`` and back."""
    there = np.array(start)
    there[joint] += angle
    return through([0.0, 0.5 * duration_s, duration_s], start, there, start)


def tcp_of(robot, motion: Trajectory, step_ns: int = 200_000):
    """Return positions (M, 3) and speeds (M,) of the tcp, sampled densely."""
    sampled = motion.at_many(np.union1d(
        np.arange(0, int(motion.times_ns[-1]), step_ns), motion.times_ns))
    states = robot.tcp_states(sampled.position, sampled.velocity, sampled.acceleration)
    return states[:, 0], np.linalg.norm(states[:, 1], axis=1)


class TestJointLimits:

    def test_they_come_first(self):
        cell = wide_cell(tcp_speed_max_m_s=1e-3)
        assert breach(cell, swing(0, 1.0, 0.4)) is Reason.VELOCITY_LIMIT

    def test_a_number_that_is_not_finite_never_passes(self):
        motion = swing(0, 0.1, 2.0)
        motion.positions[1, 3] = np.nan
        found = verification(wide_cell()).check(motion)
        assert found.reason is Reason.PROPOSAL_NOT_FINITE
        assert found.what == JOINTS[3]

    def test_a_motion_that_does_not_end_at_rest_is_refused(self):
        motion = swing(0, 0.1, 2.0)
        motion.velocities[-1, 2] = 1e-9
        found = verification(wide_cell()).check(motion)
        assert found.reason is Reason.ACCELERATION_LIMIT
        assert 'elbow_joint, which is not at rest at the end' in str(found)

    def test_an_acceleration_that_ends_in_a_step_is_refused(self):
        motion = through([0.0, 1.0], EXAMPLE_START, EXAMPLE_START + 0.05)
        # Its own jerk is within limits; standing still after it is not.
        assert breach(wide_cell(), motion) is Reason.JERK_LIMIT


class TestTcpSpeed:

    def test_a_peak_between_two_knots_is_found(self):
        # A cubic from rest to rest is fastest half way: 1.5 x its mean.
        cell = loose_cell()
        motion = swing(0, 0.4, 2.0)
        _, speed = tcp_of(example_robot(cell), motion)
        assert breach(loose_cell(tcp_speed_max_m_s=0.99 * speed.max()), motion) is (
            Reason.TCP_SPEED_LIMIT)
        assert breach(loose_cell(tcp_speed_max_m_s=1.01 * speed.max()), motion) is None

    @pytest.mark.parametrize('joint', range(5))
    @pytest.mark.parametrize('duration_s', [0.1, 0.4, 3.0])
    def test_a_motion_is_told_from_its_limit_within_a_millionth(self, joint, duration_s):
        motion = swing(joint, 0.3, duration_s)
        _, speed = tcp_of(example_robot(loose_cell()), motion, step_ns=20_000)
        top = float(speed.max())
        assert breach(loose_cell(tcp_speed_max_m_s=top * (1.0 - 1e-6)), motion) is (
            Reason.TCP_SPEED_LIMIT)
        assert breach(loose_cell(tcp_speed_max_m_s=top * (1.0 + 1e-6)), motion) is None

    def test_a_long_motion_at_exactly_its_limit_passes(self):
        """Turning at a constant rate, the tcp is at its limit throughout."""
        turn = Trajectory(
            0, JOINTS, np.arange(0, 401_000_000, 20_000_000),
            EXAMPLE_START + np.linspace(0.0, 0.2, 21)[:, None] * np.eye(6)[0],
            np.repeat(0.5 * np.eye(6)[:1], 21, axis=0))
        _, speed = tcp_of(example_robot(loose_cell()), turn)
        assert np.ptp(speed) < 1e-9
        check = tcp_check.TcpCheck
        cubics = tcp_check.Cubics.of(turn)
        for relative, passes in ((0.0, True), (1e-6, True), (-1e-6, False)):
            cell = loose_cell(tcp_speed_max_m_s=float(speed.max()) * (1.0 + relative))
            found = check(cell, example_robot(cell)).check(cubics, 1.0)
            assert (found is None) is passes

    def test_a_peak_where_the_acceleration_jumps_is_found(self):
        """From rest at 5 rad/s² and back at -5: the jerk is zero but at the knot between."""
        one = np.eye(6)[0]
        motion = Trajectory(
            0, JOINTS, np.array([0, 20_000_000, 40_000_000]),
            EXAMPLE_START + np.outer((0.0, 0.001, 0.002), one), np.outer((0.0, 0.1, 0.0), one))
        _, speed = tcp_of(example_robot(loose_cell()), motion)
        top = float(speed.max())
        assert top > 0.04
        assert breach(loose_cell(tcp_speed_max_m_s=0.9 * top), motion) is Reason.TCP_SPEED_LIMIT
        assert breach(loose_cell(tcp_speed_max_m_s=1.1 * top), motion) is None

    def test_the_speed_share_scales_it(self):
        motion = swing(0, 0.4, 2.0)
        _, speed = tcp_of(example_robot(loose_cell()), motion)
        cell = loose_cell(tcp_speed_max_m_s=2.0 * speed.max())
        assert breach(cell, motion, speed_share=0.501) is None
        assert breach(cell, motion, speed_share=0.499) is Reason.TCP_SPEED_LIMIT

    def test_the_speed_share_scales_the_joints_velocity_limits_alone(self):
        motion = swing(5, 1.0, 2.0)  # at 1.5 rad/s, and 6 rad/s²
        limits = {**LOOSE, 'wrist_3_joint': example_limit(
            max_velocity=3.0, max_acceleration=6.1, max_jerk=1e10)}
        cell = loose_cell(joint_limits=limits)
        assert breach(cell, motion, speed_share=0.501) is None
        assert breach(cell, motion, speed_share=0.499) is Reason.VELOCITY_LIMIT

    def test_a_speed_share_that_is_not_a_number_lets_nothing_pass(self):
        assert breach(wide_cell(), swing(0, 0.0, 2.0), speed_share=float('nan')) is not None

    def test_the_violation_says_how_fast(self):
        found = verification(loose_cell(tcp_speed_max_m_s=0.1)).check(swing(0, 0.4, 2.0))
        assert str(found).startswith('the tcp would reach 0.')
        assert str(found).endswith('m/s, the limit is 0.1 m/s')


class TestSpeedUse:
    """How much of its speed limits a state uses: those of the joints, and the tcp's."""

    def test_it_is_that_of_the_joint_that_uses_most_of_its_limit(self):
        limits = {**LOOSE, 'wrist_3_joint': example_limit(max_velocity=2.0)}
        velocity = np.array([[0.0] * 6, [0.0, 0.0, 0.0, 0.0, 0.0, -1.5]])
        use = verification(loose_cell(joint_limits=limits)).speed_use(
            np.array([EXAMPLE_START] * 2), velocity)
        assert use == pytest.approx(0.75)

    def test_or_that_of_the_tcp_where_it_uses_more(self):
        cell = loose_cell(tcp_speed_max_m_s=0.5)
        position, velocity = np.array([EXAMPLE_START] * 2), np.zeros((2, 6))
        velocity[1, 0] = 0.2
        states = example_robot(cell).tcp_states(position, velocity, np.zeros((2, 6)))
        speed = np.linalg.norm(states[1, 1])
        assert speed > 0.05
        assert verification(cell).speed_use(position, velocity) == pytest.approx(speed / 0.5)


class TestWorkspace:

    @pytest.mark.parametrize('joint', range(5))
    @pytest.mark.parametrize('margin', [1e-2, 1e-4, 1e-7])
    def test_a_border_that_is_passed_between_two_knots_is_found(self, joint, margin):
        motion = swing(joint, 0.2, 1.0)
        position, _ = tcp_of(example_robot(loose_cell()), motion)
        low, high = position.min(axis=0) - margin, position.max(axis=0) + margin
        fits = loose_cell(workspace=Box(min=tuple(low.tolist()), max=tuple(high.tolist())))
        assert breach(fits, motion) is None
        for side, axis in ((low, 0), (high, 0), (low, 1), (high, 1), (low, 2), (high, 2)):
            if high[axis] - low[axis] < 4.0 * margin:
                continue  # it does not move along this axis
            shift = 2.0 * margin if side is low else -2.0 * margin
            before, side[axis] = side[axis], side[axis] + shift
            cell = loose_cell(workspace=Box(min=tuple(low.tolist()), max=tuple(high.tolist())))
            found = verification(cell).check(motion)
            assert found.reason is Reason.WORKSPACE_LIMIT
            assert found.what == f"the tcp's {'xyz'[axis]}"
            assert found.limit == side[axis]
            side[axis] = before

    def test_an_arc_at_constant_joint_speed_that_bends_out_between_two_knots_is_found(self):
        """Nothing accelerates there but the tcp, by going round."""
        robot = example_robot(loose_cell())
        x, y, _ = robot.tcp(EXAMPLE_START)
        across = -float(np.arctan2(y, x))  # there the tcp is furthest out in x
        offsets = across + np.array([-1.25, -0.5, 0.5, 2.0])  # and not half way
        positions = np.tile(EXAMPLE_START, (4, 1))
        positions[:, 0] += offsets
        velocities = np.zeros((4, 6))
        velocities[1:3, 0] = 2.0
        motion = Trajectory(0, JOINTS, np.array([0, 750, 1250, 2750]) * 1_000_000, positions,
                            velocities)
        furthest = np.hypot(x, y)
        for room, found in ((-0.01, Reason.WORKSPACE_LIMIT), (0.01, None)):
            box = Box(min=(-2.0, -2.0, -2.0), max=(float(furthest + room), 2.0, 2.0))
            assert breach(loose_cell(workspace=box), motion) is found

    def test_an_excursion_between_samples_is_found(self):
        """A joint goes out and back within 3 ms, amid a motion that else stays inside."""
        out = EXAMPLE_START + 0.05 * np.eye(6)[1]
        motion = through([0.0, 0.2, 0.2015, 0.203, 0.4], *[EXAMPLE_START] * 2, out,
                         *[EXAMPLE_START] * 2)
        position = example_robot(loose_cell()).tcp(EXAMPLE_START)
        cell = loose_cell(workspace=Box(
            min=tuple((position - 0.01).tolist()), max=tuple((position + 0.01).tolist())))
        assert breach(cell, motion) is Reason.WORKSPACE_LIMIT

    def test_a_robot_at_rest_may_stand_at_the_border(self):
        position = example_robot(loose_cell()).tcp(EXAMPLE_START)
        hold = Trajectory.hold(0, JOINTS, EXAMPLE_START)
        for axis in range(3):
            high = np.full(3, 1.5)
            high[axis] = position[axis]
            box = Box(min=(-1.5, -1.5, -1.5), max=tuple(high.tolist()))
            assert breach(loose_cell(workspace=box), hold) is None
            high[axis] -= 1e-6
            box = Box(min=(-1.5, -1.5, -1.5), max=tuple(high.tolist()))
            assert breach(loose_cell(workspace=box), hold) is Reason.WORKSPACE_LIMIT

    def test_from_outside_not_even_the_way_in_passes(self):
        position = example_robot(loose_cell()).tcp(EXAMPLE_START)
        box = Box(min=(-1.5, -1.5, float(position[2]) + 0.01), max=(1.5, 1.5, 1.5))
        up = EXAMPLE_START - 0.1 * np.eye(6)[1]
        assert breach(loose_cell(workspace=box), through([0.0, 1.0], EXAMPLE_START, up)) is (
            Reason.WORKSPACE_LIMIT)


def wall(robot, thickness: float, angle: float) -> Box:
    """Return an upright plate that the tool crosses ``angle`` rad from its start about joint 1."""
    there = EXAMPLE_START + angle * np.eye(6)[0]
    x, y, _ = robot.tcp(there)
    return Box(min=(x - 0.3, y, -1.0), max=(x + 0.3, y + thickness, 1.0))


class TestKeepOut:

    @pytest.mark.parametrize('angle', [0.3, 0.8, 1.3])
    def test_a_thin_box_that_is_swept_through_between_two_samples_is_found(self, angle):
        """The motion begins and ends beside the plate: no knot is in it."""
        robot = example_robot(loose_cell())
        box = wall(robot, 0.001, angle)
        cell = loose_cell(keep_out={'wall': box})
        over = through([0.0, 0.05], EXAMPLE_START, EXAMPLE_START + 1.6 * np.eye(6)[0])
        found = verification(cell).check(over)
        assert found.reason is Reason.KEEP_OUT
        assert found.what.endswith('and the keep-out box wall')
        assert 'at least 0 mm is wanted' in str(found)

    @pytest.mark.parametrize(('angle', 'half'), [(0.3, 0), (1.5, 1)])
    def test_a_box_in_either_half_of_a_motion_is_found(self, angle, half):
        ends = EXAMPLE_START + np.outer((0.0, 0.9, 1.8), np.eye(6)[0])
        x, y, z = example_robot(loose_cell()).tcp(EXAMPLE_START + angle * np.eye(6)[0])
        cell = loose_cell(keep_out={'post': Box(
            min=(x - 0.005, y - 0.005, z - 0.2), max=(x + 0.005, y + 0.005, z))})
        assert breach(cell, through([0.0, 0.05, 0.1], *ends)) is Reason.KEEP_OUT
        for index in (0, 1):
            found = breach(cell, through([0.0, 0.05], *ends[index:index + 2]))
            assert found is (Reason.KEEP_OUT if index == half else None)

    def test_a_box_that_is_touched_only_half_way_between_two_knots_is_found(self):
        robot = example_robot(loose_cell())
        motion = swing(0, 0.5, 1.0)
        # It reaches furthest at its middle knot; take that one away and leave the same motion.
        whole = Trajectory(0, JOINTS, np.array([0, 1_000_000_000]), np.stack((EXAMPLE_START,) * 2),
                           np.stack((2.0 * np.eye(6)[0], -2.0 * np.eye(6)[0])))
        assert whole.at(500_000_000).position == pytest.approx(motion.positions[1])
        for reach, touches in ((0.499, True), (0.6, False)):
            cell = loose_cell(keep_out={'wall': wall(robot, 0.4, reach + 0.15)})
            check = clearance.ClearanceCheck(example_robot(cell))
            found = check.check(clearance.Cubics.of(whole))
            assert (found is not None and found.reason is Reason.KEEP_OUT) is touches

    def test_moving_beside_a_box_passes_until_it_comes_too_close(self):
        """The tool turns by within 10 mm of the wall, at 0.2 m/s."""
        robot = example_robot(loose_cell())
        _, y, _ = robot.tcp(EXAMPLE_START + 0.2 * np.eye(6)[0])
        results = {}
        for gap in (0.07, 0.06, 0.045, 0.035):
            box = Box(min=(0.0, float(y) + gap, -1.0), max=(1.0, float(y) + 0.5, 1.0))
            results[gap] = breach(loose_cell(keep_out={'wall': box}), swing(0, 0.2, 1.0))
        assert results == {
            0.07: None, 0.06: None, 0.045: Reason.KEEP_OUT, 0.035: Reason.KEEP_OUT}

    def test_a_robot_at_rest_may_stand_close_to_a_box(self):
        cell = loose_cell(keep_out={'floor': Box(min=(-1, -1, -1), max=(1, 1, -0.5))})
        gap = example_robot(cell).distances(EXAMPLE_START).min()
        close = loose_cell(keep_out={'floor': Box(
            min=(-1, -1, -1), max=(1, 1, -0.5 + float(gap) - 2e-6))})
        assert breach(close, Trajectory.hold(0, JOINTS, EXAMPLE_START)) is None

    def test_the_base_may_stand_in_a_box(self):
        cell = loose_cell(keep_out={'pedestal': Box(min=(-0.2, -0.2, -1), max=(0.2, 0.2, 0.05))})
        assert breach(cell, swing(0, 0.2, 1.0)) is None


class TestSelfCollision:

    FOLDED = np.array([0.0, -1.6, 2.95, -1.5, 1.5, 0.0])

    def test_it_names_both_links_and_their_distance(self):
        cell = loose_cell(self_collision=SelfCollision(
            ignore=(('base_link_inertia', 'upper_arm_link'),)))
        found = verification(cell).check(
            through([0.0, 1.0], EXAMPLE_START, self.FOLDED))
        assert found.reason is Reason.SELF_COLLISION
        first, second = found.what.split(' and ')
        assert first in ('upper_arm_link', 'shoulder_link')
        assert second.startswith('wrist_') or second == 'forearm_link'
        assert found.limit == 0.01
        assert 'mm is wanted' in str(found)

    def test_a_pair_that_is_always_too_close_is_named_until_it_is_ignored(self):
        found = verification(loose_cell(self_collision=SelfCollision())).check(
            Trajectory.hold(0, JOINTS, EXAMPLE_START))
        assert found.what == 'base_link_inertia and upper_arm_link'
        assert str(found).endswith('would come within 2.5 mm of each other, at least 10 mm is '
                                   'wanted')

    def test_a_collision_between_two_knots_is_found(self):
        """The arm folds through itself and out again, between two knots that are clear."""
        cell = loose_cell(self_collision=SelfCollision(
            ignore=(('base_link_inertia', 'upper_arm_link'),)))
        clear = np.array([0.0, -1.6, 2.0, -1.5, 1.5, 0.0])
        motion = Trajectory(0, JOINTS, np.array([0, 1_000_000_000]), np.stack((clear, clear)),
                            np.stack((3.9 * np.eye(6)[2], -3.9 * np.eye(6)[2])))
        check = clearance.ClearanceCheck(example_robot(cell))
        assert check.check(clearance.Cubics.of(motion)).reason is Reason.SELF_COLLISION

    def test_keep_out_boxes_come_first(self):
        """The arm is 2 mm in the box, and 7.5 mm too close to its base."""
        cell = loose_cell(keep_out={'floor': Box(min=(-1, -1, -1), max=(1, 1, -0.5))})
        gap = float(example_robot(cell).distances(EXAMPLE_START).min())
        cell = loose_cell(self_collision=SelfCollision(), keep_out={
            'floor': Box(min=(-1, -1, -1), max=(1, 1, -0.5 + gap + 0.002))})
        assert breach(cell, Trajectory.hold(0, JOINTS, EXAMPLE_START)) is Reason.KEEP_OUT


class TestBoundedWork:

    def test_so_many_cubics_at_the_speed_limit_that_no_close_look_is_left_are_refused(self):
        turn = Trajectory(
            0, JOINTS, 20_000_000 * np.arange(75),
            EXAMPLE_START + np.linspace(0.0, 0.74, 75)[:, None] * np.eye(6)[0],
            np.repeat(0.5 * np.eye(6)[:1], 75, axis=0))
        _, speed = tcp_of(example_robot(loose_cell()), turn)
        cell = loose_cell(tcp_speed_max_m_s=float(speed.max()))
        check = tcp_check.TcpCheck(cell, example_robot(cell))
        assert check.check(tcp_check.Cubics.of(turn), 1.0).reason is Reason.NOT_VERIFIED
        assert check.evaluations <= tcp_check.MAX_EVALUATIONS

    def test_a_motion_at_rest_needs_one_look_at_the_tcp_and_one_at_the_shapes(self):
        check = verification(wide_cell())
        assert check.check(Trajectory.hold(0, JOINTS, EXAMPLE_START)) is None
        assert check.evaluations == 2
        assert check.check(through([0.0, 0.1, 5.0], *[EXAMPLE_START] * 3)) is None
        assert check.evaluations == 2

    def test_a_slow_motion_in_the_open_needs_no_more(self):
        check = verification(loose_cell(tcp_speed_max_m_s=0.5))
        assert check.check(swing(0, 0.001, 1.0)) is None
        assert check.evaluations == 1

    def test_what_a_joint_limit_refuses_needs_none(self):
        check = verification(wide_cell())
        assert check.check(Trajectory.hold(0, JOINTS, EXAMPLE_START)) is None
        assert check.check(swing(0, 1.0, 0.4)).reason is Reason.VELOCITY_LIMIT
        assert check.evaluations == 0

    def test_what_cannot_be_told_from_a_collision_is_refused(self):
        """The tool slides along a plate, a few micrometres from it, for 5 s."""
        cell = loose_cell(keep_out={'floor': Box(min=(-1, -1, -1), max=(1, 1, -0.5))})
        gap = example_robot(cell).distances(EXAMPLE_START).min()
        close = loose_cell(keep_out={'floor': Box(
            min=(-1, -1, -1), max=(1, 1, -0.5 + float(gap) - 3e-5))})
        check = verification(close)
        # Turning about the vertical axis, nothing comes nearer to the floor.
        found = check.check(swing(0, 1.0, 5.0))
        assert found.reason is Reason.NOT_VERIFIED
        assert 'and the keep-out box floor' in str(found)
        assert str(found).endswith('for the checks of one tick to tell')
        assert check.evaluations <= 2 + clearance.MAX_EVALUATIONS + tcp_check.MAX_EVALUATIONS

    def test_a_long_way_right_at_a_border_is_refused(self):
        """Turning about the vertical keeps the height; no bound of some samples tells that."""
        there = EXAMPLE_START + np.eye(6)[0]
        motion = through(range(9), *(there if second % 2 else EXAMPLE_START
                                     for second in range(9)))
        height = float(example_robot(loose_cell()).tcp(EXAMPLE_START)[2])
        for room, found in ((0.0, Reason.NOT_VERIFIED), (0.1, None)):
            box = Box(min=(-2.0, -2.0, -2.0), max=(2.0, 2.0, height + room))
            assert breach(loose_cell(workspace=box), motion) is found

    def test_a_tcp_that_cannot_be_told_from_its_limits_is_refused(self):
        """It shakes at 200 knots: looking at each of them is more than one check may."""
        knots = np.repeat(EXAMPLE_START[None, :], 200, axis=0)
        knots[1:-1:2, 0] += 1e-4
        motion = through(np.arange(200) * 0.002, *knots)
        position, speed = tcp_of(example_robot(loose_cell()), motion)
        box = Box(min=tuple((position.min(axis=0) - 1e-6).tolist()),
                  max=tuple((position.max(axis=0) + 1e-6).tolist()))
        for limits, words in (
                ({'tcp_speed_max_m_s': float(speed.max()) * 1.001}, "the tcp's speed may reach"),
                ({'workspace': box}, "the tcp's ")):
            check = verification(loose_cell(**limits))
            found = check.check(motion)
            assert found.reason is Reason.NOT_VERIFIED
            assert str(found).startswith(words)
            assert 'too close to the limit of' in str(found)
            assert check.evaluations <= tcp_check.MAX_EVALUATIONS

    @settings(max_examples=30)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_no_motion_takes_more_looks_than_stated(self, seed):
        rng = np.random.default_rng(seed)
        check = CHECKS['six']
        start = np.concatenate((rng.uniform(-3.0, 3.0, (1, 6)),
                                rng.uniform(-0.5, 0.5, (rng.integers(1, 300), 6))))
        check.check(through(np.arange(len(start)) * 0.01, *np.cumsum(start, axis=0)))
        assert check.evaluations <= 1 + clearance.MAX_EVALUATIONS + tcp_check.MAX_EVALUATIONS


TABLE = Box(min=(-1.0, -1.0, -0.5), max=(1.0, 1.0, 0.05))
POST = Box(min=(0.55, -0.2, 0.0), max=(0.6, 0.0, 0.7))
BOXES = {'table': TABLE, 'post': POST}
CELLS = {
    'six': wide_cell(keep_out={'post': POST}, tcp_speed_max_m_s=0.5,
                     workspace=Box(min=(0.2, -0.3, 0.05), max=(0.75, 0.5, 0.6))),
    'seven': seven_joint_cell(keep_out={'post': POST}, tcp_speed_max_m_s=0.6,
                              workspace=Box(min=(0.1, -0.4, 0.1), max=(0.6, 0.4, 0.8))),
}
GEOMETRIC = (Reason.TCP_SPEED_LIMIT, Reason.WORKSPACE_LIMIT, Reason.KEEP_OUT,
             Reason.SELF_COLLISION)
CHECKS = {name: verification(cell) for name, cell in CELLS.items()}
STARTS = {'six': EXAMPLE_START, 'seven': SEVEN_JOINT_START}


def random_stop(name: str, seed: int) -> Trajectory:
    """Return a motion within joint limits: a moving arm that comes to rest."""
    rng, cell, start = np.random.default_rng(seed), CELLS[name], STARTS[name]
    limits = limit_arrays(cell)
    size = len(start)
    speed = 10.0 ** rng.uniform(-1.5, 0.0)
    state = JointMotion(
        start + 10.0 ** rng.uniform(-2.0, 0.0) * rng.uniform(-1.0, 1.0, size),
        rng.uniform(-0.9, 0.9, size) * limits.velocity * speed,
        rng.uniform(-0.5, 0.5, size) * limits.acceleration * speed, np.zeros(size))
    return brake(0, cell.robot.joints, state, inset(limits, 0.002))


def worst_seen(name: str, motion: Trajectory, step_ns: int) -> dict[Reason, float]:
    """Return how far inside each limit the motion stays at its samples; negative is outside."""
    cell, robot = CELLS[name], example_robot(CELLS[name]) if name == 'six' else (
        seven_joint_robot(CELLS[name]))
    position, speed = tcp_of(robot, motion)
    box = cell.safety.workspace
    inside = np.minimum(position - box.min, box.max - position).min()
    samples = motion.at_many(np.arange(0, int(motion.times_ns[-1]) + step_ns, step_ns)).position
    apart = np.min([robot.distances(q) for q in samples], axis=0) - robot.least_m
    kinds = np.array([pair.reason for pair in robot.pairs])
    return {Reason.TCP_SPEED_LIMIT: cell.safety.tcp_speed_max_m_s - speed.max(),
            Reason.WORKSPACE_LIMIT: inside,
            Reason.KEEP_OUT: apart[kinds == Reason.KEEP_OUT].min(),
            Reason.SELF_COLLISION: apart[kinds == Reason.SELF_COLLISION].min()}


@pytest.mark.parametrize('name', list(CELLS))
class TestAgainstDenseSampling:

    @settings(max_examples=150)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_what_passes_breaks_no_limit_at_any_sample(self, name, seed):
        motion = random_stop(name, seed)
        found = CHECKS[name].check(motion)
        if found is None:
            seen = worst_seen(name, motion, 1_000_000)
            assert min(seen.values()) >= -1e-6, seen
            assert seen[Reason.TCP_SPEED_LIMIT] >= -1e-9
            assert seen[Reason.WORKSPACE_LIMIT] >= -1e-8
        elif found.reason in GEOMETRIC:
            # A refusal is of something that is there.
            seen = worst_seen(name, motion, 200_000)
            assert seen[found.reason] < 1e-4

    @settings(max_examples=150)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_what_is_clear_of_every_limit_passes(self, name, seed):
        motion = random_stop(name, seed)
        seen = worst_seen(name, motion, 2_000_000)
        if min(seen.values()) > 0.003:
            assert CHECKS[name].check(motion) is None
        elif min(seen.values()) < 0.0:
            assert CHECKS[name].check(motion) is not None


@pytest.mark.parametrize('times_ms', [(0, 20, 10, 100), (0, 10, 10, 100), (0, -10, 50, 100)])
def test_a_motion_whose_times_do_not_rise_is_none(times_ms):
    cell = wide_cell()
    at = np.repeat(EXAMPLE_START[None, :], 4, axis=0)
    motion = Trajectory(10**18, cell.robot.joints, np.array(times_ms, dtype=np.int64) * 1_000_000,
                        at, np.zeros_like(at))
    found = Verification(cell, example_robot(cell)).check(motion)
    assert found.reason is Reason.PROPOSAL_TIMES
    assert 'apart' in str(found)
