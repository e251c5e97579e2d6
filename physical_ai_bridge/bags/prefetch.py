"""Read a recording ahead, on a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
import threading
from typing import Protocol

from physical_ai_bridge.bags.message import RecordedMessage

MAX_BYTES = 64 * 1024 * 1024
_BATCH_BYTES = 1024 * 1024
_BATCH_MESSAGES = 256
# What a message costs beside its bytes.
_OVERHEAD_BYTES = 200


class Readable(Protocol):
    """What messages come from: a ``Recording``."""

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Yield the messages of ``topics``, or of all."""


def prefetched(
        recording: Readable, topics: Collection[str] | None = None, *,
        max_bytes: int = MAX_BYTES) -> Iterator[RecordedMessage]:
    """
    Yield what ``recording.messages(topics)`` yields, in the same order, read ahead.

    Reading and unpacking go on while the caller works: up to ``max_bytes`` of messages wait, and
    one batch of about 1 MB more, or one message where it is larger. What the reading raises is
    raised here, after the messages before it. Closing the generator ends the thread.
    """
    queue = _Batches(max_bytes)
    thread = threading.Thread(
        target=_read, args=(recording, topics, queue), name='prefetch', daemon=True)
    thread.start()
    try:
        while (batch := queue.take()) is not None:
            yield from batch
    finally:
        queue.stop()
        thread.join()
    if queue.error is not None:
        raise queue.error


def _read(recording: Readable, topics: Collection[str] | None, queue: _Batches) -> None:
    batch: list[RecordedMessage] = []
    size = 0
    try:
        for message in recording.messages(topics):
            batch.append(message)
            size += len(message.data) + _OVERHEAD_BYTES
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_MESSAGES:
                if not queue.put(batch, size):
                    return
                batch, size = [], 0
    except BaseException as error:  # noqa: BLE001 - it is raised where the messages are taken
        queue.error = error
    finally:
        queue.put(batch, size)
        queue.end()


class _Batches:
    """A queue of batches that holds so many bytes, between one thread and another."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[list[RecordedMessage], int]] = deque()
        self._bytes = 0
        self._ended = self._stopped = False
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def put(self, batch: list[RecordedMessage], size: int) -> bool:
        """Add a batch once there is room; False where nobody takes any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or not self._waiting or self._bytes < self._max_bytes)
            if self._stopped:
                return False
            self._waiting.append((batch, size))
            self._bytes += size
            self._changed.notify_all()
            return True

    def take(self) -> list[RecordedMessage] | None:
        """Return the next batch; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            batch, size = self._waiting.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return batch

    def end(self) -> None:
        """Say that no batch follows."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Say that no batch is taken any more."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
