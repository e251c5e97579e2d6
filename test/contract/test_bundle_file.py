"""A bundle is what was exported, byte for byte, or everything that is wrong with it is named."""

from __future__ import annotations

from dataclasses import replace
import hashlib
import json

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from physical_ai_bridge.contract.bundle import Bundle, Manifest
from physical_ai_bridge.contract.bundle_file import (
    describe_files,
    load_bundle,
    load_manifest,
    write_manifest,
)
from physical_ai_bridge.contract.errors import BundleError
from physical_ai_bridge.testing.contracts import example_manifest
import pytest


@pytest.fixture
def edit(bundle_folder):
    """Return a function that edits the manifest's plain values in place."""
    def apply(change):
        path = bundle_folder / 'manifest.json'
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))
    return apply


@pytest.fixture
def problems_of(bundle_folder):
    """Return a function that gives the bundle's problems, by key or, without one, by file."""
    def problems():
        with pytest.raises(BundleError) as raised:
            load_bundle(bundle_folder)
        assert all(each.where.startswith(str(bundle_folder)) for each in raised.value.problems)
        return {each.key or each.where.rpartition('/')[2]: each for each in raised.value.problems}
    return problems


class TestAGoodBundle:

    def test_is_read_back_as_it_was_written(self, bundle_folder):
        bundle = load_bundle(bundle_folder)
        assert bundle.manifest == example_manifest(files=describe_files(bundle_folder))
        assert bundle.model_path.read_bytes() == b'weights' * 100

    def test_is_known_by_the_sha256_of_its_manifest(self, bundle_folder):
        manifest = (bundle_folder / 'manifest.json').read_bytes()
        assert load_bundle(bundle_folder).digest == hashlib.sha256(manifest).hexdigest()

    def test_may_hold_a_signature_and_files_in_folders(self, bundle_folder):
        (bundle_folder / 'data').mkdir()
        (bundle_folder / 'data' / 'weights.bin').write_bytes(b'1')
        write_manifest(bundle_folder, load_manifest(bundle_folder))
        (bundle_folder / 'model.sig').write_bytes(b'signature')
        assert set(load_bundle(bundle_folder).manifest.files) == {'model.onnx', 'data/weights.bin'}


class TestFilesThatAreNotWhatWasExported:

    def test_a_wrong_sha256(self, bundle_folder, problems_of):
        (bundle_folder / 'model.onnx').write_bytes(b'WEIGHTS' * 100)
        problem = problems_of()['files.model.onnx.sha256']
        assert hashlib.sha256(b'weights' * 100).hexdigest() in problem.found
        assert hashlib.sha256(b'WEIGHTS' * 100).hexdigest() in problem.found

    def test_a_truncated_model(self, bundle_folder, problems_of):
        (bundle_folder / 'model.onnx').write_bytes(b'weights' * 99)
        problem = problems_of()['files.model.onnx.bytes']
        assert 'found 700' in problem.found
        assert 'has 693 bytes: it is cut short' in problem.found

    def test_a_missing_file(self, bundle_folder, problems_of):
        (bundle_folder / 'model.onnx').unlink()
        assert 'does not exist' in problems_of()['files.model.onnx'].found

    def test_a_folder_where_a_file_belongs(self, bundle_folder, problems_of):
        (bundle_folder / 'model.onnx').unlink()
        (bundle_folder / 'model.onnx').mkdir()
        assert 'is not a file' in problems_of()['files.model.onnx'].found

    @pytest.mark.parametrize('name', ['extra.bin', '.hidden', 'data/extra.bin'])
    def test_a_file_that_the_manifest_does_not_list(self, bundle_folder, problems_of, name):
        (bundle_folder / 'data').mkdir()
        (bundle_folder / name).write_bytes(b'1')
        problem = problems_of()[name.rpartition('/')[2]]
        assert 'is not in the files of manifest.json' in problem.found

    @pytest.mark.parametrize('name', [
        '../outside.bin', '/etc/hostname', 'data/../../outside.bin', '..', '.', '', 'data//x',
        './model.onnx', 'data\\x', 'C:x', 'a\0b', 'manifest.json', 'model.sig'])
    def test_a_name_that_leads_elsewhere(self, bundle_folder, edit, problems_of, name):
        (bundle_folder.parent / 'outside.bin').write_bytes(b'weights' * 100)
        edit(lambda values: values['files'].update({name: values['files']['model.onnx']}))
        assert 'found the name' in problems_of()[f'files.{name}'].found

    def test_all_at_once_and_beside_what_is_wrong_in_the_manifest(
            self, bundle_folder, edit, problems_of):
        edit(lambda values: (values.pop('rate_hz'), values['files'].update(
            {'gone.bin': values['files']['model.onnx']})))
        (bundle_folder / 'model.onnx').write_bytes(b'WEIGHTS' * 100)
        (bundle_folder / 'extra.bin').write_bytes(b'1')
        assert list(problems_of()) == [
            'rate_hz', 'files.model.onnx.sha256', 'files.gone.bin', 'extra.bin']

    def test_the_manifest_alone_can_still_be_read(self, bundle_folder):
        (bundle_folder / 'model.onnx').unlink()
        assert load_manifest(bundle_folder).name == 'example'


