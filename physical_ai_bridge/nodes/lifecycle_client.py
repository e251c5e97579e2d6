"""Bring lifecycle nodes of other processes up and down, and hear why one refuses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import time
from typing import Protocol

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from physical_ai_bridge.contract.errors import BridgeError
from rcl_interfaces.msg import Log
from rclpy.client import Client
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future

# The reason is logged before the transition is answered, but on another topic.
_REASON_GRACE_S = 0.5
# An answer may get lost: the server drops it where it has not found the asker's reader yet. After
# so long, the node is asked for its state; once it tells, it has dealt with the transition, too.
_ANSWER_LOST_S = 2.0
# A transition, and the state in which it ends.
_TRANSITIONS = {
    'configure': (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
    'activate': (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
    'deactivate': (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
    'cleanup': (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
}
_SHUTDOWN = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_INACTIVE_SHUTDOWN,
    State.PRIMARY_STATE_ACTIVE: Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


class LifecycleError(BridgeError):
    """A node is not there, does not answer, or refuses a transition."""


class Steps(Protocol):
    """What serves a node, step by step: an rclpy executor, or something around one."""

    def spin_once(self, timeout_sec: float) -> None:
        """Serve what has come, or what comes within the time."""


class LifecycleClient:
    """
    Asks one lifecycle node for its transitions.

    ``executor`` must serve ``node``; each call here steps it until what it waits for has come, so
    the caller's other subscriptions on it go on being served.
    """

    def __init__(self, node: Node, executor: Steps, target: str) -> None:
        """Talk to the lifecycle node whose full name is ``target``, such as /policy_node."""
        self._node = node
        self._executor = executor
        self._target = target
        self._errors: deque[str] = deque(maxlen=50)
        self._change = node.create_client(ChangeState, f'{target}/change_state')
        self._get = node.create_client(GetState, f'{target}/get_state')
        self._log = node.create_subscription(
            Log, '/rosout', self._on_log, QoSProfile(
                depth=100, reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL))

    def _on_log(self, log: Log) -> None:
        if log.name == self._target.strip('/').replace('/', '.') and log.level >= 40:
            self._errors.append(log.msg)

    def close(self) -> None:
        """Take down the clients and the subscription."""
        self._node.destroy_client(self._change)
        self._node.destroy_client(self._get)
        self._node.destroy_subscription(self._log)

    def wait_until_present(self, timeout_s: float) -> None:
        """
        Wait for the node's services.

        Raises
        ------
        LifecycleError
            If they do not come.

        """
        if not self._step_until(
                lambda: self._change.service_is_ready() and self._get.service_is_ready(),
                timeout_s):
            raise LifecycleError(
                f'{self._target}: not there after {timeout_s:g} s; is its process running, with '
                'the same ROS_DOMAIN_ID?')

    def state(self, timeout_s: float = 5.0) -> int:
        """Return the node's state, one of ``lifecycle_msgs.msg.State.PRIMARY_STATE_*``."""
        return self._call(self._get, GetState.Request(), 'tell its state',
                          timeout_s).current_state.id

    def configure(self, timeout_s: float = 60.0) -> None:
        """Configure the node, which may load and warm up a model; see ``transition``."""
        self.transition('configure', timeout_s)

    def activate(self, timeout_s: float = 10.0) -> None:
        """Activate the node; see ``transition``."""
        self.transition('activate', timeout_s)

    def deactivate(self, timeout_s: float = 10.0) -> None:
        """Deactivate the node; see ``transition``."""
        self.transition('deactivate', timeout_s)

    def shutdown(self, timeout_s: float = 10.0) -> None:
        """Shut the node down from whatever state it is in; its process stays."""
        transition = _SHUTDOWN.get(self.state(timeout_s))
        if transition is not None:
            self._transit('shut down', transition, State.PRIMARY_STATE_FINALIZED, timeout_s)

    def transition(self, name: str, timeout_s: float) -> None:
        """
        Ask for a transition and wait for its end.

        Raises
        ------
        LifecycleError
            If it fails, with what the node logged about it, or is not answered.

        """
        self._transit(name, *_TRANSITIONS[name], timeout_s)

    def _transit(self, name: str, transition: int, goal: int, timeout_s: float) -> None:
        self._errors.clear()
        request = ChangeState.Request()
        request.transition.id = transition
        if self._ask_for(request, name, goal, timeout_s):
            return
        self._step_until(lambda: bool(self._errors), _REASON_GRACE_S)
        reason = '\n'.join(self._errors) or 'it gave no reason; see its log'
        raise LifecycleError(f'{self._target} refused to {name}: {reason}')

    def _ask_for(
            self, request: ChangeState.Request, name: str, goal: int, timeout_s: float) -> bool:
        """Ask for a transition, again where an answer got lost; return whether it succeeded."""
        end = time.monotonic() + timeout_s
        while True:
            answer = self._change.call_async(request)
            state = self._state_instead(answer, end)
            if answer.done():
                return answer.result().success
            self._change.remove_pending_request(answer)
            if state is None:
                raise self._no_answer(name, timeout_s)
            if state == goal:
                return True

    def _state_instead(self, answer: Future, end: float) -> int | None:
        """Wait for an answer until ``end``; return the state where that comes instead of it."""
        while (left_s := end - time.monotonic()) > 0.0:
            if self._step_until(answer.done, min(left_s, _ANSWER_LOST_S)):
                return None
            state = self._get.call_async(GetState.Request())
            if self._step_until(state.done, _ANSWER_LOST_S):
                self._step_until(answer.done, _REASON_GRACE_S)
                return state.result().current_state.id
            self._get.remove_pending_request(state)
        return None

    def _call(self, client: Client, request: object, what: str, timeout_s: float) -> object:
        future = client.call_async(request)
        if not self._step_until(future.done, timeout_s):
            client.remove_pending_request(future)
            raise self._no_answer(what, timeout_s)
        return future.result()

    def _no_answer(self, what: str, timeout_s: float) -> LifecycleError:
        return LifecycleError(
            f'{self._target}: no answer within {timeout_s:g} s when asked to {what}')

    def _step_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Serve the executor until ``done``; False where the time is over first."""
        end = time.monotonic() + timeout_s
        while not done():
            left_s = end - time.monotonic()
            if left_s <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, 0.05))
        return True
