"""Small rosbag2 bags in every form that users have, written as rosbag2 lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
import itertools
from pathlib import Path
import sqlite3
from typing import Any, Literal, Protocol

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.testing.bag_messages import (
    Cameras,
    cell_messages,
    Motion,
    START_NS,
)
from rosbags.typesys import get_typestore, Stores
import yaml
import zstandard

Storage = Literal['mcap', 'sqlite3']
# 'zstd' and 'lz4' are those of an MCAP's chunks; 'file' and 'message' are rosbag2's own, by zstd.
Compression = Literal['none', 'zstd', 'lz4', 'file', 'message']
Distribution = Literal['humble', 'jazzy', 'kilted']

METADATA_VERSIONS = {'humble': 5, 'jazzy': 9, 'kilted': 9}
# What rosbag2's MCAP plug-in takes.
CHUNK_BYTES = 768 * 1024


def write_bag(
        path: Path, cell: Cell, *, duration_s: float, storage: Storage = 'mcap',
        compression: Compression = 'none', distribution: Distribution = 'jazzy',
        cameras: Cameras = 'raw', split_bytes: int | None = None, motion: Motion | None = None,
        seed: int = 0, commands: bool = False, emergency_stop: bool = False,
        notes: Mapping[str, str] | None = None, start_ns: int = START_NS,
        metadata: bool = True,
) -> Path:
    """
    Write a synthetic bag of a cell, message by message, and return its folder, ``path``.

    What it holds is said by ``cell_messages``, its form by ``write_messages``.
    """
    return write_messages(
        path, cell_messages(
            cell, duration_s=duration_s, cameras=cameras, motion=motion, seed=seed,
            commands=commands, emergency_stop=emergency_stop, start_ns=start_ns),
        storage=storage, compression=compression, distribution=distribution,
        split_bytes=split_bytes, notes=notes, metadata=metadata)


def write_messages(
        path: Path, messages: Iterable[RecordedMessage], *, storage: Storage = 'mcap',
        compression: Compression = 'none', distribution: Distribution = 'jazzy',
        split_bytes: int | None = None, notes: Mapping[str, str] | None = None,
        metadata: bool = True, chunk_bytes: int = CHUNK_BYTES, checksums: bool = True,
        wal: bool = False,
) -> Path:
    """
    Write ``messages``, in their order, as a rosbag2 folder, and return it.

    ``split_bytes`` begins a new file after so many bytes of messages; ``metadata=False`` leaves
    metadata.yaml out; ``wal`` leaves an sqlite3 file with its journal beside, as a recorder that
    was killed does. Humble's bags hold no message definitions in sqlite3 and no notes.
    """
    path.mkdir(parents=True)
    form = _Form(storage, compression, distribution, chunk_bytes, checksums, wal)
    bag = _Bag(form=form, folder=path)
    for message in messages:
        bag.write(message, split_bytes)
    bag.finish()
    if metadata:
        (path / 'metadata.yaml').write_text(yaml.safe_dump(
            {'rosbag2_bagfile_information': bag.metadata(notes)}, sort_keys=False), 'utf-8')
    return path


@dataclass(frozen=True, slots=True)
class _Form:
    storage: Storage
    compression: Compression
    distribution: Distribution
    chunk_bytes: int
    checksums: bool
    wal: bool


class _File(Protocol):
    """One storage file that is being written."""

    def write(self, message: RecordedMessage, data: bytes) -> None:
        """Append a message."""

    def close(self) -> None:
        """Finish the file."""


@dataclass(slots=True)
class _Tally:
    """What stands in one file, or in all."""

    first_ns: int = 2**63 - 1
    last_ns: int = 0
    count: int = 0

    def add(self, stamp_ns: int) -> None:
        self.first_ns, self.last_ns = min(self.first_ns, stamp_ns), max(self.last_ns, stamp_ns)
        self.count += 1

    def fields(self) -> dict[str, Any]:
        first_ns = self.first_ns if self.count else 0
        return {'starting_time': {'nanoseconds_since_epoch': first_ns},
                'duration': {'nanoseconds': self.last_ns - first_ns},
                'message_count': self.count}


@dataclass(slots=True, kw_only=True)
class _Bag:
    form: _Form
    folder: Path
    total: _Tally = field(default_factory=_Tally)
    topics: dict[str, list[Any]] = field(default_factory=dict)
    files: list[tuple[str, _Tally]] = field(default_factory=list)
    open_file: _File | None = None
    open_path: Path | None = None
    open_bytes: int = 0

    def write(self, message: RecordedMessage, split_bytes: int | None) -> None:
        if self.open_file is None or (split_bytes is not None
                                      and self.open_bytes >= split_bytes):
            self.finish()
            suffix = 'mcap' if self.form.storage == 'mcap' else 'db3'
            self.open_path = self.folder / f'{self.folder.name}_{len(self.files)}.{suffix}'
            self.open_file = _opened(self.open_path, self.form)
            self.files.append((self.open_path.name, _Tally()))
            self.open_bytes = 0
        data = message.data
        if self.form.compression == 'message':
            data = zstandard.compress(data)
        self.open_file.write(message, data)
        self.open_bytes += len(data)
        for tally in (self.total, self.files[-1][1]):
            tally.add(message.stamp_ns)
        self.topics.setdefault(message.topic, [message.type_name, 0])[1] += 1

    def finish(self) -> None:
        if self.open_file is None:
            return
        self.open_file.close()
        self.open_file = None
        if self.form.compression == 'file':
            packed = self.open_path.with_name(f'{self.open_path.name}.zstd')
            with self.open_path.open('rb') as source, packed.open('wb') as target:
                zstandard.ZstdCompressor().copy_stream(source, target)
            self.open_path.unlink()
            self.files[-1] = (packed.name, self.files[-1][1])

    def metadata(self, notes: Mapping[str, str] | None) -> dict[str, Any]:
        humble = self.form.distribution == 'humble'
        packed = self.form.compression in ('file', 'message')
        metadata = {
            'version': METADATA_VERSIONS[self.form.distribution],
            'storage_identifier': self.form.storage,
            **self.total.fields(),
            'topics_with_message_count': [{
                'topic_metadata': {
                    'name': topic, 'type': type_name, 'serialization_format': 'cdr',
                    'offered_qos_profiles': '' if humble else [],
                    **({} if humble else {'type_description_hash': _digest(type_name)})},
                'message_count': count} for topic, (type_name, count) in self.topics.items()],
            'compression_format': 'zstd' if packed else '',
            'compression_mode': self.form.compression.upper() if packed else '',
            'relative_file_paths': [name for name, _ in self.files],
            'files': [{'path': name, **tally.fields()} for name, tally in self.files]}
        if not humble:
            metadata |= {'custom_data': dict(notes or {}),
                         'ros_distro': self.form.distribution}
        return metadata


def _opened(path: Path, form: _Form) -> _File:
    return _McapFile(path, form) if form.storage == 'mcap' else _Sqlite3File(path, form)


@lru_cache(maxsize=1)
def _types() -> Any:
    return get_typestore(Stores.ROS2_JAZZY)


@lru_cache(maxsize=64)
def _digest(type_name: str) -> str:
    return _types().hash_rihs01(type_name)


class _McapFile:
    """An MCAP as rosbag2's plug-in writes it: profile ros2, definitions inside."""

    def __init__(self, path: Path, form: _Form) -> None:
        kinds = {'zstd': CompressionType.ZSTD, 'lz4': CompressionType.LZ4}
        self._writer = McapWriter(
            str(path), chunk_size=form.chunk_bytes,
            compression=kinds.get(form.compression, CompressionType.NONE),
            enable_crcs=form.checksums, enable_data_crcs=False)
        self._writer.start(profile='ros2', library='physical_ai_bridge.testing')
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._sequence = itertools.count()

    def write(self, message: RecordedMessage, data: bytes) -> None:
        channel = self._channels.get(message.topic)
        if channel is None:
            channel = self._channels[message.topic] = self._writer.register_channel(
                topic=message.topic, message_encoding='cdr',
                schema_id=self._schema(message.type_name),
                metadata={'offered_qos_profiles': ''})
        self._writer.add_message(
            channel_id=channel, log_time=message.stamp_ns, publish_time=message.stamp_ns,
            data=data, sequence=next(self._sequence))

    def _schema(self, type_name: str) -> int:
        if type_name not in self._schemas:
            definition, _ = _types().generate_msgdef(type_name, ros_version=2)
            self._schemas[type_name] = self._writer.register_schema(
                name=type_name, encoding='ros2msg', data=definition.encode())
        return self._schemas[type_name]

    def close(self) -> None:
        self._writer.finish()


