"""The supervisor's own ticks: in time, late, far too late, and on clocks that disagree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.ticks import late_ticks, TickWatch
from physical_ai_bridge.testing.clock import ManualClock
import pytest

PERIOD_NS = 10_000_000
GAPS_NS = st.lists(st.integers(1, 60_000_000), min_size=1, max_size=300)


class Ticked:
    """A TickWatch on a clock of its own: a tick is due each 10 ms, a gap of 0.1 s tolerated."""

    def __init__(self, tolerated: int = 5) -> None:
        self.clock = ManualClock()
        self.watch = TickWatch(PERIOD_NS, tick_s=0.1, late_ticks=tolerated)
        self.watch.tick(self.clock.now)

    def after(self, *gaps_s: float, moving: bool = True) -> list[Reason | None]:
        """Tick after each of the gaps; return the reasons."""
        causes = [self.watch.tick(self.clock.advance(gap), moving=moving) for gap in gaps_s]
        return [None if cause is None else cause.reason for cause in causes]


@pytest.mark.parametrize(('gap_ms', 'late'), [
    (0, 0), (3, 0), (10, 0), (15, 0), (15.000001, 1), (25, 1), (25.000001, 2), (100, 9)])
def test_a_gap_holds_as_many_late_ticks_as_were_due_more_than_half_a_period_before(gap_ms, late):
    assert late_ticks(round(gap_ms * 1e6), PERIOD_NS) == late


def test_ticks_in_time_are_no_cause():
    assert set(Ticked(tolerated=1).after(*[0.0149] * 300)) == {None}


def test_ticks_in_between_are_no_cause():
    assert set(Ticked(tolerated=1).after(*[0.002, 0.008] * 300)) == {None}


def test_the_first_tick_is_no_cause():
    assert TickWatch(PERIOD_NS, 0.1, 1).tick(ManualClock().now) is None


def test_a_gap_beyond_tick_s_is_an_overrun():
    ticked = Ticked(tolerated=100)
    assert ticked.after(0.1) == [None]
    assert ticked.after(0.100001) == [Reason.TICK_OVERRUN]
    assert ticked.after(0.01) == [None]


def test_more_late_ticks_within_a_second_than_tolerated_are_a_cause():
    reasons = Ticked(tolerated=5).after(*[0.016] * 6)
    assert reasons == [None] * 5 + [Reason.TICKS_LATE]


@pytest.mark.parametrize(('ticks', 'reason'), [(91, Reason.TICKS_LATE), (93, None)])
def test_late_ticks_count_for_a_second(ticks, reason):
    ticked = Ticked(tolerated=5)
    assert ticked.after(*[0.016] * 5) == [None] * 5
    assert set(ticked.after(*[0.01] * ticks)) == {None}
    assert ticked.after(0.016) == [reason]  # 0.990 s, or 1.010 s, after the first late one


def test_a_gap_of_several_periods_counts_as_several():
    assert Ticked(tolerated=5).after(0.04, 0.04) == [None, Reason.TICKS_LATE]


def test_while_nothing_moves_nothing_is_a_cause_and_nothing_is_remembered():
    ticked = Ticked(tolerated=5)
    ticked.after(*[0.016] * 5)
    assert set(ticked.after(0.5, *[0.016] * 20, moving=False)) == {None}
    assert ticked.after(*[0.016] * 5) == [None] * 5


@pytest.mark.parametrize(('step_s', 'reason'), [
    (-0.02, Reason.CLOCK_STEPPED), (-0.01, None), (0.1, None), (0.11, Reason.CLOCK_STEPPED)])
def test_ros_time_that_jumps_against_the_steady_clock_is_a_cause(step_s, reason):
    ticked = Ticked()
    ticked.clock.step_ros(step_s)
    assert ticked.after(0.01) == [reason]


def test_ros_time_may_pause():
    ticked = Ticked()
    for _ in range(10):
        ticked.clock.step_ros(-0.01)
        assert ticked.after(0.01) == [None]


@given(GAPS_NS)
def test_the_cause_is_what_counting_over_the_last_second_tells(gaps):
    now = Instant(0, 0)
    watch, late = TickWatch(PERIOD_NS, tick_s=1.0, late_ticks=5), []
    watch.tick(now)
    for gap in gaps:
        now = now.later(gap)
        late += [now.steady_ns] * late_ticks(gap, PERIOD_NS)
        late = [at for at in late if at > now.steady_ns - 10**9]
        cause = watch.tick(now)
        assert (cause is not None) == (len(late) > 5)
        assert cause is None or cause.reason is Reason.TICKS_LATE


@given(GAPS_NS)
def test_what_is_remembered_is_bounded(gaps):
    watch, now = TickWatch(PERIOD_NS, 1.0, 5), Instant(0, 0)
    for gap in gaps * 3:
        now = now.later(gap)
        watch.tick(now)
        assert len(watch._late) <= 10**9 // PERIOD_NS
