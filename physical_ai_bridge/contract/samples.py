"""What sensors deliver, as plain values: arrays read-only by convention, stamps in ROS time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class JointSample:
    """
    One joint state, as the driver sent it: its order, its extra joints, its gaps.

    ``position`` and ``velocity`` are (len(names),) float64 in rad and rad/s (m and m/s for
    prismatic joints); ``velocity`` is None where the driver sends none.
    """

    stamp_ns: int
    names: tuple[str, ...]
    position: np.ndarray
    velocity: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WrenchSample:
    """One wrench in the sensor's frame: ``force`` (3,) in N, ``torque`` (3,) in N·m, float64."""

    stamp_ns: int
    force: np.ndarray
    torque: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class ImageSample:
    """
    One frame, not decoded yet.

    ``data`` are the bytes of sensor_msgs/Image (``encoding`` rgb8, bgr8, mono8, rgba8 or bgra8,
    ``step`` bytes a row) or, with ``compressed``, of sensor_msgs/CompressedImage, where
    ``encoding`` is the message's ``format`` and ``height``, ``width`` and ``step`` are 0.
    """

    stamp_ns: int
    encoding: str
    height: int
    width: int
    step: int
    data: memoryview | bytes
    compressed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryPoint:
    """One point of a JointTrajectory as it came; nothing about it has been checked."""

    time_from_start_ns: int
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    accelerations: tuple[float, ...]
    effort: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryMessage:
    """A JointTrajectory as it came. ``safety.sanitise`` turns it into a Trajectory, or refuses."""

    stamp_ns: int
    joint_names: tuple[str, ...]
    points: tuple[TrajectoryPoint, ...]
