"""How the rate along a path changes from 1 to a slower one, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
import math
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import Trajectory

# Planned for this share of the limits, by which samples may be off.
_PLANNED_SHARE = 0.95
# Over joints that brake by themselves, and over an estimate.
_OVER_ALONE, _OVER_ESTIMATE = 1.08, 1.03
_SHORTEST_S = 0.01
# A path that uses no more than this share of the limits is gentle.
_GENTLE = 0.3
# Which share of the duration each ramp of s̈ may take.
_RAMPS = (0.1, 0.2, 0.3, 0.4, 0.5)
_SAMPLES_PER_PHASE = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """
    A smooth fall g(x) from 0 to 1 over x from 0 to 1, in three phases of constant g'''s slope.

    ``ramp`` is the length of the first and the last phase. ``starts`` (3,) is where they begin,
    with the integral of g, g, and g' there in ``states`` (3, 3) and g'' in ``curves`` (3,).
    """

    ramp: float
    starts: np.ndarray
    states: np.ndarray
    curves: np.ndarray

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the integral of g from 0, g, and g' at ``x`` (M,)."""
        phase = self.starts.searchsorted(x, side='right') - 1
        y = x - self.starts[phase]
        area, fall, slope = self.states[:, phase]
        curve = self.curves[phase]
        return (area + y * (fall + y * (0.5 * slope + y / 6.0 * curve)),
                fall + y * (slope + 0.5 * y * curve), slope + y * curve)

    def area_at(self, x: np.ndarray) -> np.ndarray:
        """Return the integral of g from 0 at ``x`` (M,)."""
        phase = self.starts[1:].searchsorted(x, side='right')
        y = x - self.starts[phase]
        area, fall, slope = self.states[:, phase]
        return area + y * (fall + y * (0.5 * slope + y / 6.0 * self.curves[phase]))


@lru_cache(maxsize=len(_RAMPS))
def _shape(ramp: float) -> _Shape:
    peak = 1.0 / (1.0 - ramp)
    curve, hold = peak / ramp, 1.0 - 2.0 * ramp
    begun = (ramp * ramp * peak / 6.0, 0.5 * ramp * peak)
    held = (begun[0] + hold * (begun[1] + 0.5 * hold * peak), begun[1] + hold * peak)
    return _Shape(
        ramp, np.array([0.0, ramp, 1.0 - ramp]),
        np.array([[0.0, begun[0], held[0]], [0.0, begun[1], held[1]], [0.0, peak, peak]]),
        np.array([curve, 0.0, -curve]))


@lru_cache(maxsize=len(_RAMPS))
def _samples(ramp: float) -> tuple[np.ndarray, ...]:
    """Return x (M,) in the phases, their ends included, with the integral of g, g, g', g''."""
    within = np.linspace(0.0, 1.0, _SAMPLES_PER_PHASE)
    x = np.concatenate((ramp * within, ramp + (1.0 - 2.0 * ramp) * within[1:-1],
                        1.0 - ramp + ramp * within))
    shape = _shape(ramp)
    curve = np.zeros(len(x))
    curve[:_SAMPLES_PER_PHASE], curve[-_SAMPLES_PER_PHASE:] = shape.curves[[0, 2]]
    return (x, *shape.at(x), curve)


@lru_cache(maxsize=len(_RAMPS))
def _table(ramp: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x (65,) from 0 to 1 with the integral of g, to look up where that is."""
    x = np.linspace(0.0, 1.0, 65)
    return x, _shape(ramp).area_at(x)


@dataclass(frozen=True, slots=True)
class Change:
    """A rate that falls from 1 by ``drop`` within ``duration_s``, in the shape of ``ramp``."""

    drop: float
    ramp: float
    duration_s: float

    @property
    def used_s(self) -> float:
        """How much of the path it uses up."""
        return self.duration_s * (1.0 - 0.5 * self.drop)

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return s at ``seconds`` (M,), both in s from the beginning."""
        x = seconds / self.duration_s
        return self.duration_s * (x - self.drop * _shape(self.ramp).area_at(x))

    def images(self, knots: np.ndarray) -> list[float]:
        """Return when it gets to where the path has ``knots`` (M,), those within it, all in s."""
        x, area = _table(self.ramp)
        begin, end = knots.searchsorted((0.0, self.used_s), side='right')
        return np.interp(knots[begin:end], self.duration_s * (x - self.drop * area),
                         self.duration_s * x).tolist()


class Stretch:
    """
    A path from an instant on, by seconds from there.

    ``begin`` is q', q'', q''' (N,) where it begins.
    """

    def __init__(self, path: Trajectory, from_ns: int) -> None:
        offset = from_ns - path.stamp_ns
        first = int(path.times_ns[1:-1].searchsorted(offset, side='right'))
        self.knots = (path.times_ns[first:] - offset) / NS_PER_S
        self.length_s = float(self.knots[-1])
        # One row of coefficients, c0 to c3, for each cubic.
        cubics = path.cubics(first)
        self._cubics = np.empty((len(cubics[0]), 4, len(path.joint_names)))
        for power, coefficients in enumerate(cubics):
            self._cubics[:, power] = coefficients
        self.begin = _rates(-float(self.knots[0]), *self._cubics[0, 1:])

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return q, q', q'' (M, N) at ``s`` (M,)."""
        tau, c = self._find(s)
        c2, c3 = c[:, 2], c[:, 3]
        third = 3.0 * c3
        return (c[:, 0] + tau * (c[:, 1] + tau * (c2 + tau * c3)),
                c[:, 1] + tau * (2.0 * c2 + tau * third), 2.0 * (c2 + tau * third))

    def rates_at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return q', q'', q''' (M, N) at ``s`` (M,)."""
        tau, c = self._find(s)
        return _rates(tau, c[:, 1], c[:, 2], c[:, 3])

    def _find(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far into their cubics (M, 1) ``s`` (M,) are, and those (M, 4, N)."""
        segment = self.knots[1:-1].searchsorted(s, side='right')
        return (s - self.knots[segment])[:, None], self._cubics[segment]


