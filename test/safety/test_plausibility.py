"""Joint states that a robot can have are taken; jumps and joints that stand still are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.plausibility import JointPlausibility
from physical_ai_bridge.testing.clock import ManualClock
from physical_ai_bridge.testing.contracts import example_cell
import pytest

CELL = example_cell()
LIMITS = limit_arrays(CELL)
FROZEN_S = CELL.safety.watchdogs.joint_states_s
SECOND_NS = 1_000_000_000
velocities = st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6).map(np.array)
noises = st.lists(st.floats(-0.004, 0.004), min_size=6, max_size=6).map(np.array)


@given(st.lists(st.tuples(velocities, noises, st.integers(1, 40)), min_size=2, max_size=30))
def test_whatever_moves_within_the_velocity_limits_is_taken_noise_and_all(steps):
    plausibility = JointPlausibility(CELL)
    position, stamp_ns = np.zeros(6), SECOND_NS
    for share, noise, after_ms in steps:
        position = position + share * LIMITS.velocity * after_ms / 1e3
        stamp_ns += after_ms * 1_000_000
        assert plausibility.take(position + noise, stamp_ns) is None


@given(st.integers(0, 5), st.floats(0.2, 100.0), st.sampled_from([-1.0, 1.0]),
       st.integers(0, 10))
def test_whatever_jumps_is_refused_named_and_forgotten(joint, height, sign, after_ms):
    plausibility = JointPlausibility(CELL)
    plausibility.take(np.zeros(6), SECOND_NS)
    spike = np.zeros(6)
    spike[joint] = sign * height
    stamp_ns = SECOND_NS + after_ms * 1_000_000
    refusal = plausibility.take(spike, stamp_ns)
    assert refusal.reason is Reason.JOINTS_JUMPED
    assert CELL.robot.joints[joint] in refusal.detail
    assert plausibility.take(np.zeros(6), stamp_ns) is None


def test_a_jump_that_stays_is_taken_once_the_joint_could_have_got_there():
    plausibility = JointPlausibility(CELL)
    plausibility.take(np.zeros(6), 0)
    there = np.full(6, 0.5)
    taken = [plausibility.take(there, at_ms * 1_000_000) is None for at_ms in range(1, 61)]
    assert taken == [False] * 48 + [True] * 12


def test_an_older_one_is_refused_unless_ros_time_went_back():
    plausibility = JointPlausibility(CELL)
    max_age_ns = seconds_to_ns(CELL.sensors.joint_states.max_age_s)
    plausibility.take(np.zeros(6), SECOND_NS)
    assert plausibility.take(np.zeros(6), SECOND_NS - 1).reason is Reason.JOINTS_STALE
    assert plausibility.take(np.zeros(6), SECOND_NS - max_age_ns).reason is Reason.JOINTS_STALE
    assert plausibility.take(np.full(6, 3.0), SECOND_NS - max_age_ns - 1) is None


class Moved:
    """A robot that is sent on at a speed in rad/s, and reports what it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.plausibility = JointPlausibility(CELL)
        self.commanded = np.zeros(6)

    def tick(self, velocity: np.ndarray, measured: np.ndarray):
        """Let 10 ms pass; return the cause that shows."""
        now = self.clock.advance(0.01)
        self.commanded = self.commanded + 0.01 * velocity
        assert self.plausibility.take(measured, now.ros_ns) is None
        return self.plausibility.frozen(self.commanded, now)


@given(st.lists(velocities, min_size=2, max_size=60), st.integers(0, 2**32 - 1))
def test_a_robot_whose_joint_states_change_by_a_bit_is_never_frozen(speeds, seed):
    robot, random = Moved(), np.random.default_rng(seed)
    for velocity in speeds:
        assert robot.tick(velocity, random.normal(0.0, 1e-9, 6)) is None


@pytest.mark.parametrize('joint', range(6))
@pytest.mark.parametrize('speed', [0.05, -0.5, 3.0])
def test_a_joint_that_stands_still_while_it_is_moved_is_frozen(joint, speed):
    robot, random = Moved(), np.random.default_rng(0)
    velocity = np.zeros(6)
    velocity[joint] = speed
    causes = []
    for _ in range(60):
        measured = random.normal(0.0, 1e-6, 6)
        measured[joint] = 0.0
        causes.append(robot.tick(velocity, measured))
    first = next(i for i, cause in enumerate(causes) if cause is not None)
    # Both the time and the way have to be over, and not by much.
    leaves_s = 0.01 * int(0.001 / abs(0.01 * speed) + 1e-9)
    assert first * 0.01 >= max(FROZEN_S + leaves_s, 0.01 / abs(speed)) - 0.01
    assert first * 0.01 <= max(FROZEN_S + leaves_s, 0.01 / abs(speed)) + 0.02
    assert causes[first].reason is Reason.JOINTS_FROZEN
    assert CELL.robot.joints[joint] in causes[first].detail


def test_a_robot_that_stood_still_for_long_may_take_its_time_to_begin():
    robot = Moved()
    for _ in range(500):
        assert robot.tick(np.zeros(6), np.zeros(6)) is None
    for _ in range(9):
        assert robot.tick(np.full(6, 0.5), np.zeros(6)) is None
    assert robot.tick(np.full(6, 0.5), np.full(6, 1e-6)) is None


def test_a_way_of_no_more_than_the_resolution_of_an_encoder_freezes_nothing():
    robot = Moved()
    for _ in range(500):
        assert robot.tick(np.full(6, 0.0019), np.zeros(6)) is None
