"""Raw CDR against rosbags' own serializer, and against any bytes at all."""

from __future__ import annotations

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime import cdr
import pytest
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
NAMES = ('shoulder', 'elbow', 'wrist')

DECODERS = {
    'sensor_msgs/msg/JointState': cdr.decode_joint_state,
    'geometry_msgs/msg/WrenchStamped': cdr.decode_wrench_stamped,
    'sensor_msgs/msg/Image': cdr.decode_image,
    'sensor_msgs/msg/CompressedImage': cdr.decode_compressed_image,
    'trajectory_msgs/msg/JointTrajectory': lambda data: cdr.decode_joint_trajectory(data, 100),
    'std_msgs/msg/Float64MultiArray': cdr.decode_float64_multi_array,
    'std_msgs/msg/Bool': cdr.decode_bool,
    'std_msgs/msg/String': cdr.decode_string,
}

finite = st.floats(width=64)
texts = st.text(
    st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=12)
stamps = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 10**9 - 1))
orders = st.booleans()


def wire(type_name: str, *fields: object, little_endian: bool = True) -> bytes:
    message = TYPES[type_name](*fields)
    return bytes(STORE.serialize_cdr(message, type_name, little_endian=little_endian))


def header(stamp: tuple[int, int] = (5, 7), frame_id: str = 'base') -> object:
    return TYPES['std_msgs/msg/Header'](
        TYPES['builtin_interfaces/msg/Time'](*stamp), frame_id)


def joint_state(stamp: tuple[int, int] = (5, 7), frame_id: str = 'base',
                names: tuple[str, ...] = NAMES, position: object = (1.0, 2.0, 3.0),
                velocity: object = (0.1, 0.2, 0.3), effort: object = (),
                little_endian: bool = True) -> bytes:
    arrays = [np.array(values, np.float64) for values in (position, velocity, effort)]
    return wire('sensor_msgs/msg/JointState', header(stamp, frame_id), list(names), *arrays,
                little_endian=little_endian)


# What follows the reference in real messages is left out: it differs between releases.
CONTROLLER_STATE = 'control_msgs/msg/JointTrajectoryControllerState'
STORE.register(get_types_from_msg(
    'std_msgs/Header header\nstring[] joint_names\n'
    'trajectory_msgs/JointTrajectoryPoint reference\n'
    'trajectory_msgs/JointTrajectoryPoint feedback\n', CONTROLLER_STATE))


def controller_state(positions: object = (1.0, 2.0, 3.0), velocities: object = (0.1, 0.2, 0.3),
                     little_endian: bool = True) -> bytes:
    none = np.zeros(0)
    duration = TYPES['builtin_interfaces/msg/Duration'](0, 0)
    reference, feedback = (TYPES['trajectory_msgs/msg/JointTrajectoryPoint'](
        np.array(position, np.float64), np.array(velocity, np.float64), none, none, duration)
        for position, velocity in ((positions, velocities), ((9.0,) * 3, ())))
    return wire(CONTROLLER_STATE, header(), list(NAMES), reference, feedback,
                little_endian=little_endian)


def image(width: int = 4, height: int = 3, encoding: str = 'rgb8') -> bytes:
    step = 3 * width
    return wire('sensor_msgs/msg/Image', header(), height, width, encoding, 0, step,
                np.arange(height * step, dtype=np.uint8))


def trajectory(points: int = 2, width: int = 3) -> bytes:
    duration = TYPES['builtin_interfaces/msg/Duration']
    point = TYPES['trajectory_msgs/msg/JointTrajectoryPoint']
    return wire('trajectory_msgs/msg/JointTrajectory', header(), list(NAMES[:width]), [
        point(np.arange(width) + float(k), np.arange(width) * 0.5, np.zeros(0), np.zeros(0),
              duration(k, 250)) for k in range(points)])


