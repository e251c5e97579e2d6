"""Joint limits held against a whole motion in closed form, between its knots too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.cubics import cubic_range, Cubics

# A trajectory is computed in double precision and published with times in whole nanoseconds.
RELATIVE_TOLERANCE = 1e-9
_EPSILON = float(np.finfo(np.float64).eps)
_SHORTEST_S = MIN_KNOT_SPACING_NS / NS_PER_S
_UNITS = {Reason.POSITION_LIMIT: 'rad', Reason.VELOCITY_LIMIT: 'rad/s',
          Reason.ACCELERATION_LIMIT: 'rad/s²', Reason.JERK_LIMIT: 'rad/s³'}


@dataclass(frozen=True, slots=True)
class Violation:
    """
    A breach: of what kind, by what, how much, against which limit, in which unit.

    ``what`` is a joint, 'the tcp', "the tcp's x", or the two things that come too close:
    'forearm_link and wrist_3_link', 'forearm_link and the keep-out box table'.
    """

    reason: Reason
    what: str
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        if self.reason is Reason.PROPOSAL_NOT_FINITE:
            return f'{self.what} has a position or velocity that is not finite'
        if self.reason is Reason.PROPOSAL_TIMES:
            return f'{self.what} has two points that are {self.value:g} s apart'
        if self.reason is Reason.NOT_VERIFIED:
            return (f'{self.what} may reach {self.value:.7g} {self.unit}, too close to the limit '
                    f'of {self.limit:.6g} {self.unit} for the checks of one tick to tell')
        if self.reason in (Reason.KEEP_OUT, Reason.SELF_COLLISION):
            gap = (f'overlap by {-1e3 * self.value:.4g} mm' if self.value < 0.0 else
                   f'come within {1e3 * self.value:.4g} mm of each other')
            return f'{self.what} would {gap}, at least {1e3 * self.limit:g} mm is wanted'
        return (f'{self.what} would reach {self.value:.6g} {self.unit}, '
                f'the limit is {self.limit:.6g} {self.unit}')


def check_limits(
        motion: Trajectory, limits: LimitArrays, *, resolution_s: float,
) -> Violation | None:
    """
    Return the first kind of limit that ``motion`` breaks, at its worst joint, or None.

    Each segment is a cubic, so position is extremal where a quadratic is zero, velocity where a
    line is zero, acceleration at the ends, and jerk is constant. A step of the acceleration at a
    knot counts as the jerk that a controller sees which samples every ``resolution_s``: the step
    over that time, on top of the jerk beside it. Tolerance: 1e-9 relative, and for jerk and
    acceleration what double precision can resolve over a segment that short. A limit that is NaN
    is broken by every motion.
    """
    found = malformed(motion)
    if found is not None:
        return found
    with np.errstate(over='ignore', invalid='ignore'):  # what overflows breaks a limit
        return check_cubics(
            Cubics.of(motion), motion.joint_names, limits, resolution_s=resolution_s)


def malformed(motion: Trajectory) -> Violation | None:
    """Return why ``motion`` is none: times that do not rise, a number that is not finite."""
    steps = motion.times_ns[1:] - motion.times_ns[:-1]
    if (steps <= 0).any():
        return Violation(
            Reason.PROPOSAL_TIMES, 'the motion', float(steps.min()) / NS_PER_S, 0.0, 's')
    if np.isfinite(motion.positions).all() and np.isfinite(motion.velocities).all():
        return None
    finite = np.isfinite(motion.positions) & np.isfinite(motion.velocities)
    name = motion.joint_names[int(finite.all(axis=0).argmin())]
    return Violation(Reason.PROPOSAL_NOT_FINITE, name, float('nan'), 0.0, '')


def check_cubics(
        cubics: Cubics, names: tuple[str, ...], limits: LimitArrays, *, resolution_s: float,
        to_rest: bool = False,
) -> Violation | None:
    """
    Return what ``check_limits`` does, for a motion whose cubics are known; all finite.

    With ``to_rest`` the motion's end counts too, where the controller goes on to hold: a velocity
    there is an infinite acceleration, and an acceleration a step of it.
    """
    step, shorter = cubics.step, np.minimum(cubics.h[1:], cubics.h[:-1])
    beside = np.maximum(cubics.jerk[1:], cubics.jerk[:-1])
    if to_rest:
        moving = cubics.velocities[-1] != 0.0
        if moving.any():
            joint = int(moving.argmax())
            return Violation(
                Reason.ACCELERATION_LIMIT, f'{names[joint]}, which is not at rest at the end,',
                float('inf'), float(limits.acceleration[joint]), 'rad/s²')
        step = np.concatenate((step, np.abs(cubics.end_acceleration[-1:])))
        beside = np.concatenate((beside, cubics.jerk[-1:]))
        shorter = np.concatenate((shorter, cubics.h[-1:]))
    seen = step / resolution_s + beside
    if _well_within(cubics, seen, limits):
        return None
    return _breach(cubics, names, limits, seen, shorter, resolution_s)


def _well_within(cubics: Cubics, seen: np.ndarray, limits: LimitArrays) -> bool:
    """Tell whether all control polygons are within limits, and so the motion, cheaply."""
    third, q, v = cubics.h / 3.0, cubics.positions, cubics.velocities
    polygon = np.concatenate((q, q[:-1] + third * v[:-1], q[1:] - third * v[1:]))
    return bool(
        (polygon <= limits.position_max).all() and (polygon >= limits.position_min).all()
        and (cubics.speed <= limits.velocity).all()
        and (cubics.acceleration <= limits.acceleration).all()
        and (cubics.jerk <= limits.jerk).all() and (seen <= limits.jerk).all())


def _breach(
        cubics: Cubics, names: tuple[str, ...], limits: LimitArrays, seen: np.ndarray,
        shorter: np.ndarray, resolution_s: float,
) -> Violation | None:
    """Return the first breach by the exact extrema."""
    h, c0, c1, c2, c3 = (
        cubics.h, cubics.positions[:-1], cubics.velocities[:-1], cubics.c2, cubics.c3)
    low, high = cubic_range(h, c0, c1, c2, c3)
    # The velocity's own extremum is where the acceleration is zero.
    turn = np.clip(-c2 / np.where(c3 == 0.0, np.inf, 3.0 * c3), 0.0, h)
    velocity = np.maximum(np.abs(c1 + turn * (2.0 * c2 + turn * (3.0 * c3))), np.maximum(
        np.abs(cubics.velocities[:-1]), np.abs(cubics.velocities[1:])))

    # Over segments shorter than any that is published, noise would hide what is not noise.
    noise = 32.0 * _EPSILON * np.abs(cubics.positions).max(axis=0, initial=1.0)
    h, shorter = np.maximum(h, _SHORTEST_S), np.maximum(shorter, _SHORTEST_S)
    return (
        _worst(Reason.POSITION_LIMIT, names, high, limits.position_max, noise)
        or _worst(Reason.POSITION_LIMIT, names, -low, -limits.position_min, noise, -1.0)
        or _worst(Reason.VELOCITY_LIMIT, names, velocity, limits.velocity, noise / h)
        or _worst(Reason.ACCELERATION_LIMIT, names, cubics.acceleration, limits.acceleration,
                  noise / h**2)
        or _worst(Reason.JERK_LIMIT, names, cubics.jerk, limits.jerk, noise / h**3)
        or _worst(Reason.JERK_LIMIT, names, seen, limits.jerk,
                  noise / shorter**2 / resolution_s + noise / shorter**3)
    )


def _worst(
        reason: Reason, names: tuple[str, ...], values: np.ndarray, limit: np.ndarray,
        noise: np.ndarray, sign: float = 1.0,
) -> Violation | None:
    """Return the breach with the largest excess of ``values`` (M, N) over ``limit`` (N,)."""
    if not values.size:
        return None
    excess = values - (limit + RELATIVE_TOLERANCE * np.abs(limit) + noise)
    if (excess <= 0.0).all():
        return None
    row, joint = np.unravel_index(np.argmax(excess), excess.shape)  # the first NaN, if any
    return Violation(reason, names[joint], sign * float(values[row, joint]),
                     sign * float(limit[joint]), _UNITS[reason])
