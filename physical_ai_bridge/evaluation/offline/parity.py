"""What a bag's run decided, decided again from the bag alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.evaluation.offline.message_window import MessageWindow
from physical_ai_bridge.evaluation.offline.parity_followers import (
    Follower,
    PolicyFollower,
    SupervisorFollower,
)
from physical_ai_bridge.evaluation.offline.parity_ledger import Difference, Ledger, NodeParity
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.runtime.cdr import decode_uint8_multi_array
from physical_ai_bridge.runtime.policy_inputs import policy_topics
from physical_ai_bridge.runtime.policy_replay import Infer
from physical_ai_bridge.runtime.supervisor_inputs import supervisor_topics
from physical_ai_bridge.runtime.traces import Form, read_batch, TraceBatch, TraceEntry
from physical_ai_bridge.safety.robot_model import RobotModel

__all__ = ['Difference', 'NodeParity', 'Parity', 'ParityCheck']

# How far from when a node took a message it may have been recorded, before and after.
_BEFORE_NS = seconds_to_ns(1.0)
_AFTER_NS = seconds_to_ns(1.0)
# How late a batch may come: one that a busy recorder lost is sent again after three seconds.
_LATE_NS = seconds_to_ns(4.0)
# Over so many batches, the quickest tells what the recorder's clock is to the node's.
_OFFSETS = 25
# What a supervisor is told nothing after, until it is activated.
_LAST = 'deactivate'


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Both nodes' parity."""

    supervisor: NodeParity
    policy: NodeParity


class ParityCheck:
    """
    Decides again what the traces in a bag say was decided; fed with the bag's messages in order.

    ``topics`` are what it wants to be fed with; times count from the first that it is fed.
    ``cell_digest`` is the cell file's sha256. ``infer`` is ``policy.infer`` of the bundle in
    ``binding``, without a deadline, on ``provider`` where that is known; without them the policy
    is left out. ``kinematics`` is what ``policy.actions.kinematics_for`` returns for the binding.
    What is kept, uncopied, are the messages of the last second, and of up to five where a trace
    is late.
    """

    def __init__(
            self, cell: Cell, cell_digest: str, robot: RobotModel, *,
            binding: Binding | None = None, infer: Infer | None = None,
            kinematics: TcpKinematics | None = None, provider: str | None = None) -> None:
        self._window = MessageWindow()
        self._supervisor_ledger = Ledger('safety_supervisor')
        self._policy_ledger = Ledger('policy_node')
        self._readings = {SUPERVISOR_TRACE: _Reading(
            SUPERVISOR_TRACE, supervisor_topics(cell), self._window, self._supervisor_ledger,
            SupervisorFollower(cell, cell_digest, robot, self._supervisor_ledger))}
        if binding is not None and infer is not None:
            self._readings[POLICY_TRACE] = _Reading(
                POLICY_TRACE, policy_topics(binding), self._window, self._policy_ledger,
                PolicyFollower(cell_digest, binding, infer, kinematics, provider,
                               self._policy_ledger))
        else:
            self._policy_ledger.gap(0.0, 'no bundle was given')
        self._inputs = frozenset(
            topic for reading in self._readings.values() for topic in reading.topics.values())
        self.topics = self._inputs | frozenset(self._readings)
        self._begin_ns: int | None = None
        self._now_ns = 0

    def on_message(self, message: RecordedMessage) -> None:
        """Take a message of ``topics``, in recorded order; others are left aside."""
        self._now_ns = message.stamp_ns
        if self._begin_ns is None:
            self._begin_ns = message.stamp_ns
        if message.topic in self._inputs:
            self._window.add(message.topic, message.stamp_ns, message.data)
        elif message.topic in self._readings:
            self._readings[message.topic].on_batch(
                message.stamp_ns, message.stamp_ns - self._begin_ns, message.data)
        else:
            return
        needed_ns = message.stamp_ns
        for reading in self._readings.values():
            reading.advance(message.stamp_ns - _AFTER_NS)
            needed_ns = min(needed_ns, reading.needed_ns(message.stamp_ns))
        self._window.forget(max(needed_ns, message.stamp_ns - _LATE_NS) - _BEFORE_NS)

    @property
    def messages_kept(self) -> int:
        """How many messages there are in memory."""
        return len(self._window)

    def finish(self) -> Parity:
        """Return what came out, once, after the last message."""
        elapsed_s = (self._now_ns - (self._begin_ns or 0)) / NS_PER_S
        for reading in self._readings.values():
            reading.advance(self._now_ns)
            reading.finish(elapsed_s)
        return Parity(
            supervisor=self._supervisor_ledger.result(), policy=self._policy_ledger.result())


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """
    A batch of which not every message has been found.

    ``elapsed_ns`` is from the first message to when it was recorded; ``at`` is its entry that
    comes next. ``trouble`` is why there is no ``batch``.
    """

    stamp_ns: int
    elapsed_ns: int
    batch: TraceBatch | None = None
    trouble: str = ''
    begun: bool = False
    at: int = 0


