"""The supervisor's node: what it passes on, and what it says about the rest."""

from __future__ import annotations

import time

import numpy as np
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.wire import bool_bytes, JointStateWire, WrenchWire
from physical_ai_bridge.runtime.cdr import decode_joint_trajectory, encode_joint_trajectory
from physical_ai_bridge.runtime.convert import trajectory_from_message
import pytest
import yaml

lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
geometry_msgs = pytest.importorskip('geometry_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')
std_srvs = pytest.importorskip('std_srvs.srv')
trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')

pytestmark = pytest.mark.ros

HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])


class FakeRobot:
    """Sensors and a controller in the test's own process: the robot is where it was sent."""

    def __init__(self, graph, cell_path) -> None:
        cell = load_cell(cell_path)
        self.names = cell.robot.joints
        self.rest()
        node = graph.node
        self.joints = node.create_publisher(
            sensor_msgs.JointState, cell.sensors.joint_states.topic, qos.sensor_stream())
        self._wrench = node.create_publisher(
            geometry_msgs.WrenchStamped, cell.sensors.wrenches['wrist'].topic,
            qos.sensor_stream())
        self._heartbeat = node.create_publisher(
            std_msgs.Bool, cell.safety.emergency_stop.topic, qos.newest_frame())
        self.proposals = node.create_publisher(
            trajectory_msgs.JointTrajectory, '/proposed_trajectory', qos.command())
        node.create_subscription(trajectory_msgs.JointTrajectory, cell.controller.topic,
                                 self._on_command, qos.command(), raw=True)
        self._joint_wire, self._wrench_wire = JointStateWire(self.names), WrenchWire('tool0')
        node.create_timer(0.01, self._beat)

    def rest(self) -> None:
        """Stand at HOME, with nothing pressed and nothing commanded yet."""
        self.commands: list[Trajectory] = []
        self.force_n = 0.0
        self.pressed = False

    def _on_command(self, data: bytes) -> None:
        self.commands.append(trajectory_from_message(
            decode_joint_trajectory(data, 10_000), self.names))

    def _beat(self) -> None:
        now_ns = time.time_ns()
        position, velocity = HOME, np.zeros(6)
        if self.commands:
            motion = self.commands[-1].at(now_ns)
            position, velocity = motion.position, motion.velocity
        self.joints.publish(self._joint_wire.encode(
            JointSample(now_ns, self.names, position, velocity)))
        self._wrench.publish(self._wrench_wire.encode(
            WrenchSample(now_ns, np.array([self.force_n, 0.0, 0.0]), np.zeros(3))))
        self._heartbeat.publish(bool_bytes(self.pressed))

    def propose(self, turn_rad: float) -> int:
        """Propose to turn the first joint smoothly, over one second; return the stamp."""
        start_ns = time.time_ns()
        here = self.commands[-1].at(start_ns).position if self.commands else HOME
        times = np.arange(0, 1_010_000_000, 10_000_000, dtype=np.int64)
        s = times / 1e9
        shape, slope = 10 * s**3 - 15 * s**4 + 6 * s**5, 30 * s**2 - 60 * s**3 + 30 * s**4
        positions, velocities = np.tile(here, (len(times), 1)), np.zeros((len(times), 6))
        positions[:, 0] += turn_rad * shape
        velocities[:, 0] = turn_rad * slope
        self.proposals.publish(encode_joint_trajectory(
            Trajectory(start_ns, self.names, times, positions, velocities)))
        return start_ns


class Supervised:
    """A supervisor's process with a fake robot."""

    def __init__(self, graph, cell_path, **parameters) -> None:
        self.graph = graph
        self.controller_topic = load_cell(cell_path).controller.topic
        self.state = graph.statuses('/safety_supervisor/state')
        self.robot = FakeRobot(graph, cell_path)
        self.client = graph.start('safety_supervisor', cell=cell_path, **parameters)
        self.client.configure()
        graph.wait(self.robot.proposals.get_subscription_count)

    def begin(self) -> None:
        """Stand at rest, activate, and wait until it is READY."""
        self.robot.rest()
        self.client.activate()
        self.wait_for('READY')

    def wait_for(self, mode: str, reason: str | None = None) -> dict[str, str]:
        """Wait for a state with that mode, and reason, among those that came since last time."""
        def found() -> dict[str, str] | None:
            while self.state.messages:
                values = values_of(self.state.messages.pop(0))
                if values['mode'] == mode and reason in (None, values['reason']):
                    return values
            return None
        return self.graph.wait(found, f'{mode} {reason or ""}')

    def wait_for_rest(self) -> None:
        """Wait until the last command has been played out, for it ends at rest."""
        self.graph.wait(lambda: time.time_ns() > self.robot.commands[-1].end_ns)


@pytest.fixture(scope='module')
def running(shared_graph, cell_path):
    return Supervised(shared_graph, cell_path)


@pytest.fixture
def supervised(running):
    running.begin()
    yield running
    if running.client.state() == lifecycle_msgs.State.PRIMARY_STATE_ACTIVE:
        running.client.deactivate()
    running.state.messages.clear()


def test_a_proposal_reaches_the_controller_and_ends_at_rest(supervised):
    robot, graph = supervised.robot, supervised.graph
    robot.propose(0.1)
    graph.wait(lambda: robot.commands and robot.commands[-1].positions[-1, 0] > HOME[0] + 0.01)
    supervised.wait_for('ACTIVE')
    for command in robot.commands:
        assert command.joint_names == robot.names
        assert not command.velocities[-1].any()
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['sensor_to_command_p50_ms'])
    assert float(values['tick_rate_hz']) >= 0.0
    assert len(values['cell_digest']) == 64


