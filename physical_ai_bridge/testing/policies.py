"""Policies that need no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest


class GoalPolicy:
    """
    Asks for one position, however it gets there; keeps the observations that it was given.

    ``goal`` (N,) in the manifest's joint order. ``before`` is called first thing in ``infer``: a
    test blocks or raises there.
    """

    def __init__(
            self, manifest: Manifest, goal: np.ndarray,
            before: Callable[[], None] = lambda: None) -> None:
        self._manifest = manifest
        self.goal = np.asarray(goal, dtype=np.float32)
        self.before = before
        self.seen: list[Mapping[str, np.ndarray]] = []

    @property
    def manifest(self) -> Manifest:
        """What the policy needs and returns."""
        return self._manifest

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return a chunk of the goal, float32 (horizon, N)."""
        self.before()
        self.seen.append(inputs)
        return np.repeat(self.goal[None, :], self._manifest.action.horizon, axis=0)
