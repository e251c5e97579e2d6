"""Which files make up a recording, and what its metadata says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
import re

from physical_ai_bridge.bags import mcap_records, sqlite_file
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.metadata import BagMetadata, MetadataError, NAME, parse_metadata
from physical_ai_bridge.bags.problems import ProblemCode, ReadingProblem

PACKED = '.zstd'
_STORAGES = {'.mcap': 'mcap', '.db3': 'sqlite3'}
_MAGICS = {'mcap': mcap_records.MAGIC, 'sqlite3': sqlite_file.MAGIC}
_NUMBERED = re.compile(r'(?P<stem>.*)_(?P<number>\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    The files of a recording, in their order, and what is known before they are read.

    ``compression_mode`` is that of metadata.yaml, None where there is no metadata.yaml.
    """

    path: Path
    storage: str
    files: tuple[Path, ...]
    metadata: BagMetadata | None
    problems: tuple[ReadingProblem, ...]


def storage_of(path: Path) -> str | None:
    """Return the storage that a file's name speaks of, 'mcap' or 'sqlite3'."""
    name = path.name.removesuffix(PACKED)
    return _STORAGES.get(Path(name).suffix)


def storage_files(folder: Path) -> dict[str, list[Path]]:
    """
    Return the storage files in a folder, those of one split recording together, in their order.

    rosbag2 numbers the files of a split: name_0.mcap, name_1.mcap. The key is the name without
    the number.
    """
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if storage_of(path) is None or not path.is_file():
            continue
        name = path.name.removesuffix(PACKED)
        stem, suffix = Path(name).stem, Path(name).suffix
        numbered = _NUMBERED.fullmatch(stem)
        key, number = (numbered['stem'], int(numbered['number'])) if numbered else (stem, -1)
        found[f'{key}{suffix}' if numbered else name].append((number, path))
    return {key: [path for _, path in sorted(files)] for key, files in found.items()}


def find_layout(path: Path) -> Layout:
    """
    Return the files of the recording at ``path``, a folder or a storage file.

    Raises
    ------
    RecordingError
        When there is no recording, or one that this package cannot read at all.

    """
    if not path.exists():
        raise RecordingError(
            f'{path}: not a recording: there is no such folder or file; give a rosbag2 folder, '
            'or an .mcap or .db3 file')
    if path.is_file():
        return _of_file(path)
    if (path / NAME).is_file():
        return _of_folder(path)
    return _without_metadata(path, ProblemCode.METADATA_MISSING, (
        'there is none: the recording was not finished, or not copied whole; the storage files '
        'are read in the order of their names'))


def _of_file(path: Path) -> Layout:
    storage = storage_of(path) or _storage_by_magic(path)
    if storage is None:
        raise RecordingError(
            f'{path}: not a recording: it is neither MCAP nor sqlite3; give a rosbag2 folder, or '
            'an .mcap or .db3 file')
    return _checked(Layout(path=path, storage=storage, files=(path,), metadata=None, problems=()))


def _of_folder(folder: Path) -> Layout:
    try:
        metadata = parse_metadata((folder / NAME).read_bytes())
    except MetadataError as error:
        return _without_metadata(folder, ProblemCode.METADATA_DAMAGED, (
            f'it cannot be used ({error}); the storage files are read in the order of their '
            'names'))
    except OSError as error:
        raise RecordingError(f'{folder / NAME}: it cannot be read: {error}') from error
    if metadata.storage not in _MAGICS:
        raise RecordingError(
            f'{folder}: its storage is {metadata.storage!r}; mcap and sqlite3 are read. Convert '
            'it with `ros2 bag convert`')
    if metadata.compression_mode and (
            metadata.compression_mode not in ('file', 'message')
            or metadata.compression_format != 'zstd'):
        raise RecordingError(
            f'{folder}: it is compressed by {metadata.compression_format!r}, mode '
            f'{metadata.compression_mode!r}; zstd is read, in the modes file and message. Convert '
            'it with `ros2 bag convert`')
    files, problems = [], []
    for name in metadata.files:
        found = [folder / each for each in (name, name.removesuffix(PACKED))
                 if (folder / each).is_file()]
        files += found[:1]
        if not found:
            problems.append(_missing(name, 'metadata.yaml names it'))
    named = {each.name for each in files}
    problems += [ReadingProblem(
        code=ProblemCode.FILE_UNLISTED, where=each.name,
        detail='metadata.yaml does not name this file, so it is left out')
        for each in sorted(folder.iterdir())
        if each.is_file() and storage_of(each) is not None and each.name not in named]
    return _checked(Layout(path=folder, storage=metadata.storage, files=tuple(files),
                           metadata=metadata, problems=tuple(problems)))


def _without_metadata(folder: Path, code: ProblemCode, detail: str) -> Layout:
    groups = storage_files(folder)
    if not groups:
        raise RecordingError(
            f'{folder}: not a recording: it has no metadata.yaml that can be read, and no .mcap '
            'or .db3 file; give the folder that holds them')
    if len(groups) > 1:
        names = ', '.join(files[0].name for files in groups.values())
        raise RecordingError(
            f'{folder}: it has no metadata.yaml that can be read, and files of '
            f'{len(groups)} recordings: {names}; give one of them')
    (files,) = groups.values()
    problems = [ReadingProblem(code=code, where=NAME, detail=detail),
                *(_missing(name, 'the numbers of the files leave it out')
                  for name in _left_out(files))]
    return _checked(Layout(path=folder, storage=storage_of(files[0]) or '', files=tuple(files),
                           metadata=None, problems=tuple(problems)))


def _left_out(files: list[Path]) -> Iterable[str]:
    """Return the names that are missing from a numbered series, which begins with 0."""
    numbers = {}
    for path in files:
        stem, dot, rest = path.name.partition('.')
        numbered = _NUMBERED.fullmatch(stem)
        if numbered is None:
            return ()
        numbers[int(numbered['number'])] = (numbered['stem'], dot + rest)
    (stem, suffix), last = numbers[max(numbers)], max(numbers)
    return [f'{stem}_{number}{suffix}' for number in range(last) if number not in numbers]


def _missing(name: str, why: str) -> ReadingProblem:
    return ReadingProblem(
        code=ProblemCode.FILE_MISSING, where=name,
        detail=f'this file is not there ({why}): all that it held is lost')


def _checked(layout: Layout) -> Layout:
    """Return the layout without the files that are no storage; at least one has to be."""
    files, problems = [], list(layout.problems)
    for path in layout.files:
        found = _storage_by_magic(path)
        if found == layout.storage or path.name.endswith(PACKED):
            files.append(path)
        else:
            size = path.stat().st_size
            problems.append(ReadingProblem(
                code=ProblemCode.FILE_UNREADABLE, where=path.name,
                detail=f'it is no {layout.storage} file ({size} bytes that do not begin as one): '
                       'all that it held is lost'))
    if not files:
        why = '; '.join(str(each) for each in problems) or 'it has no storage file'
        raise RecordingError(f'{layout.path}: the recording cannot be read: {why}. Was it copied '
                             'whole?')
    return Layout(path=layout.path, storage=layout.storage, files=tuple(files),
                  metadata=layout.metadata, problems=tuple(problems))


def _storage_by_magic(path: Path) -> str | None:
    try:
        with path.open('rb') as file:
            head = file.read(16)
    except OSError as error:
        raise RecordingError(f'{path}: it cannot be read: {error}') from error
    return next((name for name, magic in _MAGICS.items() if head.startswith(magic)), None)
