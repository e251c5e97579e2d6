"""Of a damaged recording all that can be read is given, and the rest is told."""

from __future__ import annotations

from pathlib import Path
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.problems import ProblemCode
from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.testing.bag_messages import cell_messages
from physical_ai_bridge.testing.bags import write_messages
from physical_ai_bridge.testing.contracts import example_cell
import pytest

COUNT = 400
MAGIC = 8


@pytest.fixture(scope='module', params=['none', 'zstd', 'lz4', 'unchunked'])
def whole(request, words, tmp_path_factory) -> tuple[Path, list]:
    """Return an MCAP file of many chunks, or of none, and what is in it."""
    said = words.messages(COUNT)
    compression = 'none' if request.param == 'unchunked' else request.param
    folder = write_messages(
        tmp_path_factory.mktemp('whole') / 'bag', said, compression=compression,
        chunk_bytes=4000)
    if request.param == 'unchunked':
        _unchunk(folder / 'bag_0.mcap', said)
    return folder / 'bag_0.mcap', said


def _unchunk(path: Path, said: list) -> None:
    from mcap.writer import Writer
    writer = Writer(str(path), use_chunking=False)
    writer.start(profile='ros2')
    schema = writer.register_schema(name=said[0].type_name, encoding='ros2msg', data=b'')
    channel = writer.register_channel('/words', 'cdr', schema)
    for message in said:
        writer.add_message(channel, message.stamp_ns, message.data, message.stamp_ns)
    writer.finish()


def read(path: Path) -> tuple[list, list[ProblemCode]]:
    with Recording(path) as recording:
        return list(recording.messages()), [each.code for each in recording.problems]


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 0.9999))
def test_an_mcap_cut_anywhere_gives_all_that_is_before_the_cut(whole, share, tmp_path_factory):
    source, said = whole
    data = source.read_bytes()
    path = tmp_path_factory.mktemp('cut') / 'cut_0.mcap'
    path.write_bytes(data[:MAGIC + int(share * (len(data) - MAGIC))])
    found, codes = read(path)
    assert found == said[:len(found)]
    # What follows the last chunk holds no message: nothing is lost with it.
    assert codes == [ProblemCode.TRUNCATED] or (found == said and codes == [])
    with Recording(path) as recording:
        assert sum(each.count for each in recording.topics.values()) == len(found)


def test_a_cut_inside_a_chunk_gives_the_messages_before_it(words, tmp_path):
    said = words.messages(COUNT)
    path = write_messages(tmp_path / 'bag', said, chunk_bytes=10**9) / 'bag_0.mcap'
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 3])
    found, codes = read(path)
    assert len(found) > COUNT // 4
    assert found == said[:len(found)]
    assert codes == [ProblemCode.TRUNCATED]


@pytest.mark.parametrize('compression', ['none', 'zstd', 'lz4'])
@pytest.mark.parametrize('has_end', [True, False])
def test_a_damaged_chunk_costs_its_own_messages_alone(compression, has_end, words, tmp_path):
    said = words.messages(COUNT)
    path = write_messages(tmp_path / 'bag', said, compression=compression, chunk_bytes=4000)
    file = path / 'bag_0.mcap'
    data = bytearray(file.read_bytes())
    begin, length = _chunks(data)[3]
    for at in range(begin + 60, begin + length - 8, 41):
        data[at] ^= 0xFF
    if not has_end:
        (path / 'metadata.yaml').unlink()
        data = data[:_chunks(data)[-1][0] + sum(_chunks(data)[-1])]
        data = data[:_end_of_chunks(bytes(data))]
    file.write_bytes(data)
    with Recording(path) as recording:
        found = list(recording.messages())
        problem = next(p for p in recording.problems if p.code is ProblemCode.CHUNK_DAMAGED)
    lost = [message for message in said if message not in found]
    assert 0 < len(lost) < 40
    assert found == [message for message in said if message not in lost]
    assert f'byte {begin} cannot be read' in problem.detail
    assert f'lost: {len(lost)} messages' in problem.detail
    assert problem.stamp_ns == lost[0].stamp_ns - 1_000_000
    assert problem.where == 'bag_0.mcap'


