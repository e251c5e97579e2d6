"""One model for whoever asks: each observation is inferred once, on one thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from hashlib import blake2b

import numpy as np
from physical_ai_bridge.policy.protocol import Policy

# The trace of a run is a few seconds behind its messages; what was inferred for them is wanted.
_KEPT = 256


class Inference:
    """
    Runs a policy on ``executor``'s one thread, and keeps what it returned lately.

    The judge asks ahead (``submit``); a parity check asks for the same observation again, a little
    later (``infer``), and finds it. ``seconds`` is how long each inference took.
    """

    def __init__(self, policy: Policy, executor: Executor) -> None:
        self._policy, self._executor = policy, executor
        self._kept: OrderedDict[bytes, Future[np.ndarray]] = OrderedDict()
        self.seconds: list[float] = []

    def submit(self, inputs: Mapping[str, np.ndarray]) -> Future[np.ndarray]:
        """Begin an inference; its result is the chunk, or an InferenceError."""
        key = _key(inputs)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._executor.submit(self._infer, inputs)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the chunk for an observation."""
        return self.submit(inputs).result()

    def _infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        actions = self._policy.infer(inputs)
        spent_s = getattr(self._policy, 'last_inference_s', None)
        if spent_s is not None:
            self.seconds.append(spent_s)
        return actions


def _key(inputs: Mapping[str, np.ndarray]) -> bytes:
    digest = blake2b(digest_size=16)
    for name, array in inputs.items():
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array))
    return digest.digest()
