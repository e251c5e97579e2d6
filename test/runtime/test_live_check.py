"""What is said of a running cell, from what was seen of it: every verdict by its case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Cell, ForceLimit, Load
from physical_ai_bridge.contract.names import PROPOSALS
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.runtime.live_check.controller import controller_node
from physical_ai_bridge.runtime.live_check.finding import Verdict
from physical_ai_bridge.runtime.live_check.judge import judge
from physical_ai_bridge.runtime.live_check.observed import (
    COMMAND_TYPE,
    Content,
    ControllerStatus,
    Endpoint,
    Expected,
    expected_streams,
    Observed,
    Received,
    SETPOINT_TYPE,
    Stream,
    Topic,
)
from physical_ai_bridge.runtime.live_check.tally import Tally
from physical_ai_bridge.testing.contracts import example_cell, JOINTS
import pytest

MS, S = 1_000_000, 1_000_000_000
SYSTEM = 1_700_000_000 * S
JTC = '/joint_trajectory_controller'
COMMANDS = f'{JTC}/joint_trajectory'
STATE = f'{JTC}/controller_state'
WRIST = '/wrist_camera/image_raw'
WRENCH = '/force_torque_sensor/wrench'
SETTINGS = {'use_sim_time': False, 'joints': list(JOINTS), 'command_interfaces': ['position'],
            'interpolate_from_desired_state': True, 'allow_trajectory_replacement': False,
            'allow_nonzero_velocity_at_trajectory_end': False}
ACTIVE = ControllerStatus(name='joint_trajectory_controller', state='active',
                          claimed_interfaces=tuple(f'{name}/position' for name in JOINTS))


def cell_under_test(**force_limit: Any) -> Cell:
    """Return the example cell with a state topic, a tare, and fewer messages."""
    cell = example_cell()
    limit = ForceLimit(max_force_n=90.0, max_torque_nm=12.0,
                       tare=Load(force_n=5.0, torque_nm=0.5), **force_limit)
    sensors = cell.sensors
    return replace(
        cell,
        sensors=replace(
            sensors, joint_states=replace(sensors.joint_states, rate_hz=100.0),
            wrenches={'wrist': replace(sensors.wrenches['wrist'], rate_hz=100.0)}),
        controller=replace(cell.controller, state_topic=STATE,
                           state_type='sensor_msgs/msg/JointState'),
        safety=replace(cell.safety, force_limits={'wrist': limit}))


def value_of(expected: Expected, at: int) -> Any:
    """Return the right content of a stream's message number ``at``."""
    stamp_ns = SYSTEM
    if expected.content in (Content.JOINTS, Content.REFERENCE):
        return JointSample(stamp_ns, JOINTS, np.zeros(6))
    if expected.content is Content.WRENCH:
        return WrenchSample(stamp_ns, np.array([0.0, 0.01 * (at % 2), 1.0]), np.zeros(3))
    return {Content.PRESSED: False, Content.DESCRIPTION: '<robot/>'}.get(expected.content)


def stream_of(expected: Expected, *, rate_hz: float | None = None, age_ms: float = 1.0,
              seconds: float = 1.0, **changes: Any) -> Stream:
    """Return a second of a stream, each message with the same ``changes``."""
    rate_hz = rate_hz or expected.rate_hz or 50.0
    stamped = expected.content not in (Content.PRESSED, Content.DESCRIPTION)
    received = []
    for at in range(round(seconds * rate_hz)):
        arrival_ns = round((at + 0.5) / rate_hz * S)
        values = {
            'steady_ns': arrival_ns, 'system_ns': SYSTEM + arrival_ns,
            'stamp_ns': SYSTEM + arrival_ns - round(age_ms * MS) if stamped else None,
            'frame_id': expected.frame_id or '', 'value': value_of(expected, at)}
        values |= changes
        sample = values['value']
        if isinstance(sample, (JointSample, WrenchSample)):
            values['value'] = replace(sample, stamp_ns=values['stamp_ns'])
        received.append(Received(**values))
    return Stream(received=tuple(received))


