"""``check`` says whether a bundle fits a cell, and everything that does not, at once."""

from __future__ import annotations

from dataclasses import replace
import json

from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.bundle import ActionSpec, Tensor
from physical_ai_bridge.contract.bundle_file import load_manifest, write_manifest
from physical_ai_bridge.contract.gripper import GripperAction
from physical_ai_bridge.testing.contracts import example_manifest, JOINTS
import pytest
import yaml

pytest.importorskip('onnxruntime')


@pytest.fixture
def check(cell_file, capfd):
    """Return a function that checks a bundle: exit status, what people read, what machines do."""
    def run(bundle):
        arguments = ['check', '--cell', str(cell_file), '--bundle', str(bundle)]
        status = main(arguments)
        for_people = capfd.readouterr()
        assert main([*arguments, '--json']) == status
        for_machines = capfd.readouterr()
        assert 'Traceback' not in for_people.err + for_machines.err
        return status, ' '.join(for_people.out.split()), json.loads(for_machines.out)
    return run


def keys(answer):
    return [problem['key'] for problem in answer['problems']]


def test_a_bundle_that_fits_is_described_and_exits_0(check, make_bundle):
    status, text, answer = check(make_bundle())
    assert status == 0
    assert text.count('OK ') == 4
    assert 'camera scene 320x240 rgb8 to 64x64x3' in text
    assert 'The bundle fits the cell.' in text
    assert answer['ok'] is True
    assert answer['problems'] == []
    assert [each['name'] for each in answer['checks']] == ['cell', 'bundle', 'binding', 'model']
    assert len(answer['cell']['sha256']) == len(answer['bundle']['sha256']) == 64


def test_what_a_stream_of_setpoints_does_otherwise_is_noted(check, make_bundle, cell_file):
    values = yaml.safe_load(cell_file.read_text())
    values['controller'] |= {
        'interface': 'position_stream', 'topic': '/forward_position_controller/commands',
        'joints': values['robot']['joints']}
    cell_file.write_text(yaml.safe_dump(values))
    status, text, answer = check(make_bundle())
    assert status == 0
    assert 'NOTE cell the controller on /forward_position_controller/commands holds' in text
    assert len(answer['notices']) == 1
    assert 'stops at once, by its own limits' in answer['notices'][0]


def test_what_a_gripper_is_not_checked_for_is_noted(check, make_bundle, cell_file):
    values = yaml.safe_load(cell_file.read_text())
    values['gripper'] = {
        'joint': 'finger_joint', 'unit': 'm', 'topic': '/gripper_controller/joint_trajectory',
        'rate_hz': 100.0, 'min_position': 0.0, 'max_position': 0.08, 'max_velocity': 0.1,
        'max_acceleration': 1.0, 'max_jerk': 20.0}
    cell_file.write_text(yaml.safe_dump(values))
    _, text, answer = check(make_bundle(example_manifest(
        gripper=GripperAction(joint='finger_joint', unit='m'))))
    assert 'gripper finger_joint in m' in text
    assert 'it stands at the neutral position' in answer['notices'][0]


def test_another_joint_order_fits_and_is_said(check, make_bundle):
    status, text, _ = check(make_bundle(example_manifest(joints=JOINTS[::-1])))
    assert status == 0
    assert '6 joints, reordered' in text


class TestTcpDeltas:

    @pytest.fixture
    def bundle(self, make_bundle):
        return make_bundle(example_manifest(tasks=('insert', 'pull'), action=ActionSpec(
            kind='tcp_deltas', horizon=16, period_s=0.05, relative_to='state',
            translation_frame='base', rotation_frame='tcp')))

    def test_say_what_a_row_means(self, check, bundle):
        status, text, answer = check(bundle)
        assert status == 0
        assert ('16 rows of tcp deltas (m in base_link, rad about the axes of tool0) from the '
                'measured joints every 0.05 s') in text
        assert '2 instructions' in text
        assert 'tool0 can be led to a pose in base_link' in text
        assert [each['name'] for each in answer['checks']] == [
            'cell', 'bundle', 'binding', 'kinematics', 'model']

    def test_of_a_frame_that_too_few_joints_move_are_refused(self, check, bundle, cell_file):
        cell_file.write_text(
            cell_file.read_text().replace('tcp_frame: tool0', 'tcp_frame: forearm_link'))
        status, text, answer = check(bundle)
        assert status == 1
        assert keys(answer) == ['robot']
        assert '3 joints of robot.joints move forearm_link' in text

    def test_on_a_robot_description_from_a_topic_are_checked_by_the_node(
            self, check, bundle, cell_file):
        cell_file.write_text(
            cell_file.read_text().replace('../robots/ur5e.urdf', '/robot_description'))
        status, text, answer = check(bundle)
        assert status == 0
        assert 'not checked: the URDF comes from /robot_description' in text
        assert {'name': 'kinematics', 'ok': None} in answer['checks']


