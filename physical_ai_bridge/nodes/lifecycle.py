"""A lifecycle node whose transitions fail with a sentence instead of in silence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import os
import traceback
from types import TracebackType
from typing import Any

from lifecycle_msgs.srv import ChangeState
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.nodes.hygiene import set_aside, settle
from rclpy.clock import Clock
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

_SECURITY = 'ROS_SECURITY_ENABLE'


class _Told:
    """Logs an unexpected error on its way: rclpy swallows what a transition raises."""

    def __init__(self, node: LifecycleNode, transition: str) -> None:
        self._node = node
        self._transition = transition

    def __enter__(self) -> None:
        return None

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> None:
        if error is not None and not isinstance(error, BridgeError):
            self._node.get_logger().error(
                f'{self._transition}: an error of its own: {error!r}\n'
                + ''.join(traceback.format_exception(kind, error, trace)))


class ManagedNode(LifecycleNode):
    """
    A lifecycle node; subclasses fill in the four steps.

    ``configure`` and ``activate`` raise BridgeError to refuse: each line is logged and the
    transition fails. ``release`` frees whatever there is and may be called at any time, also
    after a ``configure`` that went half-way.
    """

    def __init__(self, name: str, **options: Any) -> None:
        # Every parameter is given at start; where access is controlled, nobody may even ask.
        options.setdefault('start_parameter_services', os.environ.get(_SECURITY) != 'true')
        super().__init__(name, **options)
        self.failure: BaseException | None = None
        self.active = False
        self._made: list[Callable[[], object]] = []
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = partial(self._change_state, service.callback)

    def _change_state(
            self, change: Callable[..., ChangeState.Response], request: ChangeState.Request,
            response: ChangeState.Response) -> ChangeState.Response:
        """Refuse what the node's state does not allow: Jazzy's rclpy would end the process."""
        try:
            return change(request, response)
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'a transition was refused: {error}')
            response.success = False
            return response

    def make_publisher(self, message: type, topic: str, profile: QoSProfile) -> Publisher:
        """Make a publisher that lives until ``destroy_made``."""
        publisher = self.create_publisher(message, topic, profile)
        self._made.append(partial(self.destroy_publisher, publisher))
        return publisher

    def make_subscription(
            self, message: type, topic: str, take: Callable[[bytes], None],
            profile: QoSProfile) -> Subscription:
        """Make a subscription that delivers a message's bytes, until ``destroy_made``."""
        subscription = self.create_subscription(message, topic, take, profile, raw=True)
        self._made.append(partial(self.destroy_subscription, subscription))
        return subscription

    def make_service(self, service: type, name: str, handler: Callable[..., object]) -> None:
        """Make a service that lives until ``destroy_made``."""
        made = self.create_service(service, name, handler)
        self._made.append(partial(self.destroy_service, made))

    def make_timer(self, period_s: float, act: Callable[[], None], clock: Clock) -> None:
        """Make a timer that lives until ``destroy_made``."""
        timer = self.create_timer(period_s, act, clock=clock)
        self._made.append(partial(self.destroy_timer, timer))

    def destroy_made(self) -> None:
        """Take down everything that the ``make_*`` made, the newest first."""
        while self._made:
            self._made.pop()()

    def configure(self) -> None:
        """Read the parameters and make what the node needs."""

    def activate(self) -> None:
        """Begin to act."""

    def deactivate(self) -> None:
        """Stop acting, safely."""

    def release(self) -> None:
        """Free everything that ``configure`` and ``activate`` made."""

    def end(self, error: BaseException | None = None) -> None:
        """Deactivate where needed and release; ``error`` is why, if something went wrong."""
        if self.active:
            self.active = False
            self.deactivate()
        self.release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure, or say why not."""
        outcome = self._transition('configure', self.configure, undo=self.release)
        settle()
        return outcome

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate, or say why not."""
        outcome = self._transition('activate', self.activate, undo=self.deactivate)
        self.active = outcome == TransitionCallbackReturn.SUCCESS
        set_aside()
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate."""
        self.active = False
        outcome = self._transition('deactivate', self.deactivate)
        settle()
        return outcome

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release."""
        return self._transition('clean up', self.release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate where needed and release."""
        return self._transition('shut down', self.end)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall back to unconfigured after an error of the node's own."""
        return self._transition('recover', self.end)

    def _transition(
            self, name: str, step: Callable[[], None],
            undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        try:
            with _Told(self, name):
                step()
        except BridgeError as error:
            for line in str(error).splitlines():
                self.get_logger().error(line)
            if undo is not None:
                undo()
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS
