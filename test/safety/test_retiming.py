"""Time scaling keeps to the path's points, within the limits, without a step at either end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.limits import check_limits
from physical_ai_bridge.safety.retiming import brake_along, retime, slow
import pytest

START_NS = 1_700_000_000_000_000_000
RESOLUTION_S = 0.002
# How far cubics may be off the path's points.
OFF_RAD = 2e-5


def limits(joints: int) -> LimitArrays:
    """Return limits that differ from joint to joint."""
    scale = 1.0 + 0.4 * np.arange(joints)
    return LimitArrays(np.full(joints, -6.0), np.full(joints, 6.0), 1.5 * scale, 5.0 * scale,
                       60.0 * scale)


def names(joints: int) -> tuple[str, ...]:
    """Return names of joints."""
    return tuple(f'joint_{index}' for index in range(joints))


def shaped(goal: list[float], bandwidth: float = 12.0, steps: int = 80) -> Trajectory:
    """Return a smooth path from rest towards ``goal``, with knots every 10 ms."""
    joints = len(goal)
    rest = JointMotion(*(np.zeros(joints) for _ in range(4)))
    return ReferenceShaper(bandwidth, limits(joints)).follow(
        START_NS, START_NS, rest, np.repeat(np.array(goal)[None], steps, axis=0), names(joints))


def even(speed: float = 0.5, duration_s: float = 1.0, joints: int = 2) -> Trajectory:
    """Return a path of one cubic along which all joints move at a constant speed."""
    times = np.array([0, seconds_to_ns(duration_s)])
    velocities = np.full((2, joints), speed)
    return Trajectory(START_NS, names(joints), times, velocities * times[:, None] / 1e9,
                      velocities)


def off_the_path(motion: Trajectory, path: Trajectory) -> float:
    """Return how far ``motion`` gets from the points of ``path``, in rad."""
    dense = path.at_many(np.linspace(*path.times_ns[[0, -1]], 4_000).astype(np.int64)).position
    points = motion.at_many(
        np.linspace(*motion.times_ns[[0, -1]], 60).astype(np.int64)).position
    # To the straight lines between dense points of the path, which are off it by nanoradians.
    a, ab = dense[None, :-1], np.diff(dense, axis=0)[None]
    along = ((points[:, None] - a) * ab).sum(axis=2) / np.maximum((ab * ab).sum(axis=2), 1e-30)
    nearest = a + np.clip(along, 0.0, 1.0)[:, :, None] * ab
    return float(np.abs(points[:, None] - nearest).max(axis=2).min(axis=1).max())


def assert_goes_on_within_limits(motion: Trajectory, path: Trajectory, from_ns: int) -> None:
    """Hold a retimed motion against the path that it leaves, and the limits."""
    found = check_limits(motion, limits(len(path.joint_names)), resolution_s=RESOLUTION_S)
    assert found is None, found
    before, after = path.at(from_ns), motion.at(from_ns)
    assert motion.start_ns == from_ns
    assert after.position == pytest.approx(before.position, abs=1e-12)
    assert after.velocity == pytest.approx(before.velocity, abs=1e-12)
    assert after.acceleration == pytest.approx(before.acceleration, abs=1e-4)


joint_counts = st.sampled_from([6, 7])
goals = joint_counts.flatmap(
    lambda joints: st.lists(st.floats(-2.0, 2.0), min_size=joints, max_size=joints))
sizes = st.sampled_from([0.02, 0.2, 1.0])
instants = st.floats(0.0, 0.6)


@settings(max_examples=100)
@given(goals, sizes, st.floats(3.0, 20.0), instants)
def test_a_brake_ends_at_rest_on_the_path_within_the_limits(goal, size, bandwidth, at_s):
    path = shaped([size * each for each in goal], bandwidth)
    from_ns = START_NS + seconds_to_ns(at_s)
    motion = retime(path, from_ns, 0.0, limits(len(goal)))
    if motion is None:
        return
    assert_goes_on_within_limits(motion, path, from_ns)
    end = motion.at(motion.end_ns)
    assert not motion.velocities[-1].any()
    assert end.acceleration == pytest.approx(np.zeros(len(goal)), abs=1e-6)
    assert off_the_path(motion, path) < OFF_RAD
    assert len(motion.times_ns) <= 130


@settings(max_examples=60)
@given(goals, sizes, st.floats(3.0, 20.0), instants, st.sampled_from([0.25, 0.5, 0.75, 0.9]))
def test_a_slower_rate_goes_on_along_the_path_to_its_end(goal, size, bandwidth, at_s, rate):
    path = shaped([size * each for each in goal], bandwidth)
    from_ns = START_NS + seconds_to_ns(at_s)
    motion = retime(path, from_ns, rate, limits(len(goal)))
    if motion is None:
        return
    assert_goes_on_within_limits(motion, path, from_ns)
    assert off_the_path(motion, path) < OFF_RAD
    assert motion.positions[-1] == pytest.approx(path.positions[-1], abs=1e-12)
    assert motion.velocities[-1] == pytest.approx(rate * path.velocities[-1], abs=1e-12)
    # While the rate changes, over T, (1 + rate) T / 2 of the path is used up; the rest of it at
    # the rate, so that T follows from how much longer the motion is.
    length_s, lasts_s = (path.end_ns - from_ns) / 1e9, (motion.end_ns - from_ns) / 1e9
    change_s = (length_s / rate - lasts_s) / ((1.0 + rate) / (2.0 * rate) - 1.0)
    left_ns = seconds_to_ns(0.9 * max(length_s - 0.5 * (1.0 + rate) * change_s, 0.0))
    then, there = motion.at(motion.end_ns - round(left_ns / rate)), path.at(path.end_ns - left_ns)
    assert then.position == pytest.approx(there.position, abs=1e-8)
    assert then.velocity == pytest.approx(rate * there.velocity, abs=1e-6)


def test_along_an_even_path_a_brake_takes_about_as_long_as_the_joints_alone():
    path = even()
    motion = retime(path, START_NS, 0.0, limits(2))
    alone = brake(START_NS, names(2), path.at(START_NS), limits(2))
    assert 1.0 <= (motion.end_ns - START_NS) / (alone.end_ns - START_NS) < 1.12


def test_smooth_paths_at_moderate_speed_can_be_braked_on_nearly_everywhere():
    path = shaped([0.2, -0.15, 0.1, 0.2, 0.1, -0.3], 8.0, 120)
    found = [retime(path, START_NS + seconds_to_ns(at_s), 0.0, limits(6)) is not None
             for at_s in np.arange(0.0, 0.9, 0.03)]
    assert np.mean(found) > 0.9


def test_braking_uses_up_half_of_what_the_path_would_have_moved_meanwhile():
    path = even()
    motion = retime(path, START_NS, 0.0, limits(2))
    duration_s = (motion.end_ns - START_NS) / 1e9
    assert motion.positions[-1] == pytest.approx(np.full(2, 0.5 * duration_s / 2.0), rel=1e-6)


@pytest.mark.parametrize('rate', [0.0, 0.5])
def test_a_path_that_ends_too_early_is_not_retimed(rate):
    path = even(duration_s=0.05)
    assert retime(path, START_NS, rate, limits(2)) is None


def test_a_path_at_its_acceleration_limit_leaves_no_room():
    times = np.array([0, seconds_to_ns(0.5)])
    velocities = np.array([[0.2, 0.2], [0.2 - 0.5 * 5.0, 0.2 - 0.5 * 5.0]])
    positions = np.array([[0.0, 0.0], 0.5 * velocities.sum(axis=0) / 2.0])
    path = Trajectory(START_NS, names(2), times, positions, velocities)
    motion = retime(path, START_NS, 0.0, limits(2))
    assert motion is None or check_limits(
        motion, limits(2), resolution_s=RESOLUTION_S) is None


@pytest.mark.parametrize('at_ns', [-1, 10**9, 10**9 + 1])
def test_nothing_is_made_of_a_path_that_is_not_there(at_ns):
    path = even()
    for found in (retime(path, START_NS + at_ns, 0.5, limits(2)),
                  slow(path, START_NS + at_ns, 0.5),
                  brake_along(path, START_NS + at_ns, limits(2))):
        assert found is None
    hold = Trajectory.hold(START_NS, names(2), np.zeros(2))
    assert retime(hold, START_NS, 0.5, limits(2)) is None
    assert slow(hold, START_NS, 0.5) is None


def test_a_path_at_rest_is_at_rest_at_once():
    path = even(speed=0.0)
    motion = retime(path, START_NS, 0.0, limits(2))
    assert motion.end_ns - START_NS <= seconds_to_ns(0.02)
    assert not motion.positions.any()
    assert not motion.velocities.any()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(100_000, 30_000_000), st.floats(-3.0, 3.0),
                          st.floats(-3.0, 3.0)), min_size=2, max_size=20),
       st.floats(0.0, 0.5), st.sampled_from([0.0, 0.5]))
def test_a_path_of_any_roughness_gives_nothing_or_a_motion_within_limits(knots, share, rate):
    times = np.cumsum([duration for duration, _, _ in knots])
    values = np.array([(q, v) for _, q, v in knots])
    path = Trajectory(START_NS, ('a',), times, values[:, :1], values[:, 1:])
    from_ns = path.start_ns + int(share * (path.end_ns - path.start_ns))
    motion = retime(path, from_ns, rate, limits(1))
    if motion is not None and rate == 0.0:
        assert check_limits(motion, limits(1), resolution_s=RESOLUTION_S) is None
        assert not motion.velocities[-1].any()


def test_knots_a_tenth_of_a_millisecond_apart_are_no_harder():
    fine = shaped([0.1] * 6, 8.0)
    times = np.arange(0, fine.times_ns[-1], 100_000)
    states = fine.at_many(times)
    path = Trajectory(START_NS, fine.joint_names, times, states.position, states.velocity)
    from_ns = START_NS + seconds_to_ns(0.15)
    motion = retime(path, from_ns, 0.0, limits(6))
    assert_goes_on_within_limits(motion, fine, from_ns)
    assert off_the_path(motion, fine) < OFF_RAD
    assert len(motion.times_ns) < 60


@given(st.floats(0.05, 0.95), st.floats(0.0, 0.7))
def test_at_a_constant_rate_each_cubic_stays_one(rate, at_s):
    path = shaped([0.4, -0.3, 0.2, 0.1, 0.5, -0.2])
    from_ns = START_NS + seconds_to_ns(at_s)
    motion = slow(path, from_ns, rate)
    times = np.linspace(0, motion.times_ns[-1], 50).astype(np.int64)
    got = motion.at_many(times)
    there = path.at_many((from_ns - START_NS + rate * times).astype(np.int64))
    assert got.position == pytest.approx(there.position, abs=1e-8)
    assert got.velocity == pytest.approx(rate * there.velocity, abs=1e-6)


def test_a_path_that_comes_to_rest_about_as_soon_is_followed_to_its_end():
    path = shaped([0.1] * 6, 20.0)
    path.velocities[-1] = 0.0
    from_ns = path.end_ns - seconds_to_ns(0.1)
    motion = brake_along(path, from_ns, limits(6))
    assert motion.end_ns <= path.end_ns
    assert off_the_path(motion, path) < OFF_RAD
    assert not motion.velocities[-1].any()
    at_the_end = brake_along(path, path.end_ns, limits(6))
    assert at_the_end.positions == pytest.approx(path.positions[-1:])


def test_a_path_that_comes_to_rest_late_is_braked_on():
    slowly = even(speed=0.3, duration_s=2.0)
    path = slowly.then(brake(slowly.end_ns, names(2), slowly.at(slowly.end_ns), limits(2)))
    motion = brake_along(path, START_NS, limits(2))
    assert motion.end_ns < START_NS + seconds_to_ns(0.5)


def test_a_brake_that_would_take_ever_so_long_is_none():
    # It accelerates with nearly all that the limits allow: along it there is hardly a brake.
    path = shaped([0.3] * 6, 12.0, 160)
    for at_s, found in ((0.16, False), (0.2, False), (0.4, True)):
        from_ns = START_NS + seconds_to_ns(at_s)
        motion = brake_along(path, from_ns, limits(6))
        assert (motion is not None) == found
        if found:
            alone = brake(from_ns, path.joint_names, path.at(from_ns), limits(6))
            assert motion.end_ns - from_ns < 3 * (alone.end_ns - from_ns) + 200_000_000


@given(st.floats(0.5, 0.9), st.sampled_from([0.0, 0.5]))
def test_what_the_change_uses_up_has_to_be_there(share, rate):
    whole = retime(even(), START_NS, rate, limits(2))
    length_s, lasts_s = 1.0, (whole.end_ns - START_NS) / 1e9
    if rate == 0.0:
        used_s = lasts_s / 2.0
    else:
        change_s = (length_s / rate - lasts_s) / ((1.0 + rate) / (2.0 * rate) - 1.0)
        used_s = 0.5 * (1.0 + rate) * change_s
    assert retime(even(duration_s=share * used_s), START_NS, rate, limits(2)) is None
    assert retime(even(duration_s=1.01 * used_s), START_NS, rate, limits(2)) is not None
