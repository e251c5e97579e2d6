"""Errors and other magnitudes gathered without keeping them: sums that can be added up later."""

from __future__ import annotations

import math

import numpy as np
from physical_ai_bridge.evaluation.offline.scores import ErrorScore, Spread

# Bins rise by a hundredth each, so that a percentile is found to half of that.
_LEAST, _MOST, _RATIO = 1e-9, 1e6, 1.01
_BINS = math.ceil(math.log(_MOST / _LEAST) / math.log(_RATIO)) + 2
_SCALE = 1.0 / math.log(_RATIO)
_OFFSET = -math.log(_LEAST) * _SCALE + 1.0


class Pool:
    """
    Count, sum of squares, largest, and a histogram of magnitudes.

    What is not finite is left out. Pools of parts add up to the pool of the whole, whatever the
    parts are. Percentiles are right to half a percent of their value; count, rmse and largest are
    exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.squares = 0.0
        self.largest = 0.0
        self._bins = np.zeros(_BINS, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Take values, of any shape."""
        magnitudes = np.abs(np.asarray(values, np.float64).ravel())
        magnitudes = magnitudes[np.isfinite(magnitudes)]
        if not len(magnitudes):
            return
        self.count += len(magnitudes)
        self.squares += float(np.dot(magnitudes, magnitudes))
        self.largest = max(self.largest, float(magnitudes.max()))
        places = np.log(np.maximum(magnitudes, _LEAST)) * _SCALE + _OFFSET
        places[magnitudes < _LEAST] = 0.0
        self._bins += np.bincount(
            np.minimum(places, _BINS - 1).astype(np.int64), minlength=_BINS)

    def merge(self, other: Pool) -> None:
        """Take what another pool has taken."""
        self.count += other.count
        self.squares += other.squares
        self.largest = max(self.largest, other.largest)
        self._bins += other._bins

    def state(self) -> tuple[int, float, float, np.ndarray]:
        """Return count, sum of squares, largest and the histogram, for ``restore``."""
        return self.count, self.squares, self.largest, self._bins

    def restore(self, count: int, squares: float, largest: float, bins: np.ndarray) -> None:
        """Be as the pool was whose ``state`` this is."""
        if bins.shape != self._bins.shape:
            raise ValueError(f'a histogram of {bins.shape} bins is not of this version')
        self.count, self.squares, self.largest, self._bins = count, squares, largest, bins

    def percentile(self, percent: float) -> float | None:
        """Return a percentile, None where there is nothing."""
        if not self.count:
            return None
        wanted = max(1, math.ceil(percent / 100.0 * self.count))
        place = int(np.searchsorted(np.cumsum(self._bins), wanted))
        middle = 0.0 if place == 0 else math.exp((place + 0.5 - _OFFSET) / _SCALE)
        return min(middle, self.largest)

    @property
    def rmse(self) -> float | None:
        """The root of the mean square, None where there is nothing."""
        return math.sqrt(self.squares / self.count) if self.count else None

    def error(self) -> ErrorScore:
        """Return the pool as an error."""
        return ErrorScore(count=self.count, rmse=self.rmse, p95=self.percentile(95.0),
                          max=self.largest if self.count else None)

    def spread(self) -> Spread:
        """Return the pool as a spread."""
        return Spread(count=self.count, p50=self.percentile(50.0), p95=self.percentile(95.0),
                      max=self.largest if self.count else None)