def _chunks(data: bytes) -> list[tuple[int, int]]:
    """Return where the chunks of an MCAP begin, and how long they are."""
    found, at = [], MAGIC
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from('<BQ', data, at)
        if opcode == 6:
            found.append((at, length))
        at += 9 + length
    return found


def _end_of_chunks(data: bytes) -> int:
    """Return where the record before DataEnd ends."""
    at = MAGIC
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from('<BQ', data, at)
        if opcode == 0x0F:
            return at
        at += 9 + length
    return len(data)


def test_a_record_of_a_wrong_length_costs_what_is_up_to_the_next_known_chunk(words, tmp_path):
    said = words.messages(COUNT)
    file = write_messages(tmp_path / 'bag', said, chunk_bytes=4000) / 'bag_0.mcap'
    data = bytearray(file.read_bytes())
    begin, _ = _chunks(data)[3]
    struct.pack_into('<Q', data, begin + 1, 2**62)
    file.write_bytes(data)
    found, codes = read(tmp_path / 'bag')
    assert codes == [ProblemCode.CHUNK_DAMAGED]
    assert len(said) - 40 < len(found) < len(said)
    assert found[-1] == said[-1]


def test_zeros_at_the_end_are_a_cut(words, tmp_path):
    file = write_messages(tmp_path / 'bag', words.messages(COUNT), chunk_bytes=4000)
    data = (file / 'bag_0.mcap').read_bytes()
    (file / 'bag_0.mcap').write_bytes(data[:len(data) // 2] + bytes(len(data) // 2))
    found, codes = read(file)
    assert found
    assert ProblemCode.TRUNCATED in codes


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 255)), min_size=1,
                        max_size=8))
def test_no_flipped_bits_lead_to_another_error(whole, changes, tmp_path_factory):
    source, _ = whole
    data = bytearray(source.read_bytes())
    for share, change in changes:
        data[min(MAGIC + int(share * len(data)), len(data) - 1)] ^= change
    path = tmp_path_factory.mktemp('flipped') / 'flipped_0.mcap'
    path.write_bytes(data)
    read(path)
    with Recording(path) as recording:
        assert isinstance(recording.topics, dict)


@settings(max_examples=6, deadline=None)
@given(share=st.floats(0.05, 0.999))
def test_a_cut_sqlite3_file_gives_the_rows_whose_pages_are_there(
        share, big_db3, tmp_path_factory):
    data, said = big_db3
    path = tmp_path_factory.mktemp('cut') / 'cut_0.db3'
    path.write_bytes(data[:int(share * len(data))])
    found, codes = read(path)
    assert codes == [ProblemCode.TRUNCATED]
    # Pages of the index are between those of the rows, so that nothing but the end is missing.
    assert found == said[:len(found)]
    assert len(found) >= (share - 0.1) * len(said)


@pytest.fixture(scope='module')
def big_db3(words, tmp_path_factory) -> tuple[bytes, list]:
    """Return a database whose tree is so deep that a cut takes the children of its root."""
    said = [*words.messages(14_000),
            *cell_messages(example_cell(), duration_s=0.5, cameras='jpeg')]
    path = write_messages(tmp_path_factory.mktemp('big') / 'bag', said, storage='sqlite3')
    return (path / 'bag_0.db3').read_bytes(), said


def test_damaged_pages_in_the_middle_cost_their_own_rows(big_db3, tmp_path):
    data, said = bytearray(big_db3[0]), big_db3[1]
    for number in range(100, 104):
        data[number * 4096:(number + 1) * 4096] = b'\xff' * 4096
    (tmp_path / 'bag_0.db3').write_bytes(data)
    found, codes = read(tmp_path / 'bag_0.db3')
    assert codes == [ProblemCode.MESSAGES_LOST]
    assert len(said) - 100 < len(found) < len(said)
    assert found[-1] == said[-1]


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 255)), min_size=1,
                        max_size=8))
def test_no_flipped_bits_of_an_sqlite3_file_lead_to_another_error(
        changes, words, tmp_path_factory):
    folder = tmp_path_factory.mktemp('flipped')
    path = write_messages(folder / 'bag', words.messages(50), storage='sqlite3') / 'bag_0.db3'
    data = bytearray(path.read_bytes())
    for share, change in changes:
        data[min(16 + int(share * len(data)), len(data) - 1)] ^= change
    path.write_bytes(data)
    read(path)


