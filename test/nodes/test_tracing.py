"""What a node traces goes out while somebody listens, and costs nothing while nobody does."""

from __future__ import annotations

from physical_ai_bridge.nodes.journaling import NoJournal
from physical_ai_bridge.nodes.tracing import head_of, PERIOD_S, Trace
from physical_ai_bridge.runtime.cdr import decode_uint8_multi_array
from physical_ai_bridge.runtime.decision_bytes import outcome_bytes
from physical_ai_bridge.runtime.traces import read_batch
from physical_ai_bridge.testing.clock import ManualClock
import pytest

OUTCOME = outcome_bytes({'mode': 'READY', 'reason': 'OK', 'detail': ''}, None)


class Listeners:
    """A node whose publisher keeps what it sends; ``count`` listen to it."""

    def __init__(self) -> None:
        self.count = 0
        self.sent: list[bytes] = []
        self.publish = self.sent.append

    def make_publisher(self, message, topic, profile):
        """Return the publisher."""
        return self

    def get_subscription_count(self) -> int:
        """Return how many listen."""
        return self.count

    def heard(self) -> list[list[str]]:
        """Return the kinds of entries in each message."""
        return [[entry.kind for entry in read_batch(decode_uint8_multi_array(data)).entries]
                for data in self.sent]


class Traced:
    """A trace, and the states that it asked for."""

    def __init__(self) -> None:
        self.listeners, self.clock, self.asked = Listeners(), ManualClock(), 0
        self.trace = Trace(self.listeners, head_of('/node', 'c'), ('joint_state',), NoJournal())

    def state(self) -> bytes | None:
        """Return a state."""
        self.asked += 1
        return b'state'

    def begin(self) -> None:
        """Activate."""
        self.trace.begin(self.clock.now, self.state)
        self.trace.append('activate', self.clock.now, OUTCOME)

    def tick(self, ticks: int = 1, fresh: bytes | None = None) -> None:
        """Tick once in a period."""
        for _ in range(ticks):
            now = self.clock.advance(PERIOD_S)
            self.trace.append('tick', now, OUTCOME)
            self.trace.publish(self.trace.collect(now, self.state, fresh))


@pytest.fixture
def traced():
    return Traced()


def test_while_nobody_listens_no_state_is_made_and_nothing_is_sent(traced):
    traced.begin()
    traced.tick(20)
    traced.trace.flush()
    assert traced.listeners.sent == []
    assert traced.asked == 0
    assert not traced.trace.wanted


def test_who_listens_from_the_beginning_gets_everything(traced):
    traced.listeners.count = 1
    traced.begin()
    traced.tick(2)
    assert traced.listeners.heard() == [['head', 'activate', 'tick'], ['tick']]
    assert traced.trace.wanted


def test_who_begins_to_listen_gets_a_head_first(traced):
    traced.begin()
    traced.tick(3)
    traced.listeners.count = 1
    traced.tick(2)
    assert traced.listeners.heard() == [['head'], ['tick']]


def test_heads_are_repeated(traced):
    traced.listeners.count = 1
    traced.begin()
    traced.tick(20)
    kinds = [kind for each in traced.listeners.heard() for kind in each]
    assert kinds.count('head') == 4
    assert kinds.count('tick') == 20


def test_a_state_that_is_there_anyway_is_taken(traced):
    traced.listeners.count = 1
    traced.begin()
    traced.tick(fresh=b'fresh')
    assert traced.asked == 1
    assert traced.listeners.heard() == [['head', 'activate', 'tick', 'head']]


def test_what_is_sent_when_all_have_gone_is_forgotten(traced):
    traced.listeners.count = 1
    traced.begin()
    traced.tick()
    traced.listeners.count = 0
    traced.tick(2)
    traced.listeners.count = 1
    traced.tick()
    assert traced.listeners.heard() == [['head', 'activate', 'tick'], ['head']]
    # Whoever has both knows that something is missing in between.
    first, second = (read_batch(decode_uint8_multi_array(data)) for data in traced.listeners.sent)
    assert first.run != second.run


def test_at_the_end_what_is_left_is_sent(traced):
    traced.listeners.count = 1
    traced.begin()
    traced.trace.append('deactivate', traced.clock.now, OUTCOME)
    traced.trace.flush()
    traced.trace.flush()
    assert traced.listeners.heard() == [['head', 'activate', 'deactivate']]


def test_without_a_state_there_is_no_trace(traced):
    traced.listeners.count = 1
    traced.trace.begin(traced.clock.now, lambda: None)
    assert not traced.trace.wanted
    traced.trace.append('tick', traced.clock.now, OUTCOME)
    traced.trace.flush()
    assert traced.listeners.sent == []
