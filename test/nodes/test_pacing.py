"""Simulated time keeps the pace of the steady clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.nodes.pacing import GIVE_UP_NS, OVERRUN_NS, Pacer

STEP_NS = 2_000_000


def started(factor: float = 1.0) -> Pacer:
    pacer = Pacer(STEP_NS, factor)
    pacer.start(0)
    return pacer


@given(st.lists(st.integers(0, 30_000_000), max_size=60), st.sampled_from([0.5, 1.0, 4.0]))
def test_steps_are_never_early_and_never_lost(sleeps_ns, factor):
    pacer, now_ns, taken = started(factor), 0, 0
    for sleep_ns in sleeps_ns:
        now_ns += sleep_ns
        while steps := pacer.due(now_ns):
            taken += steps
            assert taken * STEP_NS <= now_ns * factor * (1 + 1e-9)
        assert now_ns * factor - taken * STEP_NS < STEP_NS * (1 + 1e-9)


@given(st.integers(0, 10 * GIVE_UP_NS))
def test_work_at_once_is_bounded(behind_ns):
    assert started().due(behind_ns) <= 25


def test_the_next_step_is_waited_for_exactly():
    pacer = started()
    assert pacer.due(STEP_NS) == 1
    assert pacer.wait_s(STEP_NS + 500_000) == 0.0015
    assert pacer.due(2 * STEP_NS - 1) == 0
    assert pacer.due(2 * STEP_NS) == 1


def test_one_hiccup_is_one_overrun_and_is_caught_up():
    pacer = started()
    now_ns = OVERRUN_NS + 10 * STEP_NS
    taken = 0
    while steps := pacer.due(now_ns):
        taken += steps
    assert taken == now_ns // STEP_NS
    assert (pacer.overruns, pacer.given_up_ns) == (1, 0)


def test_time_beyond_catching_up_is_given_up_and_told():
    pacer = started()
    now_ns = 5 * GIVE_UP_NS
    taken = pacer.due(now_ns)
    assert taken == 1
    assert pacer.given_up_ns == now_ns - taken * STEP_NS
    assert pacer.due(now_ns) == 0
    assert pacer.due(now_ns + STEP_NS) == 1
