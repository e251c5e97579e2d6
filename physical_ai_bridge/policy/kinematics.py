"""Where the tcp is, and joints within bounds that bring it to a pose."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import SetupError
import pinocchio

# What a solution may leave of a pose. Iterations go on until far less is left.
TOLERANCE_M = 1e-4
TOLERANCE_RAD = 1e-3
ITERATIONS = 30
_SOLVED = 1e-8
# Damping that stays where nothing is left of the error: a direction in which a whole radian at
# every joint moves the tcp by less than this (in m and rad) is given up.
_DAMPING = 1e-4
# A pose has this many degrees of freedom.
_POSE = 6
_IDENTITY = np.eye(_POSE)
_WORLD_AXES = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
_UNLIMITED = '1e6'

Pose = pinocchio.SE3


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Joints (N,) and how far from the pose that was asked for they leave the tcp."""

    joints: np.ndarray
    left_m: float
    left_rad: float

    @property
    def reached(self) -> bool:
        """Whether the tcp is at the pose, within TOLERANCE_M and TOLERANCE_RAD."""
        return self.left_m <= TOLERANCE_M and self.left_rad <= TOLERANCE_RAD


class TcpKinematics:
    """
    Forward and inverse kinematics of the cell's tcp, in its base frame; m and rad.

    Joints are in the cell's order. Every movable joint of the URDF that the cell does not drive
    stands at its neutral position. The model is the policy's own: what the supervisor verifies
    motions with is another, so that neither trusts the other's. Not thread-safe.
    """

    def __init__(self, model: pinocchio.Model, cell: Cell) -> None:
        """Take a model that has the cell's joints alone and the base frame as its universe."""
        robot = cell.robot
        self._model, self._data = model, model.createData()
        self._tcp = model.getBodyId(robot.tcp_frame)
        # model_q = q[self._from_cell]
        self._from_cell = np.array([robot.joints.index(name) for name in model.names[1:]])
        self._to_cell = np.argsort(self._from_cell)

    @classmethod
    def from_urdf(cls, urdf_xml: str, cell: Cell) -> TcpKinematics:
        """
        Return the kinematics of a URDF's text, for the joints and frames of ``cell``.

        Raises
        ------
        SetupError
            If the text is no URDF, lacks a joint or frame of the cell, or has fewer than six of
            its joints between base and tcp, with which a pose cannot be chosen freely.

        """
        model = _read(urdf_xml, cell)
        support = set(model.supports[model.frames[model.getBodyId(
            cell.robot.tcp_frame)].parentJoint]) - {0}
        if len(support) < _POSE:
            raise SetupError(
                f'{len(support)} joints of robot.joints move {cell.robot.tcp_frame}, and a pose '
                f'of the tcp takes {_POSE}; use a bundle whose action.kind is of joints')
        return cls(model, cell)

    def pose(self, joints: np.ndarray) -> Pose:
        """Return the tcp's pose at ``joints`` (N,)."""
        pinocchio.forwardKinematics(self._model, self._data, joints[self._from_cell])
        pinocchio.updateFramePlacement(self._model, self._data, self._tcp)
        return self._data.oMf[self._tcp].copy()

    def solve(
            self, goal: Pose, near: np.ndarray, low: np.ndarray, high: np.ndarray) -> Solution:
        """
        Return joints within ``low`` and ``high`` (N,) that bring the tcp to ``goal``.

        Damped least squares from ``near`` (N,), what would pass a bound held at it, with
        λ² = e²/2 + 1e-8, where e is the norm of the pose's error in m and rad: far from the goal
        steps are careful, near it they are Newton's, and where the arm is singular they stay
        finite. There are ITERATIONS of them at most. The solution is the nearest that was met, and
        says what is left. With spare joints, it is the one that the shortest steps lead to.
        """
        low, high = low[self._from_cell], high[self._from_cell]
        q = np.clip(near[self._from_cell], low, high)
        best, least = q, np.inf
        for left in range(ITERATIONS, -1, -1):
            error, jacobian = self._look(goal, q)
            square = float(error @ error)
            if square < least:
                best, least, shown = q, square, error
            if square < _SOLVED**2 or not left:
                break
            q = np.clip(q + _step(jacobian, error, 0.5 * square + _DAMPING**2, low - q, high - q),
                        low, high)
        return Solution(best[self._to_cell], float(np.linalg.norm(shown[:3])),
                        float(np.linalg.norm(shown[3:])))

    def _look(self, goal: Pose, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left of a pose (6,), and how the joints (6, N) move the tcp."""
        model, data, tcp = self._model, self._data, self._tcp
        pinocchio.computeJointJacobians(model, data, q)
        placement = pinocchio.updateFramePlacement(model, data, tcp)
        error = np.concatenate((goal.translation - placement.translation,
                                pinocchio.log3(goal.rotation @ placement.rotation.T)))
        return error, pinocchio.getFrameJacobian(model, data, tcp, _WORLD_AXES)


def _step(
        jacobian: np.ndarray, error: np.ndarray, damping: float, low: np.ndarray,
        high: np.ndarray) -> np.ndarray:
    """Return the damped step (N,) between ``low`` and ``high``; what is held there, others do."""
    step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + damping * _IDENTITY, error)
    over = (step < low) | (step > high)
    free = ~over
    while over.any():
        step[over] = np.clip(step, low, high)[over]
        moving, left = jacobian[:, free], error - jacobian[:, ~free] @ step[~free]
        step[free] = moving.T @ np.linalg.solve(moving @ moving.T + damping * _IDENTITY, left)
        over = free & ((step < low) | (step > high))
        free &= ~over
    return step


def _read(urdf_xml: str, cell: Cell) -> pinocchio.Model:
    """Return the model of the cell's joints, in the cell's base frame."""
    robot = cell.robot
    try:
        root = ElementTree.fromstring(urdf_xml)
        for joint in root.iter('joint'):
            if joint.get('type') == 'continuous':
                # pinocchio would give it a cosine and a sine; here it is one angle.
                joint.set('type', 'revolute')
                limit = joint.find('limit')
                limit = ElementTree.SubElement(joint, 'limit') if limit is None else limit
                limit.attrib.update(lower=f'-{_UNLIMITED}', upper=_UNLIMITED)
                for key in ('effort', 'velocity'):
                    limit.set(key, limit.get(key, _UNLIMITED))
        model = pinocchio.buildModelFromXML(ElementTree.tostring(root, encoding='unicode'))
    except (ElementTree.ParseError, ValueError, RuntimeError, IndexError) as error:
        raise SetupError(f'the robot description is not a URDF: {error}; give the text of one'
                         ) from error
    missing = [name for name in robot.joints if name not in tuple(model.names[1:])]
    missing += [name for name in (robot.base_frame, robot.tcp_frame)
                if not model.existBodyName(name)]
    if missing:
        raise SetupError(f'the URDF lacks {", ".join(missing)}, which the robot of the cell file '
                         'names; correct the names there, or give the URDF that has them')
    locked = [model.getJointId(name) for name in model.names[1:] if name not in robot.joints]
    model = pinocchio.buildReducedModel(model, locked, pinocchio.neutral(model))
    base = model.frames[model.getBodyId(robot.base_frame)]
    if base.parentJoint or any(joint.nq != 1 for joint in list(model.joints)[1:]):
        raise SetupError(
            f'{robot.base_frame} moves, or a joint of the cell is not one angle or one length; '
            'write in the cell file a base_frame that stands still, and revolute, continuous or '
            'prismatic joints')
    to_base = base.placement.inverse()
    for joint in range(1, model.njoints):
        if model.parents[joint] == 0:
            model.jointPlacements[joint] = to_base * model.jointPlacements[joint]
    for frame in model.frames:
        if frame.parentJoint == 0:
            frame.placement = to_base * frame.placement
    return model