def _rates(
        tau: Any, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q', q'' and q''' of cubics ``tau`` from their starts."""
    twice, sixth = 2.0 * c2, 6.0 * c3
    turned = tau * sixth
    return c1 + tau * (twice + 0.5 * turned), twice + turned, sixth


def as_if_alone(stretch: Stretch, drop: float, limits: LimitArrays) -> Change:
    """Return how the slowest joint would change its speed if the path were straight and even."""
    v, a, _ = stretch.begin
    v = drop * (np.abs(v) + a * a / (2.0 * limits.jerk))
    rise = limits.acceleration / limits.jerk
    alone = np.where(v > limits.acceleration * rise, v / limits.acceleration + rise,
                     2.0 * np.sqrt(v / limits.jerk))
    slowest = int(alone.argmax())
    duration_s = max(_OVER_ALONE * float(alone[slowest]), _SHORTEST_S)
    share = float(rise[slowest]) / duration_s
    ramp = min(_RAMPS, key=lambda each: abs(each - share))
    return Change(drop, ramp, duration_s)


def estimate(
        stretch: Stretch, change: Change, duration_s: float, limits: LimitArrays) -> float:
    """
    Return the least duration in s that keeps samples of a change within the limits, or inf.

    They are taken from what the change would use up of the path if it took ``duration_s``.
    """
    drop = change.drop
    x, area, fall, slope, curve = _samples(change.ramp)
    rate, first, second = (
        (1.0 - drop * fall)[:, None], (-drop * slope)[:, None], (-drop * curve)[:, None])
    d1, d2, d3 = stretch.rates_at(
        np.minimum(duration_s * (x - drop * area), stretch.length_s))
    square = rate * rate
    least = _least_duration(
        (d2 * square, d1 * first),
        (d3 * (square * rate), d2 * (3.0 * rate * first), d1 * second),
        _PLANNED_SHARE * limits.acceleration, _PLANNED_SHARE * limits.jerk)
    return max(_OVER_ESTIMATE * least, _SHORTEST_S)


def _least_duration(
        acceleration: tuple[np.ndarray, np.ndarray],
        jerk: tuple[np.ndarray, np.ndarray, np.ndarray], a_max: np.ndarray, j_max: np.ndarray,
) -> float:
    """
    Return the least T with |b + c/T| <= a_max and |d + e/T + f/T²| <= j_max everywhere, or inf.

    Where e and f differ in sign, what f takes off is not counted. Where b or d alone reach their
    limit there is none.
    """
    b, c = acceleration
    d, e, f = jerk
    room = a_max - np.copysign(b, b * c)
    sign = np.copysign(1.0, np.where(f == 0.0, e, f))
    d, e, f = d * sign, e * sign, np.abs(f)
    near, far = j_max - d, j_max + d
    if min(float(room.min()), float(near.min()), float(far.min())) <= 0.0:
        return math.inf
    # With y = 1/T, f y² + e y = near has one positive root; this form does not cancel.
    needed = (np.abs(c) / room, (e + np.sqrt(e * e + 4.0 * f * near)) / (2.0 * near), -e / far)
    return max(float(each.max()) for each in needed)


def is_gentle(stretch: Stretch, limits: LimitArrays) -> bool:
    """Tell whether the path leaves most of the limits to a change of its rate, to begin with."""
    _, acceleration, jerk = stretch.begin
    return bool((np.abs(acceleration) <= _GENTLE * limits.acceleration).all()
                and (np.abs(jerk) <= _GENTLE * limits.jerk).all())
