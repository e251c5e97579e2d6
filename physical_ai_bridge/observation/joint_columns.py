"""Joint states by name: the bundle's joints out of whatever a driver sends."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.observation.align import RefusedError

# A driver uses one list of names, a cell a few; more than this can only be noise.
_KNOWN_LISTS = 32


class JointColumns:
    """
    Picks ``joints``, in that order, from joint states whose order and extras are their own.

    What a list of names means is worked out once and kept.
    """

    def __init__(self, joints: tuple[str, ...]) -> None:
        self._joints = joints
        self._wanted = frozenset(joints)
        self._known: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._concerns: dict[tuple[str, ...], bool] = {}

    def concerns(self, names: tuple[str, ...]) -> bool:
        """Tell whether any of the joints is among ``names``."""
        known = self._concerns.get(names)
        if known is None:
            if len(self._concerns) >= _KNOWN_LISTS:
                self._concerns.clear()
            known = self._concerns[names] = not self._wanted.isdisjoint(names)
        return known

    def pick(self, sample: JointSample) -> np.ndarray:
        """Return the joints' positions, float64 (N,), or refuse the joint state."""
        columns = self._known.get(sample.names)
        if columns is None:
            columns = self._find(sample.names)
        if len(sample.position) != len(sample.names):
            raise RefusedError(
                Reason.JOINTS_MALFORMED, f'a joint state has {len(sample.names)} names and '
                f'{len(sample.position)} positions')
        position = sample.position[list(columns)].astype(np.float64)
        # What a model would see as infinite is not finite here.
        with np.errstate(over='ignore'):
            finite = np.isfinite(position.astype(np.float32))
        if not finite.all():
            bad = [self._joints[at] for at in np.flatnonzero(~finite)]
            raise RefusedError(
                Reason.JOINTS_MALFORMED, f'the position of {", ".join(bad)} is not finite')
        return position

    def _find(self, names: tuple[str, ...]) -> tuple[int, ...]:
        missing = [joint for joint in self._joints if joint not in names]
        if missing:
            raise RefusedError(
                Reason.JOINTS_MISSING, f'a joint state lacks {", ".join(missing)}; it has '
                f'{", ".join(names)}')
        twice = [joint for joint in self._joints if names.count(joint) > 1]
        if twice:
            raise RefusedError(
                Reason.JOINTS_MALFORMED, f'a joint state names {", ".join(twice)} more than once')
        if len(self._known) >= _KNOWN_LISTS:
            self._known.clear()
        columns = self._known[names] = tuple(names.index(joint) for joint in self._joints)
        return columns
