"""Forces and torques against their limits: saturation, tare, filter, slow-down band, stop."""

from __future__ import annotations

from collections import deque
from math import expm1, hypot, pi

import numpy as np
from physical_ai_bridge.contract.cell import ForceLimit
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import WrenchSample

# A tare is the mean of the readings over this long, and of so many at least.
TARE_S = 0.1
TARE_READINGS = 10
# The share of the speed limits at the upper end of the slow-down band, where the robot stops.
SLOWEST_SHARE = 0.1


class WrenchGauge:
    """
    One force-torque sensor, seen through its limits.

    Each reading, in this order: one at the sensor's saturation is a fault, whatever the tare and
    the filter make of it; the tare is taken off; the low-pass smooths it; the norms of what is
    left are compared with the limits and the slow-down bands. While the tare is missing nothing
    is compared: the robot is not taken over before it is there. A tare includes the tool's weight
    as it hangs then, so a driver that takes the weight off leaves more of the limits in use.

    The low-pass is of first order and exact for readings that hold since the one before, by their
    stamps: after dt it has gone 1 - exp(-dt / delay_s) of the way to the new reading, so 63 % of a
    step within ``delay_s``. A step from 0 to F, above the limit L, is seen after
    delay_s · ln(F / (F - L)), and by the next reading at the latest: the harder, the sooner. One
    reading that stands alone is seen from L / (1 - exp(-dt / delay_s)) on, or at saturation. Where
    stamps stand still, go back or leave a gap, the limits see the reading as it is.

    Nothing here commands a motion. A robot that was stopped by a contact stays in contact, at
    rest, until somebody moves it: which way is out is not something that a norm can tell.
    """

    def __init__(self, sensor: str, limit: ForceLimit, gap_s: float) -> None:
        """``gap_s``, between stamps, is from where on the filter and the tare start anew."""
        self._sensor = sensor
        self._limit = limit
        self._gap_ns = seconds_to_ns(gap_s)
        self._tare: np.ndarray | None = np.zeros(6) if limit.tare is None else None
        self._readings: deque[tuple[int, np.ndarray]] = deque()
        self._stamp_ns: int | None = None
        self._filtered: np.ndarray | None = None
        self._force_n = self._torque_nm = 0.0
        self.cause: Refusal | None = None

    @property
    def delay_s(self) -> float:
        """The time constant of the filter, which adds to the reaction time; 0 without one."""
        cutoff_hz = self._limit.cutoff_hz
        return 0.0 if cutoff_hz is None else 1.0 / (2.0 * pi * cutoff_hz)

    @property
    def tared(self) -> bool:
        """Whether there is a tare, or none is asked for."""
        return self._tare is not None

    @property
    def speed_share(self) -> float:
        """The share of the speed limits that holds, ``SLOWEST_SHARE`` to 1."""
        limit = self._limit
        return min(
            _share(self._force_n, limit.slow_down_force_n, limit.max_force_n),
            _share(self._torque_nm, limit.slow_down_torque_nm, limit.max_torque_nm))

    @property
    def slow_down(self) -> Refusal | None:
        """Why ``speed_share`` is below 1; None where it is not."""
        share = self.speed_share
        if share == 1.0:
            return None
        return Refusal(
            Reason.FORCE_SLOW_DOWN,
            f'{self._sensor} measures {self._force_n:.1f} N and {self._torque_nm:.2f} N·m: '
            f'{share:.0%} of the speed limits')

    def take(self, sample: WrenchSample, now: Instant) -> bool:
        """Take a finite reading; True where ``cause`` has just become one."""
        before = self.cause
        reading = np.concatenate((sample.force, sample.torque))
        elapsed_ns = 0 if self._stamp_ns is None else sample.stamp_ns - self._stamp_ns
        self._stamp_ns = sample.stamp_ns
        if not 0 <= elapsed_ns <= self._gap_ns:
            self._readings.clear()
            elapsed_ns = 0
        if self._tare is None:
            self._gather(reading, now)
        else:
            self._filter(reading - self._tare, elapsed_ns)
        self.cause = self._saturated(reading) or self._overload()
        return before is None and self.cause is not None

    def forget_before(self, steady_ns: int) -> None:
        """Keep readings from before an instant, when the robot still moved, out of the tare."""
        while self._readings and self._readings[0][0] < steady_ns:
            self._readings.popleft()

    def tare_problem(self) -> Refusal | None:
        """Return what speaks against a tare from the newest readings, or None."""
        limit, readings = self._limit.tare, self._readings
        if self._tare is not None or limit is None:
            return None
        span_ns = readings[-1][0] - readings[0][0] if readings else 0
        if len(readings) < TARE_READINGS or span_ns < seconds_to_ns(TARE_S):
            return Refusal(
                Reason.TARING, f'{self._sensor} is being tared: {len(readings)} readings over '
                f'{span_ns / NS_PER_S:.3f} s of {TARE_READINGS} over {TARE_S:g} s at least')
        mean, apart = self._mean_and_spread()
        for what, (force_n, torque_nm) in (
                ('reads', _norms(mean)), ('has readings that differ from their mean by', apart)):
            if not (force_n <= limit.force_n and torque_nm <= limit.torque_nm):
                return Refusal(
                    Reason.TARE_IMPLAUSIBLE,
                    f'{self._sensor} {what} {force_n:.1f} N and {torque_nm:.2f} N·m at rest; '
                    f'{limit.force_n:g} N and {limit.torque_nm:g} N·m are plausible without '
                    'contact: free the tool, or zero the sensor')
        return None

    def take_tare(self) -> None:
        """Take the readings' mean as the tare, where one is asked for and not there yet."""
        if self._tare is None:
            self._tare, _ = self._mean_and_spread()
            self._readings.clear()

    def _gather(self, reading: np.ndarray, now: Instant) -> None:
        readings = self._readings
        readings.append((now.steady_ns, reading))
        begin_ns = now.steady_ns - seconds_to_ns(TARE_S)
        while len(readings) > TARE_READINGS and readings[1][0] <= begin_ns:
            readings.popleft()

    def _mean_and_spread(self) -> tuple[np.ndarray, tuple[float, float]]:
        """Return the readings' mean (6,), and how far force and torque lie from it at most."""
        readings = np.array([reading for _, reading in self._readings])
        mean = readings.mean(axis=0)
        apart = (readings - mean).reshape(-1, 2, 3)
        farthest_n, farthest_nm = np.sqrt((apart ** 2).sum(axis=2)).max(axis=0).tolist()
        return mean, (farthest_n, farthest_nm)

    def _filter(self, reading: np.ndarray, elapsed_ns: int) -> None:
        if self._filtered is None or elapsed_ns == 0 or self._limit.cutoff_hz is None:
            self._filtered = reading
        else:
            share = -expm1(-elapsed_ns / NS_PER_S / self.delay_s)
            self._filtered = (1.0 - share) * self._filtered + share * reading
        self._force_n, self._torque_nm = _norms(self._filtered)

    def _saturated(self, reading: np.ndarray) -> Refusal | None:
        most = self._limit.saturation
        if most is None:
            return None
        # The norm is no less than any component: one axis at its end is enough.
        force_n, torque_nm = _norms(reading)
        if force_n < most.force_n and torque_nm < most.torque_nm:
            return None
        return Refusal(
            Reason.WRENCH_SATURATED,
            f'{self._sensor} reads {force_n:.1f} N and {torque_nm:.2f} N·m; '
            f'it can measure {most.force_n:g} N and {most.torque_nm:g} N·m at most')

    def _overload(self) -> Refusal | None:
        # Written so that what is not a number is above every limit.
        if not self._force_n <= self._limit.max_force_n:
            return Refusal(Reason.FORCE_LIMIT, f'{self._sensor} measures {self._force_n:.1f} N, '
                           f'its limit is {self._limit.max_force_n:g} N')
        if not self._torque_nm <= self._limit.max_torque_nm:
            return Refusal(Reason.FORCE_LIMIT, f'{self._sensor} measures {self._torque_nm:.2f} '
                           f'N·m, its limit is {self._limit.max_torque_nm:g} N·m')
        return None


def _norms(wrench: np.ndarray) -> tuple[float, float]:
    """Return the norms of force and torque of a wrench (6,)."""
    fx, fy, fz, tx, ty, tz = wrench.tolist()
    return hypot(fx, fy, fz), hypot(tx, ty, tz)


def _share(value: float, slow_down: float | None, limit: float) -> float:
    """Return 1 up to ``slow_down``, from there in a straight line to the slowest at ``limit``."""
    if slow_down is None or value <= slow_down:
        return 1.0
    into = (value - slow_down) / (limit - slow_down)
    return max(SLOWEST_SHARE, 1.0 - (1.0 - SLOWEST_SHARE) * into)
