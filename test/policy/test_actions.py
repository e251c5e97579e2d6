"""What each kind of action means in joints, and what is refused rather than approximated."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle import ActionSpec, Shaping
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.policy.actions import ActionDecoder, kinematics_for
from physical_ai_bridge.policy.kinematics import Pose, TOLERANCE_M, TOLERANCE_RAD
from physical_ai_bridge.policy.reference import SHARE_OF_LIMITS
from physical_ai_bridge.testing.contracts import example_cell, example_manifest, JOINTS
from physical_ai_bridge.testing.robots import (
    EXAMPLE_START,
    example_urdf,
    seven_joint_cell,
    SEVEN_JOINT_START,
    seven_joint_urdf,
)
import pytest
from transforms3d.axangles import axangle2mat, mat2axangle

HORIZON, PERIOD_S = 16, 0.05
SHAPING = Shaping(lookahead_s=0.14)
FRAMES = ('base', 'tcp')
# The forearm in line with the upper arm: the elbow is singular, nothing is further away.
STRETCHED = np.array([0.3, -1.2, 0.0, 0.4, 1.0, 0.1])


def spec(kind: str, **changes: Any) -> ActionSpec:
    return ActionSpec(kind=kind, horizon=HORIZON, period_s=PERIOD_S,
                      offset_s=changes.pop('offset_s', PERIOD_S), **changes)


def tcp_spec(relative_to: str = 'reference', translation: str = 'base', rotation: str = 'base',
             **changes: Any) -> ActionSpec:
    return spec('tcp_deltas', relative_to=relative_to, translation_frame=translation,
                rotation_frame=rotation, **changes)


class Arm:
    """A decoder, with the robot that its actions are for."""

    def __init__(self, action: ActionSpec, *, seven: bool = False,
                 joints: tuple[str, ...] | None = None) -> None:
        cell = seven_joint_cell() if seven else example_cell()
        self.binding: Binding = bind(cell, example_manifest(
            action=action, joints=joints or cell.robot.joints, shaping=SHAPING))
        self.start = SEVEN_JOINT_START if seven else EXAMPLE_START
        self.kinematics = kinematics_for(
            self.binding, seven_joint_urdf if seven else example_urdf)
        self.decoder = ActionDecoder(self.binding, self.kinematics)
        self.limits = limit_arrays(cell)

    def __call__(self, rows: np.ndarray, start: np.ndarray | None = None) -> Any:
        """Decode rows as a model returns them; fewer than the horizon are repeated."""
        rows = np.broadcast_to(np.asarray(rows, np.float32), (HORIZON, np.shape(rows)[-1]))
        return self.decoder.joint_positions(rows, self.start if start is None else start)


def rows(width: int, most: float):
    return arrays(np.float32, (HORIZON, width), elements=st.floats(-most, most, width=32))


class TestJoints:

    @given(rows(6, 1.0))
    def test_positions_are_what_the_rows_say(self, chunk):
        assert np.array_equal(Arm(spec('joint_positions'))(chunk), chunk.astype(np.float64))

    @given(rows(6, 1.0))
    @pytest.mark.parametrize('relative_to', ['reference', 'state'])
    def test_deltas_are_added_to_where_the_robot_was(self, relative_to, chunk):
        arm = Arm(spec('joint_deltas', relative_to=relative_to))
        assert np.array_equal(arm(chunk), arm.start + chunk.astype(np.float64))

    @given(rows(6, 1.0))
    def test_deltas_from_the_row_before_add_up(self, chunk):
        arm = Arm(spec('joint_deltas', relative_to='previous'))
        expected = arm.start.copy()
        for row, decoded in zip(chunk.astype(np.float64), arm(chunk), strict=True):
            expected = expected + row
            assert decoded == pytest.approx(expected, abs=1e-12)

    @given(rows(6, 3.0))
    def test_velocities_add_up_over_their_periods(self, chunk):
        arm = Arm(spec('joint_velocities'))
        expected = arm.start.copy()
        for row, decoded in zip(chunk.astype(np.float64), arm(chunk), strict=True):
            expected = expected + PERIOD_S * row
            assert decoded == pytest.approx(expected, abs=1e-12)

    def test_a_steady_velocity_is_a_straight_line_through_the_observation(self):
        arm = Arm(spec('joint_velocities'))
        steady = np.array([0.1, -0.2, 0.3, 0.0, 0.4, -0.5])
        times = PERIOD_S * np.arange(1, HORIZON + 1)[:, None]
        assert arm(steady[None]) == pytest.approx(arm.start + times * steady, abs=1e-6)

    @pytest.mark.parametrize('action', [
        spec('joint_deltas', relative_to='reference'),
        spec('joint_deltas', relative_to='previous'), spec('joint_velocities')])
    def test_the_models_joint_order_is_put_into_the_cells(self, action):
        straight, turned = Arm(action), Arm(action, joints=JOINTS[::-1])
        chunk = np.linspace(-0.1, 0.1, HORIZON * 6).reshape(HORIZON, 6)
        assert np.array_equal(
            turned(chunk[:, ::-1], turned.start[::-1]), straight(chunk, straight.start))


def expected_pose(origin: Pose, row: np.ndarray, translation: str, rotation: str) -> Pose:
    """Return where a row leads, worked out on 4x4 matrices."""
    vector = row[3:].astype(np.float64)
    angle = np.linalg.norm(vector)
    turn, shift, turned = np.eye(4), np.eye(4), np.eye(4)
    turn[:3, :3] = axangle2mat(vector, angle) if angle else np.eye(3)
    shift[:3, 3] = row[:3]
    turned[:3, :3] = origin.rotation
    turned = turn @ turned if rotation == 'base' else turned @ turn
    if translation == 'base':
        position = (shift @ np.append(origin.translation, 1.0))[:3]
    else:
        position = (origin.homogeneous @ np.append(row[:3], 1.0))[:3]
    return Pose(turned[:3, :3], position)


def check_pose(found: Pose, wanted: Pose) -> None:
    # The chord between two rotations, twice the sine of half their angle: exact for small ones,
    # where an axis is not.
    chord = np.linalg.norm(found.rotation - wanted.rotation) / np.sqrt(2.0)
    assert np.linalg.norm(found.translation - wanted.translation) <= TOLERANCE_M
    assert chord <= TOLERANCE_RAD


@st.composite
def slow_chunks(draw):
    """Draw tcp deltas from one pose: up to 2 cm and 0.1 rad for the first row, and on from it."""
    first = np.array(draw(st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6)))
    first *= np.array([0.01] * 3 + [0.05] * 3)
    return (first * np.linspace(1.0, 4.0, HORIZON)[:, None]).astype(np.float32)


@pytest.mark.parametrize('seven', [False, True], ids=['ur5e', 'seven joints'])
@pytest.mark.parametrize('rotation', FRAMES)
@pytest.mark.parametrize('translation', FRAMES)
class TestTcpDeltas:

    @settings(max_examples=8)
    @given(chunk=slow_chunks())
    def test_the_tcp_gets_to_each_pose_that_counts_from_the_observation(
            self, translation, rotation, seven, chunk):
        arm = Arm(tcp_spec('reference', translation, rotation), seven=seven)
        origin = arm.kinematics.pose(arm.start)
        decoded = arm(chunk)
        assert not isinstance(decoded, Refusal), decoded
        for row, joints in zip(chunk, decoded, strict=True):
            check_pose(arm.kinematics.pose(joints),
                       expected_pose(origin, row, translation, rotation))

    @settings(max_examples=8)
    @given(chunk=slow_chunks())
    def test_the_tcp_gets_to_each_pose_that_counts_from_the_one_before(
            self, translation, rotation, seven, chunk):
        arm = Arm(tcp_spec('previous', translation, rotation), seven=seven)
        origin = arm.kinematics.pose(arm.start)
        chunk = chunk / np.float32(4.0)
        decoded = arm(chunk)
        assert not isinstance(decoded, Refusal), decoded
        for row, joints in zip(chunk, decoded, strict=True):
            origin = expected_pose(origin, row, translation, rotation)
            check_pose(arm.kinematics.pose(joints), origin)


class TestFrames:

    def test_a_translation_in_the_tcp_frame_goes_along_the_tools_own_axis(self):
        arm = Arm(tcp_spec(translation='tcp'))
        here = arm.kinematics.pose(arm.start)
        there = arm.kinematics.pose(arm(np.array([[0.0, 0.0, 0.02, 0.0, 0.0, 0.0]]))[-1])
        assert there.translation - here.translation == pytest.approx(
            0.02 * here.rotation[:, 2], abs=1e-6)
        assert there.rotation == pytest.approx(here.rotation, abs=1e-6)

    @pytest.mark.parametrize(('frame', 'axis'), [('base', [0.0, 0.0, 1.0]), ('tcp', None)])
    def test_a_rotation_turns_about_that_frames_axis_and_the_tcp_stays(self, frame, axis):
        arm = Arm(tcp_spec(rotation=frame))
        here = arm.kinematics.pose(arm.start)
        there = arm.kinematics.pose(arm(np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.1]]))[-1])
        about, angle = mat2axangle(there.rotation @ here.rotation.T)
        axis = here.rotation[:, 2] if axis is None else np.array(axis)
        assert angle * about == pytest.approx(0.1 * axis, abs=1e-6)
        assert there.translation == pytest.approx(here.translation, abs=1e-6)

    def test_steps_in_the_tcp_frame_turn_with_it(self):
        # Forward and turn, 16 times: in the tool's own frame that is an arc, not a line.
        arm = Arm(tcp_spec('previous', 'tcp', 'tcp'))
        here = arm.kinematics.pose(arm.start)
        there = arm.kinematics.pose(arm(np.array([[0.002, 0, 0, 0, 0, np.pi / 2 / HORIZON]]))[-1])
        _, angle = mat2axangle(here.rotation.T @ there.rotation)
        assert angle == pytest.approx(np.pi / 2, abs=1e-4)
        along, across, _ = here.rotation.T @ (there.translation - here.translation)
        radius = 0.002 * HORIZON / (np.pi / 2)
        assert (along, across) == pytest.approx((radius, radius), abs=1.5e-3)


KINDS = {
    'deltas': spec('joint_deltas', relative_to='reference'),
    'steps': spec('joint_deltas', relative_to='previous'),
    'velocities': spec('joint_velocities'),
    'tcp': tcp_spec(), 'tcp in its own frame': tcp_spec('previous', 'tcp', 'tcp')}


@pytest.mark.parametrize('action', KINDS.values(), ids=KINDS)
class TestWhateverTheKind:

    @settings(max_examples=10)
    @given(start=arrays(np.float64, 6, elements=st.floats(-3.0, 3.0)))
    def test_a_chunk_of_zeros_stays_where_the_robot_was_to_the_bit(self, action, start):
        decoded = Arm(action)(np.zeros((1, 6)), start)
        assert np.array_equal(decoded, np.repeat(start[None], HORIZON, axis=0))

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    def test_a_row_that_is_not_finite_refuses_the_chunk(self, action, value):
        chunk = np.zeros((HORIZON, 6))
        chunk[-1, 2] = value
        assert Arm(action)(chunk).reason is Reason.ACTION_MALFORMED

    def test_a_column_after_the_arms_is_left_to_whom_it_belongs(self, action):
        chunk = np.zeros((HORIZON, 7))
        chunk[:, 6] = 1.0
        assert np.array_equal(Arm(action)(chunk), Arm(action)(chunk[:, :6]))


class TestRefusals:

    def test_a_pose_out_of_reach_refuses_the_chunk_and_says_what_is_left(self):
        arm = Arm(tcp_spec())
        outward = arm.kinematics.pose(STRETCHED).translation
        chunk = np.zeros((HORIZON, 6))
        chunk[:, :3] = (0.05 * np.linspace(0, 1, HORIZON)[:, None]
                        * outward / np.linalg.norm(outward))
        refusal = arm(chunk, STRETCHED)
        assert refusal.reason is Reason.ACTION_OUT_OF_REACH
        assert refusal.detail.startswith('row 1 of the chunk leads the tcp to (')
        assert ' mm and ' in refusal.detail

    def test_one_row_out_of_reach_refuses_the_whole_chunk(self):
        arm = Arm(tcp_spec())
        chunk = np.zeros((HORIZON, 6))
        chunk[-1, 0] = 3.0
        assert isinstance(arm(chunk), Refusal)
        assert arm(chunk).detail.startswith(f'row {HORIZON - 1} ')

    def test_a_pose_that_is_too_far_for_the_time_names_the_joints(self):
        refusal = Arm(tcp_spec())(np.array([[0.1, -0.3, 0.0, 0.0, 0.0, 0.0]]))
        assert refusal.reason is Reason.ACTION_TOO_FAST
        assert 'shoulder_pan_joint would have to move by ' in refusal.detail
        assert refusal.detail.endswith('rad (or m), and can by 0.141 in the time there is')

    def test_at_a_position_limit_the_joint_is_named(self):
        arm = Arm(tcp_spec())
        start = arm.start.copy()
        start[0] = arm.limits.position_max[0] - 0.03
        outward = arm.kinematics.pose(start).translation
        round_the_base = np.cross([0.0, 0.0, 1.0], outward / np.linalg.norm(outward))
        chunk = np.zeros((HORIZON, 6))
        chunk[:, :3] = 0.03 * np.linspace(0, 1, HORIZON)[:, None] * round_the_base
        refusal = arm(chunk, start)
        assert refusal.reason is Reason.ACTION_OUT_OF_REACH
        assert refusal.detail.endswith('with shoulder_pan_joint at the limit')

    @settings(max_examples=20)
    @given(chunk=rows(6, 0.5), start=arrays(np.float64, 6, elements=st.floats(-3.0, 3.0)))
    def test_what_is_not_refused_is_reached_within_position_and_velocity_limits(
            self, chunk, start):
        arm = Arm(tcp_spec('previous'))
        chunk *= np.array([0.05] * 3 + [0.2] * 3)
        decoded = arm(chunk, start)
        if isinstance(decoded, Refusal):
            assert decoded.reason in (Reason.ACTION_OUT_OF_REACH, Reason.ACTION_TOO_FAST)
            return
        steps = np.abs(np.diff(decoded, axis=0, prepend=start[None]))
        assert (steps <= SHARE_OF_LIMITS * arm.limits.velocity * PERIOD_S + 1e-12).all()
        origin = arm.kinematics.pose(start)
        for row, joints in zip(chunk, decoded, strict=True):
            origin = expected_pose(origin, row, 'base', 'base')
            check_pose(arm.kinematics.pose(joints), origin)

    @pytest.mark.parametrize('beyond', [0.01, 0.5])
    def test_an_arm_outside_its_limits_is_not_led_back_unasked(self, beyond):
        arm = Arm(tcp_spec())
        start = arm.start.copy()
        start[0] = arm.limits.position_max[0] + beyond
        refusal = arm(np.zeros((1, 6)), start)
        assert refusal.reason is Reason.ACTION_OUT_OF_REACH
        assert refusal.detail.endswith('with shoulder_pan_joint at the limit')

    def test_the_first_row_has_the_time_from_the_observation_on_and_each_other_one_period(self):
        early, late = Arm(tcp_spec(rotation='tcp')), Arm(tcp_spec(rotation='tcp', offset_s=0.2))
        # The last joint turns by 0.4 rad, and can turn by 0.141 in one period.
        at_once = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.4]])
        assert early(at_once).reason is Reason.ACTION_TOO_FAST
        assert late(at_once)[0, 5] == pytest.approx(late.start[5] + 0.4)
        then = np.repeat(at_once, HORIZON, axis=0)
        then[0] = 0.0
        assert late(then).detail.startswith('row 1 ')

    # The shortest steps to these would have a joint move by more than its velocity limit allows,
    # backwards and forwards; in the last, the way within those bounds is barred half-way.
    @pytest.mark.parametrize(('start', 'row'), [
        ([2.54, 0.52, 1.82, -1.45, -2.55, 1.66, 0.72],
         [0.032, 0.008, 0.014, -0.006, 0.118, -0.047]),
        ([1.70, 1.03, 0.09, -2.16, -2.48, 1.22, -0.51],
         [-0.018, 0.037, 0.050, 0.164, 0.176, 0.053]),
        ([1.221, 0.709, -2.745, -1.297, 2.531, 1.093, -1.949],
         [-0.0036, 0.1012, -0.0486, -0.1835, 0.2067, 0.0325])])
    def test_other_joints_make_up_for_one_at_its_velocity_limit(self, start, row):
        arm = Arm(tcp_spec(), seven=True)
        start = np.array(start)
        decoded = arm(np.array([row]), start)
        assert not isinstance(decoded, Refusal), decoded
        most = SHARE_OF_LIMITS * arm.limits.velocity * PERIOD_S
        assert (np.abs(decoded[0] - start) <= most + 1e-12).all()
        check_pose(arm.kinematics.pose(decoded[-1]), expected_pose(
            arm.kinematics.pose(start), np.array(row), 'base', 'base'))

    def test_past_a_wrist_singularity_a_slow_turn_passes_and_a_quick_one_is_refused(self):
        arm = Arm(tcp_spec())
        start = EXAMPLE_START.copy()
        start[4] = -0.02  # wrist 2: its axis 1 and 3 all but in line
        here, there = (arm.kinematics.pose(start + each * np.eye(6)[4]) for each in (0.0, 0.1))
        tilt, _ = mat2axangle(there.rotation @ here.rotation.T)
        # About what is at right angles to all axes of the wrist it can hardly turn.
        lost = np.concatenate((np.zeros(3), np.cross(tilt, here.rotation[:, 2])))
        along = np.linspace(0.0, 1.0, HORIZON)[:, None]
        assert not isinstance(arm(0.01 * along * lost, start), Refusal)
        refusal = arm(0.5 * along * lost, start)
        assert refusal.reason is Reason.ACTION_TOO_FAST
        assert 'wrist_1_joint' in refusal.detail

    @pytest.mark.parametrize('size', [1e6, 1e30, 3e38])
    def test_nonsense_that_is_finite_is_refused_without_an_error(self, size):
        assert isinstance(Arm(tcp_spec())(np.full((1, 6), size)), Refusal)

    def test_tcp_deltas_without_kinematics_are_a_mistake_of_the_caller(self):
        binding = bind(example_cell(), example_manifest(
            action=tcp_spec(), shaping=SHAPING))
        with pytest.raises(ValueError, match='kinematics'):
            ActionDecoder(binding)
