"""Listen to a cell: every message, as the bytes that came, goes to whoever wants to keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
import time
from types import TracebackType
from typing import Protocol

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.names import (
    DIAGNOSTICS,
    EPISODE,
    into_namespace,
    POLICY_TASK,
    POLICY_TRACE,
    PROPOSALS,
    SUPERVISOR_STATE,
    SUPERVISOR_TRACE,
)
from physical_ai_bridge.nodes.dds import use_packaged_profile
from physical_ai_bridge.nodes.executor import make_executor
from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
import rclpy
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
_SETPOINTS = 'std_msgs/msg/Float64MultiArray'
_STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
_TRACE = 'std_msgs/msg/UInt8MultiArray'
_JOINT_STATE = 'sensor_msgs/msg/JointState'
# A second of the fastest stream: whoever records must not lose what a busy moment holds up.
_STREAM_DEPTH = 512
_STEP_S = 0.05


class Sink(Protocol):
    """Takes one message; must return at once."""

    def __call__(self, topic: str, type_name: str, received_ns: int, data: bytes) -> object:
        """Take the bytes that came on a topic, and when, in ROS time."""


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """One topic to listen to: its type as ``package/msg/Name`` and how it is published."""

    name: str
    type_name: str
    reliable: bool = False
    latched: bool = False
    depth: int = _STREAM_DEPTH


def cell_topics(cell: Cell) -> tuple[TopicChoice, ...]:
    """Return what goes in and out of the nodes of a cell, apart from /clock."""
    sensors = cell.sensors
    return (
        TopicChoice(sensors.joint_states.topic, _JOINT_STATE),
        *(TopicChoice(wrench.topic, 'geometry_msgs/msg/WrenchStamped')
          for wrench in sensors.wrenches.values()),
        *(TopicChoice(camera.topic, camera.type, depth=8) for camera in sensors.cameras.values()),
        TopicChoice(cell.safety.emergency_stop.topic, 'std_msgs/msg/Bool', depth=8),
        TopicChoice(PROPOSALS, _TRAJECTORY, reliable=True, depth=64),
        TopicChoice(cell.controller.plan_topic, _TRAJECTORY, reliable=True, depth=64),
        *((TopicChoice(cell.controller.topic, _SETPOINTS, reliable=True),)
          if cell.controller.streams else ()),
        # Another type than ROS itself has is not in a recording: what it says stands in the trace.
        *((TopicChoice(cell.controller.state_topic, _JOINT_STATE),)
          if cell.controller.state_topic and cell.controller.state_type == _JOINT_STATE else ()),
        *_gripper_topics(cell),
        TopicChoice(SUPERVISOR_STATE, _STATUS, reliable=True, latched=True, depth=64),
        TopicChoice(EPISODE, _STATUS, reliable=True, latched=True, depth=64),
        TopicChoice(POLICY_TASK, 'std_msgs/msg/String', reliable=True, latched=True, depth=64),
        TopicChoice(DIAGNOSTICS, 'diagnostic_msgs/msg/DiagnosticArray', reliable=True, depth=64),
        TopicChoice(SUPERVISOR_TRACE, _TRACE, reliable=True, depth=64),
        TopicChoice(POLICY_TRACE, _TRACE, reliable=True, depth=64),
    )


def _gripper_topics(cell: Cell) -> tuple[TopicChoice, ...]:
    gripper = cell.gripper
    if gripper is None:
        return ()
    topics = [TopicChoice(gripper.plan_topic, _TRAJECTORY, reliable=True, depth=64)]
    if gripper.streams:
        topics.append(TopicChoice(gripper.topic, _SETPOINTS, reliable=True))
    if gripper.state_topic is not None:
        topics.append(TopicChoice(gripper.state_topic, _JOINT_STATE))
    return tuple(topics)


class Recorder(Node):
    """A plain node that subscribes to ``topics`` and decodes nothing."""

    def __init__(self, name: str, topics: Sequence[TopicChoice], sink: Sink) -> None:
        super().__init__(name, start_parameter_services=False, parameter_overrides=[
            Parameter('start_type_description_service', value=False)])
        clock = self.get_clock()

        def take(topic: TopicChoice, data: bytes) -> None:
            sink(topic.name, topic.type_name, clock.now().nanoseconds, data)

        for topic in topics:
            package, _, message = topic.type_name.split('/')
            self.create_subscription(
                getattr(import_module(f'{package}.msg'), message), topic.name,
                partial(take, topic), _profile(topic), raw=True)


def _profile(topic: TopicChoice) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=topic.depth,
        reliability=(ReliabilityPolicy.RELIABLE if topic.reliable
                     else ReliabilityPolicy.BEST_EFFORT),
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if topic.latched
                    else DurabilityPolicy.VOLATILE))


class RecorderSession:
    """
    A process that records and, in the same thread, conducts the other nodes.

    Everything happens inside ``step`` and the calls that wait; use it in a ``with`` statement.
    ``attend`` is called at every step: it may raise, to leave a wait early. ``args`` are ROS's
    own, after --ros-args: a namespace and remappings, say.
    """

    def __init__(
            self, name: str, topics: Sequence[TopicChoice], sink: Sink,
            attend: Callable[[], None], args: Sequence[str] = ()) -> None:
        use_packaged_profile()
        self._attend = attend
        rclpy.init(args=list(args), signal_handler_options=SignalHandlerOptions.NO)
        self._node = Recorder(name, topics, sink)
        self._executor = make_executor()
        self._executor.add_node(self._node)

    def __enter__(self) -> RecorderSession:
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> None:
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def spin_once(self, timeout_sec: float) -> None:
        """Serve what has come; ``LifecycleClient`` waits through this."""
        self._executor.spin_once(timeout_sec=timeout_sec)
        self._attend()

    @property
    def logger(self) -> RcutilsLogger:
        """The node's logger."""
        return self._node.get_logger()

    def full_name(self, name: str) -> str:
        """Return the full name of ``name``, which may be relative to this node's namespace."""
        return name if name.startswith('/') else into_namespace(name, self._node.get_namespace())

    def count_nodes(self, full_name: str) -> int:
        """Return how many nodes bear a name, as far as this process has heard."""
        found = self._node.get_node_names_and_namespaces()
        return sum(into_namespace(name, space) == full_name for name, space in found)

    def lifecycle(self, target: str) -> LifecycleClient:
        """Return a client for the lifecycle of the node ``target``, such as /policy_node."""
        return LifecycleClient(self._node, self, target)

    def wait_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Serve until ``done``; False where the time is over first."""
        end = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() >= end:
                return False
            self.spin_once(_STEP_S)
        return True

    def trigger(self, service: str, timeout_s: float) -> str:
        """
        Call a std_srvs/Trigger and return its message.

        Raises
        ------
        BridgeError
            When nobody answers, or the answer is no.

        """
        client = self._node.create_client(Trigger, service)
        try:
            if not self.wait_until(client.service_is_ready, timeout_s):
                raise BridgeError(f'{service}: nobody offers this service')
            future = client.call_async(Trigger.Request())
            if not self.wait_until(future.done, timeout_s):
                raise BridgeError(f'{service}: no answer within {timeout_s:g} s')
            if not future.result().success:
                raise BridgeError(f'{service}: {future.result().message}')
            return future.result().message
        finally:
            self._node.destroy_client(client)
