"""The proposals as they come in: the newest good one, and how the policy is doing."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.sanitise import check_reach, sanitise
from physical_ai_bridge.safety.watch import Watch

# A policy that is done proposes a motion that ends at rest, and then is silent; so long at most.
_LAST_WORD_S = 1.5


class Proposals:
    """
    Takes proposals, or refuses them.

    ``newest`` is the one to follow, None where there is none; ``observed_ns`` the observation time
    of the newest that was taken, or of the last ``forget``: older ones are not followed any more.
    ``watch`` counts each refusal.
    """

    def __init__(self, cell: Cell, watch: Watch) -> None:
        self._joints = cell.robot.joints
        self._limits = limit_arrays(cell)
        self._latency_ns = seconds_to_ns(cell.controller.latency_s)
        self._max_age_s = cell.safety.proposal_max_age_s
        self._dogs = cell.safety.watchdogs
        self._watch = watch
        self._taken_at = 0
        self._bad_in_a_row = 0
        self._last_bad: Refusal | None = None
        self.newest: Trajectory | None = None
        self.observed_ns = 0

    def take(
            self, message: TrajectoryMessage, plan: Trajectory | None, now: Instant) -> bool:
        """
        Take a proposal, or refuse it; return whether it was taken.

        ``plan`` is what is being executed, and must be within reach; None where that is nothing
        that a proposal would go on from.
        """
        proposal = sanitise(
            message, self._joints, now_ns=now.ros_ns, max_age_s=self._max_age_s)
        if not isinstance(proposal, Refusal) and plan is not None:
            proposal = check_reach(
                proposal, plan, self._limits, now_ns=now.ros_ns,
                latency_ns=self._latency_ns) or proposal
        if isinstance(proposal, Refusal):
            self.refuse(proposal)
            return False
        if proposal.stamp_ns < self.observed_ns:
            # An older one says nothing about the policy's health: refused, but no bad proposal.
            age_s = (self.observed_ns - proposal.stamp_ns) / NS_PER_S
            self._watch.refuse(Refusal(
                Reason.PROPOSAL_REORDERED, f'its observation is {age_s:.3f} s older than what is '
                'being followed, or than the last reset'))
            return False
        self._bad_in_a_row = 0
        self.newest, self._taken_at = proposal, now.steady_ns
        self.observed_ns = proposal.stamp_ns
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Count a bad proposal: one of ours, or one that the shell could not even decode."""
        self._watch.refuse(refusal)
        self._bad_in_a_row += 1
        self._last_bad = refusal

    def drop(self) -> None:
        """Follow nothing until the next one."""
        self.newest = None

    def forget(self, now: Instant) -> None:
        """Wait for a proposal from an observation of ``now`` or later; what was bad is past."""
        self.drop()
        self.observed_ns = now.ros_ns
        self._bad_in_a_row = 0

    def cause(self, now: Instant, *, moving: bool) -> Refusal | None:
        """Return the cause to stop that the stream of proposals shows, or None."""
        if self._bad_in_a_row >= self._dogs.bad_proposals:
            return Refusal(Reason.PROPOSALS_BAD,
                           f'{self._bad_in_a_row} in a row; last: {self._last_bad}')
        silent_ns = now.steady_ns - self._taken_at
        if (moving and silent_ns > seconds_to_ns(self._dogs.proposals_s)
                and not self._is_last_word(silent_ns)):
            return Refusal(Reason.PROPOSALS_SILENT,
                           f'no good proposal for {silent_ns / NS_PER_S:.3f} s')
        return None

    def _is_last_word(self, silent_ns: int) -> bool:
        """Tell whether the newest soon comes to rest by itself, so that silence may follow."""
        return (self.newest is not None and not self.newest.velocities[-1].any()
                and silent_ns <= seconds_to_ns(_LAST_WORD_S))
