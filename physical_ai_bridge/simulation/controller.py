"""
An emulated joint_trajectory_controller, faithful to ros2_control's where it matters here.

What it takes and refuses, how it samples and how it bridges to a first point in the future are
those of the jazzy and kilted releases; what the master branch does otherwise is an option. Like
the original it checks neither NaN nor any joint limit: whatever is upstream has to.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from typing import NamedTuple

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage

# What the original compares end velocities with: the epsilon of a C++ float.
END_VELOCITY_EPSILON = float(np.finfo(np.float32).eps)


class Acceptance(str, Enum):
    """What became of a message. The original tells nobody: a rejection is a line in its log."""

    ACCEPTED = 'accepted'
    INACTIVE = 'dropped: the controller is inactive'
    EMPTY = 'rejected: no points'
    JOINTS = "rejected: the names are not the controller's joints"
    WIDTHS = 'rejected: a point has missing, extra or unsupported fields'
    TIMES = 'rejected: the times do not rise strictly'
    END_VELOCITY = 'rejected: the velocity at the end is not zero'
    ENDED = 'rejected: the end lies in the past'

    def __str__(self) -> str:
        return self.value


class Setpoint(NamedTuple):
    """Desired motion at one instant, (N,) each; None where the source does not say."""

    position: np.ndarray
    velocity: np.ndarray | None
    acceleration: np.ndarray | None


class TrajectoryController:
    """
    The controller: messages in, one setpoint per sample out.

    ``interpolate_from_desired_state`` chooses what a trajectory whose first point lies ahead is
    bridged from: the last setpoint, or the measured state. ``allow_trajectory_replacement``, on in
    the master branch, starts a trajectory whose stamp has passed at the first sample instead.
    ``path_tolerance_rad``, where it is not None, is how far the measured position may be from the
    setpoint while moving; beyond that the measured position is held, which steps.
    ``cmd_timeout_s``, where it is above 0, is how long after its end a trajectory is held; then
    the measured position is. Times are ROS time in ns.

    ``speed_scaling`` is that of the scaled_joint_trajectory_controller: a trajectory's time passes
    by this share of the clock's, from its first sample on. It may be set at any time.
    """

    def __init__(
            self, joint_names: tuple[str, ...], *, interpolate_from_desired_state: bool = True,
            allow_trajectory_replacement: bool = False, path_tolerance_rad: float | None = None,
            cmd_timeout_s: float = 0.0,
    ) -> None:
        self._names = joint_names
        self._from_desired = interpolate_from_desired_state
        self._replaces = allow_trajectory_replacement
        self._path_tolerance = path_tolerance_rad
        self._cmd_timeout_ns = seconds_to_ns(cmd_timeout_s)
        self.speed_scaling = 1.0
        self._active = False
        self._sampled_ns = self._lag_ns = 0
        zero = np.zeros(len(joint_names))
        self._last = Setpoint(zero, zero, zero)
        self._points: list[Setpoint] = []
        self._times: list[int] = []
        self._start_ns: int | None = None
        self._sampled = True
        self._segment = -2
        self._segment_start_ns = 0
        self._coefficients: tuple[np.ndarray, ...] = ()

    @property
    def parameters(self) -> dict[str, bool | list[str]]:
        """How it executes, in the names and values of the original's parameters."""
        return {
            'joints': list(self._names),
            'command_interfaces': ['position'],
            'interpolate_from_desired_state': self._from_desired,
            'allow_trajectory_replacement': self._replaces,
            'allow_nonzero_velocity_at_trajectory_end': False,
        }

    @property
    def active(self) -> bool:
        """Whether messages are taken."""
        return self._active

    def activate(self, position: np.ndarray) -> None:
        """Hold ``position`` (N,), where the robot is, and take messages from here on."""
        self._active = True
        self._hold(position)

    def deactivate(self) -> None:
        """Hold the last setpoint, drop every message, silently, and report nothing."""
        self._active = False
        self._hold(self._last.position)

    def restart(self, position: np.ndarray) -> None:
        """Drop what is executed; hold ``position`` (N,), where the robot is, and go on."""
        self.deactivate()
        self.activate(position)

    @property
    def report(self) -> JointSample | None:
        """The reference at the last sample, as the state topic has it; None while inactive."""
        if not self._active:
            return None
        velocity = self._last.velocity
        return JointSample(
            self._sampled_ns, self._names, self._last.position,
            np.zeros(len(self._names)) if velocity is None else velocity)

    def _hold(self, position: np.ndarray) -> None:
        rest = np.zeros(len(self._names))
        self._last = Setpoint(np.array(position, dtype=np.float64), rest, rest)
        self._points, self._times = [self._last], [0]
        self._start_ns, self._sampled, self._segment, self._holding = 0, True, -2, True

    def receive(self, message: TrajectoryMessage, now_ns: int) -> Acceptance:
        """Take a message, which then replaces all that was being executed, or reject it."""
        verdict = self._judge(message, now_ns)
        if verdict is Acceptance.ACCEPTED:
            self._points = self._local(message)
            self._times = [point.time_from_start_ns for point in message.points]
            self._start_ns = message.stamp_ns or None
            self._sampled, self._segment, self._holding = False, -2, False
        return verdict

    def _judge(self, message: TrajectoryMessage, now_ns: int) -> Acceptance:
        if not self._active:
            return Acceptance.INACTIVE
        points, names = message.points, message.joint_names
        if not points:
            return Acceptance.EMPTY
        # As in the original, a duplicated name passes: only number and membership are looked at.
        if len(names) != len(self._names) or any(name not in self._names for name in names):
            return Acceptance.JOINTS
        if message.stamp_ns and message.stamp_ns + points[-1].time_from_start_ns < now_ns:
            return Acceptance.ENDED
        if any(abs(velocity) > END_VELOCITY_EPSILON for velocity in points[-1].velocities):
            return Acceptance.END_VELOCITY
        width, before = len(names), None
        for point in points:
            if before is not None and point.time_from_start_ns <= before:
                return Acceptance.TIMES
            before = point.time_from_start_ns
            if (len(point.positions) != width or len(point.velocities) not in (0, width)
                    or len(point.accelerations) not in (0, width) or point.effort):
                return Acceptance.WIDTHS
        return Acceptance.ACCEPTED

    def _local(self, message: TrajectoryMessage) -> list[Setpoint]:
        """Return the points in the controller's joint order."""
        order = [self._names.index(name) for name in message.joint_names]

        def sorted_rows(rows: list[tuple[float, ...]]) -> list[np.ndarray | None]:
            if all(rows):
                # A joint that a duplicate name crowded out is 0, as in the original.
                local = np.zeros((len(rows), len(self._names)))
                local[:, order] = rows
                return list(local)
            return [sorted_rows([row])[0] if row else None for row in rows]

        points = message.points
        return [Setpoint(*fields) for fields in zip(
            sorted_rows([point.positions for point in points]),
            sorted_rows([point.velocities for point in points]),
            sorted_rows([point.accelerations for point in points]), strict=True)]

    def sample(self, now_ns: int, measured: Setpoint | None = None) -> Setpoint:
        """
        Return the setpoint at ``now_ns``, which never falls from call to call.

        ``measured`` is the robot's state: what bridging starts from, if so configured, and what
        the path tolerance and the time-out look at.
        """
        if not self._sampled:
            self._begin(now_ns, measured)
        elif self.speed_scaling != 1.0:
            self._lag_ns += round((1.0 - self.speed_scaling) * (now_ns - self._sampled_ns))
        self._sampled_ns = now_ns
        setpoint = self._sample(now_ns - self._lag_ns)
        if measured is not None and not self._holding and self._must_hold(
                setpoint, measured, now_ns - self._lag_ns):
            self._hold(measured.position)
        return self._last

    def _must_hold(self, setpoint: Setpoint, measured: Setpoint, time_ns: int) -> bool:
        """Tell whether tracking is out of tolerance, or the trajectory long over."""
        after_ns = time_ns - (self._start_ns or 0) - self._times[-1]
        if after_ns < 0 and self._path_tolerance is not None:
            off = np.abs(setpoint.position - measured.position)
            return bool((off > self._path_tolerance).any())
        return 0 < self._cmd_timeout_ns < after_ns

    def _sample(self, time_ns: int) -> Setpoint:
        """Return the setpoint at a time of the trajectory."""
        start = self._start_ns or 0
        segment = bisect_right(self._times, time_ns - start) - 1
        if segment == len(self._times) - 1:
            last = self._points[-1]
            rest = np.zeros(len(self._names))
            self._last = Setpoint(
                last.position,
                rest if last.velocity is None else last.velocity,
                rest if last.acceleration is None else last.acceleration)
            return self._last
        if segment != self._segment:
            self._enter(segment, start)
        self._last = _evaluate(
            self._coefficients, (time_ns - self._segment_start_ns) / NS_PER_S)
        return self._last

    def _begin(self, now_ns: int, measured: Setpoint | None) -> None:
        """Fix where and when a new trajectory is bridged from."""
        self._sampled, self._lag_ns = True, 0
        if self._start_ns is None or (self._replaces and self._start_ns < now_ns):
            self._start_ns = now_ns
        before = self._last if self._from_desired or measured is None else measured
        self._before, self._before_ns = before, now_ns

    def _enter(self, segment: int, start_ns: int) -> None:
        """Compute the coefficients of a segment; segment -1 bridges to the first point."""
        if segment < 0:
            begin, begin_ns = self._before, self._before_ns
        else:
            begin, begin_ns = self._points[segment], start_ns + self._times[segment]
        end, end_ns = self._points[segment + 1], start_ns + self._times[segment + 1]
        self._segment, self._segment_start_ns = segment, begin_ns
        self._coefficients = _join(begin, end, (end_ns - begin_ns) / NS_PER_S)


