"""Nodes come up, go down, and refuse with a sentence."""

from __future__ import annotations

import signal

from physical_ai_bridge.nodes.lifecycle_client import LifecycleError
import pytest

lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
State = lifecycle_msgs.State

pytestmark = pytest.mark.ros


def test_up_and_down_again(graph, cell_path):
    client = graph.start('safety_supervisor', cell=cell_path)
    assert client.state() == State.PRIMARY_STATE_UNCONFIGURED
    for step, state in ((client.configure, State.PRIMARY_STATE_INACTIVE),
                        (client.activate, State.PRIMARY_STATE_ACTIVE),
                        (client.deactivate, State.PRIMARY_STATE_INACTIVE),
                        (client.activate, State.PRIMARY_STATE_ACTIVE),
                        (client.shutdown, State.PRIMARY_STATE_FINALIZED)):
        step()
        assert client.state() == state


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_active_node_cleanly(graph, cell_path, number):
    graph.bring_up_all(graph.launch('safety_supervisor', cell=cell_path))
    assert graph.signal('safety_supervisor', number) == 0


@pytest.mark.parametrize('node', ['safety_supervisor', 'policy_node', 'mujoco_cell'])
def test_a_node_that_cannot_be_configured_says_why_and_can_be_asked_again(graph, node):
    client = graph.start(node, cell='gone.yaml')
    for _ in range(2):
        with pytest.raises(LifecycleError) as refused:
            client.configure()
        assert str(refused.value).startswith(f'/{node} refused to configure: {node}: parameter ')
        assert "cell: found 'gone.yaml'; write the path of a cell file" in str(refused.value)
        assert client.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert 'Traceback' not in graph.log(node)


def test_a_node_that_is_not_there_is_named(graph):
    from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
    client = LifecycleClient(graph.node, graph.executor, '/nobody')
    with pytest.raises(LifecycleError, match='/nobody: not there after'):
        client.wait_until_present(0.2)
    client.close()
