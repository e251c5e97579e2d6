"""The supervisor's node with a controller that takes setpoints and holds the last one."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.wire import bool_bytes, JointStateWire, WrenchWire
from physical_ai_bridge.runtime.cdr import (
    decode_float64_multi_array,
    decode_joint_trajectory,
    encode_joint_trajectory,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message
import pytest
import yaml

geometry_msgs = pytest.importorskip('geometry_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')
std_srvs = pytest.importorskip('std_srvs.srv')
trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')

pytestmark = pytest.mark.ros

HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
RATE_HZ = 50.0
# A motion that lasts longer than a busy machine takes to stop it.
TURN_RAD, LONG_S = 0.8, 4.0
FINGER = 'finger_joint'
TOPIC = '/forward_position_controller/commands'


class StreamedRobot:
    """Sensors and a robot in the test's own process that stands where the last setpoint says."""

    def __init__(self, graph, cell_path) -> None:
        cell = load_cell(cell_path)
        self.names, self.controller = cell.robot.joints, cell.controller
        self.limits = limit_arrays(cell)
        self._columns = [cell.controller.joints.index(name) for name in self.names]
        self.rest()
        node = graph.node
        self._joints = node.create_publisher(
            sensor_msgs.JointState, cell.sensors.joint_states.topic, qos.sensor_stream())
        self._wrench = node.create_publisher(
            geometry_msgs.WrenchStamped, cell.sensors.wrenches['wrist'].topic,
            qos.sensor_stream())
        self._heartbeat = node.create_publisher(
            std_msgs.Bool, cell.safety.emergency_stop.topic, qos.newest_frame())
        self.proposals = node.create_publisher(
            trajectory_msgs.JointTrajectory, '/proposed_trajectory', qos.command())
        node.create_subscription(
            std_msgs.Float64MultiArray, cell.controller.topic, self._on_setpoint,
            qos.command(depth=1000), raw=True)
        node.create_subscription(
            trajectory_msgs.JointTrajectory, cell.controller.plan_topic, self._on_plan,
            qos.command(depth=100), raw=True)
        node.create_subscription(
            std_msgs.Float64MultiArray, cell.gripper.topic, self._on_gripper,
            qos.command(depth=1000), raw=True)
        self._joint_wire = JointStateWire((*self.names, FINGER))
        self._wrench_wire = WrenchWire('tool0')
        node.create_timer(0.01, self._beat)

    def rest(self) -> None:
        """Stand at HOME, with nothing pressed and nothing commanded yet."""
        self.setpoints: list[np.ndarray] = []
        self.plans: list[Trajectory] = []
        self.openings = [0.04]
        self.pressed = False

    @property
    def position(self) -> np.ndarray:
        """Where it stands."""
        return self.setpoints[-1] if self.setpoints else HOME

    @property
    def steps(self) -> np.ndarray:
        """Return the differences from setpoint to setpoint."""
        return np.abs(np.diff(np.array(self.setpoints), axis=0))

    def _on_setpoint(self, data: bytes) -> None:
        self.setpoints.append(np.array(decode_float64_multi_array(data))[self._columns])

    def _on_gripper(self, data: bytes) -> None:
        self.openings += decode_float64_multi_array(data)

    def _on_plan(self, data: bytes) -> None:
        self.plans.append(trajectory_from_message(
            decode_joint_trajectory(data, 10_000), self.names))

    def _beat(self) -> None:
        now_ns = time.time_ns()
        self._joints.publish(self._joint_wire.encode(
            JointSample(now_ns, (*self.names, FINGER), np.append(
                self.position, self.openings[-1]), np.zeros(7))))
        self._wrench.publish(self._wrench_wire.encode(
            WrenchSample(now_ns, np.zeros(3), np.zeros(3))))
        self._heartbeat.publish(bool_bytes(self.pressed))

    def propose(
            self, turn_rad: float, close_m: float | None = None, *, lasts_s: float = 1.0) -> None:
        """Propose to turn the first joint smoothly, and to close the gripper."""
        start_ns = time.time_ns()
        s = np.linspace(0.0, 1.0, 101)
        times = np.round(s * lasts_s * 1e9).astype(np.int64)
        positions, velocities = np.tile(self.position, (len(times), 1)), np.zeros((len(times), 6))
        shape = 10 * s**3 - 15 * s**4 + 6 * s**5
        slope = (30 * s**2 - 60 * s**3 + 30 * s**4) / lasts_s
        positions[:, 0] += turn_rad * shape
        velocities[:, 0] = turn_rad * slope
        names = self.names
        if close_m is not None:
            names = (*names, FINGER)
            positions = np.column_stack((positions, self.openings[-1] - close_m * shape))
            velocities = np.column_stack((velocities, -close_m * slope))
        self.proposals.publish(encode_joint_trajectory(
            Trajectory(start_ns, names, times, positions, velocities)))


