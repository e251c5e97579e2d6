"""Synthetic messages of a cell, in the order of their receipt: the same seed, the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
import heapq
from itertools import count
import struct
from typing import Any, Literal

import cv2
import numpy as np
from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.cell import Camera, Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.names import PROPOSALS
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from rosbags.typesys import get_typestore, Stores

# Positions of the cell's joints, rad, at a time in s since the start of the bag.
Motion = Callable[[float], np.ndarray]
Cameras = Literal['raw', 'jpeg', 'none']

START_NS = 1_700_000_000 * NS_PER_S
EMERGENCY_STOP_HZ = 20.0
PROPOSALS_HZ = 10.0
COMMANDS_HZ = 20.0
# From the stamp of a message to its receipt: a driver's way is short, a frame's is longer.
_STREAM_DELAY_NS = 300_000
_FRAME_DELAY_NS = 6_000_000
# A camera shows this many different frames, again and again.
_FRAMES = 16
_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'


def smooth_motion(cell: Cell, seed: int = 0, start: np.ndarray | None = None) -> Motion:
    """
    Return a motion that starts at rest and swings each joint by up to 0.2 rad.

    ``start`` are the joints' positions at 0 s, rad, in the cell's order; without it, zeros.
    """
    rng = np.random.default_rng(seed)
    width = len(cell.robot.joints)
    amplitude, frequency = rng.uniform(-0.2, 0.2, width), rng.uniform(0.05, 0.25, width)
    origin = np.zeros(width) if start is None else np.asarray(start, np.float64)
    return lambda t_s: origin + amplitude * (1 - np.cos(2 * np.pi * frequency * t_s)) / 2


def cell_messages(
        cell: Cell, *, duration_s: float, cameras: Cameras = 'raw', motion: Motion | None = None,
        seed: int = 0, commands: bool = False, emergency_stop: bool = False,
        start_ns: int = START_NS,
) -> Iterator[RecordedMessage]:
    """
    Yield what a cell says in ``duration_s``, at the rates of its file, ordered by receipt.

    Joint states and wrenches always; the cameras as ``cameras`` says, whatever type the cell file
    gives them ('jpeg' comes as sensor_msgs/CompressedImage); proposals and commands that follow
    the motion, and the heartbeat of an emergency stop that is not pressed, where they are asked
    for.
    """
    motion = motion or smooth_motion(cell, seed)
    sensors = cell.sensors
    streams = [
        _stream(sensors.joint_states.topic, 'sensor_msgs/msg/JointState',
                sensors.joint_states.rate_hz, _STREAM_DELAY_NS, _joint_states(cell, motion)),
        *(_stream(each.topic, 'geometry_msgs/msg/WrenchStamped', each.rate_hz, _STREAM_DELAY_NS,
                  _wrenches(each.frame_id, seed + number))
          for number, each in enumerate(sensors.wrenches.values()))]
    if cameras != 'none':
        streams += [
            _stream(each.topic, 'sensor_msgs/msg/' + (
                'Image' if cameras == 'raw' else 'CompressedImage'),
                each.rate_hz, _FRAME_DELAY_NS, _frames(each, cameras, seed + number))
            for number, each in enumerate(sensors.cameras.values())]
    if emergency_stop:
        streams.append(_stream(
            cell.safety.emergency_stop.topic, 'std_msgs/msg/Bool', EMERGENCY_STOP_HZ, 0,
            lambda stamp_ns, t_s: b'\0\1\0\0\0'))
    if commands:
        streams += [
            _stream(PROPOSALS, _TRAJECTORY, PROPOSALS_HZ, 20_000_000,
                    _trajectories(cell, motion, 0.05, 16)),
            _stream(cell.controller.plan_topic, _TRAJECTORY, COMMANDS_HZ, 1_000_000,
                    _trajectories(cell, motion, 0.01, 20))]
    end_ns = round(duration_s * NS_PER_S)
    return heapq.merge(*(each(start_ns, end_ns) for each in streams),
                       key=lambda message: message.stamp_ns)


Payload = Callable[[int, float], bytes]


def _stream(
        topic: str, type_name: str, rate_hz: float, delay_ns: int, payload: Payload,
) -> Callable[[int, int], Iterator[RecordedMessage]]:
    """Return what yields a topic's messages from a start for so long, both in ns."""
    def run(start_ns: int, end_ns: int) -> Iterator[RecordedMessage]:
        for number in count():
            since_ns = round(number * NS_PER_S / rate_hz)
            if since_ns >= end_ns:
                return
            stamp_ns = start_ns + since_ns
            yield RecordedMessage(topic, type_name, stamp_ns + delay_ns,
                                  payload(stamp_ns, since_ns / NS_PER_S))

    return run


