"""The scripted teacher: it sees where the socket is, and shows what to do from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import radians

import numpy as np
from physical_ai_bridge.contract.bundle import ActionSpec, Manifest
from physical_ai_bridge.simulation.cell import MujocoCell
from physical_ai_bridge.simulation.episode import downward, SocketPose, TIP_M
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.world import urdf_path
import pinocchio

# The funnel. Speeds in m/s and rad/s, distances in m, gains in 1/s.
LATERAL_GAIN, LATERAL_SPEED = 3.5, 0.08
TURN_GAIN, TURN_SPEED = 2.5, 0.5
HOVER_M, HOVER_PER_ERROR = 0.002, 2.5
ALIGNED_M, ALIGNED_RAD = 0.0006, radians(1.5)
INSIDE_ALIGNED_M, INSIDE_ALIGNED_RAD = 0.002, radians(4.0)
VERTICAL_GAIN = 6.0
# Down to this height above the face, this fast: slowest where the connector meets the lead-in,
# because the force of that meeting grows with the speed.
DESCENT = ((0.012, 0.10), (0.004, 0.03), (-0.004, 0.014), (-1.0, 0.025))
# A little below the socket's floor, 15 mm down, so that the connector seats.
GOAL_DEPTH_M = 0.0153
# Full speed up to the first force, none from the second one on, a retreat above the third.
FREE_N, BLOCKED_N, RETREAT_N = 3.0, 18.0, 25.0
RETREAT_SPEED = 0.01

_STEP_S = 0.01


class Teacher:
    """
    A privileged policy: it reads the socket's true pose from the simulated cell.

    It keeps nothing between calls, so that any state that a student gets into can be labelled: a
    funnel is integrated from the reference that the controller is executing. Sideways and turning
    errors shrink while the tip hovers at a height that grows with them; aligned, it descends, the
    slower the nearer and the harder the contact.
    """

    def __init__(self, manifest: Manifest, cell: MujocoCell) -> None:
        self._manifest, self._cell = manifest, cell
        self._arm = ArmKinematics(urdf_path(), manifest.joints, 'tool0')

    @property
    def manifest(self) -> Manifest:
        """What the policy needs and returns."""
        return self._manifest

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the chunk, float32 (horizon, N), for one observation."""
        reference = np.asarray(inputs['observation.reference'][0], np.float64)
        wrench = inputs.get('observation.wrench.wrist')
        force_n = 0.0 if wrench is None else float(np.linalg.norm(wrench[-1, :3]))
        action = self._manifest.action
        rotation, position = self._arm.pose(reference)
        tip = position + TIP_M * rotation[:, 2]
        chunk = np.empty((action.horizon, len(reference)), np.float32)
        joints, elapsed = reference, 0.0
        for k in range(action.horizon):
            ahead = action.offset_s + k * action.period_s
            steps = max(1, round((ahead - elapsed) / _STEP_S)) if ahead > elapsed else 0
            for _ in range(steps):
                rotation, tip = funnel_step(
                    rotation, tip, self._cell.socket, force_n, (ahead - elapsed) / steps)
            elapsed = max(elapsed, ahead)
            if steps:
                joints, _ = self._arm.solve(
                    joints, rotation, tip - TIP_M * rotation[:, 2], iterations=3, tolerance=1e-7)
            chunk[k] = joints
        return chunk


def with_joint_positions(manifest: Manifest) -> Manifest:
    """Return the manifest of a teacher in the place of its model: its rows are positions."""
    action = manifest.action
    return replace(manifest, action=ActionSpec(
        kind='joint_positions', horizon=action.horizon, period_s=action.period_s,
        offset_s=action.offset_s))


def funnel_step(
        rotation: np.ndarray, tip: np.ndarray, socket: SocketPose, force_n: float, dt: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the tip, at ``rotation`` (3, 3) and ``tip`` (3,), is to be ``dt`` s later."""
    aside = np.array([socket.x_m - tip[0], socket.y_m - tip[1]])
    turn = pinocchio.log3(downward(socket.yaw_rad) @ rotation.T)
    error, angle = float(np.hypot(*aside)), float(np.linalg.norm(turn))
    height = float(tip[2]) - socket.z_m
    inside = height < 0.0
    aligned = (error < (INSIDE_ALIGNED_M if inside else ALIGNED_M)
               and angle < (INSIDE_ALIGNED_RAD if inside else ALIGNED_RAD))
    if force_n > RETREAT_N:
        climb = RETREAT_SPEED
    elif aligned:
        top = next(speed for above, speed in DESCENT if height > above)
        ease = min(1.0, max(0.0, (BLOCKED_N - force_n) / (BLOCKED_N - FREE_N)))
        climb = -min(top, VERTICAL_GAIN * max(0.0, height + GOAL_DEPTH_M)) * ease
    else:
        hover = max(HOVER_M, HOVER_PER_ERROR * error)
        fast = DESCENT[0][1]
        climb = min(fast, max(-fast, VERTICAL_GAIN * (hover - height)))
    slide = min(LATERAL_GAIN, LATERAL_SPEED / max(error, 1e-9))
    spin = min(TURN_GAIN, TURN_SPEED / max(angle, 1e-9))
    moved = np.array([tip[0] + dt * slide * aside[0], tip[1] + dt * slide * aside[1],
                      tip[2] + dt * climb])
    return pinocchio.exp3(dt * spin * turn) @ rotation, moved
