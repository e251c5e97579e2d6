"""The audit finds what a motion really reaches, between its points and at its joints too."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.limits import audit, exceeded, executed, peaks, splices
from physical_ai_bridge.evaluation.run import Command, Episode
import pytest

reals = st.floats(-3.0, 3.0)


@st.composite
def motions(draw: st.DrawFn) -> Trajectory:
    knots = draw(st.integers(2, 5))
    gaps = draw(st.lists(st.integers(5_000_000, 200_000_000), min_size=knots, max_size=knots))
    rows = st.lists(st.tuples(reals, reals), min_size=knots, max_size=knots)
    return Trajectory(0, ('a', 'b'), np.cumsum(gaps).astype(np.int64),
                      np.array(draw(rows)), np.array(draw(rows)))


@settings(deadline=None, max_examples=100)
@given(motion=motions())
def test_no_instant_goes_beyond_the_extremes(motion: Trajectory) -> None:
    top = peaks(motion)
    times = np.linspace(motion.times_ns[0], motion.times_ns[-1], 997).astype(np.int64)
    seen = motion.at_many(times)
    room = 1.0 + 1e-9
    assert (seen.position.max(axis=0) <= top['high'] + 1e-9).all()
    assert (seen.position.min(axis=0) >= top['low'] - 1e-9).all()
    for name in ('velocity', 'acceleration', 'jerk'):
        assert (np.abs(getattr(seen, name)).max(axis=0) <= top[name] * room + 1e-9).all()


@settings(deadline=None, max_examples=100)
@given(motion=motions())
def test_the_extremes_are_reached(motion: Trajectory) -> None:
    top = peaks(motion)
    times = np.linspace(motion.times_ns[0], motion.times_ns[-1], 20_001).astype(np.int64)
    seen = motion.at_many(times)
    assert seen.position.max(axis=0) == pytest.approx(top['high'], rel=1e-3, abs=1e-3)
    assert np.abs(seen.velocity).max(axis=0) == pytest.approx(top['velocity'], rel=2e-2, abs=1e-2)


def test_shares_are_of_the_cells_own_limits(made_up, cell) -> None:
    shares = audit(made_up(size=0.3))
    first = cell.robot.joints[0]
    peak = 0.3 * 2.0 * np.pi / 3.0
    expected = peak / limit_arrays(cell).velocity[0]
    assert shares[first]['reference_velocity'] == pytest.approx(expected, rel=2e-3)
    assert shares[first]['measured_velocity'] == pytest.approx(expected, rel=2e-3)
    assert exceeded(shares) == []


def test_a_motion_above_its_limit_is_named(made_up) -> None:
    found = exceeded(audit(made_up(size=2.0)))
    assert any('velocity' in sentence and 'shoulder_pan_joint' in sentence for sentence in found)


def test_a_share_that_is_not_a_number_is_not_within_its_limit() -> None:
    assert len(exceeded({'a': {'measured_velocity': float('nan')}})) == 1


def test_commands_that_overlap_alike_have_no_step(made_up) -> None:
    run = made_up(size=0.3)
    pieces = executed(run.commands, run.episodes[0])
    assert len(pieces) > 10
    position, velocity = splices(pieces)
    assert position.max() < 1e-6
    assert velocity.max() < 1e-3


def test_a_step_between_commands_is_seen() -> None:
    def still(start_ns: int, at: float) -> Command:
        return Command(received_ns=start_ns, trajectory=Trajectory(
            start_ns, ('a',), np.array([0, 100_000_000], np.int64),
            np.full((2, 1), at), np.zeros((2, 1))))

    episode = Episode(number=1, seed=None, start_ns=0, end_ns=200_000_000, success=True)
    pieces = executed((still(0, 0.0), still(50_000_000, 0.25)), episode)
    assert splices(pieces)[0] == pytest.approx([0.25])
