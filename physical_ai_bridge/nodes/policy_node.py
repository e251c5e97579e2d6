"""The node ``policy_node``: observations in, proposals out, inference on a thread of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
import sys
import threading
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle, MANIFEST
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import CellParameter
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.conversions import diagnostic_array, refusal_values, status
from physical_ai_bridge.nodes.executor import run
from physical_ai_bridge.nodes.journaling import NoJournal, open_journal
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.parameters import Parameters
from physical_ai_bridge.nodes.policy_report import PolicyReport
from physical_ai_bridge.nodes.robot_description import robot_description
from physical_ai_bridge.nodes.threads import NodeThread
from physical_ai_bridge.nodes.tracing import head_of, PERIOD_S, Trace
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.providers import DEFAULT_PROVIDERS
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.runtime.decision_bytes import observation_payload, proposal_payload
from physical_ai_bridge.runtime.policy_inputs import (
    EXECUTED,
    policy_topics,
    PolicyInputs,
    Taken,
    TASK,
)
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

_COMMAND_DEPTH = 4


class PolicyNode(ManagedNode):
    """
    Feeds the policy loop and publishes what it proposes.

    The executor's thread takes the inputs; a worker observes, infers and proposes. One lock is
    held around every call of the loop, and never while the model runs.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('policy_node', **options)
        self._settings = settings = Parameters(self)
        self._cell_parameter = CellParameter(settings)
        settings.declare('bundle', '', 'folder of the bundle: manifest.json and model.onnx')
        settings.declare(
            'providers', list(DEFAULT_PROVIDERS), 'execution providers to try, in this order: '
            'tensorrt, cuda, cpu')
        settings.declare(
            'require_provider', '', 'the one provider that may run the model; empty for any')
        settings.declare(
            'engine_cache', '', 'folder that keeps the engine which TensorRT builds for minutes '
            'at first use; empty leaves TensorRT out')
        settings.declare(
            'deadline_s', 0.0, "how long an inference may take; 0 for the policy's own period")
        settings.declare('threads', 1, 'threads of one inference on the CPU')
        settings.declare(
            'journal', '', 'path of a file to write every input and proposal to; empty for none')
        self._node_clock = NodeClock(self)
        self._journal = NoJournal()
        self._changed = threading.Condition()
        self._worker: NodeThread | None = None
        self._task: bytes | None = None
        self._stopping = True

    def configure(self) -> None:
        """Load cell and bundle, bind them, warm the model up, and make the topics."""
        loaded = self._cell_parameter.load()
        settings = self._settings
        folder = settings.path('bundle', 'a folder with manifest.json and model.onnx')
        bundle = load_bundle(folder)
        self._binding = bind(
            loaded.cell, bundle.manifest, bundle_digest=bundle.digest,
            cell_path=str(loaded.path), manifest_path=str(folder / MANIFEST))
        self._cell = loaded.cell
        deadline_s = settings.number('deadline_s', 's', at_least=0.0)
        self._policy = OnnxPolicy(
            bundle,
            providers=settings.texts('providers'),
            require_provider=settings.text('require_provider') or None,
            deadline_s=deadline_s or 1.0 / bundle.manifest.rate_hz,
            intra_op_threads=settings.whole('threads', at_least=1),
            engine_cache=settings.text('engine_cache') or None)
        for warning in self._policy.warnings:
            self.get_logger().warning(warning)
        self._journal = self._trace = Trace(
            self, head_of(self.get_fully_qualified_name(), loaded.digest, bundle.digest,
                          self._policy.provider),
            policy_topics(self._binding), open_journal(settings.text('journal')))
        self._loop = PolicyLoop(self._binding, kinematics_for(
            self._binding, partial(robot_description, self, loaded)))
        self._inputs = PolicyInputs(self._loop, self._binding)
        self._make_topics()
        self.get_logger().info(
            f'{bundle.manifest.name} runs on {self._policy.provider}, bundle {bundle.digest[:12]}')

    def _make_topics(self) -> None:
        topics = policy_topics(self._binding)
        self._streams = [*topics]
        self._cameras = {name: self._cell.sensors.cameras[name]
                         for name in self._binding.manifest.observation.images}
        self._report = self._new_report()
        self._proposal_publisher = self.make_publisher(
            JointTrajectory, '/proposed_trajectory', qos.command(depth=1))
        self._diagnostics_publisher = self.make_publisher(
            DiagnosticArray, '/diagnostics', qos.diagnostics())
        for kind, topic in topics.items():
            message, profile = self._transport(kind)
            self.make_subscription(message, topic, partial(self._take, kind), profile)
        self.make_subscription(String, '~/task', partial(self._take, TASK), qos.latched())
        self.make_timer(1.0, self._tell, self._node_clock.steady)
        self.make_timer(PERIOD_S, self._publish_trace, self._node_clock.steady)

    def _new_report(self) -> PolicyReport:
        # A topic that is remapped is counted, and told to people, by the name that it has then.
        return PolicyReport(
            {name: replace(camera, topic=self.resolve_topic_name(camera.topic))
             for name, camera in self._cameras.items()}, self._streams)

    def _transport(self, kind: str) -> tuple[type, QoSProfile]:
        """Return the type of a kind's messages, and how they come."""
        name, _, sensor = kind.partition('/')
        if name == 'image':
            compressed = self._cameras[sensor].type.endswith('CompressedImage')
            return CompressedImage if compressed else Image, qos.newest_frame()
        if kind in EXECUTED:
            return JointTrajectory, qos.command(_COMMAND_DEPTH)
        return WrenchStamped if name == 'wrench' else JointState, qos.sensor_stream()

    def activate(self) -> None:
        """Begin to observe and propose."""
        with self._changed:
            now = self._node_clock.now()
            self._loop.reset()
            self._trace.begin(now, self._inputs.carried)
            self._journal.append('activate', now)
            self._report = self._new_report()
            self._stopping = False
        if self._task is not None:
            self._take(TASK, self._task)
        self._worker = NodeThread(self, 'inference', self._work)
        self._worker.start()

    def deactivate(self) -> None:
        """Propose to come to rest, once, and stop."""
        if self._worker is None:
            return
        with self._changed:
            now = self._node_clock.now()
            self._stopping = True
            settled = self._loop.settle(now)
            self._send('settle', settled, now)
            self._trace.flush()
            self._changed.notify_all()
        self._worker.join()
        self._worker = None

    def release(self) -> None:
        """Take down the topics and close the journal."""
        self.deactivate()
        self.destroy_made()
        self._journal.close()
        self._journal = NoJournal()

    def _take(self, kind: str, data: bytes) -> None:
        """Hand an input to the loop, and do what it leads to."""
        with self._changed:
            if kind == TASK:
                # It is latched: it counts from the next activation on, too.
                self._task = data
            # What is being executed is known from before, so that the first proposal joins it.
            if self._stopping and kind not in EXECUTED:
                return
            now = self._node_clock.now()
            self._journal.append(kind, now, data)
            taken = self._inputs.take(kind, data, now)
            if taken is None:
                return
            if kind == TASK:
                self._tell_task(taken)
                return
            self._report.on_input(kind, now)
            if kind.startswith('image/'):
                self._report.on_frame(kind.partition('/')[2], now)
            if taken.proposal is not None:
                self._send('refresh', taken.proposal, now)
            if self._loop.due(now):
                self._changed.notify_all()

    def _tell_task(self, taken: Taken) -> None:
        if taken.refusal is not None:
            self.get_logger().warning(str(taken.refusal))
        else:
            self.get_logger().info(f'the instruction is now {taken.value!r}')

    def _publish_trace(self) -> None:
        with self._changed:
            batch = self._trace.collect(self._node_clock.now(), self._inputs.carried)
        self._trace.publish(batch)

    def _work(self) -> None:
        """Observe, infer and propose whenever there is something new; the worker's thread."""
        while (observation := self._next_observation()) is not None:
            try:
                actions = self._policy.infer(observation.inputs)
            except InferenceError as error:
                with self._changed:
                    self._loop.refuse(error.refusal)
                    self._report.on_refusal(error.refusal)
                    self._journal.append(
                        'refuse', self._node_clock.now(), proposal_payload(error.refusal))
                continue
            with self._changed:
                if self._stopping:
                    return
                now = self._node_clock.now()
                outcome = self._loop.propose(observation, actions, now)
                self._send('propose', outcome, now)
                self._report.on_inference(self._policy.last_inference_s or 0.0)

    def _next_observation(self) -> Observation | None:
        """Wait until an observation can be made; None at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(
                    lambda: self._stopping or self._loop.due(self._node_clock.now()))
                if self._stopping:
                    return None
                now = self._node_clock.now()
                observation = self._loop.observe(now)
                if self._journal.wanted:
                    self._journal.append('observe', now, observation_payload(observation))
                if isinstance(observation, Observation):
                    return observation
                self._report.on_refusal(observation)

    def _send(self, kind: str, outcome: Trajectory | Refusal | None, now: Instant) -> None:
        """Publish a proposal, or take note of why there is none; the lock is held."""
        if isinstance(outcome, Trajectory):
            self._proposal_publisher.publish(encode_joint_trajectory(outcome))
            if kind == 'propose':
                self._report.on_proposal(outcome.stamp_ns, self._node_clock.now())
        elif outcome is not None:
            self._report.on_refusal(outcome)
        if self._journal.wanted:
            self._journal.append(kind, now, proposal_payload(outcome))

    def _tell(self) -> None:
        """Say once a second how things are."""
        if not self.active:
            return
        now = self._node_clock.now()
        cameras = self._report.starving(self.count_publishers, now)
        with self._changed:
            level, message = self._report.headline(cameras)
            values = self._report.values(now)
            values.update(refusal_values(self._loop.refusals))
            last, task = self._loop.last_refusal, self._loop.task
        values['last_refusal'] = '' if last is None else str(last)
        for refusal in cameras:
            values.setdefault(f'refused.{refusal.reason}', 1)
            self.get_logger().warning(str(refusal), throttle_duration_sec=10.0)
        values['task'] = task or ''
        values['provider'] = self._policy.provider
        values['bundle'] = self._binding.manifest.name
        values['bundle_digest'] = self._binding.bundle_digest
        self._diagnostics_publisher.publish(diagnostic_array(now.ros_ns, status(
            self.get_fully_qualified_name(), message, values, level=level,
            hardware_id=self._cell.name)))


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(PolicyNode, args)


if __name__ == '__main__':
    sys.exit(main())
