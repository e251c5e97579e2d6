"""A cell file is right, or every mistake in it is named: the file, the key, what to write."""

from __future__ import annotations

import hashlib
from importlib import resources
import json
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell, urdf_path
from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.testing.contracts import JOINTS
import pytest
import yaml

CELLS = Path(str(resources.files('physical_ai_bridge') / 'config' / 'cells'))
SHIPPED = CELLS / 'mujoco_ur5e.yaml'
ELBOW = 'safety.joint_limits.elbow_joint'
NAN = float('nan')


def put(cell, key, value):
    """Write ``value`` at a dotted key."""
    *path, last = key.split('.')
    for step in path:
        cell = cell[step]
    cell[last] = value


def drop(cell, key):
    *path, last = key.split('.')
    for step in path:
        cell = cell[step]
    return cell.pop(last)


def every_key(value, prefix=''):
    """Return every dotted key of a cell."""
    keys = []
    for name, inner in value.items() if isinstance(value, dict) else ():
        keys += [f'{prefix}{name}', *every_key(inner, f'{prefix}{name}.')]
    return keys


@pytest.fixture
def cell(good_cell):
    return json.loads(good_cell)


@pytest.fixture
def problems_of(write_cell):
    """Return a function from a cell to its problems, by key."""
    def problems(cell):
        path = write_cell(cell)
        with pytest.raises(CellError) as raised:
            load_cell(path)
        assert {problem.where for problem in raised.value.problems} == {str(path)}
        assert all(problem.found and problem.write for problem in raised.value.problems)
        return {problem.key: problem for problem in raised.value.problems}
    return problems


class TestAGoodFile:

    def test_gives_a_cell(self, cell, write_cell):
        loaded = load_cell(write_cell(cell))
        assert isinstance(loaded, Cell)
        assert loaded.robot.joints == JOINTS
        assert loaded.safety.joint_limits['elbow_joint'].max_jerk == 100.0
        assert limit_arrays(loaded).acceleration.tolist() == [8.0, 8.0, 8.0, 12.0, 12.0, 12.0]

    def test_the_shipped_one_is_good_and_its_urdf_is_there(self):
        loaded = load_cell(SHIPPED)
        path = urdf_path(loaded, SHIPPED)
        assert path.is_absolute()
        assert path.is_file()

    def test_a_whole_number_will_do_where_a_number_is_asked_for(self, cell, write_cell):
        put(cell, f'{ELBOW}.max_velocity', 3)
        assert load_cell(write_cell(cell)).safety.joint_limits['elbow_joint'].max_velocity == 3.0

    def test_aliases_and_merges_may_spare_writing(self, cell, write_cell):
        put(cell, 'safety.joint_limits', 'HERE')
        limit = ('has_position_limits: false, has_velocity_limits: true, max_velocity: 1.0, '
                 'has_acceleration_limits: true, max_acceleration: 2.0, has_jerk_limits: true, '
                 'max_jerk: 3.0')
        lines = ['joint_limits:',
                 f'    {JOINTS[0]}: &all {{{limit}}}',
                 f'    {JOINTS[1]}: {{<<: *all, max_velocity: 0.5}}',
                 *(f'    {name}: *all' for name in JOINTS[2:])]
        text = yaml.safe_dump(cell).replace('joint_limits: HERE', '\n'.join(lines))
        velocities = limit_arrays(load_cell(write_cell(text))).velocity
        assert velocities.tolist() == [1.0, 0.5, 1.0, 1.0, 1.0, 1.0]

    def test_has_the_digest_of_its_bytes(self, cell, write_cell):
        path = write_cell(cell)
        assert cell_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_may_take_its_robot_from_a_topic(self, cell, write_cell):
        put(cell, 'robot.urdf', '/robot_description')
        path = write_cell(cell)
        assert urdf_path(load_cell(path), path) is None


