"""What other nodes are asked: their parameters, and the controller manager's controllers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
import time
from typing import Any

from physical_ai_bridge.runtime.live_check.observed import ControllerStatus
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future

try:
    # It comes with ros2_control, not with ROS itself.
    from controller_manager_msgs.srv import ListControllers
except ImportError:
    ListControllers = None

LIST_CONTROLLERS = 'controller_manager_msgs/srv/ListControllers'
# An answer may get lost: the server drops it where it has not found the asker's reader yet.
_ASK_AGAIN_S = 0.5


@dataclass(slots=True)
class _Question:
    """One request to one service, asked until it is answered."""

    client: Client
    request: Any
    answer: Future | None = None
    asked_s: float = 0.0

    def attend(self) -> bool:
        """Ask, where it is time; return whether it has been answered."""
        if self.answer is not None and self.answer.done():
            return True
        now_s = time.monotonic()
        if now_s - self.asked_s > _ASK_AGAIN_S and self.client.service_is_ready():
            if self.answer is not None:
                self.client.remove_pending_request(self.answer)
            self.answer = self.client.call_async(self.request)
            self.asked_s = now_s
        return False

    @property
    def result(self) -> Any:
        """The answer, None where none has come."""
        return self.answer.result() if self.answer is not None and self.answer.done() else None


class Questions:
    """Asks through ``node``, whose executor somebody else steps between calls of ``attend``."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[str, Client] = {}
        self._parameters: dict[tuple[str, str], _Question] = {}
        self._controllers: list[_Question] = []

    def ask_parameters(self, node: str, names: Collection[str]) -> None:
        """Ask a node for parameters, one by one: it may lack some, and then answers with none."""
        if not node.startswith('/'):
            return  # its name has not been heard yet, or is that of no ROS node
        service = f'{node}/get_parameters'
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._node.create_client(GetParameters, service)
        for name in names:
            if (node, name) not in self._parameters:
                self._parameters[node, name] = _Question(
                    client, GetParameters.Request(names=[name]))

    def ask_controllers(self) -> None:
        """Ask every controller manager that there is, where its messages are installed."""
        if ListControllers is None:
            return
        for service in self._managers():
            if service not in self._clients:
                client = self._clients[service] = self._node.create_client(
                    ListControllers, service)
                self._controllers.append(_Question(client, ListControllers.Request()))

    def _managers(self) -> list[str]:
        return [name for name, types in self._node.get_service_names_and_types()
                if LIST_CONTROLLERS in types]

    def attend(self) -> bool:
        """Ask what is to be asked by now; return whether everything has been answered."""
        answered = [each.attend() for each in (*self._parameters.values(), *self._controllers)]
        return all(answered)

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Return the parameters of each node that has answered."""
        found: dict[str, dict[str, Any]] = {}
        for (node, name), question in self._parameters.items():
            if question.result is None:
                continue
            values = found.setdefault(node, {})
            for value in question.result.values:
                if value.type != ParameterType.PARAMETER_NOT_SET:
                    values[name] = parameter_value_to_python(value)
        return found

    def controllers(self) -> tuple[ControllerStatus, ...] | None:
        """Return the controllers of all controller managers, None where none has answered."""
        answers = [each.result for each in self._controllers if each.result is not None]
        if not answers:
            return None
        return tuple(
            ControllerStatus(name=each.name, state=each.state,
                             claimed_interfaces=tuple(each.claimed_interfaces))
            for answer in answers for each in answer.controller)

    def controllers_untold(self) -> str:
        """Return why no controller manager has told anything."""
        if not self._managers():
            return 'no controller manager was found'
        if ListControllers is None:
            return ('controller_manager_msgs is not installed (`apt install '
                    'ros-$ROS_DISTRO-controller-manager-msgs`)')
        return 'the controller manager did not answer'
