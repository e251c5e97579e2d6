"""An error in a callback or a thread ends the node safely and aloud, never in silence."""

from __future__ import annotations

import signal
import subprocess
import sys

from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.executor import spin
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.threads import NodeThread
import pytest
import rclpy

lifecycle = pytest.importorskip('rclpy.lifecycle')


class Broken(ManagedNode):
    """Becomes active and then meets an error of its own, in a callback or in a thread."""

    def __init__(self, where: str, context: rclpy.Context) -> None:
        super().__init__('broken', context=context)
        self._where = where
        self.steps: list[str] = []

    def activate(self) -> None:
        if self._where == 'callback':
            self.make_timer(0.001, self._break, NodeClock(self).steady)
        else:
            NodeThread(self, 'breaks', self._break).start()

    def deactivate(self) -> None:
        self.steps.append('deactivated')

    def release(self) -> None:
        self.steps.append('released')
        self.destroy_made()

    def end(self, error: BaseException | None = None) -> None:
        self.steps.append(f'ending because of {error!r}')
        super().end(error)

    def _break(self) -> None:
        raise ZeroDivisionError('one of its own')


@pytest.fixture
def context():
    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    rclpy.shutdown(context=made)


@pytest.mark.parametrize('where', ['callback', 'thread'])
def test_an_error_ends_the_node_safely(context, where):
    node = Broken(where, context)
    node.trigger_configure()
    assert node.trigger_activate() == lifecycle.TransitionCallbackReturn.SUCCESS
    spin(node, lambda: False)
    assert isinstance(node.failure, ZeroDivisionError)
    assert node.steps == [
        "ending because of ZeroDivisionError('one of its own')", 'deactivated', 'released']
    node.destroy_node()


def test_without_an_error_it_ends_when_it_is_told_to(context):
    node = Broken('nowhere', context)
    spin(node, lambda: True)
    assert node.failure is None
    assert node.steps == ['ending because of None', 'released']
    node.destroy_node()


def test_an_error_in_a_transition_is_an_error_and_not_a_refusal(context):
    class Unfinished(ManagedNode):

        def configure(self) -> None:
            raise ZeroDivisionError('a programming error')

    node = Unfinished('unfinished', context=context)
    assert node.trigger_configure() == lifecycle.TransitionCallbackReturn.ERROR
    node.destroy_node()


HANGING = """
import sys, threading
from physical_ai_bridge.nodes import executor
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.lifecycle import ManagedNode

def hang():
    print('hanging', flush=True)
    threading.Event().wait()

def make():
    node = ManagedNode('hanging')
    node.make_timer(0.001, hang, NodeClock(node).steady)
    return node

executor._STUCK_S = 0.2
sys.exit(executor.run(make, []))
"""


@pytest.mark.ros
def test_a_signal_ends_a_node_that_hangs():
    with subprocess.Popen(
            [sys.executable, '-c', HANGING], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as process:
        assert process.stdout.readline() == 'hanging\n'
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0
    assert 'the node has not seen the signal within 0.2 s' in complaint