class TestTheManifest:

    @pytest.mark.parametrize(('change', 'key', 'said'), [
        (lambda m: m.update(rate_hz=0), 'rate_hz', 'above 0 in Hz'),
        (lambda m: m.update(rate_hz=float('nan')), 'rate_hz', 'found nan'),
        (lambda m: m.update(speed=1), 'speed', 'remove it'),
        (lambda m: m.update(schema=2), 'schema', 'write 1'),
        (lambda m: m.update(joints=[]), 'joints', 'each joint once'),
        (lambda m: m.update(joints=['a', 'a']), 'joints', 'each joint once'),
        (lambda m: m['action'].update(kind='joint_torques'), 'action.kind', 'joint_positions'),
        (lambda m: m['action'].update(kind='joint_deltas'), 'action.relative_to',
         'reference, state or previous'),
        (lambda m: m['action'].update(kind='joint_deltas', relative_to='observation'),
         'action.relative_to', 'write reference or state or previous'),
        (lambda m: m['action'].update(relative_to='state'), 'action.relative_to', 'remove it'),
        (lambda m: m['action'].update(
            kind='tcp_deltas', relative_to='state', rotation_frame='tcp'),
         'action.translation_frame', 'base or tcp'),
        (lambda m: m['action'].update(
            kind='tcp_deltas', relative_to='state', translation_frame='base'),
         'action.rotation_frame', 'base or tcp'),
        (lambda m: m['action'].update(
            kind='joint_deltas', relative_to='state', rotation_frame='tcp'),
         'action.rotation_frame', 'belongs to tcp_deltas'),
        (lambda m: m['action'].update(kind='joint_velocities'), 'action.offset_s',
         'at least period_s'),
        (lambda m: m['action'].update(kind='joint_deltas', relative_to='previous'),
         'shaping.lookahead_s', 'slower than the policy says'),
        (lambda m: m.update(tasks=['insert', 'insert']), 'tasks', 'each instruction once'),
        (lambda m: m.update(tasks=['insert', ' ']), 'tasks[1]', 'an instruction in words'),
        (lambda m: m['action'].update(horizon=2), 'action.horizon', 'write one longer'),
        (lambda m: m['action'].update(horizon=16.0), 'action.horizon', 'whole number'),
        (lambda m: m['observation']['images']['scene'].update(channels=4),
         'observation.images.scene.channels', 'write 1 or 3'),
        (lambda m: m['shaping']['contact_guard'].update(sensor='foot'),
         'shaping.contact_guard.sensor', 'observation.wrenches'),
        (lambda m: m['shaping'].update(bandwidth_rad_s=51), 'shaping.bandwidth_rad_s', 'at most'),
        (lambda m: m['files']['model.onnx'].update(sha256='abc'),
         'files.model.onnx.sha256', 'lower-case hex'),
        (lambda m: m['provenance'].update(loss=[1.0, float('inf')]), 'provenance.loss[1]',
         'finite'),
    ])
    def test_names_what_is_wrong(self, edit, problems_of, change, key, said):
        edit(change)
        assert said in str(problems_of()[key])

    @pytest.mark.parametrize('text', [
        '', 'null', '[]', '{}', '{"schema": 1, "schema": 1}', '{"a": ' + '9' * 5000 + '}',
        '[' * 100_000, '{"a": "\\ud800"}', '\ufeff{}', 'NaN', '{"files": {"a": 1}}'])
    def test_that_is_no_manifest_is_refused_in_words(self, bundle_folder, problems_of, text):
        (bundle_folder / 'manifest.json').write_text(text)
        assert problems_of()

    def test_with_a_key_written_twice_names_it(self, bundle_folder, problems_of):
        path = bundle_folder / 'manifest.json'
        path.write_text(path.read_text().replace('"channels": 3', '"channels": 1, "channels": 3'))
        assert 'written twice' in problems_of()['channels'].found

    def test_must_not_be_nested_without_end(self, edit, problems_of):
        deep = []
        for _ in range(100):
            deep = [deep]
        edit(lambda values: values.update(provenance={'deep': deep}))
        assert 'nested too deeply' in problems_of()['manifest.json'].found

    def test_must_be_there(self, bundle_folder, tmp_path):
        (bundle_folder / 'manifest.json').unlink()
        with pytest.raises(BundleError, match='the folder is not a bundle'):
            load_bundle(bundle_folder)
        with pytest.raises(BundleError, match='there is no folder'):
            load_bundle(tmp_path / 'nowhere')

    def test_cannot_ask_for_a_chunk_that_ends_before_the_next_one(self):
        action = replace(example_manifest().action, horizon=4)
        with pytest.raises(ValueError, match='horizon'):
            example_manifest(action=action)


