"""
One MCAP file, read from front to back.

A reader that goes by the summary at the end, and sorts by time, cannot read a file without an
end, and mixes what was recorded before and after a step of the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
import os
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.reader import SeekingReader
from mcap.records import Metadata
from mcap.summary import Summary
from physical_ai_bridge.bags import mcap_records as records
from physical_ai_bridge.bags.mcap_records import Channels, DamagedError, UnsupportedError
from physical_ai_bridge.bags.message import RecordedMessage, RecordedTopic
from physical_ai_bridge.bags.metadata import facts_from_text
from physical_ai_bridge.bags.problems import ProblemCode, Report

_LAST_OPCODE = 0x0F
_FIRST_PRIVATE_OPCODE = 0x80


class McapFile:
    """One MCAP file that is open for reading; ``report`` takes what is wrong with it."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path, self._report = path, report
        with path.open('rb') as file:
            self._summary = _read_summary(file)

    def close(self) -> None:
        """Do nothing: a walk closes what it opens."""

    def topics(self) -> dict[str, RecordedTopic]:
        """Return what the file holds, by topic: from its summary, or by reading it once."""
        counts: Counter[tuple[str, str]] = Counter()
        summary = self._summary
        if summary is None or summary.statistics is None or not summary.channels:
            silent = McapWalk(self._path, summary, None, Report('', lambda _: None))
            counts.update((each.topic, each.type_name) for each in silent.messages())
            counts.update({(each.topic, each.type_name): 0
                           for each in silent.channels.known.values()})
        else:
            channels = _declared(summary, None)
            for channel_id, info in channels.known.items():
                counts[info.topic, info.type_name] += (
                    summary.statistics.channel_message_counts.get(channel_id, 0))
        return {topic: RecordedTopic(type_name, count)
                for (topic, type_name), count in counts.items()}

    def stamps(self) -> tuple[int, int] | None:
        """Return the first and the last receive stamp in ns, where the summary has them."""
        statistics = self._summary and self._summary.statistics
        if not statistics or not statistics.message_count:
            return None
        return statistics.message_start_time, statistics.message_end_time

    def facts(self) -> dict[str, object]:
        """Return what the recorder has written into the file's metadata."""
        for index in self._summary.metadata_indexes if self._summary else ():
            if index.name == 'rosbag2':
                try:
                    with self._path.open('rb') as file:
                        file.seek(index.offset + records.HEAD.size)
                        found = Metadata.read(ReadDataStream(file)).metadata
                except Exception:  # noqa: BLE001 - whatever the bytes lead to
                    return {}
                facts = facts_from_text(found.get('serialized_metadata', ''))
                if 'ROS_DISTRO' in found:
                    facts.setdefault('ros_distro', found['ROS_DISTRO'])
                return facts
        return {}

    def messages(self, topics: Collection[str] | None) -> Iterator[RecordedMessage]:
        """Yield the messages of ``topics``, or all, in the order in which they were written."""
        return McapWalk(self._path, self._summary, topics, self._report).messages()


def _read_summary(file: BinaryIO) -> Summary | None:
    """Return what stands at the end of a file; None where it has no whole end."""
    size = os.fstat(file.fileno()).st_size
    try:
        return SeekingReader(file, record_size_limit=size).get_summary()
    except Exception:  # noqa: BLE001 - whatever the bytes lead to: then it is read without
        return None


def _declared(summary: Summary | None, topics: Collection[str] | None) -> Channels:
    channels = Channels(lambda topic: topics is None or topic in topics)
    if summary is not None:
        for schema in summary.schemas.values():
            channels.add_schema(schema)
        for channel in summary.channels.values():
            channels.add(channel)
    return channels


