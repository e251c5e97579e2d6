"""
Time scaling along a path: the same points at a slower rate, down to rest.

A path q(s) is executed at the rate ṡ = 1, s being ROS time. Going over to another rate keeps to
the path's points; with q', q'', q''' by s::

    q̇ = q' ṡ        q̈ = q'' ṡ² + q' s̈        jerk = q''' ṡ³ + 3 q'' ṡ s̈ + q' s⃛
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
import math

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.rate_change import (
    as_if_alone,
    Change,
    estimate,
    is_gentle,
    Stretch,
)
from physical_ai_bridge.safety.splines import spline_through

# How many motions are made at most, and what the next one takes longer than the last one's excess
# asks for. They are held to this share of the limits: rounding knots to whole nanoseconds may add.
_ATTEMPTS, _OVER_EXCESS, _HELD_SHARE = 3, 1.02, 0.999
# Knots: some 10 ms apart, those of the path where they are this far apart, so many at most.
_SPACING_S, _APART, _MOST_CUBICS = 0.01, 0.35, 64
# A path that comes to rest within so many times what the joints alone would take is followed to
# its end. What takes more than so many times as long, and so long, is of no use.
_REST_OF_PATH, _LONGEST, _AND_S = 1.3, 3.0, 0.2


def retime(
        path: Trajectory, from_ns: int, to_rate: float, limits: LimitArrays,
) -> Trajectory | None:
    """
    Return ``path`` from ``from_ns`` on, its rate going from 1 to ``to_rate`` in [0, 1), or None.

    With 0 that is the path-consistent brake: it ends at rest on the path, without acceleration.
    With more, the path goes on at that rate after the change, to its end. Position, velocity and
    acceleration go on from the path's without a step, and have none until the change is over. It
    is about as short as acceleration and jerk ``limits`` let it be. Its knots are on the path, but
    for the second and the last but one, and the cubics between them are to some 10 µrad.

    None where the path ends too early, or where the limits leave no room, or so little that it
    would take more than three times as long as the joints alone, and 0.2 s. The work is bounded:
    at most three motions of less than a hundred cubics each are made.
    """
    if not _goes_on(path, from_ns):
        return None
    stretch = Stretch(path, from_ns)
    change = as_if_alone(stretch, 1.0 - to_rate, limits)
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
    stretch = Stretch(path, from_ns)
    change = as_if_alone(stretch, 1.0, limits)
    motion = None
    if not (rests and stretch.length_s <= _REST_OF_PATH * change.duration_s):
        motion = _retimed(path, from_ns, stretch, change, limits)
    if motion is None and rests and stretch.length_s <= _longest_s(change):
        motion = path.cut(from_ns, path.end_ns)
        motion.velocities[-1] = 0.0
    return motion


def _retimed(
        path: Trajectory, from_ns: int, stretch: Stretch, change: Change, limits: LimitArrays,
) -> Trajectory | None:
    """Return ``retime``'s motion; ``change`` itself is tried where the path asks for little."""
    duration_s, least_s = change.duration_s, 0.0
    for attempt in range(_ATTEMPTS):
        if attempt or not is_gentle(stretch, limits):
            duration_s = max(estimate(stretch, change, duration_s, limits), least_s)
        if not duration_s < math.inf:
            return None
        tried = Change(change.drop, change.ramp, duration_s)
        if duration_s > _longest_s(change) or tried.used_s > stretch.length_s:
            if attempt:
                return None
            continue
        motion, used_s, excess = _changing(path, from_ns, stretch, tried, limits)
        if excess <= 1.0:
            rest = (None if change.drop == 1.0 else _slowed(
                path, stretch, motion.end_ns, used_s, 1.0 - change.drop))
            return motion if rest is None else motion.then(rest)
        least_s = min(_OVER_EXCESS * excess, 2.0) * duration_s
    return None


def _longest_s(alone: Change) -> float:
    return _LONGEST * alone.duration_s + _AND_S