SAMPLES = {
    'sensor_msgs/msg/JointState': joint_state(),
    'geometry_msgs/msg/WrenchStamped': wire(
        'geometry_msgs/msg/WrenchStamped', header(), TYPES['geometry_msgs/msg/Wrench'](
            TYPES['geometry_msgs/msg/Vector3'](1.0, 2.0, 3.0),
            TYPES['geometry_msgs/msg/Vector3'](4.0, 5.0, 6.0))),
    'sensor_msgs/msg/Image': image(),
    'sensor_msgs/msg/CompressedImage': wire(
        'sensor_msgs/msg/CompressedImage', header(), 'jpeg', np.arange(9, dtype=np.uint8)),
    'trajectory_msgs/msg/JointTrajectory': trajectory(),
    'std_msgs/msg/Float64MultiArray': wire(
        'std_msgs/msg/Float64MultiArray', TYPES['std_msgs/msg/MultiArrayLayout'](
            [TYPES['std_msgs/msg/MultiArrayDimension']('joints', 3, 3)], 0),
        np.array([1.0, -2.0, 3.0])),
    'std_msgs/msg/Bool': wire('std_msgs/msg/Bool', True),
    'std_msgs/msg/String': wire('std_msgs/msg/String', 'insert the plug'),
}


class TestRoundTrip:
    """What rosbags writes is read back, in both byte orders."""

    @given(stamps, texts, st.lists(st.tuples(texts, finite, finite), max_size=8),
           st.booleans(), st.booleans(), orders)
    def test_joint_state(self, stamp, frame_id, joints, with_velocity, with_effort, little):
        names = tuple(name for name, _, _ in joints)
        position = [value for _, value, _ in joints]
        velocity = [value for _, _, value in joints] if with_velocity else []
        sample = cdr.decode_joint_state(joint_state(
            stamp, frame_id, names, position, velocity, position if with_effort else (), little))
        assert sample.stamp_ns == stamp[0] * 10**9 + stamp[1]
        assert sample.names == names
        np.testing.assert_array_equal(sample.position, np.array(position, np.float64))
        if velocity:
            np.testing.assert_array_equal(sample.velocity, np.array(velocity))
        else:
            assert sample.velocity is None

    @given(stamps, texts, st.lists(finite, min_size=6, max_size=6), orders)
    def test_wrench(self, stamp, frame_id, values, little):
        vector = TYPES['geometry_msgs/msg/Vector3']
        sample = cdr.decode_wrench_stamped(wire(
            'geometry_msgs/msg/WrenchStamped', header(stamp, frame_id),
            TYPES['geometry_msgs/msg/Wrench'](vector(*values[:3]), vector(*values[3:])),
            little_endian=little))
        assert sample.stamp_ns == stamp[0] * 10**9 + stamp[1]
        np.testing.assert_array_equal(sample.force, values[:3])
        np.testing.assert_array_equal(sample.torque, values[3:])

    @given(st.lists(finite, min_size=3, max_size=3), st.booleans(), orders)
    def test_the_reference_in_a_controllers_state(self, values, with_velocity, little):
        velocities = values[::-1] if with_velocity else []
        sample = cdr.decode_controller_state(controller_state(values, velocities, little))
        assert (sample.stamp_ns, sample.names) == (5 * 10**9 + 7, NAMES)
        np.testing.assert_array_equal(sample.position, values)
        if with_velocity:
            np.testing.assert_array_equal(sample.velocity, velocities)
        else:
            assert sample.velocity is None

    @given(texts, texts, st.integers(0, 2**32 - 1), st.binary(max_size=50), orders)
    def test_image(self, frame_id, encoding, width, data, little):
        sample = cdr.decode_image(wire(
            'sensor_msgs/msg/Image', header(frame_id=frame_id), 3, width, encoding, 0, 7,
            np.frombuffer(data, np.uint8), little_endian=little))
        assert (sample.height, sample.width, sample.step) == (3, width, 7)
        assert (sample.encoding, bytes(sample.data), sample.compressed) == (encoding, data, False)

    @given(texts, texts, st.binary(max_size=50), orders)
    def test_compressed_image(self, frame_id, encoding, data, little):
        sample = cdr.decode_compressed_image(wire(
            'sensor_msgs/msg/CompressedImage', header(frame_id=frame_id), encoding,
            np.frombuffer(data, np.uint8), little_endian=little))
        assert (sample.encoding, bytes(sample.data), sample.compressed) == (encoding, data, True)
        assert (sample.height, sample.width, sample.step) == (0, 0, 0)

    @given(st.lists(texts, max_size=4), orders, st.lists(st.tuples(
        *[st.lists(finite, max_size=4)] * 4, st.integers(-2**31, 2**31 - 1),
        st.integers(0, 10**9 - 1)), max_size=4))
    def test_joint_trajectory(self, names, little, points):
        duration = TYPES['builtin_interfaces/msg/Duration']
        point = TYPES['trajectory_msgs/msg/JointTrajectoryPoint']
        message = cdr.decode_joint_trajectory(wire(
            'trajectory_msgs/msg/JointTrajectory', header(), names,
            [point(*[np.array(part, np.float64) for part in parts], duration(seconds, rest))
             for *parts, seconds, rest in points], little_endian=little), 4)
        assert message.joint_names == tuple(names)
        assert len(message.points) == len(points)
        for found, (*parts, seconds, rest) in zip(message.points, points, strict=True):
            assert found.time_from_start_ns == seconds * 10**9 + rest
            for values, wanted in zip(
                    (found.positions, found.velocities, found.accelerations, found.effort),
                    parts, strict=True):
                np.testing.assert_array_equal(values, wanted)

    @given(st.booleans(), orders)
    def test_bool(self, value, little):
        assert cdr.decode_bool(wire('std_msgs/msg/Bool', value, little_endian=little)) is value

    @given(texts, orders)
    def test_string(self, value, little):
        assert cdr.decode_string(wire('std_msgs/msg/String', value, little_endian=little)) == value

    @pytest.mark.parametrize('type_name', cdr.SENSOR_DECODERS)
    def test_views_and_bytearrays_are_read_like_bytes(self, type_name):
        decode = cdr.SENSOR_DECODERS[type_name]
        for data in (bytearray(SAMPLES[type_name]), memoryview(SAMPLES[type_name])):
            assert decode(data).stamp_ns == 5 * 10**9 + 7


