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


def test_a_transition_that_the_state_does_not_allow_is_refused_and_the_node_lives_on(
        graph, cell_path):
    client = graph.launch('safety_supervisor', cell=cell_path)
    graph.bring_up_all(client)
    with pytest.raises(LifecycleError, match='refused to configure'):
        client.configure()
    assert client.state() == State.PRIMARY_STATE_ACTIVE


def test_a_node_that_is_not_there_is_named(graph):
    from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
    client = LifecycleClient(graph.node, graph.executor, '/nobody')
    with pytest.raises(LifecycleError, match='/nobody: not there after'):
        client.wait_until_present(0.2)
    client.close()


class Forgetful:
    """A lifecycle node whose first answer to a transition gets lost on its way."""

    def __init__(self, node, *, remembers: bool) -> None:
        """Serve on ``node``; where it does not remember, the lost request changed nothing."""
        from lifecycle_msgs.srv import ChangeState, GetState
        self.asked = 0
        self._state = State.PRIMARY_STATE_UNCONFIGURED
        self._remembers = remembers
        node.create_service(GetState, '/forgetful/get_state', self._tell)
        service = node.create_service(ChangeState, '/forgetful/change_state', self._change)
        send = service.send_response
        service.send_response = lambda response, header: (
            send(response, header) if self.asked > 1 else None)

    def _change(self, request, response):
        self.asked += 1
        if self._remembers or self.asked > 1:
            self._state = State.PRIMARY_STATE_INACTIVE
        response.success = True
        return response

    def _tell(self, request, response):
        response.current_state.id = self._state
        return response


@pytest.mark.parametrize(('remembers', 'asked'), [(True, 1), (False, 2)])
def test_an_answer_that_gets_lost_is_asked_for_again(graph, remembers, asked):
    from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
    node = Forgetful(graph.node, remembers=remembers)
    client = LifecycleClient(graph.node, graph.executor, '/forgetful')
    client.wait_until_present(10.0)
    client.configure(20.0)
    assert client.state() == State.PRIMARY_STATE_INACTIVE
    assert node.asked == asked
    client.close()
