"""A model's rows, of whichever kind, as joint positions."""

from __future__ import annotations

from collections.abc import Callable
from math import degrees

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.bundle import action_columns, ActionSpec
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.policy.kinematics import Pose, TcpKinematics
from physical_ai_bridge.policy.reference import position_bounds, SHARE_OF_LIMITS
from transforms3d.axangles import axangle2mat


def kinematics_for(binding: Binding, read_urdf: Callable[[], str]) -> TcpKinematics | None:
    """
    Return the kinematics that the bundle's actions need, None where they are joints'.

    ``read_urdf`` returns the text of the URDF; it is called only where it is needed.

    Raises
    ------
    SetupError
        If the URDF does not have what ``TcpKinematics`` needs.

    """
    if binding.manifest.action.kind != 'tcp_deltas':
        return None
    return TcpKinematics.from_urdf(read_urdf(), binding.cell)


class ActionDecoder:
    """
    Turns chunks into joint positions, as the manifest's ``action`` says what they mean.

    A row of tcp deltas is solved from the joints of the row before, within the positions and
    speeds that the shaper keeps to. Where that leaves more of its pose than ``TOLERANCE_M`` and
    ``TOLERANCE_RAD`` the whole chunk is refused: another pose than the policy's is never taken
    instead. Rows of joints are not bounded here: the shaper does that to joint positions too.
    """

    def __init__(self, binding: Binding, kinematics: TcpKinematics | None = None) -> None:
        """Take what ``kinematics_for`` returns for the binding."""
        self._action = action = binding.manifest.action
        self._columns = len(action_columns(binding.manifest))
        self._cell_from_model = binding.cell_from_model
        if action.kind == 'tcp_deltas':
            if kinematics is None:
                raise ValueError('tcp deltas need the kinematics of the robot')
            self._solver = _TcpRows(binding, kinematics)

    def joint_positions(
            self, actions: np.ndarray, anchor: np.ndarray | None) -> np.ndarray | Refusal:
        """
        Return joint positions, float64 (horizon, N) in the cell's order, or why there are none.

        ``anchor`` is the observation's, (N,) float64 in the manifest's joint order.
        """
        if not np.isfinite(actions).all():
            return Refusal(Reason.ACTION_MALFORMED, 'the chunk is not finite')
        rows = actions[:, :self._columns].astype(np.float64)
        action = self._action
        if action.kind == 'joint_positions':
            return rows[:, self._cell_from_model]
        start = anchor[self._cell_from_model]
        if action.kind == 'tcp_deltas':
            return self._solver.solve(rows, start)
        rows = rows[:, self._cell_from_model]
        if action.kind == 'joint_velocities':
            return start + np.cumsum(action.period_s * rows, axis=0)
        if action.relative_to == 'previous':
            return start + np.cumsum(rows, axis=0)
        return start + rows


class _TcpRows:
    """Tcp deltas, row after row."""

    def __init__(self, binding: Binding, kinematics: TcpKinematics) -> None:
        self._kinematics = kinematics
        self._action = binding.manifest.action
        self._names = binding.cell.robot.joints
        limits = limit_arrays(binding.cell)
        self._low, self._high = position_bounds(limits)
        self._speed = SHARE_OF_LIMITS * limits.velocity

    def solve(self, rows: np.ndarray, start: np.ndarray) -> np.ndarray | Refusal:
        """Return the joints (horizon, N) from ``start`` (N,) on, both in the cell's order."""
        action = self._action
        origin = self._kinematics.pose(start)
        joints = np.clip(start, self._low, self._high)
        positions = np.empty((len(rows), len(start)))
        duration_s = max(action.offset_s, action.period_s)
        for index, row in enumerate(rows):
            goal = moved(origin, row, action)
            found = self._joints_at(goal, joints, self._speed * duration_s)
            if isinstance(found, Refusal):
                return Refusal(
                    found.reason, f'row {index} of the chunk leads the tcp to '
                    f'({", ".join(f"{each:.3f}" for each in goal.translation)}) m{found.detail}')
            positions[index] = joints = found
            if action.relative_to == 'previous':
                origin = goal
            duration_s = action.period_s
        return positions

    def _joints_at(
            self, goal: Pose, joints: np.ndarray, travel: np.ndarray) -> np.ndarray | Refusal:
        """Return joints (N,) at a pose, each at most ``travel`` (N,) from ``joints`` (N,)."""
        near = self._kinematics.solve(goal, joints, np.maximum(self._low, joints - travel),
                                      np.minimum(self._high, joints + travel))
        if near.reached:
            return near.joints
        anywhere = self._kinematics.solve(goal, joints, self._low, self._high)
        moves = np.abs(anywhere.joints - joints)
        if not anywhere.reached:
            at_limit = (anywhere.joints <= self._low) | (anywhere.joints >= self._high)
            pressed = f', with {self._listed(at_limit)} at the limit' if at_limit.any() else ''
            return Refusal(
                Reason.ACTION_OUT_OF_REACH, f'; {anywhere.left_m * 1e3:.2f} mm and '
                f'{degrees(anywhere.left_rad):.2f}° of that are left{pressed}')
        if (moves <= travel).all():
            return anywhere.joints
        worst = int(np.argmax(moves / travel))
        return Refusal(
            Reason.ACTION_TOO_FAST, f'; {self._names[worst]} would have to move by '
            f'{moves[worst]:.3f} rad (or m), and can by {travel[worst]:.3f} in the time there is')

    def _listed(self, which: np.ndarray) -> str:
        return ', '.join(name for name, one in zip(self._names, which, strict=True) if one)


def moved(origin: Pose, row: np.ndarray, action: ActionSpec) -> Pose:
    """Return the pose that a row (6,) of tcp deltas leads to from ``origin``."""
    translation, vector = row[:3], row[3:]
    if action.translation_frame == 'tcp':
        translation = origin.rotation @ translation
    rotation, angle = origin.rotation, float(np.linalg.norm(vector))
    if angle > 0.0:
        turn = axangle2mat(vector / angle, angle, is_normalized=True)
        rotation = rotation @ turn if action.rotation_frame == 'tcp' else turn @ rotation
    return Pose(rotation, origin.translation + translation)