class TestNothingIsCopiedThatIsLarge:

    def test_pixels_lie_in_the_message(self):
        data = bytearray(image())
        sample = cdr.decode_image(data)
        data[-1] ^= 0xFF
        assert sample.data[-1] == data[-1]

    def test_joint_arrays_do_not_keep_the_message(self):
        data = bytearray(joint_state())
        sample = cdr.decode_joint_state(data)
        data[:] = bytes(len(data))
        assert sample.position.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize('type_name', DECODERS)
class TestEveryType:

    def refuse(self, type_name: str, data: bytes) -> str:
        with pytest.raises(WireError) as caught:
            DECODERS[type_name](data)
        assert str(caught.value).startswith(f'{type_name}: ')
        assert f'of {len(data)})' in str(caught.value)
        return str(caught.value)

    def test_a_cut_message_is_refused_wherever_it_is_cut(self, type_name):
        data = SAMPLES[type_name]
        for length in range(len(data)):
            self.refuse(type_name, data[:length])

    def test_padding_is_taken_and_more_is_refused(self, type_name):
        DECODERS[type_name](SAMPLES[type_name] + bytes(3))
        assert 'left over' in self.refuse(type_name, SAMPLES[type_name] + bytes(64))

    @pytest.mark.parametrize('encapsulation', [
        b'\x00\x02', b'\x00\x03', b'\x00\x06', b'\x00\x07', b'\x00\x0a', b'\x01\x00', b'\xff\xff'])
    def test_other_encapsulations_are_refused(self, type_name, encapsulation):
        found = self.refuse(type_name, encapsulation + SAMPLES[type_name][2:])
        assert f'encapsulation: found 0x{encapsulation.hex()}' in found

    @settings(max_examples=300)
    @given(st.data())
    def test_any_bytes_give_a_value_or_a_wire_error(self, type_name, data):
        self.decode(type_name, data.draw(st.binary(max_size=200)))
        self.decode(type_name, b'\x00\x01\x00\x00' + data.draw(st.binary(max_size=200)))

    @settings(max_examples=300)
    @given(st.data())
    def test_damaged_messages_give_a_value_or_a_wire_error(self, type_name, data):
        wire_bytes = bytearray(SAMPLES[type_name])
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(wire_bytes) - 1))
            wire_bytes[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        self.decode(type_name, bytes(wire_bytes))

    @staticmethod
    def decode(type_name: str, data: bytes) -> None:
        try:
            DECODERS[type_name](data)
        except WireError as error:
            assert str(error).startswith(f'{type_name}: ')


class TestWhatIsRefused:

    @given(st.integers(10**9, 2**32 - 1))
    @example(10**9)
    def test_nanoseconds_beyond_a_second(self, nanoseconds):
        data = bytearray(joint_state())
        data[8:12] = struct.pack('<I', nanoseconds)
        with pytest.raises(WireError, match=rf'header.stamp: found {nanoseconds} ns .*at byte 8 '):
            cdr.decode_joint_state(bytes(data))

    def test_nanoseconds_beyond_a_second_in_a_point(self):
        data = bytearray(trajectory())
        data[-4:] = struct.pack('<I', 10**9)
        with pytest.raises(WireError, match=r'points\[1\]\.time_from_start: found 1000000000 ns'):
            cdr.decode_joint_trajectory(bytes(data), 10)

    @pytest.mark.parametrize('count', [37, 1000, 2**31, 2**32 - 1])
    def test_a_sequence_that_the_bytes_do_not_hold(self, count):
        data = bytearray(image())
        data[-40:-36] = struct.pack('<I', count)
        with pytest.raises(WireError, match=(
                f'data: {count} elements are declared and 36 bytes are left')):
            cdr.decode_image(bytes(data))

    def test_leftovers_only_where_there_is_an_empty_sequence_to_blame(self):
        cdr.decode_joint_state(joint_state(effort=()) + bytes(11))
        with pytest.raises(WireError, match='end: 4 bytes are left over'):
            cdr.decode_joint_state(joint_state(effort=(1.0, 2.0, 3.0)) + bytes(4))

    def test_more_points_than_are_taken(self):
        with pytest.raises(WireError, match='points: found 5, at most 4 are taken'):
            cdr.decode_joint_trajectory(trajectory(points=5), 4)
        assert len(cdr.decode_joint_trajectory(trajectory(points=5), 5).points) == 5

    def test_a_text_that_is_not_utf8(self):
        data = wire('std_msgs/msg/String', 'abc').replace(b'abc', b'a\xffc')
        with pytest.raises(WireError, match=r'data: the text is not UTF-8.*at byte 9 '):
            cdr.decode_string(data)

    def test_a_text_without_its_zero_byte(self):
        data = wire('std_msgs/msg/String', 'abc').replace(b'abc\0', b'abcd')
        with pytest.raises(WireError, match='no zero byte ends the text'):
            cdr.decode_string(data)

    @pytest.mark.parametrize('octet', [2, 0x7F, 0xFF])
    def test_a_bool_that_is_neither(self, octet):
        with pytest.raises(WireError, match=f'data: found {octet}, 0 or 1 is right'):
            cdr.decode_bool(b'\x00\x01\x00\x00' + bytes([octet]))


class TestEncodedTrajectories:

    @given(stamps, st.lists(texts, min_size=1, max_size=7, unique=True),
           st.lists(st.integers(0, 10**12), min_size=1, max_size=6, unique=True),
           st.randoms(use_true_random=False))
    def test_they_are_what_rosbags_writes(self, stamp, names, times, random):
        width, times = len(names), sorted(times)
        positions, velocities = (np.array(
            [[random.uniform(-3, 3) for _ in names] for _ in times]) for _ in range(2))
        duration = TYPES['builtin_interfaces/msg/Duration']
        point = TYPES['trajectory_msgs/msg/JointTrajectoryPoint']
        wanted = wire('trajectory_msgs/msg/JointTrajectory', header(stamp, ''), list(names), [
            point(positions[k], velocities[k], np.zeros(0), np.zeros(0),
                  duration(*divmod(time, 10**9))) for k, time in enumerate(times)])
        value = Trajectory(stamp[0] * 10**9 + stamp[1], tuple(names),
                           np.array(times, np.int64), positions, velocities)
        assert cdr.encode_joint_trajectory(value) == wanted
        back = cdr.decode_joint_trajectory(wanted, len(times))
        assert [len(point.positions) for point in back.points] == [width] * len(times)


def test_a_controllers_state_that_ends_before_its_reference_is_refused():
    data = controller_state()
    whole = data.index(np.array([0.3]).tobytes()) + 8
    cdr.decode_controller_state(data[:whole])
    for length in range(whole):
        with pytest.raises(WireError):
            cdr.decode_controller_state(data[:length])
