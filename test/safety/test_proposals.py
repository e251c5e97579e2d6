"""The stream of proposals: which one is followed, and when it says that the policy is not well."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.proposals import Proposals
from physical_ai_bridge.safety.watch import Watch
from physical_ai_bridge.testing.contracts import example_cell, JOINTS
import pytest

CELL = example_cell()
DOGS = CELL.safety.watchdogs
NOW = Instant(1_800_000_000 * NS_PER_S, 10**12)
BAD = Refusal(Reason.PROPOSAL_EMPTY, 'it has no points')


def after(seconds: float) -> Instant:
    """Return the instant so much later."""
    return NOW.later(round(seconds * NS_PER_S))


def proposal(now: Instant = NOW, *, ends_at: float = 0.0, age_s: float = 0.05):
    """Return a good proposal whose joints end at such a velocity, in rad/s."""
    velocities = np.zeros((2, 6))
    velocities[-1] = ends_at
    return message_from_trajectory(Trajectory(
        now.ros_ns - round(age_s * NS_PER_S), JOINTS, np.array([0, NS_PER_S]),
        np.zeros((2, 6)), velocities))


@pytest.fixture
def proposals() -> Proposals:
    """Return a stream of which nothing has come yet."""
    return Proposals(CELL, Watch(CELL))


def refuse(proposals: Proposals, times: int) -> None:
    """Let so many bad ones come."""
    for _ in range(times):
        proposals.refuse(BAD)


def test_as_many_bad_ones_in_a_row_as_the_cell_says_are_a_cause(proposals):
    refuse(proposals, DOGS.bad_proposals - 1)
    assert proposals.cause(NOW, moving=False) is None
    refuse(proposals, 1)
    found = proposals.cause(NOW, moving=False)
    assert found.reason is Reason.PROPOSALS_BAD
    assert str(BAD) in found.detail


def test_a_good_one_in_between_begins_the_count_anew(proposals):
    refuse(proposals, DOGS.bad_proposals - 1)
    assert proposals.take(proposal(), None, NOW)
    refuse(proposals, DOGS.bad_proposals - 1)
    assert proposals.cause(NOW, moving=True) is None


def test_what_was_bad_before_a_reset_is_past(proposals):
    refuse(proposals, DOGS.bad_proposals)
    proposals.forget(NOW)
    assert proposals.cause(NOW, moving=False) is None


def test_an_older_one_is_refused_and_is_no_bad_one(proposals):
    assert proposals.take(proposal(), None, NOW)
    newest = proposals.newest
    for _ in range(2 * DOGS.bad_proposals):
        assert not proposals.take(proposal(age_s=0.1), None, NOW)
    assert proposals.newest is newest
    assert proposals.cause(NOW, moving=True) is None


def test_silence_is_a_cause_while_the_robot_moves_alone(proposals):
    assert proposals.take(proposal(ends_at=0.1), None, NOW)
    late = after(DOGS.proposals_s + 0.01)
    assert proposals.cause(after(DOGS.proposals_s - 0.01), moving=True) is None
    assert proposals.cause(late, moving=False) is None
    assert proposals.cause(late, moving=True).reason is Reason.PROPOSALS_SILENT


def test_silence_may_follow_a_proposal_that_ends_at_rest_but_not_for_ever(proposals):
    assert proposals.take(proposal(), None, NOW)
    assert proposals.cause(after(1.4), moving=True) is None
    assert proposals.cause(after(1.6), moving=True).reason is Reason.PROPOSALS_SILENT


def test_bad_ones_do_not_break_the_silence(proposals):
    assert proposals.take(proposal(ends_at=0.1), None, NOW)
    late = after(DOGS.proposals_s + 0.01)
    assert not proposals.take(TrajectoryMessage(late.ros_ns, JOINTS, ()), None, late)
    assert proposals.cause(late, moving=True).reason is Reason.PROPOSALS_SILENT
