"""A cell without physics: its robot is where the last command says, its cameras see grey."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.ports import SensorBatch


class IdealCell:
    """
    A CellPort for tests of the loop itself.

    It stands at ``start`` (N,), or else at zero. ``force_n`` is what its force sensors feel,
    ``blind`` names cameras that send nothing, ``sag`` (N,) is how far the joints that are measured
    are from those that are commanded, and ``commands`` is everything that was executed,
    ``gripper_commands`` what its gripper was sent, which begins open. All streams run at the rates
    of the cell file.
    """

    def __init__(self, cell: Cell, now_ns: int = 1_800_000_000_000_000_000,
                 start: np.ndarray | None = None) -> None:
        self._cell = cell
        self._now_ns = now_ns
        self._position = np.zeros(len(cell.robot.joints)) if start is None else np.array(start)
        self.sag = np.zeros(len(cell.robot.joints))
        self._frame_at = dict.fromkeys(cell.sensors.cameras, now_ns)
        self.force_n = 0.0
        self.blind: set[str] = set()
        self.commands: list[Trajectory] = []
        self.gripper_commands: list[Trajectory] = []

    @property
    def now_ns(self) -> int:
        """The cell's time."""
        return self._now_ns

    def execute(self, command: Trajectory) -> None:
        """Follow a command from the next step on."""
        self.commands.append(command)

    def execute_gripper(self, command: Trajectory) -> None:
        """Follow a command of the gripper."""
        self.gripper_commands.append(command)

    def _gripper_states(self, end_ns: int) -> tuple[JointSample, ...]:
        gripper = self._cell.gripper
        if gripper is None:
            return ()
        at = np.array([gripper.max_position])
        if self.gripper_commands:
            at = self.gripper_commands[-1].at(end_ns).position
        return (JointSample(end_ns, (gripper.joint,), at),)

    def position_at(self, ros_ns: int) -> np.ndarray:
        """Return where the robot is, (N,)."""
        return self.commands[-1].at(ros_ns).position if self.commands else self._position

    def advance(self, duration_ns: int) -> SensorBatch:
        """Let time pass and return what was sensed."""
        end_ns = self._now_ns + duration_ns
        sensors = self._cell.sensors
        joints = tuple(
            JointSample(at, self._cell.robot.joints, self.position_at(at) + self.sag)
            for at in self._stamps(sensors.joint_states.rate_hz, end_ns))
        wrenches = {name: tuple(
            WrenchSample(at, np.array([0.0, 0.0, -self.force_n]), np.zeros(3))
            for at in self._stamps(sensor.rate_hz, end_ns))
            for name, sensor in sensors.wrenches.items()}
        images = {}
        for name, camera in sensors.cameras.items():
            while self._frame_at[name] + seconds_to_ns(1.0 / camera.rate_hz) <= end_ns:
                self._frame_at[name] += seconds_to_ns(1.0 / camera.rate_hz)
                if name not in self.blind:
                    images[name] = ImageSample(
                        self._frame_at[name], 'rgb8', camera.height, camera.width,
                        3 * camera.width, bytes([128]) * (3 * camera.width * camera.height))
        self._now_ns = end_ns
        joints += self._gripper_states(end_ns)
        return SensorBatch(joints, wrenches, images)

    def _stamps(self, rate_hz: float, end_ns: int) -> range:
        period_ns = seconds_to_ns(1.0 / rate_hz)
        return range(self._now_ns + period_ns, end_ns + 1, period_ns)