class Scene:
    """An observation that is as it should be, to be spoilt."""

    def __init__(self, cell: Cell | None = None) -> None:
        self.cell = cell or cell_under_test()
        self.expected = {each.topic: each for each in expected_streams(self.cell)}
        self.streams = {topic: stream_of(each) for topic, each in self.expected.items()}
        self.topics = {
            topic: Topic(name=topic, publishers=(Endpoint(
                node='/driver', type_name=each.type_name),))
            for topic, each in self.expected.items()}
        self.topics[COMMANDS] = Topic(name=COMMANDS, subscriptions=(
            Endpoint(node=JTC, type_name=COMMAND_TYPE),))
        self.parameters = {JTC: dict(SETTINGS), '/driver': {'use_sim_time': False}}
        self.rest: dict[str, Any] = {
            'nodes': ('/driver', JTC), 'begun_ns': 0, 'ended_ns': S, 'controllers': (ACTIVE,)}
        self.cameras: tuple[str, ...] | None = None

    def spoil(self, topic: str, **changes: Any) -> Scene:
        """Change every message of a stream."""
        self.streams[topic] = stream_of(self.expected[topic], **changes)
        return self

    def publish(self, topic: str, *endpoints: Endpoint) -> Scene:
        """Let somebody else publish a topic."""
        self.topics[topic] = replace(
            self.topics.get(topic, Topic(name=topic)), publishers=endpoints)
        return self

    def findings(self) -> list[Any]:
        """Return what is said."""
        return judge(self.cell, Observed(
            topics=self.topics, streams=self.streams, parameters=self.parameters, **self.rest),
            self.cameras)

    def told(self, verdict: Verdict = Verdict.FAILED) -> list[str]:
        """Return what is said with a verdict."""
        return [str(each) for each in self.findings() if each.verdict is verdict]

    def only(self, verdict: Verdict = Verdict.FAILED) -> str:
        """Return the one thing that is said with a verdict."""
        [finding] = self.told(verdict)
        return finding


def driver(expected: Expected | str, **changes: Any) -> Endpoint:
    name = expected if isinstance(expected, str) else expected.type_name
    return Endpoint(**{'node': '/driver', 'type_name': name} | changes)


FORWARD = '/forward_position_controller'
SETPOINTS = f'{FORWARD}/commands'


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_cell_that_is_right_passes_in_everything(scene):
    assert {each.verdict for each in scene.findings()} == {Verdict.PASSED}
    assert 'supervisor: inputs: it would take the robot over' in scene.told(Verdict.PASSED)


def test_an_empty_graph_is_one_clear_sentence(scene):
    scene.rest |= {'nodes': (), 'place': 'in the ROS domain 47'}
    assert [each.subject for each in scene.findings()] == ['graph']
    assert 'no node was found in the ROS domain 47; start the cell' in scene.only()


class TestTopics:

    def test_a_topic_that_nobody_publishes_is_told_with_those_of_its_type(self, scene):
        scene.publish(WRIST)
        scene.rest['by_type'] = {'sensor_msgs/msg/Image': ('/wrist/image_raw', '/chin/depth')}
        assert 'published on /wrist/image_raw, /chin/depth' in scene.only()
        assert 'or write topic: /wrist/image_raw in the cell file' in scene.only()

    def test_another_type(self, scene):
        scene.publish(WRIST, driver('sensor_msgs/msg/CompressedImage'))
        assert 'sensors.cameras.wrist: type: /driver publishes sensor_msgs/msg/Comp' in (
            scene.only())

    def test_qos_that_the_middleware_does_not_connect(self, scene):
        scene.publish(WRIST, driver(scene.expected[WRIST], mismatch='deadlines differ'))
        assert 'qos: the QoS of /driver' in scene.only()
        assert 'deadlines differ' in scene.only()

    def test_one_more_publisher_that_is_not_heard_is_a_warning(self, scene):
        expected = scene.expected[WRIST]
        scene.publish(WRIST, driver(expected), driver('std_msgs/msg/Bool', node='/odd'))
        assert scene.told() == []
        assert '/odd publishes there too, and is not heard: std_msgs/msg/Bool' in (
            scene.only(Verdict.WARNED))

    def test_messages_of_another_distribution(self, scene):
        scene.streams[WRENCH] = Stream(malformed='geometry_msgs/msg/WrenchStamped: end: ...')
        assert 'message packages of the same distribution' in scene.only()

    def test_a_type_that_is_not_installed(self, scene):
        scene.streams[STATE] = Stream(unavailable='control_msgs is not installed')
        assert 'control_msgs is not installed' in scene.only()

    def test_a_camera_that_the_bundle_does_not_use_is_left_out(self, scene):
        scene.cameras = ('scene',)
        scene.publish(WRIST)
        assert scene.told() == []
        assert scene.told(Verdict.NOT_CHECKED) == [
            'sensors.cameras.wrist: topic: the bundle does not use it']


