"""Samples of ``example_cell`` at times in ms, and a builder that has seen 400 ms of them."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import ObservationBuilder
from physical_ai_bridge.testing.contracts import example_binding, JOINTS

MS = 1_000_000
# Any time will do; one far from zero shows where a stamp is taken for a duration.
START = 100_000 * MS
REST = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6])


def joints(
        at_ms: float, position: np.ndarray = REST, names: tuple[str, ...] = JOINTS) -> JointSample:
    """Return a joint state."""
    return JointSample(START + round(at_ms * MS), names, np.asarray(position, np.float64))


def wrench(at_ms: float, force_n: float = 0.0) -> WrenchSample:
    """Return a wrench with the same force on each axis, and its negative as torque."""
    return WrenchSample(START + round(at_ms * MS), np.full(3, force_n), np.full(3, -force_n))


def frame(at_ms: float, value: int = 0) -> ImageSample:
    """Return a frame of one shade of grey."""
    return ImageSample(START + round(at_ms * MS), 'rgb8', 240, 320, 960,
                       bytes([value]) * (960 * 240))


def now(at_ms: float) -> Instant:
    """Return an instant."""
    return Instant(START + round(at_ms * MS), 0)


def hold(at_ms: float, position: np.ndarray, names: tuple[str, ...] = JOINTS) -> Trajectory:
    """Return a command that stands still."""
    return Trajectory.hold(START + round(at_ms * MS), names, position)


def feed(builder: ObservationBuilder, until_ms: int = 400) -> ObservationBuilder:
    """Push joints and wrenches every 2 ms, whose force is their time in ms, and both frames."""
    for at_ms in range(0, until_ms + 1, 2):
        builder.push_joint_state(joints(at_ms))
        builder.push_wrench('wrist', wrench(at_ms, at_ms))
    builder.push_image('scene', frame(until_ms - 20, 50))
    builder.push_image('wrist', frame(until_ms - 10, 60))
    return builder


def ready(manifest: Manifest | None = None) -> ObservationBuilder:
    """Return a builder that has seen 400 ms of everything."""
    return feed(ObservationBuilder(example_binding(manifest=manifest)))
