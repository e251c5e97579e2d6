"""Messages into the policy loop: the one place that knows what a kind of input stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgpack
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError, WireError
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import (
    decode_compressed_image,
    decode_image,
    decode_joint_state,
    decode_joint_trajectory,
    decode_string,
    decode_wrench_stamped,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.safety.sanitise import MAX_POINTS

# What is being executed: it counts before the loop is activated, and beyond the end of that.
EXECUTED = ('command', 'gripper_command')
TASK = 'task'


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """
    An input that the loop has taken.

    ``value`` is what it decodes to, ``refusal`` what the loop has against it, and ``proposal``
    what it proposes anew because of it.
    """

    value: Any
    refusal: Refusal | None = None
    proposal: Trajectory | None = None


def policy_topics(binding: Binding) -> dict[str, str]:
    """Return what a policy's node listens to in its cell, by kind of input."""
    cell, manifest = binding.cell, binding.manifest
    sensors, spec = cell.sensors, manifest.observation
    topics = {'joint_state': sensors.joint_states.topic}
    topics |= {f'wrench/{name}': wrench.topic for name, wrench in sensors.wrenches.items()
               if name in spec.wrenches}
    topics |= {f'image/{name}': sensors.cameras[name].topic for name in spec.images}
    topics['command'] = cell.controller.plan_topic
    if manifest.gripper is not None and cell.gripper is not None:
        topics['gripper_command'] = cell.gripper.plan_topic
        if cell.gripper.state_topic is not None:
            topics['gripper_state'] = cell.gripper.state_topic
    return topics


class PolicyInputs:
    """
    Decodes what came, and hands it to a policy loop.

    The node feeds its loop through this, and so does whoever replays a journal: what a kind of
    entry means cannot differ between the two.
    """

    def __init__(self, loop: PolicyLoop, binding: Binding) -> None:
        self._loop = loop
        self._carried: dict[str, bytes] = {}
        cell = binding.cell
        feeds: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, Instant], Any]]] = {
            'joint_state': (decode_joint_state, loop.on_joint_state),
            'gripper_state': (decode_joint_state, loop.on_joint_state),
            'command': (partial(_decode_command, cell.robot.joints), loop.on_command)}
        if cell.gripper is not None:
            feeds['gripper_command'] = (
                partial(_decode_command, (cell.gripper.joint,)), loop.on_gripper_command)
        for name in binding.manifest.observation.images:
            feeds[f'image/{name}'] = (
                decode_compressed_image if cell.sensors.cameras[name].type.endswith(
                    'CompressedImage') else decode_image, partial(loop.on_image, name))
        for name in binding.manifest.observation.wrenches:
            feeds[f'wrench/{name}'] = (
                decode_wrench_stamped, partial(loop.on_wrench, name))
        self._feeds = {kind: feeds[kind] for kind in policy_topics(binding)} | {
            TASK: (decode_string, lambda instruction, now: loop.set_task(instruction))}

    def __contains__(self, kind: str) -> bool:
        """Tell whether it is the kind of an input."""
        return kind in self._feeds

    def take(self, kind: str, data: bytes, now: Instant) -> Taken | None:
        """
        Hand in a message of this ``kind``.

        One that does not decode is refused, and None returned: the loop counts it.
        """
        decode, feed = self._feeds[kind]
        try:
            value = decode(data)
        except WireError as error:
            self._loop.refuse(Refusal(Reason.MESSAGE_MALFORMED, str(error)))
            return None
        if kind == TASK or kind in EXECUTED:
            self._carried[kind] = data
        refusal = feed(value, now)
        if kind.startswith('wrench/'):
            return Taken(value, proposal=self._loop.refresh(now))
        return Taken(value, refusal)

    def carried(self) -> bytes:
        """Return what counts beyond its own moment: the instruction, and what is executed."""
        return msgpack.packb(self._carried)

    def carry(self, state: bytes, now: Instant) -> None:
        """
        Hand in what ``carried`` returned elsewhere.

        Raises
        ------
        BridgeError
            If the bytes are something else.

        """
        try:
            carried = msgpack.unpackb(state)
            if not isinstance(carried, dict) or not all(
                    kind in self._feeds and (kind == TASK or kind in EXECUTED)
                    and type(data) is bytes for kind, data in carried.items()):
                raise ValueError('it has more than an instruction and commands')
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BridgeError(f'not the state of a policy loop: {error}') from error
        for kind, data in carried.items():
            self.take(kind, data, now)


def _decode_command(joints: tuple[str, ...], data: bytes) -> Trajectory:
    return trajectory_from_message(decode_joint_trajectory(data, MAX_POINTS), joints)
