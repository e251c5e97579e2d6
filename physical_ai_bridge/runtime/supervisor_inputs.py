"""Messages into the supervisor: the one place that knows which call a kind of input stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.names import PROPOSALS
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import (
    decode_bool,
    decode_controller_state,
    decode_joint_state,
    decode_joint_trajectory,
    decode_wrench_stamped,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.runtime.setpoint_stream import SetpointTrouble
from physical_ai_bridge.safety.decision import Authority
from physical_ai_bridge.safety.gripping import GrippingSupervisor
from physical_ai_bridge.safety.sanitise import MAX_POINTS
from physical_ai_bridge.safety.supervisor import Supervisor


def supervisor_topics(cell: Cell) -> dict[str, str]:
    """
    Return what a supervisor's node listens to in its cell, by kind of input.

    To ``command``, which is what moves the robot, a shadow alone listens.
    """
    sensors, controller, gripper = cell.sensors, cell.controller, cell.gripper
    topics = {'joint_state': sensors.joint_states.topic, 'command': controller.plan_topic}
    topics |= {f'wrench/{name}': wrench.topic for name, wrench in sensors.wrenches.items()}
    if controller.state_topic is not None:
        topics['controller_state'] = controller.state_topic
    if gripper is not None and gripper.state_topic is not None:
        topics['gripper_state'] = gripper.state_topic
    return topics | {'proposal': PROPOSALS, 'emergency_stop': cell.safety.emergency_stop.topic}


def traced_kinds(cell: Cell) -> frozenset[str]:
    """Return the kinds whose messages are recorded: those of types that ROS itself has."""
    kinds = frozenset(supervisor_topics(cell))
    if cell.controller.state_type == 'sensor_msgs/msg/JointState':
        return kinds
    return kinds - {'controller_state'}


class SupervisorInputs:
    """
    Decodes what came, and hands it to a supervisor.

    The node feeds its supervisor through this, and so does whoever replays a journal: what a kind
    of entry means cannot differ between the two.
    """

    def __init__(self, core: Supervisor, cell: Cell) -> None:
        self._core = core
        self._calls: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, Instant], bool]]] = {
            'joint_state': (decode_joint_state, core.on_joint_state),
            'proposal': (partial(decode_joint_trajectory, max_points=MAX_POINTS),
                         core.on_proposal),
            'command': (partial(_command, cell.robot.joints), core.on_command),
            'emergency_stop': (decode_bool, core.on_emergency_stop),
            'publishers': (_names, core.on_publishers),
            'authority': (lambda data: Authority(data.decode()), self._authorise)}
        if cell.controller.state_topic is not None:
            reports_joints = cell.controller.state_type == 'sensor_msgs/msg/JointState'
            self._calls['controller_state'] = (
                decode_joint_state if reports_joints else decode_controller_state,
                core.on_controller_state)
        if cell.controller.streams:
            self._calls['setpoints'] = (SetpointTrouble.of_payload, self._on_setpoints)
        if isinstance(core, GrippingSupervisor):
            self._calls['gripper_state'] = (decode_joint_state, core.on_gripper_state)
            self._calls['gripper_setpoints'] = (
                SetpointTrouble.of_payload, lambda trouble, now: core.on_gripper_setpoints(
                    trouble.detail, trouble.held, now))
        for sensor in cell.sensors.wrenches:
            self._calls[f'wrench/{sensor}'] = (
                decode_wrench_stamped, partial(core.on_wrench, sensor))

    def _authorise(self, authority: Authority, now: Instant) -> bool:
        del now
        self._core.authorise(authority)
        return False

    def _on_setpoints(self, trouble: SetpointTrouble, now: Instant) -> bool:
        return self._core.on_setpoints(trouble.detail, trouble.held, now)

    def __contains__(self, kind: str) -> bool:
        """Tell whether it is the kind of an input."""
        return kind in self._calls

    def take(self, kind: str, data: bytes, now: Instant) -> bool:
        """
        Hand in a message of this ``kind``; True where the supervisor wants a tick at once.

        One that does not decode is refused: the supervisor counts it.
        """
        decode, feed = self._calls[kind]
        try:
            value = decode(data)
        except WireError as error:
            refuse = self._core.refuse_proposal if kind == 'proposal' else self._core.refuse
            refuse(Refusal(Reason.MESSAGE_MALFORMED, str(error)))
            return False
        return feed(value, now)


def names_payload(names: tuple[str, ...]) -> bytes:
    """Return names as the payload of an entry 'publishers'."""
    return '\n'.join(names).encode()


def _names(data: bytes) -> tuple[str, ...]:
    return tuple(data.decode().splitlines())


def _command(joints: tuple[str, ...], data: bytes) -> Trajectory:
    return trajectory_from_message(decode_joint_trajectory(data, MAX_POINTS), joints)
