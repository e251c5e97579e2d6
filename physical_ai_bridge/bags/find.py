"""Find the recordings among what a user names: bags, storage files, folders of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.layout import storage_files, storage_of
from physical_ai_bridge.bags.metadata import NAME


def find_recordings(paths: Iterable[Path]) -> tuple[Path, ...]:
    """
    Return the recordings at ``paths``, each once, in the order of ``paths`` and then of names.

    A path is a bag's folder, a storage file, or a folder that holds such, however deep. A folder
    without metadata.yaml whose storage files are one numbered series is one recording; where they
    are of several, each file is one by itself. Folders whose name begins with a dot are not
    entered.

    Raises
    ------
    RecordingError
        When a path is not there, or holds no recording.

    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise RecordingError(f'{path}: there is no such folder or file')
        here = [path] if path.is_file() else list(_inside(path))
        if not here:
            raise RecordingError(
                f'{path}: no recording is in it, or in a folder below it; looked for '
                'metadata.yaml, .mcap, .db3, .mcap.zstd and .db3.zstd')
        for each in here:
            found.setdefault(each.resolve(), each)
    return tuple(found.values())


def _inside(folder: Path) -> Iterator[Path]:
    """Yield the recordings of a folder, by name."""
    if (folder / NAME).is_file():
        yield folder
        return
    groups = storage_files(folder)
    below = [each for each in sorted(folder.iterdir())
             if each.is_dir() and not each.is_symlink() and not each.name.startswith('.')]
    if len(groups) == 1:
        yield folder
        for each in below:
            yield from _inside(each)
        return
    for each in sorted(folder.iterdir()):
        if each.is_file() and storage_of(each) is not None:
            yield each
        elif each in below:
            yield from _inside(each)
