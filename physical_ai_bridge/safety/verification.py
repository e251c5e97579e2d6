"""The verification of a whole motion: nothing is published that did not come through it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.clearance import ClearanceCheck
from physical_ai_bridge.safety.cubics import Cubics
from physical_ai_bridge.safety.limits import check_cubics, malformed, Violation
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.tcp_check import TcpCheck


class Verification:
    """
    Holds every limit of a cell against whole motions of its robot.

    What holds is that a motion which passes keeps every limit at every instant, to 1e-9 relative
    (1 nm of the workspace), and is at rest at its end. Joint limits are checked in closed form;
    the tcp's speed and position and the distances of the robot's shapes by samples and a bound of
    what happens between them. Work is bounded: motions that come so close to a limit that the
    samples of one check do not suffice are refused, with NOT_VERIFIED.

    A robot that stands outside (its tcp outside the workspace, a part of it in a keep-out box)
    is refused every motion, inward ones too: it has to be brought back by other means.

    ``evaluations`` is how many configurations the last check looked at. Not thread-safe.
    """

    def __init__(self, cell: Cell, robot: RobotModel) -> None:
        self._limits = limit_arrays(cell)
        self._resolution_s = 1.0 / cell.controller.rate_hz
        self._tcp = TcpCheck(cell, robot)
        self._clearance = ClearanceCheck(robot)

    @property
    def evaluations(self) -> int:
        """How many configurations the last check looked at."""
        return self._tcp.evaluations + self._clearance.evaluations

    def speed_use(self, position: np.ndarray, velocity: np.ndarray) -> float:
        """
        Return the largest share of a speed limit, a joint's or the tcp's, in any of the states.

        ``position`` and ``velocity`` are those of the joints, (M, N).
        """
        joints = float((np.abs(velocity) / self._limits.velocity).max())
        return max(joints, self._tcp.speed_use(position, velocity))

    def check(self, motion: Trajectory, *, speed_share: float = 1.0) -> Violation | None:
        """
        Return the first limit that ``motion`` breaks, or None.

        In this order: joint limits and rest at the end, tcp speed, workspace, keep-out boxes and
        self-collision. ``speed_share``, above 0 to 1, multiplies the velocity limits of the joints
        and the tcp's.
        """
        self._tcp.evaluations = self._clearance.evaluations = 0
        found = malformed(motion)
        if found is not None:
            return found
        limits = self._limits
        if speed_share != 1.0:
            limits = replace(limits, velocity=limits.velocity * speed_share)
        with np.errstate(over='ignore', invalid='ignore'):  # what overflows breaks a limit
            cubics = Cubics.of(motion)
            return (check_cubics(cubics, motion.joint_names, limits,
                                 resolution_s=self._resolution_s, to_rest=True)
                    or self._tcp.check(cubics, speed_share)
                    or self._clearance.check(cubics))
