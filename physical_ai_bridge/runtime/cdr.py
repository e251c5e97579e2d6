"""
Messages straight from their bytes: CDR as a ``raw=True`` subscription or a bag delivers it.

Nothing here needs ROS, nothing is copied that may be large, and nothing is allocated by a length
that the bytes have not been seen to hold. Whatever the bytes are, a function here returns a value
or raises WireError; both byte orders of plain CDR are read, XCDR2 and parameter lists are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
import struct

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.samples import (
    ImageSample,
    JointSample,
    TrajectoryMessage,
    TrajectoryPoint,
    WrenchSample,
)
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr_reader import Buffer, HEADER_BYTES, Reader
from physical_ai_bridge.runtime.joint_state_layout import JointStateDecoder

decode_joint_state = JointStateDecoder()

# A point of a JointTrajectory has four lengths and a duration, so it is never smaller than this.
_POINT_BYTES = 24


def decode_wrench_stamped(data: Buffer) -> WrenchSample:
    """Decode a geometry_msgs/msg/WrenchStamped."""
    reader = Reader(data, 'geometry_msgs/msg/WrenchStamped')
    stamp_ns = reader.header()
    reader.align(8)
    at = reader.need(48, 'wrench')
    reader.finish()
    both = np.array(reader.layout.wrench(data, at))
    return WrenchSample(stamp_ns, both[:3], both[3:])


def decode_image(data: Buffer) -> ImageSample:
    """Decode a sensor_msgs/msg/Image; the pixels stay where they are."""
    reader = Reader(data, 'sensor_msgs/msg/Image')
    stamp_ns = reader.header()
    height = reader.u32('height')
    width = reader.u32('width')
    encoding = reader.text('encoding')
    reader.u8('is_bigendian')
    step = reader.u32('step')
    pixels = reader.octets('data')
    reader.finish()
    return ImageSample(stamp_ns, encoding, height, width, step, pixels)


def decode_compressed_image(data: Buffer) -> ImageSample:
    """Decode a sensor_msgs/msg/CompressedImage; the file inside stays where it is."""
    reader = Reader(data, 'sensor_msgs/msg/CompressedImage')
    stamp_ns = reader.header()
    encoding = reader.text('format')
    pixels = reader.octets('data')
    reader.finish()
    return ImageSample(stamp_ns, encoding, 0, 0, 0, pixels, compressed=True)


def decode_joint_trajectory(data: Buffer, max_points: int) -> TrajectoryMessage:
    """Decode a trajectory_msgs/msg/JointTrajectory of at most ``max_points`` points."""
    reader = Reader(data, 'trajectory_msgs/msg/JointTrajectory')
    stamp_ns = reader.header()
    names = reader.texts('joint_names')
    at = reader.at
    count = reader.count('points', _POINT_BYTES)
    if count > max_points:
        raise reader.error('points', f'found {count}, at most {max_points} are taken', at)
    points = []
    for reader.point in range(count):
        positions = reader.floats('positions')
        velocities = reader.floats('velocities')
        accelerations = reader.floats('accelerations')
        effort = reader.floats('effort')
        points.append(TrajectoryPoint(
            reader.time('time_from_start'), positions, velocities, accelerations, effort))
    reader.point = None
    reader.finish()
    return TrajectoryMessage(stamp_ns, names, tuple(points))


def decode_controller_state(data: Buffer) -> JointSample:
    """
    Decode the reference in a control_msgs/msg/JointTrajectoryControllerState.

    What follows the reference differs between releases of control_msgs, and is not read.
    """
    reader = Reader(data, 'control_msgs/msg/JointTrajectoryControllerState')
    stamp_ns = reader.header()
    names = reader.texts('joint_names')
    position = reader.array('reference.positions')
    velocity = reader.array('reference.velocities')
    return JointSample(stamp_ns, names, position, velocity if len(velocity) else None)


def decode_bool(data: Buffer) -> bool:
    """Decode a std_msgs/msg/Bool; an octet that is neither 0 nor 1 is refused."""
    reader = Reader(data, 'std_msgs/msg/Bool')
    value = reader.u8('data')
    if value > 1:
        raise reader.error('data', f'found {value}, 0 or 1 is right', reader.at - 1)
    reader.finish()
    return bool(value)


def decode_string(data: Buffer) -> str:
    """Decode a std_msgs/msg/String."""
    reader = Reader(data, 'std_msgs/msg/String')
    value = reader.text('data')
    reader.finish()
    return value


def decode_float64_multi_array(data: Buffer) -> tuple[float, ...]:
    """Decode a std_msgs/msg/Float64MultiArray; what its layout says is read and left aside."""
    reader = Reader(data, 'std_msgs/msg/Float64MultiArray')
    _skip_layout(reader)
    values = reader.floats('data')
    reader.finish()
    return values


def _skip_layout(reader: Reader) -> None:
    for _ in range(reader.count('layout.dim', 12)):
        reader.text('layout.dim.label')
        reader.u32('layout.dim.size')
        reader.u32('layout.dim.stride')
    reader.u32('layout.data_offset')


def decode_uint8_multi_array(data: Buffer) -> bytes:
    """Decode a std_msgs/msg/UInt8MultiArray; what its layout says is read and left aside."""
    reader = Reader(data, 'std_msgs/msg/UInt8MultiArray')
    _skip_layout(reader)
    values = bytes(reader.octets('data'))
    reader.finish()
    return values


SENSOR_DECODERS: dict[str, Callable[[Buffer], JointSample | WrenchSample | ImageSample]] = {
    'sensor_msgs/msg/JointState': decode_joint_state,
    'geometry_msgs/msg/WrenchStamped': decode_wrench_stamped,
    'sensor_msgs/msg/Image': decode_image,
    'sensor_msgs/msg/CompressedImage': decode_compressed_image,
}


def encode_float64_multi_array(values: np.ndarray) -> bytes:
    """Encode a std_msgs/msg/Float64MultiArray of (N,) values without a layout, little-endian."""
    return struct.pack('<4B3I4x', 0, 1, 0, 0, 0, 0, len(values)) + values.astype('<f8').tobytes()


def encode_uint8_multi_array(values: bytes) -> bytes:
    """Encode a std_msgs/msg/UInt8MultiArray without a layout, little-endian."""
    return struct.pack('<4B3I', 0, 1, 0, 0, 0, 0, len(values)) + values


def encode_joint_trajectory(trajectory: Trajectory) -> bytes:
    """
    Encode a trajectory_msgs/msg/JointTrajectory, little-endian, positions and velocities alone.

    The bytes are what ``rclpy.serialization.serialize_message`` makes of the same message, so a
    publisher and a bag take them as they are.
    """
    out = bytearray(b'\x00\x01\x00\x00')
    seconds, nanoseconds = divmod(trajectory.stamp_ns, NS_PER_S)
    out += struct.pack('<iII4x', seconds, nanoseconds, 1)
    out += struct.pack('<I', len(trajectory.joint_names))
    for name in trajectory.joint_names:
        text = name.encode() + b'\0'
        out += struct.pack('<I', len(text)) + text
        out += bytes(-len(out) % 4)
    out += struct.pack('<I', len(trajectory.times_ns))
    points = np.zeros(len(trajectory.times_ns), _point_layout(trajectory.positions.shape[1]))
    for field in ('positions', 'velocities'):
        points[field] = getattr(trajectory, field)
        points[f'{field}_length'] = trajectory.positions.shape[1]
    points['seconds'], points['nanoseconds'] = np.divmod(trajectory.times_ns, NS_PER_S)
    at = len(out)
    out += points.tobytes()
    if (at - HEADER_BYTES) % 8:
        # The first length stands on an odd multiple of 4, so that no gap follows it.
        del out[at + 4:at + 8]
    return bytes(out)


@lru_cache(maxsize=8)
def _point_layout(width: int) -> np.dtype:
    """Return a point with ``width`` positions and velocities that begins on a multiple of 8."""
    return np.dtype([
        ('positions_length', '<u4'), ('gap', '<u4'), ('positions', '<f8', (width,)),
        ('velocities_length', '<u4'), ('gap_too', '<u4'), ('velocities', '<f8', (width,)),
        ('empty_lengths', '<u4', (2,)), ('seconds', '<i4'), ('nanoseconds', '<u4')])
