"""The verification of one tick's candidates, with the share of the speed limits that holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays, LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.cubics import Cubics
from physical_ai_bridge.safety.limits import check_cubics, malformed, Violation

# What is faster than its share comes down to this within a step, or by this share of what the
# hardest brake does in that time: no brake can do much in a step from a high speed.
_COMES_DOWN_TO, _OF_THE_BRAKE = 0.8, 0.5
# A motion that cannot be told costs most, and those like it cannot be told either.
_MOST_UNVERIFIED = 2
# How finely the speed of what is committed is sampled, and what that may miss.
_SAMPLE_NS, _MISSED = seconds_to_ns(0.004), 1e-3


class Check(Protocol):
    """The verification of a whole motion."""

    def __call__(self, motion: Trajectory, *, speed_share: float = 1.0) -> Violation | None:
        """Return the first limit that ``motion`` breaks, speed limits taken times the share."""
        ...


class SpeedUse(Protocol):
    """How much of the cell's speed limits a state uses."""

    def __call__(self, position: np.ndarray, velocity: np.ndarray) -> float:
        """Return the largest share of a speed limit in any of the states (M, N)."""
        ...


class JointLimits:
    """The joints' part of verification."""

    def __init__(self, cell: Cell) -> None:
        self.arrays: LimitArrays = limit_arrays(cell)
        self.resolution_s = 1.0 / cell.controller.rate_hz

    def check(
            self, motion: Trajectory, *, speed_share: float = 1.0, to_rest: bool = True,
    ) -> Violation | None:
        """Return the first joint limit that ``motion`` breaks; with ``to_rest`` at its end too."""
        found = malformed(motion)
        if found is not None:
            return found
        limits = self.arrays
        if speed_share != 1.0:
            limits = replace(limits, velocity=limits.velocity * speed_share)
        with np.errstate(over='ignore', invalid='ignore'):  # what overflows breaks a limit
            return check_cubics(Cubics.of(motion), motion.joint_names, limits,
                                resolution_s=self.resolution_s, to_rest=to_rest)

    def speed_use(self, position: np.ndarray, velocity: np.ndarray) -> float:
        """Return the largest share of a joint's velocity limit in any of the states (M, N)."""
        del position
        return float((np.abs(velocity) / self.arrays.velocity).max())


class Trials:
    """
    Verifies the candidates of one tick, and keeps what stood in the way of the first.

    A candidate keeps within ``share`` of the speed limits. Where the plan uses more than that
    between now and ``leave_ns``, what is committed of it, a candidate keeps within as much, never
    faster than now, and has to come down within its step.
    """

    def __init__(
            self, check: Check, speed_use: SpeedUse, plan: Trajectory, begin_ns: int,
            leave_ns: int, share: float, within: LimitArrays,
    ) -> None:
        self._check = check
        self._speed_use = speed_use
        self._share = self._ceiling = share
        self._within = within
        self._leaving: Trajectory | None = None
        self.obstacle: Violation | None = None
        self.count = 0
        self._unverified = 0
        if share >= 1.0:
            return
        begin, leave = begin_ns - plan.stamp_ns, leave_ns - plan.stamp_ns
        committed = plan.at_many(np.linspace(
            begin, leave, (leave - begin) // _SAMPLE_NS + 2).astype(np.int64))
        use = speed_use(committed.position, committed.velocity)
        if use > share:
            self._ceiling = min(use * (1.0 + _MISSED), 1.0)
            self._leaving = brake(leave_ns, plan.joint_names, plan.at(leave_ns), within)

    def check(self, motion: Trajectory, *, stops: bool = False) -> Violation | None:
        """
        Verify a whole motion, and count it.

        One that ``stops`` is held to the whole of the speed limits: whatever the share, nothing
        else is slower, not even the plan that would be left as it is.
        """
        self.count += 1
        found = self._check(motion, speed_share=1.0 if stops else self._ceiling)
        self.obstacle = self.obstacle or found
        self._unverified += found is not None and found.reason is Reason.NOT_VERIFIED
        return found

    @property
    def gives_up(self) -> bool:
        """Whether so much work went into what cannot be told that a tick affords no more."""
        return self._unverified >= _MOST_UNVERIFIED

    def to_blame(self, head: Trajectory, joints: JointLimits) -> bool:
        """Tell whether a candidate's beginning breaks a joint limit, whatever brake follows."""
        return joints.check(head, speed_share=self._ceiling, to_rest=False) is not None

    def comes_down(self, head: Trajectory) -> bool:
        """
        Tell whether a candidate that ends its step as ``head`` does is slow enough by then.

        That is, as slow as the share; or as 0.8 of where it left the plan; or at least half way
        from there to where the hardest brake would be.
        """
        if self._leaving is None:
            return True
        left, braked, ends = (
            self._speed_use(state.position[None], state.velocity[None])
            for state in (self._leaving.at(self._leaving.start_ns),
                          self._leaving.at(head.end_ns), head.at(head.end_ns)))
        half_way = left - _OF_THE_BRAKE * max(left - braked, 0.0)
        allowed = max(self._share, _COMES_DOWN_TO * left, half_way)
        if ends <= allowed:
            return True
        self.obstacle = self.obstacle or Violation(
            Reason.VELOCITY_LIMIT, 'the share of the speed limits', 100.0 * ends,
            100.0 * allowed, '%')
        return False
