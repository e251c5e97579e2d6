"""A teacher file is a teacher, or everything that is wrong with it is named."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
import re

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle import ActionSpec, Shaping
from physical_ai_bridge.contract.bundle_file import load_manifest
from physical_ai_bridge.contract.errors import Problem, TeacherError
from physical_ai_bridge.contract.teacher import endpoint_complaint, TeacherFile
from physical_ai_bridge.contract.teacher_file import load_teacher, teacher_at
from physical_ai_bridge.testing.contracts import example_cell, example_manifest, JOINTS
import pytest
import yaml

GOOD = """
schema: 1
name: our_teacher_7b
endpoint: ws://teacher.plant.local:8000
api_key_env: TEACHER_API_KEY
timeout_s: 20
like: bundle
keys:
  observation.state: observation/joint_position
  observation.images.wrist: observation/wrist_image_left
images: {layout: chw, width: 320, height: 240}
prompt: insert the connector
actions: {columns: [0, 1, 2, 3, 4, 5], first_row: 2}
"""
INLINE = f"""
schema: 1
name: alone
endpoint: wss://teacher.plant.local/policy
keys: {{observation.state: state}}
joints: [{', '.join(JOINTS)}]
rate_hz: 5.0
observation: {{}}
action: {{kind: joint_velocities, horizon: 16, period_s: 0.1, offset_s: 0.1}}
shaping: {{bandwidth_rad_s: 20.0, lookahead_s: 0.14}}
"""


@pytest.fixture
def write(bundle_folder):
    """Return a function that writes a teacher file beside a bundle: a good one, changed."""
    def path(text: str = GOOD, **changes: object) -> Path:
        values = yaml.safe_load(text)
        values.update(changes)
        file = bundle_folder.parent / 'teacher.yaml'
        file.write_text(yaml.safe_dump(
            {key: value for key, value in values.items() if value != 'left out'},
            sort_keys=False))
        return file
    return path


@pytest.fixture
def problems_of(write):
    def problems(text: str = GOOD, **changes: object) -> dict[str, Problem]:
        with pytest.raises(TeacherError) as raised:
            load_teacher(write(text, **changes))
        return {problem.key: problem for problem in raised.value.problems}
    return problems


class TestAGoodFile:

    def test_gives_a_teacher(self, write, bundle_folder):
        teacher = load_teacher(write())
        assert teacher.name == 'our_teacher_7b'
        assert teacher.endpoint == 'ws://teacher.plant.local:8000'
        assert (teacher.api_key_env, teacher.timeout_s) == ('TEACHER_API_KEY', 20.0)
        assert (teacher.layout, teacher.prompt) == ('chw', 'insert the connector')
        assert (teacher.columns, teacher.first_row) == ((0, 1, 2, 3, 4, 5), 2)
        assert teacher.where == str(bundle_folder.parent / 'teacher.yaml')

    def test_sees_and_returns_what_the_bundle_does(self, write, bundle_folder):
        manifest, student = load_teacher(write()).manifest, load_manifest(bundle_folder)
        assert manifest.name == 'our_teacher_7b'
        assert (manifest.files, manifest.provenance) == ({}, {})
        assert replace(manifest, name=student.name, files=student.files,
                       observation=student.observation) == student

    def test_has_images_of_its_own_size_where_it_sends_them(self, write):
        images = load_teacher(write()).manifest.observation.images
        assert (images['wrist'].width, images['wrist'].height) == (320, 240)
        assert (images['scene'].width, images['scene'].height) == (64, 64)

    def test_keeps_the_bundles_sizes_without_any(self, write):
        images = load_teacher(write(images='left out')).manifest.observation.images
        assert images == example_manifest().observation.images

    def test_may_replace_sections_of_the_bundle(self, write):
        teacher = load_teacher(write(
            rate_hz=5.0, action={'kind': 'joint_positions', 'horizon': 10, 'period_s': 0.1}))
        assert teacher.manifest.rate_hz == 5.0
        assert teacher.manifest.action == ActionSpec(
            kind='joint_positions', horizon=10, period_s=0.1)
        assert teacher.manifest.shaping == example_manifest().shaping

    def test_may_say_everything_itself(self, write):
        teacher = load_teacher(write(INLINE))
        assert teacher.manifest.joints == JOINTS
        assert teacher.manifest.action.kind == 'joint_velocities'
        assert (teacher.layout, teacher.columns, teacher.first_row) == ('hwc', None, None)

    def test_has_the_usual_shaping_where_it_says_none(self, write):
        text = INLINE.replace('joint_velocities', 'joint_positions')
        assert load_teacher(write(text, shaping='left out')).manifest.shaping == Shaping()

    def test_binds_to_a_cell_as_a_bundle_does(self, write):
        teacher = load_teacher(write())
        binding = bind(example_cell(), teacher.manifest, manifest_path=teacher.where)
        assert binding.manifest is teacher.manifest

    def test_may_send_the_instruction_under_another_key(self, write):
        keys = {'observation.state': 'state', 'task': 'instruction'}
        teacher = load_teacher(write(tasks=['insert', 'pull'], prompt='left out', keys=keys))
        assert teacher.prompt_key == 'instruction'

    def test_sends_it_under_prompt_where_it_says_nothing(self, write):
        assert load_teacher(write()).prompt_key == 'prompt'


class TestTheDigest:

    def test_does_not_depend_on_how_the_file_is_written_or_where(self, write):
        text = write().read_text()
        first = load_teacher(write()).digest
        turned = dict(reversed(yaml.safe_load(text).items()))
        path = write()
        path.write_text('# a comment\n' + yaml.safe_dump(turned, sort_keys=False))
        other = path.rename(path.with_name('other.yaml'))
        assert load_teacher(other).digest == first

    @pytest.mark.parametrize('changes', [
        {'name': 'other'}, {'endpoint': 'ws://other:8000'}, {'prompt': 'pull'},
        {'rate_hz': 9.0}, {'actions': {'columns': [5, 4, 3, 2, 1, 0], 'first_row': 2}},
        {'keys': {'observation.state': 'state'}}, {'timeout_s': 21}])
    def test_depends_on_what_it_says(self, write, changes):
        assert load_teacher(write(**changes)).digest != load_teacher(write()).digest


class TestEveryMistakeIsNamed:

    @pytest.mark.parametrize(('endpoint', 'found'), [
        ('http://teacher:8000', 'no WebSocket'), ('teacher:8000', 'no WebSocket'),
        ('ws://', "found 'ws://'"), ('ws://teacher:99999', 'cannot be read'),
        ('ws://teacher:0', 'teacher:0'), ('ws://tea cher', 'tea cher'),
        ('ws://teacher\n.evil.example', 'evil'), ('ws://[::1', 'cannot be read')])
    def test_an_address_that_is_none(self, problems_of, endpoint, found):
        problem = problems_of(endpoint=endpoint)['endpoint']
        assert found in problem.found
        assert 'ws://teacher.local:8000' in problem.write

    @pytest.mark.parametrize('endpoint', [
        'ws://user:sesame@teacher:8000', 'wss://teacher/policy?key=sesame', 'ws://teacher#sesame'])
    def test_an_address_with_a_key_in_it_is_not_repeated(self, problems_of, endpoint):
        problem = problems_of(endpoint=endpoint)['endpoint']
        assert 'sesame' not in str(problem)
        assert 'api_key_env' in problem.write

    def test_a_key_in_the_place_of_its_name_is_not_repeated(self, problems_of):
        problem = problems_of(api_key_env='sk-sesame')['api_key_env']
        assert 'sesame' not in str(problem)
        assert 'never the key itself' in problem.write

    def test_an_input_that_is_none_with_the_one_that_was_meant(self, problems_of):
        problem = problems_of(keys={'observation.images.wrst': 'image'})[
            'keys.observation.images.wrst']
        assert problem.write == 'write observation.images.wrist'

    def test_no_input_at_all(self, problems_of):
        assert 'at least one' in problems_of(keys={})['keys'].write

    @pytest.mark.parametrize('keys', [
        {'observation.state': 'a', 'observation.reference': 'a'},
        {'observation.state': 'prompt'}])
    def test_two_things_under_one_key(self, problems_of, keys):
        assert 'is sent, too' in problems_of(keys=keys)['keys.observation.state'].found

    def test_an_instruction_that_is_not_there(self, problems_of):
        problems = problems_of(prompt='left out', keys={'task': 'prompt'})
        assert 'not an input' in problems['keys.task'].found

    def test_columns_of_another_number(self, problems_of):
        problem = problems_of(actions={'columns': [0, 1, 2]})['actions.columns']
        assert problem.found == 'found 3 columns, the action has 6'
        assert JOINTS[0] in problem.write

    @pytest.mark.parametrize('columns', [[], [0, 0, 1, 2, 3, 4]])
    def test_columns_that_are_none(self, problems_of, columns):
        assert 'once, counted from 0' in problems_of(actions={'columns': columns})[
            'actions.columns'].write

    @pytest.mark.parametrize(('columns', 'key'), [
        ([-1, 0, 1, 2, 3, 4], 'actions.columns[0]'), ([0, 'a'], 'actions.columns[1]'),
        (3, 'actions.columns')])
    def test_a_column_that_is_no_number(self, problems_of, columns, key):
        assert 'a whole number at least 0' in problems_of(
            actions={'columns': columns})[key].write

    def test_half_a_size(self, problems_of):
        assert 'missing' in problems_of(images={'width': 224})['images.height'].found

    @pytest.mark.parametrize('timeout_s', [0.0, -1, 1e9])
    def test_a_time_out_that_is_none(self, problems_of, timeout_s):
        assert 'timeout_s' in problems_of(timeout_s=timeout_s)

    def test_what_neither_the_file_nor_a_bundle_says(self, problems_of):
        problems = problems_of(like='left out')
        assert problems.keys() == {'joints', 'rate_hz', 'observation', 'action'}
        assert 'like' in problems['joints'].write

    def test_a_bundle_that_is_not_there(self, problems_of):
        problem = problems_of(like='elsewhere')['']
        assert 'elsewhere' in problem.where
        assert 'does not exist' in problem.found

    def test_sections_that_do_not_go_together(self, problems_of):
        problems = problems_of(action={'kind': 'joint_positions', 'horizon': 2, 'period_s': 0.05})
        assert 'a chunk of' in problems['action.horizon'].found

    def test_all_of_them_at_once_in_the_order_of_the_file(self, problems_of):
        problems = problems_of(
            name='', endpoint='http://x', timeout_s='30', like='elsewhere', extra=1)
        assert list(problems) == ['name', 'endpoint', 'timeout_s', 'extra', '']

    def test_what_is_no_yaml(self, tmp_path):
        path = tmp_path / 'teacher.yaml'
        path.write_text('a: [')
        with pytest.raises(TeacherError, match='is not YAML'):
            load_teacher(path)
        with pytest.raises(TeacherError, match='give the path of a teacher file'):
            load_teacher(tmp_path / 'none.yaml')


class TestThePage:

    PAGE = Path(__file__).parents[2] / 'docs' / 'teacher.md'

    def test_shows_a_file_that_is_good(self, write, bundle_folder):
        shown, = re.findall(r'```yaml\n(.*?)```', self.PAGE.read_text(encoding='utf-8'), re.DOTALL)
        teacher = load_teacher(write(shown, like='bundle'))
        assert teacher.manifest.observation.images['wrist'].width == 320

    def test_explains_every_key(self):
        text = self.PAGE.read_text(encoding='utf-8')
        explained = set(re.findall(r'`(\w+)`', ''.join(
            line for line in text.splitlines() if line.startswith('| `'))))
        assert {each.name for each in fields(TeacherFile)} <= explained


class TestAnAddressAlone:

    def test_sees_and_returns_what_the_manifest_says(self):
        teacher = teacher_at('ws://teacher:8000', example_manifest())
        assert teacher.name == teacher.manifest.name == 'teacher:8000'
        assert teacher.where == teacher.endpoint == 'ws://teacher:8000'
        assert teacher.manifest.observation == example_manifest().observation
        assert teacher.manifest.files == {}

    def test_is_refused_where_it_is_none(self):
        with pytest.raises(TeacherError, match='no WebSocket'):
            teacher_at('http://teacher:8000', example_manifest())


@given(st.one_of(st.text(), st.text().map('ws://{}'.format)))
def test_whatever_stands_for_an_address_there_is_an_answer(endpoint):
    complaint = endpoint_complaint(endpoint)
    assert complaint is None or len(complaint) == 2
