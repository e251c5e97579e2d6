"""Read a recording back: the raw bytes, or the values that the rest of the package works on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.samples import (
    ImageSample,
    JointSample,
    TrajectoryMessage,
    WrenchSample,
)
from physical_ai_bridge.runtime import cdr
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import get_typestore, Stores

MAX_TRAJECTORY_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message: ``stamp_ns`` is when the recorder received it, on the recorder's clock."""

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordedTopic:
    """One topic of a recording."""

    type_name: str
    count: int


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

    ``path`` is a rosbag2 folder or an .mcap file. A folder that was never finished, a file that is
    no recording or one that is cut short raises RecordingError.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        if self._path.is_dir() and not (self._path / 'metadata.yaml').is_file():
            found = 'it has no metadata.yaml'
        elif not self._path.exists():
            found = 'there is no such folder'
        else:
            found = None
        if found:
            raise RecordingError(
                f'{self._path}: not a recording: {found}; give the folder that holds '
                'metadata.yaml and the .mcap file')
        try:
            self._reader = Reader(self._path)
            self._reader.open()
        except (ReaderError, OSError, KeyError, TypeError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> RecordingError:
        return RecordingError(f'{self._path}: the recording cannot be read: {error}; was it '
                              'copied whole?')

    @property
    def topics(self) -> dict[str, RecordedTopic]:
        """What was recorded, by topic."""
        return {c.topic: RecordedTopic(c.msgtype, c.msgcount) for c in self._reader.connections}

    @property
    def notes(self) -> dict[str, str]:
        """What the writer noted: see ``RecordingWriter``."""
        return dict(self._reader.storage.metadata.custom or {})

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """
        Yield the messages of ``topics``, or of all, in the order in which they were received.

        Raises
        ------
        RecordingError
            When the file turns out to be damaged.

        """
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not chosen:
            return
        try:
            for connection, stamp_ns, data in self._reader.messages(chosen):
                yield RecordedMessage(connection.topic, connection.msgtype, stamp_ns, data)
        except (ReaderError, OSError, ValueError, AssertionError) as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None,
    ) -> None:
        self.close()


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
