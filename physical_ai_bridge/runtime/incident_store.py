"""A folder of incident records, bounded, written by a thread that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import errno
import os
from pathlib import Path
import queue
import re
import threading
from types import TracebackType

from physical_ai_bridge.runtime.incident import main_of, Record
from physical_ai_bridge.runtime.incident_file import (
    header_of,
    library_versions,
    Scene,
    utc,
    write_incident,
)

_NAME = re.compile(r'incident-\d{8}-\d{6}-[A-Z_]+(?:-\d+)?\.zip')
_MOST_FILES = 1000
_QUEUE = 4
_LEFT_S = 3600.0


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    record: Record
    authority: str
    bundle_digest: str


class IncidentStore:
    """
    Writes records, each under a name that says when, in UTC, and why: the newest sort last.

    ``put`` never blocks: what does not fit into the queue is dropped and counted. A file appears
    under its name only when it is whole and on the disk. The oldest records give way where the
    folder would hold more than ``max_bytes`` or ``max_files`` of them; nothing else in it is
    touched. ``problem`` says why records cannot be written, '' where they can. ``prepare`` runs in
    the thread before each record.
    """

    def __init__(
            self, folder: Path, scene: Scene, *, max_bytes: int, max_files: int = _MOST_FILES,
            prepare: Callable[[], None] = nothing) -> None:
        self.folder = folder
        self._scene = scene
        self._max_bytes, self._max_files = max_bytes, max_files
        self._prepare = prepare
        self._libraries = library_versions()
        self._queue: queue.Queue[_Job | None] = queue.Queue(_QUEUE)
        self.written = 0
        self._not_taken = self._not_written = 0
        self.problem = ''
        self._thread = threading.Thread(target=self._run, name='incidents', daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many records were handed over, and are not there."""
        return self._not_taken + self._not_written

    def put(self, record: Record, *, authority: str, bundle_digest: str) -> None:
        """Hand over a record, with the authority and the bundle's sha256, '' for unknown."""
        try:
            if not self._thread.is_alive():
                raise queue.Full
            self._queue.put_nowait(_Job(record, authority, bundle_digest))
        except queue.Full:
            self._not_taken += 1

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, for so long at most, and end."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return  # the disk hangs; the thread ends with the process
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with _Told(self):
            self._try()
        while (job := self._queue.get()) is not None:
            written = self.written
            with _Told(self):
                self._prepare()
                self._write(job)
            self._not_written += self.written == written

    def _try(self) -> None:
        """Find out, before anything happens, whether records can be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self._partial()
        probe.write_bytes(b'')
        now = probe.stat().st_mtime
        probe.unlink()
        for left in self.folder.glob('.incident-*.partial'):  # of processes that were killed
            if now - left.stat().st_mtime > _LEFT_S:
                left.unlink(missing_ok=True)

    def _partial(self) -> Path:
        return self.folder / f'.incident-{os.getpid()}.partial'

    def _write(self, job: _Job) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        header = header_of(
            job.record, self._scene, authority=job.authority, bundle_digest=job.bundle_digest,
            libraries=self._libraries)
        partial = self._partial()
        try:
            with partial.open('wb') as file:
                write_incident(file, header, self._scene, job.record)
                file.flush()
                os.fsync(file.fileno())
            size = partial.stat().st_size
            if size > self._max_bytes:
                raise OSError(errno.EFBIG, f'a record of {size} bytes is more than the '
                              f'{self._max_bytes} that all may have')
            self._make_room(size)
            partial.replace(self._free_name(job.record))
            _sync(self.folder)
        finally:
            partial.unlink(missing_ok=True)
        self.written += 1
        self.problem = ''

    def _make_room(self, size: int) -> None:
        """Remove the oldest records until another one, of ``size`` bytes, has room."""
        found = []
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                status = path.stat()
                found.append((status.st_mtime_ns, path.name, status.st_size))
        found.sort(reverse=True)
        total = size + sum(each[2] for each in found)
        while found and (total > self._max_bytes or len(found) >= self._max_files):
            _, name, gone = found.pop()
            (self.folder / name).unlink(missing_ok=True)
            total -= gone

    def _free_name(self, record: Record) -> Path:
        main = main_of(record.happenings)
        stem = f'incident-{utc(main.ros_ns):%Y%m%d-%H%M%S}-{main.reason}'
        path, number = self.folder / f'{stem}.zip', 2
        while path.exists():
            path, number = self.folder / f'{stem}-{number}.zip', number + 1
        return path


class _Told:
    """Leaves what goes wrong in the store's ``problem``: the robot does not stop for it."""

    def __init__(self, store: IncidentStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        return None

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        self._store.problem = (f'{self._store.folder}: incidents cannot be written: {why}; make '
                               'room, or set the parameter incidents to a folder that can be '
                               'written')
        return True


def _sync(folder: Path) -> None:
    """Bring a rename to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
