"""
What a core was told, in order: enough to run it again and compare its every decision.

A journal is a stream of msgpack arrays ``[kind, ros_ns, steady_ns, payload]``. ``kind`` names the
call ('joint_state', 'wrench/wrist', 'tick', ...), ``payload`` are the message's bytes as they
came, or empty. It is written in memory-bounded batches and renamed into place when closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgpack
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError

_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One call or one outcome."""

    kind: str
    now: Instant
    payload: bytes


def pack_entry(packer: msgpack.Packer, kind: str, now: Instant, payload: bytes) -> None:
    """Append one entry to what ``packer`` holds."""
    packer.pack((kind, now.ros_ns, now.steady_ns, payload))


class JournalWriter:
    """Appends entries to ``path`` + '.partial'; ``close`` renames it to ``path``."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._partial = self._path.with_name(self._path.name + '.partial')
        self._file = self._partial.open('wb')
        self._packer = msgpack.Packer(autoreset=False)

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Add one entry; it reaches the disk with its batch."""
        pack_entry(self._packer, kind, now, payload)
        if len(self._packer.getbuffer()) >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._packer.getbuffer())
        self._packer.reset()

    def close(self) -> None:
        """Write what is left and put the file in its place."""
        self._flush()
        self._file.close()
        self._partial.replace(self._path)


def read_journal(path: Path | str) -> Iterator[JournalEntry]:
    """
    Yield the entries in order.

    Raises
    ------
    BridgeError
        If the file is not a journal.

    """
    with Path(path).open('rb') as file:
        yield from read_entries(file, str(path))


def read_entries(file: BinaryIO, where: str) -> Iterator[JournalEntry]:
    """
    Yield the entries of an open journal in order; ``where`` is for complaints.

    Raises
    ------
    BridgeError
        If it is not a journal.

    """
    try:
        for kind, ros_ns, steady_ns, payload in msgpack.Unpacker(file, use_list=False):
            if [*map(type, (kind, ros_ns, steady_ns, payload))] != [str, int, int, bytes]:
                raise ValueError('an entry is not made of a text, two whole numbers and bytes')
            yield JournalEntry(kind, Instant(ros_ns, steady_ns), payload)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BridgeError(f'{where}: not a journal of this package: {error}') from error