_HUMBLE = """
    CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
    CREATE TABLE metadata(
      id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
    CREATE TABLE topics(
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
      serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
    CREATE TABLE messages(
      id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
      data BLOB NOT NULL);
    CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""
_SINCE_IRON = """
    ALTER TABLE topics ADD COLUMN type_description_hash TEXT NOT NULL DEFAULT '';
    CREATE TABLE message_definitions(
      id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
      encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
"""


class _Sqlite3File:
    """A .db3 with the tables of a distribution."""

    def __init__(self, path: Path, form: _Form) -> None:
        self._humble, self._wal, self._path = form.distribution == 'humble', form.wal, path
        self._connection = sqlite3.connect(path)
        if self._wal:
            self._connection.execute('PRAGMA journal_mode=WAL')
            self._connection.execute('PRAGMA wal_autocheckpoint=0')
        self._connection.executescript(_HUMBLE if self._humble else _HUMBLE + _SINCE_IRON)
        self._connection.execute(
            'INSERT INTO schema VALUES(?, ?)', (3 if self._humble else 4, form.distribution))
        self._topics: dict[str, int] = {}

    def write(self, message: RecordedMessage, data: bytes) -> None:
        topic_id = self._topics.get(message.topic)
        if topic_id is None:
            topic_id = self._topics[message.topic] = len(self._topics) + 1
            self._declare(topic_id, message.topic, message.type_name)
        self._connection.execute(
            'INSERT INTO messages (topic_id, timestamp, data) VALUES(?, ?, ?)',
            (topic_id, message.stamp_ns, data))

    def _declare(self, topic_id: int, topic: str, type_name: str) -> None:
        row: tuple[Any, ...] = (topic_id, topic, type_name, 'cdr', '')
        if not self._humble:
            row = (*row, _digest(type_name))
            definition, _ = _types().generate_msgdef(type_name, ros_version=2)
            self._connection.execute(
                'INSERT INTO message_definitions (topic_type, encoding, '
                'encoded_message_definition, type_description_hash) VALUES(?, ?, ?, ?)',
                (type_name, 'ros2msg', definition, _digest(type_name)))
        self._connection.execute(f'INSERT INTO topics VALUES({",".join("?" * len(row))})', row)

    def close(self) -> None:
        self._connection.commit()
        # Closing merges the journal into the file; a recorder that was killed has not done so.
        files = [self._path, Path(f'{self._path}-wal')] if self._wal else []
        contents = [file.read_bytes() for file in files]
        self._connection.close()
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
