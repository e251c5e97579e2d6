"""The SROS2 policy allows what the real nodes use, all of it and nothing else."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from xml.etree import ElementTree

from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.gripper import Gripper
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.nodes.executor import make_executor
from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
from physical_ai_bridge.nodes.recorder import cell_topics, Recorder
from physical_ai_bridge.nodes.sros2_policy import (
    enclaves,
    main,
    MUJOCO_CELL,
    OPERATOR,
    PARAMETER_SERVICES,
    POLICY,
    policy_xml,
    SUPERVISOR,
)
import pytest
import rclpy

NODES = (MUJOCO_CELL, SUPERVISOR, POLICY)
SHIPPED = config_path('sros2/policies.xml')
CELL_FILE = config_path('cells/mujoco_ur5e.yaml').resolve()
CELL = load_cell(CELL_FILE)
# What the format knows: a list's name, what may be ruled on it, and what its elements are called.
LISTS = {'topics': ({'publish', 'subscribe'}, 'topic'),
         'services': ({'reply', 'request'}, 'service'),
         'actions': ({'call', 'execute'}, 'action')}


def rules(node: str, qualifier: str) -> dict[str, set[str]]:
    """Return the names of a node's enclave in the shipped file, by what is ruled on them."""
    found: dict[str, set[str]] = {}
    profile = ElementTree.parse(SHIPPED).find(
        f'.//enclave[@path="/physical_ai_bridge/{node}"]/profiles/profile')
    for rule in profile:
        for what, value in rule.attrib.items():
            if value == qualifier:
                found.setdefault(what, set()).update(name.text for name in rule)
    return found


def may(node: str, what: str, name: str) -> bool:
    """Tell whether a node's enclave may do that: what is denied counts first."""
    return name in rules(node, 'ALLOW').get(what, set()) and not denied(node, what, name)


def denied(node: str, what: str, name: str) -> bool:
    """Tell whether a node's enclave is denied that."""
    return any(fnmatchcase(name, pattern) for pattern in rules(node, 'DENY').get(what, set()))


def test_the_shipped_policy_is_that_of_the_simulated_cell(capsys):
    assert main([str(CELL_FILE), '--simulated']) == 0
    assert SHIPPED.read_text(encoding='utf-8') == capsys.readouterr().out, (
        'write it again: python -m physical_ai_bridge.nodes.sros2_policy '
        'config/cells/mujoco_ur5e.yaml --simulated > config/sros2/policies.xml')


def test_the_policy_has_the_form_that_sros2_reads():
    root = ElementTree.parse(SHIPPED).getroot()
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    for enclave in root.find('enclaves'):
        assert (enclave.tag, set(enclave.attrib)) == ('enclave', {'path'})
        (profiles,) = enclave
        (profile,) = profiles
        assert (profiles.tag, profile.tag) == ('profiles', 'profile')
        assert profile.attrib == {'ns': '/', 'node': enclave.get('path').rpartition('/')[2]}
        for rule in profile:
            known, element = LISTS[rule.tag]
            assert set(rule.attrib) <= known
            assert set(rule.attrib.values()) <= {'ALLOW', 'DENY'}
            assert {name.tag for name in rule} == {element}


@pytest.mark.parametrize('node', [*NODES, OPERATOR])
@pytest.mark.parametrize(('what', 'name'), [
    ('publish', '/joint_trajectory_controller/speed_scaling_input'),
    ('request', '/safety_supervisor/set_parameters'),
    ('request', '/joint_trajectory_controller/set_parameters_atomically'),
    ('request', '/controller_manager/switch_controller'),
    ('request', '/controller_manager/load_controller'),
    ('call', '/joint_trajectory_controller/follow_joint_trajectory'),
])
def test_no_way_past_the_supervisor_is_open(node, what, name):
    assert not may(node, what, name)
    assert denied(node, what, name)


@pytest.mark.parametrize('node', [*NODES, OPERATOR])
def test_nothing_that_is_allowed_is_denied_too(node):
    for what, names in rules(node, 'ALLOW').items():
        assert [name for name in names if denied(node, what, name)] == []


def test_only_the_supervisor_publishes_commands():
    topic = CELL.controller.topic
    assert [node for node in (*NODES, OPERATOR) if may(node, 'publish', topic)] == [SUPERVISOR]
    assert all(denied(node, 'publish', topic) for node in (MUJOCO_CELL, POLICY, OPERATOR))


def test_only_the_policy_proposes_and_only_the_operator_resets():
    everybody = (*NODES, OPERATOR)
    assert [node for node in everybody if may(node, 'publish', '/proposed_trajectory')] == [POLICY]
    assert [node for node in everybody
            if may(node, 'request', '/safety_supervisor/reset')] == [OPERATOR]


def test_where_setpoints_are_streamed_the_policy_hears_the_plan_and_not_the_controller():
    controller = replace(
        CELL.controller, interface='position_stream', joints=CELL.robot.joints,
        topic='/forward_position_controller/commands')
    by_node = {each.node: each for each in enclaves(replace(CELL, controller=controller))}
    assert {controller.topic, controller.plan_topic} <= set(by_node[SUPERVISOR].publish)
    assert controller.plan_topic in by_node[POLICY].subscribe
    assert controller.topic not in by_node[POLICY].subscribe


