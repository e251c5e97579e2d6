"""A supervised robot whose supervisor is told everything as bytes, as its node is."""

from __future__ import annotations

from collections.abc import Callable
import struct

import msgpack
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, WrenchSample
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.runtime.incident import IncidentRecorder, Record
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.decision import Authority, Decision
from physical_ai_bridge.safety.snapshot import snapshot
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.supervised import SupervisedRobot

_ENCAPSULATION = b'\x00\x01\x00\x00'


def joint_state_bytes(sample: JointSample) -> bytes:
    """Return a sensor_msgs/msg/JointState with positions alone."""
    out = bytearray(_header(sample.stamp_ns) + struct.pack('<I', len(sample.names)))
    for name in sample.names:
        text = name.encode() + b'\0'
        out += struct.pack('<I', len(text)) + text + bytes(-len(text) % 4)
    out += struct.pack('<I', len(sample.position))
    out += bytes((4 - len(out)) % 8) + sample.position.astype('<f8').tobytes()
    return bytes(out + bytes(8))


def wrench_bytes(sample: WrenchSample) -> bytes:
    """Return a geometry_msgs/msg/WrenchStamped."""
    out = _header(sample.stamp_ns)
    return out + bytes((4 - len(out)) % 8) + struct.pack('<6d', *sample.force, *sample.torque)


def bool_bytes(value: bool) -> bytes:
    """Return a std_msgs/msg/Bool."""
    return _ENCAPSULATION + bytes([value])


def _header(stamp_ns: int) -> bytes:
    return _ENCAPSULATION + struct.pack('<iII4x', *divmod(stamp_ns, NS_PER_S), 1)


class RecordedSupervisor:
    """Notes every call of a supervisor's, and its outcome, in a recorder's journal."""

    def __init__(self, core: Supervisor, cell: Cell, recorder: IncidentRecorder) -> None:
        self.core, self.recorder = core, recorder
        self.records: list[Record] = []
        self._inputs = SupervisorInputs(core, cell)

    def take(self, kind: str, data: bytes, now: Instant) -> bool:
        """Take any input as bytes."""
        self.recorder.append(kind, now, data)
        return self._inputs.take(kind, data, now)

    def on_joint_state(self, sample: JointSample, now: Instant) -> bool:
        """Take a joint state."""
        return self.take('joint_state', joint_state_bytes(sample), now)

    def on_wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> bool:
        """Take a wrench."""
        return self.take(f'wrench/{sensor}', wrench_bytes(sample), now)

    def on_emergency_stop(self, pressed: bool, now: Instant) -> bool:
        """Take a heartbeat."""
        return self.take('emergency_stop', bool_bytes(pressed), now)

    def on_proposal(self, message: TrajectoryMessage, now: Instant) -> bool:
        """Take a proposal: one that has positions and velocities of all joints."""
        return self.take('proposal', encode_joint_trajectory(
            trajectory_from_message(message, message.joint_names)), now)

    def stop(self, now: Instant) -> bool:
        """Stop."""
        self.recorder.append('stop', now)
        return self.core.stop(now)

    def reset(self, now: Instant) -> Refusal | None:
        """Reset."""
        self.recorder.append('reset', now)
        return self.core.reset(now)

    def activate(self, now: Instant) -> Decision:
        """Activate: what is kept begins here."""
        self.recorder.begin(now, self._state())
        return self._decided('activate', self.core.activate, now)

    def deactivate(self, now: Instant) -> Decision:
        """Deactivate: a record that is open ends here."""
        decision = self._decided('deactivate', self.core.deactivate, now)
        self._keep(self.recorder.finish())
        return decision

    def tick(self, now: Instant) -> Decision:
        """Tick, and then do what the node does after a tick."""
        decision = self._decided('tick', self.core.tick, now)
        self._keep(self.recorder.due(now))
        if self.recorder.snapshot_due(now):
            self.recorder.keep_snapshot(now, self._state())
        return decision

    def withdraw(self, decision: Decision, now: Instant) -> Decision:
        """Take a command back."""
        outcome = self.core.withdraw(decision, now)
        self.recorder.append('withdraw', now, decision_payload(outcome))
        return outcome

    def _decided(self, kind: str, decide: Callable[[Instant], Decision], now: Instant) -> Decision:
        decision = decide(now)
        self.recorder.append(kind, now, decision_payload(decision))
        self.recorder.decided(decision)
        return decision

    def _state(self) -> bytes:
        return msgpack.packb(snapshot(self.core))

    def _keep(self, record: Record | None) -> None:
        if record is not None:
            self.records.append(record)


class RecordedRobot(SupervisedRobot):
    """A supervised robot of which every incident is kept in ``records``."""

    def __init__(
            self, cell: Cell, authority: Authority = Authority.LIVE,
            recorder: IncidentRecorder | None = None) -> None:
        super().__init__(cell, authority)
        self.supervisor = RecordedSupervisor(
            self.supervisor, cell, recorder or IncidentRecorder())

    @property
    def records(self) -> list[Record]:
        """The records that are finished."""
        return self.supervisor.records
