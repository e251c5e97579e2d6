"""A journal gives back what it was given, and is never half there."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.journal import JournalEntry, JournalWriter, read_journal
import pytest

ENTRIES = [JournalEntry('tick', Instant(1_800_000_000_000_000_000 + i, i), bytes([i % 256]) * i)
           for i in range(300)]


def test_what_is_written_is_read_in_order(tmp_path):
    writer = JournalWriter(tmp_path / 'journal')
    for entry in ENTRIES:
        writer.append(entry.kind, entry.now, entry.payload)
    writer.close()
    assert list(read_journal(tmp_path / 'journal')) == ENTRIES


def test_until_it_is_closed_the_file_before_it_stands(tmp_path):
    path = tmp_path / 'journal'
    path.write_bytes(b'')
    writer = JournalWriter(path)
    writer.append('tick', Instant(1, 1), b'x' * 10)
    assert path.read_bytes() == b''
    writer.close()
    assert len(list(read_journal(path))) == 1
    assert [each.name for each in tmp_path.iterdir()] == ['journal']


def test_large_payloads_go_to_the_file_in_batches(tmp_path):
    writer = JournalWriter(tmp_path / 'journal')
    for index in range(12):
        writer.append('image/wrist', Instant(index, index), bytes(1_000_000))
    writer.close()
    assert sum(len(entry.payload) for entry in read_journal(tmp_path / 'journal')) == 12_000_000


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / 'other').write_text('{"a": 1}')
    with pytest.raises(BridgeError, match='not a journal'):
        list(read_journal(tmp_path / 'other'))
