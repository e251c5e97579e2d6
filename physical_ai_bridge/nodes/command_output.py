"""How a verified plan gets to the controller: as a trajectory, or as a stream of setpoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import threading
from typing import Protocol

from physical_ai_bridge.contract.cell import Cell, Controller
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.conversions import Value
from physical_ai_bridge.nodes.figures import Window
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.threads import NodeThread, scheduling_of_this_thread
from physical_ai_bridge.runtime.cdr import encode_float64_multi_array, encode_joint_trajectory
from physical_ai_bridge.runtime.setpoint_stream import SetpointStream, SetpointTrouble
from physical_ai_bridge.safety.gripper import gripper_cell
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

ARM, GRIPPER = 'arm', 'gripper'
# What is being played ends at rest within this; nobody waits longer.
_END_S = 5.0
_NS_PER_MS = 1e6


class CommandOutput(Protocol):
    """Takes verified plans. ``topic_name`` is the controller's topic."""

    @property
    def topic_name(self) -> str:
        """The full name of the topic that the controller listens to."""

    def begin(self) -> None:
        """Begin, at activation."""

    def send(self, plan: Trajectory) -> None:
        """Let the controller execute a plan."""

    def trouble(self) -> SetpointTrouble | None:
        """Return, once, that the controller gets something else than what was sent."""

    def values(self) -> dict[str, Value]:
        """Return keys of a DiagnosticStatus."""

    def end(self) -> None:
        """End; returns when nothing more will be commanded from here."""


class TrajectoryOutput:
    """For a joint_trajectory_controller, which plays the plan itself."""

    def __init__(self, node: ManagedNode, controller: Controller) -> None:
        self._publisher = node.make_publisher(JointTrajectory, controller.topic, qos.command())

    @property
    def topic_name(self) -> str:
        """The full name of the topic that the controller listens to."""
        return self._publisher.topic_name

    def begin(self) -> None:
        """Do nothing."""

    def send(self, plan: Trajectory) -> None:
        """Publish a plan."""
        self._publisher.publish(encode_joint_trajectory(plan))

    def trouble(self) -> SetpointTrouble | None:
        """Return None."""

    def values(self) -> dict[str, Value]:
        """Return no keys."""
        return {}

    def end(self) -> None:
        """Do nothing: the controller has all that it needs."""


class SetpointOutput:
    """
    For a forward_command_controller: a thread plays the plans, setpoint by setpoint.

    Whoever wants to know the plan, the policy's node first, gets it on the plan topic. A tick
    that takes long, or hangs, holds up no setpoint: the plan ends at rest by itself.
    """

    def __init__(
            self, node: ManagedNode, controller: Controller, joints: tuple[str, ...],
            plan_topic: str, clock: NodeClock) -> None:
        self._node, self._clock, self._controller = node, clock, controller
        self._order = [joints.index(name) for name in controller.joints]
        self._period_s = 1.0 / controller.rate_hz
        # Made first: it is the controller's topic that is watched for others.
        self._setpoints: Publisher = node.make_publisher(
            Float64MultiArray, controller.topic, qos.command())
        self._plans = node.make_publisher(JointTrajectory, plan_topic, qos.command())
        self._changed = threading.Condition()
        self._stream = SetpointStream(controller)
        self._told: SetpointTrouble | None = None
        self._ending = True
        self._thread: NodeThread | None = None
        self._late_ms = Window()

    @property
    def topic_name(self) -> str:
        """The full name of the topic that the controller listens to."""
        return self._setpoints.topic_name

    def begin(self) -> None:
        """Start with nothing to play."""
        self._stream, self._told, self._ending = SetpointStream(self._controller), None, False
        self._thread = NodeThread(
            self._node, 'setpoints', partial(self._run, scheduling_of_this_thread()))
        self._thread.start()

    def send(self, plan: Trajectory) -> None:
        """Play a plan from now on."""
        with self._changed:
            self._stream.play(plan, self._clock.now())
            self._changed.notify_all()
        self._plans.publish(encode_joint_trajectory(plan))

    def trouble(self) -> SetpointTrouble | None:
        """Return, once, that the stream has left the plan; once more where it has come to rest."""
        with self._changed:
            self._stream.notice_a_pause(self._clock.now())
            found = self._stream.trouble
            self._stream.clear_trouble()
            if found is self._told:
                return None
            self._told = found
            return found

    def values(self) -> dict[str, Value]:
        """Return how many setpoints have gone out, and how late."""
        return {'setpoints': self._late_ms.count,
                'setpoint_late_p50_ms': self._late_ms.percentile(50.0),
                'setpoint_late_p99_ms': self._late_ms.percentile(99.0)}

    def end(self) -> None:
        """Play the last plan to its end, by the steady clock: simulated time needs this thread."""
        if self._thread is None:
            return
        with self._changed:
            self._ending = True
            self._stream.coast(self._clock.now())
            self._changed.notify_all()
        self._thread.join(_END_S)
        self._thread = None

    def _run(self, go_as: Callable[[], None]) -> None:
        go_as()
        while True:
            with self._changed:
                stream, now = self._stream, self._clock.now()
                late_ns = -stream.wait_ns(now)
                setpoint = stream.next(now)
                if setpoint is None and stream.resting:
                    if self._ending:
                        return
                    self._changed.wait()
                    continue
            if setpoint is not None:
                self._setpoints.publish(encode_float64_multi_array(setpoint[self._order]))
                self._late_ms.add(late_ns / _NS_PER_MS)
            with self._changed:
                wait_s = stream.wait_ns(self._clock.now()) / NS_PER_S
                # What others wake it for is seen in the next turn; ROS time may pass slower.
                self._changed.wait(min(max(wait_s, 0.0), self._period_s))


def make_outputs(node: ManagedNode, cell: Cell, clock: NodeClock) -> dict[str, CommandOutput]:
    """Return what commands the arm and, where there is one, what commands the gripper."""
    found = {ARM: _make(node, cell, cell.controller.plan_topic, clock)}
    if cell.gripper is not None:
        found[GRIPPER] = _make(node, gripper_cell(cell), cell.gripper.plan_topic, clock)
    return found


def _make(node: ManagedNode, cell: Cell, plan_topic: str, clock: NodeClock) -> CommandOutput:
    if cell.controller.streams:
        return SetpointOutput(node, cell.controller, cell.robot.joints, plan_topic, clock)
    return TrajectoryOutput(node, cell.controller)