class Streamed:
    """A supervisor's process with such a robot."""

    def __init__(self, graph, cell_path) -> None:
        self.graph, self.robot = graph, StreamedRobot(graph, cell_path)
        self.state = graph.statuses('/safety_supervisor/state')
        self.client = graph.start('safety_supervisor', cell=cell_path)
        self.client.configure()
        graph.wait(self.robot.proposals.get_subscription_count)

    def begin(self) -> None:
        """Stand at rest, activate, and wait until it is READY."""
        self.robot.rest()
        self.state.messages.clear()
        self.client.activate()
        self.wait_for('READY')

    def wait_for(self, mode: str) -> dict[str, str]:
        """Wait for a state with that mode among those that came since last time."""
        def found() -> dict[str, str] | None:
            while self.state.messages:
                values = values_of(self.state.messages.pop(0))
                if values['mode'] == mode:
                    return values
            return None
        return self.graph.wait(found, mode)

    def move(self, turn_rad: float, close_m: float | None = None, *, lasts_s: float = 1.0) -> None:
        """Propose, and wait until the robot has begun to move."""
        robot, begun, proposed_ns = self.robot, self.robot.position[0], 0

        def moves() -> bool:
            nonlocal proposed_ns
            # On a busy machine a proposal may be too old by the time that it is read.
            if robot.position[0] == begun and time.monotonic_ns() - proposed_ns > 1_000_000_000:
                proposed_ns = time.monotonic_ns()
                robot.propose(turn_rad, close_m, lasts_s=lasts_s)
            return abs(robot.position[0] - begun) > 0.1 * abs(turn_rad)

        self.graph.wait(moves)

    def wait_for_the_end(self) -> None:
        """Wait until the last plan is over, and every setpoint of it has come."""
        robot = self.robot
        self.graph.wait(lambda: time.time_ns() > robot.plans[-1].end_ns and np.array_equal(
            robot.position, robot.plans[-1].positions[-1]))


@pytest.fixture(scope='module')
def running(shared_graph, write_cell, tmp_path_factory):
    path = write_cell(tmp_path_factory.mktemp('stream'), step_s=0.5)
    values = yaml.safe_load(path.read_text())
    values['controller'] |= {
        'interface': 'position_stream', 'topic': TOPIC, 'rate_hz': RATE_HZ,
        # A busy machine holds a process up for longer than a stream should bear.
        'latency_s': 0.3,
        # Not the cell's order: the controller has its own.
        'joints': values['robot']['joints'][::-1]}
    values['gripper'] = {
        'joint': FINGER, 'unit': 'm', 'interface': 'position_stream',
        'topic': '/forward_gripper_controller/commands', 'rate_hz': RATE_HZ,
        'min_position': 0.0, 'max_position': 0.08, 'max_velocity': 0.2, 'max_acceleration': 2.0,
        'max_jerk': 40.0}
    path.write_text(yaml.safe_dump(values))
    return Streamed(shared_graph, path)


@pytest.fixture
def streamed(running):
    running.begin()
    yield running
    if running.client.state() == lifecycle_msgs.State.PRIMARY_STATE_ACTIVE:
        running.client.deactivate()


