"""Runs of both nodes' cores, traced and recorded as the nodes and the recorder do it."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge import __version__
from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory, encode_uint8_multi_array
from physical_ai_bridge.runtime.decision_bytes import observation_payload, proposal_payload
from physical_ai_bridge.runtime.incident import IncidentRecorder, Record
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.policy_inputs import policy_topics, PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import Infer
from physical_ai_bridge.runtime.supervisor_inputs import supervisor_topics
from physical_ai_bridge.runtime.traces import Head, TraceWriter
from physical_ai_bridge.testing.clock import ManualClock
from physical_ai_bridge.testing.recorded import joint_state_bytes, wrench_bytes

DIGEST = 'c' * 64
_BATCH_NS = seconds_to_ns(0.2)
_HEAD_NS = seconds_to_ns(1.0)
_STEP_S = 0.01


class TracedNode:
    """Puts what a node takes, and its trace, into ``messages``, and all into a ``journal``."""

    def __init__(self, trace: str, topics: dict[str, str], head: Head,
                 messages: list[RecordedMessage]) -> None:
        self._trace, self._topics, self._head = trace, topics, head
        self.messages = messages
        self.journal: list[JournalEntry] = []
        self._writer = TraceWriter(topics)
        self._batch_ns = 0

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Take note of a call or an outcome."""
        self._writer.append(kind, now, payload)
        self.journal.append(JournalEntry(kind, now, payload))
        if kind in self._topics:
            self._record(self._topics[kind], now, payload)

    def head(self, now: Instant, state: bytes) -> None:
        """Take note of the core's state."""
        self._writer.head(now, Head(
            package_version=self._head.package_version, node=self._head.node,
            cell_digest=self._head.cell_digest, bundle_digest=self._head.bundle_digest,
            provider=self._head.provider, state=state))

    def restart(self, now: Instant) -> None:
        """Leave out what was not sent, and begin anew."""
        self._writer.begin(now)

    def send(self, now: Instant, *, at_once: bool = False) -> None:
        """Publish a batch, if it is time."""
        if not at_once and now.steady_ns - self._batch_ns < _BATCH_NS:
            return
        self._batch_ns = now.steady_ns
        batch = self._writer.take()
        if batch is not None:
            self._record(self._trace, now, encode_uint8_multi_array(batch))

    def _record(self, topic: str, now: Instant, data: bytes) -> None:
        self.messages.append(RecordedMessage(topic, '', now.ros_ns, data))


class TracingRecorder(IncidentRecorder):
    """A recorder for ``testing.recorded`` that traces what it is told, into ``messages``."""

    def __init__(self, cell: Cell, messages: list[RecordedMessage]) -> None:
        super().__init__()
        self._node = TracedNode(
            SUPERVISOR_TRACE, supervisor_topics(cell),
            Head(package_version=__version__, node='/safety_supervisor', cell_digest=DIGEST,
                 bundle_digest='', provider='', state=b''), messages)

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Take note of a call or an outcome."""
        super().append(kind, now, payload)
        self._node.append(kind, now, payload)
        if kind == 'deactivate':
            self._node.send(now, at_once=True)

    def keep_snapshot(self, now: Instant, state: bytes) -> None:
        """Take the state of the supervisor."""
        super().keep_snapshot(now, state)
        self._node.head(now, state)

    def restart(self, now: Instant) -> None:
        """Begin anew: nobody listened for a while."""
        self._node.restart(now)

    def send(self, now: Instant) -> None:
        """Publish what there is."""
        self._node.send(now, at_once=True)

    def due(self, now: Instant) -> Record | None:
        """Do what follows a tick."""
        self._node.send(now)
        return super().due(now)


class TracedPolicy:
    """
    A policy loop with an ideal robot behind it, which executes what is proposed.

    ``force_n`` is what its wrench sensors measure, unless they are ``silent``.
    """

    def __init__(self, binding: Binding, infer: Infer, messages: list[RecordedMessage], *,
                 provider: str = 'cpu') -> None:
        self.clock = ManualClock()
        self.force_n, self.silent = 0.0, False
        self._binding, self._infer = binding, infer
        self._loop = PolicyLoop(binding)
        self._inputs = PolicyInputs(self._loop, binding)
        self._node = TracedNode(
            POLICY_TRACE, policy_topics(binding),
            Head(package_version=__version__, node='/policy_node', cell_digest=DIGEST,
                 bundle_digest=binding.bundle_digest, provider=provider, state=b''), messages)
        self._position = np.zeros(len(binding.cell.robot.joints))
        self._command: Trajectory | None = None
        self._headed_ns = 0

    @property
    def journal(self) -> list[JournalEntry]:
        """The run's journal."""
        return self._node.journal

    def activate(self) -> None:
        """Begin anew."""
        now = self.clock.now
        self._head(now)
        self._loop.reset()
        self._node.append('activate', now)

    def deactivate(self) -> None:
        """Come to rest."""
        now = self.clock.now
        self._node.append('settle', now, proposal_payload(self._loop.settle(now)))
        self._node.send(now, at_once=True)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / _STEP_S)):
            now = self.clock.advance(_STEP_S)
            if self._command is not None:
                self._position = self._command.at(now.ros_ns).position
            self.take('joint_state', joint_state_bytes(JointSample(
                now.ros_ns, self._binding.cell.robot.joints, self._position)))
            for sensor in () if self.silent else self._binding.manifest.observation.wrenches:
                self.take(f'wrench/{sensor}', wrench_bytes(WrenchSample(
                    now.ros_ns, np.array([self.force_n, 0.0, 0.0]), np.zeros(3))))
            if self._loop.due(now):
                self._work(now)
            if now.steady_ns - self._headed_ns >= _HEAD_NS:
                self._head(now)
            self._node.send(now)

    def take(self, kind: str, data: bytes) -> None:
        """Take an input."""
        now = self.clock.now
        self._node.append(kind, now, data)
        taken = self._inputs.take(kind, data, now)
        if taken is not None and taken.proposal is not None:
            self._node.append('refresh', now, proposal_payload(taken.proposal))

    def _head(self, now: Instant) -> None:
        self._headed_ns = now.steady_ns
        self._node.head(now, self._inputs.carried())

    def _work(self, now: Instant) -> None:
        observation = self._loop.observe(now)
        self._node.append('observe', now, observation_payload(observation))
        if not isinstance(observation, Observation):
            return
        outcome = self._loop.propose(observation, self._infer(observation.inputs), now)
        self._node.append('propose', now, proposal_payload(outcome))
        if isinstance(outcome, Trajectory):
            self._command = outcome
            self.take('command', encode_joint_trajectory(outcome))
