"""Open a storage file, whole files that are compressed included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
import tempfile

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.layout import PACKED
from physical_ai_bridge.bags.mcap_file import McapFile
from physical_ai_bridge.bags.message import StorageFile
from physical_ai_bridge.bags.problems import ProblemCode, Report
from physical_ai_bridge.bags.sqlite_file import Sqlite3File
import zstandard

_STORAGES = {'mcap': McapFile, 'sqlite3': Sqlite3File}
_BLOCK_BYTES = 1024 * 1024


@contextmanager
def opened(path: Path, storage: str, report: Report) -> Iterator[StorageFile]:
    """
    Yield a storage file, open; one that is compressed is unpacked into a temporary folder.

    Raises
    ------
    RecordingError
        When it cannot be opened, or there is no room to unpack it.

    """
    with tempfile.TemporaryDirectory(prefix='recording.') as folder:
        if path.name.endswith(PACKED):
            unpacked = Path(folder) / path.name.removesuffix(PACKED)
            _unpack(path, unpacked, report)
            path = unpacked
        try:
            file = _STORAGES[storage](path, report)
        except OSError as error:
            raise RecordingError(f'{path}: it cannot be read: {error}') from error
        with closing(file) as storage_file:
            yield storage_file


def _unpack(path: Path, target: Path, report: Report) -> None:
    """Unpack a file as far as it goes; that the rest is missing shows in what was unpacked."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    try:
        with path.open('rb') as source, target.open('wb') as sink:
            while block := source.read(_BLOCK_BYTES):
                try:
                    sink.write(unpacker.decompress(block))
                except zstandard.ZstdError as error:
                    report(ProblemCode.TRUNCATED, 'its compression is broken at about byte '
                           f'{source.tell()} ({error}): what follows there is lost')
                    return
                if unpacker.eof:
                    return
    except OSError as error:
        raise RecordingError(
            f'{path}: it cannot be unpacked into {target.parent}: {error}; make room there, or '
            'set TMPDIR to a folder with more') from error