class TestEveryMistakeIsNamed:

    @pytest.mark.parametrize('key', ['max_acceleration', 'max_jerk', 'max_velocity'])
    def test_a_missing_limit_is_never_guessed(self, cell, problems_of, key):
        drop(cell, f'{ELBOW}.{key}')
        problem = problems_of(cell)[f'{ELBOW}.{key}']
        assert problem.found == 'missing'
        assert 'a number above 0 in rad/s' in problem.write

    @pytest.mark.parametrize('key', [
        'has_acceleration_limits', 'has_jerk_limits', 'has_velocity_limits'])
    def test_a_limit_cannot_be_switched_off(self, cell, problems_of, key):
        put(cell, f'{ELBOW}.{key}', False)
        problem = problems_of(cell)[f'{ELBOW}.{key}']
        assert (problem.found, problem.write) == ('found false', 'write true')

    def test_inverted_limits(self, cell, problems_of):
        put(cell, f'{ELBOW}.min_position', 4.0)
        problem = problems_of(cell)[f'{ELBOW}.min_position']
        assert problem.found == 'found 4 with max_position 3.1415'
        assert 'below max_position' in problem.write

    def test_an_inverted_workspace(self, cell, problems_of):
        put(cell, 'safety.workspace.min', [0.2, 9.0, 0.0])
        assert list(problems_of(cell)) == ['safety.workspace.min']

    @pytest.mark.parametrize('value', [NAN, float('inf'), -float('inf'), 0.0, -1.0, True])
    def test_a_limit_that_is_no_limit(self, cell, problems_of, value):
        put(cell, f'{ELBOW}.max_jerk', value)
        problem = problems_of(cell)[f'{ELBOW}.max_jerk']
        assert problem.found == f'found {str(value).lower()}'
        assert problem.write == 'write a number above 0 in rad/s³'

    def test_an_unknown_key_with_the_one_that_was_meant(self, cell, problems_of):
        put(cell, f'{ELBOW}.max_jrek', drop(cell, f'{ELBOW}.max_jerk'))
        problems = problems_of(cell)
        assert problems[f'{ELBOW}.max_jrek'].found == 'unknown key'
        assert problems[f'{ELBOW}.max_jrek'].write == 'write max_jerk instead'
        assert problems[f'{ELBOW}.max_jerk'].found == 'missing'

    def test_an_unknown_key_that_is_like_no_other(self, cell, problems_of):
        put(cell, 'controller.colour', 'red')
        problem = problems_of(cell)['controller.colour']
        assert 'remove it' in problem.write
        assert 'latency_s' in problem.write

    @pytest.mark.parametrize(('text', 'number'), [
        ('1e3', '1000.0'), ('"5"', '5.0'), ('1_000', '1000.0'), ('010', '10.0')])
    def test_a_number_that_yaml_reads_as_text(self, cell, problems_of, text, number):
        put(cell, f'{ELBOW}.max_jerk', 'HERE')
        problem = problems_of(yaml.safe_dump(cell).replace('HERE', text))[f'{ELBOW}.max_jerk']
        assert f'{number} without quotes is a number' in problem.write

    @pytest.mark.parametrize('text', ['1:30', 'yes', '2020-01-01', '5 rad', '0x10'])
    def test_what_readers_of_yaml_do_not_agree_on_is_text(self, cell, problems_of, text):
        put(cell, f'{ELBOW}.max_jerk', 'HERE')
        problem = problems_of(yaml.safe_dump(cell).replace('HERE', text))[f'{ELBOW}.max_jerk']
        assert problem.found == f'found {text!r}'

    def test_a_key_written_twice(self, cell, problems_of):
        text = yaml.safe_dump(cell) + '\nname: again\n'
        problem = problems_of(text)['name']
        assert 'written twice, on lines' in problem.found

    @pytest.mark.parametrize('key', ['1', '1.5', 'true', '~'])
    def test_a_key_that_is_not_a_text(self, cell, problems_of, key):
        [problem] = problems_of(yaml.safe_dump(cell) + f'\n{key}: 1\n').values()
        assert 'is not a text' in problem.found

    @pytest.mark.parametrize(('key', 'value'), [
        ('schema', True), ('schema', 1.0), (f'{ELBOW}.has_jerk_limits', 1)])
    def test_what_python_only_takes_for_equal(self, cell, problems_of, key, value):
        put(cell, key, value)
        assert list(problems_of(cell)) == [key]

    def test_a_joint_without_limits_and_limits_without_a_joint(self, cell, problems_of):
        limits = drop(cell, ELBOW)
        put(cell, 'safety.joint_limits.ellbow_joint', limits)
        assert list(problems_of(cell)) == ['safety.joint_limits.ellbow_joint', ELBOW]

    def test_a_wrench_sensor_without_force_limits(self, cell, problems_of):
        drop(cell, 'safety.force_limits')
        assert 'safety.force_limits.wrist' in problems_of(cell)

    @pytest.mark.parametrize(('key', 'value', 'found'), [
        ('max_force_n', 200.0, 'found 200, which the sensor, with saturation at 200'),
        ('max_torque_nm', 25.0, 'found 25, which the sensor, with saturation at 20'),
        ('slow_down_force_n', 90.0, 'found 90 with max_force_n 90'),
        ('slow_down_torque_nm', 12.5, 'found 12.5 with max_torque_nm 12')])
    def test_force_limits_that_contradict_each_other(self, cell, problems_of, key, value, found):
        put(cell, f'safety.force_limits.wrist.{key}', value)
        [(where, problem)] = problems_of(cell).items()
        assert where == f'safety.force_limits.wrist.{key}'
        assert problem.found.startswith(found)

    @pytest.mark.parametrize('key', [
        'slow_down_force_n', 'slow_down_torque_nm', 'cutoff_hz', 'tare.force_n', 'tare.torque_nm',
        'saturation.force_n', 'saturation.torque_nm'])
    @pytest.mark.parametrize('value', [0.0, -1.0, NAN, float('inf')])
    def test_a_force_setting_that_is_none(self, cell, problems_of, key, value):
        put(cell, f'safety.force_limits.wrist.{key}', value)
        assert list(problems_of(cell)) == [f'safety.force_limits.wrist.{key}']

    def test_two_sensors_on_one_topic(self, cell, problems_of):
        topic = cell['sensors']['cameras']['scene']['topic']
        put(cell, 'sensors.cameras.wrist.topic', topic)
        problem = problems_of(cell)['sensors.cameras.wrist.topic']
        assert 'cameras.scene has already' in problem.found

    def test_an_encoding_that_the_type_does_not_have(self, cell, problems_of):
        put(cell, 'sensors.cameras.wrist.encoding', 'jpeg')
        assert 'sensors.cameras.wrist.encoding' in problems_of(cell)

    def test_all_of_them_at_once_in_the_order_of_the_file(self, cell, problems_of):
        put(cell, 'name', '')
        put(cell, 'robot.joint', [])
        put(cell, 'sensors.cameras.scene.encoding', 'rgb')
        put(cell, 'sensors.cameras.wrist.width', '320 px')
        put(cell, 'controller.latency_s', NAN)
        put(cell, 'safety.joint_limits.shoulder_lift_joint.min_position', 7.0)
        drop(cell, f'{ELBOW}.max_jerk')
        drop(cell, 'safety.joint_limits.wrist_3_joint')
        put(cell, 'safety.workspace.min', [0.0, 0.0])
        put(cell, 'safety.force_limits.hand', {'max_force_n': 1.0, 'max_torque_nm': 1.0})
        put(cell, 'safety.step_s', 0.01)
        assert list(problems_of(cell)) == [
            'name',
            'robot.joint',
            'sensors.cameras.scene.encoding',
            'sensors.cameras.wrist.width',
            'controller.latency_s',
            'safety.joint_limits.shoulder_lift_joint.min_position',
            f'{ELBOW}.max_jerk',
            'safety.joint_limits.wrist_3_joint',
            'safety.workspace.min',
            'safety.force_limits.hand',
            'safety.step_s']

    def test_but_none_that_only_follows_from_another(self, cell, problems_of):
        # Whether the positions are inverted cannot be told while one of them is unreadable.
        put(cell, f'{ELBOW}.max_position', 'far')
        put(cell, 'robot.joints', ['elbow_joint', 5])
        assert list(problems_of(cell)) == ['robot.joints[1]', f'{ELBOW}.max_position']


