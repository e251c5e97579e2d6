"""Candidates: nothing unverified goes out, the brake is part of it, shares of speed hold."""

from __future__ import annotations

from mutations.table import Mutation, mutations

_CANDIDATES, _BRAKING = ('safety/test_candidates.py',), ('safety/test_braking.py',)
_RETIMING = ('safety/test_retiming.py',)

MUTATIONS: tuple[Mutation, ...] = (
    *mutations(
        'safety/candidates.py', _CANDIDATES,
        ('the verification of a step', 'found = trials.check(motion)\n', 'found = None\n'),
        ('the verification of a stop',
         'if self.trials.check(braked, stops=True) is None:', 'if True:'),
        ('the brake behind a step', '            motion = _braked(head, brakes)\n',
         '            motion = head\n'),
        ('the share of the speed limits', 'begin_ns, leave_ns, speed_share,',
         'begin_ns, leave_ns, 1.0,'),
        ('what is too fast comes down',
         '        if not trials.comes_down(head):\n            return None\n', ''),
        ('the instant from which on the motion is another', 'diverges_ns = self.leave_ns\n',
         'diverges_ns = self.leave_ns + 50_000_000\n'),
        ('a tail of the plan before', 'min(before.tail_ns, plan.tail_ns)', 'plan.tail_ns'),
        ('a proposal that does not go on from the plan',
         ' or not _same(motion.at(join), path.at(join)):', ':'),
        ('the position where plan and proposal meet',
         '(np.abs(a.position - b.position) <= _SAME_POSITION).all()', 'True'),
        ('the velocity where plan and proposal meet',
         '(np.abs(a.velocity - b.velocity) <= _SAME_VELOCITY).all()', 'True'),
        ('the way of a command', 'earliest = max(now_ns + self.latency_ns, path.start_ns)',
         'earliest = max(now_ns, path.start_ns)'),
        ('the way of a stop',
         '        leave_ns = motion.snap(now_ns + self.latency_ns)\n        begin_ns',
         '        leave_ns = motion.snap(now_ns)\n        begin_ns'),
        ('a proposal that is used up',
         'return path.end_ns <= now_ns + self.latency_ns + MIN_KNOT_SPACING_NS', 'return False',
         'safety/test_supervisor.py'),
    ),
    *mutations(
        'safety/trials.py', _CANDIDATES,
        ('joint limits', 'return check_cubics(Cubics.of(motion), motion.joint_names, limits,\n'
         '                                resolution_s=self.resolution_s, to_rest=to_rest)',
         'return None'),
        ('the share of the speed limits', '1.0 if stops else self._ceiling)', '1.0)'),
        ('never faster than now', 'self._ceiling = min(use * (1.0 + _MISSED), 1.0)',
         'self._ceiling = 1.0'),
        ('what is too fast comes down', '        if ends <= allowed:\n', '        if True:\n'),
    ),
    *mutations(
        'safety/leads.py', _CANDIDATES,
        ('the velocity limits of a lead', 'wanted.max_velocity = within.velocity.tolist()',
         'wanted.max_velocity = (10.0 * within.velocity).tolist()'),
        ('the acceleration limits of a lead',
         'wanted.max_acceleration = within.acceleration.tolist()',
         'wanted.max_acceleration = (10.0 * within.acceleration).tolist()'),
        ('the jerk limits of a lead', 'wanted.max_jerk = within.jerk.tolist()',
         'wanted.max_jerk = (10.0 * within.jerk).tolist()'),
    ),
    *mutations(
        'safety/retiming.py', _RETIMING,
        ('the excess over the limits', '            if excess <= 1.0:\n',
         '            if True:\n'),
        ('the end of the path', 'if change.used_s <= stretch.length_s:', 'if True:'),
        ('a brake that takes too long', 'if not duration_s <= min(longest_s, _LONGEST_S):',
         'if False:'),
    ),
    *mutations(
        'safety/braking.py', _BRAKING,
        ('ruckig raises', '        phases = None\n    if', '        raise\n    if',
         'safety/test_faults.py::test_ruckig_raising'),
        ('ruckig finds nothing', '        return None\n    return [phases_of',
         '        pass\n    return [phases_of'),
        ('the acceleration limit', 'wanted.max_acceleration = limits.acceleration.tolist()',
         'wanted.max_acceleration = (2.0 * limits.acceleration).tolist()'),
        ('the jerk limit', 'wanted.max_jerk = limits.jerk.tolist()',
         'wanted.max_jerk = (2.0 * limits.jerk).tolist()'),
        ('the acceleration to begin with',
         'wanted.current_acceleration = state.acceleration.tolist()',
         'wanted.current_acceleration = [0.0] * joints'),
        ('the acceleration limit of the closed form', '    if peak > a_max:\n',
         '    if False:\n'),
        ('the end of the closed form', '(rise, hold, peak / j_max)', '(rise, hold, rise)'),
    ),
    *mutations(
        'safety/profiles.py', _BRAKING,
        ('the least distance of knots', 'if end - times[-1] >= MIN_KNOT_SPACING_NS:', 'if True:',
         *_BRAKING, *_CANDIDATES),
        ('the room for merged knots', 'limits.acceleration - merged', 'limits.acceleration',
         *_BRAKING, *_CANDIDATES),
    ),
)
