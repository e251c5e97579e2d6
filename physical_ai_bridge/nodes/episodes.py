"""
Run one episode of the simulated cell after the other, once its nodes are up.

It brings nothing up and resets nothing: after a stop it waits until a person has done that.
"""

from __future__ import annotations

import argparse
import sys

from diagnostic_msgs.msg import DiagnosticStatus
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.nodes.bring_up import conduct
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.recorder import RecorderSession, TopicChoice
from rclpy.serialization import deserialize_message
from rclpy.utilities import remove_ros_args

# Relative names: they are those of the namespace in which this runs.
CELL, SUPERVISOR, POLICY = 'mujoco_cell', 'safety_supervisor', 'policy_node'
EPISODE, STATE = f'{CELL}/episode', f'{SUPERVISOR}/state'

_STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
_TOPICS = tuple(TopicChoice(topic, _STATUS, reliable=True, latched=True, depth=64)
                for topic in (EPISODE, STATE))
_STOPS = ('STOPPING', 'STOPPED', 'FAULT')
_ANSWER_S = 10.0
_FOREVER_S = float('inf')


class Watch:
    """What the cell and the supervisor said last."""

    def __init__(self) -> None:
        self.episode: dict[str, str] = {}
        self.mode, self.message = '', ''

    def __call__(self, topic: str, type_name: str, received_ns: int, data: bytes) -> None:
        """Take one message."""
        status = deserialize_message(data, DiagnosticStatus)
        values = values_of(status)
        if topic == EPISODE:
            self.episode = values
        else:
            self.mode, self.message = values['mode'], status.message

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.episode.get('done') == 'true'

    @property
    def stopped(self) -> bool:
        """Whether the supervisor stops the arm, or has."""
        return self.mode in _STOPS


class Episodes:
    """Ends an episode and begins the next, the way down and up through the lifecycles."""

    def __init__(self, session: RecorderSession, watch: Watch) -> None:
        self._session, self._watch = session, watch
        self._supervisor, self._policy = (
            session.lifecycle(session.full_name(name)) for name in (SUPERVISOR, POLICY))

    def run(self, count: int) -> None:
        """
        Run ``count`` episodes, or one after the other where it is 0.

        Raises
        ------
        BridgeError
            If a node refuses what it is asked for, or does not answer.

        """
        done = succeeded = 0
        while True:
            self._await_end()
            done += 1
            succeeded += self._watch.episode['success'] == 'true'
            self._tell()
            if done == count:
                break
            self._next()
        self._session.logger.info(f'{succeeded} of {done} episodes succeeded')

    def _tell(self) -> None:
        told = self._watch.episode
        self._session.logger.info(
            f'episode {told["index"]}, seed {told["seed"]}: '
            f'{"succeeded" if told["success"] == "true" else "failed"} after '
            f'{float(told["elapsed_s"]):.2f} s, peak force {float(told["peak_force_n"]):.1f} N')

    def _await_end(self) -> None:
        """Wait for the end of the episode, and for a person where the arm was stopped."""
        session, watch = self._session, self._watch
        while True:
            session.wait_until(lambda: watch.over or watch.stopped, _FOREVER_S)
            if not watch.stopped:
                return
            session.wait_until(lambda: watch.mode != 'STOPPING', _ANSWER_S)
            session.logger.warning(
                f'no episode begins before the supervisor is reset: {watch.message}; when the '
                f'cause is gone: ros2 service call {session.full_name(SUPERVISOR)}/reset '
                'std_srvs/srv/Trigger')
            session.wait_until(lambda: not watch.stopped, _FOREVER_S)

    def _next(self) -> None:
        session, watch = self._session, self._watch
        before = watch.episode['index']
        self._policy.deactivate()
        self._supervisor.deactivate()
        session.trigger(f'{CELL}/new_episode', _ANSWER_S)
        if not session.wait_until(
                lambda: watch.episode['index'] != before and not watch.over, _ANSWER_S):
            raise BridgeError(f'{CELL} begins no episode; see its log')
        watch.mode = ''
        self._supervisor.activate()
        if not session.wait_until(lambda: watch.mode == 'READY', _ANSWER_S):
            raise BridgeError(
                f'{SUPERVISOR} is not READY after {_ANSWER_S:g} s: {watch.message}')
        self._policy.activate()


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'found {text}, write 0 or more')
    return value


def main(args: list[str] | None = None) -> int:
    """Run the process."""
    words = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(
        prog='episodes', allow_abbrev=False,
        description='Run one episode of the simulated cell after the other.',
        epilog='example: ros2 run physical_ai_bridge episodes --count 3')
    parser.add_argument('--count', type=_count, default=0, metavar='N',
                        help='how many to run; 0, the default, for one after the other')
    count = parser.parse_args(remove_ros_args(['episodes', *words])[1:]).count
    watch = Watch()
    return conduct(
        'episodes', words, lambda session: Episodes(session, watch).run(count), _TOPICS, watch)


if __name__ == '__main__':
    sys.exit(main())
