"""
A cell of plain publishers, with a mistake planted in it: the process behind test_live_check.py.

``python live_cell.py CELL_FILE``; a name on /plant plants that mistake instead of the one before,
which /planted confirms. '' is a cell without any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
import signal
import sys
import time
from typing import Any

from geometry_msgs.msg import WrenchStamped
import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.executor import make_executor
from physical_ai_bridge.nodes.wire import bool_bytes, ImageWire, JointStateWire, WrenchWire
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory

STATES_HZ, FRAMES_HZ, HEARTBEAT_HZ = 100.0, 20.0, 20.0
STEADY = Clock(clock_type=ClockType.STEADY_TIME)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """How the cell is played. Each default is right, and each planted mistake changes one."""

    joint_states: bool = True
    joints_missing: int = 0
    joints_age_s: float = 0.0
    camera: bool = True
    compressed: bool = False
    frame_every: int = 1
    frame_encoding: str = 'rgb8'
    camera_simulated_time: bool = False
    wrench_frame: str = 'tool0'
    force_n: float = 1.0
    heartbeat: bool = True
    pressed: bool = False
    description: Callable[[], QoSProfile] = qos.latched
    controller: Callable[[], QoSProfile] | None = qos.command
    controller_joints: int | None = None
    interpolate_from_desired_state: bool = True
    reference_off_rad: float = 0.0
    planner: bool = False


MISTAKES: dict[str, dict[str, Any]] = {
    'no joint states': {'joint_states': False},
    'a joint is missing': {'joints_missing': 1},
    'old joint states': {'joints_age_s': 3.0},
    'a compressed camera': {'camera': False, 'compressed': True},
    'a silent camera': {'frame_every': 0},
    'a slow camera': {'frame_every': 3},
    'blue for red': {'frame_encoding': 'bgr8'},
    'a camera on simulated time': {'camera_simulated_time': True},
    "another sensor's frame": {'wrench_frame': 'flange'},
    'a wrench that is no number': {'force_n': float('nan')},
    'a sensor that was not zeroed': {'force_n': 40.0},
    'no heartbeat': {'heartbeat': False},
    'emergency stop pressed': {'pressed': True},
    'a volatile description': {'description': qos.command},
    'no controller': {'controller': None},
    'a controller that asks for more': {'controller': qos.latched},
    'a controller of other joints': {'controller_joints': 5},
    'bridging from the measured state': {'interpolate_from_desired_state': False},
    'a controller that stands elsewhere': {'reference_off_rad': 0.5},
    'somebody else commands': {'planner': True},
}


class LiveCell:
    """
    A cell's nodes. They stay, and of their endpoints what a mistake does not concern.

    So the others need not discover them anew each time.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell, self._cast = cell, Cast()
        self._executor = make_executor(_make_context())
        self._slots: dict[str, tuple[object, Callable[[], object]]] = {}
        self._publishers: dict[str, Publisher] = {}
        self._wanted: str | None = ''
        self._random = np.random.default_rng(1)
        self._frames = 0
        self._nodes = {name: self._make_node(name) for name in (
            'joint_state_broadcaster', 'scene_camera', 'wrist_camera', 'robot_state_publisher',
            'force_torque_sensor_broadcaster', 'emergency_stop_button', 'move_group',
            'joint_trajectory_controller')}
        # Of another participant: one has one type for a topic, and never another.
        foreign = _make_context()
        self._foreign = rclpy.create_node('wrist_camera', context=foreign, enable_rosout=False)
        director = self._make_node('director')
        self._planted = director.create_publisher(String, '/planted', qos.latched())
        director.create_subscription(String, '/plant', self._on_plant, qos.latched())
        for rate_hz, act in ((STATES_HZ, self._send_states), (FRAMES_HZ, self._send_frames),
                             (HEARTBEAT_HZ, self._beat)):
            director.create_timer(1.0 / rate_hz, act, clock=STEADY)

    def _make_node(self, name: str) -> Node:
        node = rclpy.create_node(
            name, context=self._executor.context, enable_rosout=False,
            parameter_overrides=[Parameter('start_type_description_service', value=False)])
        self._executor.add_node(node)
        return node

    def _on_plant(self, message: String) -> None:
        self._wanted = message.data

    def step(self) -> None:
        """Serve what is due, and plant what is asked for."""
        if self._wanted is not None:
            mistake, self._wanted = self._wanted, None
            self._cast = Cast(**MISTAKES.get(mistake, {}))
            self._arrange()
            self._planted.publish(String(data=mistake))
        self._executor.spin_once(timeout_sec=0.05)

    def _arrange(self) -> None:
        """Make and take down what the cast asks for."""
        cell, cast = self._cell, self._cast
        sensors, stream = cell.sensors, qos.sensor_stream
        self._publish('joint_state_broadcaster', JointState, sensors.joint_states.topic,
                      stream if cast.joint_states else None)
        for name, camera in sensors.cameras.items():
            there = cast.camera or name != 'wrist'
            self._publish(f'{name}_camera', Image, camera.topic,
                          qos.command if there else None)
        self._slot('foreign', cast.compressed, lambda: self._foreign.create_publisher(
            CompressedImage, sensors.cameras['wrist'].topic, qos.newest_frame()),
            self._foreign.destroy_publisher)
        self._publish('force_torque_sensor_broadcaster', WrenchStamped,
                      sensors.wrenches['wrist'].topic, stream)
        self._publish('emergency_stop_button', Bool, cell.safety.emergency_stop.topic,
                      qos.newest_frame if cast.heartbeat else None)
        if self._publish('robot_state_publisher', String, cell.robot.urdf, cast.description):
            self._publishers['robot_state_publisher'].publish(
                String(data=config_path('robots/ur5e.urdf').read_text()))
        self._publish('joint_trajectory_controller', JointState, cell.controller.state_topic,
                      stream)
        self._publish('move_group', JointTrajectory, cell.controller.topic,
                      qos.command if cast.planner else None)
        node, profile = self._nodes['joint_trajectory_controller'], cast.controller
        self._slot('commands', profile, lambda: node.create_subscription(
            JointTrajectory, cell.controller.topic, lambda message: None, profile()),
            node.destroy_subscription)
        self._set('joint_trajectory_controller',
                  joints=list(cell.robot.joints[:cast.controller_joints]),
                  command_interfaces=['position'],
                  interpolate_from_desired_state=cast.interpolate_from_desired_state,
                  allow_trajectory_replacement=False)
        self._set('wrist_camera', use_sim_time=cast.camera_simulated_time)

    def _slot(self, name: str, wanted: object, make: Callable[[], object],
              destroy: Callable[[Any], object]) -> bool:
        """Make an endpoint anew if another one is wanted than there is; return whether."""
        have, end = self._slots.get(name, (None, lambda: None))
        if have == wanted:
            return False
        end()
        made = make() if wanted else None
        self._slots[name] = wanted, lambda: made is None or destroy(made)
        if isinstance(made, Publisher):
            self._publishers[name] = made
        else:
            self._publishers.pop(name, None)
        return True

    def _publish(self, name: str, message: type, topic: str,
                 profile: Callable[[], QoSProfile] | None) -> bool:
        node = self._nodes[name]
        return self._slot(name, profile, lambda: node.create_publisher(
            message, topic, profile()), node.destroy_publisher)

    def _set(self, name: str, **parameters: Any) -> None:
        node = self._nodes[name]
        for key, value in parameters.items():
            if not node.has_parameter(key):
                node.declare_parameter(key, value)
        node.set_parameters([Parameter(key, value=value) for key, value in parameters.items()])

    def _send(self, name: str, data: bytes) -> None:
        if name in self._publishers:
            self._publishers[name].publish(data)

    def _send_states(self) -> None:
        cast, joints, now_ns = self._cast, self._cell.robot.joints, time.time_ns()
        names, zero = joints[cast.joints_missing:], np.zeros(len(joints))
        self._send('joint_state_broadcaster', JointStateWire(names).encode(JointSample(
            now_ns - round(cast.joints_age_s * NS_PER_S), names, zero[:len(names)],
            zero[:len(names)])))
        force = np.array([0.0, 0.0, cast.force_n]) + self._random.normal(0.0, 0.1, 3)
        self._send('force_torque_sensor_broadcaster', WrenchWire(cast.wrench_frame).encode(
            WrenchSample(now_ns, force, np.zeros(3))))
        self._send('joint_trajectory_controller', JointStateWire(joints).encode(JointSample(
            now_ns, joints, zero + cast.reference_off_rad, zero)))

    def _send_frames(self) -> None:
        self._frames += 1
        for name, camera in self._cell.sensors.cameras.items():
            cast = self._cast if name == 'wrist' else Cast()
            if not cast.frame_every or self._frames % cast.frame_every:
                continue
            self._send(f'{name}_camera', ImageWire(camera.frame_id).encode(ImageSample(
                time.time_ns(), cast.frame_encoding, camera.height, camera.width,
                3 * camera.width, bytes(3 * camera.width * camera.height))))

    def _beat(self) -> None:
        self._send('emergency_stop_button', bool_bytes(self._cast.pressed))


def _make_context() -> rclpy.Context:
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    return context


def main() -> int:
    """Play until a SIGINT."""
    # An exception may come where it is ignored: while the middleware calls back, or in a __del__.
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    cell = LiveCell(load_cell(Path(sys.argv[1])))
    while not received:
        cell.step()
    return 0


if __name__ == '__main__':
    sys.exit(main())
