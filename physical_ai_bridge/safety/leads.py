"""Leads: motions from where the plan is onto a proposal, or towards it, within the limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.trajectory import JointMotion, MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.profiles import plan_profiles, sample_profiles
from physical_ai_bridge.safety.retiming import slow
import ruckig

# In what time the plan is led onto the proposal: the first that the limits allow.
_JOIN_S = (0.1, 0.2, 0.4)
# In what time it is approached where it cannot be joined.
_APPROACH_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """
    A motion from the plan towards a proposal.

    ``onwards`` begins with it and goes on as the proposal, at the rate ``scale``. ``follow`` is
    what to follow on at later ticks.
    """

    motion: Trajectory
    onwards: Trajectory
    follow: Trajectory
    scale: float


def joins(
        leave_ns: int, state: JointMotion, proposal: Trajectory, limits: LimitArrays,
        within: LimitArrays,
) -> Iterator[Lead]:
    """
    Yield leads from ``state`` at ``leave_ns`` that meet ``proposal`` in time, the soonest first.

    ``limits`` are the cell's, ``within`` those to plan with: see ``profiles.inset``.
    """
    for duration_s in _JOIN_S:
        meet = proposal.snap(leave_ns + seconds_to_ns(duration_s))
        if not proposal.start_ns <= meet < proposal.end_ns - MIN_KNOT_SPACING_NS:
            continue
        lead = _lead(leave_ns, state, proposal.at(meet), 1.0, (meet - leave_ns) / NS_PER_S,
                     proposal.joint_names, limits, within)
        if lead is not None and abs(lead.end_ns - meet) <= 1:
            lead.times_ns[-1] = meet - leave_ns
            path = lead.then(proposal.cut(meet, proposal.end_ns))
            yield Lead(lead, path, path, 1.0)


def approach(
        leave_ns: int, state: JointMotion, proposal: Trajectory, scale: float,
        limits: LimitArrays, within: LimitArrays,
) -> Lead | None:
    """Return the lead that approaches ``proposal`` at a share ``scale`` of its speed, or None."""
    goal_ns = max(leave_ns + round(scale * _APPROACH_S * NS_PER_S), proposal.start_ns)
    goal = proposal.at(goal_ns)
    lead = _lead(leave_ns, state, goal, scale, _APPROACH_S, proposal.joint_names, limits, within)
    if lead is None:
        return None
    rest = slow(proposal, goal_ns, scale)
    if rest is None or np.abs(lead.positions[-1] - goal.position).max() > 1e-9:
        return Lead(lead, lead, proposal, scale)
    rest = Trajectory(lead.end_ns, rest.joint_names, rest.times_ns, rest.positions,
                      rest.velocities)
    return Lead(lead, lead.then(rest), proposal, scale)


def _lead(
        leave_ns: int, state: JointMotion, goal: JointMotion, scale: float, duration_s: float,
        joints: tuple[str, ...], limits: LimitArrays, within: LimitArrays,
) -> Trajectory | None:
    """
    Return the motion from ``state`` to ``goal`` within limits, or None if there is none.

    It takes ``duration_s`` where the limits allow that, else longer.
    """
    wanted = ruckig.InputParameter(len(joints))
    wanted.current_position = state.position.tolist()
    wanted.current_velocity = state.velocity.tolist()
    wanted.current_acceleration = state.acceleration.tolist()
    wanted.target_position = np.clip(
        goal.position, limits.position_min, limits.position_max).tolist()
    wanted.target_velocity = (scale * goal.velocity).tolist()
    wanted.target_acceleration = (scale * scale * goal.acceleration).tolist()
    wanted.max_velocity = within.velocity.tolist()
    wanted.max_acceleration = within.acceleration.tolist()
    wanted.max_jerk = within.jerk.tolist()
    wanted.minimum_duration = duration_s
    profiles = plan_profiles(wanted)
    if profiles is None:
        return None
    lead = sample_profiles(leave_ns, joints, profiles)
    return lead if len(lead.times_ns) > 1 else None
