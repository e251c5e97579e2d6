"""Motions of constant jerk per phase, joint by joint, and the cubics that reproduce them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
import math
from typing import Any, Protocol

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


class Profiles(Protocol):
    """A motion of N joints, each of phases of constant jerk, at rest or even after its end."""

    def ends_ns(self) -> set[int]:
        """Return where phases of any joint end, ns from the beginning."""
        ...

    def sampled(self, seconds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and velocities (M, N) each at ``seconds`` (M,) from the beginning."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedProfiles:
    """What ruckig planned."""

    planned: ruckig.Trajectory

    def ends_ns(self) -> set[int]:
        """See ``Profiles``; a phase of no duration ends where the one before it does."""
        ends = set()
        for profile in self.planned.profiles[0]:
            before, end = profile.brake, 0.0
            for duration in (*before.t, *profile.t) if before.duration else profile.t:
                if duration > 0.0:
                    end += duration
                    ends.add(round(end * NS_PER_S))
        return ends

    def sampled(self, seconds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """See ``Profiles``."""
        at_time = self.planned.at_time
        states = [at_time(each) for each in seconds]
        return np.array([state[0] for state in states]), np.array([state[1] for state in states])


@dataclass(frozen=True, slots=True, eq=False)
class PhasedProfiles:
    """``phases`` of each joint, from ``state`` on."""

    state: JointMotion
    phases: list[Phases]

    def ends_ns(self) -> set[int]:
        """See ``Profiles``."""
        return {seconds_to_ns(end) for joint in self.phases
                for end in accumulate(joint.durations)}

    def sampled(self, seconds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """See ``Profiles``."""
        state = self.state
        joints = list(zip(state.position.tolist(), state.velocity.tolist(),
                          state.acceleration.tolist(), self.phases, strict=True))
        states = np.array([[_joint_at(each, *joint) for joint in joints] for each in seconds])
        return np.ascontiguousarray(states[:, :, 0]), np.ascontiguousarray(states[:, :, 1])


def _joint_at(
        seconds: float, q: float, v: float, a: float, phases: Phases) -> tuple[float, float]:
    """Return one joint's position and velocity; without jerk after its end."""
    for duration, jerk in (*zip(phases.durations, phases.jerks, strict=True), (math.inf, 0.0)):
        t = min(seconds, duration)
        q += t * (v + t * (a / 2.0 + t * jerk / 6.0))
        v += t * (a + t * jerk / 2.0)
        a += t * jerk
        seconds -= duration
        if seconds <= 0.0:
            break
    return q, v


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


def plan_profiles(
        wanted: ruckig.InputParameter, planner: Callable[[int], Any] = ruckig.Ruckig,
) -> PlannedProfiles | None:
    """
    Return what ruckig plans, or None where it does not.

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
    return PlannedProfiles(planned)


def sample_profiles(
        stamp_ns: int, joint_names: tuple[str, ...], profiles: Profiles) -> Trajectory:
    """
    Return the trajectory that plays ``profiles`` from ``stamp_ns`` on.

    Knots stand at the union of all phase times, rounded to whole nanoseconds, where the profiles
    are evaluated; those closer than MIN_KNOT_SPACING_NS are merged.
    """
    ends = sorted(profiles.ends_ns())
    times = [0]
    for end in ends:
        if end - times[-1] >= MIN_KNOT_SPACING_NS:
            times.append(end)
    last = max(ends, default=0)
    if last > times[-1]:
        # Never end before the slowest joint does: the last knot is the one that is at rest.
        times[-1:] = [last] if len(times) > 1 else [times[0], MIN_KNOT_SPACING_NS]
    positions, velocities = profiles.sampled([time / NS_PER_S for time in times])
    return Trajectory(
        stamp_ns, joint_names, np.array(times, dtype=np.int64), positions, velocities)
