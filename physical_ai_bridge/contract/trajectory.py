"""A joint trajectory on the clock: the piecewise cubic that a trajectory controller executes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S

# Knots closer than this make a cubic's acceleration numerical noise, so they are merged.
MIN_KNOT_SPACING_NS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class JointMotion:
    """Position, velocity, acceleration and jerk, each (N,) or (M, N), in rad, s."""

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """
    Positions and velocities at knots, joined by cubics.

    That is what ros2_control's joint_trajectory_controller does with points that carry positions
    and velocities, so this value *is* the motion, between knots too. ``stamp_ns`` is ROS time;
    ``times_ns`` (K,) int64 count from it and rise strictly; ``positions`` and ``velocities`` are
    (K, N) float64 in rad and rad/s, columns in the order of ``joint_names``. Before the first knot
    and after the last one the end positions are held at rest.
    """

    stamp_ns: int
    joint_names: tuple[str, ...]
    times_ns: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray

    @property
    def start_ns(self) -> int:
        """ROS time of the first knot."""
        return self.stamp_ns + int(self.times_ns[0])

    @property
    def end_ns(self) -> int:
        """ROS time of the last knot."""
        return self.stamp_ns + int(self.times_ns[-1])

    def at(self, ros_ns: int) -> JointMotion:
        """Return the motion at one instant; arrays are (N,). Bit for bit that of ``at_many``."""
        knots, offset = self.times_ns, ros_ns - self.stamp_ns
        last = len(knots) - 1
        if last == 0 or not knots[0] <= offset <= knots[-1]:
            rest = np.zeros(self.positions.shape[1])
            knot = 0 if offset < knots[0] else last
            return JointMotion(self.positions[knot].copy(), rest, rest.copy(), rest.copy())
        index = min(int(knots.searchsorted(offset, side='right')) - 1, last - 1)
        begin, end = knots[index:index + 2].tolist()
        h, tau = (end - begin) / NS_PER_S, (offset - begin) / NS_PER_S
        # A handful of joints, many times a tick: Python's own numbers, and no call for each, take
        # a third of the time that arrays do. The terms are those of _cubic and _evaluate.
        position, velocity, acceleration, jerk = [], [], [], []
        for q0, q1, v0, v1 in zip(
                *self.positions[index:index + 2].tolist(),
                *self.velocities[index:index + 2].tolist(), strict=True):
            slope = (q1 - q0) / h
            c2 = (3.0 * slope - 2.0 * v0 - v1) / h
            c3 = (v0 + v1 - 2.0 * slope) / (h * h)
            position.append(q0 + tau * (v0 + tau * (c2 + tau * c3)))
            velocity.append(v0 + tau * (2.0 * c2 + tau * (3.0 * c3)))
            acceleration.append(2.0 * c2 + tau * (6.0 * c3))
            jerk.append(6.0 * c3)
        return JointMotion(*np.array((position, velocity, acceleration, jerk)))

    def at_many(self, times_ns: np.ndarray) -> JointMotion:
        """
        Return the motion at ``times_ns`` (M,) int64, counted from ``stamp_ns``; arrays are (M, N).

        At a knot the segment that begins there counts, at the last knot the one that ends there.
        """
        knots = self.times_ns
        if len(knots) == 1:
            position = np.repeat(self.positions, len(times_ns), axis=0)
            rest = np.zeros_like(position)
            return JointMotion(position, rest, rest.copy(), rest.copy())
        segment = np.clip(np.searchsorted(knots, times_ns, side='right') - 1, 0, len(knots) - 2)
        c0, c1, c2, c3 = self.cubics()
        tau = ((times_ns - knots[segment]) / NS_PER_S)[:, None]
        motion = JointMotion(
            *_evaluate(tau, c0[segment], c1[segment], c2[segment], c3[segment]))
        for outside, knot in ((times_ns < knots[0], 0), (times_ns > knots[-1], -1)):
            if outside.any():
                motion.position[outside] = self.positions[knot]
                for rate in (motion.velocity, motion.acceleration, motion.jerk):
                    rate[outside] = 0.0
        return motion

    def cubics(
            self, first: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """
        Return c0..c3 of q(τ) = c0 + c1 τ + c2 τ² + c3 τ³, each (S, N), τ in s from its start.

        S are the segments from the one with the number ``first`` on.
        """
        knots, q, v = self.times_ns[first:], self.positions[first:], self.velocities[first:]
        h = ((knots[1:] - knots[:-1]) / NS_PER_S)[:, None]
        return _cubic(h, q[:-1], q[1:], v[:-1], v[1:])

    def segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return each segment's duration (K-1,) in s and its c0..c3, each (K-1, N)."""
        return (np.diff(self.times_ns) / NS_PER_S, *self.cubics())

    def snap(self, ros_ns: int) -> int:
        """Return the knot that cutting at an instant would lose, or else the instant."""
        offset = ros_ns - self.stamp_ns
        nearest = int(self.times_ns[np.abs(self.times_ns - offset).argmin()])
        close = abs(nearest - offset) <= MIN_KNOT_SPACING_NS
        return self.stamp_ns + nearest if close else ros_ns

    def cut(self, from_ns: int, to_ns: int) -> Trajectory:
        """
        Return the same motion between two instants of ROS time, stamped ``from_ns``.

        Knots are put at both ends; those of the original between them are kept, except where one
        is closer than MIN_KNOT_SPACING_NS to an end (``snap`` avoids that). ``to_ns`` must be
        after ``from_ns``.
        """
        start, end = from_ns - self.stamp_ns, to_ns - self.stamp_ns
        inner = ((self.times_ns > start + MIN_KNOT_SPACING_NS)
                 & (self.times_ns < end - MIN_KNOT_SPACING_NS))
        first, last = self.at(from_ns), self.at(to_ns)
        times = np.concatenate(([start], self.times_ns[inner], [end])) - start
        return Trajectory(
            from_ns, self.joint_names, times.astype(np.int64),
            np.vstack((first.position, self.positions[inner], last.position)),
            np.vstack((first.velocity, self.velocities[inner], last.velocity)))

    def along(self, path: Trajectory, to_ns: int) -> Trajectory:
        """
        Return this motion, then ``path`` from this one's end until ``to_ns``, with a knot there.

        The joining knot is this one's; the caller has made sure that both agree there. Knots are
        kept as in ``cut``.
        """
        knots, stamp_ns = path.times_ns, path.stamp_ns
        begin = knots.searchsorted(self.end_ns - stamp_ns + MIN_KNOT_SPACING_NS, side='right')
        end = knots.searchsorted(to_ns - stamp_ns - MIN_KNOT_SPACING_NS)
        last = path.at(to_ns)
        return Trajectory(
            self.stamp_ns, self.joint_names,
            np.concatenate((self.times_ns, knots[begin:end] + (stamp_ns - self.stamp_ns),
                            (to_ns - self.stamp_ns,))),
            np.concatenate((self.positions, path.positions[begin:end], last.position[None])),
            np.concatenate((self.velocities, path.velocities[begin:end], last.velocity[None])))

    def then(self, following: Trajectory) -> Trajectory:
        """
        Return this motion, then ``following``, which begins where and when this one ends.

        The joining knot is this one's; the caller has made sure that both agree there.
        """
        shift = following.stamp_ns - self.stamp_ns
        return Trajectory(
            self.stamp_ns, self.joint_names,
            np.concatenate((self.times_ns, following.times_ns[1:] + shift)),
            np.concatenate((self.positions, following.positions[1:])),
            np.concatenate((self.velocities, following.velocities[1:])))

    @classmethod
    def hold(cls, stamp_ns: int, joint_names: tuple[str, ...], position: np.ndarray) -> Trajectory:
        """Return one knot: stand still at ``position`` (N,) from ``stamp_ns`` on."""
        at = np.array(position, dtype=np.float64)[None, :]
        return cls(stamp_ns, joint_names, np.zeros(1, np.int64), at, np.zeros_like(at))


def _cubic(
        h: Any, q0: np.ndarray, q1: np.ndarray, v0: np.ndarray, v1: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the coefficients of the cubics through (q0, v0) and, ``h`` seconds on, (q1, v1)."""
    slope = (q1 - q0) / h
    return q0, v0, (3.0 * slope - 2.0 * v0 - v1) / h, (v0 + v1 - 2.0 * slope) / (h * h)


def _evaluate(
        tau: Any, c0: np.ndarray, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return position, velocity, acceleration and jerk ``tau`` seconds into a segment."""
    return (c0 + tau * (c1 + tau * (c2 + tau * c3)), c1 + tau * (2.0 * c2 + tau * (3.0 * c3)),
            2.0 * c2 + tau * (6.0 * c3), 6.0 * c3)
