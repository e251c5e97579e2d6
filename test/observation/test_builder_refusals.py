"""No observation without every input: each refusal, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.bundle import (
    Manifest,
)
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample, JointSample
from physical_ai_bridge.observation.builder import Observation, ObservationBuilder
from physical_ai_bridge.testing.contracts import (
    CAMERAS,
    example_binding,
    example_cell,
    example_manifest,
    JOINTS,
)
from physical_ai_bridge.testing.samples import (
    feed,
    frame,
    hold,
    joints,
    MS,
    now,
    ready,
    REST,
    START,
    wrench,
)
import pytest


def manifest(**observation: object) -> Manifest:
    spec = example_manifest().observation
    return example_manifest(observation=replace(spec, **observation))


def camera_less() -> Manifest:
    return manifest(images={})


def observed(found: Observation | Refusal) -> Observation:
    assert isinstance(found, Observation), found
    return found


def refused(found: Observation | Refusal, reason: Reason) -> str:
    assert isinstance(found, Refusal)
    assert found.reason is reason, found
    return found.detail


class TestJointsByName:

    def build(self, sample: JointSample) -> Observation | Refusal:
        builder = ready()
        builder.push_joint_state(sample)
        return builder.build(now(405))

    @given(st.permutations(JOINTS), st.integers(0, 6))
    def test_any_order_and_extra_joints_are_fine(self, names, extra_at):
        names = [*names[:extra_at], 'gripper_joint', *names[extra_at:]]
        value = {**dict(zip(JOINTS, REST, strict=True)), 'gripper_joint': np.nan}
        found = observed(self.build(joints(380, [value[name] for name in names], tuple(names))))
        np.testing.assert_array_equal(
            found.inputs['observation.state'], REST.astype(np.float32))

    def test_the_order_is_the_manifests(self):
        order = (*JOINTS[3:], *JOINTS[:3])
        state = observed(ready(example_manifest(joints=order)).build(now(405))).inputs[
            'observation.state']
        np.testing.assert_array_equal(state, np.roll(REST, 3).astype(np.float32))

    def test_a_missing_joint_is_refused_by_name(self):
        detail = refused(self.build(joints(380, REST[1:], JOINTS[1:])), Reason.JOINTS_MISSING)
        assert detail.startswith(f'a joint state lacks {JOINTS[0]};')

    def test_a_renamed_joint_is_refused_by_name(self):
        names = ('arm_' + JOINTS[0], *JOINTS[1:])
        detail = refused(self.build(joints(380, REST, names)), Reason.JOINTS_MISSING)
        assert f'lacks {JOINTS[0]};' in detail
        assert f'arm_{JOINTS[0]}' in detail

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e300])
    def test_what_is_not_finite_is_refused_by_name(self, value):
        position = REST.copy()
        position[4] = value
        detail = refused(self.build(joints(380, position)), Reason.JOINTS_MALFORMED)
        assert JOINTS[4] in detail
        assert JOINTS[3] not in detail

    def test_what_is_not_finite_is_no_matter_where_it_is_not_used(self):
        position = REST.copy()
        position[4] = np.nan
        observed(self.build(joints(378, position)))

    @pytest.mark.parametrize('count', [0, 5, 7])
    def test_wrong_widths_are_refused(self, count):
        detail = refused(self.build(joints(380, np.zeros(count))), Reason.JOINTS_MALFORMED)
        assert f'6 names and {count} positions' in detail

    def test_a_joint_that_is_named_twice_is_refused(self):
        names = (*JOINTS, JOINTS[2])
        detail = refused(self.build(joints(380, np.zeros(7), names)), Reason.JOINTS_MALFORMED)
        assert f'names {JOINTS[2]} more than once' in detail

    def test_a_grippers_own_joint_states_do_not_disturb(self):
        found = observed(self.build(joints(380, [1.0], ('finger_joint',))))
        np.testing.assert_array_equal(
            found.inputs['observation.state'], REST.astype(np.float32))


def without(part: str) -> ObservationBuilder:
    """Feed everything but one part."""
    builder = ObservationBuilder(example_binding())
    for at_ms in range(0, 401, 2):
        if part != 'joints':
            builder.push_joint_state(joints(at_ms))
        if part != 'wrench':
            builder.push_wrench('wrist', wrench(at_ms))
    for camera in CAMERAS:
        if part != camera:
            builder.push_image(camera, frame(390))
    return builder


class TestWhatIsRefused:

    @pytest.mark.parametrize(('part', 'reason', 'word'), [
        ('scene', Reason.IMAGE_MISSING, '/scene_camera/image_raw'),
        ('wrist', Reason.IMAGE_MISSING, '/wrist_camera/image_raw'),
        ('joints', Reason.JOINTS_MISSING, '/joint_states'),
        ('wrench', Reason.WRENCH_MISSING, '/force_torque_sensor/wrench')])
    def test_an_input_that_never_came(self, part, reason, word):
        assert word in refused(without(part).build(now(405)), reason)

    def test_nothing_at_all(self):
        for bundle, reason in ((example_manifest(), Reason.IMAGE_MISSING),
                               (camera_less(), Reason.JOINTS_MISSING)):
            refused(ObservationBuilder(example_binding(manifest=bundle)).build(now(0)), reason)

    def test_inputs_that_began_after_the_observation(self):
        builder = ObservationBuilder(example_binding())
        for camera in CAMERAS:
            builder.push_image(camera, frame(0))
        builder.push_joint_state(joints(1))
        detail = refused(builder.build(now(2)), Reason.JOINTS_MISSING)
        assert 'came 0.001 s after the observation' in detail
        builder.push_joint_state(joints(0))
        builder.push_wrench('wrist', wrench(1))
        refused(builder.build(now(2)), Reason.WRENCH_MISSING)

    @pytest.mark.parametrize(('stale', 'reason', 'max_age_ms'), [
        ('scene', Reason.IMAGE_STALE, 200), ('wrist', Reason.IMAGE_STALE, 200),
        ('joints', Reason.JOINTS_STALE, 50), ('wrench', Reason.WRENCH_STALE, 50)])
    def test_a_stream_that_is_silent_now(self, stale, reason, max_age_ms):
        cell = example_cell()
        bundle = manifest(max_skew_s=1.0)
        builder = ObservationBuilder(example_binding(cell, bundle))
        frames = {camera: 1000 - max_age_ms if camera == stale else 990 for camera in CAMERAS}
        for at_ms in range(0, 1001, 2):
            if stale != 'joints' or at_ms <= 1000 - max_age_ms:
                builder.push_joint_state(joints(at_ms))
            if stale != 'wrench' or at_ms <= 1000 - max_age_ms:
                builder.push_wrench('wrist', wrench(at_ms))
        for camera, at_ms in frames.items():
            builder.push_image(camera, frame(at_ms))
        observed(builder.build(now(1000)))
        detail = refused(builder.build(now(1000.1)), reason)
        assert f'max_age_s is {max_age_ms / 1000:g}' in detail

    @pytest.mark.parametrize(('gap', 'reason'), [
        ('joints', Reason.JOINTS_STALE), ('wrench', Reason.WRENCH_STALE)])
    def test_a_gap_at_the_observation_time_though_the_stream_is_back(self, gap, reason):
        builder = ObservationBuilder(example_binding())
        for at_ms in range(0, 401, 2):
            if gap != 'joints' or not 300 < at_ms < 390:
                builder.push_joint_state(joints(at_ms))
            if gap != 'wrench' or not 300 < at_ms < 390:
                builder.push_wrench('wrist', wrench(at_ms))
        for camera in CAMERAS:
            builder.push_image(camera, frame(380))
        assert '0.080 s old' in refused(builder.build(now(405)), reason)

    def test_a_gap_in_a_wrench_history(self):
        builder = ObservationBuilder(example_binding())
        for at_ms in range(0, 401, 2):
            builder.push_joint_state(joints(at_ms))
            if not 280 < at_ms < 340:
                builder.push_wrench('wrist', wrench(at_ms))
        for camera in CAMERAS:
            builder.push_image(camera, frame(395))
        detail = refused(builder.build(now(405)), Reason.WRENCH_STALE)
        assert '0.06 s before the observation is 0.055 s old' in detail

    @pytest.mark.parametrize('push', [
        lambda builder, at: builder.push_joint_state(joints(at)),
        lambda builder, at: builder.push_wrench('wrist', wrench(at)),
        lambda builder, at: [builder.push_image(camera, frame(at)) for camera in CAMERAS]])
    def test_a_stamp_from_the_future(self, push: Callable[[ObservationBuilder, float], object]):
        builder = ready()
        builder.push_joint_state(joints(410))
        builder.push_wrench('wrist', wrench(410))
        push(builder, 455)
        observed(builder.build(now(405)))
        push(builder, 455.1)
        assert 'later than now' in refused(builder.build(now(405)), Reason.FROM_THE_FUTURE)

    def test_cameras_that_are_too_far_apart(self):
        builder = ready()
        builder.push_image('wrist', frame(430))
        observed(builder.build(now(440)))
        builder.push_image('wrist', frame(431))
        assert 'camera scene is 0.051 s behind camera wrist' in refused(
            builder.build(now(440)), Reason.IMAGE_SKEWED)

    def test_a_malformed_frame_is_refused_when_it_is_used_and_not_before(self):
        builder = ready()
        assert builder.push_image('scene', replace(frame(390), step=1)) is None
        assert 'step is 1 bytes' in refused(builder.build(now(405)), Reason.IMAGE_MALFORMED)
        builder.push_image('scene', frame(395))
        observed(builder.build(now(405)))

    def test_a_frame_older_than_the_newest_is_dropped_and_said_so(self):
        builder = ready()
        dropped = builder.push_image('scene', frame(370))
        assert dropped.reason is Reason.IMAGE_STALE
        assert '0.010 s older' in dropped.detail
        assert builder.newest_stamp_ns() == START + 380 * MS

    def test_a_grey_jpeg_in_a_colour_bundle(self):
        cell = example_cell()
        scene = replace(cell.sensors.cameras['scene'], encoding='png',
                        type='sensor_msgs/msg/CompressedImage')
        sensors = replace(cell.sensors, cameras={**cell.sensors.cameras, 'scene': scene})
        builder = feed(ObservationBuilder(example_binding(replace(cell, sensors=sensors))))
        file = cv2.imencode('.png', np.zeros((240, 320), np.uint8))[1].tobytes()
        builder.push_image('scene', ImageSample(START + 390 * MS, 'png', 0, 0, 0, file, True))
        assert '1 channel came, the bundle takes 3' in refused(
            builder.build(now(405)), Reason.IMAGE_MALFORMED)

    @pytest.mark.parametrize('value', [np.nan, np.inf, 1e300])
    @pytest.mark.parametrize('at_ms', [240, 380])
    def test_a_wrench_that_is_not_finite_in_any_row(self, value, at_ms):
        builder = ready()
        builder.push_wrench('wrist', wrench(at_ms, value))
        assert 'wrench wrist' in refused(builder.build(now(405)), Reason.WRENCH_MALFORMED)

    def test_a_wrench_that_is_not_finite_is_no_matter_where_it_is_not_used(self):
        builder = ready()
        builder.push_wrench('wrist', wrench(399, np.nan))
        observed(builder.build(now(405)))


class TestTasks:

    def test_a_single_instruction_needs_no_choice(self):
        task = observed(ready(example_manifest(tasks=('insert',))).build(now(405))).inputs['task']
        assert (task.shape, int(task)) == ((), 0)

    def test_of_several_one_must_be_chosen(self):
        builder = ready(example_manifest(tasks=('insert', 'pull')))
        refused(builder.build(now(405)), Reason.TASK_UNKNOWN)
        assert builder.set_task('pull') is None
        assert int(observed(builder.build(now(405))).inputs['task']) == 1

    def test_an_unknown_instruction_ends_the_last_one(self):
        builder = ready(example_manifest(tasks=('insert', 'pull')))
        builder.set_task('pull')
        found = builder.set_task('push')
        assert found.reason is Reason.TASK_UNKNOWN
        assert "'push' is not among the bundle's: 'insert', 'pull'" in found.detail
        assert refused(builder.build(now(405)), Reason.TASK_UNKNOWN) == found.detail

    def test_a_bundle_without_instructions_knows_none(self):
        builder = ready()
        assert builder.set_task('insert').reason is Reason.TASK_UNKNOWN
        assert 'task' not in observed(builder.build(now(405))).inputs


class TestTimeSetBack:

    def test_a_run_that_starts_anew_is_observed_anew(self):
        builder = ready()
        observed(builder.build(now(405)))
        for at_ms in range(-50_000, -49_800, 2):
            builder.push_joint_state(joints(at_ms))
            builder.push_wrench('wrist', wrench(at_ms, 1.0))
        for camera in CAMERAS:
            builder.push_image(camera, frame(-49_810))
        observation = observed(builder.build(now(-49_800)))
        assert observation.stamp_ns == START - 49_810 * MS
        assert (observation.inputs['observation.wrench.wrist'][:, 0] == 1.0).all()

    def test_what_lies_in_the_future_of_a_clock_set_back_is_refused_until_new_frames_come(self):
        builder = ready()
        builder.push_joint_state(joints(-50_000))
        refused(builder.build(now(-50_000)), Reason.FROM_THE_FUTURE)

    def test_clear_forgets_everything(self):
        builder = ready()
        builder.push_command(hold(300, REST + 1.0))
        builder.clear()
        assert builder.newest_stamp_ns() is None
        feed(builder)
        reference = observed(builder.build(now(405))).inputs['observation.reference']
        np.testing.assert_array_equal(reference[0], REST.astype(np.float32))
