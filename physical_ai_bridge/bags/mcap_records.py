"""The parts of an MCAP file as bytes: what a chunk holds, also where it is cut or damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
import struct
from typing import Any
from zlib import crc32

import lz4.frame
from mcap.data_stream import ReadDataStream
from mcap.records import Channel, Schema
from physical_ai_bridge.bags.message import RecordedMessage
import zstandard

MAGIC = b'\x89MCAP0\r\n'
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, METADATA, DATA_END = (
    0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0C, 0x0F)
# Opcode and length, which every record begins with.
HEAD = struct.Struct('<BQ')
# Channel, sequence, time of receipt, time of publication, which a message begins with.
MESSAGE_HEAD = struct.Struct('<HIQQ')
# First and last stamp, size of the contents and their checksum, length of the compression's name.
CHUNK_HEAD = struct.Struct('<QQQII')
_MESSAGE = struct.Struct('<BQHIQQ')
# No writer makes chunks like that: a larger one is damage, and would fill the memory.
MAX_CHUNK_BYTES = 2 * 1024**3
_CDR = 'cdr'


class DamagedError(Exception):
    """Bytes are not what they should be; the text says how."""


class UnsupportedError(Exception):
    """Something that this package does not read; the text names it."""


@dataclass(slots=True)
class ChannelInfo:
    """A channel as it was declared. ``wanted`` says whether its messages are asked for."""

    topic: str
    type_name: str
    encoding: str
    wanted: bool


class Channels:
    """The channels that have been declared so far, and whose messages are wanted."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._schemas: dict[int, str] = {0: ''}
        self.known: dict[int, ChannelInfo] = {}

    def declare_schema(self, content: bytes) -> None:
        """Take a schema's record."""
        self.add_schema(_parsed(Schema, content))

    def declare(self, content: bytes) -> None:
        """Take a channel's record."""
        self.add(_parsed(Channel, content))

    def add_schema(self, schema: Schema) -> None:
        """Take a schema, which comes before the channels that refer to it."""
        self._schemas[schema.id] = schema.name

    def add(self, channel: Channel) -> None:
        """Take a channel."""
        self.known[channel.id] = ChannelInfo(
            channel.topic, self._schemas.get(channel.schema_id, ''), channel.message_encoding,
            channel.message_encoding == _CDR and self._wanted(channel.topic))

    def is_wanted(self, channel_id: int) -> bool:
        """Return whether a channel's messages are wanted; those of an unknown one may be."""
        info = self.known.get(channel_id)
        return info is None or info.wanted

    def not_cdr(self) -> Iterator[ChannelInfo]:
        """Yield the channels whose messages are not CDR."""
        return (each for each in self.known.values() if each.encoding != _CDR)


def _parsed(record: Any, content: bytes) -> Any:
    try:
        return record.read(ReadDataStream(BytesIO(content)))
    except Exception as error:  # the library raises whatever the bytes lead to
        raise DamagedError(f'a {record.__name__} does not parse: {error}') from error


def compression_of(name: bytes) -> str:
    """
    Return a chunk's compression: '', 'zstd' or 'lz4'.

    Raises
    ------
    UnsupportedError
        When it is another one.

    """
    if name not in (b'', b'zstd', b'lz4'):
        raise UnsupportedError(f'compression {name.decode("utf-8", "replace")!r}; zstd and lz4 '
                               'are read')
    return name.decode()


def unpacked(data: bytes, compression: str, size: int, checksum: int) -> bytes:
    """
    Return the contents of a whole chunk.

    Raises
    ------
    DamagedError
        When they are not what the chunk says.

    """
    if size > MAX_CHUNK_BYTES:
        raise DamagedError(f'it claims to hold {size} bytes')
    try:
        if compression == 'zstd':
            if zstandard.frame_content_size(data) not in (-1, size):
                raise DamagedError('its compressed contents are not of the size that it says')
            content = zstandard.ZstdDecompressor().decompress(data, size + 1)
        elif compression == 'lz4':
            content = lz4.frame.decompress(data)
        else:
            content = data
    except (zstandard.ZstdError, RuntimeError, ValueError, MemoryError) as error:
        raise DamagedError(f'its compression is broken: {error}') from error
    if len(content) != size:
        raise DamagedError(f'it holds {len(content)} bytes instead of {size}')
    if checksum and crc32(content) != checksum:
        raise DamagedError('its checksum does not match')
    return content


def beginning(data: bytes, compression: str) -> bytes:
    """Return the contents of a chunk that was cut off, as far as they go."""
    try:
        if compression == 'zstd':
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        if compression == 'lz4':
            return lz4.frame.LZ4FrameDecompressor().decompress(
                data, max_length=MAX_CHUNK_BYTES)
    except (zstandard.ZstdError, RuntimeError, ValueError, MemoryError, EOFError):
        return b''
    return data


@dataclass(slots=True)
class ChunkContent:
    """The wanted messages of a chunk, in their order."""

    messages: list[RecordedMessage]
    unknown: int  # messages of channels that nobody declared
    cut_at: int | None  # where the records end before the content does


def read_content(content: bytes, channels: Channels) -> ChunkContent:
    """Return what a chunk's contents hold; bytes of messages that are not wanted stay there."""
    messages: list[RecordedMessage] = []
    unknown, at, end = 0, 0, len(content)
    known = channels.known
    while at < end:
        if end - at < HEAD.size:
            return ChunkContent(messages, unknown, at)
        opcode, length = HEAD.unpack_from(content, at)
        after = at + HEAD.size + length
        if after > end or (opcode == MESSAGE and length < MESSAGE_HEAD.size):
            return ChunkContent(messages, unknown, at)
        if opcode == MESSAGE:
            _, _, channel_id, _, stamp_ns, _ = _MESSAGE.unpack_from(content, at)
            info = known.get(channel_id)
            if info is None:
                unknown += 1
            elif info.wanted:
                messages.append(RecordedMessage(
                    info.topic, info.type_name, stamp_ns, content[at + _MESSAGE.size:after]))
        elif opcode == SCHEMA:
            channels.declare_schema(content[at + HEAD.size:after])
        elif opcode == CHANNEL:
            channels.declare(content[at + HEAD.size:after])
        at = after
    return ChunkContent(messages, unknown, None)