class TestWriting:

    def test_leaves_out_what_the_kind_of_action_does_not_have(self, bundle_folder):
        keys = {'kind', 'horizon', 'period_s', 'offset_s'}
        manifest = load_manifest(bundle_folder)
        path = bundle_folder / 'manifest.json'
        assert set(json.loads(path.read_text())['action']) == keys
        action = replace(manifest.action, kind='joint_deltas', relative_to='state')
        write_manifest(bundle_folder, replace(manifest, action=action))
        assert set(json.loads(path.read_text())['action']) == {*keys, 'relative_to'}
        assert load_bundle(bundle_folder).manifest.action == action

    def test_gives_the_same_bytes_for_the_same_bundle(self, bundle_folder):
        path = bundle_folder / 'manifest.json'
        manifest = load_manifest(bundle_folder)
        first = write_manifest(bundle_folder, replace(manifest, provenance={'b': 1, 'a': [2]}))
        before = path.read_bytes()
        again = write_manifest(bundle_folder, replace(manifest, provenance={'a': (2,), 'b': 1}))
        assert path.read_bytes() == before
        assert first.digest == again.digest == load_bundle(bundle_folder).digest
        assert isinstance(first, Bundle)

    def test_lists_the_files_that_are_there_whatever_the_manifest_said(self, bundle_folder):
        (bundle_folder / 'model.onnx').write_bytes(b'new')
        (bundle_folder / 'weights.bin').write_bytes(b'external')
        bundle = write_manifest(bundle_folder, example_manifest())
        assert load_bundle(bundle_folder) == bundle
        assert bundle.manifest.files['weights.bin'].bytes == len(b'external')

    @pytest.mark.parametrize('loss', [float('nan'), object()])
    def test_what_json_cannot_hold_leaves_the_old_manifest_in_place(self, bundle_folder, loss):
        before = (bundle_folder / 'manifest.json').read_bytes()
        with pytest.raises(BundleError, match='provenance'):
            write_manifest(bundle_folder, example_manifest(provenance={'loss': loss}))
        assert (bundle_folder / 'manifest.json').read_bytes() == before
        load_bundle(bundle_folder)

    def test_is_not_hindered_by_what_a_crash_left(self, bundle_folder):
        (bundle_folder / '.manifest.json.part').write_text('half')
        write_manifest(bundle_folder, load_manifest(bundle_folder))
        load_bundle(bundle_folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0.0, 1.0), length=st.integers(0, 40), text=st.text(max_size=8))
def test_however_a_manifest_is_damaged_the_answer_is_a_bundle_or_a_bundle_error(
        bundle_folder, at, length, text):
    whole = json.dumps({**json.loads((bundle_folder / 'manifest.json').read_text())})
    start = int(at * len(whole))
    damaged = bundle_folder.parent / 'damaged'
    damaged.mkdir(exist_ok=True)
    (damaged / 'model.onnx').write_bytes(b'weights' * 100)
    (damaged / 'manifest.json').write_text(whole[:start] + text + whole[start + length:])
    try:
        assert isinstance(load_bundle(damaged).manifest, Manifest)
    except BundleError as error:
        assert error.problems


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 699), bit=st.integers(0, 7))
def test_not_one_bit_of_the_model_can_change_unseen(bundle_folder, position, bit):
    path = bundle_folder / 'model.onnx'
    good = b'weights' * 100
    bad = bytearray(good)
    bad[position] ^= 1 << bit
    path.write_bytes(bad)
    with pytest.raises(BundleError, match='sha256'):
        load_bundle(bundle_folder)
    path.write_bytes(good)
