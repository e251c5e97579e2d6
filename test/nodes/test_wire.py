"""Patched bytes against what rclpy itself serialises."""

from __future__ import annotations

import array

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.nodes.wire import (
    bool_bytes,
    clock_bytes,
    ImageWire,
    JointStateWire,
    WrenchWire,
)
from physical_ai_bridge.runtime.cdr import decode_image, decode_joint_state, decode_wrench_stamped
import pytest
from rclpy.serialization import deserialize_message, serialize_message

geometry_msgs = pytest.importorskip('geometry_msgs.msg')
rosgraph_msgs = pytest.importorskip('rosgraph_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')

stamps_ns = st.integers(0, 2**31 * 10**9 - 1)
frames = st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=12)
numbers = st.floats(allow_nan=False)


def stamp(message, stamp_ns: int, frame_id: str = ''):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id = frame_id
    return message


@given(stamps_ns, st.lists(st.tuples(frames, numbers, numbers), min_size=1, max_size=7))
def test_joint_states(stamp_ns, joints):
    names, position, velocity = zip(*joints, strict=True)
    wire = JointStateWire(names)
    wire.encode(JointSample(1, names, np.ones(len(names)), np.ones(len(names))))
    data = wire.encode(JointSample(stamp_ns, names, np.array(position), np.array(velocity)))
    wanted = stamp(sensor_msgs.JointState(
        name=list(names), position=list(position), velocity=list(velocity)), stamp_ns)
    assert deserialize_message(data, sensor_msgs.JointState) == wanted
    assert 0 <= len(serialize_message(wanted)) - len(data) <= 4
    decoded = decode_joint_state(data)
    assert (decoded.stamp_ns, decoded.names) == (stamp_ns, names)
    np.testing.assert_array_equal(decoded.position, position)
    np.testing.assert_array_equal(decoded.velocity, velocity)


@given(stamps_ns, frames, st.lists(numbers, min_size=6, max_size=6))
def test_wrenches(stamp_ns, frame_id, both):
    wire = WrenchWire(frame_id)
    wire.encode(WrenchSample(1, np.ones(3), np.ones(3)))
    data = wire.encode(WrenchSample(stamp_ns, np.array(both[:3]), np.array(both[3:])))
    wanted = stamp(geometry_msgs.WrenchStamped(), stamp_ns, frame_id)
    for vector, values in ((wanted.wrench.force, both[:3]), (wanted.wrench.torque, both[3:])):
        vector.x, vector.y, vector.z = values
    assert deserialize_message(data, geometry_msgs.WrenchStamped) == wanted
    assert len(serialize_message(wanted)) == len(data)
    np.testing.assert_array_equal(decode_wrench_stamped(data).torque, both[3:])


@given(stamps_ns, frames, st.sampled_from(['rgb8', 'bgr8']))
def test_images(stamp_ns, frame_id, encoding):
    pixels = bytes(range(18))
    data = ImageWire(frame_id).encode(
        ImageSample(stamp_ns, encoding, 2, 3, 9, memoryview(pixels)))
    wanted = stamp(sensor_msgs.Image(
        height=2, width=3, encoding=encoding, step=9, data=array.array('B', pixels)),
        stamp_ns, frame_id)
    assert deserialize_message(data, sensor_msgs.Image) == wanted
    assert bytes(decode_image(data).data) == pixels


@given(stamps_ns)
def test_the_clock(stamp_ns):
    message = deserialize_message(clock_bytes(stamp_ns), rosgraph_msgs.Clock)
    assert message.clock.sec * 10**9 + message.clock.nanosec == stamp_ns


@pytest.mark.parametrize('value', [False, True])
def test_the_heartbeat(value):
    assert deserialize_message(bool_bytes(value), std_msgs.Bool).data is value
