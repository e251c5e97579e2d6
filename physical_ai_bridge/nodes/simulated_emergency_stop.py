"""The node ``simulated_emergency_stop``: the button of a simulated cell that has none."""

from __future__ import annotations

import sys
from typing import Any

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import CellParameter
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.executor import run
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.other_publishers import OtherPublishers
from physical_ai_bridge.nodes.parameters import Parameters
from physical_ai_bridge.nodes.wire import bool_bytes
from rclpy.lifecycle import TransitionCallbackReturn
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

_HEARTBEAT_S = 0.05


class SimulatedEmergencyStopNode(ManagedNode):
    """
    Publishes the heartbeat of an emergency stop while active; services press and release it.

    For simulation alone, and it makes sure: without ``use_sim_time`` it does not configure, and
    where somebody else publishes on the topic, whose button may be a real one, it says pressed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('simulated_emergency_stop', **options)
        self._cell_parameter = CellParameter(Parameters(self))
        self._node_clock = NodeClock(self)
        self._pressed = False

    def configure(self) -> None:
        """Make the topic, the services and the heartbeat's timer."""
        topic = self._cell_parameter.load().cell.safety.emergency_stop.topic
        if not self.get_parameter('use_sim_time').value:
            raise SetupError(
                f'use_sim_time: found false; this stands in for a button in simulation alone: on '
                f'a robot cell let its own emergency stop publish on {topic}')
        self._topic = topic
        self._others = OtherPublishers(self, topic)
        self._publisher = self.make_publisher(Bool, topic, qos.newest_frame())
        self.make_service(Trigger, '~/press', self._on_press)
        self.make_service(Trigger, '~/release', self._on_release)
        self.make_timer(_HEARTBEAT_S, self._beat, self._node_clock.steady)

    def release(self) -> None:
        """Take down topic and services."""
        self.destroy_made()

    def _on_press(
            self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._set_pressed(True, response)

    def _on_release(
            self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._set_pressed(False, response)

    def _set_pressed(self, pressed: bool, response: Trigger.Response) -> Trigger.Response:
        self._pressed = pressed
        self._beat()
        response.success, response.message = True, 'pressed' if pressed else 'released'
        return response

    def _beat(self) -> None:
        if not self.active:
            return
        others = self._others.names()
        if others:
            self.get_logger().error(
                f'{self._topic}: {", ".join(others)} publishes there too; saying pressed: '
                'end one of the two', throttle_duration_sec=1.0)
        self._publisher.publish(bool_bytes(self._pressed or bool(others)))


def _brought_up() -> SimulatedEmergencyStopNode:
    """Return the node, active."""
    node = SimulatedEmergencyStopNode()
    for change in (node.trigger_configure, node.trigger_activate):
        if change() != TransitionCallbackReturn.SUCCESS:
            node.destroy_node()
            raise SetupError('simulated_emergency_stop did not come up; its log says why')
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node, which comes up by itself: it commands nothing."""
    try:
        return run(_brought_up, args)
    except SetupError as error:
        sys.stderr.write(f'{error}\n')
        return 1


if __name__ == '__main__':
    sys.exit(main())
