"""
The simulated cell's messages, straight to CDR bytes.

At 500 Hz filling and serialising message objects would cost more than the physics. All but the
numbers stays the same from sample to sample, so the bytes are made once and patched. They are what
``rclpy.serialization.serialize_message`` makes, padding aside, which a test holds them against.
"""

from __future__ import annotations

import struct

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample

_ENCAPSULATION = b'\x00\x01\x00\x00'
_STAMP_AT = 4
_pack_time = struct.Struct('<iI').pack_into


def _text(out: bytearray, text: str) -> None:
    encoded = text.encode() + b'\0'
    out += bytes(-len(out) % 4) + struct.pack('<I', len(encoded)) + encoded


def _begin(frame_id: str) -> bytearray:
    """Return the encapsulation and a Header with a zero stamp."""
    out = bytearray(_ENCAPSULATION + bytes(8))
    _text(out, frame_id)
    return out


def _align8(out: bytearray) -> None:
    """Fill up to a multiple of 8, which counts from the end of the encapsulation."""
    out += bytes((len(_ENCAPSULATION) - len(out)) % 8)


class JointStateWire:
    """sensor_msgs/msg/JointState with positions and velocities of always the same joints."""

    def __init__(self, names: tuple[str, ...], frame_id: str = '') -> None:
        out = _begin(frame_id)
        out += bytes(-len(out) % 4) + struct.pack('<I', len(names))
        for name in names:
            _text(out, name)
        self._places = []
        for _ in ('position', 'velocity'):
            out += bytes(-len(out) % 4) + struct.pack('<I', len(names))
            _align8(out)
            self._places.append(len(out))
            out += bytes(8 * len(names))
        out += struct.pack('<I', 0)
        self._bytes = out
        self._numbers = struct.Struct(f'<{len(names)}d').pack_into

    def encode(self, sample: JointSample) -> bytes:
        """Return the bytes of one joint state, which must have velocities."""
        out, (position, velocity) = self._bytes, self._places
        _pack_time(out, _STAMP_AT, *divmod(sample.stamp_ns, NS_PER_S))
        self._numbers(out, position, *sample.position.tolist())
        self._numbers(out, velocity, *sample.velocity.tolist())
        return bytes(out)


class WrenchWire:
    """geometry_msgs/msg/WrenchStamped in always the same frame."""

    def __init__(self, frame_id: str) -> None:
        out = _begin(frame_id)
        _align8(out)
        self._at = len(out)
        self._bytes = out + bytes(48)
        self._numbers = struct.Struct('<6d').pack_into

    def encode(self, sample: WrenchSample) -> bytes:
        """Return the bytes of one wrench."""
        out = self._bytes
        _pack_time(out, _STAMP_AT, *divmod(sample.stamp_ns, NS_PER_S))
        self._numbers(out, self._at, *sample.force.tolist(), *sample.torque.tolist())
        return bytes(out)


class ImageWire:
    """sensor_msgs/msg/Image in always the same frame."""

    def __init__(self, frame_id: str) -> None:
        self._frame_id = frame_id

    def encode(self, sample: ImageSample) -> bytes:
        """Return the bytes of one frame."""
        out = _begin(self._frame_id)
        _pack_time(out, _STAMP_AT, *divmod(sample.stamp_ns, NS_PER_S))
        out += bytes(-len(out) % 4) + struct.pack('<II', sample.height, sample.width)
        _text(out, sample.encoding)
        out += b'\0' + bytes(-(len(out) + 1) % 4)
        pixels = np.frombuffer(sample.data, np.uint8)
        out += struct.pack('<II', sample.step, len(pixels))
        return b''.join((out, pixels.data))


def clock_bytes(ros_ns: int) -> bytes:
    """Return a rosgraph_msgs/msg/Clock."""
    return _ENCAPSULATION + struct.pack('<iI', *divmod(ros_ns, NS_PER_S))


def bool_bytes(value: bool) -> bytes:
    """Return a std_msgs/msg/Bool."""
    return _ENCAPSULATION + (b'\x01' if value else b'\x00') + bytes(3)
