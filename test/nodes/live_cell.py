"""
A cell of plain publishers, with a mistake planted in it: the process behind test_live_check.py.

``python live_cell.py CELL_FILE``; a name on /plant builds the cell anew with that mistake, which
/planted confirms. '' is a cell without any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.executor import make_executor
from physical_ai_bridge.nodes.wire import bool_bytes, ImageWire, JointStateWire, WrenchWire
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Bool, String
from geometry_msgs.msg import WrenchStamped
from trajectory_msgs.msg import JointTrajectory

STATES_HZ, FRAMES_HZ, HEARTBEAT_HZ = 100.0, 20.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Cast:
    """How the cell is played; each default is right, each planted mistake changes one."""

    joint_states: bool = True
    joints_missing: int = 0
    joints_age_s: float = 0.0
    frame_type: type = Image
    frames_hz: float = FRAMES_HZ
    frame_size: tuple[int, int] | None = None
    frame_encoding: str = 'rgb8'
    camera_simulated_time: bool = False
    wrench_frame: str = 'tool0'
    wrench_age_s: float = 0.0
    force_n: float = 1.0
    heartbeat: bool = True
    pressed: bool = False
    description: Callable[[], QoSProfile] = qos.latched
    controller: bool = True
    controller_qos: Callable[[], QoSProfile] = qos.command
    controller_joints: int | None = None
    interpolate_from_desired_state: bool = True
    allow_trajectory_replacement: bool = False
    reference_off_rad: float = 0.0
    other_publisher: bool = False


MISTAKES: dict[str, dict[str, Any]] = {
    '': {},
    'no joint states': {'joint_states': False},
    'a joint is missing': {'joints_missing': 1},
    'old joint states': {'joints_age_s': 3.0},
    'a compressed camera': {'frame_type': CompressedImage},
    'a silent camera': {'frames_hz': 0.0},
    'a slow camera': {'frames_hz': 6.0},
    'small frames': {'frame_size': (160, 120)},
    'blue for red': {'frame_encoding': 'bgr8'},
    'a camera on simulated time': {'camera_simulated_time': True},
    "another sensor's frame": {'wrench_frame': 'flange'},
    'wrenches from the future': {'wrench_age_s': -2.0},
    'a wrench that is no number': {'force_n': float('nan')},
    'a sensor that was not zeroed': {'force_n': 40.0},
    'no heartbeat': {'heartbeat': False},
    'emergency stop pressed': {'pressed': True},
    'a volatile description': {'description': qos.command},
    'no controller': {'controller': False},
    'a controller that asks for more': {'controller_qos': qos.latched},
    'a controller of other joints': {'controller_joints': 5},
    'bridging from the measured state': {'interpolate_from_desired_state': False},
    'replacing trajectories': {'allow_trajectory_replacement': True},
    'a controller that stands elsewhere': {'reference_off_rad': 0.5},
    'somebody else commands': {'other_publisher': True},
}


class LiveCell:
    """
    The nodes of one cell, in a context of their own.

    A participant keeps the type of a topic, and some mistakes change it.
    """

    def __init__(self, cell: Cell, mistake: str) -> None:
        self._cell, self._cast, self._mistake = cell, Cast(**MISTAKES[mistake]), mistake
        self._wanted = mistake
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context,
                   signal_handler_options=SignalHandlerOptions.NO)
        self._executor = make_executor(self._context)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._random = np.random.default_rng(1)
        self._nodes: list[Node] = []
        self._make_joints()
        for name in cell.sensors.cameras:
            self._make_camera(name)
        self._make_wrenches()
        self._make_others()
        self._make_controller()
        director = self._node('director')
        director.create_subscription(String, '/plant', self._on_plant, qos.latched())
        director.create_publisher(String, '/planted', qos.latched()).publish(String(data=mistake))

    def _on_plant(self, message: String) -> None:
        self._wanted = message.data

    def play(self) -> str:
        """Play until another mistake is asked for, and return which."""
        while self._wanted == self._mistake:
            self._executor.spin_once(timeout_sec=0.05)
        return self._wanted

    def close(self) -> None:
        """Take the nodes down."""
        for node in self._nodes:
            self._executor.remove_node(node)
            node.destroy_node()
        self._executor.shutdown()
        rclpy.try_shutdown(context=self._context)

    def _node(self, name: str, **parameters: Any) -> Node:
        node = rclpy.create_node(
            name, context=self._context, enable_rosout=False, parameter_overrides=[
                Parameter(key, value=value) for key, value in parameters.items()],
            automatically_declare_parameters_from_overrides=True)
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def _send(self, node: Node, message: type, topic: str, profile: QoSProfile, rate_hz: float,
              make: Callable[[], bytes]) -> None:
        publisher = node.create_publisher(message, topic, profile)
        if rate_hz:
            node.create_timer(
                1.0 / rate_hz, lambda: publisher.publish(make()), clock=self._steady)

    def _make_joints(self) -> None:
        names = self._cell.robot.joints[self._cast.joints_missing:]
        wire, age_ns = JointStateWire(names), seconds_to_ns(self._cast.joints_age_s)
        node = self._node('joint_state_broadcaster')
        zero = np.zeros(len(names))
        if self._cast.joint_states:
            self._send(node, JointState, self._cell.sensors.joint_states.topic,
                       qos.sensor_stream(), STATES_HZ, lambda: wire.encode(
                           JointSample(time.time_ns() - age_ns, names, zero, zero)))

    def _make_camera(self, name: str) -> None:
        """Make a camera; the one at the wrist is the one with the mistakes."""
        camera, cast = self._cell.sensors.cameras[name], self._cast
        if name != 'wrist':
            cast = Cast()
        width, height = cast.frame_size or (camera.width, camera.height)
        wire, pixels = ImageWire(camera.frame_id), bytes(3 * width * height)
        node = self._node(f'{name}_camera', use_sim_time=cast.camera_simulated_time)
        self._send(node, cast.frame_type, camera.topic, qos.newest_frame(),
                   cast.frames_hz, lambda: wire.encode(ImageSample(
                       time.time_ns(), cast.frame_encoding, height, width, 3 * width, pixels)))

    def _make_wrenches(self) -> None:
        cast, node = self._cast, self._node('force_torque_sensor_broadcaster')
        wire, age_ns = WrenchWire(cast.wrench_frame), seconds_to_ns(cast.wrench_age_s)
        for wrench in self._cell.sensors.wrenches.values():
            self._send(node, WrenchStamped, wrench.topic, qos.sensor_stream(), STATES_HZ,
                       lambda: wire.encode(WrenchSample(
                           time.time_ns() - age_ns,
                           np.array([0.0, 0.0, cast.force_n]) + self._random.normal(0.0, 0.1, 3),
                           np.zeros(3))))

    def _make_others(self) -> None:
        cast, cell = self._cast, self._cell
        if cast.heartbeat:
            self._send(self._node('emergency_stop_button'), Bool,
                       cell.safety.emergency_stop.topic, qos.newest_frame(), HEARTBEAT_HZ,
                       lambda: bool_bytes(cast.pressed))
        described = self._node('robot_state_publisher').create_publisher(
            String, cell.robot.urdf, cast.description())
        described.publish(String(data=config_path('robots/ur5e.urdf').read_text()))
        if cast.other_publisher:
            self._node('move_group').create_publisher(
                JointTrajectory, cell.controller.topic, qos.command())

    def _make_controller(self) -> None:
        cast, cell, names = self._cast, self._cell, self._cell.robot.joints
        node = self._node(
            'joint_trajectory_controller', joints=list(names[:cast.controller_joints]),
            command_interfaces=['position'],
            interpolate_from_desired_state=cast.interpolate_from_desired_state,
            allow_trajectory_replacement=cast.allow_trajectory_replacement)
        wire, zero = JointStateWire(names), np.zeros(len(names))
        self._send(node, JointState, cell.controller.state_topic, qos.sensor_stream(), STATES_HZ,
                   lambda: wire.encode(JointSample(
                       time.time_ns(), names, zero + cast.reference_off_rad, zero)))
        if cast.controller:
            node.create_subscription(
                JointTrajectory, cell.controller.topic, lambda message: None,
                cast.controller_qos())


def main() -> int:
    """Play cells, one after the other, as they are asked for."""
    cell, mistake = load_cell(Path(sys.argv[1])), ''
    try:
        while True:
            played = LiveCell(cell, mistake)
            try:
                mistake = played.play()
            finally:
                played.close()
    except KeyboardInterrupt:
        return 0


if __name__ == '__main__':
    sys.exit(main())
