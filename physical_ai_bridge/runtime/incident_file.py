"""
The file of an incident: everything that it takes to decide the same again, offline.

It is a zip archive, so that anybody can open it with what any machine has, and so that a file that
was cut off or damaged shows: ``incident.json`` says what happened, ``cell.yaml`` and
``robot.urdf`` are the texts that were in force, ``state.msgpack`` is the supervisor's state before
the first of ``entries.journal``. Only texts and plain values are in it; nothing is unpickled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from hashlib import sha256
from importlib import metadata
import io
from itertools import islice
import json
from pathlib import Path
from typing import Any, BinaryIO, Literal
from zipfile import BadZipFile, ZIP_DEFLATED, ZipFile
import zlib

import msgpack
from physical_ai_bridge import __version__
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.fields import STRICT
from physical_ai_bridge.contract.parsing import parse
from physical_ai_bridge.runtime.incident import Happening, main_of, Record
from physical_ai_bridge.runtime.journal import JournalEntry, read_entries

SCHEMA = 1
HEADER, CELL, URDF = 'incident.json', 'cell.yaml', 'robot.urdf'
STATE, ENTRIES = 'state.msgpack', 'entries.journal'
# The most that is read of each part: twice what a recorder keeps, far more than a cell's files.
_MOST = {HEADER: 1 << 20, CELL: 1 << 20, URDF: 64 << 20, STATE: 8 << 20, ENTRIES: 128 << 20}
_MOST_ENTRIES = 400_000
_LIBRARIES = ('numpy', 'ruckig', 'pin', 'coal')


class IncidentError(BridgeError):
    """A file that is not the record of an incident, or not a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """
    What does not change from one record of a node to the next.

    ``urdf`` is '' where there is none.
    """

    node: str
    cell_name: str
    cell: str
    urdf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """
    What happened, when, where, and with what; digests are sha256 in hex, '' where unknown.

    ``at`` is the main happening's time, in UTC; ``interventions`` counts those too that
    ``happenings`` does not list any more. ``libraries`` are the versions of what computes.
    """

    schema: Literal[1]
    at: str
    mode: str
    reason: str
    detail: str
    node: str
    cell: str
    authority: str
    cell_digest: str
    urdf_digest: str
    bundle_digest: str
    package_version: str
    libraries: dict[str, str]
    interventions: int
    entries: int
    happenings: tuple[Happening, ...]
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, eq=False)
class Incident:
    """A record that was read: ``state`` and ``entries`` are plain values that nobody checked."""

    header: Header
    cell: str
    urdf: str
    state: Any
    entries: tuple[JournalEntry, ...]


def utc(ros_ns: int) -> datetime:
    """Return ROS time as a date in UTC, to the microsecond."""
    seconds, nanoseconds = divmod(ros_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, timezone.utc).replace(
        microsecond=nanoseconds // 1000)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decisions are computed with."""
    found = {each.metadata['Name'].lower(): each.version for each in metadata.distributions()
             if (each.metadata['Name'] or '').lower() in _LIBRARIES}
    return dict(sorted(found.items()))


def digest(text: str) -> str:
    """Return the sha256 of a text, '' of none."""
    return sha256(text.encode()).hexdigest() if text else ''


def header_of(
        record: Record, scene: Scene, *, authority: str, bundle_digest: str,
        libraries: dict[str, str]) -> Header:
    """Return the header of a record."""
    main = main_of(record.happenings)
    return Header(
        schema=SCHEMA, at=utc(main.ros_ns).isoformat(), mode=main.mode, reason=main.reason,
        detail=main.detail, node=scene.node, cell=scene.cell_name, authority=authority,
        cell_digest=digest(scene.cell), urdf_digest=digest(scene.urdf),
        bundle_digest=bundle_digest, package_version=__version__, libraries=libraries,
        interventions=record.interventions, entries=record.entries,
        happenings=record.happenings)


def write_incident(file: BinaryIO, header: Header, scene: Scene, record: Record) -> None:
    """
    Write the record of an incident into a file that is open for writing.

    Raises
    ------
    OSError
        If it cannot be written.

    """
    with ZipFile(file, 'w', ZIP_DEFLATED, compresslevel=1) as archive:
        for name, pieces in (
                (HEADER, (json.dumps(asdict(header), indent=1).encode(),)),
                (CELL, (scene.cell.encode(),)), (URDF, (scene.urdf.encode(),)),
                (STATE, (record.state,)), (ENTRIES, record.pieces)):
            with archive.open(name, 'w') as out:
                for piece in pieces:
                    out.write(piece)


def read_incident(path: Path | str) -> Incident:
    """
    Read the record of an incident; nothing in the file is trusted.

    Raises
    ------
    IncidentError
        If it is none, or not a whole one, or another version's.

    """
    path = Path(path)
    try:
        with path.open('rb') as file, ZipFile(file) as archive:
            parts = {name: _part(archive, name) for name in _MOST}
    except OSError as error:
        raise IncidentError(f'{path}: cannot be read: {error.strerror or error}') from error
    except (BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError,
            zlib.error) as error:
        raise IncidentError(
            f'{path}: not the whole record of an incident: {_said(error)}; copy it again from '
            'where it was written') from error
    header = _header(parts[HEADER], path)
    try:
        cell, urdf = parts[CELL].decode(), parts[URDF].decode()
        state = msgpack.unpackb(parts[STATE], strict_map_key=False)
    except (TypeError, ValueError, msgpack.UnpackException) as error:
        raise IncidentError(f'{path}: a part of it is not what it should be: {error}') from error
    if (digest(cell), digest(urdf)) != (header.cell_digest, header.urdf_digest):
        raise IncidentError(f'{path}: its cell file or URDF is not the one that was in force: '
                            'the sha256 differs')
    entries = tuple(islice(
        read_entries(io.BytesIO(parts[ENTRIES]), f'{path}: {ENTRIES}'), _MOST_ENTRIES))
    if len(entries) != header.entries:
        raise IncidentError(f'{path}: has {len(entries)} entries of {header.entries}')
    return Incident(header, cell, urdf, state, entries)


def _part(archive: ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        data = file.read(_MOST[name] + 1)
    if len(data) > _MOST[name]:
        raise ValueError(f'{name} is larger than any record needs')
    return data


def _said(error: Exception) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def _header(data: bytes, path: Path) -> Header:
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IncidentError(f'{path}: {HEADER} is not JSON: {error}') from error
    schema = raw.get('schema') if isinstance(raw, dict) else None
    if schema != SCHEMA:
        version = raw.get('package_version') if isinstance(raw, dict) else None
        raise IncidentError(f'{path}: found schema {schema!r}, this version reads {SCHEMA}; '
                            f'replay it with the version that wrote it, {version!r}')
    header, problems = parse(Header, raw, f'{path}: {HEADER}')
    if header is None or not header.happenings:
        told = '; '.join(f'{each.key}: {each.found}' for each in problems) or 'nothing happened'
        raise IncidentError(f'{path}: {HEADER} is not that of a record: {told}')
    return header
