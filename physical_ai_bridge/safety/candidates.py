"""Candidate motions: what is committed, one step of the proposal, and the brake behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays, LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import JointMotion, MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.limits import check_limits, Violation
from physical_ai_bridge.safety.profiles import inset, phases_of, sample_profiles
import ruckig

# Where plan and proposal agree this well (rad, rad/s, rad/s²) the one goes on as the other.
_SAME_POSITION, _SAME_VELOCITY, _SAME_ACCELERATION = 1e-9, 1e-8, 1e-3
# In what time the plan is led onto the proposal: the first that the limits allow.
_JOIN_S = (0.1, 0.2, 0.4)
# Where it cannot be joined, or breaks a limit, it is approached at these shares of its speed.
_SCALES = (1.0, 0.75, 0.5, 0.25)
_APPROACH_S = 0.1
# A stop that ends no sooner than the plan by this much is not worth a command.
_WORTH_A_STOP_NS = seconds_to_ns(0.005)


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """
    A verified candidate.

    ``path`` is what it follows, to be followed on: the proposal, or the way onto it, joined at
    ``joined_ns``, and then the proposal. ``scale`` is the share of the proposed speed; ``reason``
    is OK where the proposal passes unchanged, else what kept it from it, with ``detail``.
    """

    motion: Trajectory
    path: Trajectory
    joined_ns: int
    scale: float
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """No candidate is within limits: the plan is left to come to rest."""

    reason: Reason
    detail: str


class Candidates:
    """Builds and verifies candidates for one cell."""

    def __init__(self, cell: Cell) -> None:
        self.joints = cell.robot.joints
        self.limits: LimitArrays = limit_arrays(cell)
        self._resolution_s = 1.0 / cell.controller.rate_hz
        self._within = inset(self.limits, self._resolution_s)
        self._latency_ns = seconds_to_ns(cell.controller.latency_s)
        self._step_ns = seconds_to_ns(cell.safety.step_s)

    def check(self, motion: Trajectory) -> Violation | None:
        """Verify a whole motion: the one place through which every command goes."""
        return check_limits(motion, self.limits, resolution_s=self._resolution_s)

    def follow(self, plan: Trajectory, proposal: Trajectory, now_ns: int) -> Passed | Blocked:
        """
        Return the best verified candidate that follows ``proposal``, going on from ``plan``.

        First the proposal unchanged. Where it does not go on from the plan, the plan is led onto
        it under the limits, and goes on as the proposal from where they meet. Where that is not
        possible, or where the proposal breaks a limit, the plan approaches it at full speed and
        then at slower ones.
        """
        obstacle: Violation | None = None
        unchanged = self._unchanged(plan, proposal, now_ns)
        if unchanged is not None:
            obstacle = self.check(unchanged)
            if obstacle is None:
                return Passed(unchanged, proposal, 0, 1.0, Reason.OK, '')
        reason = obstacle.reason if obstacle else Reason.JOINING
        detail = str(obstacle) if obstacle else Reason.JOINING.meaning
        for scale, lead, path in self._leads(plan, proposal, now_ns):
            motion = self._with_brake(plan, lead, now_ns)
            worse = self.check(motion)
            if worse is None:
                return Passed(motion, path, lead.end_ns, scale, reason, detail)
            obstacle = obstacle or worse
        if obstacle is None:
            return Blocked(reason, 'no motion within the limits leads onto the proposal')
        return Blocked(obstacle.reason, str(obstacle))

    def stop(self, plan: Trajectory, now_ns: int) -> Trajectory | None:
        """Return the verified motion that brakes now, or None where the plan's own end is best."""
        begin, leave = _begin(plan, now_ns), plan.snap(now_ns + self._latency_ns)
        if leave >= plan.end_ns:
            return None
        motion = plan.cut(begin, leave).then(
            brake(leave, self.joints, plan.at(leave), self._within))
        sooner_ns = plan.end_ns - motion.end_ns
        if sooner_ns < _WORTH_A_STOP_NS or self.check(motion) is not None:
            return None
        return motion

    def exhausted(self, proposal: Trajectory, now_ns: int) -> bool:
        """Tell whether nothing of ``proposal`` is left to follow."""
        return proposal.end_ns <= now_ns + self._latency_ns + MIN_KNOT_SPACING_NS

    def _unchanged(
            self, plan: Trajectory, proposal: Trajectory, now_ns: int) -> Trajectory | None:
        """Return committed plan, proposal, brake; None where the two do not meet."""
        earliest = max(now_ns + self._latency_ns, proposal.start_ns)
        join = max(plan.snap(proposal.snap(earliest)), proposal.start_ns)
        end = min(proposal.snap(now_ns + self._latency_ns + self._step_ns), proposal.end_ns)
        if end - join <= MIN_KNOT_SPACING_NS or not _same(plan.at(join), proposal.at(join)):
            return None
        return (plan.cut(_begin(plan, now_ns), join)
                .then(proposal.cut(join, end))
                .then(brake(end, self.joints, proposal.at(end), self._within)))

    def _leads(
            self, plan: Trajectory, proposal: Trajectory, now_ns: int,
    ) -> Iterator[tuple[float, Trajectory, Trajectory]]:
        """Yield (scale, lead, path) from the plan towards the proposal, the best first."""
        leave = plan.snap(now_ns + self._latency_ns)
        state = plan.at(leave)
        for duration_s in _JOIN_S:
            meet = proposal.snap(leave + seconds_to_ns(duration_s))
            if not proposal.start_ns <= meet < proposal.end_ns - MIN_KNOT_SPACING_NS:
                continue
            lead = self._lead(leave, state, proposal.at(meet), 1.0, (meet - leave) / NS_PER_S)
            if lead is not None and abs(lead.end_ns - meet) <= 1:
                lead.times_ns[-1] = meet - leave
                yield 1.0, lead, lead.then(proposal.cut(meet, proposal.end_ns))
        for scale in _SCALES:
            goal_ns = max(leave + round(scale * _APPROACH_S * NS_PER_S), proposal.start_ns)
            lead = self._lead(leave, state, proposal.at(goal_ns), scale, _APPROACH_S)
            if lead is not None:
                yield scale, lead, proposal

    def _with_brake(self, plan: Trajectory, lead: Trajectory, now_ns: int) -> Trajectory:
        """Return committed plan, one step of ``lead``, brake."""
        end = min(lead.snap(lead.start_ns + self._step_ns), lead.end_ns)
        step = lead if end == lead.end_ns else lead.cut(lead.start_ns, end)
        return (plan.cut(_begin(plan, now_ns), lead.start_ns)
                .then(step)
                .then(brake(end, self.joints, lead.at(end), self._within)))

    def _lead(
            self, leave_ns: int, state: JointMotion, goal: JointMotion, scale: float,
            duration_s: float,
    ) -> Trajectory | None:
        """
        Return the motion from ``state`` to ``goal`` within limits, or None if there is none.

        It takes ``duration_s`` where the limits allow that, else longer.
        """
        joints = len(self.joints)
        wanted = ruckig.InputParameter(joints)
        wanted.current_position = state.position.tolist()
        wanted.current_velocity = state.velocity.tolist()
        wanted.current_acceleration = state.acceleration.tolist()
        wanted.target_position = np.clip(
            goal.position, self.limits.position_min, self.limits.position_max).tolist()
        wanted.target_velocity = (scale * goal.velocity).tolist()
        wanted.target_acceleration = (scale * scale * goal.acceleration).tolist()
        wanted.max_velocity = self._within.velocity.tolist()
        wanted.max_acceleration = self._within.acceleration.tolist()
        wanted.max_jerk = self._within.jerk.tolist()
        wanted.minimum_duration = duration_s
        planned = ruckig.Trajectory(joints)
        try:
            result = ruckig.Ruckig(joints).calculate(wanted, planned)
        except ruckig.RuckigError:
            return None
        if result != ruckig.Result.Working:
            return None
        lead = sample_profiles(
            leave_ns, self.joints, state, [phases_of(profile) for profile in planned.profiles[0]])
        return lead if len(lead.times_ns) > 1 else None


def _begin(plan: Trajectory, now_ns: int) -> int:
    """Return where a command that goes on from ``plan`` begins: now, but never just off a knot."""
    begin = plan.snap(now_ns)
    return begin if begin <= now_ns else now_ns - 2 * MIN_KNOT_SPACING_NS


def _same(a: JointMotion, b: JointMotion) -> bool:
    return bool(
        (np.abs(a.position - b.position) <= _SAME_POSITION).all()
        and (np.abs(a.velocity - b.velocity) <= _SAME_VELOCITY).all()
        and (np.abs(a.acceleration - b.acceleration) <= _SAME_ACCELERATION).all())
