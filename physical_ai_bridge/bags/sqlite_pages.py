"""
The rows of rosbag2's messages table, taken from the pages of a damaged sqlite3 file.

SQLite itself finds rows through pages that are written late: of a file that was cut it often
finds none. The rows themselves stand in leaf pages, one after the other, and this reads those.
The format is that of https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import struct
from typing import BinaryIO, NamedTuple

_TABLE_LEAF = 0x0D
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FIRST_BLOB = 12
_MAX_ROW_BYTES = 1024**3


class Row(NamedTuple):
    """A row of the table; ``data`` is None where its pages are not all there."""

    row_id: int
    topic_id: int
    stamp_ns: int
    data: bytes | None


class _NoRowError(Exception):
    """The bytes are no row of the messages table."""


class MessagePages:
    """The rows of a file's messages table, in the order of their ids."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, wanted: Callable[[int], bool], after_id: int) -> Iterator[Row]:
        """Yield the rows of the topics that are ``wanted``, whose id is beyond ``after_id``."""
        with self._path.open('rb') as file:
            pages = _Pages(file)
            last_id = after_id
            # Each leaf page holds a range of ids of its own.
            for _, number in sorted(pages.leaves()):
                for row in pages.leaf_rows(number, wanted):
                    if row.row_id > last_id:
                        last_id = row.row_id
                        yield row


class _Pages:

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(100)
        size = int.from_bytes(head[16:18], 'big')
        self._size = 65536 if size == 1 else size
        self._usable = self._size - head[20] if len(head) == 100 else 0
        whole = os.fstat(file.fileno()).st_size // self._size if self._usable >= 480 else 0
        self._count = whole

    def leaves(self) -> Iterator[tuple[int, int]]:
        """Yield the first id and the number of each leaf page of the table."""
        for number in range(2, self._count + 1):
            page = self._page(number)
            if page[0] != _TABLE_LEAF:
                continue
            for row in self._rows_of(page, lambda _: False):
                yield row.row_id, number
                break

    def leaf_rows(self, number: int, wanted: Callable[[int], bool]) -> list[Row]:
        """Return the rows of one leaf page."""
        return [row for row in self._rows_of(self._page(number), wanted) if wanted(row.topic_id)]

    def _page(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size)

    def _rows_of(self, page: bytes, wanted: Callable[[int], bool]) -> Iterator[Row]:
        count = int.from_bytes(page[3:5], 'big')
        if 8 + 2 * count > self._size:
            return
        for at in struct.unpack_from(f'>{count}H', page, 8):
            try:
                yield self._row(page, at, wanted)
            except (_NoRowError, IndexError):
                continue

    def _row(self, page: bytes, at: int, wanted: Callable[[int], bool]) -> Row:
        """Return the row of the cell that begins at a byte of a page."""
        size, at = _varint(page, at)
        row_id, at = _varint(page, at)
        if size > _MAX_ROW_BYTES:
            raise _NoRowError
        local = self._local(size)
        body = page[at:at + local]
        if len(body) < local:
            raise _NoRowError
        kinds, begin = _kinds(body)
        # id (which the row's own id stands for), topic_id, timestamp, data
        if len(kinds) != 4 or kinds[0] or kinds[3] < _FIRST_BLOB or kinds[3] % 2:
            raise _NoRowError
        topic_id, begin = _integer(body, begin, kinds[1])
        stamp_ns, begin = _integer(body, begin, kinds[2])
        length = (kinds[3] - _FIRST_BLOB) // 2
        if begin + length != size:
            raise _NoRowError
        data = None
        if wanted(topic_id):
            rest = size - local
            data = body[begin:] if not rest else self._joined(
                body[begin:], int.from_bytes(page[at + local:at + local + 4], 'big'), rest)
        return Row(row_id, topic_id, stamp_ns, data)

    def _local(self, size: int) -> int:
        """Return how many bytes of a row stand in its own page."""
        most = self._usable - 35
        if size <= most:
            return size
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        return local if local <= most else least

    def _joined(self, begin: bytes, number: int, rest: int) -> bytes | None:
        """Return a row's data with what stands in the pages that it goes on in."""
        parts = [begin]
        while rest > 0:
            if not 2 <= number <= self._count:
                return None
            page = self._page(number)
            part = page[4:4 + min(rest, self._usable - 4)]
            parts.append(part)
            rest -= len(part)
            number = int.from_bytes(page[:4], 'big')
        return b''.join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a byte, and where it ends."""
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1


def _kinds(body: bytes) -> tuple[list[int], int]:
    """Return the types of a record's columns, and where its values begin."""
    end, at = _varint(body, 0)
    kinds = []
    while at < end:
        kind, at = _varint(body, at)
        kinds.append(kind)
    if at != end:
        raise _NoRowError
    return kinds, end


def _integer(body: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind in (8, 9):
        return kind - 8, at
    if kind not in _INTEGER_BYTES:
        raise _NoRowError
    end = at + _INTEGER_BYTES[kind]
    return int.from_bytes(body[at:end], 'big', signed=True), end
