"""Lipschitz constants of a robot: how far its joints can move what they carry."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.errors import SetupError
import pinocchio

_LOCAL_AXES = pinocchio.ReferenceFrame.LOCAL


class Reach:
    """
    How far a unit of each joint can move a point, whatever the configuration.

    From joint j to a point on body b the chain has the offsets of the joints between them, each
    of a length that does not change but for prismatic travel, so that no configuration brings the
    point further from j than their sum. Of the first offset, which does not turn against j, only
    what is across j's axis counts. A prismatic joint moves all points alike, by 1.

    In the cell's order of joints: ``joints`` (N,) are their numbers in the model, ``axes`` (N, 3)
    those about which they turn in their own frames, zero for a prismatic one, and ``beyond``
    (N, N) is 1 where the second joint is carried by the first, else 0.
    """

    def __init__(self, model: pinocchio.Model, cell: Cell) -> None:
        self._parents = list(model.parents)
        self._offsets = [placement.translation.copy() for placement in model.jointPlacements]
        joints = cell.robot.joints
        self.joints = np.array([model.getJointId(name) for name in joints])
        limits = limit_arrays(cell)
        data = model.createData()
        pinocchio.computeJointJacobians(model, data, pinocchio.neutral(model))
        # Of each joint of the model: its place in the cell's order, axis, and prismatic travel.
        self._column = [-1] * model.njoints
        self._axis = [np.zeros(3)] * model.njoints
        self._slide = [0.0] * model.njoints
        for joint in range(1, model.njoints):
            name = model.names[joint]
            column = joints.index(name)
            motion = pinocchio.getJointJacobian(model, data, joint, _LOCAL_AXES)[
                :, model.joints[joint].idx_v]
            self._column[joint] = column
            self._axis[joint] = motion[3:].copy()
            if not motion[3:].any():
                ends = (limits.position_min[column], limits.position_max[column])
                if not np.isfinite(ends).all():
                    raise SetupError(
                        f'{name} is a prismatic joint without position limits; write '
                        f'has_position_limits: true with min_position and max_position (m) in '
                        f'safety.joint_limits.{name} of the cell file')
                self._slide[joint] = float(np.abs(ends).max())

        self.axes = np.array([self._axis[joint] for joint in self.joints])
        carried = np.array([self.support(joint) for joint in self.joints.tolist()])
        self.beyond = (carried.T & ~np.eye(len(joints), dtype=bool)).astype(np.float64)

    def support(self, body: int) -> np.ndarray:
        """Return (N,) bool: which joints move the body."""
        moves = np.zeros(len(self.joints), dtype=bool)
        while body:
            moves[self._column[body]] = True
            body = self._parents[body]
        return moves

    def of(self, body: int, points: np.ndarray, radius: float = 0.0) -> np.ndarray:
        """
        Return (N,): m per rad (or m) at most by which each joint moves any of ``points``.

        ``points`` (M, 3) are in the frame of joint ``body``; all within ``radius`` of one counts.
        """
        reach = np.zeros(len(self.joints))
        far = float(np.linalg.norm(points, axis=1).max()) + radius
        across = self._across(body, points) + radius
        slides = False
        while body:
            revolute = bool(self._axis[body].any())
            # At least 1 under a prismatic joint, so that it bounds derivatives of mixed order too.
            reach[self._column[body]] = max(across, float(slides)) if revolute else 1.0
            slides = slides or not revolute
            parent, offset = self._parents[body], self._offsets[body]
            rest = far + self._slide[body]
            across = self._across(parent, offset[None, :]) + rest
            far = float(np.linalg.norm(offset)) + rest
            body = parent
        return reach

    def _across(self, joint: int, points: np.ndarray) -> float:
        """Return the largest distance of ``points`` (M, 3) from a joint's axis."""
        return float(np.linalg.norm(np.cross(self._axis[joint], points), axis=1).max())
