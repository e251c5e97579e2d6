"""Observations and episodes made up for these tests."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors, Manifest
from physical_ai_bridge.distillation.dataset import ACTION, Episode, REFERENCE, TARGETS
import pytest

NEEDS = {
    'test_dagger.py': ('torch', 'onnx', 'mujoco'),
    'test_export.py': ('torch', 'onnx', 'onnxruntime'),
    'test_rollout.py': ('mujoco', 'onnxruntime'),
    'test_runs.py': ('torch', 'onnx', 'mujoco'),
    'test_train.py': ('torch',),
}
LACKING = {file: missing for file, names in NEEDS.items()
           if (missing := [name for name in names if find_spec(name) is None])}
collect_ignore = list(LACKING)


def pytest_report_header() -> list[str]:
    """Say which of these tests are left out, and why."""
    return [f'left out: distillation/{file}, which needs {", ".join(missing)}'
            for file, missing in LACKING.items()]


def make_observation(manifest: Manifest, seed: int = 0) -> dict[str, np.ndarray]:
    """Return one observation of noise, in the manifest's shapes."""
    random = np.random.default_rng(seed)
    return {name: (random.integers(0, 256, tensor.shape, np.uint8) if tensor.dtype == 'uint8'
                   else random.normal(0.0, 0.5, tensor.shape).astype(np.float32))
            for name, tensor in input_tensors(manifest).items()}


def make_seeing(manifest: Manifest, seed: int, length: int) -> Episode:
    """
    Return an episode that can only be learnt by looking.

    A bright square stands somewhere in the wrist camera's image; the label leads the first two
    joints towards it.
    """
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(length):
        row = make_observation(manifest, int(random.integers(1 << 30)))
        for value in row.values():
            if value.dtype == np.uint8:
                value[...] = random.integers(40, 60, value.shape, np.uint8)
        image = row['observation.images.wrist']
        place = random.uniform(0.1, 0.9, 2)
        y, x = (place * (np.array(image.shape[:2]) - 8)).astype(int)
        image[y:y + 8, x:x + 8] = 220
        delta = np.zeros(len(manifest.joints), np.float32)
        delta[:2] = place - 0.5
        ramp = np.linspace(0.1, 1.0, manifest.action.horizon, dtype=np.float32)[:, None]
        row[ACTION] = row[REFERENCE][0] + 0.1 * ramp * delta
        row[TARGETS] = np.array([*place, 0.0], np.float32)
        rows.append(row)
    return Episode({name: np.stack([row[name] for row in rows]) for name in rows[0]},
                   {'seed': seed, 'success': True})


@pytest.fixture
def observation() -> Callable[..., dict[str, np.ndarray]]:
    """Return the function that makes one observation of noise."""
    return make_observation


@pytest.fixture
def seeing() -> Callable[..., Episode]:
    """Return the function that makes an episode which can only be learnt by looking."""
    return make_seeing
