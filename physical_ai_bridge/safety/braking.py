"""Braking to standstill within acceleration and jerk limits, joint by joint."""

from __future__ import annotations

import math
from typing import Protocol

from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.safety.profiles import (
    PhasedProfiles,
    Phases,
    plan_profiles,
    Profiles,
    sample_profiles,
)
import ruckig


class StopPlanner(Protocol):
    """Plans a stop; it may find none."""

    def __call__(self, state: JointMotion, limits: LimitArrays) -> Profiles | None:
        """Return the profiles from ``state`` to rest, or None."""
        ...


def ruckig_stop(state: JointMotion, limits: LimitArrays) -> Profiles | None:
    """Return the stop that ruckig plans, or None where it finds none."""
    joints = len(state.position)
    wanted = ruckig.InputParameter(joints)
    wanted.control_interface = ruckig.ControlInterface.Velocity
    wanted.synchronization = ruckig.Synchronization.No
    wanted.current_position = state.position.tolist()
    wanted.current_velocity = state.velocity.tolist()
    wanted.current_acceleration = state.acceleration.tolist()
    wanted.target_velocity = [0.0] * joints
    wanted.target_acceleration = [0.0] * joints
    wanted.max_acceleration = limits.acceleration.tolist()
    wanted.max_jerk = limits.jerk.tolist()
    return plan_profiles(wanted)


def brake(
        stamp_ns: int, joint_names: tuple[str, ...], state: JointMotion, limits: LimitArrays,
        planner: StopPlanner = ruckig_stop,
) -> Trajectory:
    """
    Return the motion from ``state`` at ``stamp_ns`` to rest, each joint as fast as its limits let.

    Joints stop independently: a common duration would make the faster ones brake longer than
    they need. Knots stand at every change of jerk, so that the cubics between them are the
    profile itself. ``limits`` are those to plan with: see ``profiles.inset``. Where ``planner``
    finds none, the stop is computed in closed form.
    """
    profiles = planner(state, limits)
    if profiles is None:
        profiles = PhasedProfiles(state, [
            closed_form_stop(v, a, a_max, j_max) for v, a, a_max, j_max in zip(
                state.velocity.tolist(), state.acceleration.tolist(),
                limits.acceleration.tolist(), limits.jerk.tolist(), strict=True)])
    motion = sample_profiles(stamp_ns, joint_names, profiles)
    motion.velocities[-1] = 0.0
    return motion


def closed_form_stop(v: float, a: float, a_max: float, j_max: float) -> Phases:
    """
    Return the time-optimal stop from velocity ``v`` and acceleration ``a`` (rad/s, rad/s²).

    Seen in the direction of braking, the acceleration rises to a peak p with jerk ``j_max``,
    holds it where the limit cuts it off, and returns to zero, having changed the velocity by -v:
    (p² - x²)/2J + p²/2J = -u with u, x the velocity and acceleration in that direction. With
    a = 0 this is T = v/A + A/J for v >= A²/J, else T = 2 sqrt(v/J) (Biagiotti and Melchiorri,
    Trajectory Planning for Automatic Machines and Robots, section 3.4).
    """
    coasting = v + a * abs(a) / (2.0 * j_max)
    direction = -1.0 if coasting > 0.0 else 1.0
    u, x = direction * v, direction * a
    peak = math.sqrt(max(x * x / 2.0 - j_max * u, 0.0))
    hold = 0.0
    if peak > a_max:
        peak = max(a_max, x)
        hold = max((-u - (2.0 * peak * peak - x * x) / (2.0 * j_max)) / peak, 0.0)
    rise = max((peak - x) / j_max, 0.0)
    return Phases((rise, hold, peak / j_max), (direction * j_max, 0.0, -direction * j_max))
