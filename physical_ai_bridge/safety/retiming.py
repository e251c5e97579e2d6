"""
Time scaling along a path: the same points at a slower rate, down to rest.

A path q(s) is executed at the rate ṡ = 1, s being ROS time. Going over to another rate keeps to
the path's points; with q', q'', q''' by s::

    q̇ = q' ṡ        q̈ = q'' ṡ² + q' s̈        jerk = q''' ṡ³ + 3 q'' ṡ s̈ + q' s⃛
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
import math

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.splines import spline_through

# Planned for this share of the limits, by which samples may be off; held to that one.
_PLANNED_SHARE, _HELD_SHARE = 0.95, 0.999
# Over joints that brake by themselves; how often the duration is estimated anew, over the stretch
# of path that the last one uses up; and what is added to that.
_OVER_ALONE, _ESTIMATES, _OVER_ESTIMATE = 1.08, 3, 1.03
_SHORTEST_S = 0.01
# A path that comes to rest within so many times what the joints alone would take is followed to
# its end. Nothing that takes so many times as long, or so long, counts as braking.
_REST_OF_PATH, _LONGEST_BRAKE, _LONGEST_S = 1.3, 4.0, 1.0
# Knots: some 10 ms apart, those of the path where they are this far apart, so many at most.
_SPACING_S, _APART, _MOST_CUBICS = 0.01, 0.35, 64
# Which share of the duration each ramp of s̈ may take.
_RAMPS = (0.1, 0.2, 0.3, 0.4, 0.5)
_SAMPLES_PER_PHASE = 5
_TABLE = np.linspace(0.0, 1.0, 65)


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


@dataclass(frozen=True, slots=True)
class _Change:
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
        return self.duration_s * (x - self.drop * _shape(self.ramp).at(x)[0])


class _Stretch:
    """A path from an instant on, by seconds from there."""

    def __init__(self, path: Trajectory, from_ns: int) -> None:
        self.knots = (path.times_ns - (from_ns - path.stamp_ns)) / NS_PER_S
        _, *self._coefficients = path.segments()
        self.length_s = float(self.knots[-1])

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return q, q', q'', q''' (M, N) at ``s`` (M,)."""
        segment = self.knots.searchsorted(s, side='right') - 1
        segment = np.minimum(segment, len(self.knots) - 2)
        tau = (s - self.knots[segment])[:, None]
        c0, c1, c2, c3 = (c[segment] for c in self._coefficients)
        third = 3.0 * c3
        return (c0 + tau * (c1 + tau * (c2 + tau * c3)), c1 + tau * (2.0 * c2 + tau * third),
                2.0 * (c2 + tau * third), 2.0 * third)


def retime(
        path: Trajectory, from_ns: int, to_rate: float, limits: LimitArrays,
) -> Trajectory | None:
    """
    Return ``path`` from ``from_ns`` on, its rate going from 1 to ``to_rate`` in [0, 1), or None.

    With 0 that is the path-consistent brake: it ends at rest on the path, without acceleration.
    With more, the path goes on at that rate after the change, to its end. Position, velocity and
    acceleration go on from the path's without a step, and have none until the change is over. It
    is about as short as acceleration and jerk ``limits`` let it be. Its knots are on the path, but
    for the second and the last but one, and so are the cubics between them, to some 10 µrad.

    None where the path ends too early, or where the limits leave no room. The work is bounded: at
    most three motions of some thirty cubics are looked at.
    """
    if not _goes_on(path, from_ns):
        return None
    stretch = _Stretch(path, from_ns)
    change = _as_if_alone(stretch, 1.0 - to_rate, limits)
    return _retimed(path, from_ns, stretch, change, limits)


def brake_along(path: Trajectory, from_ns: int, limits: LimitArrays) -> Trajectory | None:
    """
    Return the motion that comes to rest on ``path`` from ``from_ns`` on, or None.

    Where the path comes to rest by itself, and not much later than any brake would, that is the
    path itself; else it is ``retime``'s.
    """
    rests = not path.velocities[-1].any()
    if rests and from_ns >= path.end_ns:
        return Trajectory.hold(from_ns, path.joint_names, path.positions[-1])
    if not _goes_on(path, from_ns):
        return None
    stretch = _Stretch(path, from_ns)
    change = _as_if_alone(stretch, 1.0, limits)
    longest_s = _LONGEST_BRAKE * change.duration_s
    motion = None
    if not (rests and stretch.length_s <= _REST_OF_PATH * change.duration_s):
        motion = _retimed(path, from_ns, stretch, change, limits, longest_s)
    if motion is None and rests and stretch.length_s <= longest_s:
        motion = path.cut(from_ns, path.end_ns)
        motion.velocities[-1] = 0.0
    return motion


