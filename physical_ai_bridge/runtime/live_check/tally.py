"""A stream's messages, from their bytes, into what is judged; pictures are not kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError, WireError
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.observation.align import RefusedError
from physical_ai_bridge.observation.decode import decode_image
from physical_ai_bridge.observation.joint_columns import JointColumns
from physical_ai_bridge.runtime.cdr import (
    decode_bool,
    decode_controller_state,
    decode_string,
    SENSOR_DECODERS,
)
from physical_ai_bridge.runtime.cdr_reader import Buffer, Reader
from physical_ai_bridge.runtime.live_check.observed import Content, Expected, Received, Stream
from physical_ai_bridge.safety.robot_model import RobotModel

_DECODERS = SENSOR_DECODERS | {
    'control_msgs/msg/JointTrajectoryControllerState': decode_controller_state,
    'std_msgs/msg/Bool': decode_bool,
    'std_msgs/msg/String': decode_string,
}
_HEADERLESS = (Content.PRESSED, Content.DESCRIPTION)


def frame_id_of(data: Buffer, type_name: str) -> str:
    """
    Return the frame in a message's header.

    Raises
    ------
    WireError
        If the bytes have none.

    """
    reader = Reader(data, type_name)
    reader.time('header.stamp')
    return reader.text('header.frame_id')


def clock_of(data: Buffer) -> int:
    """
    Return the time in a rosgraph_msgs/msg/Clock, in ns.

    Raises
    ------
    WireError
        If the bytes hold none.

    """
    return Reader(data, 'rosgraph_msgs/msg/Clock').time('clock')


class Tally:
    """Takes the messages of one stream of ``cell``."""

    def __init__(self, expected: Expected, cell: Cell) -> None:
        self._expected = expected
        self._cell = cell
        self._decode = _DECODERS[expected.type_name]
        self._columns = JointColumns(cell.robot.joints)
        self._received: list[Received] = []
        self._foreign: set[str] = set()
        self._malformed = ''

    def __len__(self) -> int:
        return len(self._received)

    def take(self, data: Buffer, *, steady_ns: int, system_ns: int,
             simulated_ns: int | None) -> None:
        """Take a message and when it came."""
        try:
            sample = self._decode(data)
            headed = self._expected.content not in _HEADERLESS
            frame_id = frame_id_of(data, self._expected.type_name) if headed else ''
        except WireError as error:
            self._malformed = str(error)
            return
        if self._is_foreign(sample):
            self._foreign.update(sample.names)
            return
        self._received.append(Received(
            steady_ns=steady_ns, system_ns=system_ns, simulated_ns=simulated_ns,
            stamp_ns=sample.stamp_ns if headed else None, frame_id=frame_id,
            value=None if self._expected.content is Content.IMAGE else sample,
            complaint=self._complaint(sample)))

    def stream(self, *, only_reliably: bool = False) -> Stream:
        """Return all that came."""
        return Stream(received=tuple(self._received), foreign=tuple(sorted(self._foreign)),
                      malformed=self._malformed, only_reliably=only_reliably)

    def _is_foreign(self, sample: Any) -> bool:
        """Tell whether it is another device's joint state, a gripper's say, on the same topic."""
        return (isinstance(sample, JointSample) and bool(sample.names)
                and not self._columns.concerns(sample.names))

    def _complaint(self, sample: Any) -> str:
        """Return why a node would refuse what the message holds."""
        if isinstance(sample, JointSample):
            return self._about_joints(sample)
        if isinstance(sample, WrenchSample):
            finite = np.isfinite(sample.force).all() and np.isfinite(sample.torque).all()
            return '' if finite else 'the wrench is not finite'
        name = self._expected.name
        if self._expected.content is Content.IMAGE:
            pixels = decode_image(name, sample, self._cell.sensors.cameras[name])
            return pixels.detail if isinstance(pixels, Refusal) else ''
        if self._expected.content is Content.DESCRIPTION:
            return _about_description(sample, self._cell)
        return ''

    def _about_joints(self, sample: JointSample) -> str:
        try:
            self._columns.pick(sample)
        except RefusedError as error:
            return error.refusal.detail
        return ''


def _about_description(text: str, cell: Cell) -> str:
    try:
        RobotModel.from_urdf(text, cell)
    except BridgeError as error:
        return str(error)
    return ''
