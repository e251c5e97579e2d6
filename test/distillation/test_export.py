"""A bundle is written whole, after its graph was proven equal to the student, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import shutil

import numpy as np
import onnx
from physical_ai_bridge.contract.bundle import input_tensors
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.distillation.config import insertion_manifest
from physical_ai_bridge.distillation.export import (
    ExportError,
    OPSET,
    parity,
    TOLERANCE_RAD,
    write_bundle,
)
from physical_ai_bridge.distillation.student import Deployed, Student, StudentShape
from physical_ai_bridge.policy.onnx_policy import model_tensors, OnnxPolicy
import pytest
import torch

MANIFEST = insertion_manifest('test', tuple('abcdef'))


@pytest.fixture(scope='module')
def student() -> Student:
    """Return a small student with scales of its own."""
    torch.manual_seed(0)
    student = Student(MANIFEST, StudentShape(channels=(4, 4, 4, 4), hidden=16)).eval()
    student.delta_std.uniform_(0.01, 0.1)
    student.state_mean.uniform_(-1.0, 1.0)
    return student


@pytest.fixture(scope='module')
def bundle(student, tmp_path_factory) -> Path:
    """Return the bundle of that student."""
    folder = tmp_path_factory.mktemp('export') / 'bundle'
    write_bundle(student, MANIFEST, folder, [_observation(seed) for seed in range(4)],
                 {'teacher': 'nobody'})
    return folder


def _observation(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: (random.integers(0, 256, tensor.shape, np.uint8) if tensor.dtype == 'uint8'
                   else random.normal(0.0, 0.5, tensor.shape).astype(np.float32))
            for name, tensor in input_tensors(MANIFEST).items()}


def test_the_model_takes_what_the_manifest_says_and_nothing_else(bundle: Path) -> None:
    inputs, outputs = model_tensors(bundle / 'model.onnx')
    assert inputs == input_tensors(MANIFEST)
    assert {name: str(tensor) for name, tensor in outputs.items()} == {'action': 'float32 [16, 6]'}


def test_the_opset_is_the_one_declared(bundle: Path) -> None:
    model = onnx.load(bundle / 'model.onnx')
    assert {entry.domain: entry.version for entry in model.opset_import} == {'': OPSET}


def test_the_bundle_acts_as_the_student_does(bundle: Path, student: Student) -> None:
    policy, inputs = OnnxPolicy(load_bundle(bundle)), _observation(99)
    with torch.no_grad():
        wanted = Deployed(student, tuple(inputs))(*map(torch.from_numpy, inputs.values())).numpy()
    np.testing.assert_allclose(policy.infer(inputs), wanted, atol=TOLERANCE_RAD)


def test_extreme_inputs_still_give_a_finite_chunk(bundle: Path) -> None:
    policy = OnnxPolicy(load_bundle(bundle))
    for pixel, number in ((0, -1e6), (255, 1e6)):
        inputs = {name: np.full(tensor.shape, pixel if tensor.dtype == 'uint8' else number,
                                tensor.dtype)
                  for name, tensor in input_tensors(MANIFEST).items()}
        assert np.isfinite(policy.infer(inputs)).all()


def test_the_manifest_says_where_it_comes_from_and_how_equal_it_is(bundle: Path) -> None:
    provenance = load_bundle(bundle).manifest.provenance
    assert provenance['teacher'] == 'nobody'
    assert provenance['export']['observations'] == 4
    assert provenance['export']['largest_difference_rad'] <= TOLERANCE_RAD


def test_no_trace_of_the_machine_that_trained_is_left(bundle: Path) -> None:
    content = (bundle / 'model.onnx').read_bytes()
    assert b'.py' not in content
    assert str(Path.cwd()).encode() not in content


class Off:
    """A policy that is almost the student."""

    manifest = MANIFEST

    def __init__(self, policy: OnnxPolicy, error: float) -> None:
        self._policy, self._error = policy, error

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._policy.infer(inputs) + np.float32(self._error)


@pytest.mark.parametrize('error', [1e-3, float('nan')])
def test_a_graph_that_differs_is_refused(bundle: Path, student: Student, error: float) -> None:
    policy = Off(OnnxPolicy(load_bundle(bundle)), error)
    with pytest.raises(ExportError, match='differs from the trained student'):
        parity(student, policy, [_observation(0)])


def test_without_observations_nothing_is_proven_and_the_old_bundle_stays(
        bundle: Path, student: Student, tmp_path: Path) -> None:
    folder = tmp_path / 'bundle'
    shutil.copytree(bundle, folder)
    with pytest.raises(ExportError, match='no recorded observation'):
        write_bundle(student, MANIFEST, folder, [], {'new': True})
    assert load_bundle(folder).digest == load_bundle(bundle).digest
    assert [path.name for path in tmp_path.iterdir()] == ['bundle']


def test_a_new_bundle_replaces_the_old_and_the_same_student_gives_the_same_model(
        bundle: Path, student: Student, tmp_path: Path) -> None:
    folder = tmp_path / 'bundle'
    shutil.copytree(bundle, folder)
    write_bundle(student, MANIFEST, folder, [_observation(0)], {'new': True})
    assert load_bundle(folder).manifest.provenance['new'] is True
    assert (folder / 'model.onnx').read_bytes() == (bundle / 'model.onnx').read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ['bundle']
