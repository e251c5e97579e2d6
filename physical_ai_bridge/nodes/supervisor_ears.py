"""What the supervisor's node listens to, and what of it does not wait in the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from geometry_msgs.msg import WrenchStamped
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.controller_state import controller_state_type
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.runtime.supervisor_inputs import supervisor_topics
from physical_ai_bridge.safety.decision import Authority
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory

STOP = 'emergency_stop'
_BESIDE = 'command'
_TYPES = {'joint_state': JointState, 'gripper_state': JointState, 'proposal': JointTrajectory,
          STOP: Bool, _BESIDE: JointTrajectory}


class SupervisorEars:
    """Subscribes to every input of a cell, and hands the bytes of each to ``take(kind, data)``."""

    def __init__(
            self, node: ManagedNode, cell: Cell, take: Callable[[str, bytes], None]) -> None:
        self._node, self._cell, self._take = node, cell, take
        self._authority: Authority | None = None
        self._beside = False
        for kind, topic in supervisor_topics(cell).items():
            if kind == _BESIDE:
                continue
            made = node.make_subscription(
                self._type_of(kind), topic, partial(take, kind),
                # A press is not overwritten by the release right behind it, either.
                qos.command() if kind == 'proposal' else qos.sensor_stream())
            if kind == STOP:
                self._stops = made

    def _type_of(self, kind: str) -> type:
        if kind == 'controller_state':
            return controller_state_type(self._cell)
        return WrenchStamped if kind.startswith('wrench/') else _TYPES[kind]

    def begin(self, authority: Authority) -> None:
        """Take the authority: a shadow also listens to what moves the robot; others send it."""
        self._authority = authority
        if authority is Authority.SHADOW and not self._beside:
            self._beside = True
            self._node.make_subscription(
                _TYPES[_BESIDE], supervisor_topics(self._cell)[_BESIDE], self._take_beside,
                qos.command())

    def _take_beside(self, data: bytes) -> None:
        if self._authority is Authority.SHADOW:
            self._take(_BESIDE, data)

    def waiting_stops(self) -> Iterator[bytes]:
        """
        Yield what waits of the emergency stop.

        It came while something else was at work, and would wait behind all that came before it.
        """
        handle = self._stops.handle
        with handle:
            while (found := handle.take_message(Bool, True)) is not None:
                yield found[0]
