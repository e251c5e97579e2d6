"""What the supervisor knows of the cell's state, and what of it is a cause to stop."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, WrenchSample

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
        self._trail: deque[tuple[int, np.ndarray]] = deque()
        self._wrench_at: dict[str, int] = {}
        self._overload: dict[str, str] = {}
        self._pressed = True
        self._heartbeat_at: int | None = None

    def refuse(self, refusal: Refusal) -> None:
        """Count an input that was not used."""
        self.refusals[refusal.reason] += 1
        self.last_refusal = refusal

    def joint_state(self, sample: JointSample, now: Instant) -> None:
        """Take a joint state, or refuse it as a whole."""
        names = self._cell.robot.joints
        column = {name: i for i, name in enumerate(sample.names)}
        missing = [name for name in names if name not in column]
        if len(missing) == len(names) and sample.names:
            return  # another device's, a gripper's say, on the same topic
        if missing:
            self.refuse(Refusal(Reason.JOINTS_MISSING,
                                f'the joint state lacks {", ".join(missing)}; it has '
                                f'{", ".join(sample.names) or "no names"}'))
            return
        if len(sample.position) != len(sample.names):
            self.refuse(Refusal(Reason.JOINTS_MALFORMED,
                                f'the joint state has {len(sample.position)} positions for '
                                f'{len(sample.names)} names'))
            return
        position = np.asarray(sample.position, dtype=np.float64)[[column[n] for n in names]]
        if not np.isfinite(position).all():
            bad = names[int(np.argmin(np.isfinite(position)))]
            self.refuse(Refusal(Reason.JOINTS_MALFORMED, f'the position of {bad} is not finite'))
            return
        age_s = (now.ros_ns - sample.stamp_ns) / NS_PER_S
        if abs(age_s) > self._cell.sensors.joint_states.max_age_s:
            reason = Reason.JOINTS_STALE if age_s > 0.0 else Reason.FROM_THE_FUTURE
            self.refuse(Refusal(reason, f'the joint state is {age_s:.3f} s old'))
            return
        self.measured, self.measured_stamp_ns = position, sample.stamp_ns
        self._joints_at = now.steady_ns
        self._trail.append((now.steady_ns, position))
        while len(self._trail) > 1 and self._trail[1][0] <= now.steady_ns - seconds_to_ns(REST_S):
            self._trail.popleft()

    def wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> bool:
        """Take a wrench; True where it has just gone above its limit."""
        limit = self._cell.safety.force_limits[sensor]
        force = float(np.linalg.norm(sample.force))
        torque = float(np.linalg.norm(sample.torque))
        if not (np.isfinite(force) and np.isfinite(torque)):
            self.refuse(Refusal(Reason.WRENCH_MALFORMED, f'the wrench of {sensor} is not finite'))
            return False
        age_s = (now.ros_ns - sample.stamp_ns) / NS_PER_S
        if abs(age_s) > self._cell.sensors.wrenches[sensor].max_age_s:
            reason = Reason.WRENCH_STALE if age_s > 0.0 else Reason.FROM_THE_FUTURE
            self.refuse(Refusal(reason, f'the wrench of {sensor} is {age_s:.3f} s old'))
            return False
        self._wrench_at[sensor] = now.steady_ns
        known = sensor in self._overload
        if force > limit.max_force_n:
            self._overload[sensor] = (f'{sensor} measures {force:.1f} N, '
                                      f'its limit is {limit.max_force_n:g} N')
        elif torque > limit.max_torque_nm:
            self._overload[sensor] = (f'{sensor} measures {torque:.2f} N·m, '
                                      f'its limit is {limit.max_torque_nm:g} N·m')
        else:
            self._overload.pop(sensor, None)
        return sensor in self._overload and not known

    def emergency_stop(self, pressed: bool, now: Instant) -> bool:
        """Take a heartbeat; True where it says something new."""
        changed = pressed != self._pressed or self._heartbeat_at is None
        self._pressed, self._heartbeat_at = pressed, now.steady_ns
        return changed

    def at_rest(self, now: Instant) -> bool:
        """Tell whether the joint states show a robot that stands still, and go on coming."""
        if self._joints_at is None or not self._trail:
            return False
        oldest_at, oldest = self._trail[0]
        span = now.steady_ns - oldest_at
        moved = max(float(np.abs(position - oldest).max()) for _, position in self._trail)
        return span >= seconds_to_ns(REST_S) and moved <= REST_RAD

    def causes(self, now: Instant) -> Refusal | None:
        """Return the first cause to stop that the inputs show, or None."""
        stop = self._cell.safety.emergency_stop
        if self._heartbeat_at is not None and self._pressed:
            return Refusal(Reason.EMERGENCY_STOP, f'{stop.topic} says that it is pressed')
        if _silent(self._heartbeat_at, now, stop.timeout_s):
            return Refusal(Reason.EMERGENCY_STOP_SILENT,
                           _silence(stop.topic, self._heartbeat_at, now))
        for detail in self._overload.values():
            return Refusal(Reason.FORCE_LIMIT, detail)
        if _silent(self._joints_at, now, self._dogs.joint_states_s):
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
