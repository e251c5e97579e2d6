"""Read a recording back: the raw bytes, or the values that the rest of the package works on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.layout import find_layout, PACKED
from physical_ai_bridge.bags.message import RecordedMessage, RecordedTopic, StorageFile
from physical_ai_bridge.bags.metadata import distribution_of, notes_of
from physical_ai_bridge.bags.opening import opened
from physical_ai_bridge.bags.problems import ReadingProblem, Report
from physical_ai_bridge.bags.progress import Progress, unpacked_messages
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.samples import (
    ImageSample,
    JointSample,
    TrajectoryMessage,
    WrenchSample,
)
from physical_ai_bridge.runtime import cdr
from rosbags.serde import SerdeError
from rosbags.typesys import get_typestore, Stores

MAX_TRAJECTORY_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Status:
    """A diagnostic_msgs/DiagnosticStatus: ``level`` is 0 OK, 1 WARN, 2 ERROR, 3 STALE."""

    stamp_ns: int | None
    level: int
    name: str
    message: str
    values: dict[str, str]


Value = (JointSample | WrenchSample | ImageSample | TrajectoryMessage | tuple[Status, ...]
         | bool | str)


class Recording:
    """
    A recording that is open for reading; use it in a ``with`` statement.

    ``path`` is a rosbag2 folder, with or without metadata.yaml, or an .mcap or .db3 file. What is
    damaged or missing is left out and told in ``problems``; RecordingError is raised where there
    is nothing that could be read.
    """

    def __init__(self, path: Path) -> None:
        self._layout = find_layout(Path(path))
        self._found: list[ReadingProblem] = []

    @property
    def path(self) -> Path:
        """The folder or file that was given."""
        return self._layout.path

    @property
    def storage(self) -> str:
        """'mcap' or 'sqlite3'."""
        return self._layout.storage

    @property
    def files(self) -> tuple[Path, ...]:
        """The storage files that are there, in their order."""
        return self._layout.files

    @property
    def size_bytes(self) -> int:
        """How large the storage files are, as they are on the disk."""
        return sum(each.stat().st_size for each in self._layout.files)

    @property
    def distribution(self) -> str | None:
        """The ROS distribution that wrote the recording, such as 'jazzy', where it says so."""
        metadata = self._layout.metadata
        return distribution_of(self._facts) if metadata is None else metadata.distribution

    @property
    def notes(self) -> dict[str, str]:
        """What the writer noted: see ``RecordingWriter``."""
        metadata = self._layout.metadata
        return notes_of(self._facts) if metadata is None else dict(metadata.notes)

    @property
    def stamps(self) -> tuple[int, int] | None:
        """The first and the last receive stamp in ns; None where only reading it all tells."""
        if self._layout.metadata is not None:
            return self._layout.metadata.stamps
        found = [self._quietly(path, lambda file: file.stamps()) for path in self.files]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        return min(first for first, _ in known), max(last for _, last in known)

    @cached_property
    def topics(self) -> dict[str, RecordedTopic]:
        """
        What was recorded, by topic.

        Where metadata.yaml or an index at the end of a file is missing, all is read for it.
        """
        if self._layout.metadata is not None:
            return dict(self._layout.metadata.topics)
        topics: dict[str, RecordedTopic] = {}
        for path in self.files:
            with opened(path, self.storage, _silent()) as file:
                for name, topic in file.topics().items():
                    before = topics[name].count if name in topics else 0
                    topics[name] = RecordedTopic(topic.type_name, before + topic.count)
        return topics

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self._quietly(self.files[0], lambda file: file.facts()) or {}

    def _quietly(self, path: Path, ask: Callable[[StorageFile], Any]) -> Any:
        """Ask a file for what it knows at once; None of one that would have to be unpacked."""
        if path.name.endswith(PACKED):
            return None
        with opened(path, self.storage, _silent()) as file:
            return ask(file)

    @property
    def problems(self) -> tuple[ReadingProblem, ...]:
        """What is wrong with the recording; complete once ``messages`` is exhausted."""
        return (*self._layout.problems, *self._found)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """
        Yield the messages of ``topics``, or of all, in the order in which they were written.

        That is the order of receipt, but where the recorder's clock stepped back: then the stamps
        step back, too. Memory holds one chunk of a file, or one message, at a time.

        Raises
        ------
        RecordingError
            When a file cannot be read at all, as from a disk that fails.

        """
        self._found = []
        wanted = None if topics is None else frozenset(topics)
        metadata = self._layout.metadata
        packed = metadata is None or metadata.compression_mode == 'message'
        progress = Progress(self._found.append)
        for path in self.files:
            report = Report(path.name, self._found.append)
            try:
                with opened(path, self.storage, report) as file:
                    messages = file.messages(wanted)
                    yield from progress.watched(
                        unpacked_messages(messages, report) if packed else messages, path.name)
            except OSError as error:
                raise RecordingError(f'{path}: it cannot be read: {error}') from error
        if metadata is not None:
            progress.compare(metadata.topics, wanted, self.problems)

    def close(self) -> None:
        """Do nothing: each way through the messages closes what it opens."""

    def __enter__(self) -> Recording:
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None,
    ) -> None:
        self.close()


def _silent() -> Report:
    """Return what takes problems that reading the messages will tell once more."""
    return Report('', lambda _: None)


def decode(message: RecordedMessage) -> Value:
    """
    Return a message as a value.

    DiagnosticStatus and DiagnosticArray both become a tuple of Status.

    Raises
    ------
    WireError
        When the bytes are not of the type, or the type is not one that this package uses.

    """
    kind, data = message.type_name, message.data
    if kind in cdr.SENSOR_DECODERS:
        return cdr.SENSOR_DECODERS[kind](data)
    if kind == 'trajectory_msgs/msg/JointTrajectory':
        return cdr.decode_joint_trajectory(data, MAX_TRAJECTORY_POINTS)
    if kind == 'std_msgs/msg/Bool':
        return cdr.decode_bool(data)
    if kind == 'std_msgs/msg/String':
        return cdr.decode_string(data)
    if kind == 'diagnostic_msgs/msg/DiagnosticStatus':
        return (_status(_deserialize(data, kind), None),)
    if kind == 'diagnostic_msgs/msg/DiagnosticArray':
        array = _deserialize(data, kind)
        stamp = array.header.stamp
        return tuple(_status(status, stamp.sec * NS_PER_S + stamp.nanosec)
                     for status in array.status)
    raise WireError(f'{message.topic}: {kind} is not a type that this package reads')


@lru_cache(maxsize=1)
def _types() -> Any:
    return get_typestore(Stores.ROS2_JAZZY)


def _deserialize(data: bytes, kind: str) -> Any:
    try:
        return _types().deserialize_cdr(data, kind)
    except (SerdeError, ValueError, IndexError, AssertionError) as error:
        raise WireError(f'{kind}: {len(data)} bytes do not decode: {error}') from error


def _status(message: Any, stamp_ns: int | None) -> Status:
    return Status(stamp_ns, int(message.level), message.name, message.message,
                  {pair.key: pair.value for pair in message.values})
