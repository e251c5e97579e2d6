"""A trace gives back what it was given, by reference, and nothing that is none is read as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import msgpack
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.decision_bytes import fingerprint, outcome_bytes
from physical_ai_bridge.runtime.traces import (
    Form,
    Head,
    INLINE_BYTES,
    key_of,
    read_batch,
    TraceEntry,
    TraceWriter,
)
import pytest

NOW = Instant(1_800_000_000_000_000_000, 10**12)
HEAD = Head(package_version='1.0', node='/policy_node', cell_digest='c', bundle_digest='b',
            provider='cpu', state=b'state')
OUTCOME = outcome_bytes({'mode': 'LIMITING', 'reason': 'JOINING', 'detail': ''}, None)
RECORDED = ('image/scene', 'joint_state')

instants = st.builds(Instant, st.integers(-2**63, 2**63 - 1), st.integers(-2**63, 2**63 - 1))
told = st.one_of(
    st.tuples(st.sampled_from((*RECORDED, 'publishers')), instants, st.binary(max_size=600)),
    st.tuples(st.sampled_from(('tick', 'observe')), instants, st.just(OUTCOME)))


def written(*entries, batches=1):
    """Return the last batch of entries."""
    writer = TraceWriter(RECORDED)
    for _ in range(batches):
        for kind, now, payload in entries:
            writer.append(kind, now, payload)
        batch = writer.take()
    return batch


@given(st.lists(told, min_size=1, max_size=20), st.integers(1, 3))
def test_every_entry_comes_back_in_order_with_what_it_needs(entries, batches):
    batch = read_batch(written(*entries, batches=batches))
    assert batch.number == batches - 1
    for entry, (kind, now, payload) in zip(batch.entries, entries, strict=True):
        assert (entry.kind, entry.now) == (kind, now)
        if entry.form is Form.OUTCOME:
            assert entry.fingerprint == fingerprint(payload)
            assert entry.words == 'LIMITING: JOINING'
        elif entry.form is Form.MESSAGE:
            assert kind in RECORDED
            assert len(payload) > INLINE_BYTES
            assert entry.content == key_of(payload)
        else:
            assert entry.content == payload


def test_a_head_comes_back():
    writer = TraceWriter(())
    writer.head(NOW, HEAD)
    (entry,) = read_batch(writer.take()).entries
    assert (entry.form, entry.head, entry.now) == (Form.HEAD, HEAD, NOW)


def test_a_payload_that_no_recording_has_stands_in_the_trace():
    (entry,) = read_batch(written(('publishers', NOW, b'x' * 10_000))).entries
    assert entry == TraceEntry('publishers', NOW, Form.PAYLOAD, b'x' * 10_000)


def test_where_nothing_came_there_is_no_batch():
    writer = TraceWriter(RECORDED)
    assert writer.take() is None
    writer.append('stop', NOW)
    assert read_batch(writer.take()).number == 0
    assert writer.take() is None


def test_another_run_counts_anew_and_has_nothing_of_the_last():
    writer = TraceWriter(RECORDED)
    writer.append('stop', NOW)
    first = read_batch(writer.take())
    writer.append('reset', NOW)
    writer.begin(NOW)
    writer.append('stop', NOW)
    second = read_batch(writer.take())
    assert first.run != second.run == NOW.steady_ns
    assert second.number == 0
    assert [entry.kind for entry in second.entries] == ['stop']


def test_an_image_is_told_by_its_ends_and_its_length():
    image = bytes(range(256)) * 4_000
    assert key_of(image) == key_of(bytes(image))
    assert len(key_of(image)) == 8
    assert key_of(image) != key_of(b'\1' + image[1:])
    assert key_of(image) != key_of(image[:-1] + b'\1')
    assert key_of(image) != key_of(image[:512] + image[768:])


@given(st.binary(max_size=600), st.integers(0, 600), st.integers(1, 255))
def test_a_small_message_is_told_by_every_byte(message, at, change):
    if at >= min(len(message), 512):
        return
    other = bytearray(message)
    other[at] ^= change
    assert (key_of(bytes(other)) == key_of(message)) == (256 <= at < len(message) - 256)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch_are_refused(data):
    with pytest.raises(BridgeError, match='trace'):
        read_batch(data)


@given(st.data())
def test_a_batch_that_was_damaged_is_read_or_refused(data):
    writer = TraceWriter(RECORDED)
    writer.head(NOW, HEAD)
    writer.append('joint_state', NOW, bytes(200))
    writer.append('tick', NOW, OUTCOME)
    damaged = bytearray(writer.take())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert read_batch(bytes(damaged)).entries
    except BridgeError as error:
        assert 'trace' in str(error)


@pytest.mark.parametrize(('cut', 'added'), [(1, b''), (30, b''), (0, b'\0'), (0, b'\x95')])
def test_a_batch_that_is_not_whole_is_refused(cut, added):
    batch = written(('tick', NOW, OUTCOME), ('stop', NOW, b''))
    with pytest.raises(BridgeError, match='not a batch of a trace'):
        read_batch(batch[:len(batch) - cut] + added)


@pytest.mark.parametrize('entry', [
    (1, 0, 0, 0, b''), ('tick', 0.5, 0, 0, b''), ('tick', 0, 0, 9, b''), ('tick', 0, 0, 0, 'text'),
    ('joint_state', 0, 0, 1, b'short'), ('tick', 0, 0, 2, b'short'), ('tick', 0, 0),
    ('head', 0, 0, 3, b''), ('head', 0, 0, 3, msgpack.packb(['text'] * 6)),
    ('head', 0, 0, 3, msgpack.packb(dict.fromkeys('abcdef', '')))])
def test_an_entry_of_another_make_is_refused(entry):
    with pytest.raises(BridgeError, match='not a batch of a trace'):
        read_batch(msgpack.packb((1, 0, 0, 1)) + msgpack.packb(entry))


def test_another_format_is_named():
    with pytest.raises(BridgeError, match='found a trace of format 2, this version reads 1'):
        read_batch(msgpack.packb((2, 0, 0, 0)))