@lru_cache(maxsize=1)
def _types() -> Any:
    return get_typestore(Stores.ROS2_JAZZY)


def _header(frame_id: str) -> Any:
    types = _types().types
    return types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](0, 0), frame_id)


def _stamped(data: bytes, stamp_ns: int) -> bytes:
    """Return a serialized message with the stamp of its header, which comes first, set."""
    return b''.join((data[:4], struct.pack('<iI', *divmod(stamp_ns, NS_PER_S)),
                     memoryview(data)[12:]))


def _joint_states(cell: Cell, motion: Motion) -> Payload:
    types, kind = _types(), 'sensor_msgs/msg/JointState'
    names, header = list(cell.robot.joints), _header('')

    def payload(stamp_ns: int, t_s: float) -> bytes:
        position, velocity = _state(motion, t_s)
        message = types.types[kind](header, names, position, velocity, np.zeros(0))
        return _stamped(bytes(types.serialize_cdr(message, kind)), stamp_ns)

    return payload


def _state(motion: Motion, t_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return position and velocity; the motion is at rest before 0 s."""
    step = 1e-4
    position = np.asarray(motion(t_s), np.float64)
    before = max(0.0, t_s - step)
    return position, (np.asarray(motion(t_s + step)) - motion(before)) / (t_s + step - before)


def _wrenches(frame_id: str, seed: int) -> Payload:
    types, kind = _types(), 'geometry_msgs/msg/WrenchStamped'
    values = np.random.default_rng(seed).normal(
        scale=(*(0.2,) * 3, *(0.01,) * 3), size=(512, 6)).round(6)
    vector, wrench = (types.types[f'geometry_msgs/msg/{name}'] for name in ('Vector3', 'Wrench'))
    bodies = [bytes(types.serialize_cdr(types.types[kind](
        _header(frame_id), wrench(vector(*row[:3]), vector(*row[3:]))), kind))
        for row in values.tolist()]
    turn = count()
    return lambda stamp_ns, t_s: _stamped(bodies[next(turn) % len(bodies)], stamp_ns)


def _frames(camera: Camera, cameras: Cameras, seed: int) -> Payload:
    bodies = _raw_frames(camera, seed) if cameras == 'raw' else _jpeg_frames(camera, seed)
    turn = count()
    return lambda stamp_ns, t_s: _stamped(bodies[next(turn) % len(bodies)], stamp_ns)


def _pictures(height: int, width: int, channels: int, seed: int) -> Iterator[np.ndarray]:
    """Yield slopes with a little noise, which move: they compress about as pictures do."""
    rng = np.random.default_rng(seed)
    ramp = (np.add.outer(np.arange(height), np.arange(width)) * 200 // (height + width))
    picture = ramp[:, :, None] + rng.integers(0, 8, (height, width, channels))
    picture = (picture + 20 * np.arange(channels)).astype(np.uint8)
    for number in range(_FRAMES):
        yield np.roll(picture, number * width // _FRAMES, axis=1)


def _raw_frames(camera: Camera, seed: int) -> list[bytes]:
    types, kind = _types(), 'sensor_msgs/msg/Image'
    encoding = camera.encoding if camera.encoding not in ('jpeg', 'png') else 'rgb8'
    channels = {'mono8': 1, 'rgba8': 4, 'bgra8': 4}.get(encoding, 3)
    height, width = camera.height, camera.width
    return [bytes(types.serialize_cdr(types.types[kind](
        _header(camera.frame_id), height, width, encoding, 0, width * channels,
        picture.reshape(-1)), kind))
        for picture in _pictures(height, width, channels, seed)]


def _jpeg_frames(camera: Camera, seed: int) -> list[bytes]:
    types, kind = _types(), 'sensor_msgs/msg/CompressedImage'
    return [bytes(types.serialize_cdr(types.types[kind](
        _header(camera.frame_id), 'jpeg', cv2.imencode('.jpg', picture)[1].reshape(-1)), kind))
        for picture in _pictures(camera.height, camera.width, 3, seed)]


def _trajectories(cell: Cell, motion: Motion, period_s: float, points: int) -> Payload:
    """Return trajectories that follow the motion; the last point stands still."""
    times_ns = np.arange(points, dtype=np.int64) * round(period_s * NS_PER_S)

    def payload(stamp_ns: int, t_s: float) -> bytes:
        states = [_state(motion, t_s + number * period_s) for number in range(points)]
        velocity = np.array([each for _, each in states])
        velocity[-1] = 0.0
        return encode_joint_trajectory(Trajectory(
            stamp_ns, cell.robot.joints, times_ns, np.array([each for each, _ in states]),
            velocity))

    return payload
