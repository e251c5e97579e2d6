"""A trajectory is the piecewise cubic that a joint_trajectory_controller makes of its points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
import pytest

STAMP = 1_800_000_000_000_000_000
MS = 1_000_000


def trajectory() -> Trajectory:
    """Return four knots of two joints, 100 ms apart, beginning 50 ms after the stamp."""
    rng = np.random.default_rng(4)
    return Trajectory(STAMP, ('a', 'b'), np.array([50, 150, 250, 350]) * MS,
                      rng.uniform(-1, 1, (4, 2)), rng.uniform(-1, 1, (4, 2)))


def test_it_passes_through_its_knots():
    path = trajectory()
    for index, time in enumerate(path.times_ns):
        state = path.at(STAMP + int(time))
        assert state.position == pytest.approx(path.positions[index])
        assert state.velocity == pytest.approx(path.velocities[index])


def test_between_knots_it_is_the_cubic_with_their_positions_and_velocities():
    path = Trajectory(0, ('a',), np.array([0, 1000 * MS]), np.array([[0.0], [1.0]]),
                      np.zeros((2, 1)))
    middle = path.at(500 * MS)
    assert middle.position == pytest.approx([0.5])
    assert middle.velocity == pytest.approx([1.5])
    assert middle.acceleration == pytest.approx([0.0])
    assert middle.jerk == pytest.approx([-12.0])


def test_outside_its_knots_the_ends_are_held_at_rest():
    path = trajectory()
    for at, knot in ((STAMP, 0), (path.end_ns + 1, -1)):
        state = path.at(at)
        assert state.position == pytest.approx(path.positions[knot])
        assert not state.velocity.any()
        assert not state.acceleration.any()


def test_one_knot_stands_still():
    path = Trajectory.hold(STAMP, ('a', 'b'), np.array([0.1, 0.2]))
    assert path.start_ns == path.end_ns == STAMP
    for at in (STAMP - MS, STAMP, STAMP + MS):
        assert path.at(at).position == pytest.approx([0.1, 0.2])
        assert not path.at(at).velocity.any()


@given(st.integers(0, 400 * MS))
def test_one_instant_and_many_agree_bit_for_bit(offset):
    path = trajectory()
    one, many = path.at(STAMP + offset), path.at_many(np.array([offset]))
    for name in ('position', 'velocity', 'acceleration', 'jerk'):
        assert np.array_equal(getattr(one, name), getattr(many, name)[0])


@given(st.integers(50, 340), st.integers(1, 300))
def test_a_cut_is_the_same_motion(begin_ms, length_ms):
    path = trajectory()
    begin = path.snap(STAMP + begin_ms * MS + 12_345)
    end = path.snap(min(begin + length_ms * MS, path.end_ns))
    if end - begin < 2 * MIN_KNOT_SPACING_NS:
        return
    part = path.cut(begin, end)
    assert (part.stamp_ns, part.start_ns, part.end_ns) == (begin, begin, end)
    for at in begin + np.linspace(1, end - begin - 1, 20).astype(np.int64):
        whole, cut = path.at(int(at)), part.at(int(at))
        assert cut.position == pytest.approx(whole.position, abs=1e-12)
        assert cut.velocity == pytest.approx(whole.velocity, abs=1e-9)


def test_two_parts_of_a_motion_make_it_whole_again():
    path = trajectory()
    middle = STAMP + 200 * MS
    joined = path.cut(path.start_ns, middle).then(path.cut(middle, path.end_ns))
    for at in range(path.start_ns, path.end_ns, 7 * MS):
        assert joined.at(at).position == pytest.approx(path.at(at).position, abs=1e-12)


@given(st.integers(0, 400 * MS))
def test_snapping_finds_a_knot_that_is_too_near_and_else_changes_nothing(offset):
    path = trajectory()
    snapped = path.snap(STAMP + offset) - STAMP
    nearest = min(path.times_ns, key=lambda knot: abs(int(knot) - offset))
    if abs(int(nearest) - offset) <= MIN_KNOT_SPACING_NS:
        assert snapped == nearest
    else:
        assert snapped == offset