class _Reading:
    """Reads one node's trace, and finds the messages that it refers to."""

    def __init__(
            self, trace: str, topics: Mapping[str, str], window: MessageWindow, ledger: Ledger,
            follower: Follower) -> None:
        self.topics = topics
        self._window, self._ledger, self._follower = window, ledger, follower
        self._waiting: deque[_Waiting] = deque()
        self._last: dict[str, int] = {}
        self._expected: tuple[int, int] | None = None
        self._offsets_ns: deque[int] = deque(maxlen=_OFFSETS)
        # When the entry was taken that came last, on the recorder's clock; None between runs.
        self._reached_ns: int | None = None
        ledger.gap(0.0, f'the bag has nothing on {trace}, which `physical_ai_bridge record` '
                   'records')

    def on_batch(self, stamp_ns: int, elapsed_ns: int, data: bytes) -> None:
        """Take a batch; it is read when its messages are there."""
        waiting = _Waiting(stamp_ns=stamp_ns, elapsed_ns=elapsed_ns)
        try:
            waiting.batch = read_batch(decode_uint8_multi_array(data))
        except BridgeError as error:
            waiting.trouble = str(error)
        self._waiting.append(waiting)

    def needed_ns(self, now_ns: int) -> int:
        """Return since when what was recorded may be asked for; ``now_ns`` where nothing is."""
        return now_ns if self._reached_ns is None else self._reached_ns

    def advance(self, patience_ns: int) -> None:
        """Go on as far as messages are there; what came until ``patience_ns`` waits no longer."""
        while self._waiting:
            waiting = self._waiting[0]
            if not waiting.begun:
                waiting.begun = True
                self._begin(waiting)
            if not self._read(waiting, patient=waiting.stamp_ns > patience_ns):
                return
            self._waiting.popleft()

    def _begin(self, waiting: _Waiting) -> None:
        at_s = waiting.elapsed_ns / NS_PER_S
        batch, expected = waiting.batch, self._expected
        if batch is None:
            if expected is not None:
                self._expected = expected[0], expected[1] + 1
            self._follower.lost(at_s, waiting.trouble)
            return
        self._expected = batch.run, batch.number + 1
        if expected is None or batch.run != expected[0]:
            self._offsets_ns.clear()  # another steady clock, maybe
        if batch.entries:
            self._offsets_ns.append(waiting.stamp_ns - batch.entries[-1].now.steady_ns)
        if expected is None:
            self._ledger.close(at_s)
            self._follower.lost(at_s, 'what came before is not in the bag')
        elif batch.run != expected[0] and batch.number == 0:
            self._follower.lost(at_s, 'the trace began anew')
        elif (batch.run, batch.number) != expected:
            self._follower.lost(at_s, 'a part of the trace is not in the bag')

    def _read(self, waiting: _Waiting, *, patient: bool) -> bool:
        """Do entries; False where a message is not there yet."""
        entries = () if waiting.batch is None else waiting.batch.entries
        while waiting.at < len(entries):
            entry = entries[waiting.at]
            taken_ns = entry.now.steady_ns + min(self._offsets_ns)
            self._reached_ns = None if entry.kind == _LAST else taken_ns
            at_s = (waiting.elapsed_ns - (waiting.stamp_ns - taken_ns)) / NS_PER_S
            payload: bytes | None = entry.content
            if entry.head is not None:
                self._follower.head(at_s, entry.now, entry.head)
            else:
                if entry.form is Form.MESSAGE:
                    payload = self._message(entry)
                    if payload is None and patient:
                        return False
                elif entry.form is Form.OUTCOME:
                    payload = entry.fingerprint
                self._follower.take(at_s, entry, payload)
            waiting.at += 1
        return True

    def _message(self, entry: TraceEntry) -> bytes | None:
        found = self._window.find(
            self.topics.get(entry.kind, ''), entry.content, self._last.get(entry.kind, -1))
        if found is None:
            return None
        self._last[entry.kind], payload = found
        return payload

    def finish(self, at_s: float) -> None:
        """Take note that nothing follows."""
        self._follower.finish(at_s)
