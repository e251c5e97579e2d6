"""Small real ONNX models with the inputs and outputs that a manifest asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.bundle import (
    Bundle,
    input_tensors,
    Manifest,
    output_tensors,
    Tensor,
)
from physical_ai_bridge.contract.bundle_file import write_manifest


def linear_model_bytes(
        manifest: Manifest,
        *,
        offset_rad: float | np.ndarray = 0.0,
        inputs: dict[str, Tensor] | None = None,
        outputs: dict[str, Tensor] | None = None,
) -> bytes:
    """
    Return an ONNX model whose every row of ``action`` is where the robot is plus ``offset_rad``.

    "Where the robot is" is the reference's position, else the measured joints, else zero.
    ``offset_rad`` is a number, or anything that broadcasts to (horizon, N). Every other input is
    declared and not used. ``inputs`` and ``outputs`` replace what the manifest asks for, to make a
    model that does not fit it.
    """
    from onnx import checker, helper, numpy_helper, TensorProto

    kinds = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT, 'int64': TensorProto.INT64,
             'float64': TensorProto.DOUBLE}
    inputs = input_tensors(manifest) if inputs is None else inputs
    outputs = output_tensors(manifest) if outputs is None else outputs
    (action, tensor), = outputs.items()
    dtype = np.dtype(tensor.dtype)
    constants = [numpy_helper.from_array(
        np.ascontiguousarray(np.broadcast_to(offset_rad, tensor.shape), dtype=dtype), 'offset')]
    joints = tensor.shape[-1]
    if inputs.get('observation.reference') == Tensor('float32', (2, joints)):
        constants.append(numpy_helper.from_array(np.array(0, dtype=np.int64), 'first'))
        nodes = [helper.make_node('Gather', ['observation.reference', 'first'], ['here'], axis=0)]
    elif inputs.get('observation.state') == Tensor('float32', (joints,)):
        nodes = [helper.make_node('Identity', ['observation.state'], ['here'])]
    else:
        constants.append(numpy_helper.from_array(np.zeros(joints, np.float32), 'zero'))
        nodes = [helper.make_node('Identity', ['zero'], ['here'])]
    if tensor.dtype != 'float32':
        nodes.append(helper.make_node('Cast', ['here'], ['cast'], to=kinds[tensor.dtype]))
    nodes.append(helper.make_node('Add', [nodes[-1].output[0], 'offset'], [action]))
    graph = helper.make_graph(
        nodes, 'linear',
        [helper.make_tensor_value_info(name, kinds[wanted.dtype], wanted.shape)
         for name, wanted in inputs.items()],
        [helper.make_tensor_value_info(action, kinds[tensor.dtype], tensor.shape)],
        initializer=constants)
    model = helper.make_model(
        graph, ir_version=9, opset_imports=[helper.make_opsetid('', 17)])
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def write_bundle(folder: Path, manifest: Manifest, model: bytes) -> Bundle:
    """
    Write ``model.onnx`` and a ``manifest.json`` that lists it into ``folder``.

    The folder is made if it is not there; in ``manifest`` only ``files`` is changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'model.onnx').write_bytes(model)
    return write_manifest(folder, manifest)


def write_linear_bundle(
        folder: Path, manifest: Manifest, *, offset_rad: float | np.ndarray = 0.0) -> Bundle:
    """Write a real bundle whose model is ``linear_model_bytes``."""
    return write_bundle(folder, manifest, linear_model_bytes(manifest, offset_rad=offset_rad))


def constant_model_bytes(manifest: Manifest, rows: float | np.ndarray) -> bytes:
    """
    Return an ONNX model whose ``action`` is always ``rows``, in the units of the action's kind.

    ``rows`` is a number, or anything that broadcasts to (horizon, W); with a first dimension more,
    one for each of the manifest's tasks, the input ``task`` chooses. Every other input is declared
    and not used.
    """
    from onnx import checker, helper, numpy_helper, TensorProto

    kinds = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT, 'int64': TensorProto.INT64}
    (action, tensor), = output_tensors(manifest).items()
    by_task = np.ndim(rows) == 3
    shape = (len(rows), *tensor.shape) if by_task else tensor.shape
    constant = numpy_helper.from_array(
        np.ascontiguousarray(np.broadcast_to(rows, shape), dtype=np.float32), 'rows')
    node = (helper.make_node('Gather', ['rows', 'task'], [action], axis=0) if by_task
            else helper.make_node('Identity', ['rows'], [action]))
    graph = helper.make_graph(
        [node], 'constant',
        [helper.make_tensor_value_info(name, kinds[wanted.dtype], wanted.shape)
         for name, wanted in input_tensors(manifest).items()],
        [helper.make_tensor_value_info(action, kinds[tensor.dtype], tensor.shape)],
        initializer=[constant])
    model = helper.make_model(
        graph, ir_version=9, opset_imports=[helper.make_opsetid('', 17)])
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def write_constant_bundle(folder: Path, manifest: Manifest, rows: float | np.ndarray) -> Bundle:
    """Write a real bundle whose model is ``constant_model_bytes``."""
    return write_bundle(folder, manifest, constant_model_bytes(manifest, rows))
