"""A stop leaves a file behind that decides the same again on another day, on another machine."""

from __future__ import annotations

import json
import time

import numpy as np
from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import LoadedCell
from physical_ai_bridge.nodes.incidents import default_folder, Incidents
from physical_ai_bridge.nodes.journaling import NoJournal
from physical_ai_bridge.nodes.wire import bool_bytes, JointStateWire, WrenchWire
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.decision import Authority
from physical_ai_bridge.testing.robots import example_urdf
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

geometry_msgs = pytest.importorskip('geometry_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')
diagnostic_msgs = pytest.importorskip('diagnostic_msgs.msg')

pytestmark = pytest.mark.ros

HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
BUNDLE = 'ab' * 32


class StandingRobot:
    """A robot that stands at HOME, and an emergency stop that a test may press."""

    def __init__(self, graph, cell_path) -> None:
        cell = load_cell(cell_path)
        self.pressed = False
        self._names, node = cell.robot.joints, graph.node
        self._joints = node.create_publisher(
            sensor_msgs.JointState, cell.sensors.joint_states.topic, qos.sensor_stream())
        self._wrench = node.create_publisher(
            geometry_msgs.WrenchStamped, cell.sensors.wrenches['wrist'].topic,
            qos.sensor_stream())
        self._heartbeat = node.create_publisher(
            std_msgs.Bool, cell.safety.emergency_stop.topic, qos.newest_frame())
        self._diagnostics = node.create_publisher(
            diagnostic_msgs.DiagnosticArray, '/diagnostics', qos.diagnostics())
        self._joint_wire, self._wrench_wire = JointStateWire(self._names), WrenchWire('tool0')
        node.create_timer(0.01, self._beat)
        node.create_timer(0.2, self._tell)

    def _beat(self) -> None:
        now_ns = time.time_ns()
        self._joints.publish(self._joint_wire.encode(
            JointSample(now_ns, self._names, HOME, np.zeros(len(HOME)))))
        self._wrench.publish(self._wrench_wire.encode(
            WrenchSample(now_ns, np.zeros(3), np.zeros(3))))
        self._heartbeat.publish(bool_bytes(self.pressed))

    def _tell(self) -> None:
        """Say what a policy's node says."""
        self._diagnostics.publish(diagnostic_msgs.DiagnosticArray(status=[
            diagnostic_msgs.DiagnosticStatus(name='/policy_node', values=[
                diagnostic_msgs.KeyValue(key='bundle_digest', value=BUNDLE),
                diagnostic_msgs.KeyValue(key='proposals', value='0')])]))


@pytest.fixture
def begin(graph, cell_path):
    """Return a function that starts a supervisor with parameters, READY, and its robot."""
    def start(**parameters):
        robot = StandingRobot(graph, cell_path)
        states = graph.statuses('/safety_supervisor/state')
        client = graph.start(
            'safety_supervisor', cell=cell_path, authority='live', **parameters)
        client.configure()
        client.activate()
        graph.wait(lambda: any(each.message.startswith('READY') for each in states.messages))
        return robot, client
    return start


def test_an_emergency_stop_is_recorded_and_decides_the_same_again(
        begin, graph, tmp_path, capsys):
    folder = tmp_path / 'incidents'
    robot, _ = begin(incidents=folder)
    robot.pressed = True
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['incidents.written'] == '1')
    assert values['incidents.dropped'] == '0'
    assert values['incidents.folder'] == str(folder)
    assert values['incidents.problem'] == ''
    (path,) = folder.iterdir()
    assert path.name.endswith('-EMERGENCY_STOP.zip')
    assert main(['replay-incident', str(path), '--json']) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer['ok'] is True
    assert answer['incident']['bundle_digest'] == BUNDLE
    assert answer['incident']['authority'] == 'live'
    assert answer['decisions'] > 50
    lines = [(event['what'], event['detail']) for event in answer['timeline']]
    assert ('emergency stop', 'pressed') in lines
    last = answer['timeline'][-1]['at_s']
    assert any(event['what'] == 'STOPPING' and event['at_s'] == 0.0
               for event in answer['timeline'])
    assert last <= 1.5


