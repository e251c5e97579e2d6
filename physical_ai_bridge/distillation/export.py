"""A trained student becomes a bundle: proven equal, then written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
import logging
from pathlib import Path
import shutil
from typing import Any
import warnings

import numpy as np
import onnx
from physical_ai_bridge.contract.bundle import input_tensors, Manifest
from physical_ai_bridge.contract.bundle_file import load_bundle, write_manifest
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.distillation.student import Deployed, Student
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.protocol import Policy
import torch

OPSET = 20
# The graph adds deltas to joint angles of a few rad in float32: 1e-5 rad is some ten of its
# roundings, and a hundredth of a millimetre at the tip of a UR5e.
TOLERANCE_RAD = 1e-5


class ExportError(BridgeError):
    """The exported graph is not the student that was trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The largest difference between the exported graph and the student, over recorded inputs."""

    observations: int
    largest_rad: float
    tolerance_rad: float


def to_onnx(student: Student, manifest: Manifest, path: Path) -> None:
    """Write the student as one ONNX file whose inputs are exactly the manifest's."""
    tensors = input_tensors(manifest)
    example = tuple(torch.zeros(tensor.shape, dtype=getattr(torch, tensor.dtype))
                    for tensor in tensors.values())
    exporter_log = logging.getLogger('torch.onnx')
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)  # it warns of torchvision, which nothing here uses
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)
            program = torch.onnx.export(
                Deployed(student, tuple(tensors)).eval(), example, dynamo=True,
                input_names=list(tensors), output_names=['action'], opset_version=OPSET,
                external_data=False, verbose=False)
    finally:
        exporter_log.setLevel(level)
    model = program.model_proto
    _forget_origin(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes of the source code: paths of the machine that trained."""
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.initializer, *graph.value_info,
                   *graph.input, *graph.output):
        del holder.metadata_props[:]
    model.doc_string = graph.doc_string = ''
    for node in graph.node:
        node.doc_string = ''


def parity(student: Student, policy: Policy,
           recorded: Iterable[Mapping[str, np.ndarray]]) -> Parity:
    """
    Hold the exported graph against the student on recorded observations.

    Raises
    ------
    ExportError
        Where they differ by more than the tolerance anywhere.

    """
    names = tuple(input_tensors(policy.manifest))
    deployed = Deployed(student, names).eval()
    largest, count = 0.0, 0
    with torch.no_grad():
        for inputs in recorded:
            wanted = deployed(*(torch.from_numpy(np.ascontiguousarray(inputs[name]))
                                for name in names)).numpy()
            difference = np.abs(policy.infer(inputs) - wanted).max()
            # A NaN on either side must not pass as 'not larger'.
            largest = float(max(largest, difference)) if np.isfinite(difference) else np.inf
            count += 1
    found = Parity(observations=count, largest_rad=largest, tolerance_rad=TOLERANCE_RAD)
    if not count:
        raise ExportError('no recorded observation to hold the exported graph against; record '
                          'episodes first')
    if not largest <= TOLERANCE_RAD:
        raise ExportError(
            f'the exported graph differs from the trained student by {largest:.3g} rad over '
            f'{count} recorded observations, more than {TOLERANCE_RAD:g} rad; no bundle was '
            'written')
    return found


def write_bundle(student: Student, manifest: Manifest, folder: Path,
                 recorded: Iterable[Mapping[str, np.ndarray]],
                 provenance: Mapping[str, Any]) -> Parity:
    """
    Write a bundle into ``folder``: made beside it, checked as a user's is, then renamed.

    Whatever goes wrong, ``folder`` holds either its old content or the whole new bundle.

    Raises
    ------
    ExportError
        Where the exported graph is not the student.

    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(f'.{folder.name}.part')
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        to_onnx(student, manifest, scratch / 'model.onnx')
        write_manifest(scratch, manifest)
        found = parity(student, OnnxPolicy(load_bundle(scratch)), recorded)
        write_manifest(scratch, replace(manifest, provenance={
            **provenance, 'export': {
                'opset': OPSET, 'observations': found.observations,
                'largest_difference_rad': found.largest_rad,
                'tolerance_rad': found.tolerance_rad}}))
        _swap(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def _swap(scratch: Path, folder: Path) -> None:
    """Put ``scratch`` where ``folder`` is; a folder cannot be replaced in one rename."""
    if not folder.exists():
        scratch.rename(folder)
        return
    old = folder.with_name(f'.{folder.name}.old')
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    try:
        scratch.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old)
