"""A motion as its cubics, with bounds of what each of them does between its ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory


@dataclass(frozen=True, slots=True, eq=False)
class Cubics:
    """
    The S cubics of a motion of N joints, q(τ) = c0 + c1 τ + c2 τ² + c3 τ³ with τ from their start.

    ``times`` (S+1,) are the knots in s from the first one, ``h`` (S, 1) the durations,
    ``positions`` and ``velocities`` (S+1, N) the knots' values. ``speed``, ``acceleration`` and
    ``jerk`` (S, N) bound the absolute rates of each cubic: acceleration and jerk are exact, speed
    is the largest of its control polygon (a Bézier curve lies in the hull of its control points).
    ``turns`` (S, N) is that polygon's inner point. ``end_acceleration`` (S, N) is that at the end,
    ``step`` (S-1, N) the jump of the acceleration at each inner knot. ``travel`` (S+1, N) bounds
    how far each joint has turned in all, there and back, from the first knot to each.
    """

    times: np.ndarray
    h: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    c2: np.ndarray
    c3: np.ndarray
    turns: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    end_acceleration: np.ndarray
    step: np.ndarray
    travel: np.ndarray

    @classmethod
    def of(cls, motion: Trajectory) -> Cubics:
        """Return the cubics of ``motion``; one knot is a short stand there."""
        if len(motion.times_ns) == 1:
            motion = Trajectory(
                motion.stamp_ns, motion.joint_names, np.array([0, MIN_KNOT_SPACING_NS]),
                np.repeat(motion.positions, 2, axis=0),
                np.zeros((2, motion.positions.shape[1])))
        _, c1, c2, c3 = motion.cubics()
        knots = motion.times_ns
        h = ((knots[1:] - knots[:-1]) / NS_PER_S)[:, None]
        start_acceleration = 2.0 * c2
        jerk = 6.0 * c3
        end_acceleration = start_acceleration + h * jerk
        turns = c1 + h * c2
        size = np.abs(motion.velocities)
        speed = np.maximum(np.maximum(size[:-1], size[1:]), np.abs(turns))
        travel = np.zeros_like(size)
        (speed * h).cumsum(axis=0, out=travel[1:])
        return cls(
            times=(motion.times_ns - motion.times_ns[0]) / NS_PER_S, h=h,
            positions=motion.positions, velocities=motion.velocities, c2=c2, c3=c3, turns=turns,
            speed=speed,
            acceleration=np.maximum(np.abs(start_acceleration), np.abs(end_acceleration)),
            jerk=np.abs(jerk), end_acceleration=end_acceleration,
            step=np.abs(start_acceleration[1:] - end_acceleration[:-1]), travel=travel)

    def at(self, segment: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return position, velocity, acceleration (M, N) ``tau`` (M,) s into ``segment`` (M,)."""
        tau = tau[:, None]
        c1, c2, c3 = self.velocities[segment], self.c2[segment], self.c3[segment]
        return (self.positions[segment] + tau * (c1 + tau * (c2 + tau * c3)),
                c1 + tau * (2.0 * c2 + tau * (3.0 * c3)),
                2.0 * c2 + tau * (6.0 * c3))

    def position_at(self, time: float) -> np.ndarray:
        """Return the position (N,) at ``time``, s from the first knot."""
        segment = int(self.times[1:-1].searchsorted(time, side='right'))
        tau = time - self.times[segment]
        return self.positions[segment] + tau * (self.velocities[segment] + tau * (
            self.c2[segment] + tau * self.c3[segment]))

    def positions_at(self, times: np.ndarray) -> np.ndarray:
        """Return the positions (M, N) at ``times`` (M,), s from the first knot."""
        segment = np.minimum(np.searchsorted(self.times, times, side='right'),
                             len(self.h)) - 1
        return self.at(segment, times - self.times[segment])[0]


def cubic_range(
        h: np.ndarray, c0: np.ndarray, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest value of cubics over [0, h], exactly, in closed form."""
    cubic = 3.0 * c3
    cubic = np.where(cubic == 0.0, np.inf, cubic)  # its zero is then at the segment's start
    root = np.sqrt(np.maximum(c2 * c2 - 3.0 * c1 * c3, 0.0))
    # The two zeros of the derivative, in the form that does not cancel.
    q = -(c2 + np.copysign(root, c2))
    zeros = (q / cubic, c1 / np.where(q == 0.0, np.inf, q))
    tau = np.stack([np.zeros_like(c0), h + np.zeros_like(c0),
                    *(np.clip(zero, 0.0, h) for zero in zeros)])
    values = c0 + tau * (c1 + tau * (c2 + tau * c3))
    return values.min(axis=0), values.max(axis=0)