class TestTheUrdf:

    def test_must_be_there(self, cell, problems_of):
        put(cell, 'robot.urdf', 'nowhere.urdf')
        assert 'nowhere.urdf' in problems_of(cell)['robot.urdf'].found

    def test_must_be_a_urdf(self, cell, problems_of):
        put(cell, 'robot.urdf', 'cell.yaml')
        assert 'is not XML' in problems_of(cell)['robot.urdf'].found

    def test_must_have_the_joints(self, cell, problems_of):
        joints = [*JOINTS[:5], 'wrist_4_joint']
        put(cell, 'robot.joints', joints)
        limits = cell['safety']['joint_limits']
        limits['wrist_4_joint'] = limits.pop('wrist_3_joint')
        problem = problems_of(cell)['robot.joints']
        assert 'wrist_4_joint is not a joint in robot.urdf' in problem.found
        assert 'write wrist_' in problem.write

    def test_a_fixed_joint_cannot_be_driven(self, cell, problems_of):
        put(cell, 'robot.joints', [*JOINTS[:5], 'flange'])
        assert 'flange is fixed' in problems_of(cell)['robot.joints'].found

    @pytest.mark.parametrize('key', ['base_frame', 'tcp_frame'])
    def test_must_have_the_frames(self, cell, problems_of, key):
        put(cell, f'robot.{key}', 'tool1')
        assert 'tool1 is not a link' in problems_of(cell)[f'robot.{key}'].found

    def test_is_looked_at_even_where_the_rest_is_wrong(self, cell, problems_of):
        put(cell, 'robot.urdf', 'nowhere.urdf')
        drop(cell, 'controller')
        assert {'robot.urdf', 'controller'} <= set(problems_of(cell))


