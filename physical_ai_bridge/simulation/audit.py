"""How much of the joint limits a run has used, at every control period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.simulation.controller import Setpoint

_BLOCK = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimitUse:
    """
    The largest share of each joint limit that was used so far, (N,) each; 1.0 is the limit.

    The reference is what the controller commanded, once a control period: its velocity is also
    taken from the step between positions, its acceleration also from the step between velocities
    and its jerk from the step between accelerations, so that a jump at a splice cannot hide. The
    measured share is that of the simulated joints. Of a reference that is positions alone all
    three are differences. NaN means that something was not finite.
    """

    reference_position: np.ndarray
    reference_velocity: np.ndarray
    reference_acceleration: np.ndarray
    reference_jerk: np.ndarray
    measured_position: np.ndarray
    measured_velocity: np.ndarray

    @property
    def worst(self) -> float:
        """The largest share of any limit at any joint."""
        return float(np.max([getattr(self, name) for name in self.__slots__]))

    def exceeded(self, tolerance: float = 1e-3) -> tuple[str, ...]:
        """Return the quantities that went beyond a limit by more than ``tolerance`` of it."""
        return tuple(name for name in self.__slots__
                     if not np.all(getattr(self, name) <= 1.0 + tolerance))


class LimitAudit:
    """Collects every control period and keeps the maxima. Cheap per step: it works in blocks."""

    def __init__(self, limits: LimitArrays, period_s: float) -> None:
        joints = len(limits.velocity)
        self._limits, self._period = limits, period_s
        bounded = np.isfinite(limits.position_min) & np.isfinite(limits.position_max)
        low = np.where(bounded, limits.position_min, 0.0)
        high = np.where(bounded, limits.position_max, 0.0)
        self._middle = 0.5 * (low + high)
        self._half_range = np.where(bounded, 0.5 * (high - low), np.inf)
        # Row 0 repeats the last row of the block before, for the differences.
        self._rows = np.zeros((_BLOCK + 1, 5, joints))
        self._use = np.zeros((len(LimitUse.__slots__), joints))
        self._count = 0

    def reset(self, position: np.ndarray) -> None:
        """Forget everything and begin at rest at ``position`` (N,)."""
        self._use[:] = 0.0
        self._rows[0] = 0.0
        self._rows[0, 0] = self._rows[0, 3] = position
        self._count = 0

    def add(self, reference: Setpoint, position: np.ndarray, velocity: np.ndarray) -> None:
        """Take one control period: what was commanded, and where that brought the robot."""
        self._count += 1
        row = self._rows[self._count]
        row[0] = reference.position
        if reference.velocity is None or reference.acceleration is None:
            before = self._rows[self._count - 1]
            row[1] = (row[0] - before[0]) / self._period
            row[2] = (row[1] - before[1]) / self._period
        else:
            row[1], row[2] = reference.velocity, reference.acceleration
        row[3], row[4] = position, velocity
        if self._count == _BLOCK:
            self._fold()

    def _fold(self) -> None:
        rows = self._rows[:self._count + 1]
        with np.errstate(invalid='ignore', over='ignore'):
            step = np.abs(np.diff(rows[:, :3], axis=0)) / self._period
            now = np.abs(rows[1:])
            limits = self._limits
            shares = (
                np.abs(rows[1:, 0] - self._middle) / self._half_range,
                np.maximum(now[:, 1], step[:, 0]) / limits.velocity,
                np.maximum(now[:, 2], step[:, 1]) / limits.acceleration,
                step[:, 2] / limits.jerk,
                np.abs(rows[1:, 3] - self._middle) / self._half_range,
                now[:, 4] / limits.velocity)
        for use, share in zip(self._use, shares, strict=True):
            np.maximum(use, share.max(axis=0), out=use)
        self._rows[0] = rows[-1]
        self._count = 0

    @property
    def use(self) -> LimitUse:
        """The shares up to now."""
        if self._count:
            self._fold()
        return LimitUse(**{name: row.copy()
                           for name, row in zip(LimitUse.__slots__, self._use, strict=True)})