class TestArrival:

    def test_a_silent_sensor(self, scene):
        scene.streams[WRENCH] = Stream()
        assert 'nothing came on /force_torque_sensor/wrench for 1.0 s' in scene.only()

    def test_a_silent_camera_may_be_two_things(self, scene):
        scene.streams[WRIST] = Stream()
        scene.rest['profile_advice'] = 'type `export X=fastdds.xml`'
        assert 'either the camera sends nothing, or its frames do not fit' in scene.only()
        assert 'type `export X=fastdds.xml` where /driver is started' in scene.only()

    def test_frames_that_come_only_reliably_do_not_fit_the_transport(self, scene):
        scene.streams[WRIST] = Stream(only_reliably=True)
        assert "they do not fit the transport of the camera's process" in scene.only()

    @pytest.mark.parametrize(('rate_hz', 'verdict'), [
        (15.0, None), (14.5, None), (13.5, Verdict.WARNED), (11.0, Verdict.FAILED),
        (22.0, None), (25.0, Verdict.WARNED)])
    def test_the_rate_is_held_against_the_cell_file(self, scene, rate_hz, verdict):
        scene.streams[WRIST] = stream_of(scene.expected[WRIST], rate_hz=rate_hz, seconds=4.0)
        scene.rest['ended_ns'] = 4 * S
        for topic in self.others(scene):
            scene.streams[topic] = stream_of(scene.expected[topic], seconds=4.0)
        rates = [each for each in scene.findings()
                 if (each.subject, each.check) == ('sensors.cameras.wrist', 'rate')]
        assert [each.verdict for each in rates] == [verdict or Verdict.PASSED]
        assert f'{rate_hz:.1f} Hz' in rates[0].found

    def others(self, scene):
        return [topic for topic in scene.streams if topic != WRIST]

    def test_a_stream_that_stops_is_too_slow(self, scene):
        scene.streams[WRENCH] = stream_of(scene.expected[WRENCH], seconds=0.5)
        assert 'sensors.wrenches.wrist: rate: 49.7 Hz' in scene.only()

    def test_gaps_between_stamps_are_frames_lost_on_the_way(self, scene):
        kept = tuple(each for at, each in enumerate(scene.streams[WRIST].received)
                     if at in (0, 1, 5, 6, 12))
        scene.streams[WRIST] = Stream(received=kept)
        assert 'by the stamps at least 8 of 13 frames were lost on the way' in scene.only()

    def test_two_drivers_of_one_sensor(self, scene):
        expected = scene.expected[WRIST]
        scene.publish(WRIST, driver(expected), driver(expected, node='/twin'))
        scene.spoil(WRIST, rate_hz=30.0)
        assert '2 publish there: /driver, /twin; stop all but one' in scene.only()


class TestStamps:

    @pytest.mark.parametrize(('age_ms', 'words'), [
        (60.0, 'messages are 0.060 s old when they come, max_age_s is 0.05'),
        (-60.0, 'stamps lie 0.060 s in the future; set the clocks of the two machines'),
        (3_600_000.0, 'its stamps are of another clock')])
    def test_that_are_not_of_now(self, scene, age_ms, words):
        assert words in scene.spoil(WRENCH, age_ms=age_ms).only()

    @pytest.mark.parametrize('age_ms', [49.0, -49.0])
    def test_that_are_within_tolerance_pass(self, scene, age_ms):
        assert scene.spoil(WRENCH, age_ms=age_ms).told() == []

    def test_of_zero(self, scene):
        assert 'every stamp is 0; let the driver stamp' in scene.spoil(WRENCH, stamp_ns=0).only()

    def test_that_repeat(self, scene):
        assert 'bear the same stamp' in scene.spoil(WRENCH, stamp_ns=SYSTEM).only()

    def test_a_few_that_are_late_are_a_warning(self, scene):
        received = scene.streams[WRENCH].received
        scene.streams[WRENCH] = Stream(received=tuple(
            replace(each, stamp_ns=each.stamp_ns - S) if at % 10 == 0 else each
            for at, each in enumerate(received)))
        assert '10% of the messages are older than max_age_s' in scene.only(Verdict.WARNED)


