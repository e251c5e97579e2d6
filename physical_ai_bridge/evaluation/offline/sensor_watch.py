"""What the sensors of a recording say, message by message, that they should not."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.health import FrameHealth, JointHealth
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.topics import Input

# A cell reports a new episode within this, and puts the robot back no further from its begin.
_TOLD_AFTER_NS, _PUT_BACK_NS = seconds_to_ns(1.0), seconds_to_ns(0.3)

_FOUND = {
    Reason.JOINTS_JUMPED: FindingCode.JOINT_JUMP,
    Reason.JOINTS_STALE: FindingCode.STALE_SAMPLES,
    Reason.WRENCH_STALE: FindingCode.STALE_SAMPLES,
    Reason.FROM_THE_FUTURE: FindingCode.STALE_SAMPLES,
    Reason.JOINTS_MISSING: FindingCode.ROBOT_DIFFERENT,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Jump:
    ros_ns: int
    topic: str
    detail: str
    before: np.ndarray | None
    after: np.ndarray | None


class SensorWatch:
    """
    Takes every sample, with what the supervisor refused of it, and writes down what is wrong.

    ``measured`` is the newest joint position (N,) that was not refused, in the cell's order.
    """

    def __init__(self, cell: Cell, ledger: Ledger, begin_ns: int) -> None:
        self._joints, self._ledger, self._begin_ns = cell.robot.joints, ledger, begin_ns
        self._order = JointHealth(self._joints, cell.sensors.joint_states.topic, ledger)
        self._frames: dict[str, FrameHealth] = {}
        self._jumps: list[_Jump] = []
        self._names: tuple[str, ...] | None = None
        self._columns: list[int] | None = None
        self.measured: np.ndarray | None = None

    def _at_s(self, ros_ns: int) -> float:
        return (ros_ns - self._begin_ns) / NS_PER_S

    def on_joints(
            self, source: Input, sample: JointSample, refusal: Refusal | None, now: Instant,
    ) -> np.ndarray | None:
        """Take a joint state; return where the joints are (N,), None where it does not say."""
        if sample.names is not self._names:
            self._order.names(sample, self._at_s(now.ros_ns))
            self._names, self._columns = sample.names, self._find(sample.names)
        for values in (sample.position, sample.velocity):
            self._check_finite(source, values, now)
        position = None
        if self._columns is not None and len(sample.position) == len(sample.names):
            position = sample.position[self._columns]
        if refusal is not None:
            self._refused(refusal, source, position, now)
            return None
        if position is None or not math.isfinite(sum(position.tolist())):
            return None
        self.measured = position
        return position

    def _find(self, names: tuple[str, ...]) -> list[int] | None:
        if not set(self._joints) <= set(names):
            return None
        return [names.index(name) for name in self._joints]

    def on_wrench(
            self, source: Input, sample: WrenchSample, refusal: Refusal | None, now: Instant,
    ) -> None:
        """Take a wrench."""
        self._check_finite(source, sample.force, now)
        self._check_finite(source, sample.torque, now)
        if refusal is not None:
            self._refused(refusal, source, None, now)

    def on_frame(self, source: Input, sample: ImageSample, now: Instant) -> None:
        """Take a frame."""
        if source.topic not in self._frames:
            self._frames[source.topic] = FrameHealth(source.topic, self._ledger)
        self._frames[source.topic].take(sample, self.measured, now.ros_ns - self._begin_ns)

    def compare(self, commanded: np.ndarray, now: Instant) -> None:
        """Take where the robot is sent (N,) now."""
        if self.measured is not None:
            self._order.compare(self.measured, commanded, self._at_s(now.ros_ns))

    def _check_finite(self, source: Input, values: np.ndarray | None, now: Instant) -> None:
        # A sum of what is finite is finite, but for overflow, which is looked at then.
        if values is None or math.isfinite(sum(values.tolist())) or np.isfinite(values).all():
            return
        self._ledger.add(
            FindingCode.NOT_FINITE, source.topic, f'found {", ".join(map(str, values.tolist()))}',
            self._at_s(now.ros_ns))

    def _refused(self, refusal: Refusal, source: Input, position: np.ndarray | None,
                 now: Instant) -> None:
        code = _FOUND.get(refusal.reason)
        if code is FindingCode.JOINT_JUMP:
            self._jumps.append(
                _Jump(now.ros_ns, source.topic, refusal.detail, self.measured, position))
        elif code is not None:
            self._ledger.add(code, source.topic, refusal.detail, self._at_s(now.ros_ns))

    def on_episode(self, start_ns: int) -> None:
        """Take that an episode began: a simulated robot is put back then, which is a jump."""
        self._jumps = [jump for jump in self._jumps if abs(jump.ros_ns - start_ns) > _PUT_BACK_NS]

    def tell_jumps(self, now_ns: int | None) -> None:
        """Write down the jumps that no new episode explains any more; all of them for None."""
        while self._jumps and (
                now_ns is None or self._jumps[0].ros_ns < now_ns - _TOLD_AFTER_NS):
            jump = self._jumps.pop(0)
            at_s = self._at_s(jump.ros_ns)
            self._ledger.add(FindingCode.JOINT_JUMP, jump.topic, jump.detail, at_s)
            if jump.before is not None and jump.after is not None:
                self._order.jumped(jump.before, jump.after, at_s)
