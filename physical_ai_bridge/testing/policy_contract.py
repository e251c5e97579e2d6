"""What every Policy must do, as tests that a class of tests inherits."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.bundle import input_tensors, Manifest, output_tensors
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.protocol import Policy
import pytest


def example_inputs(manifest: Manifest, seed: int = 0) -> dict[str, np.ndarray]:
    """Return read-only inputs as ``input_tensors`` names them, the same for the same seed."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for name, tensor in input_tensors(manifest).items():
        if tensor.dtype == 'uint8':
            array = rng.integers(0, 256, tensor.shape, dtype=np.uint8)
        elif tensor.dtype == 'int64':
            array = np.array(rng.integers(len(manifest.tasks)), np.int64)
        else:
            array = rng.uniform(-1.0, 1.0, tensor.shape).astype(tensor.dtype)
        array.flags.writeable = False
        inputs[name] = array
    return inputs


class PolicyContract:
    """Inherit this in a test class and give it a fixture named ``policy``."""

    @pytest.fixture
    def policy(self) -> Policy:
        """Return the policy to be tested."""
        raise NotImplementedError

    def test_the_chunk_is_what_the_manifest_says(self, policy: Policy) -> None:
        wanted = output_tensors(policy.manifest)['action']
        chunk = policy.infer(example_inputs(policy.manifest))
        assert (chunk.dtype, chunk.shape) == (wanted.dtype, wanted.shape)

    def test_the_chunk_is_finite(self, policy: Policy) -> None:
        assert np.isfinite(policy.infer(example_inputs(policy.manifest))).all()

    def test_the_same_inputs_give_the_same_chunk_bit_for_bit(self, policy: Policy) -> None:
        first = policy.infer(example_inputs(policy.manifest, seed=1))
        policy.infer(example_inputs(policy.manifest, seed=2))
        again = policy.infer(example_inputs(policy.manifest, seed=1))
        assert first.tobytes() == again.tobytes()

    def test_a_chunk_is_the_callers_and_later_inferences_leave_it(self, policy: Policy) -> None:
        first = policy.infer(example_inputs(policy.manifest, seed=1))
        kept = first.copy()
        policy.infer(example_inputs(policy.manifest, seed=2))
        assert np.array_equal(first, kept)

    def test_inputs_are_left_as_they_are(self, policy: Policy) -> None:
        inputs = example_inputs(policy.manifest)
        kept = {name: array.copy() for name, array in inputs.items()}
        policy.infer(inputs)
        assert all(np.array_equal(inputs[name], kept[name]) for name in kept)

    def test_a_missing_input_is_an_inference_error_that_names_it(self, policy: Policy) -> None:
        inputs = example_inputs(policy.manifest)
        name = next(iter(inputs))
        del inputs[name]
        with pytest.raises(InferenceError, match=name.replace('.', r'\.')):
            policy.infer(inputs)

    def test_an_input_of_another_shape_is_an_inference_error(self, policy: Policy) -> None:
        inputs = example_inputs(policy.manifest)
        name = next(iter(inputs))
        inputs[name] = inputs[name][None]
        with pytest.raises(InferenceError, match=name.replace('.', r'\.')):
            policy.infer(inputs)