def test_a_stream_is_the_plan_period_by_period_to_its_end_at_rest(streamed):
    robot = streamed.robot
    streamed.move(0.2)
    streamed.wait_for_the_end()
    # None is left out, or a difference would be beyond a limit.
    setpoints, limits = np.array(robot.setpoints), robot.limits
    assert (robot.steps[:, 0] > 0.0).sum() > 20
    for order, limit in enumerate((limits.velocity, limits.acceleration, limits.jerk), 1):
        used = np.abs(np.diff(setpoints, order, axis=0)) * RATE_HZ**order
        assert (used <= limit * (1.0 + 1e-6)).all()
    assert not robot.steps[:, 1:].any()
    values = streamed.graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: int(values['setpoints']) > 20)
    assert values['setpoint_late_p99_ms']


def test_an_emergency_stop_brakes_the_stream_before_the_proposals_end(streamed):
    robot = streamed.robot
    streamed.move(TURN_RAD, lasts_s=LONG_S)
    robot.pressed = True
    assert streamed.wait_for('STOPPED')['reason'] == 'EMERGENCY_STOP'
    streamed.wait_for_the_end()
    assert robot.position[0] < HOME[0] + 0.9 * TURN_RAD
    assert (robot.steps <= robot.limits.velocity / RATE_HZ).all()


def test_the_gripper_goes_with_the_arm_and_holds_where_the_arm_is_stopped(streamed):
    robot = streamed.robot
    streamed.move(TURN_RAD, 0.03, lasts_s=LONG_S)
    robot.pressed = True
    streamed.wait_for('STOPPED')
    closed = np.array(robot.openings)
    assert 0.012 < closed[-1] < 0.04
    assert (np.diff(closed) <= 0.0).all()
    assert np.abs(np.diff(closed)).max() <= 0.2 / RATE_HZ


def test_a_deactivation_ends_when_the_stream_has_come_to_rest(streamed):
    robot = streamed.robot
    streamed.move(TURN_RAD, lasts_s=LONG_S)
    streamed.client.deactivate()
    streamed.wait_for_the_end()
    assert robot.position[0] < HOME[0] + 0.9 * TURN_RAD


def test_after_a_pause_of_the_process_the_robot_stays_where_it_stood(streamed):
    robot, graph = streamed.robot, streamed.graph
    streamed.move(TURN_RAD, lasts_s=LONG_S)
    os.kill(graph.pid('safety_supervisor'), signal.SIGSTOP)
    paused_ns = time.monotonic_ns()
    graph.wait(lambda: time.monotonic_ns() - paused_ns > 1_000_000_000)
    stood = robot.position
    os.kill(graph.pid('safety_supervisor'), signal.SIGCONT)
    stopped = streamed.wait_for('STOPPED')
    assert stopped['reason'] == 'SETPOINTS_LATE'
    assert 'paused' in stopped['detail']
    assert np.array_equal(robot.position, stood)
    # It goes on from there once somebody says so.
    assert graph.call(std_srvs.Trigger, '/safety_supervisor/reset').success
    streamed.wait_for('READY')
    streamed.move(0.05)
    streamed.wait_for_the_end()
    assert (robot.steps <= robot.limits.velocity / RATE_HZ).all()


def test_the_death_of_the_process_leaves_the_last_setpoint(running):
    running.begin()
    robot, graph = running.robot, running.graph
    running.move(TURN_RAD, lasts_s=LONG_S)
    graph.kill('safety_supervisor')
    ended_ns = time.time_ns()
    graph.wait(lambda: time.time_ns() > max(ended_ns, robot.plans[-1].end_ns) + 100_000_000)
    plan = robot.plans[-1]
    # An abrupt hold amid the motion: not the plan's end, and no brake.
    assert plan.positions[-1, 0] - robot.position[0] > 1e-3
    assert robot.steps[-1, 0] > 1e-4


def test_the_simulated_cell_takes_setpoints(graph, write_cell, tmp_path):
    pytest.importorskip('mujoco')
    path = write_cell(tmp_path)
    values = yaml.safe_load(path.read_text())
    values['controller'] |= {
        'interface': 'position_stream', 'topic': TOPIC, 'joints': values['robot']['joints']}
    path.write_text(yaml.safe_dump(values))
    cell = graph.start('mujoco_cell', cell=path)
    cell.configure(60.0)
    types = {info.topic_type for info in graph.node.get_subscriptions_info_by_topic(TOPIC)}
    assert types == {'std_msgs/msg/Float64MultiArray'}
