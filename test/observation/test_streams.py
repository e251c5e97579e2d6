"""Streams of stamped samples, in whatever order they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.observation.streams import MAX_SAMPLES, Newest, Placed, Stream

SPAN_NS = 1000

within_the_span = st.lists(st.integers(5000, 5000 + SPAN_NS), min_size=1, max_size=40)


def filled(stamps: list[int]) -> Stream[int]:
    stream: Stream[int] = Stream(SPAN_NS)
    for index, stamp in enumerate(stamps):
        stream.push(stamp, index)
    return stream


@given(within_the_span, st.integers(4900, 6200))
def test_the_sample_that_holds_is_the_newest_not_later_than_the_instant(stamps, instant):
    stream = filled(stamps)
    earlier = [(stamp, index) for index, stamp in enumerate(stamps) if stamp <= instant]
    assert stream.at(instant) == (max(earlier) if earlier else None)
    assert stream.first()[0] == min(stamps)
    assert stream.newest_ns == max(stamps)


@given(st.permutations(list(range(5000, 5000 + SPAN_NS, 50))))
def test_the_order_of_arrival_does_not_matter(order):
    stream: Stream[int] = Stream(SPAN_NS)
    for stamp in order:
        stream.push(stamp, stamp)
    assert [stream.at(stamp) for stamp in sorted(order)] == [(s, s) for s in sorted(order)]


def test_what_came_out_of_order_is_said_to_be():
    stream = filled([100, 200])
    assert stream.push(150, 7) is Placed.INSERTED
    assert stream.push(250, 8) is Placed.NEWEST
    assert stream.at(199) == (150, 7)


def test_time_set_back_by_more_than_the_span_begins_anew():
    stream = filled([5000, 5100])
    assert stream.push(5100 - SPAN_NS - 1, 9) is Placed.RESTARTED
    assert (len(stream), stream.newest_ns) == (1, 5100 - SPAN_NS - 1)


def test_one_stamp_from_the_future_is_forgotten_with_the_next_right_one():
    stream = filled([5000, 10**12])
    assert stream.push(5010, 9) is Placed.RESTARTED
    assert stream.at(5010) == (5010, 9)


@given(st.lists(st.integers(1, 3 * SPAN_NS), min_size=1, max_size=100))
def test_every_instant_of_the_span_keeps_its_value(gaps):
    stamps = [sum(gaps[:index + 1]) for index in range(len(gaps))]
    stream = filled(stamps)
    for instant in range(max(stamps[0], stamps[-1] - SPAN_NS), stamps[-1] + 1, 97):
        assert stream.at(instant)[0] == max(stamp for stamp in stamps if stamp <= instant)


def test_memory_is_bounded_by_the_span():
    stream = filled(list(range(0, 100 * SPAN_NS, 10)))
    assert len(stream) <= 2 * SPAN_NS // 10 + 2


def test_memory_is_bounded_where_stamps_stand_still():
    stream = filled([7] * (2 * MAX_SAMPLES))
    assert len(stream) <= MAX_SAMPLES
    assert stream.at(7) == (7, 2 * MAX_SAMPLES - 1)


def test_an_empty_stream_has_nothing():
    stream = filled([1])
    stream.clear()
    assert (stream.newest_ns, stream.at(10), stream.first(), len(stream)) == (None, None, None, 0)


@given(within_the_span)
def test_the_newest_sample_stays_whatever_comes_late(stamps):
    newest: Newest[int] = Newest(SPAN_NS)
    for index, stamp in enumerate(stamps):
        newest.push(stamp, index)
    assert newest.get() == max((stamp, index) for index, stamp in enumerate(stamps))


def test_a_late_sample_is_dropped_and_time_set_back_is_not():
    newest: Newest[str] = Newest(SPAN_NS)
    assert newest.push(5000, 'a') is Placed.NEWEST
    assert newest.push(4999, 'b') is Placed.DROPPED
    assert newest.push(5000 - SPAN_NS - 1, 'c') is Placed.RESTARTED
    assert newest.get() == (5000 - SPAN_NS - 1, 'c')
    newest.clear()
    assert (newest.newest_ns, newest.get()) == (None, None)
