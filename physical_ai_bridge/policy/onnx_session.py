"""One ONNX Runtime session: opened without noise, looked at, run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from physical_ai_bridge.contract.bundle import Tensor
from physical_ai_bridge.contract.errors import BundleError, Problem
from physical_ai_bridge.policy.providers import load_onnxruntime, onnxruntime_errors

_DTYPES = {'tensor(float)': 'float32', 'tensor(double)': 'float64', 'tensor(float16)': 'float16'}
_DTYPES |= {f'tensor({kind})': kind for kind in (
    'bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'string')}
_SEVERITY_FATAL = 4

Tensors = dict[str, Tensor]


class Run(Protocol):
    """Run the model once; the array that it returns is the caller's."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the one output."""


class DirectRun:
    """The inputs stay where they are: on a CPU, binding buffers would only add a copy."""

    def __init__(self, session: Any, output: str) -> None:
        self._session = session
        self._outputs = [output]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the one output."""
        return self._session.run(self._outputs, inputs)[0]


class BoundRun:
    """The inputs are copied into buffers that lie on the device and are allocated once."""

    def __init__(
            self, onnxruntime: ModuleType, session: Any, inputs: Tensors, outputs: Tensors,
            device: str, device_id: int) -> None:
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._session = session
        self._binding = session.io_binding()
        self._inputs = {}
        for name, tensor in inputs.items():
            value = make(list(tensor.shape), np.dtype(tensor.dtype), device, device_id)
            self._inputs[name] = value
            self._binding.bind_ortvalue_input(name, value)
        (name, tensor), = outputs.items()
        self._output = make(list(tensor.shape), np.dtype(tensor.dtype), 'cpu', 0)
        self._binding.bind_ortvalue_output(name, self._output)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the one output."""
        for name, value in self._inputs.items():
            value.update_inplace(inputs[name])
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return np.array(self._output.numpy())


def session_options(onnxruntime: ModuleType, intra_op_threads: int) -> Any:
    """Return options for a session that shares the machine with a control loop."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SEVERITY_FATAL
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    # Threads that spin between inferences take the cores that the other nodes need.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # The same frames must give the same motion when a recorded run is judged again.
    options.use_deterministic_compute = True
    return options


def first_line(error: Exception) -> str:
    """Return what onnxruntime says without its code, on one line."""
    text = str(error).strip().splitlines()
    return text[0].split(' : ', 3)[-1].strip() if text else type(error).__name__


def unusable(path: Path, error: Exception) -> BundleError:
    """Return the error for a model that onnxruntime does not open."""
    said = first_line(error).replace(f'Load model from {path} failed:', '')
    return BundleError([Problem(
        str(path), '', f'is not a whole ONNX model that this onnxruntime can run: {said}',
        'copy the bundle again, or export it again')])


def check_model_file(path: Path) -> None:
    """Refuse a model that is not there, or is empty, before onnxruntime words it."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BundleError([Problem(str(path), '', f'cannot be read: {error.strerror}',
                                   'copy the bundle again, or export it again')]) from None
    if not path.is_file() or not size:
        raise BundleError([Problem(str(path), '', 'is empty or not a file',
                                   'copy the bundle again, or export it again')])


def session_tensors(session: Any) -> tuple[Tensors, Tensors]:
    """Return a session's inputs and outputs by name; a size that is left open is -1."""
    return tuple({arg.name: Tensor(
        _DTYPES.get(arg.type, arg.type),
        tuple(size if isinstance(size, int) else -1 for size in arg.shape or ()))
        for arg in args} for args in (session.get_inputs(), session.get_outputs()))


def model_tensors(path: str | Path) -> tuple[Tensors, Tensors]:
    """
    Return the inputs and outputs that an ONNX model really has, by name.

    A size that the model leaves open is -1.

    Raises
    ------
    BundleError
        If the file is not a whole ONNX model.
    SetupError
        If onnxruntime is not installed.

    """
    onnxruntime, path = load_onnxruntime(), Path(path)
    check_model_file(path)
    options = session_options(onnxruntime, 1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'], enable_fallback=0)
    except onnxruntime_errors(onnxruntime) as error:
        raise unusable(path, error) from None
    return session_tensors(session)
