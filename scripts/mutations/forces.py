"""Forces and torques: limits, saturation, tare, filter, slow-down band, silence."""

from __future__ import annotations

from mutations.table import Mutation, mutations

_FILE = 'safety/test_force.py'
_LIMITS, _TARE, _FILTER = f'{_FILE}::TestLimits', f'{_FILE}::TestTare', f'{_FILE}::TestFilter'
_SATURATION, _BAND = f'{_FILE}::TestSaturation', f'{_FILE}::TestSlowDownBand'
_CAUSES = 'safety/test_supervisor.py::test_each_cause_stops_the_motion_and_is_named'

MUTATIONS: tuple[Mutation, ...] = (
    *mutations(
        'safety/force.py', (_LIMITS,),
        ('the force limit', 'if not self._force_n <= self._limit.max_force_n:', 'if False:'),
        ('the torque limit', 'if not self._torque_nm <= self._limit.max_torque_nm:', 'if False:'),
        ('a force that is not a number', 'if not self._force_n <= self._limit.max_force_n:',
         'if self._force_n > self._limit.max_force_n:'),
        ('a torque that is not a number', 'if not self._torque_nm <= self._limit.max_torque_nm:',
         'if self._torque_nm > self._limit.max_torque_nm:'),
        ('the norm', 'return hypot(fx, fy, fz), hypot(tx, ty, tz)',
         'return max(abs(fx), abs(fy), abs(fz)), max(abs(tx), abs(ty), abs(tz))'),
        ('a new cause, at once', 'return before is None and self.cause is not None',
         'return False', 'safety/test_supervisor.py'),
        ('saturation', 'self.cause = self._saturated(reading) or self._overload()',
         'self.cause = self._overload()', _SATURATION),
        ('saturation in force', 'if force_n < most.force_n and torque_nm',
         'if torque_nm', _SATURATION),
        ('saturation in torque', ' and torque_nm < most.torque_nm:', ':', _SATURATION),
        ('saturation before the tare is taken off',
         'self._saturated(reading) or', 'self._saturated(reading - self._tare) or', _SATURATION),
        ('a tare too large in force', 'if not (force_n <= limit.force_n and ', 'if not (', _TARE),
        ('a tare too large in torque', ' and torque_nm <= limit.torque_nm)', ')', _TARE),
        ('readings that swing',
         " ('has readings that differ from their mean by', apart)):", '):', _TARE),
        ('the number of readings of a tare', 'len(readings) < TARE_READINGS or ', '', _TARE),
        ('the time that a tare takes', ' or span_ns < seconds_to_ns(TARE_S)', '', _TARE),
        ('the tare is taken off', 'self._filter(reading - self._tare, elapsed_ns)',
         'self._filter(reading, elapsed_ns)', _TARE),
        ('readings from while the robot moved',
         'while self._readings and self._readings[0][0] < steady_ns:', 'while False:', _TARE),
        ('the filter', 'share = -expm1(-elapsed_ns / NS_PER_S / self.delay_s)', 'share = 1.0',
         _FILTER),
        ('the delay of the filter', '1.0 / (2.0 * pi * cutoff_hz)', '1.0 / cutoff_hz', _FILTER),
        ('a gap between readings', 'if not 0 <= elapsed_ns <= self._gap_ns:', 'if False:',
         _FILTER, _TARE),
        ('the slow-down band', 'if slow_down is None or value <= slow_down:', 'if True:', _BAND),
        ('the slow-down band of the force',
         '_share(self._force_n, limit.slow_down_force_n, limit.max_force_n)', '1.0', _BAND),
        ('the slow-down band of the torque',
         '_share(self._torque_nm, limit.slow_down_torque_nm, limit.max_torque_nm)', '1.0', _BAND),
    ),
    *mutations(
        'safety/watch.py', (_LIMITS,),
        ('a wrench that is not finite',
         'if not (np.isfinite(sample.force).all() and np.isfinite(sample.torque).all()):',
         'if False:', _LIMITS, _TARE),
        ('a stale wrench', 'if abs(age_s) > self._cell.sensors.wrenches[sensor].max_age_s:',
         'if -age_s > self._cell.sensors.wrenches[sensor].max_age_s:'),
        ('a wrench from the future',
         'if abs(age_s) > self._cell.sensors.wrenches[sensor].max_age_s:',
         'if age_s > self._cell.sensors.wrenches[sensor].max_age_s:'),
        ('silence of a wrench', 'if _silent(at, now, self._dogs.wrenches_s):', 'if False:',
         _CAUSES),
        ('a force above its limit', 'if gauge.cause is not None:', 'if False:', _CAUSES),
        ('a contact, at once', '        return risen\n', '        return False\n',
         'safety/test_supervisor.py'),
        ('the slowest sensor', 'return min((gauge.speed_share', 'return max((gauge.speed_share',
         _BAND),
        ('waiting for the tare',
         'return self._tare_cause(now) if cause is None and not self._tared else cause',
         'return cause', _TARE),
        ('no tare while the robot moves',
         '        if not self.at_rest(now):\n            self._standing_since = None\n'
         '            return\n', '', _TARE),
        ('no tare while something else is wrong', 'if self._input_cause(now) is None and ', 'if ',
         _TARE),
        ('no tare that is implausible', ' and self._tare_problem() is None:', ':', _TARE),
        ('readings from before the robot stood', 'gauge.forget_before(self._standing_since)',
         'pass', _TARE),
    ),
)