def _retimed(
        path: Trajectory, from_ns: int, stretch: _Stretch, change: _Change, limits: LimitArrays,
        longest_s: float = _LONGEST_S,
) -> Trajectory | None:
    """Return ``retime``'s motion, trying ``change`` first."""
    to_rate = 1.0 - change.drop
    excess = math.inf
    for attempt in range(3):
        if change.used_s <= stretch.length_s:
            motion, used_s, excess = _changing(path, from_ns, stretch, change, limits)
            if excess <= 1.0:
                rest = (None if to_rate == 0.0 else
                        _slowed(path, stretch, motion.end_ns, used_s, to_rate))
                return motion if rest is None else motion.then(rest)
        elif attempt:
            return None
        duration_s = (_estimate(stretch, change, limits) if attempt == 0 else
                      change.duration_s * min(_OVER_ESTIMATE * excess, 2.0))
        if not duration_s <= min(longest_s, _LONGEST_S):
            return None
        change = _Change(change.drop, change.ramp, duration_s)
    return None


def slow(path: Trajectory, from_ns: int, rate: float) -> Trajectory | None:
    """
    Return ``path`` from ``from_ns`` on at a constant ``rate``: each of its cubics stays one.

    None where nothing is left of it.
    """
    if not _goes_on(path, from_ns):
        return None
    return _slowed(path, _Stretch(path, from_ns), from_ns, 0.0, rate)


def _goes_on(path: Trajectory, from_ns: int) -> bool:
    return len(path.times_ns) > 1 and path.start_ns <= from_ns < path.end_ns


def _slowed(
        path: Trajectory, stretch: _Stretch, stamp_ns: int, begin_s: float, rate: float,
) -> Trajectory | None:
    """Return the rest of the path from ``begin_s`` into the stretch on, stamped ``stamp_ns``."""
    later = stretch.knots[stretch.knots > begin_s + MIN_KNOT_SPACING_NS / NS_PER_S]
    if not len(later):
        return None
    times = np.zeros(len(later) + 1, dtype=np.int64)
    times[1:] = np.rint((later - begin_s) * (NS_PER_S / rate))
    position, velocity, _, _ = stretch.at(
        np.minimum(begin_s + rate / NS_PER_S * times, stretch.length_s))
    position[-1], velocity[-1] = path.positions[-1], path.velocities[-1]
    return Trajectory(stamp_ns, path.joint_names, times, position, rate * velocity)


def _as_if_alone(stretch: _Stretch, drop: float, limits: LimitArrays) -> _Change:
    """Return how the slowest joint would change its speed if the path were straight and even."""
    _, v, a, _ = (rate[0] for rate in stretch.at(np.zeros(1)))
    v = drop * (np.abs(v) + a * a / (2.0 * limits.jerk))
    rise = limits.acceleration / limits.jerk
    alone = np.where(v > limits.acceleration * rise, v / limits.acceleration + rise,
                     2.0 * np.sqrt(v / limits.jerk))
    slowest = int(alone.argmax())
    duration_s = max(_OVER_ALONE * float(alone[slowest]), _SHORTEST_S)
    share = float(rise[slowest]) / duration_s
    ramp = min(_RAMPS, key=lambda each: abs(each - share))
    return _Change(drop, ramp, duration_s)


def _estimate(stretch: _Stretch, change: _Change, limits: LimitArrays) -> float:
    """Return the least duration in s that keeps samples within the limits, or inf."""
    drop, duration_s = change.drop, change.duration_s
    x, area, fall, slope, curve = _samples(change.ramp)
    used = x - drop * area
    rate, first, second = (
        (1.0 - drop * fall)[:, None], (-drop * slope)[:, None], (-drop * curve)[:, None])
    for _ in range(_ESTIMATES):
        _, d1, d2, d3 = stretch.at(np.minimum(duration_s * used, stretch.length_s))
        least = _OVER_ESTIMATE * _least_duration(
            (d2 * rate * rate, d1 * first),
            (d3 * rate**3, 3.0 * d2 * rate * first, d1 * second),
            _PLANNED_SHARE * limits.acceleration, _PLANNED_SHARE * limits.jerk)
        close = abs(least - duration_s) <= 0.02 * least
        duration_s = max(least, _SHORTEST_S)
        if close or not least < math.inf:
            break
    return duration_s


