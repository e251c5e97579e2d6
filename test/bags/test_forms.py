"""A recording gives the same messages in every form that rosbag2 writes, in written order."""

from __future__ import annotations

from itertools import product
import shutil
import sqlite3

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.problems import ProblemCode
from physical_ai_bridge.bags.reader import RecordedMessage, RecordedTopic, Recording
from physical_ai_bridge.testing.bag_messages import cell_messages
from physical_ai_bridge.testing.bags import write_bag, write_messages
from physical_ai_bridge.testing.contracts import example_cell
import pytest
from rosbags.rosbag2 import Reader
import yaml
import zstandard

SECOND = 1_000_000_000
FORMS = [
    form for form in product(
        ('mcap', 'sqlite3'), ('none', 'zstd', 'lz4', 'file', 'message'),
        ('humble', 'jazzy', 'kilted'))
    if not (form[0] == 'sqlite3' and form[1] in ('zstd', 'lz4'))]
each_form = pytest.mark.parametrize('storage, compression, distribution', FORMS)


@pytest.fixture(scope='module')
def said() -> list[RecordedMessage]:
    return list(cell_messages(
        example_cell(), duration_s=0.3, commands=True, emergency_stop=True, cameras='jpeg'))


@each_form
def test_a_split_bag_gives_back_what_was_written(
        said, storage, compression, distribution, tmp_path):
    path = write_messages(
        tmp_path / 'bag', said, storage=storage, compression=compression,
        distribution=distribution, split_bytes=20_000, notes={'cell': 'example'})
    with Recording(path) as recording:
        assert list(recording.messages()) == said
        assert recording.problems == ()
        assert len(recording.files) > 3
        assert recording.storage == storage
        assert recording.stamps == (said[0].stamp_ns, said[-1].stamp_ns)
        assert recording.topics['/joint_states'] == RecordedTopic(
            'sensor_msgs/msg/JointState', 150)
        assert recording.size_bytes == sum(
            each.stat().st_size for each in path.iterdir() if each.name != 'metadata.yaml')
        if distribution == 'humble':
            assert (recording.distribution, recording.notes) == (None, {})
        else:
            assert recording.distribution == distribution
            assert recording.notes == {'cell': 'example'}


@each_form
def test_without_metadata_the_files_are_read_in_the_order_of_their_numbers(
        said, storage, compression, distribution, tmp_path):
    path = write_messages(
        tmp_path / 'bag', said, storage=storage, compression=compression,
        distribution=distribution, split_bytes=2_000, metadata=False)
    with Recording(path) as recording:
        assert len(recording.files) > 10
        assert list(recording.messages()) == said
        assert [each.code for each in recording.problems] == [ProblemCode.METADATA_MISSING]
        topics = recording.topics
        assert sum(each.count for each in topics.values()) == len(said)
        assert set(topics) == {each.topic for each in said}


@each_form
def test_a_storage_file_is_a_recording_by_itself(
        said, storage, compression, distribution, tmp_path):
    path = write_messages(
        tmp_path / 'bag', said, storage=storage, compression=compression,
        distribution=distribution)
    (file,) = (each for each in path.iterdir() if each.name != 'metadata.yaml')
    with Recording(shutil.copy(file, tmp_path)) as recording:
        assert list(recording.messages()) == said
        assert recording.problems == ()
        if compression != 'file':
            assert recording.stamps == (said[0].stamp_ns, said[-1].stamp_ns)


def test_rosbags_reads_the_same(said, tmp_path):
    path = write_messages(tmp_path / 'bag', said, compression='zstd')
    with Reader(path) as reader, Recording(path) as recording:
        theirs = sorted((c.topic, stamp, data) for c, stamp, data in reader.messages())
        assert theirs == sorted((m.topic, m.stamp_ns, m.data) for m in recording.messages())


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_only_the_topics_that_are_asked_for_are_given(storage, said, tmp_path):
    path = write_messages(tmp_path / 'bag', said, storage=storage, chunk_bytes=500)
    asked = {'/emergency_stop', '/proposed_trajectory', '/nowhere'}
    with Recording(path) as recording:
        assert list(recording.messages(asked)) == [m for m in said if m.topic in asked]
        assert list(recording.messages([])) == []
        assert recording.problems == ()