class TestClocks:

    def simulate(self, scene, *nodes, clock=True, offset_ns=1000 * S):
        """Let nodes run on a time that is ``offset_ns`` behind the system's."""
        for node in nodes:
            scene.parameters[node]['use_sim_time'] = True
        if clock:
            scene.rest |= {'clock_publishers': ('/gazebo',), 'clock_offset_ns': offset_ns,
                           'clock_ns': (SYSTEM - offset_ns, SYSTEM - offset_ns + S)}
        for topic, expected in scene.expected.items():
            stream = stream_of(expected, age_ms=1.0 + offset_ns / MS)
            scene.streams[topic] = Stream(received=tuple(
                replace(each, simulated_ns=each.system_ns - offset_ns)
                for each in stream.received))

    def test_simulated_time_in_all_nodes(self, scene):
        self.simulate(scene, '/driver', JTC)
        assert scene.told() == []
        assert 'start our nodes with use_sim_time:=true' in scene.told(Verdict.PASSED)[0]

    def test_mixed_clocks_are_one_mistake_and_stamps_wait(self, scene):
        self.simulate(scene, '/driver')
        assert scene.only() == (
            'clocks: use_sim_time: /driver runs on simulated time, /joint_trajectory_controller '
            'on the system clock; start /driver with --ros-args -p use_sim_time:=false')
        assert not any(each.check == 'stamps' for each in scene.findings())

    def test_simulated_time_without_a_clock(self, scene):
        self.simulate(scene, '/driver', JTC, clock=False)
        assert 'nobody publishes /clock' in scene.only()

    def test_a_paused_simulation(self, scene):
        self.simulate(scene, '/driver', JTC)
        scene.rest['clock_ns'] = (SYSTEM, SYSTEM)
        assert 'it stands still; let the simulation run' in scene.only()

    def test_a_clock_that_agrees_with_the_systems_is_no_matter(self, scene):
        self.simulate(scene, offset_ns=5 * MS)
        assert scene.told() == scene.told(Verdict.WARNED) == []

    def test_a_clock_that_nobody_follows_is_a_warning(self, scene):
        self.simulate(scene)
        scene.streams = {topic: stream_of(each) for topic, each in scene.expected.items()}
        assert '/gazebo publishes /clock, and' in scene.only(Verdict.WARNED)

    def test_stamps_of_simulated_time_under_system_time_say_so(self, scene):
        self.simulate(scene)
        assert 'its stamps are of simulated time: start its node with' in scene.told()[0]

    def test_who_makes_time_need_not_follow_it(self, scene):
        self.simulate(scene, JTC)
        scene.rest['clock_publishers'] = ('/driver',)
        assert scene.told() == []

    def test_nodes_that_tell_nothing_leave_it_to_the_stamps(self, scene):
        self.simulate(scene)
        scene.parameters = {JTC: {key: value for key, value in SETTINGS.items()
                                  if key != 'use_sim_time'}}
        assert scene.told() == []
        assert 'stamps are of simulated time' in scene.told(Verdict.PASSED)[0]
        scene.rest['clock_publishers'] = ()
        assert 'no node told its use_sim_time' in scene.told(Verdict.NOT_CHECKED)[0]