class McapWalk:
    """One way through an MCAP file."""

    def __init__(self, path: Path, summary: Summary | None, topics: Collection[str] | None,
                 report: Report) -> None:
        self._path, self._topics, self._report = path, topics, report
        self.channels = _declared(summary, topics)
        # Where chunks begin, and which channels are in them.
        self._chunks = {} if summary is None else {
            each.chunk_start_offset: frozenset(each.message_index_offsets)
            for each in summary.chunk_indexes}
        self._position = len(records.MAGIC)
        self._last_ns: int | None = None
        self._is_told = False
        self._unknown = 0
        self._damage: str | None = None  # of the chunk before, whose index says what was in it
        self._in_damage = 0

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield the messages that are wanted."""
        with self._path.open('rb') as self._file:
            self._size = os.fstat(self._file.fileno()).st_size
            yield from self._walk()
        self._tell_unknown()

    def _walk(self) -> Iterator[RecordedMessage]:
        ended = False
        while not ended:
            opcode, length = self._head()
            if opcode == records.MESSAGE_INDEX and self._damage is not None:
                self._count_damaged(length)
                continue
            self._tell_damage()
            if opcode == records.CHUNK:
                yield from self._chunk(length)
            elif opcode == records.MESSAGE:
                yield from self._single(length)
            elif opcode in (records.DATA_END, records.FOOTER):
                ended = True
            elif opcode in (records.SCHEMA, records.CHANNEL):
                self._declare(opcode, length)
            elif opcode is None:
                ended = not self._resume()
            else:
                self._skip(length)

    def _head(self) -> tuple[int | None, int]:
        """Return the next record's kind and length; None where no whole record follows."""
        self._file.seek(self._position)
        head = self._file.read(records.HEAD.size)
        if len(head) < records.HEAD.size:
            return None, 0
        opcode, length = records.HEAD.unpack(head)
        valid = 0 < opcode <= _LAST_OPCODE or opcode >= _FIRST_PRIVATE_OPCODE
        left = self._size - self._position - records.HEAD.size
        if not valid or length > left:
            # A chunk or a message that was cut off may hold something all the same.
            cut = self._chunks == {} and opcode in (records.CHUNK, records.MESSAGE)
            return (opcode, length) if cut else (None, 0)
        return opcode, length

    def _skip(self, length: int) -> None:
        self._position += records.HEAD.size + length

    def _is_cut(self, length: int) -> bool:
        return self._position + records.HEAD.size + length > self._size

    def _chunk(self, length: int) -> Iterator[RecordedMessage]:
        start, cut = self._position, self._is_cut(length)
        self._skip(length)
        inside = self._chunks.get(start)
        if inside and not any(self.channels.is_wanted(each) for each in inside):
            return
        if cut:
            yield from self._cut_chunk(start)
            return
        try:
            yield from self._take(self._whole_chunk(length), start)
        except (DamagedError, UnsupportedError) as error:
            self._damage = f'the chunk at byte {start} cannot be read: {error}'
            self._in_damage = 0
            if isinstance(error, UnsupportedError):
                self._report(ProblemCode.UNSUPPORTED, f'{self._damage}', self._last_ns)
                self._damage = None

    def _whole_chunk(self, length: int) -> bytes:
        fixed = self._file.read(records.CHUNK_HEAD.size)
        if length < records.CHUNK_HEAD.size + 8:
            raise DamagedError(f'it is {length} bytes long')
        _, _, size, checksum, name_length = records.CHUNK_HEAD.unpack(fixed)
        data_length = length - records.CHUNK_HEAD.size - name_length - 8
        if data_length < 0:
            raise DamagedError('its head is broken')
        compression = records.compression_of(self._file.read(name_length))
        if int.from_bytes(self._file.read(8), 'little') != data_length:
            raise DamagedError('its head is broken')
        return records.unpacked(self._file.read(data_length), compression, size, checksum)

    def _cut_chunk(self, start: int) -> Iterator[RecordedMessage]:
        """Yield what is left of a chunk that the end of the file cuts off."""
        found: list[RecordedMessage] = []
        fixed = self._file.read(records.CHUNK_HEAD.size)
        if len(fixed) == records.CHUNK_HEAD.size:
            name_length = records.CHUNK_HEAD.unpack(fixed)[-1]
            name = self._file.read(min(name_length, 16))
            try:
                compression = records.compression_of(name)
                self._file.read(8)
                content = records.beginning(self._file.read(), compression)
                found = records.read_content(content, self.channels).messages
            except (DamagedError, UnsupportedError):
                found = []
        yield from found
        if found:
            self._last_ns = found[-1].stamp_ns
        self._position = self._size
        self._truncated(f'inside the chunk that begins at byte {start}, {len(found)} messages '
                        'of which could be read')

    def _take(self, content: bytes, start: int) -> Iterator[RecordedMessage]:
        read = records.read_content(content, self.channels)
        yield from read.messages
        self._unknown += read.unknown
        if read.messages:
            self._last_ns = read.messages[-1].stamp_ns
        if read.cut_at is not None:
            self._report(
                ProblemCode.CHUNK_DAMAGED,
                f'the chunk at byte {start} is damaged {read.cut_at} bytes into its contents of '
                f'{len(content)}: what follows there is lost', self._last_ns)

    def _single(self, length: int) -> Iterator[RecordedMessage]:
        """Yield a message that is in no chunk."""
        start, cut = self._position, self._is_cut(length)
        self._skip(length)
        if cut:
            self._position = self._size
            self._truncated(f'inside the message that begins at byte {start}')
            return
        if length < records.MESSAGE_HEAD.size:
            self._report(ProblemCode.CHUNK_DAMAGED,
                         f'the message at byte {start} is damaged and lost', self._last_ns)
            return
        channel_id, _, stamp_ns, _ = records.MESSAGE_HEAD.unpack(
            self._file.read(records.MESSAGE_HEAD.size))
        info = self.channels.known.get(channel_id)
        if info is None:
            self._unknown += 1
        elif info.wanted:
            self._last_ns = stamp_ns
            yield RecordedMessage(info.topic, info.type_name, stamp_ns,
                                  self._file.read(length - records.MESSAGE_HEAD.size))

    def _declare(self, opcode: int, length: int) -> None:
        start = self._position
        content = self._file.read(length)
        self._skip(length)
        try:
            if opcode == records.SCHEMA:
                self.channels.declare_schema(content)
            else:
                self.channels.declare(content)
        except DamagedError as error:
            self._report(ProblemCode.CHUNK_DAMAGED, f'at byte {start} {error}', self._last_ns)

    def _resume(self) -> bool:
        """Go on with the next chunk that the summary knows; False where there is none."""
        start = self._position
        if self._is_told:
            return False
        after = min((each for each in self._chunks if each > start), default=None)
        if after is None:
            self._truncated('between two records' if start >= self._size else
                            f'or is damaged, at byte {start} of {self._size}')
            return False
        self._report(
            ProblemCode.CHUNK_DAMAGED, f'bytes {start} to {after} are damaged, and what they held '
            'is lost; reading goes on with the next chunk', self._last_ns)
        self._position = after
        return True

    def _truncated(self, where: str) -> None:
        self._is_told = True
        self._report(ProblemCode.TRUNCATED, f'the file ends too early, {where}: what was recorded '
                     'after that is lost', self._last_ns)

    def _count_damaged(self, length: int) -> None:
        content = self._file.read(min(length, 6))
        self._skip(length)
        if len(content) == 6 and self.channels.is_wanted(int.from_bytes(content[:2], 'little')):
            self._in_damage += (length - 6) // 16

    def _tell_damage(self) -> None:
        if self._damage is not None:
            lost = f'{self._in_damage} messages' if self._in_damage else 'what it held'
            self._report(ProblemCode.CHUNK_DAMAGED, f'{self._damage}; lost: {lost}',
                         self._last_ns)
            self._damage = None

    def _tell_unknown(self) -> None:
        if self._unknown:
            self._report(
                ProblemCode.MESSAGES_LOST, f'{self._unknown} messages are on channels whose '
                'declaration is lost, so that nobody can say what they are', self._last_ns)
        for info in self.channels.not_cdr():
            if self._topics is None or info.topic in self._topics:
                self._report(
                    ProblemCode.UNSUPPORTED, f'{info.topic} is encoded as {info.encoding!r}; only '
                    'cdr is read, so it is left out')
