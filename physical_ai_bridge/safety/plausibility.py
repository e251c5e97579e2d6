"""Joint states that no robot has: jumps, and joints that stand still while they are moved."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal

# No joint of an arm moves faster (rad/s), or the cell's limit is more than half of it.
_FASTEST_RAD_S = 10.0
# Stamps are taken near a reading, not at it, and encoders are noisy.
_NOISE_RAD = 0.01
# A joint that the plan has moved so far must have changed by at least one bit.
_MOVED_RAD = 0.01
# Until the plan has moved a joint so far, it counts as standing still.
_STILL_RAD = 0.001


class JointPlausibility:
    """
    Takes measured positions and commanded ones, (N,) in the cell's order.

    A spike is refused, and so never stops a motion by itself. A jump that stays is taken once the
    joint could have got there, so that ``joint_states_s`` of silence come first, or it is seen
    that the robot is not where it was sent. A driver that repeats its last positions under new
    stamps feeds every watchdog; that they do not change by one bit gives it away.
    """

    def __init__(self, cell: Cell) -> None:
        self._names = cell.robot.joints
        joints = len(self._names)
        limits = limit_arrays(cell)
        self._fastest = np.maximum(2.0 * limits.velocity, _FASTEST_RAD_S)
        self._max_age_ns = seconds_to_ns(cell.sensors.joint_states.max_age_s)
        self._frozen_ns = seconds_to_ns(cell.safety.watchdogs.joint_states_s)
        self._measured: np.ndarray | None = None
        self._stamp_ns = 0
        # Each joint: whether it has changed since the last command was looked at; where it was
        # commanded to when it last did, and when the plan left from there.
        self._changed = np.ones(joints, dtype=bool)
        self._commanded = np.zeros(joints)
        self._left_at = np.zeros(joints, dtype=np.int64)

    def take(self, position: np.ndarray, stamp_ns: int) -> Refusal | None:
        """Take a finite position of a plausible age, or return why it cannot be one."""
        last, self._measured = self._measured, position
        elapsed_ns, self._stamp_ns = stamp_ns - self._stamp_ns, stamp_ns
        if last is None or elapsed_ns < -self._max_age_ns:
            self._changed[:] = True
            return None  # the first one, or ROS time went back
        refusal = self._refusal(position - last, elapsed_ns)
        if refusal is not None:
            self._measured, self._stamp_ns = last, stamp_ns - elapsed_ns
            return refusal
        self._changed |= position != last
        return None

    def _refusal(self, moved: np.ndarray, elapsed_ns: int) -> Refusal | None:
        if elapsed_ns < 0:
            return Refusal(Reason.JOINTS_STALE, f'the joint state is {-elapsed_ns / NS_PER_S:.3f} '
                           's older than one that came before it')
        elapsed_s = elapsed_ns / NS_PER_S
        excess = np.abs(moved) - (_NOISE_RAD + self._fastest * elapsed_s)
        if (excess <= 0.0).all():
            return None
        joint = int(excess.argmax())
        return Refusal(Reason.JOINTS_JUMPED, f'{self._names[joint]} is {abs(moved[joint]):.3f} '
                       f'rad from where it was {elapsed_s:.3f} s before')

    def frozen(self, commanded: np.ndarray, now: Instant) -> Refusal | None:
        """Take where the robot is sent now; return which joint has not followed by one bit."""
        moved = np.abs(commanded - self._commanded)
        anew = self._changed | (moved <= _STILL_RAD)
        self._left_at[anew] = now.steady_ns
        self._commanded[self._changed] = commanded[self._changed]
        self._changed[:] = False
        frozen = (~anew & (moved > _MOVED_RAD)
                  & (now.steady_ns - self._left_at > self._frozen_ns))
        if not frozen.any():
            return None
        joint = int(frozen.argmax())
        return Refusal(Reason.JOINTS_FROZEN, f'{self._names[joint]} was sent {moved[joint]:.3f} '
                       'rad further, and its joint states have not changed at all')
