"""A bad proposal is refused with its reason; it never becomes a trajectory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.sanitise import MAX_POINTS, sanitise
import pytest

JOINTS = ('a', 'b')
NOW = 1_800_000_000_000_000_000
NAN, INF = float('nan'), float('inf')


def point(time_s: float = 0.0, positions=(0.1, 0.2), velocities=(0.0, 0.0), **extra):
    """Return one point."""
    values = {'accelerations': (), 'effort': (), **extra}
    return TrajectoryPoint(round(time_s * 1e9), positions, velocities, **values)


def message(*points: TrajectoryPoint, names=JOINTS, age_s: float = 0.05) -> TrajectoryMessage:
    """Return a message of these points, by default a good one."""
    return TrajectoryMessage(NOW - round(age_s * 1e9), names,
                             points or (point(0.1), point(0.2), point(0.3)))


def clean(raw: TrajectoryMessage) -> Trajectory | Refusal:
    """Sanitise with the limits of these tests."""
    return sanitise(raw, JOINTS, now_ns=NOW, max_age_s=0.5)


def test_a_good_proposal_becomes_a_trajectory():
    trajectory = clean(message())
    assert isinstance(trajectory, Trajectory)
    assert trajectory.times_ns.tolist() == [100_000_000, 200_000_000, 300_000_000]
    assert trajectory.positions.tolist() == [[0.1, 0.2]] * 3


def test_permuted_joints_are_put_in_the_cells_order():
    trajectory = clean(message(names=('b', 'a')))
    assert trajectory.joint_names == JOINTS
    assert trajectory.positions.tolist() == [[0.2, 0.1]] * 3


def test_accelerations_and_effort_may_be_there_and_are_not_used():
    trajectory = clean(message(point(0.1, accelerations=(1.0, 1.0), effort=(5.0, 5.0)),
                               point(0.2)))
    assert isinstance(trajectory, Trajectory)


BAD = {
    'no points': (replace(message(), points=()), Reason.PROPOSAL_EMPTY),
    'no names': (message(names=()), Reason.PROPOSAL_JOINTS),
    'a duplicate name': (message(names=('a', 'a')), Reason.PROPOSAL_JOINTS),
    'a name twice beside all others': (
        message(names=('a', 'b', 'a')), Reason.PROPOSAL_JOINTS),
    'an unknown name': (message(names=('a', 'c')), Reason.PROPOSAL_JOINTS),
    'a missing name': (message(names=('a',)), Reason.PROPOSAL_JOINTS),
    'NaN position': (message(point(0.1, (NAN, 0.0)), point(0.2)), Reason.PROPOSAL_NOT_FINITE),
    'NaN only in the last point': (
        message(point(0.1), point(0.2), point(0.3, (0.0, NAN))), Reason.PROPOSAL_NOT_FINITE),
    'infinite velocity': (
        message(point(0.1, velocities=(INF, 0.0)), point(0.2)), Reason.PROPOSAL_NOT_FINITE),
    'NaN acceleration': (
        message(point(0.1, accelerations=(NAN, 0.0)), point(0.2)), Reason.PROPOSAL_NOT_FINITE),
    'too few positions': (message(point(0.1, (0.0,)), point(0.2)), Reason.PROPOSAL_WIDTHS),
    'no velocities': (message(point(0.1, velocities=())), Reason.PROPOSAL_WIDTHS),
    'too much effort': (message(point(0.1, effort=(1.0,))), Reason.PROPOSAL_WIDTHS),
    'equal times': (message(point(0.1), point(0.1)), Reason.PROPOSAL_TIMES),
    'falling times': (message(point(0.2), point(0.1)), Reason.PROPOSAL_TIMES),
    'a negative first time': (message(point(-0.1), point(0.1)), Reason.PROPOSAL_TIMES),
    'points closer than a controller can use': (
        message(point(0.1), point(0.10005)), Reason.PROPOSAL_TIMES),
    'too many points': (
        message(*(point(0.001 * i) for i in range(MAX_POINTS + 1))), Reason.PROPOSAL_TOO_LARGE),
    'an hour long': (message(point(0.1), point(3600.0)), Reason.PROPOSAL_TOO_LARGE),
    'stale': (message(age_s=0.6), Reason.PROPOSAL_STALE),
    'from the future': (message(age_s=-0.2), Reason.FROM_THE_FUTURE),
    'wholly in the past': (message(point(0.01), point(0.02), age_s=0.1), Reason.PROPOSAL_ENDED),
}


@pytest.mark.parametrize(('raw', 'reason'), BAD.values(), ids=BAD.keys())
def test_a_bad_proposal_is_refused_with_its_reason(raw, reason):
    refusal = clean(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert refusal.detail


anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
points = st.builds(
    TrajectoryPoint, st.integers(-10**10, 10**11), st.lists(anything, max_size=3).map(tuple),
    st.lists(anything, max_size=3).map(tuple), st.lists(anything, max_size=3).map(tuple),
    st.lists(anything, max_size=3).map(tuple))


@given(st.builds(TrajectoryMessage, st.integers(NOW - 10**9, NOW + 10**9),
                 st.lists(st.sampled_from('abc'), max_size=3).map(tuple),
                 st.lists(points, max_size=4).map(tuple)))
def test_whatever_passes_is_finite_and_rises_in_time(raw):
    result = clean(raw)
    if isinstance(result, Trajectory):
        assert np.isfinite(result.positions).all()
        assert np.isfinite(result.velocities).all()
        assert (np.diff(result.times_ns) > 0).all()
        assert result.joint_names == JOINTS
