"""A bundle, a teacher file and an address are opened in one way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import numpy as np
from physical_ai_bridge.contract.bundle_file import load_bundle, write_manifest
from physical_ai_bridge.contract.errors import (
    BundleError,
    ContractError,
    EndpointError,
    TeacherError,
)
from physical_ai_bridge.policy.open_policy import open_policy
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.models import write_linear_bundle
from physical_ai_bridge.testing.policy_contract import example_inputs
from physical_ai_bridge.testing.teacher_server import TeacherServer
import pytest

MANIFEST = example_manifest()
INPUTS = example_inputs(MANIFEST)


@pytest.fixture
def bundle(tmp_path) -> Path:
    write_linear_bundle(tmp_path / 'bundle', MANIFEST)
    return tmp_path / 'bundle'


@pytest.fixture
def server() -> Iterator[TeacherServer]:
    with TeacherServer(
            lambda observation: {'actions': np.ones((16, 6))}, metadata={'model': 'm'}) as running:
        yield running


@pytest.fixture
def teacher_file(bundle, server) -> Path:
    path = bundle.parent / 'teacher.yaml'
    path.write_text(f"""
schema: 1
name: our_teacher
endpoint: {server.url}
like: bundle
keys: {{observation.state: observation/state}}
""")
    return path


WORKER = """
import sys
from physical_ai_bridge.policy.open_policy import open_policy
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.policy_contract import example_inputs
with open_policy(sys.argv[1], like=example_manifest()) as opened:
    print(opened.policy.infer(example_inputs(example_manifest())).tobytes().hex())
"""


class TestABundle:

    @pytest.mark.parametrize('kind', [Path, str])
    def test_is_told_by_its_folder(self, bundle, kind):
        with open_policy(kind(bundle)) as opened:
            assert (opened.kind, opened.name) == ('bundle', 'example')
            assert opened.manifest == load_bundle(bundle).manifest
            assert opened.manifest_path == str(bundle / 'manifest.json')
            assert opened.digest == load_bundle(bundle).digest
            chunk = opened.policy.infer(INPUTS)
        assert np.allclose(chunk, INPUTS['observation.reference'][0])

    def test_or_by_its_manifest(self, bundle):
        assert open_policy(bundle / 'manifest.json').kind == 'bundle'

    def test_is_verified_before_it_is_loaded(self, bundle):
        (bundle / 'model.onnx').write_bytes(b'other')
        with pytest.raises(BundleError, match='bytes'):
            open_policy(bundle)

    def test_a_model_is_loaded_when_it_is_first_wanted(self, bundle):
        (bundle / 'model.onnx').write_bytes(b'no model')
        write_manifest(bundle, MANIFEST)
        opened = open_policy(bundle)
        with pytest.raises(BundleError, match='not a whole ONNX model'):
            opened.connect()

    def test_in_a_folder_whose_name_ends_like_a_teacher_files(self, bundle):
        folder = bundle.rename(bundle.with_name('bundle.yaml'))
        assert open_policy(folder).kind == 'bundle'

    def test_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(ContractError, match='there is no folder'):
            open_policy(tmp_path / 'nothing')


class TestATeacherFile:

    def test_is_told_by_its_name(self, teacher_file):
        with open_policy(teacher_file) as opened:
            assert (opened.kind, opened.name) == ('teacher', 'our_teacher')
            assert opened.manifest_path == str(teacher_file)
            assert np.array_equal(opened.policy.infer(INPUTS), np.ones((16, 6), np.float32))

    def test_contacts_nobody_until_it_is_asked(self, teacher_file, server):
        with open_policy(teacher_file) as opened:
            assert opened.manifest.observation == MANIFEST.observation
            assert server.headers == []
            opened.connect()
            assert server.connections == 1

    def test_is_named_by_the_server_too(self, teacher_file, server):
        with open_policy(teacher_file) as first, open_policy(teacher_file) as again:
            assert first.digest == again.digest
        server.metadata = {'model': 'other'}
        with open_policy(teacher_file) as other:
            assert other.digest != first.digest

    def test_that_leads_nowhere_is_told(self, teacher_file, server):
        server.stop()
        with open_policy(teacher_file) as opened, pytest.raises(EndpointError):
            opened.connect()

    def test_with_mistakes_is_told(self, teacher_file):
        teacher_file.write_text('schema: 1\n')
        with pytest.raises(TeacherError, match='endpoint: missing'):
            open_policy(teacher_file)

    def test_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(TeacherError, match='give the path of a teacher file'):
            open_policy(tmp_path / 'teacher.yml')


class TestAnAddress:

    @pytest.mark.parametrize('kind', [Path, str])
    def test_is_like_the_manifest_that_it_is_compared_with(self, server, kind):
        with open_policy(kind(server.url), like=MANIFEST) as opened:
            assert opened.kind == 'teacher'
            assert opened.manifest_path == server.url
            assert opened.manifest.action == MANIFEST.action
            assert np.array_equal(opened.policy.infer(INPUTS), np.ones((16, 6), np.float32))

    def test_is_like_a_bundle_or_a_teacher_file(self, bundle, teacher_file):
        for like in (bundle, str(bundle), teacher_file):
            manifest = open_policy('ws://x:1', like=like).manifest
            assert manifest.observation == MANIFEST.observation

    def test_is_not_like_another_address(self):
        with pytest.raises(TeacherError, match='ws://y:1: is only an address'):
            open_policy('ws://x:1', like='ws://y:1')

    def test_alone_says_too_little(self):
        with pytest.raises(TeacherError, match=r'ws://x:1: is only an address.*teacher file'):
            open_policy('ws://x:1')

    def test_of_a_page_is_refused(self):
        with pytest.raises(TeacherError, match='no WebSocket'):
            open_policy('http://x:1', like=MANIFEST)


@pytest.mark.parametrize('source', ['bundle', 'teacher_file', 'address'])
def test_a_worker_process_opens_it_from_the_same_arguments(source, bundle, teacher_file, server):
    sources = {'bundle': bundle, 'teacher_file': teacher_file, 'address': server.url}
    finished = subprocess.run(
        [sys.executable, '-c', WORKER, str(sources[source])], check=True, capture_output=True,
        text=True)
    with open_policy(sources[source], like=MANIFEST) as opened:
        assert finished.stdout.strip() == opened.policy.infer(INPUTS).tobytes().hex()
