"""``check --live`` over DDS: each mistake that is planted in a cell is named, and no other."""

from __future__ import annotations

from itertools import pairwise
import json
from pathlib import Path
import runpy

from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.live_listener import LiveListener
from physical_ai_bridge.runtime.live_check.finding import Verdict
from physical_ai_bridge.runtime.live_check.judge import judge
from physical_ai_bridge.runtime.live_check.observed import Observed
import pytest
from std_msgs.msg import String
import yaml

pytestmark = pytest.mark.ros

STATE_TOPIC = '/joint_trajectory_controller/controller_state'
TRIES = 10
PLAYER = Path(__file__).with_name('live_cell.py')
# What fails, and words that say what is wrong and what to do.
FAILURES = {
    'no joint states': ('sensors.joint_states', 'topic', 'nobody publishes /joint_states'),
    'a joint is missing': ('sensors.joint_states', 'joints', 'lacks shoulder_pan_joint'),
    'old joint states': ('sensors.joint_states', 'stamps', '3.0'),
    'a compressed camera': (
        'sensors.cameras.wrist', 'type', 'publishes sensor_msgs/msg/CompressedImage'),
    'a silent camera': ('sensors.cameras.wrist', 'messages', 'nothing came'),
    'a slow camera': ('sensors.cameras.wrist', 'rate', 'the cell file says 15 Hz'),
    'blue for red': ('sensors.cameras.wrist', 'image', "encoding 'bgr8' came"),
    'a camera on simulated time': (
        'clocks', 'use_sim_time', '/wrist_camera runs on simulated time'),
    "another sensor's frame": ('sensors.wrenches.wrist', 'frame_id', 'found flange'),
    'a wrench that is no number': ('sensors.wrenches.wrist', 'wrench', 'not finite'),
    'a sensor that was not zeroed': ('sensors.wrenches.wrist', 'wrench', 'zero the sensor'),
    'no heartbeat': ('safety.emergency_stop', 'topic', 'nobody publishes /emergency_stop'),
    'emergency stop pressed': ('safety.emergency_stop', 'pressed', 'release it'),
    'a volatile description': ('robot.urdf', 'qos', 'volatile publisher'),
    'no controller': ('controller', 'topic', 'nobody listens'),
    'a controller that asks for more': ('controller', 'qos', 'does not hear our commands'),
    'a controller of other joints': ('controller', 'joints', 'lacks wrist_3_joint'),
    'bridging from the measured state': (
        'controller', 'interpolate_from_desired_state', 'interpolate_from_desired_state: true'),
    'a controller that stands elsewhere': ('controller.state_topic', 'reference', '0.500 rad'),
    'somebody else commands': ('controller', 'publishers', '/move_group publishes'),
}


@pytest.fixture(scope='module')
def cell_file(tmp_path_factory, write_cell) -> Path:
    """Return the file of the cell that is played: patient, and slow enough for a busy machine."""
    folder = tmp_path_factory.mktemp('live')
    path = write_cell(folder)
    values = yaml.safe_load(path.read_text())
    values['robot']['urdf'] = '/robot_description'
    values['controller'] |= {'state_topic': STATE_TOPIC,
                             'state_type': 'sensor_msgs/msg/JointState'}
    for sensor in (values['sensors']['joint_states'], *values['sensors']['wrenches'].values()):
        sensor['rate_hz'] = 80.0
    path.write_text(yaml.safe_dump(values))
    return path


class Stage:
    """A process that plays cells, and a listener to each."""

    def __init__(self, graph, cell_file) -> None:
        self._graph, self.cell = graph, load_cell(cell_file)
        self._planted = graph.listen(String, '/planted', qos.latched())
        self._plant = graph.node.create_publisher(String, '/plant', qos.latched())
        graph.run('live_cell', str(PLAYER), str(cell_file))
        graph.wait(lambda: self._planted.messages, 'the first cell')

    def check(self, mistake: str = ''):
        """Plant a mistake, listen, and return the findings."""
        if self._planted.last.data != mistake:
            self._plant.publish(String(data=mistake))
            self._graph.wait(lambda: self._planted.last.data == mistake, mistake)
        for _ in range(TRIES):
            observed = self.observe()
            if not starved(observed):
                break
        return judge(self.cell, observed)

    def observe(self, **options) -> Observed:
        """Listen to the cell as it is."""
        listener = LiveListener(self.cell, None, self._graph.context, **options)
        try:
            return listener.observe(0.4, discovery_s=0.6)
        finally:
            listener.close()