def _least_duration(
        acceleration: tuple[np.ndarray, np.ndarray],
        jerk: tuple[np.ndarray, np.ndarray, np.ndarray], a_max: np.ndarray, j_max: np.ndarray,
) -> float:
    """
    Return the least T with |b + c/T| <= a_max and |d + e/T + f/T²| <= j_max everywhere, or inf.

    Where e and f differ in sign, what f takes off is not counted.
    """
    b, c = acceleration
    d, e, f = jerk
    room = a_max - b * np.sign(c)
    sign = np.where(f != 0.0, np.sign(f), np.sign(e))
    d, e, f = d * sign, e * sign, np.abs(f)
    near, far = j_max - d, j_max + d
    with np.errstate(divide='ignore', invalid='ignore'):
        # With y = 1/T, f y² + e y = near has one positive root; this form does not cancel.
        needed = (
            np.where(c == 0.0, 0.0, np.where(room > 0.0, np.abs(c) / room, np.inf)),
            np.where((e == 0.0) & (f == 0.0), 0.0, np.where(
                near > 0.0,
                (e + np.sqrt(e * e + 4.0 * f * np.maximum(near, 0.0))) / (2.0 * near), np.inf)),
            np.where(e < 0.0, np.where(far > 0.0, -e / far, np.inf), 0.0))
    return max(float(each.max()) for each in needed)


def _changing(
        path: Trajectory, from_ns: int, stretch: _Stretch, change: _Change, limits: LimitArrays,
) -> tuple[Trajectory, float, float]:
    """
    Return the motion while the rate changes, what it uses of the path, and its excess.

    The excess is the factor by which it would have to take longer where that is more than 1.
    """
    to_rate = 1.0 - change.drop
    times = _knots(stretch, change)
    seconds = times / NS_PER_S
    s = np.minimum(change.at(seconds), stretch.length_s)
    position, d1, d2, _ = stretch.at(s)
    position, velocity, acceleration = spline_through(
        seconds, position, (d1[0], to_rate * d1[-1]), (d2[0], to_rate * to_rate * d2[-1]))
    jerk = (acceleration[1:] - acceleration[:-1]) / (seconds[1:] - seconds[:-1])[:, None]
    excess = max(float((np.abs(acceleration) / limits.acceleration).max()),
                 math.sqrt(float((np.abs(jerk) / limits.jerk).max()))) / _HELD_SHARE
    return (Trajectory(from_ns, path.joint_names, times, position, velocity), float(s[-1]),
            excess)


def _knots(stretch: _Stretch, change: _Change) -> np.ndarray:
    """Return the knots (M,) int64 ns: the phases' ends, images of the path's own, and more."""
    duration_s, ramp = change.duration_s, change.ramp
    spacing = max(_SPACING_S, duration_s / _MOST_CUBICS)
    ends = [0.0, ramp * duration_s, (1.0 - ramp) * duration_s, duration_s]
    if ends[2] - ends[1] < _APART * spacing:
        ends[1:3] = [0.5 * duration_s]
    inner = stretch.knots[(stretch.knots > 0.0) & (stretch.knots < change.used_s)]
    if len(inner):
        images = np.interp(inner, change.at(duration_s * _TABLE), duration_s * _TABLE).tolist()
    else:
        images = []
    knots = [0.0]
    for begin, end in pairwise(ends):
        for image in images:
            if begin < image < end - _APART * spacing and image > knots[-1] + _APART * spacing:
                _divide(knots, image, spacing)
        _divide(knots, end, spacing)
    if len(knots) < 5:
        knots = [duration_s * part / 4.0 for part in range(5)]
    return np.array([seconds_to_ns(knot) for knot in knots], dtype=np.int64)


def _divide(knots: list[float], end: float, spacing: float) -> None:
    """Add knots up to ``end``, about ``spacing`` apart."""
    begin = knots[-1]
    parts = max(round((end - begin) / spacing), 1)
    knots += [begin + (end - begin) * part / parts for part in range(1, parts)]
    knots.append(end)
