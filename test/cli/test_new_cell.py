"""``new-cell`` writes what the integrator's files say, marks the rest, and names every mistake."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
import sys

from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.decisions import DECIDE, FOUND
from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.contract.resources import config_path
import pytest
import yaml

INPUTS = Path(__file__).parent / 'new_cell'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a UR5e's URDF and files, which is the current one."""
    for path in INPUTS.glob('ur_*.yaml'):
        shutil.copy(path, tmp_path)
    shutil.copy(config_path('robots/ur5e.urdf'), tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


CONTROLLERS = ['--controllers', 'ur_controllers.yaml', 'ur_update_rate.yaml']
CHOICE = ['--controller', 'joint_trajectory_controller', '--var', 'tf_prefix=']
LIMITS = ['--joint-limits', 'ur_joint_limits.yaml']
EVERYTHING = ['--urdf', 'ur5e.urdf', *CONTROLLERS, *LIMITS, *CHOICE, '--out', 'cell.yaml']


def new_cell(*words):
    return main(['new-cell', *words])


def written(path='cell.yaml'):
    return yaml.safe_load(Path(path).read_text())


def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


@pytest.fixture
def problems(folder, capsys):
    """Return a function that runs new-cell, which fails, and returns its problems."""
    def run(*words):
        assert new_cell(*words, '--json') == 1
        output = capsys.readouterr()
        assert 'Traceback' not in output.err
        assert not (folder / 'cell.yaml').exists()
        return json.loads(output.out)['problems']
    return run


class TestTheFile:

    def test_has_what_the_inputs_say(self, folder):
        assert new_cell(*EVERYTHING) == 0
        cell = written()
        assert cell['name'] == 'ur5e'
        assert cell['robot'] == {
            'urdf': 'ur5e.urdf', 'base_frame': 'base_link', 'tcp_frame': 'tool0',
            'joints': ['shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
                       'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint']}
        assert cell['controller'] == {
            'topic': '/joint_trajectory_controller/joint_trajectory',
            'state_topic': '/joint_trajectory_controller/controller_state',
            'rate_hz': 500.0, 'latency_s': DECIDE, 'tracking_tolerance_rad': 0.15}
        assert cell['sensors']['joint_states'] == {
            'topic': '/joint_states', 'rate_hz': 500.0, 'max_age_s': DECIDE}
        assert cell['sensors']['wrenches']['wrist'] == {
            'topic': '/force_torque_sensor_broadcaster/wrench', 'frame_id': 'tool0',
            'rate_hz': 500.0, 'max_age_s': DECIDE}
        pan = cell['safety']['joint_limits']['shoulder_pan_joint']
        assert pan['max_position'] == pytest.approx(3.14159265)
        assert pan['max_velocity'] == pytest.approx(1.57079632)
        assert (pan['max_acceleration'], pan['max_jerk']) == (5.0, DECIDE)

    def test_says_beside_each_limit_where_it_comes_from(self, folder):
        assert new_cell(*EVERYTHING) == 0
        limits = [line for line in Path('cell.yaml').read_text().splitlines()
                  if line.strip().startswith(('min_p', 'max_p', 'max_v', 'max_acc', 'max_j'))]
        assert len(limits) == 30
        assert all('  # ' in line and ('URDF' in line or 'ur_joint_limits.yaml' in line)
                   for line in limits)

    def test_is_no_cell_before_its_marks_are_replaced(self, folder, capsys):
        assert new_cell(*EVERYTHING, '--json') == 0
        answer = json.loads(capsys.readouterr().out)
        with pytest.raises(CellError) as raised:
            load_cell(folder / 'cell.yaml')
        assert {problem.found for problem in raised.value.problems} == {FOUND}
        assert [mark['key'] for mark in answer['marks']] == [
            problem.key for problem in raised.value.problems]

    def test_marks_what_no_file_says(self, folder):
        assert new_cell('--urdf', 'ur5e.urdf', '--controllers', 'ur_controllers.yaml',
                        '--controller', 'scaled_joint_trajectory_controller',
                        '--var', 'tf_prefix=', '--out', 'cell.yaml') == 0
        cell = written()
        assert cell['controller']['rate_hz'] == DECIDE
        assert cell['controller']['tracking_tolerance_rad'] == DECIDE
        assert cell['sensors']['cameras'] == cell['safety']['workspace'] == DECIDE
        assert {each['max_acceleration'] for each in cell['safety']['joint_limits'].values()} == {
            DECIDE}
        assert cell['safety']['force_limits']['wrist'] == {
            'max_force_n': DECIDE, 'max_torque_nm': DECIDE}

    def test_never_has_a_wider_limit_than_either_source(self, folder):
        edit('ur_joint_limits.yaml', '!degrees 90.0', '9.0')
        edit('ur_joint_limits.yaml', '!degrees 180.0', '7.5')
        assert new_cell(*EVERYTHING) == 0
        pan = written()['safety']['joint_limits']['shoulder_pan_joint']
        assert pan['max_velocity'] == pytest.approx(3.14159265)
        assert pan['max_position'] == pytest.approx(6.28318530)
        assert 'ur_joint_limits.yaml says 9' in Path('cell.yaml').read_text()

    def test_takes_moveits_velocity_scaling_and_leaves_the_brakes_whole(self, folder, capsys):
        path = Path('ur_joint_limits.yaml')
        path.write_text('default_velocity_scaling_factor: 0.1\n'
                        'default_acceleration_scaling_factor: 0.1\n' + path.read_text())
        assert new_cell(*EVERYTHING) == 0
        pan = written()['safety']['joint_limits']['shoulder_pan_joint']
        assert pan['max_velocity'] == pytest.approx(0.157079632)
        assert pan['max_acceleration'] == 5.0
        assert 'default_acceleration_scaling_factor' in capsys.readouterr().out

    def test_names_the_urdf_from_its_own_folder(self, folder):
        (folder / 'cells').mkdir()
        assert new_cell(*EVERYTHING[:-1], 'cells/cell.yaml') == 0
        assert written('cells/cell.yaml')['robot']['urdf'] == '../ur5e.urdf'

    def test_tells_what_to_change_in_the_controllers_file(self, folder, capsys):
        edit('ur_controllers.yaml', 'interpolate_from_desired_state: true', '')
        assert new_cell(*EVERYTHING) == 0
        text = 'joint_trajectory_controller.interpolate_from_desired_state: write true'
        assert text in capsys.readouterr().out
        assert text in Path('cell.yaml').read_text()

    def test_has_namespaces_in_its_topics(self, folder):
        Path('ns.yaml').write_text(yaml.safe_dump(
            {'/left': yaml.safe_load(Path('ur_controllers.yaml').read_text())}))
        assert new_cell('--urdf', 'ur5e.urdf', '--controllers', 'ns.yaml', *CHOICE,
                        '--out', 'cell.yaml') == 0
        cell = written()
        assert cell['controller']['topic'] == '/left/joint_trajectory_controller/joint_trajectory'
        assert cell['sensors']['joint_states']['topic'] == '/left/joint_states'

    def test_a_joint_without_end_has_no_ends(self, folder):
        edit('ur5e.urdf', '<joint name="wrist_3_joint" type="revolute">',
             '<joint name="wrist_3_joint" type="continuous">')
        assert new_cell('--urdf', 'ur5e.urdf', *CONTROLLERS, *CHOICE, '--out', 'cell.yaml') == 0
        limit = written()['safety']['joint_limits']['wrist_3_joint']
        assert limit['has_position_limits'] is False
        assert 'max_position' not in limit

    @pytest.mark.parametrize('name', ['arm.elbow', 'no', '1.5', 'a: b', 'ellbögen #1'])
    def test_any_name_of_a_joint_is_kept(self, folder, name):
        edit('ur5e.urdf', 'elbow_joint', name)
        edit('ur_controllers.yaml', '      - $(var tf_prefix)elbow_joint\n',
             f'      - {json.dumps(name)}\n')
        assert new_cell('--urdf', 'ur5e.urdf', *CONTROLLERS, *CHOICE, '--out', 'cell.yaml') == 0
        cell = written()
        assert cell['robot']['joints'][2] == name
        assert list(cell['safety']['joint_limits']) == cell['robot']['joints']

    def test_a_comment_never_becomes_a_key(self, folder):
        shutil.copy('ur_joint_limits.yaml', 'a\nschema: 7\u2028name: x.yaml')
        assert new_cell('--urdf', 'ur5e.urdf', *CONTROLLERS, *CHOICE, '--out', 'cell.yaml',
                        '--joint-limits', 'a\nschema: 7\u2028name: x.yaml') == 0
        assert (written()['schema'], written()['name']) == (1, 'ur5e')

    def test_a_tip_that_the_urdf_leaves_open_is_marked(self, folder):
        edit('ur5e.urdf', 'tool0', 'left_tip')
        edit('ur5e.urdf', '</robot>', '<link name="right_tip"/><joint name="right" type="fixed">'
             '<parent link="flange"/><child link="right_tip"/></joint></robot>')
        assert new_cell(*EVERYTHING) == 0
        assert written()['robot']['tcp_frame'] == DECIDE
        assert 'the URDF has left_tip, right_tip' in Path('cell.yaml').read_text().replace(
            '\n  # ', ' ')


BUNDLE = ['--bundle', str(config_path('bundles/ur5e_insertion'))]


@pytest.mark.parametrize('verb', [['check', *BUNDLE], ['demo', *BUNDLE]])
def test_no_verb_runs_while_a_mark_is_left(capsys, verb):
    assert main([*verb, '--cell', str(config_path('cells/ur5e.yaml'))]) == 1
    output = capsys.readouterr()
    text = ' '.join((output.out + output.err).split())
    assert 'Traceback' not in text
    for key in ('controller.latency_s', 'safety.workspace', 'safety.watchdogs.proposals_s'):
        assert f'ur5e.yaml: {key}: found DECIDE, which a person has to replace; write' in text


class TestWriting:

    def test_leaves_a_file_that_is_there(self, folder, capsys):
        Path('cell.yaml').write_text('mine')
        assert new_cell(*EVERYTHING) == 1
        assert Path('cell.yaml').read_text() == 'mine'
        assert 'cell.yaml: is there already' in capsys.readouterr().err

    def test_replaces_it_when_forced_to(self, folder):
        Path('cell.yaml').write_text('mine')
        assert new_cell(*EVERYTHING, '--force') == 0
        assert written()['name'] == 'ur5e'

    def test_leaves_nothing_else_behind(self, folder):
        before = {path.name for path in folder.iterdir()}
        assert new_cell(*EVERYTHING) == 0
        assert {path.name for path in folder.iterdir()} - before == {'cell.yaml'}

    def test_takes_the_robots_name_where_none_is_given(self, folder):
        assert new_cell(*EVERYTHING[:-2]) == 0
        assert Path('ur5e.yaml').is_file()
        edit('ur5e.urdf', '<robot name="ur5e"', '<robot name="../my arm"')
        assert new_cell(*EVERYTHING[:-2]) == 0
        assert written('.._my_arm.yaml')['name'] == '../my arm'

    @pytest.mark.parametrize(('out', 'sentence'), [
        ('.', 'is a folder'), ('nowhere/cell.yaml', 'nowhere: is no folder; make it')])
    def test_says_what_is_wrong_with_the_place(self, folder, capsys, out, sentence):
        assert new_cell(*EVERYTHING[:-1], out) == 1
        assert sentence in capsys.readouterr().err


# What is done to which input; the key of the one problem; a part of what is to be done about it.
MISTAKES = {
    'xacro': ('ur5e.urdf', '<link name="base_link"/>',
              '<xacro:arm xmlns:xacro="http://www.ros.org/wiki/xacro"/>', '', 'xacro'),
    'no XML': ('ur5e.urdf', '</robot>', '', '', 'path of a URDF'),
    'no robot': ('ur5e.urdf', 'robot', 'sdf', '', 'holds <sdf>'),
    'a limit that is no number': (
        'ur5e.urdf', 'lower="-3.141592653589793"', 'lower="-pi"', 'joint elbow_joint', 'finite'),
    'a joint that is not there': (
        'ur_controllers.yaml', ')elbow_joint\n', ')elbow\n', 'joint_trajectory_controller.joints',
        'write elbow_joint'),
    'a joint that is fixed': (
        'ur_controllers.yaml', ')elbow_joint\n', ')flange-tool0\n',
        'joint_trajectory_controller.joints', 'revolute'),
    'a joint twice': (
        'ur_controllers.yaml', ')elbow_joint\n', ')wrist_1_joint\n',
        'joint_trajectory_controller.joints', 'once'),
    'no joints': (
        'ur_controllers.yaml', 'joints: &joints', 'joint: &joints',
        'joint_trajectory_controller.joints', 'names of the joints'),
    'no state': (
        'ur_controllers.yaml', 'state_interfaces: [position, velocity]\n    interp',
        'state_interfaces: [velocity]\n    interp',
        'joint_trajectory_controller.state_interfaces', 'position'),
    'no interpolation': (
        'ur_controllers.yaml', 'constraints:', 'interpolation_method: none\n    constraints:',
        'joint_trajectory_controller.interpolation_method', 'splines'),
    'a sensor without a frame': (
        'ur_controllers.yaml', 'frame_id', 'frame', 'force_torque_sensor_broadcaster.frame_id',
        'the frame in which'),
    'a rate that is none': (
        'ur_update_rate.yaml', '500', 'fast', 'controller_manager.update_rate', 'Hz'),
    'an unsafe tag': (
        'ur_controllers.yaml', 'joints: &joints', 'joints: !!python/name:os.system &joints', '',
        'correct that line'),
    'broken YAML': ('ur_joint_limits.yaml', 'joint_limits:', 'joint_limits: [', '', 'that line'),
    'no joint limits': (
        'ur_joint_limits.yaml', 'joint_limits:', 'limits:', 'joint_limits', 'write it'),
    'a switch without its number': (
        'ur_joint_limits.yaml', 'has_acceleration_limits: true\n    max_acceleration: 5.0',
        'has_acceleration_limits: true', 'joint_limits.shoulder_pan_joint.max_acceleration',
        'above 0'),
    'a number without its switch': (
        'ur_joint_limits.yaml', 'has_velocity_limits: true', '',
        'joint_limits.shoulder_pan_joint.has_velocity_limits', 'write true'),
    'a number that is text': (
        'ur_joint_limits.yaml', 'max_acceleration: 5.0', 'max_acceleration: 5 rad/s2',
        'joint_limits.shoulder_pan_joint.max_acceleration', 'a number'),
    'ends the wrong way round': (
        'ur_joint_limits.yaml', '!degrees -180.0', '!degrees 185.0',
        'joint_limits.shoulder_pan_joint.min_position', 'below max_position'),
    'a scaling factor above 1': (
        'ur_joint_limits.yaml', 'joint_limits:',
        'default_velocity_scaling_factor: 10\njoint_limits:', 'default_velocity_scaling_factor',
        'at most 1'),
}


class TestMistakes:

    @pytest.mark.parametrize('mistake', MISTAKES)
    def test_is_named_with_its_file_its_key_and_what_to_do(self, problems, mistake):
        path, old, new, key, write = MISTAKES[mistake]
        edit(path, old, new)
        found = problems(*EVERYTHING)
        assert found[0]['where'].split(', ')[0 if path != 'ur_update_rate.yaml' else 1] == path
        assert found[0]['key'] == key
        assert write in found[0]['write'] + found[0]['found']
        # One edit of a limit that all joints share is one mistake for each of them.
        assert len(found) in (1, 6)

    def test_in_all_inputs_come_at_once(self, problems):
        edit('ur5e.urdf', 'lower="-3.141592653589793"', 'lower="-pi"')
        edit('ur_controllers.yaml', 'frame_id', 'frame')
        edit('ur_joint_limits.yaml', '5.0', '-5.0')
        found = problems(*EVERYTHING)
        assert {each['where'].split(',')[0] for each in found} == {
            'ur5e.urdf', 'ur_controllers.yaml'}
        edit('ur5e.urdf', 'lower="-pi"', 'lower="-3.1"')
        assert {each['where'].split(',')[0] for each in problems(*EVERYTHING)} == {
            'ur_controllers.yaml', 'ur_joint_limits.yaml'}

    def test_several_controllers_are_listed_and_one_asked_for(self, problems):
        [problem] = problems('--urdf', 'ur5e.urdf', *CONTROLLERS, '--var', 'tf_prefix=')
        assert problem['found'] == 'found 2 joint trajectory controllers'
        assert 'give --controller one of: joint_trajectory_controller (' in problem['write']
        assert 'scaled_joint_trajectory_controller (ur_controllers/' in problem['write']

    @pytest.mark.parametrize(('name', 'found'), [
        ('forward_position_controller', 'which takes no trajectories'),
        ('arm_controller', 'found no joint trajectory controller arm_controller')])
    def test_a_controller_that_cannot_be_driven_is_refused(self, problems, name, found):
        [problem] = problems('--urdf', 'ur5e.urdf', *CONTROLLERS, '--controller', name,
                             '--var', 'tf_prefix=')
        assert found in problem['found']
        assert 'scaled_joint_trajectory_controller' in problem['write']

    def test_without_a_trajectory_controller_it_says_what_is_there(self, problems):
        edit('ur_controllers.yaml', 'JointTrajectoryController', 'Other')
        [problem] = problems('--urdf', 'ur5e.urdf', *CONTROLLERS, '--var', 'tf_prefix=')
        assert 'only forward_position_controller (position_controllers/' in problem['found']

    def test_what_launch_fills_in_is_asked_for(self, problems):
        found = problems('--urdf', 'ur5e.urdf', *CONTROLLERS, *CHOICE[:2])
        assert [each['key'] for each in found] == [
            'joint_trajectory_controller.joints', 'force_torque_sensor_broadcaster.frame_id']
        assert all('--var tf_prefix=' in each['write'] for each in found)

    def test_limits_of_another_robot_are_refused(self, problems):
        shutil.copy(INPUTS / 'panda_joint_limits.yaml', 'other.yaml')
        [problem] = problems('--urdf', 'ur5e.urdf', *CONTROLLERS, *CHOICE,
                             '--joint-limits', 'other.yaml')
        assert problem['found'].startswith('found limits of panda_joint1')

    @pytest.mark.parametrize('option', ['--urdf', '--controllers', '--joint-limits'])
    def test_paths_that_lead_nowhere_are_said_in_words(self, problems, option):
        words = list(EVERYTHING)
        words[words.index(option) + 1] = 'nowhere'
        assert problems(*words)[0]['found'].startswith('cannot be read: No such file')

    def test_an_alias_bomb_is_refused(self, problems):
        rows = ['a0: &a0 {x: 1}'] + [
            f'a{i}: &a{i} {{b: *a{i - 1}, c: *a{i - 1}, d: *a{i - 1}}}' for i in range(1, 30)]
        Path('bomb.yaml').write_text('\n'.join(rows))
        [problem] = problems('--urdf', 'ur5e.urdf', '--controllers', 'bomb.yaml')
        assert 'too large' in problem['found']

    def test_without_ros_the_urdf_is_asked_for(self, folder, capsys, monkeypatch):
        monkeypatch.delitem(
            sys.modules, 'physical_ai_bridge.nodes.robot_description', raising=False)
        monkeypatch.setitem(sys.modules, 'rclpy', None)
        assert new_cell(*CONTROLLERS, *CHOICE) == 1
        assert ('to read it the Python package rclpy of ROS is needed, which is not installed; '
                'give the URDF with --urdf FILE') in capsys.readouterr().err
