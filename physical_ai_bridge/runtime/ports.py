"""The seams of the runtime: what a cell is to a shell that runs without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory


@dataclass(frozen=True, slots=True, eq=False)
class SensorBatch:
    """
    What a cell's sensors delivered over a stretch of time, each stream in the order of stamps.

    ``joints`` and ``wrenches`` (by sensor) may hold many samples, ``images`` (by camera) at most
    the newest frame of each camera.
    """

    joints: tuple[JointSample, ...]
    wrenches: dict[str, tuple[WrenchSample, ...]]
    images: dict[str, ImageSample]


class CellPort(Protocol):
    """A robot cell that advances only when told to: simulated, in lockstep, deterministic."""

    @property
    def now_ns(self) -> int:
        """The cell's time, which its stamps are in."""

    def advance(self, duration_ns: int) -> SensorBatch:
        """Let ``duration_ns`` pass and return what the sensors delivered meanwhile."""

    def execute(self, command: Trajectory) -> None:
        """Hand a command to the controller; it takes effect from the next step on."""

    def execute_gripper(self, command: Trajectory) -> None:
        """Hand a command to the gripper's controller, where the cell has one."""