def test_a_gripper_adds_its_commands_for_the_supervisor_alone():
    gripper = Gripper(
        joint='finger', unit='m', topic='/gripper/commands', interface='position_stream',
        state_topic='/gripper/joint_states', rate_hz=100.0, min_position=0.0, max_position=0.08,
        max_velocity=0.1, max_acceleration=1.0, max_jerk=20.0)
    made = enclaves(replace(CELL, gripper=gripper))
    assert [each.node for each in made if '/gripper/commands' in each.publish] == [SUPERVISOR]
    by_node = {each.node: each for each in made}
    assert {gripper.plan_topic, gripper.state_topic} <= set(by_node[POLICY].subscribe)
    assert gripper.state_topic in by_node[SUPERVISOR].subscribe
    assert '/gripper/commands' in by_node[POLICY].denied['topics', 'publish']


@pytest.mark.parametrize('node', NODES)
def test_no_node_answers_to_parameter_services(node):
    assert not any(may(node, 'reply', f'/{node}/{each}') for each in PARAMETER_SERVICES)


def test_another_cell_gets_its_own_names():
    cell = replace(CELL, controller=replace(
        CELL.controller, topic='/left/jtc/joint_trajectory', state_topic='/left/jtc/state'))
    by_node = {enclave.node: enclave for enclave in enclaves(cell)}
    assert set(by_node) == {SUPERVISOR, POLICY, OPERATOR}
    assert '/left/jtc/joint_trajectory' in by_node[SUPERVISOR].publish
    assert '/left/jtc/state' in by_node[SUPERVISOR].subscribe
    assert by_node[POLICY].denied['topics', 'publish'] == (
        '/left/jtc/joint_trajectory', '/left/jtc/speed_scaling_input')
    assert 'mujoco_cell' not in policy_xml(enclaves(cell))


def test_simulated_time_is_heard_where_it_is_asked_for():
    for use_sim_time in (False, True):
        for enclave in enclaves(CELL, use_sim_time=use_sim_time):
            heard = use_sim_time and enclave.node != OPERATOR
            assert ('/clock' in enclave.subscribe) == heard


def test_a_cell_file_that_is_none_is_refused(capsys, tmp_path):
    assert main([str(tmp_path / 'gone.yaml')]) == 2
    assert 'gone.yaml' in capsys.readouterr().err


def used_by(node, name: str) -> dict[str, set[str]]:
    """Return what the graph shows of the node ``name``."""
    asked = {'publish': node.get_publisher_names_and_types_by_node,
             'subscribe': node.get_subscriber_names_and_types_by_node,
             'reply': node.get_service_names_and_types_by_node,
             'request': node.get_client_names_and_types_by_node}
    return {what: {topic for topic, _ in ask(name, '/')} for what, ask in asked.items()}


def bring_up(graph, cell_path, bundle_path) -> None:
    """Start the three real nodes; a supervisor listens to most as a shadow."""
    graph.bring_up_all(
        graph.launch(MUJOCO_CELL, cell=cell_path),
        graph.launch(SUPERVISOR, cell=cell_path, authority='shadow'),
        graph.launch(POLICY, cell=cell_path, bundle=bundle_path))


@pytest.mark.ros
def test_what_is_allowed_is_what_the_nodes_use(graph, cell_path, bundle_path, monkeypatch):
    # There is no DDS security in this environment; the nodes only see that it is wanted.
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    monkeypatch.setenv('ROS_SECURITY_STRATEGY', 'Permissive')
    bring_up(graph, cell_path, bundle_path)
    for name in NODES:
        allowed = {what: set() for what in ('publish', 'subscribe', 'reply', 'request')}
        graph.wait(lambda name=name, allowed=allowed: used_by(graph.node, name)
                   == allowed | rules(name, 'ALLOW'), f'{name} to use what it may')


@pytest.mark.ros
def test_without_security_there_are_parameter_services_and_nothing_else_is_more(
        graph, cell_path, bundle_path):
    bring_up(graph, cell_path, bundle_path)
    for name in NODES:
        expected = {'request': set()} | rules(name, 'ALLOW')
        expected['reply'] |= {f'/{name}/{each}' for each in PARAMETER_SERVICES}
        graph.wait(lambda name=name, expected=expected: used_by(graph.node, name) == expected,
                   f'{name} to have parameter services')


@pytest.fixture
def operator():
    """Return the node of a recorder that also talks with the lifecycles of the others."""
    rclpy.init()
    node = Recorder(OPERATOR, cell_topics(CELL), lambda *message: None)
    executor = make_executor()
    clients = [LifecycleClient(node, executor, f'/{name}') for name in NODES]
    yield node
    for client in clients:
        client.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


def test_the_operator_may_watch_conduct_stop_and_reset(operator):
    used, allowed = used_by(operator, OPERATOR), rules(OPERATOR, 'ALLOW')
    assert used['reply'] == set()
    assert used['publish'] == allowed['publish'] - {'/policy_node/task'}
    # `ros2 launch` listens to transitions; a person stops, resets, and conducts the simulation.
    assert used['subscribe'] == {
        topic for topic in allowed['subscribe'] if not topic.endswith('/transition_event')}
    assert used['request'] <= allowed['request']
    assert allowed['request'] - used['request'] == {
        '/safety_supervisor/stop', '/safety_supervisor/reset', '/mujoco_cell/new_episode',
        '/mujoco_cell/press_emergency_stop', '/mujoco_cell/release_emergency_stop'}
