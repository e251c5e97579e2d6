"""What every policy offers, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest


class Policy(Protocol):
    """A policy: one observation in, one action chunk out."""

    @property
    def manifest(self) -> Manifest:
        """What the policy needs and returns."""

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """
        Return the action chunk, float32 (horizon, W), for one observation.

        ``inputs`` are the arrays that ``contract.bundle.input_tensors(manifest)`` names. May
        block; may be called from any one thread at a time. The columns are those that
        ``contract.bundle.action_columns(manifest)`` names, in that order.
        """
