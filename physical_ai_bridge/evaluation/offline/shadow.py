"""The supervisor in shadow beside a recording, and what it would have made of the proposals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.offline.sums import Counts
from physical_ai_bridge.evaluation.offline.timeline import ModeSpan
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.gripping import supervisor_of
from physical_ai_bridge.safety.profiles import inset
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.trials import JointLimits
from physical_ai_bridge.safety.verification import Verification

_STOPS = (Mode.STOPPING, Mode.STOPPED, Mode.FAULT)
_RUNNING = (Mode.READY, Mode.ACTIVE, Mode.LIMITING)
_MOST_SPANS = 20_000


def _tick_s(cell: Cell) -> float:
    """
    Return the period of the ticks: the cell's own, or several of it.

    On a robot a tick also makes up for a command that was lost. Here none is, and a tick for each
    half of a step looks at every part of a motion twice as well.
    """
    rate_hz = cell.safety.tick_rate_hz
    return max(1, int(cell.safety.step_s / 2.0 * rate_hz)) / rate_hz


class Shadow:
    """
    A supervisor with the authority ``shadow``, told everything that its node is told.

    It sees a little ahead, as it does on a robot, and goes on from the recorded motion with each
    proposal; so each is also verified as a whole: followed to its end, and then braked.

    What would have been latched is noted, and reset as soon as its cause is gone, so that the rest
    of the recording is judged, too. What happens is counted in ``counts``; ``on_judged`` is told
    of each proposal whether it was passed unchanged, once it is no longer the newest.
    """

    def __init__(
            self, cell: Cell, robot: RobotModel, counts: Counts,
            on_judged: Callable[[bool], None]) -> None:
        self.tick_s = _tick_s(cell)
        self.core = supervisor_of(replace(cell, safety=replace(
            cell.safety, tick_rate_hz=1.0 / self.tick_s)), robot)
        self.core.authorise(Authority.SHADOW)
        self._joints = cell.robot.joints
        self._verification = Verification(cell, robot)
        limits = JointLimits(cell)
        self._within = inset(limits.arrays, limits.resolution_s)
        self._counts, self._on_judged = counts, on_judged
        self._last: Decision | None = None
        self._begin_ns: int | None = None
        self._newest_ns: int | None = None
        self._newest_limited = False
        self.spans: list[ModeSpan] = []

    def start(self, now: Instant) -> None:
        """Activate, or begin anew."""
        self._close_proposal()
        self._keep_refusals()
        if self._begin_ns is None:
            self._begin_ns = now.ros_ns
        self._take(self.core.activate(now))

    def propose(self, proposal: Trajectory, now: Instant, *, counts: bool) -> None:
        """Take a proposal; one that ``counts`` is of an inference rather than shaped anew."""
        judged = self._last is not None and self._last.mode in _RUNNING
        before = self.core.last_refusal
        wants_tick = self.core.on_proposal(message_from_trajectory(proposal), now)
        if counts and judged:
            self._close_proposal()
            self._newest_ns = proposal.stamp_ns
            self._newest_limited = self.core.last_refusal is not before or self._ends(proposal)
        if wants_tick:
            self.tick(now)

    def _ends(self, proposal: Trajectory) -> bool:
        """Tell whether a limit is in the way of a proposal that is followed to its end."""
        if len(proposal.times_ns) < 3:
            return False
        joints = len(self._joints)
        arm = replace(
            proposal, joint_names=self._joints, positions=proposal.positions[:, :joints],
            velocities=proposal.velocities[:, :joints])
        # A knot before the last: there the acceleration is that of either side.
        end_ns = arm.stamp_ns + int(arm.times_ns[-2])
        tail = brake(end_ns, self._joints, arm.at(end_ns), self._within)
        found = self._verification.check(arm.cut(arm.start_ns, end_ns).then(tail))
        if found is not None:
            self._counts.ahead[str(found.reason)] += 1
        return found is not None

    def tick(self, now: Instant) -> Refusal | None:
        """Decide; return the cause where that begins a stop."""
        if self._last is not None and self._last.mode in (Mode.STOPPED, Mode.FAULT):
            self.core.reset(now)
        return self._take(self.core.tick(now))

    def _take(self, decision: Decision) -> Refusal | None:
        last, self._last = self._last, decision
        mode, reason = decision.mode, str(decision.reason)
        if last is not None:
            lasted_ns = decision.now.ros_ns - last.now.ros_ns
            if lasted_ns > 0:
                self._counts.mode_ns[str(last.mode)] += lasted_ns
                self._span(last, decision.now.ros_ns)
        if mode is Mode.LIMITING:
            if decision.proposal_stamp_ns == self._newest_ns:
                self._newest_limited = True
            if last is None or (last.mode, last.reason) != (mode, decision.reason):
                self._counts.limited[reason] += 1
        if mode in _STOPS and last is not None and last.mode not in _STOPS:
            self._counts.stops[reason] += 1
            self._newest_limited = True
            return Refusal(decision.reason, decision.detail)
        return None

    def _span(self, of: Decision, end_ns: int) -> None:
        start_s = (of.now.ros_ns - self._begin_ns) / NS_PER_S
        end_s = (end_ns - self._begin_ns) / NS_PER_S
        spans, mode, reason = self.spans, str(of.mode), str(of.reason)
        if spans and (spans[-1].mode, spans[-1].reason) == (mode, reason):
            last = spans[-1]
            spans[-1] = ModeSpan(start_s=last.start_s, end_s=end_s, mode=mode, reason=reason,
                                 detail=last.detail)
        elif len(spans) < _MOST_SPANS:
            spans.append(ModeSpan(
                start_s=start_s, end_s=end_s, mode=mode, reason=reason, detail=of.detail))

    def _close_proposal(self) -> None:
        if self._newest_ns is not None:
            self._counts.proposals += 1
            self._counts.passed += not self._newest_limited
            self._on_judged(not self._newest_limited)
        self._newest_ns, self._newest_limited = None, False

    def finish(self) -> None:
        """Take what is left into the counts; nothing more may come."""
        self._close_proposal()
        self._keep_refusals()

    def _keep_refusals(self) -> None:
        self._counts.inputs_refused.update(
            {str(reason): count for reason, count in self.core.refusals.items()})
