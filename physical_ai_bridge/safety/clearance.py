"""The distances of the robot's shapes along a whole motion, between samples too."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.cubics import Cubics
from physical_ai_bridge.safety.limits import Violation
from physical_ai_bridge.safety.robot_model import RobotModel

# So many distances of single pairs are measured in one check at most, after one of all pairs.
MAX_EVALUATIONS = 100
# Metres: what a distance may be off by; coal stops its iterations at 1e-6.
_ACCURACY_M = 1e-5


class ClearanceCheck:
    """
    Keeps the pairs of shapes of one robot apart.

    Along a motion a pair's distance changes by no more than the joints travel, weighted by the
    pair's reach. Counted in that travel, a distance that leaves a margin m vouches for m either
    way. All pairs are measured once in the middle of the motion; what that leaves open of a pair
    is measured in its own middle, and so on (conservative advancement, from the inside out).
    """

    def __init__(self, robot: RobotModel) -> None:
        self._robot = robot
        self.evaluations = 0

    def check(self, cubics: Cubics) -> Violation | None:
        """Return which pair comes too close, or cannot be told not to, or None."""
        robot = self._robot
        self.evaluations = 0
        if not robot.pairs:
            return None
        self.evaluations = 1
        travel = cubics.travel
        total = travel.sum(axis=1)
        knot = int(total.searchsorted(0.5 * total[-1]))
        # To either side of the middle, the first knot and the last one.
        sides = np.array((travel[knot], travel[-1] - travel[knot]))
        margins = robot.distances(cubics.positions[knot]) - robot.least_m
        found = self._too_close(margins)
        if found is not None:
            return found
        vouched = np.maximum(margins - _ACCURACY_M, 0.0)
        pairs = np.flatnonzero(~(sides @ robot.pair_reach.T <= vouched).all(axis=0))
        if not pairs.size:
            return None
        reach = robot.reach_near(sides.max(axis=0), pairs)
        before, after = sides @ reach.T
        spans = []
        for index, m in enumerate(vouched[pairs].tolist()):
            if not before[index] <= m:
                spans.append((index, 0.0, float(before[index]) - m))
            if not after[index] <= m:
                end = float(before[index] + after[index])
                spans.append((index, end - float(after[index]) + m, end))
        return self._advance(cubics, pairs.tolist(), reach, spans)

    def _advance(
            self, cubics: Cubics, pairs: list[int], reach: np.ndarray,
            spans: list[tuple[int, float, float]],
    ) -> Violation | None:
        """Measure ``pairs`` until all ``spans`` (index into them, begin, end in travel) are."""
        robot = self._robot
        travel = reach @ cubics.travel.T
        closest = (np.inf, pairs[0])
        while spans:
            if self.evaluations + len(spans) > MAX_EVALUATIONS + 1:
                return self._untold(*closest)
            self.evaluations += len(spans)
            left = []
            for index, begin, end in spans:
                middle, pair = 0.5 * (begin + end), pairs[index]
                q = cubics.position_at(float(np.interp(middle, travel[index], cubics.times)))
                margin = robot.distance(q, pair) - robot.pairs[pair].least_m
                if not margin >= 0.0:
                    return self._violation(pair, margin)
                closest = min(closest, (margin, pair))
                m = max(margin - _ACCURACY_M, 0.0)
                if not m >= 0.5 * (end - begin):
                    left += [(index, begin, middle - m), (index, middle + m, end)]
            spans = left
        return None

    def _untold(self, margin: float, index: int) -> Violation:
        pair = self._robot.pairs[index]
        margin = margin if np.isfinite(margin) else 0.0
        return Violation(Reason.NOT_VERIFIED, f'the distance of {pair.what}',
                         pair.least_m + margin, pair.least_m, 'm')

    def _too_close(self, margins: np.ndarray) -> Violation | None:
        apart = margins >= 0.0
        if apart.all():
            return None
        kind = self._robot.pairs[int(np.argmin(apart))].reason
        same = np.array([pair.reason is kind for pair in self._robot.pairs])
        pair = int(np.argmin(np.where(same, margins, np.inf)))
        return self._violation(pair, float(margins[pair]))

    def _violation(self, index: int, margin: float) -> Violation:
        pair = self._robot.pairs[index]
        return Violation(pair.reason, pair.what, pair.least_m + margin, pair.least_m, 'm')