class TestContents:

    def test_what_a_node_would_refuse_is_said_once(self, scene):
        scene.spoil('/joint_states', complaint='a joint state lacks elbow_joint')
        assert 'joints: a joint state lacks elbow_joint (100 of 100 messages)' in scene.only()

    def test_joint_states_of_another_device_alone(self, scene):
        scene.streams['/joint_states'] = Stream(foreign=('gripper_joint',))
        assert 'the joint states are those of gripper_joint alone' in scene.only()

    def test_another_order_and_more_joints_pass_and_are_said(self, scene):
        names = (*JOINTS[::-1], 'gripper_joint')
        scene.spoil('/joint_states', value=JointSample(0, names, np.zeros(7)))
        assert ('sensors.joint_states: joints: 6 joints, in another order, which is no matter, '
                'beside gripper_joint') in scene.told(Verdict.PASSED)

    @pytest.mark.parametrize(('rad', 'words'), [
        (7.0, 'shoulder_pan_joint stands at 7.000 rad, its limits are -6.2831 to 6.2831;'),
        (90.0, 'are these degrees?')])
    def test_a_joint_outside_its_limits(self, scene, rad, words):
        position = np.array([rad, 0, 0, 0, 0, 0])
        for topic in ('/joint_states', STATE):
            scene.spoil(topic, value=JointSample(0, JOINTS, position))
        assert words in scene.only()

    def test_another_frame(self, scene):
        scene.spoil(WRENCH, frame_id='flange')
        assert 'frame_id: found flange, the cell file says tool0' in scene.only()
        assert scene.spoil(WRENCH, frame_id='/tool0').told() == []

    @pytest.mark.parametrize(('force_n', 'words'), [
        (30.0, 'at rest; 5 N and 0.5 N·m are plausible without contact'),
        (200.0, 'zero the sensor')])
    def test_a_sensor_that_was_not_zeroed(self, scene, force_n, words):
        scene.spoil(WRENCH, value=WrenchSample(0, np.array([force_n, 0, 0]), np.zeros(3)))
        assert words in scene.only()

    def test_a_sensor_that_reads_the_most_it_can(self):
        scene = Scene(cell_under_test(saturation=Load(force_n=150.0, torque_nm=15.0)))
        scene.spoil(WRENCH, value=WrenchSample(0, np.array([150.0, 0, 0]), np.zeros(3)))
        assert 'wrench: wrist' in scene.only()

    def test_a_moving_robot_may_press(self, scene):
        received = scene.streams['/joint_states'].received
        scene.streams['/joint_states'] = Stream(received=tuple(
            replace(each, value=JointSample(each.stamp_ns, JOINTS, np.full(6, 0.005 * at)))
            for at, each in enumerate(received)))
        scene.cell = replace(scene.cell, controller=replace(
            scene.cell.controller, tracking_tolerance_rad=1.0))
        scene.spoil(WRENCH, value=WrenchSample(0, np.array([30.0, 0, 0]), np.zeros(3)))
        assert scene.told() == []
        assert 'NOT_AT_REST' in scene.only(Verdict.NOT_CHECKED)

    def test_a_sensor_that_does_not_change_is_a_warning(self, scene):
        scene.spoil(WRENCH, value=WrenchSample(0, np.zeros(3), np.zeros(3)))
        assert 'do not change by one bit' in scene.only(Verdict.WARNED)

    def test_a_reference_far_from_the_robot(self, scene):
        scene.spoil(STATE, value=JointSample(0, JOINTS, np.full(6, 0.3)))
        assert 'holds shoulder_pan_joint 0.300 rad from where it is' in scene.only()


class TestEmergencyStop:

    def test_pressed(self, scene):
        assert 'says that it is pressed; release it' in (
            scene.spoil('/emergency_stop', value=True).only())

    def test_two_that_contradict_each_other(self, scene):
        received = scene.streams['/emergency_stop'].received
        scene.streams['/emergency_stop'] = Stream(received=tuple(
            replace(each, value=at % 2 == 0) for at, each in enumerate(received)))
        assert 'in 25 of 50 messages; let one node alone send' in scene.only()

    @pytest.mark.parametrize(('rate_hz', 'verdict'), [
        (20.0, None), (6.0, Verdict.WARNED), (3.0, Verdict.FAILED)])
    def test_a_heartbeat_that_is_slow_against_its_timeout(self, scene, rate_hz, verdict):
        scene.spoil('/emergency_stop', rate_hz=rate_hz)
        rates = [each.verdict for each in scene.findings()
                 if (each.subject, each.check) == ('safety.emergency_stop', 'rate')]
        assert rates == [verdict or Verdict.PASSED]

    def test_a_pause_is_a_warning(self, scene):
        received = scene.streams['/emergency_stop'].received
        scene.streams['/emergency_stop'] = Stream(received=received[:15] + received[30:])
        assert 'it was silent for 0.32 s once' in scene.told(Verdict.WARNED)[0]


