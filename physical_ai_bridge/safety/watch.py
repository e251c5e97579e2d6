"""What the supervisor knows of the cell's state, and what of it is a cause to stop."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.safety.force import WrenchGauge
from physical_ai_bridge.safety.plausibility import JointPlausibility

# At rest: no joint has moved further than this over this long.
REST_RAD = 0.003
REST_S = 0.1
# A measured position may lie this far outside its limits: encoders are noisy at hard stops.
_POSITION_TOLERANCE_RAD = 0.01


class Watch:
    """
    Takes the cell's inputs and tells, at any instant, what speaks against moving.

    Ages count on the steady clock, from when a message came, so that a driver that re-stamps old
    data, or a clock that steps, cannot keep a watchdog quiet. ``measured`` is the newest joint
    position (N,) in the cell's order, ``measured_stamp_ns`` its stamp.

    Sensors that ask for a tare are tared all at once, at rest, as soon as nothing else speaks
    against moving. That is a cause to stay INACTIVE until then, and never again.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._limits = limit_arrays(cell)
        self._dogs = cell.safety.watchdogs
        self.measured: np.ndarray | None = None
        self.measured_stamp_ns = 0
        self.refusals: Counter[Reason] = Counter()
        self.last_refusal: Refusal | None = None
        self._joints_at: int | None = None
        # Of the joint states that come, mostly the same ones: their names, and where ours stand.
        self._names: tuple[str, ...] | None = None
        self._columns: list[int] = []
        self._plausibility = JointPlausibility(cell)
        self._trail: deque[tuple[int, np.ndarray]] = deque()
        self._wrench_at: dict[str, int] = {}
        self._gauges = {name: WrenchGauge(name, limit, self._dogs.wrenches_s)
                        for name, limit in cell.safety.force_limits.items()}
        self._tared = all(gauge.tared for gauge in self._gauges.values())
        self._standing_since: int | None = None
        self._pressed = True
        self._heartbeat_at: int | None = None

    def refuse(self, refusal: Refusal) -> None:
        """Count an input that was not used."""
        self.refusals[refusal.reason] += 1
        self.last_refusal = refusal

    def joint_state(self, sample: JointSample, now: Instant) -> None:
        """Take a joint state, or refuse it as a whole."""
        names = self._cell.robot.joints
        if sample.names != self._names and not self._find_columns(sample.names):
            return
        if len(sample.position) != len(sample.names):
            self.refuse(Refusal(Reason.JOINTS_MALFORMED,
                                f'the joint state has {len(sample.position)} positions for '
                                f'{len(sample.names)} names'))
            return
        position = np.asarray(sample.position, dtype=np.float64)[self._columns]
        if not np.isfinite(position).all():
            bad = names[int(np.argmin(np.isfinite(position)))]
            self.refuse(Refusal(Reason.JOINTS_MALFORMED, f'the position of {bad} is not finite'))
            return
        age_s = (now.ros_ns - sample.stamp_ns) / NS_PER_S
        if abs(age_s) > self._cell.sensors.joint_states.max_age_s:
            reason = Reason.JOINTS_STALE if age_s > 0.0 else Reason.FROM_THE_FUTURE
            self.refuse(Refusal(reason, f'the joint state is {age_s:.3f} s old'))
            return
        implausible = self._plausibility.take(position, sample.stamp_ns)
        if implausible is not None:
            self.refuse(implausible)
            return
        self.measured, self.measured_stamp_ns = position, sample.stamp_ns
        self._joints_at = now.steady_ns
        self._trail.append((now.steady_ns, position))
        while len(self._trail) > 1 and self._trail[1][0] <= now.steady_ns - seconds_to_ns(REST_S):
            self._trail.popleft()

    def _find_columns(self, names: tuple[str, ...]) -> bool:
        """Work out where the cell's joints stand in ``names``; False where one does not."""
        joints = self._cell.robot.joints
        column = {name: i for i, name in enumerate(names)}
        missing = [name for name in joints if name not in column]
        if len(missing) == len(joints) and names:
            return False  # another device's, a gripper's say, on the same topic
        if missing:
            self.refuse(Refusal(Reason.JOINTS_MISSING,
                                f'the joint state lacks {", ".join(missing)}; it has '
                                f'{", ".join(names) or "no names"}'))
            return False
        self._names, self._columns = names, [column[name] for name in joints]
        return True

    def wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> bool:
        """Take a wrench; True where it has just reached its limit or its sensor's saturation."""
        if not (np.isfinite(sample.force).all() and np.isfinite(sample.torque).all()):
            self.refuse(Refusal(Reason.WRENCH_MALFORMED, f'the wrench of {sensor} is not finite'))
            return False
        age_s = (now.ros_ns - sample.stamp_ns) / NS_PER_S
        if abs(age_s) > self._cell.sensors.wrenches[sensor].max_age_s:
            reason = Reason.WRENCH_STALE if age_s > 0.0 else Reason.FROM_THE_FUTURE
            self.refuse(Refusal(reason, f'the wrench of {sensor} is {age_s:.3f} s old'))
            return False
        self._wrench_at[sensor] = now.steady_ns
        risen = self._gauges[sensor].take(sample, now)
        if not self._tared:
            self._try_to_tare(now)
        return risen

    def emergency_stop(self, pressed: bool, now: Instant) -> bool:
        """Take a heartbeat; True where it says something new."""
        changed = pressed != self._pressed or self._heartbeat_at is None
        self._pressed, self._heartbeat_at = pressed, now.steady_ns
        return changed

    @property
    def reaction_delay_s(self) -> float:
        """The longest delay of the wrench sensors' filters; a part of the reaction time."""
        return max((gauge.delay_s for gauge in self._gauges.values()), default=0.0)

    @property
    def speed_share(self) -> float:
        """The share of the speed limits that forces and torques leave, above 0 to 1."""
        return min((gauge.speed_share for gauge in self._gauges.values()), default=1.0)

    @property
    def slow_down(self) -> Refusal | None:
        """Which sensor makes ``speed_share`` less than 1, and by how much; None where it is 1."""
        gauges = self._gauges.values()
        return min(gauges, key=lambda gauge: gauge.speed_share).slow_down if gauges else None

    def blind(self, now: Instant) -> bool:
        """Tell whether joint states have stopped coming."""
        return _silent(self._joints_at, now, self._dogs.joint_states_s)

    def at_rest(self, now: Instant) -> bool:
        """Tell whether the joint states show a robot that stands still, and go on coming."""
        if self._joints_at is None or not self._trail:
            return False
        oldest_at, oldest = self._trail[0]
        if now.steady_ns - oldest_at < seconds_to_ns(REST_S):
            return False
        # The newest first: a robot that moves is seen to at once.
        return all(float(np.abs(position - oldest).max()) <= REST_RAD
                   for _, position in reversed(self._trail))

    def frozen(self, commanded: np.ndarray, now: Instant) -> Refusal | None:
        """Take where the robot is sent now (N,); return a joint that does not move at all."""
        return self._plausibility.frozen(commanded, now)

    def causes(self, now: Instant) -> Refusal | None:
        """Return the first cause to stop, or not to start, that the inputs show, or None."""
        cause = self._input_cause(now)
        return self._tare_cause(now) if cause is None and not self._tared else cause

    def _try_to_tare(self, now: Instant) -> None:
        """Tare every sensor, if each of them can be tared now and nothing else is wrong."""
        if not self.at_rest(now):
            self._standing_since = None
            return
        if self._standing_since is None:
            self._standing_since = now.steady_ns - seconds_to_ns(REST_S)
        for gauge in self._gauges.values():
            gauge.forget_before(self._standing_since)
        if self._input_cause(now) is None and self._tare_problem() is None:
            for gauge in self._gauges.values():
                gauge.take_tare()
            self._tared = True

    def _tare_problem(self) -> Refusal | None:
        problems = (gauge.tare_problem() for gauge in self._gauges.values())
        return next((problem for problem in problems if problem is not None), None)

    def _tare_cause(self, now: Instant) -> Refusal:
        if not self.at_rest(now):
            return Refusal(Reason.NOT_AT_REST, 'waiting until the robot stands still, to tare')
        return self._tare_problem() or Refusal(Reason.TARING, 'waiting for the next reading')

    def _input_cause(self, now: Instant) -> Refusal | None:
        stop = self._cell.safety.emergency_stop
        if self._heartbeat_at is not None and self._pressed:
            return Refusal(Reason.EMERGENCY_STOP, f'{stop.topic} says that it is pressed')
        if _silent(self._heartbeat_at, now, stop.timeout_s):
            return Refusal(Reason.EMERGENCY_STOP_SILENT,
                           _silence(stop.topic, self._heartbeat_at, now))
        for gauge in self._gauges.values():
            if gauge.cause is not None:
                return gauge.cause
        if self.blind(now):
            return Refusal(Reason.JOINTS_SILENT, self._with_last_refusal(
                _silence(self._cell.sensors.joint_states.topic, self._joints_at, now)))
        for name, sensor in self._cell.sensors.wrenches.items():
            at = self._wrench_at.get(name)
            if _silent(at, now, self._dogs.wrenches_s):
                return Refusal(Reason.WRENCH_SILENT, self._with_last_refusal(
                    _silence(sensor.topic, at, now)))
        return self._outside_limits()

    def _outside_limits(self) -> Refusal | None:
        if self.measured is None:
            return None
        low = self._limits.position_min - _POSITION_TOLERANCE_RAD
        high = self._limits.position_max + _POSITION_TOLERANCE_RAD
        outside = (self.measured < low) | (self.measured > high)
        if not outside.any():
            return None
        joint = int(np.argmax(outside))
        return Refusal(Reason.OUTSIDE_LIMITS,
                       f'{self._cell.robot.joints[joint]} stands at '
                       f'{self.measured[joint]:.4f} rad')

    def _with_last_refusal(self, text: str) -> str:
        return f'{text}; last refused: {self.last_refusal}' if self.last_refusal else text


def _silent(at: int | None, now: Instant, period_s: float) -> bool:
    return at is None or now.steady_ns - at > seconds_to_ns(period_s)


def _silence(topic: str, at: int | None, now: Instant) -> str:
    if at is None:
        return f'nothing good has come on {topic} yet'
    return f'nothing good on {topic} for {(now.steady_ns - at) / NS_PER_S:.3f} s'
