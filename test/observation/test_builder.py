"""Samples in, one observation out: what is built, and how it is aligned in time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    ImageInput,
    input_tensors,
    Manifest,
    Shaping,
    WrenchInput,
)
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation, ObservationBuilder
from physical_ai_bridge.testing.contracts import (
    CAMERAS,
    example_binding,
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


class TestWhatIsBuilt:

    @pytest.mark.parametrize('bundle', [
        example_manifest(), camera_less(), manifest(reference=False), manifest(state=False),
        manifest(images={'wrist': ImageInput(width=400, height=10)}),
        manifest(wrenches={'wrist': WrenchInput(history=1, rate_hz=50.0)}),
        example_manifest(tasks=('insert the plug',), joints=JOINTS[::-1])])
    def test_inputs_are_exactly_those_of_the_manifest(self, bundle):
        inputs = observed(ready(bundle).build(now(405))).inputs
        wanted = input_tensors(bundle)
        assert list(inputs) == list(wanted)
        for name, tensor in wanted.items():
            assert (inputs[name].dtype, inputs[name].shape) == (tensor.dtype, tensor.shape)
            assert inputs[name].flags.c_contiguous

    def test_the_observation_is_as_old_as_the_oldest_of_the_newest_frames(self):
        builder = ready()
        assert builder.newest_stamp_ns() == START + 380 * MS
        observation = observed(builder.build(now(405)))
        assert observation.stamp_ns == START + 380 * MS
        assert observation.ages_s == pytest.approx({
            'observation.images.scene': 0.025, 'observation.images.wrist': 0.015,
            'observation.state': 0.025, 'observation.reference': 0.025,
            'observation.wrench.wrist': 0.025})

    def test_without_cameras_it_is_as_old_as_the_newest_joint_state(self):
        builder = ObservationBuilder(example_binding(manifest=camera_less()))
        assert builder.newest_stamp_ns() is None
        feed(builder)
        builder.push_joint_state(joints(403))
        assert builder.newest_stamp_ns() == START + 403 * MS
        assert observed(builder.build(now(405))).stamp_ns == START + 403 * MS

    def test_one_camera_of_two_makes_no_time(self):
        builder = ObservationBuilder(example_binding())
        builder.push_image('scene', frame(0))
        assert builder.newest_stamp_ns() is None

    def test_the_same_pushes_give_the_same_bits(self):
        first, second = (observed(ready().build(now(405))) for _ in range(2))
        for name, array in first.inputs.items():
            assert array.tobytes() == second.inputs[name].tobytes()
        assert first.ages_s == second.ages_s

    def test_nothing_of_an_observation_changes_later(self):
        builder = ready()
        observation = observed(builder.build(now(405)))
        kept = {name: array.copy() for name, array in observation.inputs.items()}
        builder.push_joint_state(joints(406, REST + 1.0))
        for camera in CAMERAS:
            builder.push_image(camera, frame(406, 200))
        builder.push_wrench('wrist', wrench(406, 1e3))
        observed(builder.build(now(407)))
        for name, array in observation.inputs.items():
            np.testing.assert_array_equal(array, kept[name])
            with pytest.raises(ValueError, match='read-only'):
                array[...] = 0

    def test_what_is_not_in_the_bundle_is_left_aside(self):
        builder = ready()
        assert builder.push_image('overhead', frame(1000)) is None
        builder.push_wrench('base', wrench(10_000))
        observed(builder.build(now(405)))


class TestAlignment:

    @given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.integers(0, 400))
    def test_joints_are_the_newest_not_later_than_the_observation(self, times, frame_ms):
        bundle = example_manifest(shaping=Shaping(), observation=replace(
            example_manifest().observation, wrenches={}))
        builder = ObservationBuilder(example_binding(manifest=bundle))
        for index, at_ms in enumerate(times):
            builder.push_joint_state(joints(at_ms, REST + index))
        for camera in CAMERAS:
            builder.push_image(camera, frame(frame_ms))
        now_ms = max(*times, frame_ms)
        found = builder.build(now(now_ms))
        held = [(at_ms, index) for index, at_ms in enumerate(times) if at_ms <= frame_ms]
        if now_ms - frame_ms > 200:
            refused(found, Reason.IMAGE_STALE)
        elif now_ms - max(times) > 50 or (held and frame_ms - max(held)[0] > 50):
            refused(found, Reason.JOINTS_STALE)
        elif not held:
            refused(found, Reason.JOINTS_MISSING)
        else:
            np.testing.assert_array_equal(
                observed(found).inputs['observation.state'],
                (REST + max(held)[1]).astype(np.float32))

    def test_each_row_of_a_wrench_is_the_newest_at_its_time(self):
        rows = observed(ready().build(now(405))).inputs['observation.wrench.wrist']
        # 8 rows at 50 Hz that end at 380 ms, the time of the older frame.
        np.testing.assert_array_equal(rows[:, 0], np.arange(240, 381, 20))
        np.testing.assert_array_equal(rows[:, :3], -rows[:, 3:])

    def test_rows_before_the_first_wrench_repeat_it(self):
        builder = ObservationBuilder(example_binding())
        for at_ms in range(50, 91, 2):
            builder.push_wrench('wrist', wrench(at_ms, at_ms))
            builder.push_joint_state(joints(at_ms))
        for camera in CAMERAS:
            builder.push_image(camera, frame(90))
        rows = observed(builder.build(now(95))).inputs['observation.wrench.wrist']
        np.testing.assert_array_equal(rows[:, 0], [50, 50, 50, 50, 50, 50, 70, 90])

    @given(st.permutations(list(range(0, 101, 10))))
    def test_the_order_of_arrival_does_not_matter(self, order):
        def build(times: list[int]) -> Observation:
            builder = ObservationBuilder(example_binding())
            for at_ms in times:
                builder.push_joint_state(joints(at_ms, REST + at_ms))
                builder.push_wrench('wrist', wrench(at_ms, at_ms))
                for camera in CAMERAS:
                    builder.push_image(camera, frame(at_ms, at_ms))
            return observed(builder.build(now(105)))

        shuffled, sorted_ = build(order), build(sorted(order))
        for name, array in sorted_.inputs.items():
            np.testing.assert_array_equal(shuffled.inputs[name], array)


class TestReference:

    def test_without_a_command_it_is_where_the_robot_is_at_rest(self):
        reference = observed(ready().build(now(405))).inputs['observation.reference']
        np.testing.assert_array_equal(reference, [REST.astype(np.float32), np.zeros(6)])

    def test_it_is_what_the_command_says_about_the_observation_time(self):
        builder = ready()
        start = START + 370 * MS
        command = Trajectory(start, JOINTS, np.array([0, 20 * MS]),
                             np.array([REST, REST + 0.02]), np.full((2, 6), 1.0))
        assert builder.push_command(command) is None
        reference = observed(builder.build(now(405))).inputs['observation.reference']
        np.testing.assert_allclose(reference[0], REST + 0.01, atol=1e-6)
        np.testing.assert_allclose(reference[1], np.ones(6), atol=1e-6)

    def test_a_command_that_has_not_begun_does_not_count(self):
        builder = ready()
        builder.push_command(hold(381, REST + 9.0))
        reference = observed(builder.build(now(405))).inputs['observation.reference']
        np.testing.assert_array_equal(reference[0], REST.astype(np.float32))

    def test_the_newest_command_that_had_begun_counts(self):
        builder = ready()
        for at_ms, value in ((300, 1.0), (360, 2.0), (390, 3.0)):
            builder.push_command(hold(at_ms, REST + value))
        observation = observed(builder.build(now(405)))
        np.testing.assert_array_equal(
            observation.inputs['observation.reference'][0], (REST + 2.0).astype(np.float32))
        assert observation.ages_s['observation.reference'] == pytest.approx(0.045)

    def test_its_joints_are_found_by_name(self):
        builder = ready(example_manifest(joints=JOINTS[::-1]))
        builder.push_command(hold(300, REST[::-1] + 1.0, JOINTS[::-1]))
        reference = observed(builder.build(now(405))).inputs['observation.reference']
        np.testing.assert_array_equal(reference[0], (REST[::-1] + 1.0).astype(np.float32))

    def test_a_command_of_other_joints_is_refused(self):
        found = ready().push_command(hold(300, REST[:5], JOINTS[:5]))
        assert found.reason is Reason.JOINTS_MISSING
        assert JOINTS[5] in found.detail

    def test_a_command_that_is_not_finite_is_not_shown(self):
        builder = ready()
        builder.push_command(hold(300, REST * np.nan))
        refused(builder.build(now(405)), Reason.JOINTS_MALFORMED)

    def test_commands_are_forgotten_when_time_is_set_back(self):
        builder = ready()
        builder.push_command(hold(300, REST + 1.0))
        builder.push_joint_state(joints(-99_000))
        feed(builder)
        reference = observed(builder.build(now(405))).inputs['observation.reference']
        np.testing.assert_array_equal(reference[0], REST.astype(np.float32))


class TestWhatRelativeActionsCountFrom:

    @staticmethod
    def seeing(relative_to: str, **changes: object) -> ObservationBuilder:
        action = ActionSpec(
            kind='joint_deltas', relative_to=relative_to, horizon=16, period_s=0.05)
        return ready(example_manifest(action=action, shaping=Shaping(lookahead_s=0.14), **changes))

    @pytest.mark.parametrize(('relative_to', 'executed'), [
        ('reference', True), ('previous', True), ('state', False)])
    def test_is_what_the_controller_was_executing_or_what_was_measured(
            self, relative_to, executed):
        builder = self.seeing(relative_to)
        builder.push_command(hold(300, REST + 1.0))
        builder.push_command(hold(390, REST + 2.0))  # after the observation
        anchor = observed(builder.build(now(405))).anchor
        # In full: what is added to a rounded one would not hold still.
        assert np.array_equal(anchor, REST + 1.0 if executed else REST)
        assert not anchor.flags.writeable

    def test_is_where_the_robot_is_before_the_first_command(self):
        assert np.array_equal(observed(self.seeing('reference').build(now(405))).anchor, REST)

    def test_stands_in_the_manifests_joint_order(self):
        builder = self.seeing('reference', joints=JOINTS[::-1])
        builder.push_command(hold(300, REST + 1.0))
        assert np.array_equal(observed(builder.build(now(405))).anchor, REST[::-1] + 1.0)

    def test_is_needed_though_the_model_sees_no_joints(self):
        spec = replace(example_manifest().observation, state=False, reference=False)
        builder = self.seeing('reference', observation=spec)
        observation = observed(builder.build(now(405)))
        assert np.array_equal(observation.anchor, REST)
        assert 'observation.state' not in observation.inputs
        builder.push_joint_state(joints(402, REST * np.nan))
        builder.push_image('scene', frame(404))
        builder.push_image('wrist', frame(404))
        refused(builder.build(now(405)), Reason.JOINTS_MALFORMED)

    def test_is_not_there_where_actions_are_absolute(self):
        assert observed(ready().build(now(405))).anchor is None