def starved(observed: Observed) -> bool:
    """Tell whether this machine was too busy to play the cell, by a stream without mistakes."""
    stamps = [each.stamp_ns for each in observed.stream(STATE_TOPIC).received]
    if len(stamps) < 2:
        return True
    gaps = [after - before for before, after in pairwise([*stamps, stamps[0] + 400_000_000])]
    return observed.held_up_s > 0.05 or max(gaps) > 100_000_000


@pytest.fixture(scope='module')
def stage(shared_graph, cell_file) -> Stage:
    return Stage(shared_graph, cell_file)


def told(findings, verdict=Verdict.FAILED) -> list[str]:
    """Return the findings of a verdict, as they are told."""
    return [str(each) for each in findings if each.verdict is verdict]


def test_a_cell_without_mistakes_passes(stage):
    findings = stage.check()
    assert told(findings) == []
    about = {each.subject for each in findings if each.verdict is Verdict.PASSED}
    assert about == {
        'clocks', 'sensors.joint_states', 'sensors.cameras.scene', 'sensors.cameras.wrist',
        'sensors.wrenches.wrist', 'controller.state_topic', 'safety.emergency_stop', 'robot.urdf',
        'controller', 'supervisor'}
    # There is no controller manager here.
    [not_checked] = told(findings, Verdict.NOT_CHECKED)
    assert not_checked.startswith('controller: active: ')


@pytest.mark.parametrize('mistake', FAILURES)
def test_a_planted_mistake_is_named_and_no_other(stage, mistake):
    subject, check, words = FAILURES[mistake]
    findings = stage.check(mistake)
    failed = [each for each in findings if each.verdict is Verdict.FAILED]
    assert [(each.subject, each.check) for each in failed] == [(subject, check)], told(findings)
    assert words in str(failed[0])
    assert failed[0].do


def test_a_cell_in_another_namespace_is_not_this_one(stage):
    observed = stage.observe(namespace='left', remaps=['/scene_camera/image_raw:=/elsewhere'])
    assert {name: topic.name for name, topic in observed.topics.items()
            if not topic.publishers and not topic.subscriptions} == {
        name: '/elsewhere' if 'scene' in name else f'/left{name}' for name in observed.topics}


def test_it_publishes_nothing_and_offers_nothing(stage, shared_graph):
    listener = LiveListener(stage.cell, None, shared_graph.context)
    try:
        name, node = listener.node.get_name(), shared_graph.node
        # rclpy's own, which tells who asks about parameters that they have changed.
        assert dict(node.get_publisher_names_and_types_by_node(name, '/')).keys() == {
            '/parameter_events'}
        assert node.get_service_names_and_types_by_node(name, '/') == []
    finally:
        listener.close()


def test_the_simulated_cell_passes_on_the_command_line(graph, monkeypatch, capfd):
    cell = config_path('cells/mujoco_ur5e.yaml').resolve()
    graph.bring_up_all(graph.launch('mujoco_cell', cell=cell))
    monkeypatch.setenv('ROS_DOMAIN_ID', str(graph.context.get_domain_id()))
    main(['check', '--cell', str(cell), '--live', '--seconds', '1', '--json'])
    live = json.loads(capfd.readouterr().out)['live']
    # A busy machine may be late; what is there, and how it is set, cannot be.
    timely = [each for each in live if each['check'] not in ('rate', 'stamps', 'inputs')]
    assert [each for each in timely if each['verdict'] in ('failed', 'warned')
            and each['subject'] != 'graph'] == []
    passed = {each['check'] for each in live if each['verdict'] == 'passed'}
    assert passed >= {'topic', 'use_sim_time', 'image', 'wrench', 'pressed', 'publishers',
                      'interpolate_from_desired_state', 'allow_trajectory_replacement'}


def test_every_mistake_that_can_be_planted_is():
    assert runpy.run_path(str(PLAYER))['MISTAKES'].keys() == FAILURES.keys()
