"""A recording gives back what went in, and a half-written one never takes a good one's place."""

from __future__ import annotations

from pathlib import Path
import threading

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.reader import decode, RecordedMessage, Recording
from physical_ai_bridge.bags.writer import RecordingWriter
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_typestore, Stores

STRING = 'std_msgs/msg/String'
TYPES = get_typestore(Stores.ROS2_JAZZY)


def text(value: str) -> bytes:
    return bytes(TYPES.serialize_cdr(TYPES.types[STRING](value), STRING))


def record(path: Path, *values: str) -> None:
    with RecordingWriter(path) as writer:
        for stamp_ns, value in enumerate(values):
            writer.put('/words', STRING, stamp_ns, text(value))


def words(path: Path) -> list[str]:
    with Recording(path) as recording:
        return [decode(message) for message in recording.messages()]


@settings(max_examples=15, deadline=None)
@given(messages=st.lists(st.tuples(
    st.sampled_from(['/a', '/b', '/c/d']), st.integers(0, 2**62), st.text(max_size=200)),
    min_size=1, max_size=40))
def test_what_goes_in_comes_out(
        messages: list[tuple[str, int, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp('bag') / 'run'
    sent = sorted(
        (stamp, topic, text(value.replace('\0', ''))) for topic, stamp, value in messages)
    with RecordingWriter(path) as writer:
        for stamp, topic, data in sent:
            assert writer.put(topic, STRING, stamp, data)
    with Recording(path) as recording:
        back = [(m.stamp_ns, m.topic, m.data) for m in recording.messages()]
        assert sum(topic.count for topic in recording.topics.values()) == len(sent)
    assert sorted(back) == sent
    assert [stamp for stamp, _, _ in back] == [stamp for stamp, _, _ in sent]


def test_other_tools_read_it_with_the_definitions_inside(tmp_path: Path) -> None:
    record(tmp_path / 'run', 'hello')
    with AnyReader([tmp_path / 'run']) as reader:
        connection, _, data = next(reader.messages())
        assert reader.deserialize(data, connection.msgtype).data == 'hello'
        assert 'string data' in connection.msgdef.data
    assert sorted(p.name for p in (tmp_path / 'run').iterdir()) == ['metadata.yaml', 'run.mcap']


def test_notes_are_kept(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'run', notes={'bundle_digest': 'ab12'}) as writer:
        writer.put('/words', STRING, 0, text('x'))
    with Recording(tmp_path / 'run') as recording:
        assert recording.notes == {'bundle_digest': 'ab12'}


def test_a_new_recording_replaces_the_old_one_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / 'run'
    record(path, 'old')
    writer = RecordingWriter(path)
    writer.put('/words', STRING, 0, text('new'))
    assert words(path) == ['old']
    writer.close()
    assert words(path) == ['new']
    assert [p.name for p in tmp_path.iterdir()] == ['run']


def test_an_error_in_the_middle_leaves_the_old_recording_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / 'run'
    record(path, 'old')
    with pytest.raises(ZeroDivisionError), RecordingWriter(path) as writer:
        writer.put('/words', STRING, 0, text('new'))
        raise ZeroDivisionError
    assert words(path) == ['old']
    assert [p.name for p in tmp_path.iterdir()] == ['run']


def test_a_recording_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match='not one message came'):
        RecordingWriter(tmp_path / 'run').close()
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(tmp_path: Path) -> None:
    message = text('x' * 100)
    writer = RecordingWriter(tmp_path / 'run', queue_bytes=len(message))
    assert writer.put('/words', STRING, 0, message)
    assert not writer.put('/large', STRING, 0, text('x' * 101))
    summary = writer.close()
    assert summary.written == {'/words': 1}
    assert summary.dropped == {'/large': 1}


def test_nothing_is_lost_silently_when_many_threads_put(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'run', queue_messages=16)
    data = text('x')

    def put(topic: str) -> None:
        for stamp_ns in range(500):
            writer.put(topic, STRING, stamp_ns, data)

    threads = [threading.Thread(target=put, args=(f'/t{i}',)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    summary = writer.close()
    total = sum(summary.written.values()) + sum(summary.dropped.values())
    assert total == 2000
    with Recording(tmp_path / 'run') as recording:
        read = {topic: value.count for topic, value in recording.topics.items()}
    assert read == summary.written


def test_a_type_without_a_definition_is_left_out_and_counted(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'run')
    writer.put('/odd', 'vendor_msgs/msg/Secret', 0, b'\0\1\0\0')
    writer.put('/words', STRING, 0, text('x'))
    summary = writer.close()
    assert summary.dropped == {'/odd': 1}
    assert words(tmp_path / 'run') == ['x']


def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'run')
    writer.put('/words', STRING, 0, text('x'))
    writer.close()
    assert not writer.put('/words', STRING, 1, text('y'))


@pytest.mark.parametrize('make, found', [
    (lambda path: None, 'no such folder'),
    (lambda path: path.mkdir(), 'no metadata.yaml'),
])
def test_what_is_no_recording_is_refused_with_a_sentence(
        make: object, found: str, tmp_path: Path) -> None:
    make(tmp_path / 'run')
    with pytest.raises(RecordingError, match=found):
        Recording(tmp_path / 'run')


@pytest.mark.parametrize('damage', [b'', b'rosbag2_bagfile_information: {version: 8}'])
def test_a_recording_whose_only_file_is_no_storage_is_refused_with_a_sentence(
        damage: bytes, tmp_path: Path) -> None:
    record(tmp_path / 'run', *['word'] * 100)
    (tmp_path / 'run' / 'run.mcap').write_bytes(damage)
    with pytest.raises(RecordingError, match=f'cannot be read.*{len(damage)} bytes'):
        Recording(tmp_path / 'run')


def test_the_mcap_file_opens_by_itself(tmp_path: Path) -> None:
    record(tmp_path / 'run', 'hello')
    assert words(tmp_path / 'run' / 'run.mcap') == ['hello']


def test_trajectories_and_diagnostics_come_back_as_values() -> None:
    command = Trajectory(
        1_500_000_000, ('a', 'b'), np.array([0, 10], np.int64), np.ones((2, 2)), np.zeros((2, 2)))
    kind = 'trajectory_msgs/msg/JointTrajectory'
    back = decode(RecordedMessage('/command', kind, 0, encode_joint_trajectory(command)))
    assert back.stamp_ns == 1_500_000_000
    assert back.points[1].positions == (1.0, 1.0)

    kind, t = 'diagnostic_msgs/msg/DiagnosticArray', TYPES.types
    pair = t['diagnostic_msgs/msg/KeyValue']('mode', 'READY')
    status = t['diagnostic_msgs/msg/DiagnosticStatus'](1, 'supervisor', 'text', 'cell', [pair])
    header = t['std_msgs/msg/Header'](t['builtin_interfaces/msg/Time'](3, 4), '')
    data = TYPES.serialize_cdr(t[kind](header, [status]), kind)
    (back,) = decode(RecordedMessage('/diagnostics', kind, 0, bytes(data)))
    assert (back.stamp_ns, back.level, back.name, back.message, back.values) == (
        3_000_000_004, 1, 'supervisor', 'text', {'mode': 'READY'})


@pytest.mark.parametrize('kind', [
    'diagnostic_msgs/msg/DiagnosticArray', 'diagnostic_msgs/msg/DiagnosticStatus',
    'sensor_msgs/msg/JointState', 'vendor_msgs/msg/Secret'])
def test_bytes_that_are_not_their_type_are_refused(kind: str) -> None:
    with pytest.raises(WireError):
        decode(RecordedMessage('/t', kind, 0, b'\0\1\0\0\7\7\7\7\xff\xff'))
