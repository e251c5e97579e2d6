"""Joint states laid out as one that was read before: a driver sends the same names for ever."""

from __future__ import annotations

from dataclasses import dataclass
import struct

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.runtime.cdr_reader import Buffer, Reader

# Behind the encapsulation stands the stamp: it and the numbers alone differ between messages.
_STAMP, _FRAME = 4, 12
# Each length of message has one: a robot's, a gripper's, a second arm's.
_KNOWN = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """
    Where the numbers of a joint state stand, and what every byte around them is.

    ``fixed`` are (begin, end, bytes); ``position`` and ``velocity`` are (begin, count).
    """

    names: tuple[str, ...]
    order: str
    fixed: tuple[tuple[int, int, bytes], ...]
    position: tuple[int, int]
    velocity: tuple[int, int]

    def read(self, data: Buffer) -> JointSample | None:
        """Return a message of the same length; None where it is laid out in another way."""
        if any(data[begin:end] != known for begin, end, known in self.fixed):
            return None
        seconds, nanoseconds = struct.unpack_from(f'{self.order}iI', data, _STAMP)
        if nanoseconds >= NS_PER_S:
            return None
        return JointSample(
            seconds * NS_PER_S + nanoseconds, self.names, self._numbers(data, *self.position),
            self._numbers(data, *self.velocity) if self.velocity[1] else None)

    def _numbers(self, data: Buffer, begin: int, count: int) -> np.ndarray:
        return np.frombuffer(data, f'{self.order}f8', count, begin).astype(np.float64)


class JointStateDecoder:
    """
    Decodes sensor_msgs/msg/JointState; the effort is checked and left aside.

    A message whose every byte but the stamp and the numbers is that of one before is not read
    word by word again.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Layout] = {}

    def __call__(self, data: Buffer) -> JointSample:
        """
        Decode one.

        Raises
        ------
        WireError
            If the bytes are none.

        """
        layout = self._known.get(len(data))
        sample = None if layout is None else layout.read(data)
        return self._read(data) if sample is None else sample

    def _read(self, data: Buffer) -> JointSample:
        reader = Reader(data, 'sensor_msgs/msg/JointState')
        stamp_ns = reader.header()
        names = reader.texts('name')
        position = reader.array('position')
        position_end = reader.at
        velocity = reader.array('velocity')
        velocity_end = reader.at
        efforts = reader.float64s('effort')
        effort_at = reader.at - 8 * efforts
        reader.finish()
        position_at = position_end - 8 * len(position)
        velocity_at = velocity_end - 8 * len(velocity)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[len(data)] = _Layout(
            names, reader.layout.order, tuple(
                (begin, end, bytes(data[begin:end])) for begin, end in (
                    (0, _STAMP), (_FRAME, position_at), (position_end, velocity_at),
                    (velocity_end, effort_at))),
            (position_at, len(position)), (velocity_at, len(velocity)))
        return JointSample(stamp_ns, names, position, velocity if len(velocity) else None)
