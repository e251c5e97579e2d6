"""The node ``mujoco_cell``: a simulated robot cell with a real one's topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import sys
import time
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import WrenchStamped
import numpy as np
from physical_ai_bridge import simulation
from physical_ai_bridge.contract.errors import BridgeError, WireError
from physical_ai_bridge.contract.samples import ImageSample, JointSample
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import CellParameter
from physical_ai_bridge.nodes.cell_threads import Episode, PhysicsThread, RenderThread
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.conversions import diagnostic_array, status
from physical_ai_bridge.nodes.executor import run
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.parameters import Parameters
from physical_ai_bridge.nodes.wire import (
    bool_bytes,
    clock_bytes,
    ImageWire,
    JointStateWire,
    WrenchWire,
)
from physical_ai_bridge.runtime.cdr import decode_float64_multi_array, decode_joint_trajectory
from physical_ai_bridge.safety.sanitise import MAX_POINTS
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

if TYPE_CHECKING:
    from physical_ai_bridge.simulation import Acceptance, Step

_HEARTBEAT_S = 0.05
_EPISODE_S = 0.5
_CAMERAS_READY_S = 60.0
_NEW_EPISODE_S = 2.0


class MujocoCellNode(ManagedNode):
    """Publishes what the simulated sensors deliver and executes what the controller gets."""

    def __init__(self, **options: Any) -> None:
        super().__init__('mujoco_cell', **options)
        self._settings = Parameters(self)
        self._cell_parameter = CellParameter(self._settings)
        self._settings.declare(
            'seed', 0, 'seed of the first episode; the episodes after it count on from there')
        self._settings.declare(
            'real_time_factor', 1.0, 'speed of simulated time; other than 1.0 all nodes need '
            'use_sim_time')
        self._settings.declare('brightness', 1.0, "gain of the cameras' pixels")
        self._node_clock = NodeClock(self)
        self._physics: PhysicsThread | None = None
        self._render: RenderThread | None = None
        self._pressed = False
        self._told_done: tuple[int, bool] | None = None

    def configure(self) -> None:
        """Build the world, start the cameras, and make the topics and services."""
        self._cell = self._cell_parameter.load().cell
        self._seed = self._settings.whole('seed', at_least=0)
        self._factor = self._settings.number('real_time_factor', '', above=0.0, at_most=100.0)
        brightness = self._settings.number('brightness', '', above=0.0, at_most=10.0)
        self._simulation = simulation.MujocoCell(self._cell, seed=self._seed, cameras=False)
        self._declare_controller()
        self._make_publishers()
        if self._cell.sensors.cameras:
            self._render = RenderThread(self, self._cell, brightness, self._on_images)
            self._render.start(_CAMERAS_READY_S)
        self._make_inputs()

    def _declare_controller(self) -> None:
        """Let the emulated controller be asked what a real one is asked, and say how it works."""
        for name, value in self._simulation.controller.parameters.items():
            if not self.has_parameter(name):
                self.declare_parameter(name, value, ParameterDescriptor(
                    description='of the emulated controller, which has no other setting',
                    read_only=True), ignore_override=True)

    def _make_publishers(self) -> None:
        sensors, make = self._cell.sensors, self.make_publisher
        self._joint_publisher = make(
            JointState, sensors.joint_states.topic, qos.sensor_stream())
        self._joint_wire = JointStateWire(self._cell.robot.joints)
        self._wrench_publishers = [
            (make(WrenchStamped, wrench.topic, qos.sensor_stream()), WrenchWire(wrench.frame_id))
            for wrench in sensors.wrenches.values()]
        self._image_publishers: dict[str, tuple[Publisher, ImageWire]] = {
            name: (make(Image, camera.topic, qos.newest_frame()), ImageWire(camera.frame_id))
            for name, camera in sensors.cameras.items()}
        self._state_publisher = self._make_state_publisher()
        self._clock_publisher = make(ClockMessage, '/clock', qos.newest_frame())
        self._heartbeat_publisher = make(
            Bool, self._cell.safety.emergency_stop.topic, qos.newest_frame())
        self._episode_publisher = make(DiagnosticStatus, '~/episode', qos.latched())
        self._diagnostics_publisher = make(DiagnosticArray, '/diagnostics', qos.diagnostics())

    def _make_state_publisher(self) -> Publisher | None:
        """Return what reports the controller's reference, where the cell asks for it."""
        controller = self._cell.controller
        if controller.state_topic is None:
            return None
        if controller.state_type != 'sensor_msgs/msg/JointState':
            raise BridgeError(
                f'controller.state_type: found {controller.state_type}; write '
                'sensor_msgs/msg/JointState: it is what the simulated controller reports')
        return self.make_publisher(JointState, controller.state_topic, qos.sensor_stream())

    def _make_inputs(self) -> None:
        controller = self._cell.controller
        if controller.streams:
            # The newest counts, as for the controller's own buffer.
            self.make_subscription(
                Float64MultiArray, controller.topic,
                partial(self._on_command, decode_float64_multi_array), qos.command(depth=1))
        else:
            self.make_subscription(
                JointTrajectory, controller.topic,
                partial(self._on_command, partial(decode_joint_trajectory, max_points=MAX_POINTS)),
                qos.command())
        for name, handler in (
                ('new_episode', self._on_new_episode),
                ('press_emergency_stop', self._on_press),
                ('release_emergency_stop', self._on_release)):
            self.make_service(Trigger, f'~/{name}', handler)
        steady = self._node_clock.steady
        self.make_timer(_HEARTBEAT_S, self._beat, steady)
        self.make_timer(_EPISODE_S, self._tell_episode, steady)
        self.make_timer(1.0, self._tell, steady)

    def activate(self) -> None:
        """Begin the first episode; simulated time goes on from the system clock's."""
        self._physics = PhysicsThread(
            self, self._simulation, self._factor, seed=self._seed,
            on_step=self._on_step, on_rejected=self._on_rejected)
        self._physics.start(time.time_ns(), time.monotonic_ns())
        self._tell_episode()

    def deactivate(self) -> None:
        """Halt simulated time."""
        if self._physics is not None:
            self._physics.stop()
            self._physics = None

    def release(self) -> None:
        """Stop the threads and take down topics and services."""
        self.deactivate()
        if self._render is not None:
            self._render.stop()
            self._render = None
        self.destroy_made()

    def _on_step(self, step: Step) -> None:
        """Publish one step; runs in the physics thread."""
        self._joint_publisher.publish(self._joint_wire.encode(step.joints))
        for publisher, wire in self._wrench_publishers:
            publisher.publish(wire.encode(step.wrench))
        if self._state_publisher is not None:
            setpoint = step.setpoint
            self._state_publisher.publish(self._joint_wire.encode(JointSample(
                step.joints.stamp_ns - self._simulation.step_ns, self._cell.robot.joints,
                setpoint.position, np.zeros(len(setpoint.position))
                if setpoint.velocity is None else setpoint.velocity)))
        self._clock_publisher.publish(clock_bytes(step.joints.stamp_ns))
        if step.frame is not None and self._render is not None:
            self._render.show(step.frame)

    def _on_images(self, images: dict[str, ImageSample]) -> None:
        """Publish one frame of each camera; runs in the render thread."""
        for name, sample in images.items():
            publisher, wire = self._image_publishers[name]
            publisher.publish(wire.encode(sample))

    def _on_rejected(self, acceptance: Acceptance) -> None:
        self.get_logger().warning(f'command {acceptance}', throttle_duration_sec=1.0)

    def _on_command(self, decode: Callable[[bytes], Any], data: bytes) -> None:
        if self._physics is None:
            return
        try:
            self._physics.command(decode(data))
        except WireError as error:
            self.get_logger().warning(f'command rejected: {error}', throttle_duration_sec=1.0)

    def _on_new_episode(
            self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._physics is None:
            response.message = 'not active'
            return response
        self._tell_episode()
        response.success = self._physics.new_episode(_NEW_EPISODE_S)
        self._tell_episode()
        episode = self._physics.episode
        response.message = (f'episode {episode.index}, seed {episode.seed}' if response.success
                            else f'the physics did not answer within {_NEW_EPISODE_S:g} s')
        return response

    def _on_press(
            self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._set_pressed(True, response)

    def _on_release(
            self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._set_pressed(False, response)

    def _set_pressed(self, pressed: bool, response: Trigger.Response) -> Trigger.Response:
        self._pressed = pressed
        self._beat()
        response.success, response.message = True, 'pressed' if pressed else 'released'
        return response

    def _beat(self) -> None:
        self._heartbeat_publisher.publish(bool_bytes(self._pressed))

    def _tell_episode(self) -> None:
        if self._physics is not None and self._physics.episode is not None:
            self._episode_publisher.publish(_episode_status(
                f'{self.get_fully_qualified_name()}: episode', self._physics.episode,
                hardware_id=self._cell.name))

    def _tell(self) -> None:
        """Say once a second how things are."""
        physics, render = self._physics, self._render
        if physics is None:
            return
        steady_ns, pacer = time.monotonic_ns(), physics.pacer
        rate_hz = physics.steps.rate_hz(steady_ns)
        self._diagnostics_publisher.publish(diagnostic_array(
            self._node_clock.now().ros_ns,
            status(self.get_fully_qualified_name(), 'running', {
                'step_rate_hz': rate_hz,
                'real_time_factor': rate_hz * self._simulation.step_ns / 1e9,
                'overruns': pacer.overruns,
                'time_given_up_s': pacer.given_up_ns / 1e9,
                'frames': 0 if render is None else render.render_ms.count,
                'frames_skipped': 0 if render is None else render.skipped,
                'render_p50_ms': None if render is None else render.render_ms.percentile(50.0),
                'render_p99_ms': None if render is None else render.render_ms.percentile(99.0),
                'commands_accepted': physics.accepted,
                'commands_rejected': physics.rejected,
                # Later than controller.latency_s, a command finds the robot elsewhere.
                'commands_late': physics.late,
                'command_age_p50_ms': physics.command_age_ms.percentile(50.0),
                'command_age_p99_ms': physics.command_age_ms.percentile(99.0),
                'emergency_stop_pressed': self._pressed,
            }, level=DiagnosticStatus.OK, hardware_id=self._cell.name)))


def _episode_status(name: str, episode: Episode, *, hardware_id: str) -> DiagnosticStatus:
    """Return how an episode of the simulated cell stands."""
    now, limits = episode.status, episode.limits
    exceeded = limits.exceeded()
    message = 'succeeded' if now.success else 'failed' if now.done else 'running'
    return status(name, f'episode {episode.index}: {message}', {
        'index': episode.index,
        'seed': episode.seed,
        'success': now.success,
        'done': now.done,
        'elapsed_s': now.elapsed_s,
        'depth_m': now.depth_m,
        'lateral_m': now.lateral_m,
        'peak_force_n': now.peak_force_n,
        'limits_worst_share': limits.worst,
        'limits_exceeded': ' '.join(exceeded),
    }, level=DiagnosticStatus.ERROR if exceeded else DiagnosticStatus.OK,
        hardware_id=hardware_id)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(MujocoCellNode, args, urgent=True)


if __name__ == '__main__':
    sys.exit(main())
