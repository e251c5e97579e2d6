"""A smooth reference that follows a target: what is proposed, so that it can pass unchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory

STEP_S = 0.01
STEP_NS = seconds_to_ns(STEP_S)
# Shaped motion keeps this far inside the limits, so that the supervisor need not touch it.
SHARE_OF_LIMITS = 0.9
_POSITION_MARGIN_RAD = 0.02


def position_bounds(limits: LimitArrays) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest joint positions, (N,) each, that shaped motion has."""
    return limits.position_min + _POSITION_MARGIN_RAD, limits.position_max - _POSITION_MARGIN_RAD


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceShaper:
    """
    A third-order low-pass with all its poles at ``bandwidth_rad_s``, as motion.

    Every 10 ms the jerk is set to ω³(r - q) - 3ω²v - 3ωa, clamped so that velocity, acceleration
    and jerk stay within the limits, and held for the step: the motion is a cubic per step with
    continuous acceleration, which a trajectory controller reproduces exactly from positions and
    velocities. There is no feed-forward of the target's velocity: a chunk's slope is noisy, and
    the lag, 3/ω, is made up for by reading the target ahead.
    """

    bandwidth_rad_s: float
    limits: LimitArrays

    def follow(
            self, stamp_ns: int, begin_ns: int, state: JointMotion, target: np.ndarray,
            joint_names: tuple[str, ...],
    ) -> Trajectory:
        """
        Return the motion from ``state`` at ``begin_ns`` along ``target`` (M, N), one row a step.

        The trajectory is stamped ``stamp_ns`` and has M + 1 knots, 10 ms apart.
        """
        steps, joints = target.shape
        target = np.clip(target, *position_bounds(self.limits))
        v_max = SHARE_OF_LIMITS * self.limits.velocity
        a_max = SHARE_OF_LIMITS * self.limits.acceleration
        j_max = SHARE_OF_LIMITS * self.limits.jerk
        k2, k1, k0 = (3.0 * self.bandwidth_rad_s, 3.0 * self.bandwidth_rad_s**2,
                      self.bandwidth_rad_s**3)
        positions, velocities = np.empty((steps + 1, joints)), np.empty((steps + 1, joints))
        q, v, a = state.position, state.velocity, state.acceleration
        positions[0], velocities[0] = q, v
        h = STEP_S
        for step in range(steps):
            j = k0 * (target[step] - q) - k1 * v - k2 * a
            # What acceleration may be reached so that, taken back with half the jerk limit, the
            # velocity stays within its own.
            rise = np.minimum(a_max, np.sqrt(j_max * np.maximum(v_max - v, 0.0)))
            fall = np.minimum(a_max, np.sqrt(j_max * np.maximum(v_max + v, 0.0)))
            j = (np.minimum(np.maximum(a + j * h, -fall), rise) - a) / h
            j = np.minimum(np.maximum(j, -j_max), j_max)
            q = q + h * (v + h * (a / 2.0 + h * j / 6.0))
            v = v + h * (a + h * j / 2.0)
            a = a + h * j
            positions[step + 1], velocities[step + 1] = q, v
        times = (begin_ns - stamp_ns) + STEP_NS * np.arange(steps + 1, dtype=np.int64)
        return Trajectory(stamp_ns, joint_names, times, positions, velocities)
