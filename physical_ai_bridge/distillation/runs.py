"""The folder of a distillation run: what was asked, recorded, trained and found."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors, Manifest
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.distillation.config import DistillConfig, insertion_manifest, TrainConfig
from physical_ai_bridge.distillation.dataset import EpisodeStore
from physical_ai_bridge.distillation.export import Parity, write_bundle
from physical_ai_bridge.distillation.student import Student, StudentShape
from physical_ai_bridge.distillation.train import load_weights
import torch

# An exported graph is held against the student on the observations of this many episodes.
PARITY_EPISODES = 4


class RunError(BridgeError):
    """A run folder is not what was asked for."""


class RunFolder:
    """
    A run's files.

    ``run.json`` says what was asked, ``episodes/`` holds the data, ``rounds/K/`` each round's
    ``weights.safetensors``, ``round.json`` and ``bundle/``, ``scores/`` how students did on which
    seeds, and ``result.json`` the outcome.
    """

    def __init__(self, path: Path, manifest: Manifest, config: DistillConfig) -> None:
        self.path, self.manifest, self.config = path, manifest, config
        self.store = EpisodeStore(path / 'episodes')

    @classmethod
    def begin(cls, path: Path, name: str, joints: tuple[str, ...], config: DistillConfig,
              ) -> RunFolder:
        """Begin a run, or go on with one that was begun with the same words."""
        path.mkdir(parents=True, exist_ok=True)
        asked = {'name': name, 'joints': list(joints), 'config': config.as_provenance()}
        file = path / 'run.json'
        if file.exists() and read_json(file) != asked:
            raise RunError(
                f'{file}: this run was begun with other options; give the same ones to go on with '
                'it, or another folder to begin anew')
        write_json(file, asked)
        return cls(path, insertion_manifest(name, joints), config)

    @classmethod
    def open(cls, path: Path) -> RunFolder:  # noqa: A003
        """Open a run that was begun."""
        file = path / 'run.json'
        if not file.exists():
            raise RunError(f'{path}: not a run folder, it has no run.json; give the folder that '
                           'distill wrote with --out')
        asked = read_json(file)
        words = dict(asked['config'])
        config = DistillConfig(**{
            **words, 'brightness': tuple(words['brightness']),
            'train': TrainConfig(**words['train'])})
        return cls(path, insertion_manifest(asked['name'], tuple(asked['joints'])), config)

    def new_student(self) -> Student:
        """Return an untrained student, its first weights from the run's seed."""
        torch.manual_seed(self.config.seed)
        return Student(self.manifest, StudentShape(hidden=self.config.hidden))

    def round(self, index: int) -> Path:  # noqa: A003
        """Return a round's folder."""
        return self.path / 'rounds' / str(index)

    def bundle(self, index: int) -> Path:
        """Return the bundle of a round's student."""
        return self.round(index) / 'bundle'

    def round_facts(self, index: int) -> dict[str, Any] | None:
        """Return what a finished round noted, None where it is not finished."""
        file = self.round(index) / 'round.json'
        return read_json(file) if file.exists() else None

    def export(self, student: Student, keys: list[str], bundle: Path,
               provenance: dict[str, Any]) -> Parity:
        """Write the student's bundle, compared on the last of the episodes named."""
        return write_bundle(student, self.manifest, bundle,
                            self._observations(keys[-PARITY_EPISODES:]), provenance)

    def _observations(self, keys: list[str]) -> Iterator[dict[str, np.ndarray]]:
        names = list(input_tensors(self.manifest))
        for key in keys:
            episode = self.store.load(key)
            for row in range(len(episode)):
                yield {name: episode.arrays[name][row] for name in names}


def export_round(path: Path, index: int | None, bundle: Path) -> Parity:
    """Write the bundle of a round of a run, by default of the one that the run chose."""
    run = RunFolder.open(path)
    file = path / 'result.json'
    result = read_json(file) if file.exists() else None
    if index is None:
        if result is None:
            raise RunError(f'{path}: this run has not ended, so it has chosen no round; run '
                           'distill again to end it, or name a round with --round')
        index = result['chosen']
    facts = run.round_facts(index)
    if facts is None:
        raise RunError(f'{path}: round {index} is not finished; name one that is with --round')
    student = run.new_student()
    load_weights(student, run.round(index) / 'weights.safetensors')
    student.eval()
    provenance = {'round': index, **facts}
    if result is not None and index == result['chosen']:
        provenance = result['provenance']
    return run.export(student, run.store.keys(), bundle, provenance)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix('.part')
    scratch.write_text(json.dumps(value, indent=2) + '\n')
    scratch.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f'{path}: cannot be read ({error}); delete it and run distill again'
                       ) from error
