"""The transport loses, repeats and reorders as told, and is never later than told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.testing.transport import Transport
import pytest

MS = 1_000_000


def sent_through(transport, count=400, period_ns=5 * MS):
    """Return (sent, arrived, number) of each copy that arrives, in order of arrival."""
    arrived = []
    for number in range(count):
        now_ns = number * period_ns
        arrived += transport.receive(now_ns)
        transport.send(number, now_ns)
    arrived += transport.receive(10**12)
    return [(number * period_ns, at_ns, number) for at_ns, number in arrived]


@given(seed=st.integers(0, 2**32), low=st.floats(0.0, 0.02), span=st.floats(0.0, 0.02),
       in_order=st.booleans())
def test_no_copy_is_earlier_or_later_than_told(seed, low, span, in_order):
    copies = sent_through(Transport(
        seed, latency_s=(low, low + span), loss=0.2, duplicates=0.2, in_order=in_order), 50)
    for sent, at, _ in copies:
        assert low * 1e9 - 1 <= at - sent <= (low + span) * 1e9 + 1
    assert [at for _, at, _ in copies] == sorted(at for _, at, _ in copies)


def test_the_same_seed_does_the_same():
    runs = [sent_through(Transport(3, latency_s=(0.0, 0.02), loss=0.2, duplicates=0.2))
            for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != sent_through(Transport(4, latency_s=(0.0, 0.02), loss=0.2, duplicates=0.2))


def test_all_arrive_once_and_in_order_unless_told_otherwise():
    copies = sent_through(Transport(0, latency_s=(0.0, 0.02), in_order=True))
    assert [number for _, _, number in copies] == list(range(400))


def test_differing_latencies_reorder():
    numbers = [number for _, _, number in sent_through(Transport(0, latency_s=(0.0, 0.02)))]
    assert sorted(numbers) == list(range(400))
    assert numbers != list(range(400))


def test_the_share_told_is_lost_and_noted():
    transport = Transport(0, latency_s=(0.0, 0.02), loss=0.2)
    numbers = {number for _, _, number in sent_through(transport, 2000)}
    assert 320 < len(transport.lost) < 480
    assert numbers | set(transport.lost) == set(range(2000))


def test_the_share_told_arrives_twice():
    numbers = [number for _, _, number in sent_through(
        Transport(0, latency_s=(0.0, 0.02), duplicates=0.2), 2000)]
    assert set(numbers) == set(range(2000))
    assert 320 < len(numbers) - 2000 < 480


def test_latencies_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match='low <= high'):
        Transport(0, latency_s=(0.02, 0.01))
