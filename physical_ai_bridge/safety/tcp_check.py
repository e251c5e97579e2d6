"""The tcp's speed and position along a whole motion, between samples too."""

from __future__ import annotations

import math

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.cubics import cubic_range, Cubics
from physical_ai_bridge.safety.limits import RELATIVE_TOLERANCE, Violation
from physical_ai_bridge.safety.robot_model import RobotModel

# So many configurations are looked at in one check at most.
MAX_EVALUATIONS = 200
# The first look along a motion: at the knots nearest to this grid, but to so many at most.
_COARSE_S, _COARSE_MAX = 0.04, 50
# Into so many parts a span is divided that does not tell.
_PARTS = 4
# Metres: how far outside its box the tcp may be found, for rounding.
_ROUNDING_M = 1e-9


class TcpCheck:
    """
    Holds the tcp of one robot in its workspace and under its speed limit.

    Between samples the tcp's path p(t) is bounded by its derivatives, and these by the joints'
    (Faà di Bruno's formula): any partial derivative of p is at most the reach of the joints in
    it, because each further one only turns the vector. Four looks, each at what the one before
    left open:

    1. One sample in the middle, and how far and fast the joints can carry the tcp from there.
    2. Samples some 40 ms apart: a value between two of them is off the straight line between
       theirs by h²/8 of its second derivative at most, and h/4 of the jumps of its first one.
    3. Each cubic by itself, between its ends, likewise; nothing jumps there.
    4. Closer: position and squared speed are off the cubic Hermite interpolant by h⁴/384 of
       their fourth derivative at most; divided until that tells.
    """

    def __init__(self, cell: Cell, robot: RobotModel) -> None:
        self._robot = robot
        workspace = cell.safety.workspace
        self._low, self._high = np.array(workspace.min), np.array(workspace.max)
        self._lowest, self._highest = self._low - _ROUNDING_M, self._high + _ROUNDING_M
        self._limit_m_s = cell.safety.tcp_speed_max_m_s
        self._weights = np.stack((robot.tcp_reach, robot.tcp_support), axis=1)
        self.evaluations = 0

    def speed_use(self, position: np.ndarray, velocity: np.ndarray) -> float:
        """Return the largest share of the speed limit in any of the states of joints (M, N)."""
        states = self._robot.tcp_velocities(position, velocity)
        return float(_norms(states[:, 1]).max()) / self._limit_m_s

    def check(self, cubics: Cubics, speed_share: float) -> Violation | None:
        """Return where the tcp is too fast or outside, or cannot be told not to be, or None."""
        robot = self._robot
        limit = self._limit_m_s * speed_share
        self.evaluations = 0
        if (cubics.speed @ robot.tcp_reach).max() <= limit:
            self.evaluations = 1
            travel = cubics.travel @ robot.tcp_reach
            half = 0.5 * float(travel[-1])
            position = robot.tcp(cubics.position_at(
                float(np.interp(half, travel, cubics.times))))
            if np.minimum(position - self._low, self._high - position).min() >= half:
                return None
            found = self._outside(position[None, :], position[None, :])
            if found is not None:
                return found
        return self._coarse(cubics, _Rates(cubics, self._weights), limit)

    def _coarse(self, cubics: Cubics, rates: _Rates, limit: float) -> Violation | None:
        """Look at some of the knots, and then at each cubic that these leave open."""
        times = cubics.times
        last = len(times) - 1
        count = min(max(math.ceil(times[-1] / _COARSE_S), 1), _COARSE_MAX)
        some = np.zeros(last + 1, dtype=bool)
        some[times.searchsorted(np.arange(count) * (times[-1] / count))] = some[-1] = True
        knots = np.flatnonzero(some)
        position, speed = self._at_knots(cubics, knots)
        found = self._too_fast(speed, limit) or self._outside(position, position)
        if found is not None:
            return found
        first = knots[:-1]
        jumps = np.zeros(last)
        jumps[1:] = cubics.step @ self._robot.tcp_reach
        fastest, low, high = _between(
            position[:-1], position[1:], speed[:-1], speed[1:], times[knots[1:]] - times[first],
            *(np.maximum.reduceat(rate, first) for rate in rates.low_orders),
            np.add.reduceat(jumps, first))
        told = _within(fastest, limit) & self._inside(low, high)
        if told.all():
            return None
        segment = np.flatnonzero(np.repeat(~told, knots[1:] - first))
        if not self._affords(2 * len(segment)):
            return self._untold(fastest, low, high, limit)
        return self._each(cubics, rates, segment, limit)

    def _each(
            self, cubics: Cubics, rates: _Rates, segment: np.ndarray, limit: float,
    ) -> Violation | None:
        """Look at both ends of each cubic in ``segment`` (M,), and closely at those still open."""
        at_end = np.zeros(len(cubics.times), dtype=bool)
        at_end[segment] = at_end[segment + 1] = True
        position, speed = self._at_knots(cubics, np.flatnonzero(at_end))
        found = self._too_fast(speed, limit) or self._outside(position, position)
        if found is not None:
            return found
        row = (at_end.cumsum() - 1)[segment]
        second, third = rates.low_orders
        fastest, low, high = _between(
            position[row], position[row + 1], speed[row], speed[row + 1], cubics.h[segment, 0],
            second[segment], third[segment], 0.0)
        open_ = segment[~(_within(fastest, limit) & self._inside(low, high))]
        if not len(open_):
            return None
        if not self._affords(2 * len(open_)):
            return self._untold(fastest, low, high, limit)
        return self._fine(cubics, rates, open_, limit)

    def _fine(
            self, cubics: Cubics, rates: _Rates, segment: np.ndarray, limit: float,
    ) -> Violation | None:
        """Look closely at each cubic in ``segment`` (M,), and divide those still open."""
        tau = np.column_stack((np.zeros(len(segment)), cubics.h[segment, 0]))
        fourth = rates.fourth_orders()
        ends = cubics.at(np.repeat(segment, 2), tau.ravel())
        states = self._look(ends).reshape(-1, 2, 3, 3)
        while True:
            found = self._breach(states.reshape(-1, 3, 3), limit)
            if found is not None:
                return found
            low, high = _enclosures(tau[:, 1] - tau[:, 0], states, fourth[segment])
            fastest = np.sqrt(high[:, 3])
            open_ = ~(_within(fastest, limit) & self._inside(low[:, :3], high[:, :3]))
            if not open_.any():
                return None
            segment, tau, states = segment[open_], tau[open_], states[open_]
            if not self._affords((_PARTS - 1) * len(segment)):
                return self._untold(fastest, low[:, :3], high[:, :3], limit)
            tau = tau[:, :1] + (tau[:, 1:] - tau[:, :1]) * np.linspace(0.0, 1.0, _PARTS + 1)
            inner = self._look(cubics.at(np.repeat(segment, _PARTS - 1), tau[:, 1:-1].ravel()))
            states = np.concatenate((states[:, :1], inner.reshape(-1, _PARTS - 1, 3, 3),
                                     states[:, 1:]), axis=1)
            segment = np.repeat(segment, _PARTS)
            tau = _neighbours(tau)
            states = _neighbours(states)

    def _affords(self, evaluations: int) -> bool:
        return self.evaluations + evaluations <= MAX_EVALUATIONS

    def _at_knots(self, cubics: Cubics, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the tcp's position (M, 3) and speed (M,) at ``knots`` (M,)."""
        self.evaluations += len(knots)
        states = self._robot.tcp_velocities(cubics.positions[knots], cubics.velocities[knots])
        return states[:, 0], _norms(states[:, 1])

    def _look(self, motion: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the tcp's states (M, 3, 3) at joint positions, velocities, accelerations."""
        self.evaluations += len(motion[0])
        return self._robot.tcp_states(*motion)

    def _breach(self, states: np.ndarray, limit: float) -> Violation | None:
        position = states[:, 0]
        return self._too_fast(_norms(states[:, 1]), limit) or self._outside(position, position)

    def _too_fast(self, speeds: np.ndarray, limit: float) -> Violation | None:
        if _within(speeds, limit).all():
            return None
        return Violation(Reason.TCP_SPEED_LIMIT, 'the tcp', float(speeds.max()), limit, 'm/s')

    def _inside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Tell (M,) whether all from ``low`` to ``high`` (M, 3) is in the workspace."""
        return ((low >= self._lowest) & (high <= self._highest)).all(axis=1)

    def _outside(
            self, low: np.ndarray, high: np.ndarray, reason: Reason = Reason.WORKSPACE_LIMIT,
    ) -> Violation | None:
        """Return where what lies from ``low`` to ``high`` (M, 3) is furthest outside, or None."""
        if self._inside(low, high).all():
            return None
        excess = np.stack((self._low - low, high - self._high))
        side, row, axis = np.unravel_index(np.argmax(excess), excess.shape)
        value, limit = ((low, self._low), (high, self._high))[side]
        return Violation(reason, f"the tcp's {'xyz'[axis]}", float(value[row, axis]),
                         float(limit[axis]), 'm')

    def _untold(
            self, fastest: np.ndarray, low: np.ndarray, high: np.ndarray, limit: float,
    ) -> Violation | None:
        """Return what cannot be told not to break a limit, at the bounds that are known."""
        if _within(fastest, limit).all():
            return self._outside(low, high, Reason.NOT_VERIFIED)
        return Violation(
            Reason.NOT_VERIFIED, "the tcp's speed", float(fastest.max()), limit, 'm/s')


class _Rates:
    """
    Bounds (S,) of the tcp's derivatives over each cubic, from the joints'.

    With u, w, y the absolute first, second and third derivatives of the joints (the fourth is
    zero), |u| their sum over the joints that move the tcp and R·u that weighted by their reach,
    each product of a formula of Faà di Bruno is at most one weighted factor times the others'
    sums.
    """

    def __init__(self, cubics: Cubics, weights: np.ndarray) -> None:
        """Take the tcp's reach and support as ``weights`` (N, 2)."""
        (self._ru, self._u), (self._rw, self._w), (self._ry, self._y) = (
            (rate @ weights).T for rate in (cubics.speed, cubics.acceleration, cubics.jerk))
        # Of the second and third derivative of the position.
        ru, u, rw, w = self._ru, self._u, self._rw, self._w
        turning = ru * u
        self.low_orders = (
            rw + turning, self._ry + 3.0 * np.minimum(rw * u, ru * w) + turning * u)

    def fourth_orders(self) -> np.ndarray:
        """Return bounds (S, 2) of the fourth derivative of position and of squared speed."""
        ru, u, rw, w, ry, y = self._ru, self._u, self._rw, self._w, self._ry, self._y
        second, third = self.low_orders
        fourth = (4.0 * np.minimum(ry * u, ru * y) + 3.0 * rw * w
                  + 6.0 * np.minimum(rw * u, ru * w) * u + ru * u**3)
        fifth = (10.0 * np.minimum(ry * w, rw * y) + 10.0 * np.minimum(ry * u, ru * y) * u
                 + 15.0 * rw * w * u + 10.0 * np.minimum(rw * u, ru * w) * u**2 + ru * u**4)
        square = 2.0 * (ru * fifth + 4.0 * second * fourth + 3.0 * third * third)
        return np.column_stack((fourth, square))


def _within(speeds: np.ndarray, limit: float) -> np.ndarray:
    return speeds <= limit * (1.0 + RELATIVE_TOLERANCE)


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt((vectors * vectors).sum(axis=-1))


def _between(
        begin: np.ndarray, end: np.ndarray, begin_speed: np.ndarray, end_speed: np.ndarray,
        h: np.ndarray, second: np.ndarray, third: np.ndarray, jumps: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return the speed (M,) and the lowest and highest position (M, 3) that spans cannot exceed.

    ``begin`` and ``end`` (M, 3) are the positions at their ends, with the speeds (M,) there, ``h``
    (M,) s their durations, ``second`` and ``third`` (M,) bounds of the position's derivatives,
    ``jumps`` (M,) of the jumps of its second one.
    """
    bow = h * h / 8.0
    fastest = np.maximum(begin_speed, end_speed) + bow * third + h / 4.0 * jumps
    off = (bow * second)[:, None]
    return fastest, np.minimum(begin, end) - off, np.maximum(begin, end) + off


def _neighbours(values: np.ndarray) -> np.ndarray:
    """Return (M * P, 2, ...): each value of (M, P + 1, ...) with the next one of its row."""
    pairs = np.stack((values[:, :-1], values[:, 1:]), axis=2)
    return pairs.reshape(-1, *pairs.shape[2:])


def _enclosures(
        h: np.ndarray, states: np.ndarray, fourth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return between what (M, 4) position and squared speed are over spans of ``h`` (M,) s.

    ``states`` (M, 2, 3, 3) are those at both ends, ``fourth`` (M, 2) bounds of the fourth
    derivatives. Hermite's interpolant is off by h⁴/384 of them at most.
    """
    position, velocity, acceleration = states[:, :, 0], states[:, :, 1], states[:, :, 2]
    square = (velocity * velocity).sum(axis=2, keepdims=True)
    rate = 2.0 * (velocity * acceleration).sum(axis=2, keepdims=True)
    y = np.concatenate((position, square), axis=2)
    d = np.concatenate((velocity, rate), axis=2)
    width = h[:, None]
    slope = (y[:, 1] - y[:, 0]) / width
    low, high = cubic_range(
        width, y[:, 0], d[:, 0], (3.0 * slope - 2.0 * d[:, 0] - d[:, 1]) / width,
        (d[:, 0] + d[:, 1] - 2.0 * slope) / (width * width))
    off = (width**4 / 384.0) * fourth[:, (0, 0, 0, 1)]
    return low - off, high + off