class TestController:

    @pytest.mark.parametrize(('name', 'value', 'words'), [
        ('interpolate_from_desired_state', False, 'from the measured position'),
        ('allow_trajectory_replacement', True, 'blends into a command'),
        ('allow_nonzero_velocity_at_trajectory_end', True, 'do not end at rest'),
        ('joints', list(JOINTS[:5]), 'lacks wrist_3_joint: it rejects every command'),
        ('joints', [*JOINTS, 'rail'], 'has also rail')])
    def test_a_parameter_that_is_wrong(self, scene, name, value, words):
        scene.parameters[JTC][name] = value
        assert scene.only().startswith(f'controller: {name}: ')
        assert words in scene.only()

    def test_a_parameter_that_a_release_does_not_have_yet_is_fine(self, scene):
        del scene.parameters[JTC]['allow_trajectory_replacement']
        assert {each.verdict for each in scene.findings()} == {Verdict.PASSED}

    def test_the_order_of_its_joints_is_no_matter(self, scene):
        scene.parameters[JTC]['joints'] = list(JOINTS[::-1])
        assert scene.told() == []

    def test_one_that_does_not_tell_is_not_checked(self, scene):
        del scene.parameters[JTC]
        assert 'does not answer to /joint_trajectory_controller/get_parameters' in (
            scene.only(Verdict.NOT_CHECKED))

    def test_something_that_is_no_joint_trajectory_controller(self, scene):
        scene.parameters[JTC] = {'use_sim_time': False}
        assert 'none of the parameters' in scene.only(Verdict.WARNED)

    def test_a_controller_of_velocities_is_a_warning(self, scene):
        scene.parameters[JTC]['command_interfaces'] = ['velocity']
        assert 'a gain of its own' in scene.only(Verdict.WARNED)

    @pytest.mark.parametrize(('listening', 'words'), [
        ((), 'nobody listens to'),
        ((Endpoint(node=JTC, type_name='std_msgs/msg/Float64MultiArray'),), 'takes std_msgs'),
        ((Endpoint(node=JTC, type_name=COMMAND_TYPE, mismatch='volatile'),),
         'does not hear our commands')])
    def test_that_does_not_hear_commands(self, scene, listening, words):
        scene.topics[COMMANDS] = Topic(name=COMMANDS, subscriptions=listening)
        assert words in scene.only()

    @pytest.mark.parametrize(('changes', 'words'), [
        ({'state': 'inactive'}, 'is inactive: it drops every command, silently'),
        ({'name': 'scaled_joint_trajectory_controller'}, 'it has scaled_joint_trajectory')])
    def test_that_is_not_active(self, scene, changes, words):
        scene.rest['controllers'] = (replace(ACTIVE, **changes),)
        assert words in scene.only()

    def test_that_has_not_claimed_a_joint(self, scene):
        scene.rest['controllers'] = (replace(
            ACTIVE, claimed_interfaces=ACTIVE.claimed_interfaces[1:]),)
        assert 'has not claimed shoulder_pan_joint/position' in scene.only(Verdict.WARNED)

    def test_without_a_manager_that_is_not_checked(self, scene):
        scene.rest |= {'controllers': None, 'controllers_untold': 'no manager'}
        assert 'no manager' in scene.only(Verdict.NOT_CHECKED)

    def test_the_one_after_which_the_topic_is_named_executes(self):
        listening = tuple(Endpoint(node=node, type_name=COMMAND_TYPE)
                          for node in ('/bag', '/policy_node', JTC))
        topic = Topic(name=COMMANDS, subscriptions=listening)
        assert controller_node(topic, {'/policy_node'}) == JTC
        assert controller_node(replace(topic, name='/moved'), {'/bag', '/policy_node'}) == JTC
        assert controller_node(replace(topic, subscriptions=listening[1:2]),
                               {'/policy_node'}) is None