def _join(begin: Setpoint, end: Setpoint, duration_s: float) -> tuple[np.ndarray, ...]:
    """Return coefficients, lowest first: linear, cubic or quintic by what both ends say."""
    q0, q1, h = begin.position, end.position, duration_s
    slope = (q1 - q0) / h
    if begin.velocity is None or end.velocity is None:
        return q0, slope
    v0, v1 = begin.velocity, end.velocity
    if begin.acceleration is None or end.acceleration is None:
        return q0, v0, (3.0 * slope - 2.0 * v0 - v1) / h, (v0 + v1 - 2.0 * slope) / h**2
    a0, a1 = begin.acceleration, end.acceleration
    return (
        q0, v0, 0.5 * a0,
        (20.0 * slope - 8.0 * v1 - 12.0 * v0 - (3.0 * a0 - a1) * h) / (2.0 * h**2),
        (-30.0 * slope + 14.0 * v1 + 16.0 * v0 + (3.0 * a0 - 2.0 * a1) * h) / (2.0 * h**3),
        (12.0 * slope - 6.0 * (v1 + v0) + (a1 - a0) * h) / (2.0 * h**4))


def _evaluate(c: tuple[np.ndarray, ...], tau: float) -> Setpoint:
    if len(c) == 4:
        c0, c1, c2, c3 = c
        c3_tau = tau * c3
        return Setpoint(
            c0 + tau * (c1 + tau * (c2 + c3_tau)),
            c1 + tau * (2.0 * c2 + 3.0 * c3_tau),
            2.0 * c2 + 6.0 * c3_tau)
    if len(c) == 2:
        return Setpoint(c[0] + tau * c[1], c[1], np.zeros_like(c[1]))
    c0, c1, c2, c3, c4, c5 = c
    return Setpoint(
        c0 + tau * (c1 + tau * (c2 + tau * (c3 + tau * (c4 + tau * c5)))),
        c1 + tau * (2.0 * c2 + tau * (3.0 * c3 + tau * (4.0 * c4 + tau * 5.0 * c5))),
        2.0 * c2 + tau * (6.0 * c3 + tau * (12.0 * c4 + tau * 20.0 * c5)))
