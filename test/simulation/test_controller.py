"""The emulated controller does what joint_trajectory_controller's source does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.samples import TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
import pytest

NAMES = ('a', 'b')
NOW = 10_000_000_000
MS = 1_000_000


def point(at_ms, positions, velocities=(), accelerations=(), effort=()):
    return TrajectoryPoint(
        round(at_ms * MS), tuple(positions), tuple(velocities), tuple(accelerations),
        tuple(effort))


def message(*points, stamp_ns=NOW, names=NAMES):
    return TrajectoryMessage(stamp_ns, names, points)


def active(position=(0.0, 0.0), **options):
    controller = TrajectoryController(NAMES, **options)
    controller.activate(np.array(position))
    return controller


def test_holds_where_it_was_activated():
    setpoint = active((0.3, -0.2)).sample(NOW)
    np.testing.assert_array_equal(setpoint.position, (0.3, -0.2))
    np.testing.assert_array_equal(setpoint.velocity, (0.0, 0.0))


@pytest.mark.parametrize('name', [
    'interpolate_from_desired_state', 'allow_trajectory_replacement'])
@pytest.mark.parametrize('value', [False, True])
def test_tells_how_it_executes_by_the_originals_parameters(name, value):
    parameters = TrajectoryController(NAMES, **{name: value}).parameters
    assert parameters[name] is value
    assert parameters['joints'] == ['a', 'b']
    assert parameters['allow_nonzero_velocity_at_trajectory_end'] is False


def test_while_inactive_it_drops_silently():
    controller = TrajectoryController(NAMES)
    assert controller.receive(message(point(0, (1, 1))), NOW) is Acceptance.INACTIVE
    controller.activate(np.zeros(2))
    controller.deactivate()
    assert controller.receive(message(point(0, (1, 1))), NOW) is Acceptance.INACTIVE
    np.testing.assert_array_equal(controller.sample(NOW).position, (0, 0))


@pytest.mark.parametrize(('bad', 'verdict'), [
    (message(), Acceptance.EMPTY),
    (message(point(0, (1,)), names=('a',)), Acceptance.JOINTS),
    (message(point(0, (1, 1)), names=('a', 'x')), Acceptance.JOINTS),
    (message(point(0, (1, 1, 1)), names=('a', 'b', 'x')), Acceptance.JOINTS),
    (message(point(0, ())), Acceptance.WIDTHS),
    (message(point(0, (1,))), Acceptance.WIDTHS),
    (message(point(0, (1, 1), (0,))), Acceptance.WIDTHS),
    (message(point(0, (1, 1), (0, 0), (0,))), Acceptance.WIDTHS),
    (message(point(0, (1, 1), effort=(1, 1))), Acceptance.WIDTHS),
    (message(point(5, (1, 1)), point(5, (2, 2))), Acceptance.TIMES),
    (message(point(5, (1, 1)), point(4, (2, 2))), Acceptance.TIMES),
    (message(point(5, (1, 1), (0, 1e-6))), Acceptance.END_VELOCITY),
    (message(point(5, (1, 1)), stamp_ns=NOW - 6 * MS), Acceptance.ENDED),
])
def test_rejects_and_goes_on_with_what_it_had(bad, verdict):
    controller = active()
    good = message(point(0, (0, 0), (0, 0)), point(100, (1, 1), (0, 0)))
    assert controller.receive(good, NOW) is Acceptance.ACCEPTED
    assert controller.receive(bad, NOW) is verdict
    np.testing.assert_allclose(controller.sample(NOW + 50 * MS).position, (0.5, 0.5))


@pytest.mark.parametrize('unchecked', [
    message(point(0, (float('nan'), 1))),
    message(point(0, (1e9, 1)), ),
    message(point(-5, (1, 1)), point(5, (2, 2))),
    message(point(0, (1, 2)), names=('a', 'a')),
    message(point(5, (1, 1), (0, 1e-8))),
    message(point(5, (1, 1), (float('nan'), 0))),
    message(point(5, (float('inf'), 1), (float('-inf'), 1)), point(6, (1, 1))),
    message(point(6, (1, 1)), stamp_ns=NOW - 6 * MS),
])
def test_does_not_check_nan_limits_duplicates_or_a_negative_first_time(unchecked):
    assert active().receive(unchecked, NOW) is Acceptance.ACCEPTED


def test_nan_goes_through():
    controller = active()
    controller.receive(message(point(0, (float('nan'), 1))), NOW)
    assert np.isnan(controller.sample(NOW).position[0])


def test_a_joint_that_a_duplicate_name_crowds_out_is_sent_to_zero():
    controller = active((1.0, 1.0))
    controller.receive(message(point(0, (3, 2)), names=('a', 'a')), NOW)
    np.testing.assert_array_equal(controller.sample(NOW).position, (2, 0))


def test_a_first_time_below_zero_begins_before_the_stamp():
    controller = active()
    controller.receive(message(point(-50, (0, 0)), point(50, (1, 2))), NOW)
    np.testing.assert_allclose(controller.sample(NOW).position, (0.5, 1.0))


def test_permuted_names_are_sorted_into_its_own_order():
    controller = active()
    controller.receive(message(point(0, (1, 2)), names=('b', 'a')), NOW)
    np.testing.assert_array_equal(controller.sample(NOW).position, (2, 1))


def test_positions_alone_are_joined_by_lines():
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(100, (1, 2))), NOW)
    setpoint = controller.sample(NOW + 25 * MS)
    np.testing.assert_allclose(setpoint.position, (0.25, 0.5))
    np.testing.assert_allclose(setpoint.velocity, (10, 20))
    np.testing.assert_array_equal(setpoint.acceleration, (0, 0))


def test_a_segment_is_cubic_only_where_both_ends_have_velocities():
    controller = active()
    controller.receive(message(
        point(0, (0, 0)), point(100, (1, 1), (0, 0)), point(200, (2, 2), (0, 0))), NOW)
    np.testing.assert_allclose(controller.sample(NOW + 25 * MS).position, (0.25, 0.25))
    np.testing.assert_allclose(controller.sample(NOW + 125 * MS).position, np.full(2, 1.15625))


finite = st.floats(-2.0, 2.0)


@given(ends=st.lists(finite, min_size=6, max_size=6), share=st.floats(0.0, 0.999))
def test_with_accelerations_it_is_quintic_and_meets_both_ends(ends, share):
    q0, v0, a0, q1, a1, _ = ends
    controller = active()
    controller.receive(message(
        point(0, (q0, 0), (v0, 0), (a0, 0)), point(400, (q1, 0), (0, 0), (a1, 0))), NOW)
    begin = controller.sample(NOW)
    np.testing.assert_allclose([x[0] for x in begin], (q0, v0, a0), atol=1e-9)
    # The limit from the left at the end is the polynomial itself.
    left = controller.sample(NOW + 400 * MS - 1)
    np.testing.assert_allclose([x[0] for x in left], (q1, 0, a1), atol=1e-5)
    late = active()
    late.receive(message(
        point(0, (q0, 0), (v0, 0), (a0, 0)), point(400, (q1, 0), (0, 0), (a1, 0))), NOW)
    t, h = NOW + round(share * 399 * MS), 1000
    before, after = late.sample(t), late.sample(t + h)
    np.testing.assert_allclose(
        (after.position - before.position) / (h / 1e9), before.velocity, atol=1e-3)


@given(data=st.data(), knots=st.integers(2, 6))
def test_positions_and_velocities_are_the_same_motion_as_a_trajectory(data, knots):
    rows = st.lists(finite, min_size=2 * knots, max_size=2 * knots)
    positions = np.array(data.draw(rows)).reshape(knots, 2)
    velocities = np.array(data.draw(rows)).reshape(knots, 2)
    velocities[-1] = 0.0
    gaps = data.draw(st.lists(st.integers(MS, 50 * MS), min_size=knots - 1, max_size=knots - 1))
    times = np.concatenate(([0], np.cumsum(gaps))).astype(np.int64)
    trajectory = Trajectory(NOW, NAMES, times, positions, velocities)
    controller = active()
    assert controller.receive(message_from_trajectory(trajectory), NOW) is Acceptance.ACCEPTED
    for at in range(NOW, trajectory.end_ns, 2 * MS):
        wanted, got = trajectory.at(at), controller.sample(at)
        np.testing.assert_allclose(got.position, wanted.position, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.velocity, wanted.velocity, rtol=0, atol=1e-9)


def test_an_absolute_stamp_is_sampled_in_absolute_time_and_skips_past_points():
    controller = active()
    controller.receive(message(
        point(0, (5, 5), (0, 0)), point(100, (6, 6), (0, 0)), point(200, (7, 7), (0, 0)),
        stamp_ns=NOW - 100 * MS), NOW)
    np.testing.assert_array_equal(controller.sample(NOW).position, (6, 6))


def test_stamp_zero_starts_at_the_first_sample():
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1)), stamp_ns=0), NOW)
    np.testing.assert_array_equal(controller.sample(NOW + 37 * MS).position, (0, 0))
    np.testing.assert_allclose(controller.sample(NOW + 87 * MS).position, (0.5, 0.5))


@pytest.mark.parametrize(('stamp_ns', 'at_ms'), [(0, 100), (NOW + 100 * MS, 0)])
def test_before_the_first_point_it_bridges_from_the_last_setpoint(stamp_ns, at_ms):
    controller = active((1.0, 1.0))
    controller.sample(NOW)
    controller.receive(message(point(at_ms, (3, 3)), stamp_ns=stamp_ns), NOW)
    measured = Setpoint(np.full(2, 9.0), np.zeros(2), None)
    np.testing.assert_array_equal(controller.sample(NOW, measured).position, (1, 1))
    np.testing.assert_allclose(controller.sample(NOW + 50 * MS, measured).position, (2, 2))


def test_or_from_the_measured_state_when_not_interpolating_from_desired():
    controller = active((1.0, 1.0), interpolate_from_desired_state=False)
    controller.sample(NOW)
    controller.receive(message(point(100, (3, 3)), stamp_ns=0), NOW)
    measured = Setpoint(np.full(2, 2.0), np.zeros(2), None)
    np.testing.assert_array_equal(controller.sample(NOW, measured).position, (2, 2))
    np.testing.assert_allclose(controller.sample(NOW + 50 * MS).position, (2.5, 2.5))


def test_after_the_end_it_holds_the_last_point():
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(10, (1, 2))), NOW)
    for late in (10, 11, 10_000):
        setpoint = controller.sample(NOW + late * MS)
        np.testing.assert_array_equal(setpoint.position, (1, 2))
        np.testing.assert_array_equal(setpoint.velocity, (0, 0))


def test_a_timeout_counts_from_the_end_and_then_holds_where_the_robot_is():
    controller = active(cmd_timeout_s=0.5)
    measured = Setpoint(np.full(2, 0.9), np.zeros(2), None)
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    for at_ms in range(0, 601, 2):
        controller.sample(NOW + at_ms * MS, measured)
    np.testing.assert_array_equal(controller.report.position, (1, 1))
    np.testing.assert_array_equal(
        controller.sample(NOW + 602 * MS, measured).position, (0.9, 0.9))


def test_without_a_timeout_nothing_ends_what_is_executed():
    controller = active()
    measured = Setpoint(np.full(2, 0.9), np.zeros(2), None)
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    np.testing.assert_array_equal(
        controller.sample(NOW + 3_600_000 * MS, measured).position, (1, 1))


def test_beyond_the_path_tolerance_it_holds_where_the_robot_is_which_is_a_step():
    controller = active(path_tolerance_rad=0.1)
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    near, far = (Setpoint(np.full(2, q), np.zeros(2), None) for q in (0.11, 0.09))
    np.testing.assert_allclose(controller.sample(NOW + 20 * MS, near).position, (0.2, 0.2))
    np.testing.assert_array_equal(controller.sample(NOW + 22 * MS, far).position, (0.09, 0.09))
    np.testing.assert_array_equal(controller.sample(NOW + 90 * MS, far).position, (0.09, 0.09))


def test_at_the_end_the_path_tolerance_holds_no_more():
    controller = active(path_tolerance_rad=0.1)
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    far = Setpoint(np.zeros(2), np.zeros(2), None)
    np.testing.assert_array_equal(controller.sample(NOW + 100 * MS, far).position, (1, 1))


class TestReports:
    """What the state topic carries."""

    def test_the_reference_at_the_last_sample_and_its_time(self):
        controller = active()
        controller.receive(message(
            point(0, (0, 0), (0, 0)), point(100, (1, 2), (0, 0))), NOW)
        setpoint = controller.sample(NOW + 50 * MS)
        report = controller.report
        assert (report.stamp_ns, report.names) == (NOW + 50 * MS, NAMES)
        np.testing.assert_array_equal(report.position, setpoint.position)
        np.testing.assert_array_equal(report.velocity, setpoint.velocity)

    def test_a_source_without_velocities_is_reported_at_rest(self):
        controller = active()
        controller.receive(message(point(0, (1, 2))), NOW)
        controller.sample(NOW)
        np.testing.assert_array_equal(controller.report.velocity, (0, 0))

    def test_an_inactive_controller_reports_nothing(self):
        controller = TrajectoryController(NAMES)
        assert controller.report is None
        controller.activate(np.zeros(2))
        assert controller.report is not None
        controller.deactivate()
        assert controller.report is None


def test_a_restart_drops_what_was_executed_and_holds_where_the_robot_is():
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    controller.sample(NOW + 50 * MS)
    controller.restart(np.array((0.4, 0.4)))
    assert controller.active
    for at_ms in (52, 200):
        np.testing.assert_array_equal(controller.sample(NOW + at_ms * MS).position, (0.4, 0.4))


@pytest.mark.parametrize('factor', [0.0, 0.5, 1.2])
def test_with_speed_scaling_the_trajectorys_time_passes_by_that_share(factor):
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    controller.sample(NOW)
    controller.speed_scaling = factor
    for at_ms in range(2, 51, 2):
        setpoint = controller.sample(NOW + at_ms * MS)
    np.testing.assert_allclose(setpoint.position, np.full(2, 0.5 * factor), atol=1e-12)
    controller.speed_scaling = 1.0
    np.testing.assert_allclose(
        controller.sample(NOW + 60 * MS).position, np.full(2, 0.5 * factor + 0.1), atol=1e-12)


def test_a_new_trajectory_is_in_time_again_whatever_the_scaling_had_lost():
    controller = active()
    controller.speed_scaling = 0.5
    line = message(point(0, (0, 0)), point(100, (1, 1)))
    controller.receive(line, NOW)
    controller.sample(NOW)
    np.testing.assert_allclose(controller.sample(NOW + 50 * MS).position, (0.25, 0.25))
    controller.receive(line, NOW + 50 * MS)
    np.testing.assert_allclose(controller.sample(NOW + 50 * MS).position, (0.5, 0.5))


def test_the_master_branch_moves_a_stamp_that_has_passed_to_the_first_sample():
    controller = active(allow_trajectory_replacement=True)
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW + 3 * MS)
    np.testing.assert_array_equal(controller.sample(NOW + 4 * MS).position, (0, 0))
    np.testing.assert_allclose(controller.sample(NOW + 54 * MS).position, (0.5, 0.5))


def peak_acceleration(plan_at, **options):
    """
    Return the setpoints' peak acceleration under 50 Hz replans of 1 rad/s.

    Commands take 1 to 5 ms, the controller runs at 500 Hz, the robot lags by 20 ms; the ideal is
    0. ``plan_at`` returns stamp and first time, in ms from when the command is sent.
    """
    begin = -1_000
    controller = active((begin / 1e3 - 0.001,) * 2, **options)
    sent, last, peak = [], None, 0.0
    for at in range(begin, 1_000, 2):
        if at % 20 == 0:
            stamp, first = plan_at
            times = [first, *range(20, 401, 20)] if first < 20 else range(first, 401, 20)
            line = [point(t, ((at + (stamp or 0) + t) / 1e3,) * 2, (1.0, 1.0)) for t in times]
            end = point(600, ((at + (stamp or 0) + 500) / 1e3,) * 2, (0.0, 0.0))
            arrives = at + 1 + (at // 20 * 7) % 5
            sent.append((arrives, message(
                *line, end, stamp_ns=0 if stamp is None else NOW + (at + stamp) * MS)))
        while sent and sent[0][0] <= at:
            assert controller.receive(sent.pop(0)[1], NOW + at * MS) is Acceptance.ACCEPTED
        lagging = Setpoint(np.full(2, (at - 20) / 1e3), np.ones(2), None)
        setpoint = controller.sample(NOW + at * MS, lagging)
        if last is not None and at > begin + 400:
            step = np.abs(setpoint.velocity - last.velocity).max() / 0.002
            jump = np.abs(setpoint.position - last.position).max() / 0.002 - 1.0
            peak = max(peak, step, jump / 0.002)
        last = setpoint
    return peak


class TestPeaks:
    """
    Why commands carry an absolute stamp not after arrival, overlap, and begin at time 0.

    At 1 rad/s everything else peaks at hundreds to thousands of rad/s², where 0 would be right.
    """

    def test_absolute_and_overlapping_adds_nothing(self):
        assert peak_acceleration((0, 0)) < 1e-6

    def test_bridging_from_the_measured_state_is_the_worst(self):
        assert peak_acceleration((None, 20), interpolate_from_desired_state=False) > 2_000

    @pytest.mark.parametrize('plan', [(None, 20), (None, 0), (20, 0)])
    def test_bridging_from_the_last_setpoint_a_stamp_of_zero_and_a_future_one(self, plan):
        assert 100 < peak_acceleration(plan) < 2_000

    def test_the_master_branch_spoils_the_absolute_stamp(self):
        assert peak_acceleration((0, 0), allow_trajectory_replacement=True) > 100


def test_a_new_trajectory_replaces_the_old_one_whole():
    controller = active()
    controller.receive(message(point(0, (0, 0)), point(100, (1, 1))), NOW)
    controller.sample(NOW)
    controller.receive(message(point(0, (4, 4))), NOW)
    np.testing.assert_array_equal(controller.sample(NOW + 50 * MS).position, (4, 4))
