"""A teacher's server behind the Policy protocol, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
import logging
from pathlib import Path
import shutil
import socket
import ssl
import subprocess
import sys

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.errors import EndpointError, SetupError
from physical_ai_bridge.contract.gripper import GripperAction
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.teacher import Teacher
from physical_ai_bridge.contract.teacher_file import teacher_at
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.msgpack_numpy import MOST_BYTES
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.remote_policy import MOST_UNANSWERED, RemotePolicy
from physical_ai_bridge.policy.teacher_connection import ServerError
from physical_ai_bridge.testing.contracts import example_manifest, JOINTS
from physical_ai_bridge.testing.policies import GoalPolicy
from physical_ai_bridge.testing.policy_contract import example_inputs, PolicyContract
from physical_ai_bridge.testing.teacher_server import answers_of, Fault, TeacherServer, TRACEBACK
import pytest

MANIFEST = example_manifest(tasks=('insert', 'pull'), files={})
STUDENT = Path(str(resources.files('physical_ai_bridge') / 'config' / 'bundles'
                   / 'ur5e_insertion'))
GOAL = np.arange(6, dtype=np.float32)
INPUTS = example_inputs(MANIFEST)


class Asked:
    """A server, a teacher that leads to it, and a policy that asks it."""

    def __init__(self, server: TeacherServer, teacher: Teacher) -> None:
        self.server = server
        self.teacher = teacher
        self.policy = RemotePolicy(teacher)

    def infer(self) -> np.ndarray:
        return self.policy.infer(example_inputs(self.teacher.manifest))

    def refused(self, match: str, reason: Reason = Reason.ACTION_MALFORMED) -> InferenceError:
        with pytest.raises(InferenceError, match=match) as caught:
            self.infer()
        assert caught.value.refusal.reason is reason
        return caught.value

    def returns(self, actions: object) -> None:
        self.server.answer = lambda observation: {'actions': actions}


@contextmanager
def asked(*, server: dict[str, object] | None = None, **changes: object) -> Iterator[Asked]:
    """Serve a policy that always returns GOAL; ``changes`` are fields of the teacher."""
    with TeacherServer(lambda observation: {}, **(server or {})) as running:
        teacher = replace(teacher_at(running.url, MANIFEST), **changes)
        running.answer = answers_of(GoalPolicy(MANIFEST, GOAL), teacher_at(running.url, MANIFEST))
        each = Asked(running, teacher)
        try:
            yield each
        finally:
            each.policy.close()


@pytest.fixture
def at() -> Iterator[Asked]:
    with asked(timeout_s=20.0) as each:
        yield each


class TestContract(PolicyContract):

    @pytest.fixture
    def policy(self, at) -> RemotePolicy:
        return at.policy


class TestTheStudentAsATeacher:

    @pytest.mark.parametrize('layout', ['hwc', 'chw'])
    def test_gives_the_very_chunks_of_the_local_one(self, layout):
        bundle = load_bundle(STUDENT)
        local = OnnxPolicy(bundle, providers=('cpu',))
        with TeacherServer(lambda observation: {}) as server:
            teacher = replace(teacher_at(server.url, bundle.manifest), layout=layout)
            server.answer = answers_of(OnnxPolicy(bundle, providers=('cpu',)), teacher)
            remote = RemotePolicy(teacher)
            for seed in range(10):
                inputs = example_inputs(bundle.manifest, seed)
                assert remote.infer(inputs).tobytes() == local.infer(inputs).tobytes()
            remote.close()


class TestWhatIsSent:

    def test_is_what_the_keys_list_and_nothing_else(self):
        keys = {'observation.state': 'observation/joint_position',
                'observation.images.wrist': 'observation/wrist_image_left'}
        with asked(keys=keys) as at:
            at.returns(np.zeros((16, 6)))
            at.infer()
            sent, = at.server.observations
        assert sent.keys() == {'observation/joint_position', 'observation/wrist_image_left',
                               'prompt'}
        inputs = example_inputs(MANIFEST)
        assert sent['observation/joint_position'].dtype == np.float32
        assert np.array_equal(sent['observation/joint_position'], inputs['observation.state'])
        assert np.array_equal(
            sent['observation/wrist_image_left'], inputs['observation.images.wrist'])

    def test_the_instruction_goes_out_in_words(self, at):
        at.policy.infer({**INPUTS, 'task': np.array(1, np.int64)})
        assert at.server.observations[0]['prompt'] == 'pull'

    def test_a_prompt_of_the_file_goes_out_whatever_the_task(self):
        with asked(prompt='insert the connector', keys={'task': 'instruction'}) as at:
            at.returns(np.zeros((16, 6)))
            at.infer()
            assert at.server.observations == [{'instruction': 'insert the connector'}]

    def test_a_task_that_is_not_listed_is_not_asked(self, at):
        with pytest.raises(InferenceError, match='lists 2 instructions'):
            at.policy.infer({**INPUTS, 'task': np.array(-1, np.int64)})
        assert at.server.connections == 0

    def test_images_may_go_out_channels_first(self):
        with asked(layout='chw') as at:
            at.returns(np.zeros((16, 6)))
            at.infer()
            image = at.server.observations[0]['observation/scene_image']
        assert np.array_equal(image, INPUTS['observation.images.scene'].transpose(2, 0, 1))


class TestWhatIsTakenOfAReply:

    def test_rows_and_columns_that_the_file_names(self):
        with asked(columns=(6, 4, 2, 0, 1, 3), first_row=2) as at:
            reply = np.arange(40.0 * 8).reshape(40, 8)
            at.returns(reply)
            chunk = at.infer()
        assert chunk.dtype == np.float32
        assert np.array_equal(chunk, reply[2:18][:, [6, 4, 2, 0, 1, 3]])

    def test_a_gripper_has_a_column_behind_the_arms(self):
        manifest = replace(MANIFEST, gripper=GripperAction(
            joint='finger', unit='m', observed=False), tasks=())
        with asked(manifest=manifest, keys={'observation.state': 'observation/state'}) as at:
            at.returns(np.zeros((16, 6)))
            at.refused('6 columns, the manifest 7 .*finger.*actions.columns')
            at.returns(np.full((16, 7), 0.5))
            assert at.infer().shape == (16, 7)

    @pytest.mark.parametrize(('shape', 'match'), [
        ((16, 7), r'7 columns, the manifest 6 .*actions\.columns'),
        ((16, 5), '5 columns'),
        ((17, 6), r'17 rows, the horizon is 16; write in actions\.first_row'),
        ((15, 6), r'15 rows, rows 0 to 15 are wanted; write the action\.horizon'),
        ((0, 6), '0 rows'),
        ((16, 0), '0 columns'),
        ((16,), 'rows and columns'),
        ((1, 16, 6), 'rows and columns'),
    ])
    def test_a_chunk_of_another_shape_is_refused(self, at, shape, match):
        at.returns(np.zeros(shape))
        at.refused(match)

    def test_a_column_that_is_not_there_is_refused(self):
        with asked(columns=(0, 1, 2, 3, 4, 6)) as at:
            at.returns(np.zeros((16, 6)))
            at.refused('column 6, counted from 0')

    def test_too_few_rows_behind_the_first_are_refused(self):
        with asked(first_row=1) as at:
            at.returns(np.zeros((16, 6)))
            at.refused('rows 1 to 16 are wanted')

    @pytest.mark.parametrize('value', [np.nan, np.inf, 1e300])
    def test_what_is_not_finite_is_refused(self, at, value):
        actions = np.zeros((16, 6))
        actions[3, 1] = value
        at.returns(actions)
        at.refused(f'row 3 of the chunk has (nan|inf) for {JOINTS[1]}')

    def test_a_column_that_is_not_taken_may_be_anything(self):
        with asked(columns=(0, 1, 2, 3, 4, 5)) as at:
            at.returns(np.pad(np.zeros((16, 6)), ((0, 0), (0, 1)), constant_values=np.nan))
            assert np.array_equal(at.infer(), np.zeros((16, 6)))

    @pytest.mark.parametrize('actions', [
        [[0.0] * 6] * 16, None, np.zeros((16, 6), bool), np.full((16, 6), 'a')])
    def test_what_is_no_array_of_numbers_is_refused(self, at, actions):
        at.returns(actions)
        at.refused("no array 'actions'|rows and columns")

    def test_a_reply_without_actions_says_what_it_has(self, at):
        at.server.answer = lambda observation: {'action': np.zeros((16, 6))}
        at.refused("no array 'actions'; it has 'server_timing', 'action'")

    def test_a_refused_reply_leaves_the_connection(self, at):
        at.returns(np.zeros((1, 1)))
        at.refused('columns|rows')
        at.returns(np.zeros((16, 6)))
        at.infer()
        assert at.server.connections == 1

    def test_times_are_kept_for_reports(self, at):
        assert at.policy.last_inference_s is None
        at.infer()
        assert at.policy.last_inference_s > 0.0
        assert at.policy.server_timing == {'infer_ms': 1.5}

    @pytest.mark.parametrize(('timing', 'kept'), [
        (None, {}), ('soon', {}), ([1], {}),
        ({'infer_ms': 'long', 'a': np.nan, 'b': [1], 'c': np.float32(2.0)}, {'c': 2.0}),
        ({str(number): number for number in range(100)},
         {str(number): number for number in range(16)})])
    def test_a_timing_that_is_none_is_left_out(self, at, timing, kept):
        at.server.answer = lambda observation: {
            'actions': np.zeros((16, 6)), 'server_timing': timing}
        at.infer()
        assert at.policy.server_timing == kept


class TestAServerThatFails:

    def test_its_traceback_is_told_by_its_last_line(self, at):
        at.server.faults.append(Fault.TRACEBACK)
        error = at.refused("KeyError: 'observation/state'; its whole traceback is in the "
                           "server's own log", Reason.INFERENCE_FAILED)
        assert 'File' not in str(error)
        assert isinstance(error, ServerError)
        assert at.policy.server_traceback == TRACEBACK

    def test_after_it_the_next_observation_is_asked_on_a_new_connection(self, at):
        at.server.faults.append(Fault.TRACEBACK)
        at.refused('KeyError', Reason.INFERENCE_FAILED)
        assert np.array_equal(at.infer()[0], GOAL)
        assert at.server.connections == 2

    def test_what_would_move_a_terminals_cursor_is_not_shown(self, at):
        at.server.traceback = 'a\n\x1b[2J' + 'b' * 500 + '\n\n'
        at.server.faults.append(Fault.TRACEBACK)
        error = at.refused(r'\?\[2Jb+\.\.\.;', Reason.INFERENCE_FAILED)
        assert '\x1b' not in str(error) and len(str(error)) < 500

    @pytest.mark.parametrize(('fault', 'match'), [
        (Fault.MALFORMED, 'is not msgpack'),
        (Fault.NOT_A_MAPPING, 'is a list, not a mapping'),
        (Fault.HUGE, f'is larger than {MOST_BYTES} bytes'),
        (Fault.TEXT_NOT_UTF8, 'breaks the protocol'),
    ])
    def test_a_reply_that_is_none_is_refused(self, at, fault, match):
        at.server.faults.append(fault)
        at.refused(match)
        assert np.array_equal(at.infer()[0], GOAL)

    def test_a_reply_that_nobody_asked_for_ends_it(self, at):
        at.server.faults.append(Fault.TWICE)
        at.infer()
        at.server.wait_until_received()
        with pytest.raises(EndpointError, match='nobody asked for'):
            at.infer()

    def test_a_new_connection_that_ends_instead_of_a_reply_is_refused(self, at):
        at.server.faults.append(Fault.DROP)
        at.refused('closed the connection instead of replying', Reason.INFERENCE_FAILED)
        assert at.server.connections == 1

    def test_one_that_was_used_before_is_opened_once_more(self, at):
        at.infer()
        at.server.faults.append(Fault.DROP)
        assert np.array_equal(at.infer()[0], GOAL)
        assert at.server.connections == 2

    def test_and_if_that_ends_too_it_is_refused(self, at):
        at.infer()
        at.server.faults.extend([Fault.DROP, Fault.DROP])
        at.refused('closed the connection instead of replying', Reason.INFERENCE_FAILED)
        assert at.server.connections == 2


class TestAServerThatIsSlow:

    def test_a_reply_that_does_not_come_is_refused(self):
        with asked(timeout_s=1.0) as at:
            at.server.faults.append(Fault.SILENCE)
            at.refused(r'no whole reply within timeout_s, 1 s', Reason.DEADLINE_MISSED)

    def test_a_late_reply_is_not_taken_for_the_next(self):
        with asked(timeout_s=1.0) as at:
            at.server.faults.append(Fault.SILENCE)
            at.refused('timeout_s', Reason.DEADLINE_MISSED)
            at.server.wait_until_left()
            at.infer()
            assert at.server.connections == 2

    def test_a_server_that_does_not_read_is_given_up(self):
        image = replace(MANIFEST.observation.images['wrist'], width=3000, height=3000)
        manifest = replace(MANIFEST, observation=replace(
            MANIFEST.observation, images={'wrist': image}))
        with asked(timeout_s=1.0, manifest=manifest,
                   keys={'observation.images.wrist': 'image'}) as at:
            at.server.faults.append(Fault.UNREAD)
            at.refused('timeout_s', Reason.DEADLINE_MISSED)


class TestAServerThatNeverAnswers:

    def test_is_given_up(self, at):
        at.server.faults.extend([Fault.DROP] * MOST_UNANSWERED)
        for _ in range(MOST_UNANSWERED - 1):
            at.refused('instead of replying', Reason.INFERENCE_FAILED)
        with pytest.raises(EndpointError, match='3 observations in a row went unanswered'):
            at.infer()

    def test_is_not_one_that_answers_now_and_then(self, at):
        for _ in range(MOST_UNANSWERED):
            at.server.faults.append(Fault.HUGE)
            at.refused('larger', Reason.ACTION_MALFORMED)
            at.infer()


class TestConnecting:

    def test_nothing_is_contacted_before_the_first_observation(self, at):
        assert at.policy.manifest == at.teacher.manifest
        assert at.server.headers == []

    def test_a_connection_that_dropped_between_observations_is_opened_again(self, at):
        at.infer()
        at.server.drop_connections()
        assert np.array_equal(at.infer()[0], GOAL)
        assert at.server.connections == 2

    def test_a_server_that_is_gone_is_told(self, at):
        at.infer()
        at.server.stop()
        with pytest.raises(EndpointError, match='Connection refused; start the'):
            at.infer()

    def test_a_server_that_is_another_teacher_is_refused(self):
        with asked(server={'metadata': {'model': 'pi05'}}) as at:
            at.infer()
            at.server.metadata = {'model': 'pi0'}
            at.server.drop_connections()
            with pytest.raises(EndpointError, match='another teacher'):
                at.infer()

    def test_the_file_and_the_metadata_name_the_teacher(self):
        with asked(server={'metadata': {'model': 'pi05', 'step': 1}}) as at:
            def digest(**changes: object) -> str:
                policy = RemotePolicy(replace(at.teacher, **changes))
                try:
                    return policy.digest
                finally:
                    policy.close()

            first = digest()
            at.server.metadata = {'step': 1, 'model': 'pi05'}
            assert digest() == first
            assert digest(prompt='other') != first
            at.server.metadata = {'step': 2, 'model': 'pi05'}
            assert digest() != first

    def test_where_nobody_listens(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            policy = RemotePolicy(teacher_at(f'ws://127.0.0.1:{taken.getsockname()[1]}', MANIFEST))
            with pytest.raises(EndpointError, match='Connection refused'):
                policy.connect()

    @pytest.mark.parametrize('host', ['nowhere.invalid', 'no..where', 'n' * 100])
    def test_a_host_that_has_no_address(self, host):
        policy = RemotePolicy(teacher_at(f'ws://{host}:8000', MANIFEST))
        with pytest.raises(EndpointError, match='no connection: '):
            policy.connect()

    def test_something_that_does_not_answer(self):
        with socket.create_server(('127.0.0.1', 0)) as mute:
            teacher = teacher_at(f'ws://127.0.0.1:{mute.getsockname()[1]}', MANIFEST)
            with pytest.raises(EndpointError, match=r'no connection within 0\.1 s'):
                RemotePolicy(replace(teacher, timeout_s=0.1)).connect()

    def test_a_server_that_is_no_policy_server(self):
        with asked() as at:
            teacher = replace(at.teacher, endpoint=f'{at.server.url}/healthz')
            with pytest.raises(EndpointError, match='status 200; correct endpoint'):
                RemotePolicy(teacher).connect()

    @pytest.mark.parametrize(('fault', 'match'), [
        (Fault.TRACEBACK, "server failed: KeyError: 'observation/state'"),
        (Fault.DROP, 'closed the connection at once'),
        (Fault.MALFORMED, 'first message is not msgpack'),
        (Fault.NOT_A_MAPPING, 'first message is a list'),
        (Fault.SILENCE, 'says nothing of itself within 1 s'),
    ])
    def test_a_greeting_that_is_none(self, fault, match):
        with asked(timeout_s=1.0 if fault is Fault.SILENCE else 20.0) as at:
            at.server.greetings.append(fault)
            with pytest.raises(EndpointError, match=match):
                at.policy.connect()


class TestWhereItGoes:

    def test_a_redirect_is_not_followed(self, at):
        with asked(server={'redirect_to': at.server.url}) as away, pytest.raises(
                EndpointError, match=f'redirects to {at.server.url}, which is not'):
            away.policy.connect()
        assert at.server.headers == []

    def test_a_proxy_of_the_environment_is_not_used(self, at, monkeypatch):
        with asked() as proxy:
            for name in ('http_proxy', 'https_proxy', 'all_proxy', 'socks_proxy'):
                monkeypatch.setenv(name, proxy.server.url.replace('ws', 'http'))
            monkeypatch.delenv('no_proxy', raising=False)
            at.infer()
            assert proxy.server.headers == []


class TestTheKey:

    SECRET = 'sk-0123456789'

    @pytest.fixture
    def locked(self) -> Iterator[Asked]:
        with asked(server={'api_key': self.SECRET}, api_key_env='TEACHER_API_KEY') as each:
            yield each

    def test_comes_from_the_environment(self, locked, monkeypatch):
        monkeypatch.setenv('TEACHER_API_KEY', self.SECRET)
        locked.infer()
        assert locked.server.headers[0]['Authorization'] == f'Api-Key {self.SECRET}'

    def test_is_in_no_message_log_or_digest(self, locked, monkeypatch, caplog):
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv('TEACHER_API_KEY', 'other')
        before = locked.teacher.digest
        with pytest.raises(EndpointError, match=r'key in TEACHER_API_KEY \(.* 401\)') as caught:
            locked.policy.connect()
        monkeypatch.setenv('TEACHER_API_KEY', self.SECRET)
        locked.policy.connect()
        assert locked.teacher.digest == before
        assert 'other' not in str(caught.value)
        assert self.SECRET not in caplog.text

    def test_that_is_wanted_and_not_named_is_asked_for(self):
        with asked(server={'api_key': self.SECRET}) as at, pytest.raises(
                EndpointError, match=r'wants a key.*name the variable .* in api_key_env'):
            at.policy.connect()

    @pytest.mark.parametrize('value', [None, '', 'two words', 'line\r\nX-Other: 1', 'ключ'])
    def test_that_is_none_is_asked_for_before_anything_is_contacted(
            self, locked, monkeypatch, value):
        if value is None:
            monkeypatch.delenv('TEACHER_API_KEY', raising=False)
        else:
            monkeypatch.setenv('TEACHER_API_KEY', value)
        with pytest.raises(SetupError, match=r'TEACHER_API_KEY.*; export') as caught:
            locked.policy.connect()
        assert locked.server.headers == []
        assert not value or value not in str(caught.value)


@pytest.fixture(scope='module')
def certificate(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('tls')
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
         '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout',
         str(folder / 'key.pem'), '-out', str(folder / 'certificate.pem')],
        check=True, capture_output=True)
    return folder / 'certificate.pem'


@pytest.mark.skipif(shutil.which('openssl') is None, reason='makes a certificate with openssl')
class TestTls:

    @pytest.fixture
    def encrypted(self, certificate) -> Iterator[Asked]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, certificate.with_name('key.pem'))
        with asked(server={'tls': tls}) as each:
            yield each

    def test_a_certificate_that_the_machine_trusts_will_do(
            self, encrypted, certificate, monkeypatch):
        monkeypatch.setenv('SSL_CERT_FILE', str(certificate))
        assert np.array_equal(encrypted.infer()[0], GOAL)

    def test_one_that_it_does_not_is_refused(self, encrypted):
        with pytest.raises(EndpointError, match=r'(?i)certificate verify failed'):
            encrypted.policy.connect()

    def test_a_server_without_is_refused(self, at):
        teacher = replace(at.teacher, endpoint=at.server.url.replace('ws:', 'wss:'))
        with pytest.raises(EndpointError, match='no connection'):
            RemotePolicy(teacher).connect()


def test_without_websockets_it_says_what_to_install(at, monkeypatch):
    monkeypatch.setitem(sys.modules, 'websockets.sync.client', None)
    with pytest.raises(SetupError, match=r'pip install "physical_ai_bridge\[teacher\]"'):
        at.policy.connect()


def test_every_input_of_a_manifest_has_a_key_of_its_own():
    keys = teacher_at('ws://teacher:8000', MANIFEST).keys
    assert keys == {
        'observation.images.scene': 'observation/scene_image',
        'observation.images.wrist': 'observation/wrist_image',
        'observation.state': 'observation/state',
        'observation.reference': 'observation/reference',
        'observation.wrench.wrist': 'observation/wrench/wrist',
        'task': 'prompt'}
    assert keys.keys() == input_tensors(MANIFEST).keys()
