"""Nodes are brought up in order, by a process that says which one refused what, and why."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

rclpy = pytest.importorskip('rclpy')
lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
State = lifecycle_msgs.State
LifecycleError = pytest.importorskip('physical_ai_bridge.nodes.lifecycle_client').LifecycleError
RecorderSession = pytest.importorskip('physical_ai_bridge.nodes.recorder').RecorderSession

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]


class Client:
    """A lifecycle that notes what it is asked for, in a list that several share."""

    def __init__(self, name, asked, state=State.PRIMARY_STATE_UNCONFIGURED):
        self._name, self._asked, self._state = name, asked, state

    def wait_until_present(self, timeout_s):
        self._asked.append(('wait for', self._name))

    def state(self):
        return self._state

    def configure(self, timeout_s):
        self._asked.append(('configure', self._name))
        self._state = State.PRIMARY_STATE_INACTIVE

    def activate(self, timeout_s):
        self._asked.append(('activate', self._name))
        self._state = State.PRIMARY_STATE_ACTIVE


def start(graph, module, *words):
    """Start a process that conducts the nodes of a graph."""
    return subprocess.Popen(
        [sys.executable, '-m', f'physical_ai_bridge.nodes.{module}', *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env=os.environ | {'ROS_DOMAIN_ID': str(graph.context.get_domain_id())})


def bring_up_pairs(asked, **states):
    return [(name, Client(name, asked, state)) for name, state in states.items()]


def test_all_are_configured_before_the_first_is_activated():
    from physical_ai_bridge.nodes.bring_up import bring_up
    asked, said = [], []
    bring_up(bring_up_pairs(
        asked, cell=State.PRIMARY_STATE_UNCONFIGURED,
        supervisor=State.PRIMARY_STATE_UNCONFIGURED), said.append)
    assert asked == [
        ('wait for', 'cell'), ('wait for', 'supervisor'),
        ('configure', 'cell'), ('configure', 'supervisor'),
        ('activate', 'cell'), ('activate', 'supervisor')]
    assert said[-1] == 'supervisor is active'


def test_what_is_up_already_is_left_alone():
    from physical_ai_bridge.nodes.bring_up import bring_up
    asked = []
    bring_up(bring_up_pairs(
        asked, cell=State.PRIMARY_STATE_ACTIVE, supervisor=State.PRIMARY_STATE_INACTIVE))
    assert [each for each in asked if each[0] != 'wait for'] == [('activate', 'supervisor')]


def test_a_node_comes_up_and_one_that_refuses_is_named_with_its_own_reason(graph, cell_path):
    supervisor = graph.launch('safety_supervisor', cell=cell_path)
    policy = graph.launch('policy_node', cell=cell_path, bundle='gone')
    process = start(graph, 'bring_up', 'safety_supervisor', 'policy_node')
    graph.wait(lambda: process.poll() is not None, 'the end of bring_up')
    said = process.stdout.read()
    assert process.returncode == 1
    assert '/safety_supervisor is configured' in said
    assert ("/policy_node refused to configure: policy_node: parameter bundle: found 'gone'"
            in said)
    assert 'Traceback' not in said
    for client in (supervisor, policy):
        client.wait_until_present(10.0)
    # Nothing is activated before all are configured.
    assert supervisor.state() == State.PRIMARY_STATE_INACTIVE
    assert policy.state() == State.PRIMARY_STATE_UNCONFIGURED


def test_before_each_round_it_is_checked_and_may_be_refused():
    from physical_ai_bridge.nodes.bring_up import bring_up
    asked = []

    def refuse():
        if ('configure', 'cell') in asked:
            raise LifecycleError('no')
    with pytest.raises(LifecycleError):
        bring_up(bring_up_pairs(asked, cell=State.PRIMARY_STATE_UNCONFIGURED), check=refuse)
    assert asked == [('wait for', 'cell'), ('configure', 'cell')]


def test_a_name_that_two_nodes_bear_is_refused(graph, monkeypatch):
    from physical_ai_bridge.nodes import bring_up
    monkeypatch.setattr(bring_up, '_FORGOTTEN_S', 0.5)
    twins = [rclpy.create_node('twin', context=graph.context) for _ in range(2)]
    monkeypatch.setenv('ROS_DOMAIN_ID', str(graph.context.get_domain_id()))
    with RecorderSession('test_twins', (), lambda *args: None, lambda: None) as session:
        assert session.wait_until(lambda: session.count_nodes('/twin') == 2, 20.0)
        with pytest.raises(LifecycleError, match='/twin: more than one node bears this name'):
            bring_up.refuse_twins(session, ['/twin'])
        twins.pop().destroy_node()
        bring_up.refuse_twins(session, ['/twin'])
    twins.pop().destroy_node()


def test_ctrl_c_ends_the_wait_for_a_node_cleanly(graph):
    process = start(graph, 'bring_up', 'nobody')
    graph.wait(lambda: ('bring_up', '/') in graph.node.get_node_names_and_namespaces(), 'bring_up')
    process.send_signal(signal.SIGINT)
    graph.wait(lambda: process.poll() is not None, 'the end of bring_up')
    assert (process.returncode, process.stdout.read()) == (0, '')


def test_in_a_namespace_the_nodes_use_no_name_outside_it(cell_path, bundle_path):
    """A supervisor and a policy that are configured share /rosout and parameters alone."""
    from physical_ai_bridge.contract.cell_file import load_cell
    from physical_ai_bridge.contract.names import remappings
    from physical_ai_bridge.nodes.policy_node import PolicyNode
    from physical_ai_bridge.nodes.safety_supervisor import SafetySupervisor
    from rclpy.parameter import Parameter
    rules = [word for name, full in remappings(load_cell(cell_path), '/left')
             for word in ('-r', f'{name}:={full}')]
    given = {'cell': str(cell_path), 'bundle': str(bundle_path), 'incidents': ''}
    with_context = rclpy.Context()
    rclpy.init(context=with_context)
    try:
        for make in (SafetySupervisor, PolicyNode):
            node = make(
                context=with_context, namespace='left', cli_args=['--ros-args', *rules],
                parameter_overrides=[Parameter(name, value=value)
                                     for name, value in given.items()])
            node.configure()
            mine = (node.get_name(), '/left')
            names = {name for look in (
                node.get_publisher_names_and_types_by_node,
                node.get_subscriber_names_and_types_by_node,
                node.get_service_names_and_types_by_node) for name, _ in look(*mine)}
            outside = {name for name in names if not name.startswith('/left/')}
            assert outside <= {'/rosout', '/parameter_events'}
            assert {'/left/proposed_trajectory', '/left/joint_states'} <= names
            node.release()
            node.destroy_node()
    finally:
        rclpy.shutdown(context=with_context)
