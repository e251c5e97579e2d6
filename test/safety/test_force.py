"""Forces and torques: what is a fault, what is taken off, how late and how hard they are felt."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, log, nan, pi, sqrt
import sys

from hypothesis import assume, given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, ForceLimit, Load, WrenchSensor
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.force import SLOWEST_SHARE, TARE_READINGS, TARE_S, WrenchGauge
from physical_ai_bridge.safety.watch import Watch
from physical_ai_bridge.testing.clock import ManualClock
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

GAP_S = 0.1
START = Instant(1_800_000_000_000_000_000, 10**12)
SATURATION = Load(force_n=200.0, torque_nm=20.0)
TARE = Load(force_n=5.0, torque_nm=0.5)
ZERO = (0.0, 0.0, 0.0)


def limit(**changes) -> ForceLimit:
    """Return the limits 90 N and 12 N·m with ``changes``."""
    return ForceLimit(**{'max_force_n': 90.0, 'max_torque_nm': 12.0, **changes})


def cell_with(*limits: ForceLimit) -> Cell:
    """Return the example cell with a sensor ``wrist``, and ``hand`` for a second limit."""
    cell = example_cell()
    names = ('wrist', 'hand')[:len(limits)]
    sensors = {name: WrenchSensor(topic=f'/{name}/wrench', frame_id='tool0', rate_hz=500.0,
                                  max_age_s=0.05) for name in names}
    return replace(
        cell, sensors=replace(cell.sensors, wrenches=sensors),
        safety=replace(cell.safety, force_limits=dict(zip(names, limits, strict=True))))


class Fed:
    """A gauge, fed with forces along x and torques about z at stamps that advance."""

    def __init__(self, force_limit: ForceLimit) -> None:
        self.limit = force_limit
        self.gauge = WrenchGauge('wrist', force_limit, GAP_S)
        self.now = START

    def take(self, force_n: float = 0.0, torque_nm: float = 0.0, after_s: float = 0.002) -> bool:
        self.now = self.now.later(seconds_to_ns(after_s))
        return self.gauge.take(WrenchSample(
            self.now.ros_ns, np.array([force_n, 0.0, 0.0]), np.array([0.0, 0.0, torque_nm])),
            self.now)

    @property
    def reason(self) -> Reason | None:
        return None if self.gauge.cause is None else self.gauge.cause.reason

    @property
    def force_n(self) -> float:
        """What the limits see, read off a slow-down band that covers it."""
        slow, most = self.limit.slow_down_force_n, self.limit.max_force_n
        return slow + (1.0 - self.gauge.speed_share) / (1.0 - SLOWEST_SHARE) * (most - slow)


class TestLimits:

    @pytest.mark.parametrize(('force_n', 'torque_nm'), [(91.0, 0.0), (0.0, 12.1)])
    def test_above_a_limit_is_a_cause_while_it_lasts(self, force_n, torque_nm):
        fed = Fed(limit())
        assert not fed.take()
        assert fed.take(force_n, torque_nm)
        assert fed.reason is Reason.FORCE_LIMIT
        assert not fed.take(force_n, torque_nm)
        assert fed.reason is Reason.FORCE_LIMIT
        assert not fed.take()
        assert fed.reason is None

    def test_at_a_limit_is_within_it(self):
        fed = Fed(limit())
        assert not fed.take(90.0, 12.0)
        assert fed.reason is None

    def test_it_is_the_norm_that_counts(self):
        gauge = WrenchGauge('wrist', limit(), GAP_S)
        gauge.take(WrenchSample(START.ros_ns, np.full(3, 52.0), np.zeros(3)), START)
        assert '90.1 N' in gauge.cause.detail
        gauge.take(WrenchSample(START.ros_ns, np.zeros(3), np.full(3, -7.0)), START)
        assert '12.12 N·m' in gauge.cause.detail

    @pytest.mark.parametrize('number', [nan, inf, -inf, sys.float_info.max])
    def test_what_is_no_number_to_reckon_with_is_above_every_limit(self, number):
        for readings in ((number, 0.0), (0.0, number)):
            fed = Fed(limit(cutoff_hz=10.0))
            fed.take()
            assert fed.take(*readings)
            assert fed.reason is Reason.FORCE_LIMIT

    @pytest.mark.parametrize(('age_s', 'reason'), [
        (0.051, Reason.WRENCH_STALE), (-0.051, Reason.FROM_THE_FUTURE)])
    def test_a_reading_that_is_not_of_now_is_refused_and_does_not_feed_the_watchdog(
            self, age_s, reason):
        robot = AtRest(limit())
        assert robot.run(0.05) is None
        robot.readings['wrist'] = None
        for _ in range(60):
            robot.run(0.002)
            now = robot.clock.now
            stamp_ns = now.ros_ns - seconds_to_ns(age_s)
            sample = WrenchSample(stamp_ns, np.full(3, 95.0), np.zeros(3))
            assert not robot.watch.wrench('wrist', sample, now)
        assert robot.watch.refusals == {reason: 60}
        assert robot.watch.causes(robot.clock.now).reason is Reason.WRENCH_SILENT


class TestSaturation:

    @pytest.mark.parametrize(('force_n', 'torque_nm'), [(-200.0, 0.0), (0.0, -20.0)])
    def test_a_reading_at_the_end_of_the_scale_is_a_fault(self, force_n, torque_nm):
        fed = Fed(limit(saturation=SATURATION))
        assert fed.take(force_n, torque_nm)
        assert fed.reason is Reason.WRENCH_SATURATED

    @pytest.mark.parametrize('axis', range(6))
    @given(others=st.floats(-150.0, 150.0))
    def test_one_axis_at_its_end_is_enough(self, axis, others):
        reading = np.concatenate((np.full(3, others), np.full(3, others / 10.0)))
        reading[axis] = 200.0 if axis < 3 else 20.0
        gauge = WrenchGauge('wrist', limit(saturation=SATURATION), GAP_S)
        gauge.take(WrenchSample(START.ros_ns, reading[:3], reading[3:]), START)
        assert gauge.cause.reason is Reason.WRENCH_SATURATED

    def test_below_it_there_is_none(self):
        fed = Fed(limit(saturation=SATURATION, max_force_n=199.95, max_torque_nm=19.95))
        assert not fed.take(199.9, 19.9)

    def test_no_filter_hides_it(self):
        fed = Fed(limit(saturation=SATURATION, cutoff_hz=0.1))
        fed.take()
        assert fed.take(200.0)
        assert fed.reason is Reason.WRENCH_SATURATED

    def test_no_tare_hides_it(self):
        fed = Fed(limit(saturation=SATURATION, max_force_n=199.0,
                        tare=Load(force_n=50.0, torque_nm=5.0)))
        for _ in range(60):
            fed.take(30.0)
        fed.gauge.take_tare()
        assert fed.take(200.0)
        assert fed.reason is Reason.WRENCH_SATURATED

    def test_a_sensor_without_one_is_held_against_its_limits(self):
        fed = Fed(limit())
        fed.take(1e6)
        assert fed.reason is Reason.FORCE_LIMIT

    def test_before_the_tare_it_is_a_fault_already(self):
        fed = Fed(limit(saturation=SATURATION, tare=TARE))
        assert fed.take(200.0)


class TestFilter:

    def test_its_delay_is_declared(self):
        assert WrenchGauge('wrist', limit(cutoff_hz=150.0), GAP_S).delay_s == pytest.approx(
            1.0 / (2.0 * pi * 150.0))
        assert WrenchGauge('wrist', limit(), GAP_S).delay_s == 0.0

    def test_a_watch_declares_the_longest_of_its_sensors(self):
        watch = Watch(cell_with(limit(cutoff_hz=150.0), limit(cutoff_hz=50.0)))
        assert watch.reaction_delay_s == pytest.approx(1.0 / (2.0 * pi * 50.0))
        assert Watch(cell_with()).reaction_delay_s == 0.0

    @given(cutoff_hz=st.floats(1.0, 500.0), parts=st.integers(1, 20))
    def test_63_percent_of_a_step_are_seen_after_its_delay_however_it_is_sampled(
            self, cutoff_hz, parts):
        fed = Fed(limit(cutoff_hz=cutoff_hz, slow_down_force_n=1e-9))
        delay_s = fed.gauge.delay_s
        assume(delay_s / parts < GAP_S)
        fed.take()
        for _ in range(parts):
            fed.take(80.0, after_s=delay_s / parts)
        assert fed.force_n == pytest.approx(80.0 * (1.0 - exp(-1.0)), rel=1e-4)

    @given(cutoff_hz=st.floats(0.5, 500.0), step_n=st.floats(90.1, 5000.0),
           periods=st.lists(st.floats(1e-4, 0.02), min_size=1, max_size=7))
    def test_a_step_is_seen_with_the_first_reading_after_the_closed_form(
            self, cutoff_hz, step_n, periods):
        fed = Fed(limit(cutoff_hz=cutoff_hz))
        latest_s = fed.gauge.delay_s * log(step_n / (step_n - 90.0))
        fed.take()
        # The step comes right after a reading: the worst that it can do.
        passed_s, index = 0.0, 0
        while fed.reason is None:
            assert passed_s <= latest_s * (1.0 + 1e-6) + 1e-8
            period_s = periods[index % len(periods)]
            index, passed_s = index + 1, passed_s + period_s
            fed.take(step_n, after_s=period_s)
        assert passed_s >= latest_s * (1.0 - 1e-6) - 1e-8

    def test_a_hard_step_is_seen_at_once_however_low_the_cut_off(self):
        fed = Fed(limit(cutoff_hz=1.0))
        fed.take()
        assert fed.take(90.0 / (1.0 - exp(-0.002 * 2.0 * pi)) + 1.0)

    def test_a_single_spike_is_smoothed_below_the_stated_height(self):
        fed = Fed(limit(cutoff_hz=1.0))
        fed.take()
        assert not fed.take(90.0 / (1.0 - exp(-0.002 * 2.0 * pi)) - 1.0)

    @given(forces=st.lists(st.floats(-85.0, 85.0), min_size=1, max_size=30),
           cutoff_hz=st.floats(0.5, 500.0), after_s=st.floats(-0.02, 0.2))
    def test_what_never_came_near_a_limit_is_never_seen_above_it(self, forces, cutoff_hz, after_s):
        fed = Fed(limit(cutoff_hz=cutoff_hz, slow_down_force_n=85.001, slow_down_torque_nm=8.5001))
        for force_n in forces:
            assert not fed.take(force_n, force_n / 10.0, after_s)
            assert fed.gauge.speed_share == 1.0

    @given(forces=st.lists(st.floats(90.1, 500.0), min_size=1, max_size=30),
           cutoff_hz=st.floats(0.5, 500.0), after_s=st.floats(-0.02, 0.2))
    def test_what_is_above_a_limit_all_along_is_seen_above_it(self, forces, cutoff_hz, after_s):
        fed = Fed(limit(cutoff_hz=cutoff_hz))
        for force_n in forces:
            fed.take(force_n, after_s=after_s)
            assert fed.reason is Reason.FORCE_LIMIT

    @pytest.mark.parametrize('after_s', [GAP_S + 0.001, -0.001, -3600.0, 0.0])
    def test_after_a_gap_or_where_stamps_do_not_advance_a_reading_is_seen_as_it_is(self, after_s):
        fed = Fed(limit(cutoff_hz=0.1))
        fed.take()
        assert fed.take(90.1, after_s=after_s)

    def test_a_pause_within_the_watchdog_does_not_restart_it(self):
        fed = Fed(limit(cutoff_hz=0.1))
        fed.take()
        assert not fed.take(90.1, after_s=GAP_S - 0.001)


class TestSlowDownBand:

    BAND = {'slow_down_force_n': 60.0, 'slow_down_torque_nm': 8.0}

    @pytest.mark.parametrize(('force_n', 'torque_nm', 'share'), [
        (0.0, 0.0, 1.0), (60.0, 8.0, 1.0), (75.0, 0.0, 0.55), (0.0, 10.0, 0.55),
        (75.0, 11.0, 0.325), (89.0, 9.0, 0.13), (90.0, 0.0, SLOWEST_SHARE),
        (500.0, 0.0, SLOWEST_SHARE)])
    def test_the_speed_falls_in_a_straight_line_to_its_slowest(self, force_n, torque_nm, share):
        fed = Fed(limit(**self.BAND))
        fed.take(force_n, torque_nm)
        assert fed.gauge.speed_share == pytest.approx(share)

    @given(st.floats(0.0, 300.0), st.floats(0.0, 300.0), st.floats(0.0, 40.0),
           st.floats(0.0, 40.0))
    def test_more_force_or_torque_never_makes_it_faster(self, force_n, more_n, torque_nm, more_nm):
        fed = Fed(limit(**self.BAND))
        fed.take(force_n, torque_nm)
        before = fed.gauge.speed_share
        fed.take(force_n + more_n, torque_nm + more_nm)
        assert SLOWEST_SHARE <= fed.gauge.speed_share <= before <= 1.0

    def test_without_a_band_there_is_full_speed_up_to_the_stop(self):
        fed = Fed(limit())
        fed.take(89.9, 11.9)
        assert fed.gauge.speed_share == 1.0
        assert fed.gauge.slow_down is None

    def test_slowing_down_is_no_cause_to_stop(self):
        fed = Fed(limit(**self.BAND))
        assert not fed.take(89.0, 11.0)
        assert fed.reason is None

    def test_a_watch_goes_by_its_slowest_sensor_and_names_it(self):
        watch = Watch(cell_with(limit(**self.BAND), limit(**self.BAND)))
        assert (watch.speed_share, watch.slow_down) == (1.0, None)
        for sensor, force_n in (('wrist', 75.0), ('hand', 80.0)):
            watch.wrench(sensor, WrenchSample(
                START.ros_ns, np.array([0.0, force_n, 0.0]), np.zeros(3)), START)
        assert watch.speed_share == pytest.approx(0.4)
        assert watch.slow_down.reason is Reason.FORCE_SLOW_DOWN
        assert watch.slow_down.detail == (
            'hand measures 80.0 N and 0.00 N·m: 40% of the speed limits')

    def test_a_watch_without_sensors_lets_all_speed_through(self):
        watch = Watch(cell_with())
        assert (watch.speed_share, watch.slow_down) == (1.0, None)


class AtRest:
    """A Watch whose inputs come every 2 ms; ``readings`` maps a sensor to (6,), None for none."""

    def __init__(self, *limits: ForceLimit) -> None:
        self.cell = cell_with(*limits)
        self.watch = Watch(self.cell)
        self.clock = ManualClock()
        self.readings = {name: np.zeros(6) for name in self.cell.sensors.wrenches}
        self.position = np.zeros(6)
        self.pressed = False
        self.every = 1
        self._step = 0

    def run(self, seconds: float, speed_rad_s: float = 0.0, vibration: float = 0.0):
        """Let time pass; return the cause at its end."""
        for _ in range(round(seconds / 0.002)):
            now = self.clock.advance(0.002)
            self.position = self.position + 0.002 * speed_rad_s
            self.watch.emergency_stop(self.pressed, now)
            self.watch.joint_state(
                JointSample(now.ros_ns, self.cell.robot.joints, self.position), now)
            self._step += 1
            for name, reading in self.readings.items():
                if reading is not None and self._step % self.every == 0:
                    swing = vibration * (-1.0) ** (self._step // self.every)
                    at = reading + swing * np.array([1.0, 0, 0, 0, 0, 0.1])
                    self.watch.wrench(name, WrenchSample(now.ros_ns, at[:3], at[3:]), now)
        return self.watch.causes(self.clock.now)

    def reason(self, seconds: float, **how) -> Reason | None:
        cause = self.run(seconds, **how)
        return None if cause is None else cause.reason

    def feel(self, force_n: float, torque_nm: float = 0.0):
        """Let all sensors read this on top of what they read; return the cause."""
        kept = self.readings
        more = np.array([force_n, 0.0, 0.0, torque_nm, 0.0, 0.0])
        self.readings = {name: reading + more for name, reading in kept.items()}
        cause = self.run(0.002)
        self.readings = kept
        return cause


class TestTare:

    def test_it_is_there_as_soon_as_the_robot_is_seen_at_rest(self):
        robot = AtRest(limit(tare=TARE))
        assert robot.reason(TARE_S) is Reason.NOT_AT_REST
        assert robot.reason(0.002) is None

    def test_it_is_taken_off_force_and_torque(self):
        robot = AtRest(limit(tare=TARE))
        robot.readings['wrist'] = np.array([-4.0, 0.0, 0.0, -0.4, 0.0, 0.0])
        assert robot.reason(0.2) is None
        assert robot.feel(89.9, 11.9) is None
        assert robot.feel(90.1).reason is Reason.FORCE_LIMIT
        assert robot.feel(0.0, 12.1).reason is Reason.FORCE_LIMIT

    @given(bias=st.lists(st.floats(-2.5, 2.5), min_size=3, max_size=3),
           noise=st.lists(st.floats(-1.0, 1.0), min_size=60, max_size=60))
    def test_it_is_the_mean_of_the_readings(self, bias, noise):
        fed = Fed(limit(tare=TARE, slow_down_force_n=1e-9))
        readings = [np.array(bias) + np.array([each, 0.0, 0.0]) for each in noise]
        now = START
        for reading in readings:
            now = now.later(2_000_000)
            fed.gauge.take(WrenchSample(now.ros_ns, reading, np.zeros(3)), now)
        assert fed.gauge.tare_problem() is None
        fed.gauge.take_tare()
        # Those of the last 0.1 s: 51 readings, 2 ms apart.
        rest = 40.0 + np.mean(readings[-51:], axis=0)
        now = now.later(2_000_000)
        fed.gauge.take(WrenchSample(now.ros_ns, rest, np.zeros(3)), now)
        assert fed.force_n == pytest.approx(40.0 * sqrt(3.0), rel=1e-9)

    def test_without_one_nothing_is_taken_off_and_nothing_waited_for(self):
        robot = AtRest(limit())
        robot.readings['wrist'][0] = 30.0
        assert robot.reason(0.002) is None
        assert robot.feel(60.1).reason is Reason.FORCE_LIMIT

    @pytest.mark.parametrize(('axis', 'reading', 'said'), [
        (1, -6.0, '6.0 N'), (5, 0.6, '0.60 N·m')])
    def test_a_reading_too_large_is_implausible_until_the_tool_is_freed(self, axis, reading, said):
        robot = AtRest(limit(tare=TARE))
        robot.readings['wrist'][axis] = reading
        cause = robot.run(0.5)
        assert cause.reason is Reason.TARE_IMPLAUSIBLE
        assert said in cause.detail
        assert '5 N and 0.5 N·m are plausible' in cause.detail
        robot.readings['wrist'][axis] = 0.0
        assert robot.reason(TARE_S + 0.002) is None

    def test_a_reading_above_the_limits_is_no_overload_before_the_tare(self):
        robot = AtRest(limit(tare=TARE))
        robot.readings['wrist'][0] = 150.0
        assert robot.reason(0.2) is Reason.TARE_IMPLAUSIBLE

    @pytest.mark.parametrize(('tare', 'reason'), [
        (TARE, None),
        (Load(force_n=2.9, torque_nm=0.5), Reason.TARE_IMPLAUSIBLE),
        (Load(force_n=5.0, torque_nm=0.29), Reason.TARE_IMPLAUSIBLE)])
    def test_readings_that_swing_are_implausible_whatever_their_mean(self, tare, reason):
        assert AtRest(limit(tare=tare)).reason(0.2, vibration=3.0) is reason

    def test_there_is_none_while_the_robot_moves(self):
        robot = AtRest(limit(tare=TARE))
        assert robot.reason(0.5, speed_rad_s=0.1) is Reason.NOT_AT_REST
        # For 0.1 s rest is not known yet, and the last of the motion within its tolerance.
        assert robot.reason(TARE_S) is None

    def test_readings_from_while_it_moved_do_not_count(self):
        robot = AtRest(limit(tare=TARE))
        robot.every = 25
        robot.run(0.3)
        robot.run(0.2, speed_rad_s=0.1)
        cause = robot.run(0.25)
        assert cause.reason is Reason.TARING
        assert f'of {TARE_READINGS} over {TARE_S:g} s' in cause.detail
        assert robot.reason(0.3) is None

    def test_a_slow_sensor_takes_as_long_as_its_readings_take(self):
        robot = AtRest(limit(tare=TARE))
        robot.every = 25
        assert robot.reason(0.05 * (TARE_READINGS - 1)) is Reason.TARING
        assert robot.reason(0.05) is None

    def test_a_fast_burst_of_readings_is_not_long_enough(self):
        robot = AtRest(limit(tare=TARE))
        robot.readings['wrist'] = None
        robot.run(0.2)
        robot.readings['wrist'] = np.zeros(6)
        assert robot.reason(TARE_S - 0.002) is Reason.TARING
        assert robot.reason(0.004) is None

    def test_readings_from_before_a_gap_do_not_count(self):
        fed = Fed(limit(tare=TARE))
        for _ in range(60):
            fed.take()
        assert fed.gauge.tare_problem() is None
        fed.take(after_s=GAP_S + 0.001)
        assert fed.gauge.tare_problem().reason is Reason.TARING

    @pytest.mark.parametrize('bad', [nan, inf])
    @pytest.mark.parametrize('axis', [2, 4])
    def test_a_sensor_that_sends_no_numbers_is_never_tared(self, axis, bad):
        robot = AtRest(limit(tare=TARE))
        robot.readings['wrist'][axis] = bad
        assert robot.reason(0.5) is Reason.WRENCH_SILENT
        assert set(robot.watch.refusals) == {Reason.WRENCH_MALFORMED}
        robot.readings['wrist'][axis] = 0.0
        assert robot.reason(0.05) is Reason.TARING

    def test_a_missing_sensor_is_never_tared_and_holds_up_the_others(self):
        robot = AtRest(limit(tare=TARE), limit(tare=TARE))
        robot.readings['hand'] = None
        assert robot.reason(0.5) is Reason.WRENCH_SILENT
        # Tared with the other one, and not before: what it reads may change until then.
        robot.readings['wrist'][0] = 4.0
        robot.readings['hand'] = np.zeros(6)
        assert robot.reason(0.2) is None
        assert robot.feel(87.0, 0.0) is None

    def test_one_sensor_with_a_tare_and_one_without(self):
        robot = AtRest(limit(), limit(tare=TARE))
        robot.readings['hand'][0] = 4.0
        assert robot.reason(0.2) is None
        assert robot.feel(89.0) is None

    def test_it_is_taken_when_nothing_else_is_wrong_any_more(self):
        robot = AtRest(limit(tare=TARE))
        robot.pressed = True
        assert robot.reason(1.0) is Reason.EMERGENCY_STOP
        robot.readings['wrist'][0] = 4.0
        assert robot.reason(0.2) is Reason.EMERGENCY_STOP
        robot.pressed = False
        assert robot.reason(0.002) is None
        assert robot.feel(89.0) is None

    def test_between_that_and_the_next_reading_it_waits(self):
        robot = AtRest(limit(tare=TARE))
        robot.pressed = True
        robot.run(1.0)
        robot.watch.emergency_stop(False, robot.clock.now)
        assert robot.watch.causes(robot.clock.now).reason is Reason.TARING

    def test_once_taken_it_stays(self):
        robot = AtRest(limit(tare=TARE))
        robot.run(0.2)
        robot.readings['wrist'][0] = 4.0
        assert robot.reason(1.0) is None
        assert robot.feel(86.1).reason is Reason.FORCE_LIMIT

    def test_the_reading_that_saturated_is_the_cause_then_the_tare(self):
        robot = AtRest(limit(tare=TARE, saturation=SATURATION))
        robot.readings['wrist'][0] = 200.0
        assert robot.reason(0.5) is Reason.WRENCH_SATURATED
        robot.readings['wrist'][0] = 0.0
        assert robot.reason(0.01) is Reason.TARE_IMPLAUSIBLE
        assert robot.reason(TARE_S) is None


class TestUnderTheSupervisor:

    GOAL = np.array([1.2, -0.9, 1.5, 0.6, -1.8, 2.4])

    def test_an_implausible_tare_keeps_it_inactive_and_heals(self):
        robot = SupervisedRobot(cell_with(limit(tare=TARE)))
        robot.force_n = 8.0
        robot.apply(robot.supervisor.activate(robot.clock.now))
        decision = robot.tick(50)
        assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.TARE_IMPLAUSIBLE)
        assert not robot.commands
        robot.force_n = 0.0
        assert robot.tick(12).mode is Mode.READY

    def test_activation_tares_anew(self):
        robot = SupervisedRobot(cell_with(limit(tare=TARE)))
        robot.make_ready()
        robot.apply(robot.supervisor.deactivate(robot.clock.now))
        robot.force_n = 4.0
        robot.make_ready()
        robot.force_n = 93.0
        assert robot.tick().mode is Mode.READY
        robot.force_n = 95.0
        assert robot.tick().reason is Reason.FORCE_LIMIT

    def test_saturation_stops_and_is_latched(self):
        robot = SupervisedRobot(cell_with(limit(saturation=SATURATION, cutoff_hz=0.1)))
        robot.make_ready()
        robot.move_to(self.GOAL, 30)
        robot.force_n = 200.0
        decision = robot.tick()
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.WRENCH_SATURATED)
        assert robot.tick(100).mode is Mode.STOPPED
        assert robot.supervisor.reset(robot.clock.now).reason is Reason.WRENCH_SATURATED
        robot.force_n = 0.0
        assert robot.tick(100).mode is Mode.STOPPED
        assert robot.supervisor.reset(robot.clock.now) is None

    @pytest.mark.parametrize(('step_n', 'cutoff_hz'), [(95.0, 5.0), (150.0, 5.0), (95.0, 150.0)])
    def test_a_contact_stops_the_motion_within_the_closed_form(self, step_n, cutoff_hz):
        robot = SupervisedRobot(cell_with(limit(cutoff_hz=cutoff_hz)))
        robot.make_ready()
        robot.move_to(self.GOAL, 20)
        robot.force_n = step_n
        period_s = 1.0 / robot.cell.safety.tick_rate_hz
        seen_s = log(step_n / (step_n - 90.0)) / (2.0 * pi * cutoff_hz)
        begun = robot.clock.now.ros_ns
        robot.move_to(self.GOAL, int(seen_s / period_s) + 1)
        decision = robot.decisions[-1]
        assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.FORCE_LIMIT)
        assert (robot.clock.now.ros_ns - begun) / NS_PER_S <= seen_s + period_s + 1e-9

    def test_a_contact_stop_retracts_nothing(self):
        robot = SupervisedRobot(cell_with(limit()))
        robot.make_ready()
        robot.move_to(self.GOAL, 30)
        direction = np.sign(robot.command.at(robot.clock.now.ros_ns).velocity)
        robot.force_n = 95.0
        trail = []
        for _ in range(100):
            robot.tick()
            trail.append(robot.position)
        # Onwards to standstill, never back; then no more commands while the contact lasts.
        assert (np.diff(trail, axis=0) * direction >= -1e-9).all()
        assert robot.decisions[-1].mode is Mode.STOPPED
        assert np.ptp(trail[-20:], axis=0) == pytest.approx(0.0, abs=1e-12)
