"""Somebody else on the controller's topic is seen, named, and stops the motion."""

from __future__ import annotations

from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.other_publishers import OtherPublishers
from physical_ai_bridge.runtime.journal import read_journal
from physical_ai_bridge.runtime.replay import replay_supervisor
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.robots import example_robot
import pytest
import rclpy

trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')
JointTrajectory = trajectory_msgs.JointTrajectory

TOPIC = '/joint_trajectory_controller/joint_trajectory'


@pytest.fixture
def make_node():
    """Return a function that makes nodes called 'supervisor', with or without remappings."""
    context = rclpy.Context()
    rclpy.init(context=context)
    made = []

    def make(*remaps):
        arguments = [part for remap in remaps for part in ('-r', remap)]
        made.append(rclpy.create_node(
            'supervisor', context=context, cli_args=['--ros-args', *arguments],
            enable_rosout=False))
        return made[-1]
    yield make
    for node in made:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_ours_is_no_other_and_another_of_our_name_is(make_node):
    ours, twin = make_node(), make_node()
    early = twin.create_publisher(JointTrajectory, '/commands', 1)
    watch = OtherPublishers(ours, '/commands')
    ours.create_publisher(JointTrajectory, '/commands', 1)
    assert watch.names() == ('/supervisor',)
    twin.create_publisher(JointTrajectory, '/commands', 1)
    assert watch.names() == ('/supervisor', '/supervisor')
    twin.destroy_publisher(early)
    assert watch.names() == ('/supervisor',)
    twin.destroy_node()
    assert watch.names() == ()


def test_where_ours_cannot_be_told_all_are_others(make_node):
    ours, twin = make_node(), make_node()
    watch = OtherPublishers(ours, '/commands')
    for node in (ours, twin):
        node.create_publisher(JointTrajectory, '/commands', 1)
    assert watch.names() == ('/supervisor', '/supervisor')


def test_the_topic_is_remapped_once(make_node):
    node = make_node('/a:=/b', '/b:=/a')
    watch = OtherPublishers(node, '/a')
    assert node.create_publisher(JointTrajectory, '/a', 1).topic_name == '/b'
    node.create_publisher(JointTrajectory, '/b', 1)
    assert watch.names() == ()
    node.create_publisher(JointTrajectory, '/a', 1)
    assert watch.names() == ('/supervisor',)


class Watched:
    """A supervisor's process, active without any input, and what it says about others."""

    def __init__(self, graph, cell_path, **parameters) -> None:
        self.graph = graph
        self.states = graph.statuses('/safety_supervisor/state')
        self.client = graph.start('safety_supervisor', cell=cell_path, **parameters)
        self.client.configure()
        self.client.activate()

    def wait_for_others(self, names: str) -> dict[str, str]:
        """Wait until /diagnostics says that these publish, too."""
        return self.graph.wait_for_diagnostics(
            'safety_supervisor', lambda values, message: values['other_publishers'] == names)


@pytest.mark.ros
def test_a_foreign_publisher_is_named_while_it_is_there(graph, cell_path):
    watched = Watched(graph, cell_path)
    watched.wait_for_others('')
    foreign = graph.node.create_publisher(JointTrajectory, TOPIC, qos.command())
    watched.wait_for_others('/test')
    graph.node.destroy_publisher(foreign)
    watched.wait_for_others('')
    log = graph.log('safety_supervisor')
    assert log.count(f'/test publishes on {TOPIC}, too') == 1
    assert log.count(f'nobody else publishes on {TOPIC} any more') == 1


@pytest.mark.ros
def test_a_second_supervisor_is_somebody_else(graph, cell_path):
    watched = Watched(graph, cell_path)
    second = rclpy.create_node('safety_supervisor', context=graph.context)
    second.create_publisher(JointTrajectory, TOPIC, qos.command())
    watched.wait_for_others('/safety_supervisor')
    second.destroy_node()


@pytest.mark.ros
def test_who_was_there_is_in_the_journal_and_replays(graph, cell_path, tmp_path):
    path = tmp_path / 'supervisor.journal'
    watched = Watched(graph, cell_path, journal=path)
    foreign = graph.node.create_publisher(JointTrajectory, TOPIC, qos.command())
    watched.wait_for_others('/test')
    watched.client.shutdown()
    graph.node.destroy_publisher(foreign)
    cell, entries = load_cell(cell_path), list(read_journal(path))
    told = [entry.payload for entry in entries if entry.kind == 'publishers']
    assert told == [b'', b'/test']
    assert [entry.kind for entry in entries][:3] == ['authority', 'activate', 'publishers']
    core = Supervisor(cell, example_robot(cell))
    assert all(replayed.identical for replayed in replay_supervisor(core, cell, entries))