def test_what_is_still_open_is_written_when_the_node_ends(begin, graph, tmp_path):
    folder = tmp_path / 'incidents'
    robot, client = begin(incidents=folder)
    states = graph.statuses('/safety_supervisor/state')
    robot.pressed = True
    graph.wait(lambda: any(each.message.startswith('STOP') for each in states.messages))
    client.deactivate()
    client.shutdown()
    (path,) = folder.iterdir()
    assert main(['replay-incident', str(path)]) == 0


def test_a_folder_that_cannot_be_written_is_told_and_stops_nothing(begin, graph, tmp_path):
    (tmp_path / 'file').write_text('')
    robot, _ = begin(incidents=tmp_path / 'file' / 'folder')
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['incidents.problem'])
    assert values['message'].startswith('READY')
    robot.pressed = True
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['incidents.dropped'] == '1')
    assert graph.log('safety_supervisor').count('incidents cannot be written') == 1


def test_without_a_folder_nothing_is_kept(begin, graph, tmp_path):
    robot, _ = begin(incidents='')
    robot.pressed = True
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: message.startswith('STOP'))
    assert (values['incidents.folder'], values['incidents.written']) == ('', '0')
    assert not list(tmp_path.rglob('incident*'))


class Settings:
    """Parameters of a node that is not there."""

    def __init__(self, **values) -> None:
        self._values = values

    def declare(self, name, default, description) -> None:
        self._values.setdefault(name, default)

    def text(self, name) -> str:
        return self._values[name]

    def number(self, name, unit, **limits) -> float:
        return self._values[name]


def test_an_error_of_the_supervisors_own_is_recorded_and_comes_again(
        cell_path, tmp_path, capsys):
    robot = SupervisedRobot(load_cell(cell_path))
    robot.position = HOME.copy()
    robot.make_ready()
    proposal, now = robot.proposal_to(HOME + 0.2), robot.clock.now
    core = robot.supervisor
    core._publishers = None  # which it never is
    incidents = Incidents(Settings(incidents=str(tmp_path / 'records')))
    journal = incidents.start(
        LoadedCell(robot.cell, cell_path, cell_digest(cell_path)), example_urdf(),
        '/supervisor', NoJournal())
    incidents.begin(core, Authority.LIVE, now)
    payload = encode_joint_trajectory(proposal)
    journal.append('proposal', now, payload)
    SupervisorInputs(core, robot.cell).take('proposal', payload, now)
    with pytest.raises(AttributeError) as raised:
        core.tick(now)
    incidents.fault(raised.value, now, now.later(1_000))
    journal.close()
    (path,) = (tmp_path / 'records').iterdir()
    assert path.name.endswith('INTERNAL_ERROR.zip')
    assert main(['replay-incident', str(path), '--json']) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer['decisions'] == 1
    assert answer['incident']['mode'] == 'FAULT'
    assert any('NoneType' in event['detail'] for event in answer['timeline'])


def test_an_error_of_the_node_around_it_is_recorded_as_such(cell_path, tmp_path):
    robot = SupervisedRobot(load_cell(cell_path))
    incidents = Incidents(Settings(incidents=str(tmp_path / 'records')))
    journal = incidents.start(
        LoadedCell(robot.cell, cell_path, cell_digest(cell_path)), example_urdf(),
        '/supervisor', NoJournal())
    incidents.begin(robot.supervisor, Authority.LIVE, robot.clock.now)
    with pytest.raises(ZeroDivisionError) as raised:
        1 / 0  # noqa: B018
    incidents.fault(raised.value, robot.clock.now, robot.clock.now)
    journal.close()
    (path,) = (tmp_path / 'records').iterdir()
    assert main(['replay-incident', str(path)]) == 0


def test_by_default_records_lie_beside_the_logs_of_ros(monkeypatch, tmp_path):
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path))
    assert default_folder() == tmp_path / 'incidents'


def test_a_cell_file_that_has_changed_since_is_refused(cell_path, tmp_path):
    incidents = Incidents(Settings(incidents=str(tmp_path)))
    with pytest.raises(BridgeError, match='has changed since it was read'):
        incidents.start(LoadedCell(load_cell(cell_path), cell_path, 'another'), '', '',
                        NoJournal())