def test_the_same_seed_writes_the_same_bag(tmp_path):
    for name in ('one', 'two'):
        write_bag(tmp_path / name / 'bag', example_cell(), duration_s=0.2, seed=3)
    files = [tmp_path / name / 'bag' / 'bag_0.mcap' for name in ('one', 'two')]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_step_of_the_clock_is_told_and_the_epochs_are_not_mixed(words, storage, tmp_path):
    stamps = [*range(0, 10 * SECOND, SECOND // 10), *range(4 * SECOND, 6 * SECOND, SECOND // 10)]
    said = [words.message(str(number), stamp + shift, topic)
            for number, stamp in enumerate(stamps) for topic, shift in (('/a', 0), ('/b', 3))]
    path = write_messages(tmp_path / 'bag', said, storage=storage, chunk_bytes=300)
    with Recording(path) as recording:
        assert list(recording.messages()) == said
        (problem,) = recording.problems
    assert problem.code is ProblemCode.TIME_BACKWARDS
    assert problem.stamp_ns == 4 * SECOND
    assert 'stepped back by 5.900 s' in problem.detail


def test_a_little_disorder_between_topics_is_no_step_of_the_clock(words, tmp_path):
    said = [words.message(str(stamp), stamp * SECOND - late, topic)
            for stamp in range(1, 20) for topic, late in (('/a', 0), ('/b', SECOND // 2))]
    assert words.codes(write_messages(tmp_path / 'bag', said)) == []


def test_a_journal_beside_an_sqlite3_file_is_read_and_left_alone(words, tmp_path):
    said = words.messages(200)
    path = write_messages(tmp_path / 'bag', said, storage='sqlite3', wal=True)
    names = sorted(each.name for each in path.iterdir())
    assert 'bag_0.db3-wal' in names
    with Recording(path) as recording:
        assert list(recording.messages()) == said
    assert sorted(each.name for each in path.iterdir()) == names


def test_a_file_without_an_ending_says_by_its_beginning_what_it_is(words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(3))
    file = (path / 'bag_0.mcap').rename(tmp_path / 'recording')
    assert len(words.read(file)[0]) == 3


@pytest.mark.parametrize('field, value, found', [
    ('storage_identifier', 'tape', "storage is 'tape'; mcap and sqlite3 are read"),
    ('compression_mode', 'FILE', "compressed by 'lz9'"),
])
def test_what_is_not_supported_is_said(field, value, found, words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(3))
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information'] |= {'compression_format': 'lz9', field: value}
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    with pytest.raises(RecordingError, match=found):
        Recording(path)


def test_a_topic_that_is_not_cdr_is_left_out_and_told(words, tmp_path):
    path = write_messages(
        tmp_path / 'bag', [*words.messages(3), *words.messages(3, '/odd')], storage='sqlite3')
    with sqlite3.connect(path / 'bag_0.db3') as connection:
        connection.execute("UPDATE topics SET serialization_format='json' WHERE name='/odd'")
    found, problems = words.read(path)
    assert len(found) == 3
    assert [each.code for each in problems] == [ProblemCode.UNSUPPORTED]
    assert '/odd' in problems[0].detail


def test_a_message_whose_compression_is_broken_is_left_out_and_counted(words, tmp_path):
    said = words.messages(3)
    broken = RecordedMessage('/words', said[0].type_name, 3_000_000, zstandard.FRAME_HEADER)
    path = write_messages(tmp_path / 'bag', [*said, broken], metadata=False)
    found, (_, problem) = words.read(path)
    assert len(found) == 3
    assert (problem.code, problem.stamp_ns) == (ProblemCode.MESSAGES_LOST, 3_000_000)
