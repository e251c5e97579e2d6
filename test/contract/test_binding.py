"""A bundle fits a cell, and the binding says how; or everything that keeps them apart is named."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    compare_tensors,
    ContactGuard,
    ImageInput,
    input_tensors,
    output_tensors,
    Shaping,
    Tensor,
    WrenchInput,
)
from physical_ai_bridge.contract.errors import BindingError
from physical_ai_bridge.contract.fields import InvalidFields
from physical_ai_bridge.contract.gripper import Gripper, GripperAction
from physical_ai_bridge.testing.contracts import (
    example_binding,
    example_camera,
    example_cell,
    example_manifest,
    JOINTS,
)
import pytest

TCP_DELTAS = ActionSpec(
    kind='tcp_deltas', horizon=16, period_s=0.05, relative_to='state', translation_frame='base',
    rotation_frame='tcp')


def problems_of(cell=None, manifest=None):
    """Return what keeps the two apart, as 'file: key'."""
    with pytest.raises(BindingError) as raised:
        bind(cell or example_cell(), manifest or example_manifest(),
             cell_path='c.yaml', manifest_path='m.json')
    assert all(problem.found and problem.write for problem in raised.value.problems)
    return {f'{each.where}: {each.key}': each for each in raised.value.problems}


def with_sensors(**changes):
    cell = example_cell()
    return replace(cell, sensors=replace(cell.sensors, **changes))


def with_safety(**changes):
    cell = example_cell()
    return replace(cell, safety=replace(cell.safety, **changes))


def with_observation(**changes):
    manifest = example_manifest()
    return replace(manifest, observation=replace(manifest.observation, **changes))


class TestJoints:

    @given(order=st.permutations(JOINTS))
    def test_may_stand_in_any_order_and_are_put_into_the_models(self, order):
        binding = example_binding(manifest=example_manifest(joints=tuple(order)))
        cell_joints = np.array(JOINTS)
        assert tuple(cell_joints[binding.model_from_cell]) == tuple(order)
        assert tuple(np.array(order)[binding.cell_from_model]) == JOINTS
        assert binding.model_from_cell.dtype == np.int64

    def test_orders_cannot_be_written_to(self):
        with pytest.raises(ValueError, match='read-only'):
            example_binding().model_from_cell[0] = 1

    def test_renamed_says_which_was_meant(self):
        joints = (*JOINTS[:5], 'wrist_three_joint')
        problems = problems_of(manifest=example_manifest(joints=joints))
        assert list(problems) == ['m.json: joints']  # both complaints are about this key
        with pytest.raises(BindingError) as raised:
            bind(example_cell(), example_manifest(joints=joints))
        missing, extra = raised.value.problems
        assert 'wrist_three_joint, which the cell does not have' in missing.found
        assert 'did you mean wrist_3_joint?' in missing.found
        assert "the cell's wrist_3_joint is not among the bundle's" in extra.found

    @pytest.mark.parametrize('joints', [JOINTS[:5], (*JOINTS, 'rail_joint')])
    def test_too_few_or_too_many_are_refused(self, joints):
        assert 'm.json: joints' in problems_of(manifest=example_manifest(joints=joints))


class TestSensors:

    def test_a_camera_that_the_cell_lacks(self):
        manifest = with_observation(images={'wrists': ImageInput(width=64, height=64)})
        problem = problems_of(manifest=manifest)['m.json: observation.images.wrists']
        assert 'did you mean wrist?' in problem.found
        assert 'scene, wrist' in problem.write

    @pytest.mark.parametrize(('encoding', 'channels'), [
        ('mono8', 3), ('rgb8', 1), ('bgr8', 1), ('rgba8', 1), ('bgra8', 1)])
    def test_colour_and_grey_are_not_mixed(self, encoding, channels):
        cell = with_sensors(cameras={'wrist': example_camera('wrist', encoding=encoding)})
        manifest = with_observation(
            images={'wrist': ImageInput(width=64, height=64, channels=channels)})
        problem = problems_of(cell, manifest)['m.json: observation.images.wrist.channels']
        assert encoding in problem.found

    @pytest.mark.parametrize(('encoding', 'channels'), [
        ('mono8', 1), ('rgb8', 3), ('bgra8', 3), ('jpeg', 1), ('jpeg', 3), ('png', 3)])
    def test_what_can_be_decoded_fits(self, encoding, channels):
        kind = 'sensor_msgs/msg/' + (
            'CompressedImage' if encoding in ('jpeg', 'png') else 'Image')
        cell = with_sensors(
            cameras={'wrist': example_camera('wrist', encoding=encoding, type=kind)})
        images = {'wrist': ImageInput(width=64, height=64, channels=channels)}
        example_binding(cell, with_observation(images=images))

    def test_a_wrench_sensor_that_the_cell_lacks(self):
        manifest = with_observation(wrenches={
            'wrist': WrenchInput(rate_hz=50.0), 'foot': WrenchInput(rate_hz=50.0)})
        assert list(problems_of(manifest=manifest)) == ['m.json: observation.wrenches.foot']

    def test_a_camera_that_is_slower_than_the_policy(self):
        cell = with_sensors(cameras={
            'scene': example_camera('scene'), 'wrist': example_camera('wrist', rate_hz=9.0)})
        problem = problems_of(cell)['c.yaml: sensors.cameras.wrist.rate_hz']
        assert problem.found == 'found 9 Hz, but the bundle needs 10 Hz'

    def test_a_wrench_that_is_slower_than_the_history_asked_for(self):
        wrench = replace(example_cell().sensors.wrenches['wrist'], rate_hz=40.0)
        assert list(problems_of(with_sensors(wrenches={'wrist': wrench}))) == [
            'c.yaml: sensors.wrenches.wrist.rate_hz']

    def test_joint_states_that_are_slower_than_the_policy(self):
        joints = replace(example_cell().sensors.joint_states, rate_hz=5.0, max_age_s=1.0)
        assert list(problems_of(with_sensors(joint_states=joints))) == [
            'c.yaml: sensors.joint_states.rate_hz']

    def test_a_max_age_that_no_sample_can_keep(self):
        cell = with_sensors(cameras={
            'scene': example_camera('scene'), 'wrist': example_camera('wrist', max_age_s=0.05)})
        assert list(problems_of(cell)) == ['c.yaml: sensors.cameras.wrist.max_age_s']

    def test_what_the_bundle_does_not_use_may_be_slow(self):
        cell = with_sensors(cameras={
            'wrist': example_camera('wrist'), 'hall': example_camera('hall', rate_hz=1.0)})
        images = {'wrist': ImageInput(width=64, height=64)}
        example_binding(cell, with_observation(images=images))


class TestMotion:

    def test_a_policy_that_is_slower_than_the_proposal_watchdog(self):
        watchdogs = replace(example_cell().safety.watchdogs, proposals_s=0.1)
        problem = problems_of(with_safety(watchdogs=watchdogs))[
            'c.yaml: safety.watchdogs.proposals_s']
        assert 'proposes only every 0.1 s' in problem.found

    def test_proposals_that_are_too_old_before_they_are_made(self):
        assert list(problems_of(with_safety(proposal_max_age_s=0.05))) == [
            'c.yaml: safety.proposal_max_age_s']

    def test_a_chunk_that_ends_before_the_next_one_can_be_executed(self):
        action = replace(example_manifest().action, horizon=6)  # 0.25 s
        cell = with_safety(step_s=0.1)
        assert list(problems_of(cell, example_manifest(action=action))) == [
            'm.json: action.horizon']

    def test_tcp_deltas_on_an_arm_that_cannot_choose_a_pose(self):
        cell = example_cell()
        few = replace(cell.safety, joint_limits={
            name: cell.safety.joint_limits[name] for name in JOINTS[:5]})
        cell = replace(cell, robot=replace(cell.robot, joints=JOINTS[:5]), safety=few)
        problem = problems_of(cell, example_manifest(joints=JOINTS[:5], action=TCP_DELTAS))[
            'm.json: action.kind']
        assert 'the arm has 5 joints' in problem.found

    def test_tcp_deltas_of_a_frame_that_nothing_moves(self):
        cell = example_cell()
        cell = replace(cell, robot=replace(cell.robot, tcp_frame='base_link'))
        assert list(problems_of(cell, example_manifest(action=TCP_DELTAS))) == [
            'm.json: action.kind']
        example_binding(cell)

    def test_relative_actions_need_joint_states_that_the_model_does_not_see(self):
        joints = replace(example_cell().sensors.joint_states, rate_hz=5.0, max_age_s=1.0)
        blind = with_observation(state=False, reference=False)
        cell = with_sensors(joint_states=joints)
        example_binding(cell, blind)
        assert list(problems_of(cell, replace(blind, action=TCP_DELTAS))) == [
            'c.yaml: sensors.joint_states.rate_hz']

    def test_a_guard_that_yields_only_where_the_cell_stops(self):
        manifest = example_manifest()
        shaping = replace(
            manifest.shaping, contact_guard=ContactGuard(sensor='wrist', force_n=90.0))
        assert list(problems_of(manifest=replace(manifest, shaping=shaping))) == [
            'm.json: shaping.contact_guard.force_n']


def test_every_mismatch_is_named_at_once_the_manifests_first():
    cell = with_sensors(
        cameras={'wrist': example_camera('wrist', encoding='mono8', rate_hz=5.0, max_age_s=0.3)})
    cell = replace(cell, safety=replace(
        cell.safety, watchdogs=replace(cell.safety.watchdogs, proposals_s=0.05)))
    manifest = example_manifest(joints=(*JOINTS[:5], 'gripper_joint'))
    assert list(problems_of(cell, manifest)) == [
        'm.json: joints',
        'm.json: observation.images.scene',
        'm.json: observation.images.wrist.channels',
        'c.yaml: sensors.cameras.wrist.rate_hz',
        'c.yaml: safety.watchdogs.proposals_s']


class TestTheModelsRealTensors:

    @pytest.mark.parametrize(('changes', 'width'), [
        ({'kind': 'joint_velocities', 'offset_s': 0.05}, 7),
        ({'kind': 'joint_deltas', 'relative_to': 'state'}, 7),
        ({'kind': 'tcp_deltas', 'relative_to': 'state', 'translation_frame': 'base',
          'rotation_frame': 'base'}, 6)])
    def test_have_the_width_of_the_kind_of_action(self, changes, width):
        manifest = example_manifest(
            joints=(*JOINTS, 'seventh_joint'), shaping=Shaping(lookahead_s=0.14),
            action=ActionSpec(horizon=16, period_s=0.05, **changes))
        assert output_tensors(manifest)['action'] == Tensor('float32', (16, width))

    @pytest.fixture
    def wanted(self):
        return input_tensors(example_manifest(tasks=('insert',)))

    def test_are_fine_when_they_are_the_manifests(self, wanted):
        assert compare_tensors(wanted, dict(wanted), 'model.onnx', 'input') == []
        outputs = output_tensors(example_manifest())
        assert outputs == {'action': Tensor('float32', (16, 6))}
        assert compare_tensors(outputs, dict(outputs), 'model.onnx', 'output') == []

    @pytest.mark.parametrize(('name', 'real', 'said'), [
        ('observation.images.scene', Tensor('uint8', (64, 64, 4)),
         'a 4-channel image where 3 channels are declared'),
        ('observation.images.scene', Tensor('uint8', (3, 64, 64)), 'channels first'),
        ('observation.images.scene', Tensor('float32', (64, 64, 3)), 'float32 [64, 64, 3]'),
        ('observation.state', Tensor('float32', (-1,)), 'left free'),
        ('observation.state', Tensor('float32', (7,)), 'float32 [7]'),
        ('observation.reference', Tensor('float64', (2, 6)), 'float64 [2, 6]'),
        ('task', Tensor('int64', (1,)), 'int64 [1]'),
    ])
    def test_that_differ_say_how(self, wanted, name, real, said):
        [problem] = compare_tensors(wanted, {**wanted, name: real}, 'model.onnx', 'input')
        assert (problem.where, problem.key) == ('model.onnx', name)
        assert said in problem.found
        assert str(wanted[name]) in problem.write

    def test_that_are_missing_or_too_many_are_all_named(self, wanted):
        real = {name: tensor for name, tensor in wanted.items() if name != 'observation.state'}
        real['observation.images.scene'] = Tensor('uint8', (32, 32, 3))
        real['observation.states'] = Tensor('float32', (6,))
        problems = compare_tensors(wanted, real, 'model.onnx', 'input')
        assert [problem.key for problem in problems] == [
            'observation.images.scene', 'observation.state', 'observation.states']
        assert 'it has observation.states' in problems[1].found


def gripping(**changes):
    """Return a cell and a manifest with a gripper, that of the manifest changed."""
    cell = replace(example_cell(), gripper=Gripper(
        joint='finger_joint', unit='m', topic='/gripper_controller/joint_trajectory',
        rate_hz=100.0, min_position=0.0, max_position=0.08, max_velocity=0.1,
        max_acceleration=1.0, max_jerk=20.0))
    action = GripperAction(**{'joint': 'finger_joint', 'unit': 'm', **changes})
    return cell, example_manifest(gripper=action)


def test_a_gripper_is_one_more_column_of_the_action_and_may_be_observed():
    cell, manifest = gripping(observed=True)
    assert bind(cell, manifest).manifest.gripper.observed
    assert output_tensors(manifest)['action'] == Tensor('float32', (16, 7))
    assert input_tensors(manifest)['observation.gripper'] == Tensor('float32', (1,))
    assert 'observation.gripper' not in input_tensors(gripping()[1])


def test_a_bundle_for_the_arm_alone_fits_a_cell_with_a_gripper():
    assert bind(gripping()[0], example_manifest()).manifest.gripper is None


def test_a_bundle_needs_the_gripper_that_it_moves():
    _, manifest = gripping()
    assert 'm.json: gripper' in problems_of(manifest=manifest)


@pytest.mark.parametrize(('key', 'value'), [('joint', 'thumb_joint'), ('unit', 'rad')])
def test_another_gripper_is_named(key, value):
    assert f'm.json: gripper.{key}' in problems_of(*gripping(**{key: value}))


def test_a_gripper_is_none_of_the_arms_joints():
    with pytest.raises(InvalidFields, match=r'gripper\.joint'):
        example_manifest(gripper=GripperAction(joint=JOINTS[0], unit='rad'))
