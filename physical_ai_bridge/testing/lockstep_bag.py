"""A run in lockstep as the messages that a recorder beside the nodes would have got."""

from __future__ import annotations

import struct

from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.runtime.ports import CellPort, SensorBatch
from physical_ai_bridge.testing.recorded import bool_bytes, joint_state_bytes, wrench_bytes

_HEARTBEAT_NS = seconds_to_ns(0.05)


def image_bytes(sample: ImageSample) -> bytes:
    """Return a sensor_msgs/msg/Image."""
    out = bytearray(b'\x00\x01\x00\x00' + struct.pack(
        '<iII4x', *divmod(sample.stamp_ns, NS_PER_S), 1))
    out += struct.pack('<II', sample.height, sample.width)
    text = sample.encoding.encode() + b'\0'
    out += struct.pack('<I', len(text)) + text + b'\0'
    out += bytes(-len(out) % 4) + struct.pack('<II', sample.step, len(sample.data))
    return bytes(out) + bytes(sample.data)


class RecordingCell:
    """A cell port that notes what goes through another one, in the order of time."""

    def __init__(self, inner: CellPort, cell: Cell) -> None:
        self._inner, self._cell = inner, cell
        self._heartbeat_ns = 0
        self.messages: list[RecordedMessage] = []

    @property
    def now_ns(self) -> int:
        """The cell's time."""
        return self._inner.now_ns

    def advance(self, duration_ns: int) -> SensorBatch:
        """Let time pass; every sample is received at its own stamp, frames at the end."""
        batch = self._inner.advance(duration_ns)
        sensors, came = self._cell.sensors, []
        came += [RecordedMessage(sensors.joint_states.topic, 'sensor_msgs/msg/JointState',
                                 sample.stamp_ns, joint_state_bytes(sample))
                 for sample in batch.joints]
        came += [RecordedMessage(sensors.wrenches[name].topic, 'geometry_msgs/msg/WrenchStamped',
                                 sample.stamp_ns, wrench_bytes(sample))
                 for name, samples in batch.wrenches.items() for sample in samples]
        came += [RecordedMessage(sensors.cameras[name].topic, 'sensor_msgs/msg/Image',
                                 self.now_ns, image_bytes(image))
                 for name, image in batch.images.items()]
        if self.now_ns - self._heartbeat_ns >= _HEARTBEAT_NS:
            self._heartbeat_ns = self.now_ns
            came.append(RecordedMessage(
                self._cell.safety.emergency_stop.topic, 'std_msgs/msg/Bool', self.now_ns,
                bool_bytes(False)))
        self.messages += sorted(came, key=lambda message: message.stamp_ns)
        return batch

    def execute(self, command: Trajectory) -> None:
        """Hand a command to the controller."""
        self.messages.append(RecordedMessage(
            self._cell.controller.plan_topic, 'trajectory_msgs/msg/JointTrajectory', self.now_ns,
            encode_joint_trajectory(command)))
        self._inner.execute(command)

    def execute_gripper(self, command: Trajectory) -> None:
        """Hand a command to the gripper's controller."""
        self._inner.execute_gripper(command)
