"""Joint limits held against a whole motion in closed form, between its knots too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory

# A trajectory is computed in double precision and published with times in whole nanoseconds.
RELATIVE_TOLERANCE = 1e-9
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Violation:
    """The worst breach of one kind: which joint, how much, against which limit (rad, s)."""

    reason: Reason
    joint: str
    value: float
    limit: float

    def __str__(self) -> str:
        return f'{self.joint} would reach {self.value:.4g}, its limit is {self.limit:.4g}'


def check_limits(
        motion: Trajectory, limits: LimitArrays, *, resolution_s: float,
) -> Violation | None:
    """
    Return the first kind of limit that ``motion`` breaks, at its worst joint, or None.

    Each segment is a cubic, so position is extremal where a quadratic is zero, velocity where a
    line is zero, acceleration at the ends, and jerk is constant. A step of the acceleration at a
    knot counts as the jerk that a controller sees which samples every ``resolution_s``: the step
    over that time, on top of the jerk beside it. Tolerance: 1e-9 relative, and for jerk and
    acceleration what double precision can resolve over a segment that short.
    """
    if not (np.isfinite(motion.positions).all() and np.isfinite(motion.velocities).all()):
        return Violation(Reason.PROPOSAL_NOT_FINITE, motion.joint_names[0], float('nan'), 0.0)
    h, c0, c1, c2, c3 = motion.segments()
    h = h[:, None]
    scale = np.abs(motion.positions).max(initial=1.0)
    noise = 32.0 * _EPSILON * scale

    end_acceleration = 2.0 * c2 + 6.0 * c3 * h
    jerk = np.abs(6.0 * c3)
    acceleration = np.maximum(np.abs(2.0 * c2), np.abs(end_acceleration))
    step = np.abs(2.0 * c2[1:] - end_acceleration[:-1])
    position_low, position_high, velocity = _extrema(h, c0, c1, c2, c3)

    names = motion.joint_names
    shorter = np.minimum(h[1:], h[:-1])
    return (
        _worst(Reason.POSITION_LIMIT, names, position_high, limits.position_max, noise)
        or _worst(Reason.POSITION_LIMIT, names, -position_low, -limits.position_min, noise, -1.0)
        or _worst(Reason.VELOCITY_LIMIT, names, velocity, limits.velocity, noise / h)
        or _worst(Reason.ACCELERATION_LIMIT, names, acceleration, limits.acceleration,
                  noise / h**2)
        or _worst(Reason.JERK_LIMIT, names, jerk, limits.jerk, noise / h**3)
        or _worst(Reason.JERK_LIMIT, names,
                  step / resolution_s + np.maximum(jerk[1:], jerk[:-1]), limits.jerk,
                  noise / shorter**2 / resolution_s + noise / shorter**3)
    )


def _extrema(
        h: np.ndarray, c0: np.ndarray, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest and highest position and the highest speed of each segment, (K-1, N)."""

    def position(tau: np.ndarray) -> np.ndarray:
        return c0 + tau * (c1 + tau * (c2 + tau * c3))

    def speed(tau: np.ndarray) -> np.ndarray:
        return np.abs(c1 + tau * (2.0 * c2 + tau * (3.0 * c3)))

    cubic = 3.0 * c3
    cubic = np.where(cubic == 0.0, np.inf, cubic)  # its zero is then at the segment's start
    root = np.sqrt(np.maximum(c2 * c2 - 3.0 * c1 * c3, 0.0))
    # The two zeros of the velocity, in the form that does not cancel.
    q = -(c2 + np.copysign(root, c2))
    with np.errstate(over='ignore'):  # a zero beyond the end of the segment, however far
        turn = -c2 / cubic
        zeros = (q / cubic, c1 / np.where(q == 0.0, np.inf, q))
    candidates = [position(np.zeros_like(h)), position(h)]
    candidates += [position(np.clip(zero, 0.0, h)) for zero in zeros]
    top_speed = np.maximum(np.abs(c1), np.maximum(speed(h), speed(np.clip(turn, 0.0, h))))
    return np.minimum.reduce(candidates), np.maximum.reduce(candidates), top_speed


def _worst(
        reason: Reason, names: tuple[str, ...], values: np.ndarray, limit: np.ndarray,
        noise: np.ndarray | float, sign: float = 1.0,
) -> Violation | None:
    """Return the breach with the largest excess of ``values`` (M, N) over ``limit`` (N,)."""
    if not values.size:
        return None
    bounded = np.isfinite(limit)
    allowed = np.where(bounded, limit + RELATIVE_TOLERANCE * np.abs(limit), np.inf) + noise
    excess = values - allowed
    if not (excess > 0.0).any():
        return None
    row, joint = np.unravel_index(np.argmax(excess), excess.shape)
    return Violation(reason, names[joint], sign * float(values[row, joint]),
                     sign * float(limit[joint]))
