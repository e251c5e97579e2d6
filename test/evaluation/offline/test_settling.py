"""A loop that missed something is compared again when nothing of that is left in it."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.evaluation.offline.settling import Settling
from physical_ai_bridge.policy.chunks import KEPT_CHUNKS
import pytest

SPAN_NS = 1_000
BEGIN = Instant(5_000_000, 9_000)


def settled() -> Settling:
    """Return one that has missed nothing."""
    return Settling(SPAN_NS)


def test_whoever_missed_nothing_has_settled():
    assert settled().observes(BEGIN)
    assert settled().proposes(BEGIN)
    assert settled().settles


def test_an_observation_is_right_a_span_after_another_of_the_kind_has_come():
    loop = settled()
    loop.miss('joint_state')
    loop.on_input('wrench/wrist', BEGIN)
    assert not loop.observes(BEGIN.later(10 * SPAN_NS))
    loop.on_input('joint_state', BEGIN)
    loop.on_input('joint_state', BEGIN.later(SPAN_NS - 1))
    assert not loop.observes(BEGIN.later(SPAN_NS - 1))
    assert loop.observes(BEGIN.later(SPAN_NS))


@pytest.mark.parametrize('now', [
    Instant(BEGIN.ros_ns, BEGIN.steady_ns + SPAN_NS),
    Instant(BEGIN.ros_ns + SPAN_NS, BEGIN.steady_ns)])
def test_the_span_has_to_pass_on_both_clocks(now):
    loop = settled()
    loop.miss('joint_state', BEGIN)
    assert not loop.observes(now)


def infer(loop: Settling, now: Instant) -> None:
    """Observe and propose."""
    loop.on_outcome('observe', now, proposed=False)
    loop.on_outcome('propose', now, proposed=True)


def test_a_proposal_is_right_when_its_chunks_are():
    loop = settled()
    loop.miss('joint_state', BEGIN)
    infer(loop, BEGIN)
    now = BEGIN.later(SPAN_NS)
    for _ in range(KEPT_CHUNKS):
        assert loop.observes(now)
        assert not loop.proposes(now)
        infer(loop, now)
    assert loop.proposes(now)


def test_an_answer_without_a_chunk_takes_no_other_out():
    loop = settled()
    loop.miss_chunks()
    for _ in range(KEPT_CHUNKS):
        loop.on_outcome('propose', BEGIN, proposed=False)
        loop.on_outcome('observe', BEGIN, proposed=False)
    assert not loop.proposes(BEGIN)


def test_a_chunk_counts_by_when_it_was_observed():
    loop = settled()
    loop.miss('joint_state', BEGIN)
    loop.on_outcome('observe', BEGIN, proposed=False)
    now = BEGIN.later(SPAN_NS)
    assert loop.observes(now)
    assert not loop.proposes(now)
    loop.on_outcome('propose', now, proposed=True)
    infer(loop, now)
    assert not loop.proposes(now)


@pytest.mark.parametrize('kind', ['propose', 'refresh'])
def test_what_is_missed_and_makes_no_difference_in_time_leaves_nothing(kind):
    loop = settled()
    loop.miss('joint_state', BEGIN)
    assert loop.proposes(BEGIN.later(SPAN_NS))
    loop.miss('joint_state', BEGIN)
    loop.on_outcome(kind, BEGIN, proposed=False)
    assert not loop.proposes(BEGIN.later(SPAN_NS))


def test_of_a_camera_the_next_frame_is_enough():
    loop = settled()
    loop.miss('image/scene')
    loop.on_input('image/wrist', BEGIN)
    assert not loop.observes(BEGIN.later(10 * SPAN_NS))
    loop.on_input('image/scene', BEGIN)
    assert loop.observes(BEGIN)


def test_an_activation_settles_all_but_what_is_being_executed():
    loop = settled()
    loop.miss('joint_state')
    loop.on_activate()
    assert loop.proposes(BEGIN)
    loop.miss('command')
    loop.on_activate()
    assert not loop.observes(BEGIN.later(10 * SPAN_NS))
    loop.on_input('command', BEGIN)
    loop.on_activate()
    assert loop.proposes(BEGIN)


def test_to_come_to_rest_only_what_is_being_executed_matters():
    loop = settled()
    loop.miss('joint_state')
    assert loop.settles
    loop.miss('gripper_command')
    assert not loop.settles
    loop.on_input('gripper_command', BEGIN)
    assert loop.settles
