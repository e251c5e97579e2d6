"""A motion is looked up between its samples, and made up where nobody recorded a command."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.evaluation.offline.motion import MeasuredMotion, MotionTrack
from physical_ai_bridge.evaluation.offline.smoothness import jerk_rad_s3, recorded_motion
from physical_ai_bridge.safety.verification import Verification
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import example_robot
import pytest

CELL = example_cell()
JOINTS = len(CELL.robot.joints)
START_NS = 10 * NS_PER_S


def track_of(positions, period_s=0.005) -> MotionTrack:
    track = MotionTrack(JOINTS)
    for index, position in enumerate(positions):
        track.add(START_NS + seconds_to_ns(index * period_s), np.full(JOINTS, position))
    return track


class TestTrack:

    def test_between_two_samples_it_is_a_straight_line(self):
        times = START_NS + np.array([2_500_000, 9_000_000])
        found = track_of([0.0, 1.0, 3.0]).at(times)
        assert found[:, 0] == pytest.approx([0.5, 2.6])

    def test_outside_and_over_a_pause_nothing_is_known(self):
        track = track_of([0.0, 1.0])
        track.add(START_NS + NS_PER_S, np.full(JOINTS, 2.0))
        times = START_NS + np.array([-1, 500_000_000, NS_PER_S + 1])
        assert np.isnan(track.at(times)).all()

    def test_it_grows_without_bound_and_keeps_200_samples_a_second(self):
        track = track_of(np.arange(10_000), period_s=0.002)
        assert len(track) == pytest.approx(10_000 * 0.002 * 200, rel=0.2)
        assert (np.diff(track.stamps_ns) >= 5_000_000).all()

    def test_a_sample_from_before_the_last_is_left_out(self):
        track = track_of([0.0, 1.0])
        track.add(START_NS - NS_PER_S, np.full(JOINTS, 9.0))
        assert track.positions.max() == 1.0


class TestCommandFromMeasurements:

    def test_it_goes_on_at_the_measured_speed_and_then_stops(self):
        seconds = np.arange(0.0, 0.2, 0.005)
        track = track_of(0.3 * seconds)
        now_ns = START_NS + seconds_to_ns(0.195)
        command = MeasuredMotion(CELL).command(track, now_ns)
        state = command.at(now_ns + seconds_to_ns(0.03))
        assert state.velocity == pytest.approx(np.full(JOINTS, 0.3), abs=1e-6)
        assert state.position == pytest.approx(np.full(JOINTS, 0.3 * 0.225), abs=1e-6)
        assert not command.velocities[-1].any()

    def test_whatever_the_measured_speed_it_keeps_the_limits_of_the_joints(self):
        track = track_of(9.0 * np.arange(0.0, 0.1, 0.005))
        command = MeasuredMotion(CELL).command(track, START_NS + seconds_to_ns(0.095))
        found = Verification(CELL, example_robot(CELL)).check(command)
        assert found is None or found.reason not in {
            'VELOCITY_LIMIT', 'ACCELERATION_LIMIT', 'JERK_LIMIT'}

    def test_from_too_few_samples_nothing_is_made(self):
        motion = MeasuredMotion(CELL)
        assert motion.command(track_of([0.0, 0.1]), START_NS) is None
        assert motion.command(track_of(np.zeros(50)), START_NS + NS_PER_S) is None


class TestSmoothness:

    def test_the_jerk_of_a_cubic_is_its_own(self):
        seconds = np.arange(0.0, 1.0, 0.01)
        jerk = jerk_rad_s3(np.stack([2.0 * seconds**3, 0.0 * seconds], axis=1))
        assert jerk == pytest.approx(np.full(80, 12.0), rel=1e-6)

    def test_it_is_what_the_library_of_the_field_finds(self):
        savgol = pytest.importorskip('scipy.signal').savgol_filter
        positions = np.cumsum(np.random.default_rng(0).normal(size=(60, 6)), axis=0)
        theirs = np.linalg.norm(
            savgol(positions, 21, 4, deriv=3, delta=0.01, axis=0), axis=1)[10:-10]
        assert jerk_rad_s3(positions) == pytest.approx(theirs, rel=1e-9)

    def test_the_way_is_summed_over_joints_and_not_over_a_pause(self):
        track = track_of(np.linspace(0.0, 0.5, 101))
        last_ns = track.last_ns
        for index in range(101):
            track.add(last_ns + NS_PER_S + index * 5_000_000, np.full(JOINTS, 7.0 + index / 200))
        _, way = recorded_motion(track)
        assert way == pytest.approx(JOINTS * 1.0, rel=0.01)

    def test_of_nothing_there_is_no_jerk(self):
        jerk, way = recorded_motion(MotionTrack(JOINTS))
        assert (jerk.count, way) == (0, 0.0)
