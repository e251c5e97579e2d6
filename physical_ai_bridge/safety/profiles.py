"""Motions of constant jerk per phase, joint by joint, and the cubics that reproduce them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
import math
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.trajectory import JointMotion, MIN_KNOT_SPACING_NS, Trajectory
import ruckig

# Profiles are planned this much inside the limits, so that rounding their knots to whole
# nanoseconds cannot carry them over.
_MARGIN = 1.0 - 1e-6


@dataclass(frozen=True, slots=True)
class Phases:
    """One joint's motion: phases of constant jerk; durations in s, jerks in rad/s³."""

    durations: tuple[float, ...]
    jerks: tuple[float, ...]


def inset(limits: LimitArrays, resolution_s: float) -> LimitArrays:
    """
    Return the limits to plan a profile with, so that ``sample_profiles`` keeps within ``limits``.

    Merging two knots moves a change of jerk, of twice its limit at most, by MIN_KNOT_SPACING_NS at
    most; the acceleration there is off by the product. Seen by a controller that samples every
    ``resolution_s``, that step adds to the jerk.
    """
    merged_s = 2.0 * MIN_KNOT_SPACING_NS / NS_PER_S
    merged = limits.jerk * merged_s
    return LimitArrays(
        limits.position_min, limits.position_max, limits.velocity * _MARGIN,
        np.maximum(limits.acceleration - merged, 0.5 * limits.acceleration) * _MARGIN,
        limits.jerk * max(1.0 - merged_s / resolution_s, 0.5) * _MARGIN)


def plan_phases(
        wanted: ruckig.InputParameter, planner: Callable[[int], Any] = ruckig.Ruckig,
) -> list[Phases] | None:
    """
    Return each joint's phases as ruckig plans them, or None where it does not.

    It raises RuckigError for inputs that it does not take, and its binding ValueError for results
    that it has no name for, as of a motion longer than two hours. ``planner`` makes the planner of
    so many joints.
    """
    joints = wanted.degrees_of_freedom
    planned = ruckig.Trajectory(joints)
    try:
        result = planner(joints).calculate(wanted, planned)
    except (ruckig.RuckigError, ValueError):
        return None
    if result != ruckig.Result.Working:
        return None
    return [_phases_of(profile) for profile in planned.profiles[0]]


def _phases_of(profile: Any) -> Phases:
    """Return the phases of a ``ruckig.Profile``, its braking pre-trajectory included."""
    durations, jerks = (*profile.brake.t, *profile.t), (*profile.brake.j, *profile.j)
    used = [(t, j) for t, j in zip(durations, jerks, strict=True) if t > 0.0]
    return Phases(tuple(t for t, _ in used), tuple(j for _, j in used))


def sample_profiles(
        stamp_ns: int, joint_names: tuple[str, ...], state: JointMotion, phases: list[Phases],
) -> Trajectory:
    """
    Return the trajectory that plays each joint's ``phases`` from ``state`` at ``stamp_ns`` on.

    Knots stand at the union of all phase times, rounded to whole nanoseconds, where the profiles
    are evaluated; those closer than MIN_KNOT_SPACING_NS are merged.
    """
    ends = sorted({seconds_to_ns(t) for joint in phases for t in accumulate(joint.durations)})
    times = [0]
    for end in ends:
        if end - times[-1] >= MIN_KNOT_SPACING_NS:
            times.append(end)
    last = max(ends, default=0)
    if last > times[-1]:
        # Never end before the slowest joint does: the last knot is the one that is at rest.
        times[-1:] = [last] if len(times) > 1 else [times[0], MIN_KNOT_SPACING_NS]
    grid = np.array(times, dtype=np.int64)
    positions, velocities = np.empty((len(grid), len(phases))), np.zeros((len(grid), len(phases)))
    seconds = [time / NS_PER_S for time in times]
    for joint, profile in enumerate(phases):
        positions[:, joint], velocities[:, joint] = _profile_at(
            seconds, float(state.position[joint]), float(state.velocity[joint]),
            float(state.acceleration[joint]), profile)
    return Trajectory(stamp_ns, joint_names, grid, positions, velocities)


def _profile_at(
        times: list[float], q: float, v: float, a: float, profile: Phases,
) -> tuple[list[float], list[float]]:
    """Return one joint's position and velocity at ``times`` in s; no jerk after its end."""
    position, velocity = [], []
    begin = 0.0
    left = iter(times)
    time = next(left, None)
    for duration, jerk in (*zip(profile.durations, profile.jerks, strict=True), (math.inf, 0.0)):
        while time is not None and time <= begin + duration:
            t = time - begin
            position.append(q + t * (v + t * (a / 2.0 + t * jerk / 6.0)))
            velocity.append(v + t * (a + t * jerk / 2.0))
            time = next(left, None)
        if time is None:
            break
        q += duration * (v + duration * (a / 2.0 + duration * jerk / 6.0))
        v += duration * (a + duration * jerk / 2.0)
        a += duration * jerk
        begin += duration
    return position, velocity
