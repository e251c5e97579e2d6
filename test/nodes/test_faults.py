"""
Faults of transport, time and processes, met in motion by a real supervisor over real DDS.

The cell is in the test's process, on a clock of its own: sensors, the emulated
joint_trajectory_controller and its report, a policy that asks for a steady turn of the last joint,
and /clock. docs/faults.md maps each fault to its test.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
import os
import signal
import time

import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.wire import bool_bytes, clock_bytes, JointStateWire, WrenchWire
from physical_ai_bridge.policy.reference import ReferenceShaper, STEP_NS
from physical_ai_bridge.runtime.cdr import decode_joint_trajectory, encode_joint_trajectory
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.simulation.controller import Setpoint, TrajectoryController
import pytest
import yaml

diagnostic_msgs = pytest.importorskip('diagnostic_msgs.msg')
lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
geometry_msgs = pytest.importorskip('geometry_msgs.msg')
rosgraph_msgs = pytest.importorskip('rosgraph_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')
std_srvs = pytest.importorskip('std_srvs.srv')
trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')

pytestmark = pytest.mark.ros

HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
TURNING = 5
RATE_RAD_S = 0.5
# The controller holds where the robot is once it lags behind so far.
PATH_TOLERANCE_RAD = 0.8
# How long a controller is away that is restarted.
RESTART_BEATS = 8
STATE_TOPIC = '/joint_trajectory_controller/reference'
BEAT_S = 0.005
# The cell's clock goes no further than this in one beat: where the test's process is held up, time
# runs slower, and nothing grows old.
LONGEST_BEAT_NS = 20_000_000
HOUR_NS = 3_600 * NS_PER_S


class FakeCell:
    """
    The cell of these tests. Its clock, sensors, controller and policy each may be faulty.

    ``silent`` names what does not come: 'clock', 'joint_states', 'wrench', 'heartbeat', 'policy'.
    ``link`` is given each proposal's bytes and returns those that arrive, in their order.
    """

    def __init__(self, graph, cell_path) -> None:
        self.cell = load_cell(cell_path)
        self.names = self.cell.robot.joints
        self.limits = limit_arrays(self.cell)
        self._shaper = ReferenceShaper(20.0, self.limits)
        self._latency_ns = seconds_to_ns(self.cell.controller.latency_s)
        make, sensors = graph.node.create_publisher, self.cell.sensors
        self._clock = make(rosgraph_msgs.Clock, '/clock', qos.newest_frame())
        self._joints = make(
            sensor_msgs.JointState, sensors.joint_states.topic, qos.sensor_stream())
        self._wrench = make(geometry_msgs.WrenchStamped, sensors.wrenches['wrist'].topic,
                            qos.sensor_stream())
        self._reference = make(sensor_msgs.JointState, STATE_TOPIC, qos.sensor_stream())
        self._heartbeat = make(
            std_msgs.Bool, self.cell.safety.emergency_stop.topic, qos.newest_frame())
        self.proposals = make(
            trajectory_msgs.JointTrajectory, '/proposed_trajectory', qos.command(depth=32))
        graph.node.create_subscription(
            trajectory_msgs.JointTrajectory, self.cell.controller.topic, self._on_command,
            qos.command(), raw=True)
        self._joint_wire, self._wrench_wire = JointStateWire(self.names), WrenchWire('tool0')
        self._random = np.random.default_rng(0)
        self.now_ns = 1_000 * NS_PER_S
        self._beaten_ns = time.monotonic_ns()
        self.rest()
        graph.node.create_timer(BEAT_S, self._beat)

    def rest(self) -> None:
        """Stand at HOME with a controller that was just started, and with no fault."""
        self.position = HOME
        self._start_controller()
        self.commands: list[Trajectory] = []
        self.silent = {'policy'}
        self.link: Callable[[bytes], list[bytes]] = lambda data: [data]
        self.on_beat: Callable[[], None] = lambda: None
        self.blocked = self.pressed = self.paused = False
        self.noise_rad = 0.0
        self.joints_off_ns = self.proposals_off_ns = 0
        self.beats = 0

    def _start_controller(self) -> None:
        self.controller = TrajectoryController(self.names, path_tolerance_rad=PATH_TOLERANCE_RAD)
        self.controller.activate(self.position)

    def _on_command(self, data: bytes) -> None:
        message = decode_joint_trajectory(data, 10_000)
        self.commands.append(trajectory_from_message(message, self.names))
        self.controller.receive(message, self.now_ns)

    def _beat(self) -> None:
        now, before = time.monotonic_ns(), self._beaten_ns
        self._beaten_ns = now
        if not self.paused:
            self.now_ns += min(now - before, LONGEST_BEAT_NS)
        self.beats += 1
        self.on_beat()
        measured = Setpoint(self.position, np.zeros(len(self.names)), None)
        setpoint = self.controller.sample(self.now_ns, measured)
        if not self.blocked:
            self.position = setpoint.position
        self._sense(setpoint.velocity)
        if 'policy' not in self.silent and self.beats % 10 == 0 and self.commands:
            for data in self.link(encode_joint_trajectory(self.proposal())):
                self.proposals.publish(data)

    def _sense(self, velocity: np.ndarray) -> None:
        now_ns, silent = self.now_ns, self.silent
        if 'clock' not in silent:
            self._clock.publish(clock_bytes(now_ns))
        if 'joint_states' not in silent:
            noise = self._random.normal(0.0, 1.0, len(self.names)) * self.noise_rad
            self._joints.publish(self._joint_wire.encode(JointSample(
                now_ns + self.joints_off_ns, self.names, self.position + noise, velocity)))
        if 'wrench' not in silent:
            self._wrench.publish(self._wrench_wire.encode(
                WrenchSample(now_ns, np.zeros(3), np.zeros(3))))
        if 'heartbeat' not in silent:
            self._heartbeat.publish(bool_bytes(self.pressed))
        if self.controller.report is not None:
            self._reference.publish(self._joint_wire.encode(self.controller.report))

    def proposal(self) -> Trajectory:
        """Return a proposal that goes on turning the last joint."""
        begin_ns = self.commands[-1].snap(self.now_ns + 2 * self._latency_ns)
        state = self.commands[-1].at(begin_ns)
        target = np.tile(state.position, (seconds_to_ns(0.7) // STEP_NS, 1))
        target[:, TURNING] += RATE_RAD_S * (
            0.15 + np.arange(1, len(target) + 1) * STEP_NS / NS_PER_S)
        stamp_ns = self.now_ns
        proposal = self._shaper.follow(stamp_ns, begin_ns, state, target, self.names)
        return Trajectory(stamp_ns + self.proposals_off_ns, self.names, proposal.times_ns,
                          proposal.positions, proposal.velocities)

    def jump(self, seconds: float) -> None:
        """Move the cell's clock, as a simulator that is reset does: the controller starts anew."""
        self.now_ns += seconds_to_ns(seconds)
        self._start_controller()

    @property
    def at_rest(self) -> bool:
        """Whether everything that was commanded has been played out."""
        return self.now_ns > self.commands[-1].end_ns

    def assert_commands_are_safe(self) -> None:
        """Hold what the controller got against the limits, and each command against the last."""
        for command in self.commands:
            assert not command.velocities[-1].any()
            assert check_limits(command, self.limits, resolution_s=0.002) is None
        for before, after in pairwise(self.commands):
            old, new = before.at(after.start_ns + 1), after.at(after.start_ns + 1)
            assert np.abs(old.position - new.position).max() < 1e-8
            assert np.abs(old.velocity - new.velocity).max() < 1e-6


