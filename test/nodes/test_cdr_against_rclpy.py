"""Raw CDR against what rclpy itself puts on the wire."""

from __future__ import annotations

import array

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime import cdr
import pytest

serialization = pytest.importorskip('rclpy.serialization')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
geometry_msgs = pytest.importorskip('geometry_msgs.msg')
trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')

numbers = st.floats(width=64)
texts = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=12)


def stamped(message, frame_id: str):
    message.header.stamp.sec = 5
    message.header.stamp.nanosec = 7
    message.header.frame_id = frame_id
    return message


STAMP_NS = 5_000_000_007


@given(texts, st.lists(st.tuples(texts, numbers, numbers), max_size=8),
       st.booleans(), st.booleans())
def test_joint_state(frame_id, joints, with_velocity, with_effort):
    message = stamped(sensor_msgs.JointState(), frame_id)
    message.name = [name for name, _, _ in joints]
    message.position = [value for _, value, _ in joints]
    message.velocity = [value for _, _, value in joints] if with_velocity else []
    message.effort = [value for _, value, _ in joints] if with_effort else []
    sample = cdr.decode_joint_state(serialization.serialize_message(message))
    assert (sample.stamp_ns, sample.names) == (STAMP_NS, tuple(message.name))
    np.testing.assert_array_equal(sample.position, message.position)
    if sample.velocity is None:
        assert not len(message.velocity)
    else:
        np.testing.assert_array_equal(sample.velocity, message.velocity)


@given(texts, st.lists(numbers, min_size=6, max_size=6))
def test_wrench(frame_id, values):
    message = stamped(geometry_msgs.WrenchStamped(), frame_id)
    force, torque = message.wrench.force, message.wrench.torque
    force.x, force.y, force.z, torque.x, torque.y, torque.z = values
    sample = cdr.decode_wrench_stamped(serialization.serialize_message(message))
    assert sample.stamp_ns == STAMP_NS
    np.testing.assert_array_equal(np.concatenate((sample.force, sample.torque)), values)


@given(texts, texts, st.binary(max_size=40))
def test_image(frame_id, encoding, data):
    message = stamped(sensor_msgs.Image(height=2, width=3, step=9, encoding=encoding), frame_id)
    message.data = array.array('B', data)
    sample = cdr.decode_image(serialization.serialize_message(message))
    assert (sample.stamp_ns, sample.height, sample.width, sample.step) == (STAMP_NS, 2, 3, 9)
    assert (sample.encoding, bytes(sample.data)) == (encoding, data)


@given(texts, texts, st.binary(max_size=40))
def test_compressed_image(frame_id, encoding, data):
    message = stamped(sensor_msgs.CompressedImage(format=encoding), frame_id)
    message.data = array.array('B', data)
    sample = cdr.decode_compressed_image(serialization.serialize_message(message))
    assert (sample.encoding, bytes(sample.data), sample.compressed) == (encoding, data, True)


@given(texts)
def test_string(text):
    message = std_msgs.String(data=text)
    assert cdr.decode_string(serialization.serialize_message(message)) == text


@pytest.mark.parametrize('value', [True, False])
def test_bool(value):
    message = std_msgs.Bool(data=value)
    assert cdr.decode_bool(serialization.serialize_message(message)) is value


@given(st.lists(numbers, max_size=8), st.lists(texts, max_size=2))
def test_float64_multi_array(values, labels):
    message = std_msgs.Float64MultiArray(data=values)
    assert cdr.decode_float64_multi_array(serialization.serialize_message(message)) == (
        pytest.approx(tuple(values), nan_ok=True))
    read = serialization.deserialize_message(
        cdr.encode_float64_multi_array(np.array(values, dtype=np.float64)),
        std_msgs.Float64MultiArray)
    np.testing.assert_array_equal(read.data, values)
    message.layout.dim = [
        std_msgs.MultiArrayDimension(label=label, size=1, stride=2) for label in labels]
    np.testing.assert_array_equal(
        cdr.decode_float64_multi_array(serialization.serialize_message(message)), values)


@given(st.lists(texts, max_size=3), st.lists(st.tuples(
    *[st.lists(numbers, max_size=3)] * 4, st.integers(0, 10**9 - 1)), max_size=3))
def test_joint_trajectory(names, points):
    message = stamped(trajectory_msgs.JointTrajectory(joint_names=names), 'base')
    for positions, velocities, accelerations, effort, nanosec in points:
        point = trajectory_msgs.JointTrajectoryPoint(
            positions=positions, velocities=velocities, accelerations=accelerations,
            effort=effort)
        point.time_from_start.nanosec = nanosec
        message.points.append(point)
    found = cdr.decode_joint_trajectory(serialization.serialize_message(message), 3)
    assert (found.stamp_ns, found.joint_names) == (STAMP_NS, tuple(names))
    for point, (*parts, nanosec) in zip(found.points, points, strict=True):
        assert point.time_from_start_ns == nanosec
        for values, wanted in zip(
                (point.positions, point.velocities, point.accelerations, point.effort), parts,
                strict=True):
            np.testing.assert_array_equal(values, wanted)


def test_an_encoded_trajectory_is_what_rclpy_reads():
    value = Trajectory(STAMP_NS, ('a', 'elbow'), np.array([0, 1_500_000_000]),
                       np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.6], [0.0, 0.0]]))
    message = serialization.deserialize_message(
        cdr.encode_joint_trajectory(value), trajectory_msgs.JointTrajectory)
    assert message.header.stamp.nanosec == 7
    assert message.joint_names == ['a', 'elbow']
    first, last = message.points
    assert (list(first.positions), list(first.velocities)) == ([1.0, 2.0], [0.5, 0.6])
    assert (list(last.positions), list(last.velocities)) == ([3.0, 4.0], [0.0, 0.0])
    assert (last.time_from_start.sec, last.time_from_start.nanosec) == (1, 500_000_000)
    assert not last.accelerations
    assert not last.effort