def slow(path: Trajectory, from_ns: int, rate: float) -> Trajectory | None:
    """
    Return ``path`` from ``from_ns`` on at a constant ``rate``: each of its cubics stays one.

    None where nothing is left of it.
    """
    if not _goes_on(path, from_ns):
        return None
    return _slowed(path, Stretch(path, from_ns), from_ns, 0.0, rate)


def _goes_on(path: Trajectory, from_ns: int) -> bool:
    return len(path.times_ns) > 1 and path.start_ns <= from_ns < path.end_ns


def _slowed(
        path: Trajectory, stretch: Stretch, stamp_ns: int, begin_s: float, rate: float,
) -> Trajectory | None:
    """Return the rest of the path from ``begin_s`` into the stretch on, stamped ``stamp_ns``."""
    later = stretch.knots[stretch.knots > begin_s + MIN_KNOT_SPACING_NS / NS_PER_S]
    if not len(later):
        return None
    times = np.zeros(len(later) + 1, dtype=np.int64)
    times[1:] = np.rint((later - begin_s) * (NS_PER_S / rate))
    position, velocity, _ = stretch.at(
        np.minimum(begin_s + rate / NS_PER_S * times, stretch.length_s))
    position[-1], velocity[-1] = path.positions[-1], path.velocities[-1]
    return Trajectory(stamp_ns, path.joint_names, times, position, rate * velocity)


def _changing(
        path: Trajectory, from_ns: int, stretch: Stretch, change: Change, limits: LimitArrays,
) -> tuple[Trajectory, float, float]:
    """
    Return the motion while the rate changes, what it uses of the path, and its excess.

    The excess is the factor by which it would have to take longer where that is more than 1.
    """
    to_rate = 1.0 - change.drop
    times = _knots(stretch, change)
    seconds = times / NS_PER_S
    s = np.minimum(change.at(seconds), stretch.length_s)
    position, d1, d2 = stretch.at(s)
    position, velocity, acceleration = spline_through(
        seconds, position, (d1[0], to_rate * d1[-1]), (d2[0], to_rate * to_rate * d2[-1]))
    jerk = (acceleration[1:] - acceleration[:-1]) / (seconds[1:] - seconds[:-1])[:, None]
    excess = max(float((np.abs(acceleration) / limits.acceleration).max()),
                 math.sqrt(float((np.abs(jerk) / limits.jerk).max()))) / _HELD_SHARE
    return (Trajectory(from_ns, path.joint_names, times, position, velocity), float(s[-1]),
            excess)


def _knots(stretch: Stretch, change: Change) -> np.ndarray:
    """Return the knots (M,) int64 ns: the phases' ends, images of the path's own, and more."""
    duration_s, ramp = change.duration_s, change.ramp
    spacing = max(_SPACING_S, duration_s / _MOST_CUBICS)
    apart = _APART * spacing
    ends = [0.0, ramp * duration_s, (1.0 - ramp) * duration_s, duration_s]
    if ends[2] - ends[1] < apart:
        ends[1:3] = [0.5 * duration_s]
    knots = [0.0]
    images = change.images(stretch.knots)
    for begin, end in pairwise(ends):
        for image in images[bisect_right(images, begin):bisect_left(images, end - apart)]:
            if image > knots[-1] + apart:
                _divide(knots, image, spacing)
        _divide(knots, end, spacing)
    if len(knots) < 5:
        knots = [duration_s * part / 4.0 for part in range(5)]
    return np.rint(np.array(knots) * NS_PER_S).astype(np.int64)


def _divide(knots: list[float], end: float, spacing: float) -> None:
    """Add knots up to ``end``, about ``spacing`` apart."""
    begin = knots[-1]
    parts = round((end - begin) / spacing)
    if parts > 1:
        knots += [begin + (end - begin) * part / parts for part in range(1, parts)]
    knots.append(end)
