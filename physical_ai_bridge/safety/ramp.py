"""The share of the speed limits that rises after activation, while the robot moves."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Ramp as RampLimits
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.reasons import Reason, Refusal


class Ramp:
    """
    Rises from the cell's ``floor`` to 1 in a straight line.

    Only time in motion counts: who watches the robot sees all of it.
    """

    def __init__(self, limits: RampLimits) -> None:
        self._limits = limits
        self._moved_ns = 0

    def moved(self, duration_ns: int) -> None:
        """Take note of time in motion."""
        self._moved_ns += max(duration_ns, 0)

    @property
    def share(self) -> float:
        """The share of the speed limits that holds now."""
        floor = self._limits.floor
        done = self._moved_ns / NS_PER_S / self._limits.duration_s
        return min(floor + (1.0 - floor) * done, 1.0)

    @property
    def refusal(self) -> Refusal:
        """What keeps the robot slow, for people."""
        left_s = max(self._limits.duration_s - self._moved_ns / NS_PER_S, 0.0)
        return Refusal(Reason.RAMPING_IN, f'{self.share:.0%} of the speed limits, all of them '
                       f'after {left_s:.1f} s of motion')
