"""Between trajectories as values and trajectories as messages carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.samples import TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory


def message_from_trajectory(trajectory: Trajectory) -> TrajectoryMessage:
    """Return the message that carries ``trajectory``: positions and velocities at its knots."""
    return TrajectoryMessage(
        trajectory.stamp_ns, trajectory.joint_names,
        tuple(TrajectoryPoint(int(t), tuple(q.tolist()), tuple(v.tolist()), (), ())
              for t, q, v in zip(
                  trajectory.times_ns, trajectory.positions, trajectory.velocities,
                  strict=True)))


def trajectory_from_message(message: TrajectoryMessage, joints: Sequence[str]) -> Trajectory:
    """
    Return a command as the controller gets it, columns in the order of ``joints``.

    Raises
    ------
    WireError
        If it is not a finite motion of just these joints.

    """
    points = message.points
    column: Mapping[str, int] = {name: i for i, name in enumerate(message.joint_names)}
    if not points or set(column) != set(joints) or len(message.joint_names) != len(joints):
        raise WireError(f'JointTrajectory: {len(points)} points for '
                        f'{", ".join(message.joint_names) or "no joints"}; expected points for '
                        f'{", ".join(joints)}')
    width = len(joints)
    if any(len(p.positions) != width or len(p.velocities) != width for p in points):
        raise WireError(f'JointTrajectory: a point lacks one of {width} positions or velocities')
    order = [column[name] for name in joints]
    times = np.array([p.time_from_start_ns for p in points], dtype=np.int64)
    positions = np.array([p.positions for p in points], dtype=np.float64)[:, order]
    velocities = np.array([p.velocities for p in points], dtype=np.float64)[:, order]
    if (np.diff(times) <= 0).any():
        raise WireError('JointTrajectory: its times do not rise strictly')
    if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
        raise WireError('JointTrajectory: a position or velocity is not finite')
    return Trajectory(message.stamp_ns, tuple(joints), times, positions, velocities)
