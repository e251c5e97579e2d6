"""Episodes on disk: one file each, written whole or not at all, read without filling memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import zipfile

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors, Manifest
from physical_ai_bridge.contract.errors import BridgeError

IMAGE = 'observation.images.'
WRENCH = 'observation.wrench.'
STATE = 'observation.state'
REFERENCE = 'observation.reference'
ACTION = 'action'
TARGETS = 'targets'


class DatasetError(BridgeError):
    """An episode file is damaged, or was made for another manifest."""


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """
    One rollout: what the policy saw at each inference, and what the teacher would have done.

    ``arrays`` are the manifest's inputs by name, each (T, ...); ``action`` (T, horizon, N), the
    teacher's absolute chunk; ``targets`` (T, A), what only the teacher knew. ``facts`` say how the
    rollout went, as JSON.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, float | int | str | bool]

    def __len__(self) -> int:
        return len(self.arrays[ACTION])


class EpisodeStore:
    """A folder of episodes, named by their key; a key that is there is never written again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def keys(self) -> list[str]:
        """Return the keys of all episodes, sorted."""
        return sorted(path.stem for path in self.folder.glob('*.npz'))

    def append(self, key: str, episode: Episode) -> None:
        """Write an episode: to a temporary name, then renamed, so that none is ever half there."""
        path = self._path(key)
        scratch = path.with_suffix(f'.{os.getpid()}.part')
        with scratch.open('wb') as file:
            np.savez(file, **episode.arrays, facts=np.frombuffer(
                json.dumps(episode.facts, sort_keys=True).encode(), np.uint8))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)

    def load(self, key: str) -> Episode:
        """Read one episode."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DatasetError(f'{path}: not a readable episode ({error}); delete it and run '
                               'again: only what is missing is recorded') from error
        facts = json.loads(arrays.pop('facts').tobytes())
        return Episode(arrays, facts)

    def digest(self, keys: list[str] | None = None) -> str:
        """Return a sha256 over the contents of the episodes named (all of them by default)."""
        total = hashlib.sha256()
        for key in self.keys() if keys is None else sorted(keys):
            total.update(key.encode())
            episode = self.load(key)
            for name in sorted(episode.arrays):
                array = np.ascontiguousarray(episode.arrays[name])
                total.update(f'{name} {array.dtype.str} {array.shape}'.encode())
                total.update(array.data)
        return total.hexdigest()

    def _path(self, key: str) -> Path:
        return self.folder / f'{key}.npz'


def gather(store: EpisodeStore, keys: list[str], manifest: Manifest,
           cache: Path) -> dict[str, np.ndarray]:
    """
    Join the episodes named, in that order, into one memory-mapped array a name.

    The arrays lie in the folder ``cache``, which is made anew; at no time is more than one episode
    in memory, however many there are.

    Raises
    ------
    DatasetError
        Where an episode does not have the manifest's inputs.

    """
    wanted = {name: (tensor.dtype, tensor.shape)
              for name, tensor in input_tensors(manifest).items()}
    wanted[ACTION] = ('float32', (manifest.action.horizon, len(manifest.joints)))
    lengths = []
    for key in keys:
        episode = store.load(key)
        lengths.append(len(episode))
        wanted.setdefault(TARGETS, ('float32', episode.arrays[TARGETS].shape[1:]))
        _check(store.folder / f'{key}.npz', episode.arrays, wanted)
    cache.mkdir(parents=True, exist_ok=True)
    joined = {name: np.lib.format.open_memmap(
        cache / f'{name}.npy', mode='w+', dtype=dtype, shape=(sum(lengths), *shape))
        for name, (dtype, shape) in wanted.items()}
    start = 0
    for key, length in zip(keys, lengths, strict=True):
        arrays = store.load(key).arrays
        for name, out in joined.items():
            out[start:start + length] = arrays[name]
        start += length
    return joined


def _check(path: Path, arrays: Mapping[str, np.ndarray],
           wanted: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    for name, (dtype, shape) in wanted.items():
        found = arrays.get(name)
        if found is None:
            raise DatasetError(f'{path}: {name} is missing; record into an empty folder')
        if found.dtype != dtype or found.shape[1:] != shape:
            raise DatasetError(
                f'{path}: {name} is {found.dtype} {list(found.shape[1:])}, the manifest wants '
                f'{dtype} {list(shape)}; record into an empty folder')
