"""Setpoints from verified plans: when each goes out, and what becomes of those that are late."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.setpoint_stream import SetpointStream, SetpointTrouble
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

_MS = 1_000_000
# An arm that is told to turn about: its acceleration and jerk limits are reached.
GOALS = (1.0, -0.5)


def streaming(rate_hz: float, latency_s: float = 0.02) -> Cell:
    cell = example_cell()
    return replace(cell, controller=replace(
        cell.controller, interface='position_stream', rate_hz=rate_hz, latency_s=latency_s,
        topic='/forward_position_controller/commands', joints=cell.robot.joints))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recorded:
    """The commands of a supervised motion, and when each was decided."""

    cell: Cell
    stamps_ns: list[int]
    commands: list[Trajectory]

    @property
    def end_ns(self) -> int:
        return self.commands[-1].end_ns


@pytest.fixture(scope='module', params=[100.0, 500.0])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    cell = streaming(request.param)
    robot = SupervisedRobot(cell)
    robot.make_ready()
    for goal in GOALS:
        robot.move_to(np.full(6, goal), 40)
    robot.apply(robot.supervisor.deactivate(robot.clock.now))
    found = [(each.now.ros_ns, each.command) for each in robot.decisions
             if each.command is not None]
    return Recorded(cell, [stamp for stamp, _ in found], [command for _, command in found])


@dataclass(slots=True, eq=False)
class Played:
    """What a stream has sent: steady times (M,) in s and setpoints (M, N), and its trouble."""

    at_s: np.ndarray
    setpoints: np.ndarray
    trouble: SetpointTrouble | None


def play(recorded: Recorded, calls_ns: list[int], ros_steps: dict[int, int] | None = None,
         ) -> Played:
    """
    Play what was recorded, the stream called ``calls_ns`` after the one before, then every period.

    ``ros_steps`` has by how much ROS time jumps before a call. Commands come when they were
    decided, on ROS time; those that fall into a pause come right after it, as in a process that
    was paused.
    """
    cell = recorded.cell
    stream = SetpointStream(cell.controller)
    begin_ns = recorded.stamps_ns[0]
    period_ns = round(NS_PER_S / cell.controller.rate_hz)
    steady_ns, offset_ns, handed, sent = 0, 0, 0, []
    calls = iter(calls_ns)
    for index in range(100_000):
        steady_ns += next(calls, period_ns // 2)
        offset_ns += (ros_steps or {}).get(index, 0)
        now = Instant(begin_ns + steady_ns + offset_ns, steady_ns)
        setpoint = stream.next(now)
        if setpoint is not None:
            sent.append((steady_ns / NS_PER_S, setpoint))
        due = bisect_right(recorded.stamps_ns, begin_ns + steady_ns)
        while handed < due:
            # A stale one would have been withdrawn.
            if now.ros_ns - recorded.stamps_ns[handed] <= seconds_to_ns(0.01):
                stream.play(recorded.commands[handed], now)
            handed += 1
        if handed == len(recorded.commands) and stream.resting:
            break
    return Played(np.array([at for at, _ in sent]), np.array([q for _, q in sent]),
                  stream.trouble)


def shares(recorded: Recorded, setpoints: np.ndarray) -> list[float]:
    """Return the share of velocity, acceleration and jerk limits in differences a period apart."""
    limits, rate_hz = limit_arrays(recorded.cell), recorded.cell.controller.rate_hz
    padded = np.concatenate(
        (np.repeat(setpoints[:1], 3, axis=0), setpoints, np.repeat(setpoints[-1:], 3, axis=0)))
    return [float((np.abs(np.diff(padded, n, axis=0)) * rate_hz**n / limit).max())
            for n, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk))]


def test_setpoints_are_the_plan_at_every_period_and_end_at_rest(recorded: Recorded) -> None:
    played = play(recorded, [])
    assert played.trouble is None
    assert len(played.setpoints) > 80
    assert np.array_equal(played.setpoints[-1], recorded.commands[-1].positions[-1])
    velocity, acceleration, jerk = shares(recorded, played.setpoints)
    assert 0.3 < velocity <= 1.0 + 1e-9
    assert acceleration <= 1.0 + 1e-9
    assert jerk <= 1.0 + 1e-6


# Times between calls, in periods: often enough, or up to some that are two periods late.
jitter = st.sampled_from([0.99, 3.0]).flatmap(
    lambda most: st.lists(st.floats(0.02, most), min_size=20, max_size=150))


def calls_of(recorded: Recorded, gaps: list[float]) -> list[int]:
    return [round(gap * NS_PER_S / recorded.cell.controller.rate_hz) for gap in gaps]


@settings(max_examples=10, deadline=None)
@given(jitter)
def test_whenever_setpoints_go_out_their_differences_are_within_the_limits(
        recorded: Recorded, gaps: list[float]) -> None:
    played = play(recorded, calls_of(recorded, gaps))
    for share in shares(recorded, played.setpoints):
        assert share <= 1.0 + 1e-6
    if max(gaps) < 1.0:
        assert played.trouble is None


@settings(max_examples=10, deadline=None)
@given(jitter, st.integers(0, 150), st.sampled_from([5, 15, 60, 900]))
def test_in_no_time_do_setpoints_come_further_than_stated(
        recorded: Recorded, gaps: list[float], at: int, pause_ms: int) -> None:
    calls = calls_of(recorded, gaps)
    calls.insert(min(at, len(calls)), pause_ms * _MS)
    played = play(recorded, calls)
    velocity = limit_arrays(recorded.cell).velocity
    period_s = 1.0 / recorded.cell.controller.rate_hz
    # Of three, the last comes more than a period after the first.
    assert (played.at_s[2:] - played.at_s[:-2] > period_s).all()
    for span in (1, 2, 5, 20):
        if span < len(played.at_s):
            moved = np.abs(played.setpoints[span:] - played.setpoints[:-span])
            lasted = (played.at_s[span:] - played.at_s[:-span])[:, None]
            assert (moved <= 1.05 * velocity * (lasted + 0.9 * period_s) + 1e-9).all()


@pytest.mark.parametrize('pause_s', [0.1, 1.0, 10.0])
def test_after_a_pause_the_stream_stays_where_the_robot_stands(
        recorded: Recorded, pause_s: float) -> None:
    before = round(0.6 * NS_PER_S)
    half = round(0.5 * NS_PER_S / recorded.cell.controller.rate_hz)
    played = play(recorded, [half] * (before // half) + [seconds_to_ns(pause_s)])
    assert played.trouble is not None
    assert 'paused' in played.trouble.detail
    assert np.array_equal(played.trouble.held, played.setpoints[-1])
    assert played.at_s[-1] <= before / NS_PER_S


@settings(max_examples=10, deadline=None)
@given(st.integers(100, 250), st.sampled_from([-3600.0, -1.0, -0.1, 0.05, 0.5, 3600.0]))
def test_where_ros_time_jumps_the_plan_is_played_to_its_end_at_rest(
        recorded: Recorded, at: int, step_s: float) -> None:
    played = play(recorded, [], {at: seconds_to_ns(step_s)})
    velocity, acceleration, jerk = shares(recorded, played.setpoints)
    assert velocity <= 1.0 + 1e-9
    assert acceleration <= 1.0 + 1e-9
    assert jerk <= 1.0 + 1e-6
    if played.trouble is not None:
        assert np.array_equal(played.trouble.held, played.setpoints[-1])
        assert math.isclose(np.abs(played.setpoints[-1] - played.setpoints[-2]).max(), 0.0,
                            abs_tol=1e-3)


def turn(start_ns: int, joints: tuple[str, ...], begin_rad: float = 0.0) -> Trajectory:
    """Return a motion of a second that turns each joint by 0.1 rad, from rest to rest."""
    positions = np.tile([[begin_rad], [begin_rad + 0.1]], (1, len(joints)))
    return Trajectory(start_ns, joints, np.array([0, NS_PER_S]), positions,
                      np.zeros_like(positions))


def begun(at_s: float) -> tuple[SetpointStream, Instant, Trajectory]:
    """Return a stream that has played ``turn`` for so long, the instant, and the motion."""
    cell = streaming(100.0)
    stream, now = SetpointStream(cell.controller), Instant(NS_PER_S, 0)
    plan = turn(now.ros_ns, cell.robot.joints)
    stream.play(plan, now)
    for _ in range(round(at_s * 100.0)):
        assert stream.next(now) is not None
        now = now.later(10 * _MS)
    return stream, now, plan


def test_a_plan_that_does_not_go_on_from_the_one_being_played_is_not_played() -> None:
    stream, now, plan = begun(0.4)
    stream.play(replace(plan, positions=plan.positions + 1e-6), now)
    assert stream.trouble is not None
    assert stream.trouble.held is None
    while not stream.resting:
        setpoint = stream.next(now)
        now = now.later(10 * _MS)
    assert np.array_equal(setpoint, plan.positions[-1])
    assert np.array_equal(stream.trouble.held, plan.positions[-1])


def test_amid_trouble_no_plan_is_taken_until_it_is_cleared_at_rest() -> None:
    stream, now, plan = begun(0.4)
    now = now.later(NS_PER_S)
    assert stream.next(now) is None
    held = stream.trouble.held
    onwards = turn(now.ros_ns, plan.joint_names, float(held[0]))
    stream.play(onwards, now)
    assert stream.resting
    stream.clear_trouble()
    stream.play(onwards, now)
    assert np.array_equal(stream.next(now), held)


def test_a_plan_that_comes_right_after_a_pause_is_not_played_either() -> None:
    stream, now, plan = begun(0.4)
    now = now.later(NS_PER_S // 2)
    stream.play(plan.cut(now.ros_ns, plan.end_ns), now)
    assert stream.resting
    assert 'paused' in stream.trouble.detail
    assert stream.next(now.later(_MS)) is None


def test_trouble_on_the_way_to_rest_is_not_cleared() -> None:
    stream, now, _ = begun(0.4)
    stream.next(Instant(now.ros_ns + NS_PER_S, now.steady_ns))
    stream.clear_trouble()
    assert stream.trouble is not None


def test_a_plan_that_would_jump_from_where_the_stream_rests_is_trouble() -> None:
    stream, now, plan = begun(1.01)
    assert stream.resting
    assert stream.trouble is None
    stream.play(turn(now.ros_ns, plan.joint_names, 0.101), now)
    assert stream.next(now) is None
    assert np.array_equal(stream.trouble.held, plan.positions[-1])


def test_a_pause_in_which_nothing_was_to_move_is_no_trouble() -> None:
    cell = streaming(100.0)
    stream, now = SetpointStream(cell.controller), Instant(NS_PER_S, 0)
    stream.play(Trajectory(now.ros_ns, cell.robot.joints, np.array([0, NS_PER_S]),
                           np.ones((2, 6)), np.zeros((2, 6))), now)
    assert stream.next(now) is not None
    assert stream.next(now.later(10 * NS_PER_S)) is None
    assert stream.trouble is None
    assert stream.resting


def test_trouble_is_the_same_after_its_way_through_a_journal() -> None:
    for held in (None, np.array([0.1, -1.0 / 3.0])):
        read = SetpointTrouble.of_payload(SetpointTrouble('too late', held).payload())
        assert read.detail == 'too late'
        assert np.array_equal(read.held, held) if held is not None else read.held is None