class Supervised:
    """A supervisor's process beside a fake cell."""

    def __init__(self, graph, cell_path) -> None:
        self.graph = graph
        self.states: list[dict[str, str]] = []
        self.stopping_ns: int | None = None
        graph.node.create_subscription(
            diagnostic_msgs.DiagnosticStatus, '/safety_supervisor/state', self._on_state,
            qos.latched(depth=64))
        self.cell = FakeCell(graph, cell_path)
        self.client = graph.start('safety_supervisor', cell=cell_path, use_sim_time=True)
        self.client.configure()
        graph.wait(self.cell.proposals.get_subscription_count)

    def _on_state(self, message: diagnostic_msgs.DiagnosticStatus) -> None:
        self.states.append(values_of(message))
        if self.states[-1]['mode'] == 'STOPPING' and self.stopping_ns is None:
            self.stopping_ns = time.monotonic_ns()

    def begin(self) -> None:
        """Stand at rest, activate, and let the policy begin to move."""
        self.cell.rest()
        self.client.activate()
        self.wait_for('READY')
        self.cell.silent.clear()
        self.wait_for('ACTIVE')
        self.graph.wait(self.turns, 'the joint to turn')

    def turns(self) -> bool:
        """Tell whether the last joint turns as fast as it is meant to."""
        cell = self.cell
        return abs(cell.commands[-1].at(cell.now_ns).velocity[TURNING]) > 0.8 * RATE_RAD_S

    def wait_for(self, mode: str, reason: str | None = None) -> dict[str, str]:
        """Wait for a state with that mode, and reason, among those that came since last time."""
        def found() -> dict[str, str] | None:
            while self.states:
                values = self.states.pop(0)
                if values['mode'] == mode and reason in (None, values['reason']):
                    return values
            return None
        return self.graph.wait(found, f'{mode} {reason or ""}')

    def now(self) -> dict[str, str]:
        """Wait for the next state, and return it."""
        self.states.clear()
        self.graph.wait(lambda: self.states)
        return self.states[-1]

    def wait_for_refusals(self, reason: str, count: int = 1) -> dict[str, str]:
        """Wait until so many inputs were refused for a reason."""
        return self.graph.wait_for_diagnostics(
            'safety_supervisor',
            lambda values, message: int(values.get(f'refused.{reason}', 0)) >= count)

    def assert_stops(self, reason: str) -> dict[str, str]:
        """Wait for a stop for that reason; nothing is sent after it, whatever is proposed."""
        values = self.wait_for('STOPPED', reason)
        assert values['detail']
        cell, sent = self.cell, len(self.cell.commands)
        end = cell.beats + 40
        self.graph.wait(lambda: cell.beats > end)
        assert len(cell.commands) == sent
        assert not cell.commands[-1].at(cell.now_ns).velocity.any()
        cell.assert_commands_are_safe()
        return values

    def reset(self):
        """Call ~/reset."""
        return self.graph.call(std_srvs.Trigger, '/safety_supervisor/reset')

    def send(self, number: int) -> None:
        """Send a signal to the supervisor's process that does not end it."""
        os.kill(self.graph.pid('safety_supervisor'), number)