class TestWhatIsNotACellFile:

    @pytest.mark.parametrize('text', [
        '', '# nothing', 'robot: [', 'a: b: c', '- 1', '3', 'null', '{}', '&a [*a]', '&a {b: *a}',
        '!!python/object/apply:os.system [ls]', '? [a]\n: b', '1: 2', 'a: *unknown', '---\n---\n',
        'a: ' + '9' * 5000, '[' * 3000, '\x00', '"\\uD800": 1', '<<: 3', 'a: !!binary x',
        'a0: &a0 [1]\n' + '\n'.join(f'a{i}: &a{i} [{f"*a{i - 1}," * 9}]' for i in range(1, 9))])
    def test_is_refused_in_words(self, problems_of, text):
        assert problems_of(text)

    def test_a_folder_or_nothing_at_all_is_refused_in_words(self, tmp_path):
        for path in (tmp_path, tmp_path / 'nothing.yaml'):
            with pytest.raises(CellError, match='cannot be read'):
                load_cell(path)

    def test_bytes_that_are_no_text_are_refused_in_words(self, tmp_path):
        (tmp_path / 'cell.yaml').write_bytes(b'\xff\xfe\x00')
        with pytest.raises(CellError, match='UTF-8'):
            load_cell(tmp_path / 'cell.yaml')


# Keys that a cell may leave out.
OPTIONAL = {'robot.base_frame', 'robot.tcp_frame', 'sensors.joint_states.topic',
            'sensors.cameras', 'sensors.cameras.scene', 'sensors.cameras.wrist',
            'controller.topic', 'safety.emergency_stop.topic', 'safety.tick_rate_hz',
            'safety.step_s', 'safety.proposal_max_age_s', 'safety.self_collision',
            'safety.self_collision.min_distance_m', 'safety.self_collision.ignore',
            *(f'safety.force_limits.wrist.{key}' for key in (
                'slow_down_force_n', 'slow_down_torque_nm', 'tare', 'saturation', 'cutoff_hz'))}
