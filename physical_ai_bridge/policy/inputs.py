"""Whether the arrays that a policy is given are those that its manifest asks for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from physical_ai_bridge.contract.bundle import Tensor
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.policy.errors import InferenceError


def check_inputs(inputs: Mapping[str, np.ndarray], wanted: Mapping[str, Tensor]) -> None:
    """
    Refuse inputs that are missing, of another dtype or shape, or unknown.

    Raises
    ------
    InferenceError
        With the first input that is not as it is ``wanted``.

    """
    for name, tensor in wanted.items():
        array = inputs.get(name)
        if array is None:
            raise InferenceError(Reason.INFERENCE_FAILED, f'the input {name} is missing')
        if array.shape != tensor.shape or array.dtype != tensor.dtype:
            raise InferenceError(
                Reason.INFERENCE_FAILED, f'the input {name} is {array.dtype} '
                f'{list(array.shape)}, the manifest says {tensor}')
    if len(inputs) != len(wanted):
        extra = ', '.join(name for name in inputs if name not in wanted)
        raise InferenceError(Reason.INFERENCE_FAILED, f'the manifest knows no input {extra}')