@pytest.fixture(scope='module')
def faulty_cell_path(write_cell, tmp_path_factory):
    path = write_cell(tmp_path_factory.mktemp('cell'), watchdogs={
        'proposals_s': 1.0, 'joint_states_s': 1.0, 'wrenches_s': 1.0, 'tick_s': 1.0,
        'controller_state_s': 0.5})
    values = yaml.safe_load(path.read_text())
    values['safety']['emergency_stop']['timeout_s'] = 1.0
    values['controller'] |= {
        'state_topic': STATE_TOPIC, 'state_type': 'sensor_msgs/msg/JointState',
        'tracking_tolerance_rad': 1.0}
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope='module')
def running(shared_graph, faulty_cell_path):
    return Supervised(shared_graph, faulty_cell_path)


@pytest.fixture
def moving(running, record_property):
    """
    Return the supervised cell in motion.

    With --junitxml the report tells after how many ms, as seen from here, it began to stop.
    """
    running.begin()
    begun_ns, running.stopping_ns = time.monotonic_ns(), None
    yield running
    if running.stopping_ns is not None:
        record_property('stops_after_ms', (running.stopping_ns - begun_ns) / 1e6)
    if running.client.state() == lifecycle_msgs.State.PRIMARY_STATE_ACTIVE:
        running.client.deactivate()
    running.cell.rest()
    running.states.clear()


def lasting(moving: Supervised, beats: int) -> None:
    """Let the cell go on for so many of its beats."""
    end = moving.cell.beats + beats
    moving.graph.wait(lambda: moving.cell.beats > end)


class TestTransport:
    """What a network does to proposals."""

    def test_lost_proposals(self, moving):
        random = np.random.default_rng(0)
        moving.cell.link = lambda data: [data] if random.random() > 0.3 else []
        lasting(moving, 200)
        assert moving.now()['mode'] in ('ACTIVE', 'LIMITING')
        moving.cell.assert_commands_are_safe()

    def test_reordered_proposals(self, moving):
        held: list[bytes] = []

        def swap(data: bytes) -> list[bytes]:
            held.append(data)
            if len(held) < 2:
                return []
            swapped = held[::-1]
            held.clear()
            return swapped
        moving.cell.link = swap
        moving.wait_for_refusals('PROPOSAL_REORDERED', 3)
        assert moving.now()['mode'] in ('ACTIVE', 'LIMITING')
        moving.cell.assert_commands_are_safe()

    def test_duplicate_proposals(self, moving):
        moving.cell.link = lambda data: [data] * 3
        lasting(moving, 100)
        assert moving.now()['mode'] == 'ACTIVE'
        values = moving.graph.wait_for_diagnostics('safety_supervisor', lambda *_: True)
        assert not [key for key in values if key.startswith('refused.')]
        moving.cell.assert_commands_are_safe()

    def test_a_burst_of_proposals_after_a_stall(self, moving):
        held: list[bytes] = []

        def stall(data: bytes) -> list[bytes]:
            held.append(data)
            return held if len(held) == 8 else []
        moving.cell.link = stall
        moving.graph.wait(lambda: len(held) == 8)
        last_ns = decode_joint_trajectory(held[-1], 1_000).stamp_ns
        moving.graph.wait(
            lambda: moving.now()['proposal_stamp_ns'] == str(last_ns), 'the last of the burst')
        moving.cell.assert_commands_are_safe()
        moving.cell.link = lambda data: [data]
        moving.wait_for('ACTIVE')

    def test_whoever_joins_late_gets_the_state_and_no_old_command(self, moving):
        late = moving.graph.statuses('/safety_supervisor/state')
        commands = moving.graph.listen(
            trajectory_msgs.JointTrajectory, moving.cell.cell.controller.topic, qos.command(),
            raw=True)
        moving.cell.silent.add('policy')
        moving.wait_for('STOPPED', 'PROPOSALS_SILENT')
        later = moving.graph.listen(
            trajectory_msgs.JointTrajectory, moving.cell.cell.controller.topic, qos.command(),
            raw=True)
        latched = moving.graph.statuses('/safety_supervisor/state')
        moving.graph.wait(lambda: latched.messages)
        assert late.messages
        assert commands.messages
        assert not later.messages