# Keys that another one refers to: the message is about the one that then dangles.
NAMED_ELSEWHERE = {'sensors.wrenches': 'safety.force_limits.wrist',
                   'sensors.wrenches.wrist': 'safety.force_limits.wrist',
                   'safety.force_limits': 'safety.force_limits.wrist'}


def test_any_key_that_is_left_out_is_named(good_cell, write_cell):
    for key in every_key(json.loads(good_cell)):
        cell = json.loads(good_cell)
        drop(cell, key)
        if key in OPTIONAL:
            load_cell(write_cell(cell))
            continue
        with pytest.raises(CellError) as raised:
            load_cell(write_cell(cell))
        named = [problem.key for problem in raised.value.problems]
        assert named == [NAMED_ELSEWHERE.get(key, key)], key


@given(data=st.data(), junk=st.sampled_from([NAN, {'?': None}, [[]], [None], -NAN, {'': {}}]))
def test_any_key_that_is_spoilt_is_named(good_cell, write_cell, data, junk):
    cell = json.loads(good_cell)
    key = data.draw(st.sampled_from(every_key(cell)))
    put(cell, key, junk)
    with pytest.raises(CellError) as raised:
        load_cell(write_cell(cell))
    assert any(problem.key.startswith(key) for problem in raised.value.problems)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text(max_size=5), inner, max_size=3), max_leaves=5)


@given(data=st.data(), value=ANYTHING)
def test_whatever_stands_at_a_key_the_answer_is_a_cell_or_a_cell_error(
        good_cell, write_cell, data, value):
    cell = json.loads(good_cell)
    put(cell, data.draw(st.sampled_from(every_key(cell))), value)
    try:
        assert isinstance(load_cell(write_cell(cell)), Cell)
    except CellError as error:
        assert error.problems


@given(at=st.floats(0.0, 1.0), length=st.integers(0, 40), text=st.text(max_size=8))
@example(at=0.0, length=0, text='&x ')
@example(at=1.0, length=0, text='\n? !!set {a}\n: 1')
def test_however_a_file_is_damaged_the_answer_is_a_cell_or_a_cell_error(
        good_cell, write_cell, at, length, text):
    whole = yaml.safe_dump(json.loads(good_cell))
    start = int(at * len(whole))
    damaged = whole[:start] + text + whole[start + length:]
    path = write_cell('')
    path.write_bytes(damaged.encode('utf-8', 'surrogatepass'))
    try:
        assert isinstance(load_cell(path), Cell)
    except CellError as error:
        assert error.problems


def test_a_step_that_ends_before_a_proposal_can_begin_is_refused(cell, problems_of):
    """Regression: with latency_s 0.05 and step_s 0.04 every proposal met a plan that braked."""
    put(cell, 'controller.latency_s', 0.05)
    found = problems_of(cell)
    assert list(found) == ['safety.step_s']
    assert 'at least 0.06' in found['safety.step_s'].write


