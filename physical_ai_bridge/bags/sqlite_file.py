"""One sqlite3 file of rosbag2's, read in the order in which its rows were written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw
from physical_ai_bridge.bags.message import RecordedMessage, RecordedTopic
from physical_ai_bridge.bags.metadata import facts_from_text
from physical_ai_bridge.bags.problems import ProblemCode, Report
from physical_ai_bridge.bags.sqlite_pages import MessagePages

MAGIC = b'SQLite format 3\0'
_CDR = 'cdr'


class Sqlite3File:
    """One .db3 file; nothing is written, neither into it nor beside it."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path, self._report = path, report

    def close(self) -> None:
        """Do nothing: what is opened is closed at once."""

    def _connected(self) -> closing[apsw.Connection]:
        """Return a connection; one may be made and used in any thread."""
        journal = Path(f'{self._path}-wal')
        name = quote(str(self._path.absolute()))
        if journal.exists() and journal.stat().st_size:
            # With locks of its own SQLite would put an index beside the file.
            connection = _open(f'file:{name}?mode=ro&vfs=unix-none')
            connection.execute('PRAGMA locking_mode=EXCLUSIVE')
        else:
            connection = _open(f'file:{name}?immutable=1')
        # A file that was cut has fewer pages than it says; without this SQLite reads none of it.
        connection.execute('PRAGMA writable_schema=ON')
        return closing(connection)

    def topics(self) -> dict[str, RecordedTopic]:
        """Return what the file holds, by topic: all rows are counted."""
        try:
            if self._is_cut():
                raise apsw.CorruptError
            with self._connected() as connection:
                counts = dict(connection.execute(
                    'SELECT topic_id, count(*) FROM messages GROUP BY topic_id'))
                return {name: RecordedTopic(type_name, counts.get(topic_id, 0))
                        for topic_id, name, type_name, _ in _topics(connection)}
        except apsw.Error:
            # Damaged; reading it through says what is lost.
            counted: dict[str, RecordedTopic] = {}
            silent = Sqlite3File(self._path, Report('', lambda _: None))
            for message in silent.messages(None):
                before = counted.get(message.topic)
                counted[message.topic] = RecordedTopic(
                    message.type_name, before.count + 1 if before else 1)
            return counted

    def stamps(self) -> tuple[int, int] | None:
        """Return the first and the last receive stamp in ns, from the index, if it is whole."""
        if self._is_cut():
            return None
        try:
            with self._connected() as connection:
                first, last = connection.execute(
                    'SELECT (SELECT min(timestamp) FROM messages), '
                    '(SELECT max(timestamp) FROM messages)').fetchone()
        except apsw.Error:
            return None
        return None if first is None else (first, last)

    def facts(self) -> dict[str, object]:
        """Return what the recorder has written into the file's metadata."""
        try:
            with self._connected() as connection:
                row = connection.execute(
                    'SELECT metadata FROM metadata ORDER BY id DESC LIMIT 1').fetchone()
                facts = facts_from_text(row[0]) if row else {}
                row = connection.execute('SELECT ros_distro FROM schema').fetchone()
        except apsw.Error:
            return {}
        if row:
            facts.setdefault('ros_distro', row[0])
        return facts

    def messages(self, topics: Collection[str] | None) -> Iterator[RecordedMessage]:
        """Yield the messages of ``topics``, or all, in the order in which they were written."""
        last_id = 0
        # Where a page is cut in half, SQLite takes the other half for zeros.
        damage = 'it has fewer pages than it says' if self._is_cut() else None
        try:
            with self._connected() as connection:
                known = self._wanted(connection, topics)
                try:
                    for row_id, topic_id, stamp_ns, data in (
                            _rows(connection, known) if damage is None else ()):
                        name, type_name = known[topic_id]
                        last_id = row_id
                        yield RecordedMessage(name, type_name, stamp_ns, data)
                except (apsw.Error, TypeError) as error:
                    damage = str(error)
        except (apsw.Error, TypeError) as error:
            self._report(ProblemCode.TRUNCATED if self._is_cut() else ProblemCode.MESSAGES_LOST,
                         f'not even its topics can be read ({error}): all that it holds is lost')
            return
        if damage is not None:
            yield from self._from_pages(known, last_id, damage)
        if _has_hot_journal(self._path):
            self._report(ProblemCode.TRUNCATED, 'the recorder was ended in the middle of a '
                         'write: the last messages may be lost')

    def _wanted(
            self, connection: apsw.Connection, topics: Collection[str] | None,
    ) -> dict[int, tuple[str, str]]:
        """Return the topics that are wanted and can be read, with their types, by id."""
        known = {}
        for topic_id, name, type_name, encoding in _topics(connection):
            if topics is not None and name not in topics:
                continue
            if encoding == _CDR:
                known[topic_id] = (name, type_name)
            else:
                self._report(ProblemCode.UNSUPPORTED, f'{name} is encoded as {encoding!r}; only '
                             'cdr is read, so it is left out')
        return known

    def _from_pages(
            self, known: dict[int, tuple[str, str]], last_id: int, damage: str,
    ) -> Iterator[RecordedMessage]:
        """Yield what stands beyond ``last_id`` in the pages of a damaged file."""
        found, broken, stamp_ns = 0, 0, None
        first_lost_ns = None
        for row in MessagePages(self._path).rows(known.__contains__, last_id):
            if row.data is None:
                broken += 1
                first_lost_ns = row.stamp_ns if first_lost_ns is None else first_lost_ns
                continue
            found, stamp_ns = found + 1, row.stamp_ns
            yield RecordedMessage(*known[row.topic_id], row.stamp_ns, row.data)
        code, what = ((ProblemCode.TRUNCATED, 'the file ends too early') if self._is_cut() else
                      (ProblemCode.MESSAGES_LOST, 'the file is damaged'))
        self._report(
            code, f'{what} ({damage}): beyond row {last_id}, {found} messages were recovered from '
            f'single pages, {broken} are there in part and left out, and others may be lost',
            stamp_ns if first_lost_ns is None else first_lost_ns)

    def _is_cut(self) -> bool:
        """Return whether the file is shorter than its own head says."""
        with self._path.open('rb') as file:
            head = file.read(100)
        size = int.from_bytes(head[16:18], 'big')
        pages = int.from_bytes(head[28:32], 'big')
        return self._path.stat().st_size < pages * (65536 if size == 1 else size)


def _open(uri: str) -> apsw.Connection:
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _has_hot_journal(path: Path) -> bool:
    journal = Path(f'{path}-journal')
    return journal.exists() and journal.stat().st_size > 0


def _topics(connection: apsw.Connection) -> list[tuple[int, str, str, str]]:
    return connection.execute(
        'SELECT id, name, type, serialization_format FROM topics ORDER BY id').fetchall()


def _rows(
        connection: apsw.Connection, topic_ids: Collection[int],
) -> Iterator[tuple[int, int, int, bytes]]:
    """Return ids, topics, stamps and data in the order of the ids, which is that of writing."""
    marks = ','.join('?' * len(topic_ids))
    return connection.execute(
        'SELECT id, topic_id, timestamp, data FROM messages '
        f'WHERE topic_id IN ({marks}) ORDER BY id', tuple(topic_ids))