def test_the_mistakes_of_both_files_come_at_once(check, make_bundle, cell_file):
    bundle = make_bundle()
    cell_file.write_text(cell_file.read_text().replace('tick_s: 0.1', 'tick_s: -1.0'))
    (bundle / 'model.onnx').write_bytes(b'')
    status, text, answer = check(bundle)
    assert status == 1
    assert keys(answer) == ['safety.watchdogs.tick_s', 'files.model.onnx.bytes']
    assert 'tick_s: found -1.0; write a number above 0 in s' in text
    assert [each['ok'] for each in answer['checks']] == [False, False, None, None]


def test_a_bundle_made_for_other_joints(check, make_bundle):
    bundle = make_bundle(example_manifest(joints=('gripper_joint', *JOINTS[1:])))
    status, _, answer = check(bundle)
    assert status == 1
    assert keys(answer) == ['joints', 'joints']
    assert answer['problems'][0]['where'] == str(bundle / 'manifest.json')


def test_a_model_whose_real_inputs_are_not_the_manifests(check, make_bundle):
    bundle = make_bundle(inputs={
        'observation.images.wrist': Tensor('uint8', (64, 64, 4)),
        'observation.state': Tensor('float32', (7,)),
        'depth': Tensor('float32', (64, 64))})
    status, text, answer = check(bundle)
    assert status == 1
    assert keys(answer) == ['observation.images.wrist', 'observation.state', 'depth']
    assert 'a 4-channel image where 3 channels are declared' in text


def test_a_model_whose_real_output_is_not_the_manifests(check, make_bundle):
    status, _, answer = check(make_bundle(outputs={'actions': Tensor('float32', (16, 6))}))
    assert status == 1
    assert keys(answer) == ['action', 'actions']


def test_a_damaged_model_in_a_bundle_that_was_hashed_after(check, make_bundle):
    bundle = make_bundle()
    model = bundle / 'model.onnx'
    model.write_bytes(model.read_bytes()[:-200])
    write_manifest(bundle, load_manifest(bundle))
    status, _, answer = check(bundle)
    assert status == 1
    assert [each['ok'] for each in answer['checks']] == [True, True, True, False]
    assert str(model) in answer['problems'][0]['where']


def test_a_model_is_not_loaded_before_its_bundle_is_verified(check, make_bundle):
    bundle = make_bundle()
    (bundle / 'unlisted.bin').write_bytes(b'1')
    _, text, answer = check(bundle)
    assert answer['checks'][-1] == {'name': 'model', 'ok': None}
    assert 'not checked' in text


def test_mismatches_of_binding_and_model_and_files_come_together(check, make_bundle):
    manifest = example_manifest()
    observation = replace(manifest.observation, images={
        'hand': manifest.observation.images['wrist']})
    bundle = make_bundle(replace(manifest, rate_hz=8.0, observation=observation),
                         inputs={'observation.state': Tensor('float64', (6,))})
    _, _, answer = check(bundle)
    assert keys(answer) == ['observation.images.hand', 'observation.state']
    (bundle / 'unlisted.bin').write_bytes(b'1')
    _, _, answer = check(bundle)
    assert keys(answer) == ['', 'observation.images.hand']


def test_paths_that_lead_nowhere_are_said_in_words(check, cell_file, tmp_path):
    cell_file.unlink()
    status, text, answer = check(tmp_path / 'nowhere')
    assert status == 1
    assert 'cannot be read: No such file' in text
    assert len(answer['problems']) == 2