class TestControllerInterface:
    """Which controller executes decides what happens when messages stop."""

    @pytest.fixture
    def stream(self, cell):
        cell['controller'] |= {
            'interface': 'position_stream', 'topic': '/forward_position_controller/commands',
            'joints': cell['robot']['joints'][::-1]}
        return cell

    def test_a_position_stream_has_a_topic_of_its_own_for_plans(self, stream, write_cell):
        controller = load_cell(write_cell(stream)).controller
        assert controller.streams
        assert controller.topic == '/forward_position_controller/commands'
        assert controller.plan_topic == '/verified_trajectory'

    def test_a_trajectory_controller_gets_its_plans_itself(self, cell, write_cell):
        controller = load_cell(write_cell(cell)).controller
        assert not controller.streams
        assert controller.plan_topic == controller.topic

    @pytest.mark.parametrize('interface', ['follow_joint_trajectory', 'gripper_command'])
    def test_an_action_is_refused_with_the_reason(self, cell, problems_of, interface):
        put(cell, 'controller.interface', interface)
        problem = problems_of(cell)['controller.interface']
        assert 'an action goal lives by itself' in problem.found
        assert 'write joint_trajectory' in problem.write

    @pytest.mark.parametrize(('key', 'value', 'write'), [
        ('interface', 'velocity_stream', 'write joint_trajectory or position_stream'),
        ('topic', '/joint_trajectory_controller/joint_trajectory', '/forward_position_controller'),
        ('state_topic', '/joint_trajectory_controller/state', 'remove it'),
        ('rate_hz', 50.0, 'write at least two setpoints a latency'),
        ('joints', ['elbow_joint'], 'in the order of the parameter joints'),
        ('joints', [], 'in the order of the parameter joints'),
    ])
    def test_a_stream_that_cannot_be_is_named(self, stream, problems_of, key, value, write):
        put(stream, f'controller.{key}', value)
        assert write in problems_of(stream)[f'controller.{key}'].write

    def test_a_trajectory_controller_needs_no_order(self, cell, problems_of):
        put(cell, 'controller.joints', cell['robot']['joints'])
        assert 'a trajectory names its joints' in problems_of(cell)['controller.joints'].write


class TestGripper:
    """A gripper has a section of its own, with limits that are never guessed."""

    @pytest.fixture
    def gripping(self, cell):
        cell['gripper'] = {
            'joint': 'finger_joint', 'unit': 'm', 'topic': '/gripper_controller/joint_trajectory',
            'rate_hz': 100.0, 'min_position': 0.0, 'max_position': 0.08, 'max_velocity': 0.1,
            'max_acceleration': 1.0, 'max_jerk': 20.0}
        return cell

    def test_it_is_read(self, gripping, write_cell):
        gripper = load_cell(write_cell(gripping)).gripper
        assert (gripper.joint, gripper.max_position) == ('finger_joint', 0.08)
        assert gripper.plan_topic == gripper.topic

    def test_its_plans_have_a_topic_of_their_own_where_setpoints_are_streamed(
            self, gripping, write_cell):
        gripping['gripper'] |= {'interface': 'position_stream', 'topic': '/gripper/commands'}
        assert load_cell(write_cell(gripping)).gripper.plan_topic == (
            '/verified_gripper_trajectory')

    @pytest.mark.parametrize('key', [
        'joint', 'unit', 'topic', 'rate_hz', 'min_position', 'max_position', 'max_velocity',
        'max_acceleration', 'max_jerk'])
    def test_no_key_is_guessed(self, gripping, problems_of, key):
        drop(gripping, f'gripper.{key}')
        assert problems_of(gripping)[f'gripper.{key}'].found == 'missing'

    @pytest.mark.parametrize(('key', 'value', 'write'), [
        ('joint', 'elbow_joint', 'write it in one of the two places'),
        ('topic', '/joint_trajectory_controller/joint_trajectory', 'controller of the gripper'),
        ('unit', 'mm', 'write m or rad'),
        ('min_position', 0.08, 'write a min_position below max_position'),
        ('max_effort', 5.0, ''),
        ('interface', 'gripper_command', 'write joint_trajectory or position_stream')])
    def test_a_gripper_that_cannot_be_is_named(self, gripping, problems_of, key, value, write):
        put(gripping, f'gripper.{key}', value)
        assert write in problems_of(gripping)[f'gripper.{key}'].write

    def test_a_stream_that_is_too_slow_for_the_latency_is_named(self, gripping, problems_of):
        gripping['gripper'] |= {
            'interface': 'position_stream', 'topic': '/gripper/commands', 'rate_hz': 20.0}
        assert 'two setpoints' in problems_of(gripping)['gripper.rate_hz'].write
