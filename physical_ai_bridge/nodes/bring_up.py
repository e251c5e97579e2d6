"""
Bring lifecycle nodes up: all are configured in the order given, then activated in it.

``ros2 run physical_ai_bridge bring_up safety_supervisor policy_node``

A node that is up already is left alone, and one that refuses ends it, with the node's own reason.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
import signal
import sys
from types import FrameType

from lifecycle_msgs.msg import State
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.nodes.executor import ignore_signals
from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient, LifecycleError
from physical_ai_bridge.nodes.recorder import RecorderSession, Sink, TopicChoice
from rclpy.utilities import remove_ros_args

_PRESENT_S = 60.0
# TensorRT builds its engine in here, which takes minutes.
_CONFIGURED_S = 1800.0
_ACTIVATED_S = 30.0
# So long the others keep a process in mind that was killed.
_FORGOTTEN_S = 30.0


def bring_up(
        clients: Sequence[tuple[str, LifecycleClient]],
        say: Callable[[str], object] = lambda text: None,
        check: Callable[[], object] = lambda: None) -> None:
    """
    Configure the nodes in order, and then activate them in order; ``say`` hears of each.

    ``check`` may raise, to refuse: it is called before the first is configured, and before the
    first is activated.

    Raises
    ------
    LifecycleError
        If one is not there, does not answer, or refuses; those after it are left as they are.

    """
    for _, client in clients:
        client.wait_until_present(_PRESENT_S)
    check()
    for name, client in clients:
        if client.state() == State.PRIMARY_STATE_UNCONFIGURED:
            client.configure(_CONFIGURED_S)
            say(f'{name} is configured')
    check()
    for name, client in clients:
        if client.state() != State.PRIMARY_STATE_ACTIVE:
            client.activate(_ACTIVATED_S)
            say(f'{name} is active')


def refuse_twins(session: RecorderSession, names: Sequence[str]) -> None:
    """
    Make sure that no two nodes bear one of the names: whom a request reaches would be chance.

    Raises
    ------
    LifecycleError
        If they do, and go on doing so.

    """
    def twins() -> list[str]:
        return [name for name in names if session.count_nodes(name) > 1]

    if twins():
        session.logger.warning(
            f'more than one node is named {", ".join(twins())}: waiting until one is gone')
    if not session.wait_until(lambda: not twins(), _FORGOTTEN_S):
        raise LifecycleError(
            f'{", ".join(twins())}: more than one node bears this name. Where it is launched '
            'already, end that, or launch this one in a namespace of its own')


class Interrupted(Exception):
    """Somebody asked the process to end."""


class Signals:
    """Turns SIGINT and SIGTERM into Interrupted, at the next step of a session."""

    def __init__(self) -> None:
        self._received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received = True

    def attend(self) -> None:
        """Raise Interrupted, if that was asked for."""
        if self._received:
            raise Interrupted


def _nothing(topic: str, type_name: str, received_ns: int, data: bytes) -> None:
    pass


def conduct(
        name: str, args: list[str], act: Callable[[RecorderSession], None],
        topics: Sequence[TopicChoice] = (), sink: Sink = _nothing) -> int:
    """
    Run ``act`` in a process that conducts other nodes; return the process's exit status.

    0 when it has come to its end or after a signal, 1 after an error, which is logged. ``sink``
    gets what comes on ``topics``.
    """
    signals = Signals()
    try:
        with RecorderSession(name, topics, sink, signals.attend, args) as session:
            try:
                act(session)
            except BridgeError as error:
                for line in str(error).splitlines():
                    session.logger.error(line)
                return 1
    except Interrupted:
        return 0
    finally:
        ignore_signals()
    return 0


def main(args: list[str] | None = None) -> int:
    """Run the process."""
    words = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(
        prog='bring_up', allow_abbrev=False,
        description='Configure lifecycle nodes in the order given, then activate them in it.',
        epilog='example: ros2 run physical_ai_bridge bring_up safety_supervisor policy_node',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'nodes', nargs='+', metavar='NODE',
        help='name of a node: /left/policy_node, or policy_node in the namespace of this process')
    names = parser.parse_args(remove_ros_args(['bring_up', *words])[1:]).nodes

    def act(session: RecorderSession) -> None:
        full = [session.full_name(name) for name in names]
        bring_up([(name, session.lifecycle(name)) for name in full], session.logger.info,
                 partial(refuse_twins, session, full))

    return conduct('bring_up', words, act)


if __name__ == '__main__':
    sys.exit(main())
