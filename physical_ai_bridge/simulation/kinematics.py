"""Forward and inverse kinematics of the arm, from its URDF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.errors import SetupError
import pinocchio


class ArmKinematics:
    """
    The pose of one frame of a serial arm, and the joints that bring it there.

    Poses are rotation matrix (3, 3) and position (3,) in the base frame, m and rad. Joints are in
    the order of ``joints``. Not thread-safe.
    """

    def __init__(self, urdf: Path, joints: tuple[str, ...], frame: str) -> None:
        self._model = pinocchio.buildModelFromUrdf(str(urdf))
        if set(joints) != set(self._model.names[1:]) or not self._model.existFrame(frame):
            raise SetupError(
                f'{urdf}: found joints {", ".join(self._model.names[1:])}; wanted '
                f'{", ".join(joints)} and a frame {frame}')
        self._data = self._model.createData()
        self._frame = self._model.getFrameId(frame)
        # model_q = q[self._from_caller]
        self._from_caller = np.array([joints.index(name) for name in self._model.names[1:]])
        self._to_caller = np.argsort(self._from_caller)

    def pose(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the frame's rotation and position at ``joints`` (N,)."""
        pinocchio.framesForwardKinematics(
            self._model, self._data, np.asarray(joints, np.float64)[self._from_caller])
        placement = self._data.oMf[self._frame]
        return placement.rotation.copy(), placement.translation.copy()

    def solve(
            self, near: np.ndarray, rotation: np.ndarray, position: np.ndarray,
            *, iterations: int = 50, tolerance: float = 1e-9, damping: float = 1e-4,
    ) -> tuple[np.ndarray, float]:
        """
        Return joints (N,) that bring the frame to a pose, and the error that is left.

        Damped least squares from ``near``. The error is the norm of position (m) and rotation
        (rad) together; the caller says what is good enough.
        """
        model, data, frame = self._model, self._data, self._frame
        goal = pinocchio.SE3(rotation, position)
        q = np.asarray(near, np.float64)[self._from_caller]
        ridge = damping**2 * np.eye(6)
        for left in range(iterations, -1, -1):
            pinocchio.computeJointJacobians(model, data, q)
            pinocchio.updateFramePlacement(model, data, frame)
            error = pinocchio.log6(data.oMf[frame].actInv(goal)).vector
            size = float(np.linalg.norm(error))
            if size < tolerance or not left:
                break
            jacobian = pinocchio.getFrameJacobian(model, data, frame, pinocchio.LOCAL)
            q = q + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + ridge, error)
        return q[self._to_caller], size
