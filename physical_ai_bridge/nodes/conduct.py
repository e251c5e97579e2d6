"""
Bring nodes up and down, and ask and tell them things, where there is no ros2cli.

``python -m physical_ai_bridge.nodes.conduct up safety_supervisor policy_node``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
import os
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.nodes.bring_up import bring_up, refuse_twins
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
from physical_ai_bridge.nodes.recorder import DIAGNOSTICS, RecorderSession, TopicChoice
from rclpy.serialization import deserialize_message

_STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
_STATUSES = 'diagnostic_msgs/msg/DiagnosticArray'
_PRESENT_S = 20.0
_ANSWER_S = 10.0
# A latched topic first brings what was said before, the oldest first.
_HISTORY_S = 0.3


class Conduct:
    """A short-lived node that acts for the person at the shell; use it in ``session``."""

    def __init__(self, session: RecorderSession, statuses: list[DiagnosticStatus]) -> None:
        self._session = session
        self._statuses = statuses

    @classmethod
    @contextmanager
    def session(cls, *topics: TopicChoice) -> Iterator[Conduct]:
        """Make the node, which listens to ``topics`` of DiagnosticStatus or DiagnosticArray."""
        statuses: list[DiagnosticStatus] = []

        def take(topic: str, type_name: str, received_ns: int, data: bytes) -> None:
            if topic == DIAGNOSTICS:
                statuses.extend(deserialize_message(data, DiagnosticArray).status)
            else:
                statuses.append(deserialize_message(data, DiagnosticStatus))

        with RecorderSession(f'conduct_{os.getpid()}', topics, take, lambda: None) as session:
            yield cls(session, statuses)

    def up(self, nodes: Sequence[str]) -> None:
        """Configure all nodes, then activate them in their order."""
        names = [_full(name) for name in nodes]
        bring_up([(name, self._session.lifecycle(name)) for name in names], _say,
                 partial(refuse_twins, self._session, names))

    def down(self, nodes: Sequence[str]) -> None:
        """Deactivate nodes and clean them up, in their order; their processes stay."""
        for name in nodes:
            client = self._client(name)
            if client.state() == State.PRIMARY_STATE_ACTIVE:
                client.deactivate(_ANSWER_S)
            if client.state() == State.PRIMARY_STATE_INACTIVE:
                client.transition('cleanup', _ANSWER_S)
            _say(f'{name}: unconfigured')

    def call(self, service: str) -> None:
        """Call a service that takes nothing, such as /safety_supervisor/reset."""
        _say(f'{service}: {self._session.trigger(_full(service), _ANSWER_S)}')

    def state(self, node: str, watch_s: float) -> None:
        """Tell a supervisor's state, and what it changes to within ``watch_s``."""
        self._wait_for_statuses(node)
        self._session.wait_until(lambda: False, _HISTORY_S)
        del self._statuses[:-1]
        # It is told once a second too: only what differs is worth a line.
        end, told = time.monotonic() + watch_s, ''
        while True:
            while self._statuses:
                line = _line(values_of(self._statuses.pop(0)))
                if line != told:
                    _say(line)
                told = line
            left_s = end - time.monotonic()
            if left_s <= 0.0 or not self._session.wait_until(
                    lambda: bool(self._statuses), left_s):
                return

    def diagnostics(self, node: str) -> None:
        """Tell what a node says about itself on /diagnostics, once."""
        while True:
            self._wait_for_statuses(node)
            status = self._statuses.pop(0)
            if status.name == _full(node):
                break
        _say(f'{status.name}: {status.message}')
        for key, value in values_of(status).items():
            _say(f'  {key}: {value}')

    def _wait_for_statuses(self, node: str) -> None:
        if not self._session.wait_until(lambda: bool(self._statuses), _ANSWER_S):
            raise BridgeError(
                f'{node}: nothing has come from it within {_ANSWER_S:g} s; is it configured, with '
                'the same ROS_DOMAIN_ID?')

    def _client(self, name: str) -> LifecycleClient:
        client = self._session.lifecycle(_full(name))
        client.wait_until_present(_PRESENT_S)
        return client


def _full(name: str) -> str:
    return f'/{name.lstrip("/")}'


def _line(state: dict[str, str]) -> str:
    detail = f': {state["detail"]}' if state['detail'] else ''
    return f'{state["mode"]}: {state["reason"]}{detail} (authority {state["authority"]})'


def _say(text: str) -> None:
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


def make_parser() -> argparse.ArgumentParser:
    """Return what understands the words."""
    parser = argparse.ArgumentParser(
        prog='python -m physical_ai_bridge.nodes.conduct', allow_abbrev=False,
        description='Bring nodes up and down, and ask them, where there is no ros2cli.')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    for verb, text in (
            ('up', 'configure nodes, then activate them, in the order given'),
            ('down', 'deactivate nodes and clean them up, in the order given')):
        verbs.add_parser(verb, help=text, description=text).add_argument(
            'nodes', nargs='+', metavar='NODE', help='such as safety_supervisor')
    text = 'call a service that takes nothing'
    verbs.add_parser('call', help=text, description=text).add_argument(
        'service', metavar='SERVICE', help='such as /safety_supervisor/reset')
    text = "tell a supervisor's mode and reason"
    state = verbs.add_parser('state', help=text, description=text)
    state.add_argument('node', nargs='?', default='safety_supervisor', metavar='NODE',
                       help='which supervisor (default: %(default)s)')
    state.add_argument('--watch', type=float, default=0.0, metavar='S',
                       help='go on for S seconds, a line for each change')
    text = 'tell what a node says about itself on /diagnostics'
    verbs.add_parser('diagnostics', help=text, description=text).add_argument(
        'node', metavar='NODE', help='such as policy_node')
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Do what the words say; return 0 if it was done, 1 if it was refused."""
    words = make_parser().parse_args(args)
    topics = []
    if words.verb == 'state':
        topics.append(TopicChoice(
            f'{_full(words.node)}/state', _STATUS, reliable=True, latched=True))
    elif words.verb == 'diagnostics':
        topics.append(TopicChoice(DIAGNOSTICS, _STATUSES, reliable=True))
    try:
        with Conduct.session(*topics) as conduct:
            if words.verb in ('up', 'down'):
                getattr(conduct, words.verb)(words.nodes)
            elif words.verb == 'call':
                conduct.call(words.service)
            elif words.verb == 'state':
                conduct.state(words.node, words.watch)
            else:
                conduct.diagnostics(words.node)
    except BridgeError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