def test_a_supervisor_that_starts_after_the_policy_and_before_the_cell(graph, faulty_cell_path):
    cell = FakeCell(graph, faulty_cell_path)
    cell.commands.append(Trajectory.hold(cell.now_ns, cell.names, HOME))
    cell.silent = {'clock', 'joint_states', 'wrench', 'heartbeat'}
    client = graph.start('safety_supervisor', cell=faulty_cell_path, use_sim_time=True)
    states = graph.statuses('/safety_supervisor/state')
    client.configure()
    client.activate()

    def said(mode: str, reason: str) -> bool:
        return any((values['mode'], values['reason']) == (mode, reason)
                   for values in map(values_of, states.messages))
    graph.wait(lambda: said('INACTIVE', 'EMERGENCY_STOP_SILENT'))
    cell.silent -= {'heartbeat', 'clock'}
    graph.wait(lambda: said('INACTIVE', 'JOINTS_SILENT'))
    assert len(cell.commands) == 1
    cell.silent -= {'joint_states'}
    graph.wait(lambda: said('INACTIVE', 'WRENCH_SILENT'))
    cell.silent -= {'wrench'}
    graph.wait(lambda: said('READY', 'OK'))
    graph.wait(lambda: said('ACTIVE', 'OK'))
    cell.assert_commands_are_safe()


class TestTime:
    """Clocks that do not agree, step, pause, or begin anew."""

    @pytest.mark.parametrize(('off_ns', 'reason'), [
        (-HOUR_NS, 'PROPOSAL_STALE'), (HOUR_NS, 'FROM_THE_FUTURE')])
    def test_a_policy_whose_clock_stepped(self, moving, off_ns, reason):
        moving.cell.proposals_off_ns = off_ns
        assert reason in moving.assert_stops('PROPOSALS_BAD')['detail']

    @pytest.mark.parametrize(('off_ns', 'reason'), [
        (-HOUR_NS, 'JOINTS_STALE'), (HOUR_NS, 'FROM_THE_FUTURE')])
    def test_a_driver_whose_clock_stepped(self, moving, off_ns, reason):
        moving.cell.joints_off_ns = off_ns
        assert reason in moving.assert_stops('JOINTS_SILENT')['detail']

    def test_simulated_time_steps_ahead(self, moving):
        moving.cell.jump(5.0)
        moving.wait_for('STOPPED', 'CLOCK_STEPPED')

    def test_simulated_time_pauses(self, moving):
        cell = moving.cell
        cell.paused = True
        cell.silent = {'clock', 'joint_states', 'wrench', 'policy'}
        moving.wait_for('STOPPING')
        assert moving.now()['mode'] == 'STOPPING'
        assert not moving.reset().success
        cell.paused = False
        cell.silent = set()
        moving.wait_for('STOPPED')
        assert cell.at_rest
        cell.assert_commands_are_safe()

    def test_simulated_time_is_reset(self, moving):
        cell = moving.cell
        cell.jump(-999.0)
        moving.wait_for('STOPPED', 'CLOCK_STEPPED')
        refused = moving.reset()
        assert not refused.success
        assert 'deactivate and activate' in refused.message
        moving.client.deactivate()
        cell.commands.clear()
        moving.client.activate()
        moving.wait_for('READY')
        moving.wait_for('ACTIVE')
        cell.assert_commands_are_safe()