@pytest.mark.parametrize(('data', 'reason'), [
    (b'\x00\x01\x00\x00\x01\x02', 'MESSAGE_MALFORMED'),
    (encode_joint_trajectory(Trajectory(
        1, ('a', 'b'), np.array([0, 10**9]), np.zeros((2, 2)), np.zeros((2, 2)))),
     'PROPOSAL_JOINTS'),
])
def test_a_bad_proposal_is_counted_and_moves_nothing(supervised, data, reason):
    robot = supervised.robot
    before = len(robot.commands)
    robot.proposals.publish(data)
    values = supervised.graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: f'refused.{reason}' in values)
    assert values[f'refused.{reason}'] == '1'
    assert values['last_refusal'].startswith(reason)
    assert len(robot.commands) == before


@pytest.mark.parametrize('change', ['renamed', 'nan'])
def test_a_joint_state_that_cannot_be_used_is_reported(supervised, change):
    robot = supervised.robot
    names = ('another_joint', *robot.names[1:]) if change == 'renamed' else robot.names
    position = HOME if change == 'renamed' else np.array([np.nan, *HOME[1:]])
    robot.joints.publish(JointStateWire(names).encode(
        JointSample(time.time_ns(), names, position, np.zeros(6))))
    reason = 'JOINTS_MISSING' if change == 'renamed' else 'JOINTS_MALFORMED'
    values = supervised.graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: f'refused.{reason}' in values)
    assert 'shoulder_pan_joint' in values['last_refusal']


def test_an_emergency_stop_latches_until_reset(supervised):
    robot, graph = supervised.robot, supervised.graph
    robot.propose(0.5)
    supervised.wait_for('ACTIVE')
    robot.pressed = True
    supervised.wait_for('STOPPED', 'EMERGENCY_STOP')
    still_pressed = graph.call(std_srvs.Trigger, '/safety_supervisor/reset')
    assert not still_pressed.success
    assert 'EMERGENCY_STOP' in still_pressed.message
    robot.pressed = False
    supervised.wait_for_rest()
    graph.wait(lambda: graph.call(std_srvs.Trigger, '/safety_supervisor/reset').success)
    supervised.wait_for('READY')


def test_somebody_may_stop_it(supervised):
    robot, graph = supervised.robot, supervised.graph
    robot.propose(0.5)
    supervised.wait_for('ACTIVE')
    assert graph.call(std_srvs.Trigger, '/safety_supervisor/stop').success
    supervised.wait_for('STOPPED', 'STOP_REQUESTED')
    stopped_at = robot.commands[-1].positions[-1, 0]
    assert stopped_at < HOME[0] + 0.5
    supervised.wait_for_rest()
    robot.propose(0.5)
    graph.wait_for_diagnostics('safety_supervisor', lambda values, message: 'STOPPED' in message)
    assert robot.commands[-1].positions[-1, 0] == stopped_at


@pytest.mark.parametrize(('force_n', 'reason'), [
    (150.0, 'FORCE_LIMIT'), (200.0, 'WRENCH_SATURATED')])
def test_a_force_above_its_limit_or_at_saturation_stops_it(supervised, force_n, reason):
    supervised.robot.force_n = force_n
    supervised.wait_for('STOPPED', reason)


def test_a_shadow_says_what_it_would_do_and_sends_nothing(graph, cell_path):
    supervised = Supervised(graph, cell_path, authority='shadow')
    supervised.begin()
    supervised.robot.propose(0.1)
    assert supervised.wait_for('ACTIVE')['authority'] == 'shadow'
    assert supervised.robot.commands == []


def test_deactivating_in_motion_brakes(supervised):
    robot = supervised.robot
    robot.propose(0.3)
    supervised.wait_for('ACTIVE')
    supervised.client.deactivate()
    supervised.wait_for('INACTIVE')
    last = robot.commands[-1]
    assert not last.velocities[-1].any()
    assert last.end_ns < time.time_ns() + 2 * 10**9


def test_somebody_else_on_the_controllers_topic_stops_it_until_gone(supervised):
    robot, graph = supervised.robot, supervised.graph
    robot.propose(0.5)
    supervised.wait_for('ACTIVE')
    foreign = graph.node.create_publisher(
        trajectory_msgs.JointTrajectory, supervised.controller_topic, qos.command())
    stopped = supervised.wait_for('STOPPED', 'OTHER_PUBLISHER')
    assert stopped['detail'].startswith('/test on /joint_trajectory_controller/')
    assert not robot.commands[-1].velocities[-1].any()
    supervised.wait_for_rest()
    refused = graph.call(std_srvs.Trigger, '/safety_supervisor/reset')
    assert (refused.success, refused.message[:15]) == (False, 'OTHER_PUBLISHER')
    graph.node.destroy_publisher(foreign)
    graph.wait(lambda: graph.call(std_srvs.Trigger, '/safety_supervisor/reset').success)


def test_where_the_cell_says_so_somebody_else_is_only_reported(graph, write_cell, tmp_path):
    path = write_cell(tmp_path)
    values = yaml.safe_load(path.read_text())
    values['controller']['other_publishers'] = 'report'
    path.write_text(yaml.safe_dump(values))
    supervised = Supervised(graph, path)
    graph.node.create_publisher(
        trajectory_msgs.JointTrajectory, supervised.controller_topic, qos.command())
    supervised.begin()
    graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['other_publishers'] == '/test')
    supervised.robot.propose(0.1)
    supervised.wait_for('ACTIVE')
