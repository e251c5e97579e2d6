"""Policies that record: one acts, the teacher says at every step what it would have done."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.distillation.dataset import ACTION, TARGETS
from physical_ai_bridge.policy.protocol import Policy


class Relabelling:
    """
    The policy of a DAgger rollout: ``actor`` moves the robot, ``teacher`` labels what it visits.

    ``targets`` returns what only the teacher knows, float32 (A,), for the auxiliary head. The
    recording stops, and ``runaway`` turns True, once ``astray`` says that the robot is too far off
    to learn anything there, or once the teacher's label is not finite.
    """

    def __init__(self, actor: Policy, teacher: Policy, targets: Callable[[], np.ndarray],
                 astray: Callable[[], bool]) -> None:
        self._actor, self._teacher, self._targets = actor, teacher, targets
        self._astray = astray
        self._rows: list[dict[str, np.ndarray]] = []
        self.runaway = False

    @property
    def manifest(self) -> Manifest:
        """The actor's manifest, which is the teacher's too."""
        return self._actor.manifest

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the actor's chunk, having noted the teacher's."""
        label = self._teacher.infer(inputs)
        if self._astray() or not np.isfinite(label).all():
            self.runaway = True
        if not self.runaway:
            row = {name: np.array(value) for name, value in inputs.items()}
            row[ACTION] = np.asarray(label, np.float32)
            row[TARGETS] = np.asarray(self._targets(), np.float32)
            self._rows.append(row)
        return label if self._actor is self._teacher else self._actor.infer(inputs)

    def recorded(self) -> dict[str, np.ndarray]:
        """Return everything noted so far, stacked: name -> (T, ...); empty before the first."""
        if not self._rows:
            return {}
        return {name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}


class Perturbed:
    """
    A policy that is pushed off its way now and then, by a smooth offset.

    The offset swells and fades over the chunk's own time, so that the motion stays smooth.
    """

    def __init__(self, policy: Policy, seed: int, size_rad: float = 0.01,
                 starts: float = 0.06, steps: tuple[int, int] = (4, 12)) -> None:
        self._policy, self._size, self._starts, self._steps = policy, size_rad, starts, steps
        self._random = np.random.default_rng(seed)
        self._left = self._length = 0
        self._offset = np.zeros(len(policy.manifest.joints), np.float32)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the policy that is pushed."""
        return self._policy.manifest

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the policy's chunk, pushed aside while a push lasts."""
        chunk = self._policy.infer(inputs)
        if not self._left and self._random.random() < self._starts:
            self._length = self._left = int(self._random.integers(*self._steps))
            self._offset = self._random.normal(
                0.0, self._size, len(self._offset)).astype(np.float32)
        if not self._left:
            return chunk
        swell = np.sin(np.pi * (self._length - self._left + 0.5) / self._length)
        self._left -= 1
        return (chunk + self._offset * np.float32(swell)).astype(np.float32)
