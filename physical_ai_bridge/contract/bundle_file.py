"""Read and write a bundle: its manifest, and the sha256 of every file in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from physical_ai_bridge.contract.bundle import Bundle, BundleFile, Manifest
from physical_ai_bridge.contract.digest import digest_of
from physical_ai_bridge.contract.errors import BundleError, Problem
from physical_ai_bridge.contract.parsing import parse, too_large

MANIFEST = 'manifest.json'
MODEL = 'model.onnx'
# A signature covers the manifest, so the manifest cannot hold the signature's hash.
UNLISTED = (MANIFEST, 'model.sig')
_AGAIN = 'copy the bundle again, or export it again'


def load_bundle(folder: str | Path) -> Bundle:
    """
    Read a bundle and verify the size and sha256 of each of its files.

    Raises
    ------
    BundleError
        With every problem at once: the manifest's, then the files'.

    """
    folder = Path(folder)
    raw, digest = _read(folder / MANIFEST)
    manifest, problems = _parse(raw, folder / MANIFEST)
    problems += _file_problems(folder, raw)
    if manifest is None or problems:
        raise BundleError(problems)
    return Bundle(folder, manifest, digest)


def load_manifest(folder: str | Path) -> Manifest:
    """
    Read a bundle's manifest alone; nothing about its files is verified.

    Raises
    ------
    BundleError
        With every problem of the manifest.

    """
    path = Path(folder) / MANIFEST
    manifest, problems = _parse(_read(path)[0], path)
    if manifest is None or problems:
        raise BundleError(problems)
    return manifest


def describe_files(folder: str | Path) -> dict[str, BundleFile]:
    """Return the size and sha256 of every file that a manifest in ``folder`` must list."""
    folder = Path(folder)
    return {name: BundleFile(sha256=digest_of(folder / name), bytes=(folder / name).stat().st_size)
            for name in sorted(_names(folder)) if name not in UNLISTED}


def write_manifest(folder: str | Path, manifest: Manifest) -> Bundle:
    """
    Write ``manifest.json`` into a folder that holds everything else of the bundle.

    ``manifest.files`` are replaced by what is in the folder. The same manifest and files always
    give the same bytes; whoever reads meanwhile sees the old manifest or the new one, whole.
    """
    folder = Path(folder)
    temporary, path = folder / f'.{MANIFEST}.part', folder / MANIFEST
    temporary.unlink(missing_ok=True)
    manifest = replace(manifest, files=describe_files(folder))
    values = asdict(manifest)
    values['provenance'] = _sorted(values['provenance'])
    # Keys that the kind of action does not have are not there, rather than null.
    values['action'] = {key: value for key, value in values['action'].items()
                        if value is not None}
    try:
        text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
    except (TypeError, ValueError) as error:
        raise BundleError([Problem(str(path), 'provenance', f'cannot be written: {error}',
                                   'use only text, finite numbers, lists and mappings')]) from None
    with temporary.open('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return Bundle(folder, manifest, digest_of(path))


def _parse(raw: Any, path: Path) -> tuple[Manifest | None, list[Problem]]:
    """Return the manifest of a bundle, which has a model, or everything that is wrong with it."""
    manifest, problems = parse(Manifest, raw, path)
    files = raw.get('files') if isinstance(raw, dict) else None
    if isinstance(files, dict) and MODEL not in files:
        problems.append(Problem(
            str(path), f'files.{MODEL}', 'missing', 'write its sha256 and bytes'))
    return manifest, problems


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value


def _read(path: Path) -> tuple[Any, str]:
    """Return the plain values of a JSON file and the sha256 of the very bytes they came from."""
    twice: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    def refuse(found: str, write: str = _AGAIN) -> BundleError:
        return BundleError([Problem(str(path), '', found, write)])

    try:
        data = path.read_bytes()
        raw = json.loads(data.decode(), object_pairs_hook=mapping)
    except FileNotFoundError:
        folder = path.parent
        raise refuse('does not exist: the folder is not a bundle' if folder.is_dir()
                     else f'does not exist: there is no folder {folder}',
                     'give the folder of an exported bundle') from None
    except OSError as error:
        raise refuse(f'cannot be read: {error.strerror}', 'give the folder of a bundle') from None
    except UnicodeDecodeError:
        raise refuse('is not UTF-8 text') from None
    except RecursionError:
        raise refuse('is nested too deeply') from None
    except json.JSONDecodeError as error:
        raise refuse(f'is not JSON on line {error.lineno}, column {error.colno}: {error.msg}'
                     ) from None
    except ValueError as error:
        raise refuse(f'has a number that cannot be read: {error}') from None
    if too_large(raw):
        raise refuse('is too large or nested too deeply')
    if twice:
        raise BundleError([
            Problem(str(path), name, 'written twice in one mapping', 'keep one of them')
            for name in dict.fromkeys(twice)])
    return raw, hashlib.sha256(data).hexdigest()


def _names(folder: Path) -> Iterator[str]:
    """Yield every file below ``folder`` by its name in a manifest, with forward slashes."""
    for path in folder.rglob('*'):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _file_problems(folder: Path, raw: Any) -> list[Problem]:
    """Check the files as far as the manifest, perhaps wrong elsewhere, describes them."""
    files = raw.get('files') if isinstance(raw, dict) else None
    if not isinstance(files, dict):
        return []
    problems = []
    for name, entry in files.items():
        problems += _one_file(folder, name, entry if isinstance(entry, dict) else {})
    for name in sorted(set(_names(folder)) - set(files) - set(UNLISTED)):
        problems.append(Problem(str(folder / name), '', f'is not in the files of {MANIFEST}',
                                'remove it, or export the bundle again'))
    return problems


def _one_file(folder: Path, name: str, entry: dict[str, Any]) -> list[Problem]:
    key, where = f'files.{name}', str(folder / MANIFEST)
    pure = PurePosixPath(name)
    # Windows reads backslashes and drives too, and a name must mean one file everywhere.
    if (pure.is_absolute() or '..' in pure.parts or str(pure) != name or not pure.parts
            or set(name) & set('\\:\0') or name in UNLISTED):
        return [Problem(where, key, f'found the name {name!r}',
                        'write the name of a file inside the bundle, such as model.onnx')]
    path = folder / name
    try:
        if not path.is_file():
            return [Problem(where, key, f'{path} does not exist' if not path.exists()
                            else f'{path} is not a file', _AGAIN)]
        size, expected = path.stat().st_size, entry.get('bytes')
        if type(expected) is int and size != expected:
            short = ': it is cut short' if size < expected else ''
            return [Problem(where, f'{key}.bytes', f'found {expected}, but {path} has {size} '
                            f'bytes{short}', _AGAIN)]
        real, expected = digest_of(path), entry.get('sha256')
    except OSError as error:
        return [Problem(where, key, f'{path} cannot be read: {error.strerror}', _AGAIN)]
    # One that is not a sha256 at all has its own complaint.
    if isinstance(expected, str) and len(expected) == len(real) and real != expected:
        return [Problem(where, f'{key}.sha256', f'found {expected}, but {path} has {real}: it is '
                        'not the file that was exported', _AGAIN)]
    return []
