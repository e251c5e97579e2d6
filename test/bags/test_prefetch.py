"""What is read ahead comes in the same order, within bounds, and its errors come out."""

from __future__ import annotations

from collections.abc import Iterator
import threading

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.prefetch import prefetched
from physical_ai_bridge.bags.reader import RecordedMessage, Recording
from physical_ai_bridge.testing.bags import write_messages
import pytest


class Tap:
    """A recording that counts what is taken from it; ``closed`` is set when it is closed."""

    def __init__(self, count: int, size: int = 1000, breaks: bool = False) -> None:
        self.count, self.size, self.breaks = count, size, breaks
        self.taken, self.closed = 0, threading.Event()
        self.asked: object = None

    def messages(self, topics=None) -> Iterator[RecordedMessage]:
        self.asked = topics
        try:
            for number in range(self.count):
                self.taken += 1
                yield RecordedMessage('/t', 'x', number, bytes(self.size))
            if self.breaks:
                raise RecordingError('the disk fails')
        finally:
            self.closed.set()


def test_all_messages_come_in_their_order(words, tmp_path):
    said = words.messages(3000)
    path = write_messages(tmp_path / 'bag', said, storage='sqlite3')
    with Recording(path) as recording:
        assert list(prefetched(recording, ['/words'], max_bytes=10_000)) == said
        assert list(prefetched(recording, ['/other'])) == []


def test_no_more_is_read_ahead_than_may_wait():
    tap = Tap(5000, size=10_000)
    messages = prefetched(tap, max_bytes=5_000_000)
    for _ in range(1000):
        next(messages)
    # Without a bound it would all be read by now; with one it never is, however slow the machine.
    assert not tap.closed.wait(0.5)
    messages.close()
    # What waits, a batch on its way and the one that is being worked on.
    assert tap.taken < 1000 + 500 + 3 * 256


def test_a_message_larger_than_the_bound_comes_all_the_same():
    assert len(list(prefetched(Tap(5, size=10_000_000), max_bytes=1))) == 5


def test_an_error_comes_out_after_the_messages_before_it():
    found = []
    with pytest.raises(RecordingError, match='the disk fails'):
        for message in prefetched(Tap(700, breaks=True)):
            found.append(message.stamp_ns)
    assert found == list(range(700))


def test_closing_early_ends_the_thread_and_the_reading():
    tap = Tap(10**9)
    messages = prefetched(tap, max_bytes=100_000)
    next(messages)
    messages.close()
    assert tap.closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == 'prefetch']