def test_a_missing_file_of_a_split_is_told_and_the_others_are_read(words, tmp_path):
    said = words.messages(COUNT)
    path = write_messages(tmp_path / 'bag', said, split_bytes=10_000)
    (path / 'bag_1.mcap').unlink()
    for has_metadata in (True, False):
        if not has_metadata:
            (path / 'metadata.yaml').unlink()
        found, codes = read(path)
        assert ProblemCode.FILE_MISSING in codes
        assert found[0] == said[0]
        assert found[-1] == said[-1]
        assert len(found) < COUNT


def test_a_split_cut_in_its_middle_file_goes_on_with_the_next(words, tmp_path):
    said = words.messages(COUNT)
    path = write_messages(tmp_path / 'bag', said, split_bytes=10_000, chunk_bytes=2000)
    middle = path / 'bag_1.mcap'
    middle.write_bytes(middle.read_bytes()[:3000])
    with Recording(path) as recording:
        found = list(recording.messages())
        (problem,) = recording.problems
    assert (problem.code, problem.where) == (ProblemCode.TRUNCATED, 'bag_1.mcap')
    assert found[-1] == said[-1]
    assert len(found) < COUNT


def test_a_file_that_is_no_storage_costs_its_own_messages_alone(words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(COUNT), split_bytes=10_000)
    (path / 'bag_1.mcap').write_bytes(b'')
    found, codes = read(path)
    assert codes == [ProblemCode.FILE_UNREADABLE]
    assert found


def test_a_compressed_file_that_was_cut_is_read_as_far_as_it_goes(words, tmp_path):
    said = words.messages(20_000)
    for storage, suffix in (('mcap', 'mcap'), ('sqlite3', 'db3')):
        path = write_messages(tmp_path / storage, said, storage=storage, compression='file')
        file = path / f'{storage}_0.{suffix}.zstd'
        data = file.read_bytes()
        file.write_bytes(data[:len(data) // 2])
        found, codes = read(path)
        assert codes == [ProblemCode.TRUNCATED]
        assert 0 < len(found) < len(said)


def test_damaged_metadata_is_told_and_the_files_are_read(words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(3))
    for text in (b'rosbag2_bagfile_information: {version: 8}', b'\xff\xfe: [', b'', b'a: b'):
        (path / 'metadata.yaml').write_bytes(text)
        found, codes = read(path)
        assert (len(found), codes) == (3, [ProblemCode.METADATA_DAMAGED])


def test_messages_that_metadata_counts_and_no_file_has_are_told(words, tmp_path):
    long = write_messages(tmp_path / 'long' / 'bag', words.messages(5))
    short = write_messages(tmp_path / 'short' / 'bag', words.messages(3))
    (short / 'bag_0.mcap').replace(long / 'bag_0.mcap')
    _, (problem,) = words.read(long)
    assert problem.code is ProblemCode.MESSAGES_LOST
    assert 'it counts 5 messages on /words, and 2 of them are not in the files' in problem.detail


def test_a_file_that_metadata_does_not_name_is_told(words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(3))
    (path / 'other.mcap').write_bytes((path / 'bag_0.mcap').read_bytes())
    assert words.codes(path) == [ProblemCode.FILE_UNLISTED]


def test_problems_are_those_of_the_last_reading(words, tmp_path):
    path = write_messages(tmp_path / 'bag', words.messages(COUNT), chunk_bytes=2000)
    file = path / 'bag_0.mcap'
    file.write_bytes(file.read_bytes()[:5000])
    with Recording(path) as recording:
        for _ in range(2):
            list(recording.messages())
            assert [each.code for each in recording.problems] == [ProblemCode.TRUNCATED]


@pytest.mark.parametrize('content', [b'', b'hello', b'PK\3\4' * 10])
def test_a_file_that_is_no_recording_is_refused(content, tmp_path):
    for name in ('bag.mcap', 'bag.db3', 'bag.zip'):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordingError, match=name):
            Recording(tmp_path / name)