class TestStreamedController:

    @pytest.fixture
    def scene(self) -> Scene:
        cell = cell_under_test()
        scene = Scene(replace(cell, controller=replace(
            cell.controller, interface='position_stream', topic=SETPOINTS, joints=JOINTS,
            state_topic=None)))
        scene.topics[SETPOINTS] = Topic(name=SETPOINTS, subscriptions=(
            Endpoint(node=FORWARD, type_name=SETPOINT_TYPE),))
        scene.parameters[FORWARD] = {'joints': list(JOINTS)}
        scene.rest['controllers'] = (replace(ACTIVE, name='forward_position_controller'),)
        return scene

    def test_that_takes_setpoints_in_the_order_of_the_cell_file_passes(self, scene):
        assert scene.told() == []
        assert 'controller: joints: the same joints in the same order' in (
            scene.told(Verdict.PASSED))

    def test_that_has_them_in_another_order(self, scene):
        scene.parameters[FORWARD]['joints'] = list(reversed(JOINTS))
        assert 'each setpoint would go to another joint' in scene.only()

    def test_that_does_not_tell_their_order(self, scene):
        del scene.parameters[FORWARD]['joints']
        assert 'a setpoint carries no names' in scene.only(Verdict.NOT_CHECKED)

    def test_that_takes_trajectories(self, scene):
        scene.topics[SETPOINTS] = Topic(name=SETPOINTS, subscriptions=(
            Endpoint(node=FORWARD, type_name=COMMAND_TYPE),))
        assert 'not std_msgs/msg/Float64MultiArray' in scene.only()


class TestWhoCommands:

    def test_our_supervisor_may(self, scene):
        scene.rest['supervisors'] = ('/safety_supervisor',)
        scene.publish(COMMANDS, driver(COMMAND_TYPE, node='/safety_supervisor'))
        scene.publish(PROPOSALS, driver(COMMAND_TYPE, node='/policy_node'))
        assert scene.told() == []
        assert 'controller: publishers: only /safety_supervisor commands it' in (
            scene.told(Verdict.PASSED))

    def test_nobody_else_may(self, scene):
        scene.publish(COMMANDS, driver(COMMAND_TYPE, node='/move_group'))
        assert '/move_group publishes on' in scene.only()

    def test_unless_the_cell_file_only_wants_to_hear_of_it(self, scene):
        scene.cell = replace(scene.cell, controller=replace(
            scene.cell.controller, other_publishers='report'))
        scene.publish(COMMANDS, driver(COMMAND_TYPE, node='/move_group'))
        assert '/move_group publishes on' in scene.only(Verdict.WARNED)

    def test_two_supervisors_may_not(self, scene):
        both = ('/a/safety_supervisor', '/b/safety_supervisor')
        scene.rest['supervisors'] = both
        scene.publish(COMMANDS, *(driver(COMMAND_TYPE, node=node) for node in both))
        assert 'stop all but one of them' in scene.only()

    def test_a_client_of_the_action_is_a_warning(self, scene):
        scene.rest['action_clients'] = ('/move_group',)
        assert '/move_group can send goals' in scene.only(Verdict.WARNED)


class TestSupervisor:

    @pytest.mark.parametrize(('wrenches_s', 'left_out', 'verdict', 'words'), [
        (0.005, 1000, Verdict.FAILED, 'it would not take the robot over: WRENCH_SILENT'),
        (0.012, 70, Verdict.WARNED, 'and stop it again: WRENCH_SILENT')])
    def test_what_only_the_supervisor_minds_is_found_by_asking_it(
            self, scene, wrenches_s, left_out, verdict, words):
        safety = scene.cell.safety
        scene.cell = replace(scene.cell, safety=replace(
            safety, watchdogs=replace(safety.watchdogs, wrenches_s=wrenches_s)))
        received = scene.streams[WRENCH].received
        scene.streams[WRENCH] = Stream(received=tuple(
            each for at, each in enumerate(received) if (at + 1) % left_out))
        assert words in scene.told(verdict)[-1]
        assert len(scene.told()) == (verdict is Verdict.FAILED)

    def test_is_not_asked_where_something_is_to_be_mended_first(self, scene):
        scene.spoil('/emergency_stop', value=True)
        assert scene.only(Verdict.NOT_CHECKED).startswith('supervisor: ')


def test_a_check_that_was_held_up_itself_says_so(scene):
    scene.rest['held_up_s'] = 0.4
    assert 'could not listen for 0.40 s' in scene.only(Verdict.WARNED)


def test_a_message_that_does_not_decode_is_kept_as_a_reason():
    cell = cell_under_test()
    [expected] = [each for each in expected_streams(cell) if each.topic == WRENCH]
    tally = Tally(expected, cell)
    tally.take(b'\x00\x01\x00\x00\x01', steady_ns=0, system_ns=0, simulated_ns=None)
    assert len(tally) == 0
    assert 'geometry_msgs/msg/WrenchStamped' in tally.stream().malformed
