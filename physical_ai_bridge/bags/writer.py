"""Write messages, as the raw bytes that came over the wire, into an MCAP recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import queue
import shutil
import tempfile
import threading
from types import TracebackType

from physical_ai_bridge.bags.errors import RecordingError
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.typesys import get_typestore, Stores, TypesysError

QUEUE_MESSAGES = 8192
QUEUE_BYTES = 128 * 1024 * 1024
# Version 8 is what Jazzy writes; Kilted, Foxglove and rosbags read it too.
_METADATA_VERSION = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSummary:
    """What went into a recording, and what did not, by topic."""

    path: Path
    written: dict[str, int]
    dropped: dict[str, int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    type_name: str
    stamp_ns: int
    data: bytes


class RecordingWriter:
    """
    A rosbag2 folder with one MCAP file, written by a thread of its own.

    ``put`` never blocks: what does not fit into the queue is dropped and counted. The folder
    appears under its name only when ``close`` has finished it, so that a half-written recording
    never takes the place of a good one. Message definitions are inside, for Foxglove and rosbags.
    """

    def __init__(
            self, path: Path, *, notes: Mapping[str, str] | None = None,
            queue_messages: int = QUEUE_MESSAGES, queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        """
        Begin a recording that will be the folder ``path``.

        ``notes`` are kept in the recording's metadata: the bundle's digest, say.

        Raises
        ------
        RecordingError
            When the folder cannot be made.

        """
        self._path = Path(path)
        self._queue: queue.Queue[_Message | None] = queue.Queue(queue_messages)
        self._queue_bytes = queue_bytes
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._written: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._bytes = 0
        self._failure: RecordingError | None = None
        self._closed = False
        self._types = get_typestore(Stores.ROS2_JAZZY)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._workshop = Path(tempfile.mkdtemp(
                prefix=f'.{self._path.name}.', suffix='.part', dir=self._path.parent))
            self._writer = Writer(
                self._workshop / self._path.name, version=_METADATA_VERSION,
                storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            for key, value in (notes or {}).items():
                self._writer.set_custom_data(key, value)
            self._writer.open()
        except (OSError, WriterError) as error:
            raise RecordingError(
                f'{self._path}: the recording cannot be begun: {error}; choose a folder that may '
                'be written to') from error
        self._connections = {}
        self._thread = threading.Thread(target=self._run, name='recording', daemon=True)
        self._thread.start()

    def put(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> bool:
        """Queue one message; False when it had to be dropped. Callable from any thread."""
        with self._lock:
            fits = (not self._closed and self._failure is None
                    and self._pending_bytes + len(data) <= self._queue_bytes)
            if fits:
                try:
                    self._queue.put_nowait(_Message(topic, type_name, stamp_ns, data))
                except queue.Full:
                    fits = False
                else:
                    self._pending_bytes += len(data)
            if not fits:
                self._dropped[topic] += 1
            return fits

    @property
    def dropped(self) -> int:
        """How many messages have been dropped so far."""
        with self._lock:
            return sum(self._dropped.values())

    def close(self) -> RecordingSummary:
        """
        Write what is queued, finish the file and put the folder in its place.

        Raises
        ------
        RecordingError
            When something could not be written; the folder's place is then left as it was.

        """
        self._finish_thread()
        try:
            if self._failure is not None:
                raise self._failure
            if not self._written:
                raise RecordingError(
                    f'{self._path}: not one message came, so there is nothing to record; check '
                    'that the nodes run in the same ROS_DOMAIN_ID')
            self._writer.close()
            self._swap_in()
        except (OSError, WriterError) as error:
            raise RecordingError(
                f'{self._path}: the recording cannot be finished: {error}') from error
        finally:
            shutil.rmtree(self._workshop, ignore_errors=True)
        return RecordingSummary(
            path=self._path, written=dict(self._written), dropped=dict(self._dropped),
            size_bytes=self._bytes)

    def abort(self) -> None:
        """Throw the recording away."""
        self._finish_thread()
        self._writer.abort()
        shutil.rmtree(self._workshop, ignore_errors=True)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None,
    ) -> None:
        if self._closed:
            return
        if kind is None:
            self.close()
        else:
            self.abort()

    def _finish_thread(self) -> None:
        with self._lock:
            already, self._closed = self._closed, True
        if not already:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            with self._lock:
                self._pending_bytes -= len(message.data)
            if self._failure is None:
                self._write(message)
            else:
                with self._lock:
                    self._dropped[message.topic] += 1

    def _write(self, message: _Message) -> None:
        key = (message.topic, message.type_name)
        try:
            if key not in self._connections:
                self._connections[key] = self._writer.add_connection(
                    message.topic, message.type_name, typestore=self._types)
            self._writer.write(self._connections[key], message.stamp_ns, message.data)
        except TypesysError:
            # Not a type of the distribution: without its definition nobody could read it.
            with self._lock:
                self._dropped[message.topic] += 1
        except (OSError, WriterError) as error:
            self._failure = RecordingError(
                f'{self._path}: writing the recording failed: {error}; make room on the disk')
        else:
            self._written[message.topic] += 1
            self._bytes += len(message.data)

    def _swap_in(self) -> None:
        """Put the finished folder in its place; a recording that is there gives way at once."""
        finished, replaced = self._workshop / self._path.name, self._workshop / 'replaced'
        if self._path.exists():
            self._path.replace(replaced)
        try:
            finished.replace(self._path)
        except OSError:
            if replaced.exists():
                replaced.replace(self._path)
            raise