class TestSystem:
    """Processes that halt, and streams that end."""

    def test_the_supervisor_halts_and_goes_on(self, moving):
        cell, graph = moving.cell, moving.graph
        moving.send(signal.SIGSTOP)
        graph.wait(lambda: cell.at_rest, 'the last command to end')
        lasting(moving, 200)
        stood, sent = cell.position.copy(), len(cell.commands)
        moving.send(signal.SIGCONT)
        moving.wait_for('STOPPED', 'TICK_OVERRUN')
        lasting(moving, 40)
        assert len(cell.commands) == sent
        assert np.array_equal(cell.position, stood)
        cell.assert_commands_are_safe()

    def test_the_policy_falls_silent(self, moving):
        moving.cell.silent = {'policy'}
        moving.assert_stops('PROPOSALS_SILENT')

    def test_the_driver_falls_silent(self, moving):
        moving.cell.silent = {'joint_states'}
        moving.assert_stops('JOINTS_SILENT')

    def test_the_force_sensor_falls_silent(self, moving):
        moving.cell.silent = {'wrench'}
        moving.assert_stops('WRENCH_SILENT')

    def test_the_heartbeat_of_the_emergency_stop_is_lost(self, moving):
        moving.cell.silent = {'heartbeat'}
        moving.assert_stops('EMERGENCY_STOP_SILENT')

    def test_an_emergency_stop_that_flaps(self, moving):
        cell = moving.cell

        def flap() -> None:
            cell.pressed = cell.beats % 2 == 0
        cell.on_beat = flap
        moving.assert_stops('EMERGENCY_STOP')
        cell.on_beat = lambda: None
        cell.pressed = False
        moving.graph.wait(lambda: moving.reset().success)
        moving.wait_for('ACTIVE')

    def test_a_protective_stop_of_the_robot(self, moving):
        moving.cell.blocked = True
        moving.assert_stops('JOINTS_FROZEN')

    def test_the_limits_change_while_active(self, moving, faulty_cell_path):
        before = moving.graph.wait_for_diagnostics('safety_supervisor', lambda *_: True)
        text = faulty_cell_path.read_text()
        try:
            faulty_cell_path.write_text(text.replace('max_velocity: 3.14', 'max_velocity: 0.01'))
            lasting(moving, 100)
            after = moving.graph.wait_for_diagnostics('safety_supervisor', lambda *_: True)
            assert after['cell_digest'] == before['cell_digest']
            assert after['message'].startswith('ACTIVE')
            assert moving.turns()
        finally:
            faulty_cell_path.write_text(text)
        assert 'max_velocity: 3.14' in text

    def test_the_supervisor_is_starved(self, moving):
        cell = moving.cell

        def starve() -> None:
            phase = cell.beats % 10
            if phase in (0, 8):
                moving.send(signal.SIGCONT if phase else signal.SIGSTOP)
        cell.on_beat = starve
        try:
            values = moving.wait_for('STOPPING')
        finally:
            cell.on_beat = lambda: None
            moving.send(signal.SIGCONT)
        assert values['reason'] in ('TICKS_LATE', 'TICK_OVERRUN')
        moving.assert_stops(values['reason'])


class TestController:
    """A controller that does something else than it was sent."""

    def test_it_is_deactivated(self, moving):
        moving.cell.controller.deactivate()
        moving.assert_stops('CONTROLLER_SILENT')

    def test_it_is_restarted(self, moving):
        cell = moving.cell
        cell.controller.deactivate()
        back = cell.beats + RESTART_BEATS

        def activate() -> None:
            # Between a beat's begin and its report: no command comes before it is seen.
            if cell.beats == back:
                cell.controller.activate(cell.position)

        cell.on_beat = activate
        moving.assert_stops('REFERENCE_LOST')
        refused = moving.reset()
        assert not refused.success
        assert 'REFERENCE_LOST' in refused.message
        moving.client.deactivate()
        cell.commands.clear()
        moving.client.activate()
        moving.wait_for('READY')
        moving.wait_for('ACTIVE')
        cell.assert_commands_are_safe()

    def test_it_holds_out_of_tolerance(self, moving):
        moving.cell.noise_rad = 1e-5
        moving.cell.blocked = True
        moving.assert_stops('REFERENCE_LOST')

    @pytest.mark.parametrize('share', [0.0, 1.5])
    def test_its_speed_is_scaled(self, moving, share):
        moving.cell.controller.speed_scaling = share
        moving.assert_stops('REFERENCE_LOST')
