"""What was read before makes no difference to what a message says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.runtime.joint_state_layout import JointStateDecoder
from rosbags.typesys import get_typestore, Stores

STORE = get_typestore(Stores.ROS2_HUMBLE)
KIND = 'sensor_msgs/msg/JointState'


def joint_state(seconds=5, names=('a', 'b'), position=(1.0, 2.0), velocity=(0.1, 0.2), effort=(),
                frame_id='', little_endian=True) -> bytes:
    types = STORE.types
    header = types['std_msgs/msg/Header'](
        types['builtin_interfaces/msg/Time'](seconds, 7), frame_id)
    arrays = [np.array(values, np.float64) for values in (position, velocity, effort)]
    message = types[KIND](header, list(names), *arrays)
    return bytes(STORE.serialize_cdr(message, KIND, little_endian=little_endian))


def told(decode, data):
    """Return what a decoder makes of bytes, an error as its text."""
    try:
        sample = decode(data)
    except WireError as error:
        return str(error)
    return (sample.stamp_ns, sample.names, sample.position.tobytes(),
            None if sample.velocity is None else sample.velocity.tobytes())


numbers = st.lists(st.floats(width=64), max_size=4)
messages = st.builds(
    joint_state, st.integers(0, 2**31 - 1),
    st.lists(st.text(st.characters(max_codepoint=300, exclude_characters='\0',
                                   exclude_categories=['Cs']), max_size=3), max_size=4),
    numbers, numbers, numbers, st.sampled_from(['', 'base']), st.booleans())


@settings(max_examples=200)
@given(st.lists(messages, min_size=2, max_size=6))
def test_one_after_the_other_they_say_what_each_says_alone(sent):
    decode = JointStateDecoder()
    for data in sent:
        assert told(decode, data) == told(JointStateDecoder(), data)


@settings(max_examples=300)
@given(messages, st.data())
def test_a_message_with_some_bytes_changed_says_what_it_says_alone(sent, data):
    decode = JointStateDecoder()
    decode(sent)
    changed = bytearray(sent)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    assert told(decode, bytes(changed)) == told(JointStateDecoder(), bytes(changed))


def test_what_is_the_same_again_is_the_very_same_names():
    decode = JointStateDecoder()
    first, second = decode(joint_state(5)), decode(joint_state(6, position=(3.0, 4.0)))
    assert second.names is first.names
    assert second.position.tolist() == [3.0, 4.0]
    assert second.stamp_ns > first.stamp_ns


def test_the_numbers_are_copies_of_their_own():
    decode = JointStateDecoder()
    decode(joint_state())
    data = bytearray(joint_state())
    sample = decode(data)
    data[:] = bytes(len(data))
    assert sample.position.tolist() == [1.0, 2.0]


def test_many_lengths_are_forgotten_and_not_kept_for_ever():
    decode = JointStateDecoder()
    for count in range(40):
        names = tuple(f'j{index}' for index in range(count))
        assert decode(joint_state(names=names)).names == names
