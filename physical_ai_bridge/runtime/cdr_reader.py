"""A cursor over one message's CDR bytes that never reads, and never allocates, past their end."""

from __future__ import annotations

import struct

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError

Buffer = bytes | bytearray | memoryview

HEADER_BYTES = 4
# After the last field there may be padding to 4 bytes; and rclpy's serialize_message counts the
# alignment of a float64[]'s elements where it has none, and of what follows it once more, and
# leaves as many bytes over at the end.
_PADDING = 3
_PADDING_EMPTY_FLOAT64S = 8


class _Layout:
    """The structs of one byte order, compiled once."""

    __slots__ = ('float64', 'order', 'stamp_text', 'time', 'u32', 'wrench')

    def __init__(self, order: str) -> None:
        self.order = order
        self.u32 = struct.Struct(f'{order}I').unpack_from
        self.time = struct.Struct(f'{order}iI').unpack_from
        self.stamp_text = struct.Struct(f'{order}iII').unpack_from
        self.wrench = struct.Struct(f'{order}6d').unpack_from
        self.float64 = np.dtype(f'{order}f8')


_LAYOUTS = (_Layout('>'), _Layout('<'))


class Reader:
    """A place in one message's bytes; every read checks first that the bytes are there."""

    __slots__ = ('at', 'data', 'end', 'layout', 'padding', 'point', 'type_name')

    def __init__(self, data: Buffer, type_name: str) -> None:
        self.type_name = type_name
        self.data = data
        self.end = len(data)
        self.at = HEADER_BYTES
        self.padding = _PADDING
        self.point: int | None = None
        if self.end < HEADER_BYTES:
            raise self.error('encapsulation', f'found {self.end} bytes, 4 are needed')
        if data[0] or data[1] > 1:
            raise self.error(
                'encapsulation',
                f'found 0x{data[0]:02x}{data[1]:02x}, only plain CDR (0x0000, 0x0001) is read', 0)
        self.layout = _LAYOUTS[data[1]]

    def error(self, field: str, found: str, at: int | None = None) -> WireError:
        """Return the error to raise: the type, the field, what was found, and where."""
        at = self.at if at is None else at
        if self.point is not None:
            field = f'points[{self.point}].{field}'
        return WireError(f'{self.type_name}: {field}: {found} (at byte {at} of {self.end})')

    def align(self, size: int) -> None:
        """Go to the next multiple of ``size``, counted from the end of the encapsulation."""
        self.at += -(self.at - HEADER_BYTES) & (size - 1)

    def need(self, size: int, field: str) -> int:
        """Return where the next ``size`` bytes begin, and go past them."""
        at = self.at
        after = at + size
        if after > self.end:
            raise self.error(
                field, f'{size} bytes are declared and {max(0, self.end - at)} are left')
        self.at = after
        return at

    def u8(self, field: str) -> int:
        """Read an octet."""
        return self.data[self.need(1, field)]

    def u32(self, field: str) -> int:
        """Read an unsigned length or number."""
        self.at = at = self.at + (-self.at & 3)
        if at + 4 > self.end:
            self.need(4, field)
        self.at = at + 4
        return self.layout.u32(self.data, at)[0]

    def count(self, field: str, element_bytes: int) -> int:
        """Read the length of a sequence whose elements take ``element_bytes`` or more each."""
        count = self.u32(field)
        if count * element_bytes > self.end - self.at:
            raise self.error(field, f'{count} elements are declared and '
                             f'{self.end - self.at} bytes are left', self.at - 4)
        return count

    def time(self, field: str) -> int:
        """Read a Time or Duration in nanoseconds."""
        self.align(4)
        at = self.need(8, field)
        seconds, nanoseconds = self.layout.time(self.data, at)
        if nanoseconds >= NS_PER_S:
            raise self.error(field, f'found {nanoseconds} ns beside whole seconds, '
                             'at most 999999999 are right', at + 4)
        return seconds * NS_PER_S + nanoseconds

    def header(self) -> int:
        """Read a std_msgs/Header and return its stamp; who sent it in which frame is not used."""
        if self.end < 16:
            self.need(12, 'header')
        seconds, nanoseconds, length = self.layout.stamp_text(self.data, 4)
        if nanoseconds >= NS_PER_S:
            raise self.error('header.stamp', f'found {nanoseconds} ns beside whole seconds, '
                             'at most 999999999 are right', 8)
        self.at = 16
        self.need(length, 'header.frame_id')
        return seconds * NS_PER_S + nanoseconds

    def text(self, field: str) -> str:
        """Read a string; its length counts the zero byte at its end."""
        length = self.u32(field)
        if not length:
            return ''
        at = self.need(length, field)
        last = at + length - 1
        if self.data[last]:
            raise self.error(field, 'no zero byte ends the text', last)
        try:
            return str(self.data[at:last], 'utf-8')
        except UnicodeDecodeError as error:
            raise self.error(field, f'the text is not UTF-8: {error.reason}',
                             at + error.start) from None

    def texts(self, field: str) -> tuple[str, ...]:
        """Read a sequence of strings."""
        return tuple([self.text(field) for _ in range(self.count(field, 4))])

    def float64s(self, field: str) -> int:
        """Check a sequence of float64 and return its length; its bytes are those before here."""
        count = self.count(field, 8)
        if count:
            self.align(8)
            self.need(8 * count, field)
        else:
            self.padding += _PADDING_EMPTY_FLOAT64S
        return count

    def array(self, field: str) -> np.ndarray:
        """Read a sequence of float64 as an array of its own."""
        count = self.float64s(field)
        return np.frombuffer(
            self.data, self.layout.float64, count, self.at - 8 * count).astype(np.float64)

    def floats(self, field: str) -> tuple[float, ...]:
        """Read a sequence of float64 as a tuple; a trajectory has hundreds of them."""
        at = self.at + (-self.at & 3)
        if at + 4 <= self.end:
            count = self.layout.u32(self.data, at)[0]
            if not count:
                self.at = at + 4
                self.padding += _PADDING_EMPTY_FLOAT64S
                return ()
            at += 4 + (-at & 7)
            if at + 8 * count <= self.end:
                self.at = at + 8 * count
                return struct.unpack_from(f'{self.layout.order}{count}d', self.data, at)
        self.float64s(field)  # raises, since the bytes are not there
        return ()

    def octets(self, field: str) -> memoryview:
        """Read a sequence of octets as a view of the message's own bytes."""
        count = self.count(field, 1)
        at = self.need(count, field)
        return memoryview(self.data)[at:at + count]

    def finish(self) -> None:
        """Make sure that the message ends here."""
        if self.end - self.at > self.padding:
            raise self.error('end', f'{self.end - self.at} bytes are left over')
