"""Running figures for /diagnostics: the last few hundred values, rates, ages."""

from __future__ import annotations

import numpy as np

# np.percentile imports this when it is first called: 40 to 110 ms in the middle of a motion.
import numpy.ma
from physical_ai_bridge.contract.clock import NS_PER_S


class Window:
    """The newest values of something, in a ring of fixed size."""

    def __init__(self, size: int = 512) -> None:
        self._values = np.zeros(size)
        self.count = 0

    def add(self, value: float) -> None:
        """Take one value."""
        self._values[self.count % len(self._values)] = value
        self.count += 1

    def percentile(self, share: float) -> float:
        """Return a percentile of what is in the ring, NaN where nothing is."""
        filled = self._values[:min(self.count, len(self._values))]
        return float(np.percentile(filled, share)) if len(filled) else float('nan')


class Stream:
    """How often and how recently something came, on the steady clock."""

    def __init__(self) -> None:
        self.count = 0
        self._last_ns: int | None = None
        self._counted = 0
        self._counted_from_ns: int | None = None

    def arrived(self, steady_ns: int) -> None:
        """Count one arrival."""
        self.count += 1
        self._last_ns = steady_ns

    def age_s(self, steady_ns: int) -> float | None:
        """Return the time since the last arrival, None where there was none."""
        return None if self._last_ns is None else (steady_ns - self._last_ns) / NS_PER_S

    def rate_hz(self, steady_ns: int) -> float:
        """Return the mean rate since this was last asked."""
        since, counted = self._counted_from_ns, self._counted
        self._counted_from_ns, self._counted = steady_ns, self.count
        if since is None or steady_ns <= since:
            return 0.0
        return (self.count - counted) * NS_PER_S / (steady_ns - since)
