"""
What a node's core was told and answered, with references into a bag instead of its messages.

A journal (``runtime.journal``) whose payloads are left out: where a message was taken there is a
key by which it is found among the bag's own, and where something was decided there is a
fingerprint. It comes in batches, each the bytes of one message: a msgpack stream of

::

    [FORMAT, run, number, entries]                 which batch, and how many entries it has
    [kind, ros_ns, steady_ns, form, content], ...

``form`` says what ``content`` is, see ``Form``. Between batches of one run whose numbers follow
each other nothing is missing. A run begins with a head, and heads are repeated, so that whoever
has missed something can go on from the next.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass, fields
from enum import IntEnum
import struct
from typing import Any
import zlib

import msgpack
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.decision_bytes import fingerprint, words_of

FORMAT = 1
HEAD = 'head'
# What a core answers; every other kind is something that it was told.
OUTCOMES = frozenset((
    'activate', 'deactivate', 'tick', 'withdraw', 'observe', 'propose', 'refresh', 'settle'))
# A message up to this stands in the trace itself: a key and a look-up cost as much.
INLINE_BYTES = 64
_KEYED_BYTES = 256
_KEY = struct.Struct('<II')
_FINGERPRINT_BYTES = 16
# A detail may be long, and is told 100 times a second.
_WORDS_BYTES = 160
_MOST_BYTES = 64 * 1024 * 1024


class Form(IntEnum):
    """What the content of an entry is."""

    PAYLOAD = 0  # the journal's payload itself
    MESSAGE = 1  # the key of a recorded message
    OUTCOME = 2  # the fingerprint of the journal's payload, then what it says in words
    HEAD = 3  # a Head, packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """
    Whose trace it is, and the state in which its core is between the entry before and the next.

    Digests are sha256 in hex; ``bundle_digest`` and ``provider`` are '' for a supervisor. What
    ``state`` holds is the node's affair: ``safety.snapshot`` or ``PolicyInputs.carried``, packed.
    """

    package_version: str
    node: str
    cell_digest: str
    bundle_digest: str
    provider: str
    state: bytes


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One call or outcome; ``head`` stands where ``form`` is HEAD."""

    kind: str
    now: Instant
    form: Form
    content: bytes
    head: Head | None = None

    @property
    def fingerprint(self) -> bytes:
        """Of an OUTCOME: what its payload's ``fingerprint`` was."""
        return self.content[:_FINGERPRINT_BYTES]

    @property
    def words(self) -> str:
        """Of an OUTCOME: what it was, for a person."""
        return self.content[_FINGERPRINT_BYTES:].decode(errors='replace')


@dataclass(frozen=True, slots=True)
class TraceBatch:
    """
    The entries of one message.

    ``number`` is one more than that of the batch before in its ``run``; it counts from 0.
    """

    run: int
    number: int
    entries: tuple[TraceEntry, ...]


def key_of(message: bytes) -> bytes:
    """
    Return 8 bytes by which a message is found among its topic's of the last seconds.

    They are its length and a checksum over both its ends, where stamps and small values lie: an
    image is never read as a whole.
    """
    checksum = zlib.crc32(message[:_KEYED_BYTES])
    if len(message) > _KEYED_BYTES:
        checksum = zlib.crc32(message[-_KEYED_BYTES:], checksum)
    return _KEY.pack(len(message) & 0xFFFFFFFF, checksum)


class TraceWriter:
    """
    Gathers entries into batches.

    ``recorded`` are the kinds whose messages a recording has; the payload of any other input
    stands in the trace. Not thread-safe.
    """

    def __init__(self, recorded: Collection[str]) -> None:
        self._recorded = frozenset(recorded)
        self._packer = msgpack.Packer(autoreset=False)
        self._run = self._number = self._entries = 0

    def begin(self, now: Instant) -> None:
        """Begin another run: what no batch has yet is left out, and others may have been."""
        self._packer.reset()
        self._run, self._number, self._entries = now.steady_ns, 0, 0

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Add what a journal would have."""
        if payload and kind in OUTCOMES:
            words = words_of(payload).encode()[:_WORDS_BYTES]
            self._pack(kind, now, Form.OUTCOME, fingerprint(payload) + words)
        elif len(payload) > INLINE_BYTES and kind in self._recorded:
            self._pack(kind, now, Form.MESSAGE, key_of(payload))
        else:
            self._pack(kind, now, Form.PAYLOAD, payload)

    def head(self, now: Instant, head: Head) -> None:
        """Add a head: entries before it need not be known to understand those after it."""
        self._pack(HEAD, now, Form.HEAD, msgpack.packb(astuple(head)))

    def _pack(self, kind: str, now: Instant, form: Form, content: bytes) -> None:
        self._packer.pack((kind, now.ros_ns, now.steady_ns, int(form), content))
        self._entries += 1

    def take(self) -> bytes | None:
        """Return what has come since the last batch, None where nothing has."""
        if not self._entries:
            return None
        about = (FORMAT, self._run, self._number, self._entries)
        batch = msgpack.packb(about) + self._packer.bytes()
        self._packer.reset()
        self._number += 1
        self._entries = 0
        return batch


def read_batch(data: bytes) -> TraceBatch:
    """
    Read one batch; nothing in it is trusted.

    Raises
    ------
    BridgeError
        If the bytes are not a batch of a trace, or one of another format.

    """
    unpacker = msgpack.Unpacker(use_list=False, max_buffer_size=_MOST_BYTES)
    try:
        unpacker.feed(data)
        layout, *about = unpacker.unpack()
        if layout != FORMAT:
            raise BridgeError(f'found a trace of format {layout!r}, this version reads {FORMAT}; '
                              'read it with the version that wrote it')
        if [*map(type, about)] != [int, int, int]:
            raise ValueError('it does not say which batch it is')
        run, number, count = about
        entries = tuple(_entry(*unpacker.unpack()) for _ in range(count))
        if unpacker.tell() != len(data):
            raise ValueError(f'{len(data) - unpacker.tell()} bytes are left over')
        return TraceBatch(run, number, entries)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BridgeError(
            f'not a batch of a trace of this package: {error or type(error).__name__}') from error


def _entry(kind: Any, ros_ns: Any, steady_ns: Any, form: Any, content: Any) -> TraceEntry:
    if [*map(type, (kind, ros_ns, steady_ns, form, content))] != [str, int, int, int, bytes]:
        raise ValueError('an entry is not made of a text, three whole numbers and bytes')
    form = Form(form)
    if form is Form.MESSAGE and len(content) != _KEY.size:
        raise ValueError(f'a key has {len(content)} bytes')
    if form is Form.OUTCOME and len(content) < _FINGERPRINT_BYTES:
        raise ValueError(f'a fingerprint has {len(content)} bytes')
    return TraceEntry(kind, Instant(ros_ns, steady_ns), form, content,
                      _head(content) if form is Form.HEAD else None)


def _head(content: bytes) -> Head:
    values = msgpack.unpackb(content, use_list=False)
    wanted = [bytes if each.name == 'state' else str for each in fields(Head)]
    if type(values) is not tuple or [*map(type, values)] != wanted:
        raise ValueError('a head is not made of texts and a state')
    return Head(**dict(zip((each.name for each in fields(Head)), values, strict=True)))
