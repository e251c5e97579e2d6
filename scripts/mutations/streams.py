"""Setpoints and grippers: no step, no motion beside the plan, nothing outside limits."""

from __future__ import annotations

from mutations.table import Mutation, mutations

_STREAM, _GRIPPER = ('runtime/test_setpoint_stream.py',), ('safety/test_gripper.py',)
_TROUBLE = ('safety/test_setpoint_trouble.py',)

MUTATIONS: tuple[Mutation, ...] = (
    *mutations(
        'runtime/setpoint_stream.py', _STREAM,
        ('a pause amid a motion',
         'if self._plans and silent_ns > self._period_ns + self._late_ns:', 'if False:'),
        ('a pause in which nothing was to move', 'if not self._stands():', 'if True:'),
        ('a pause right before a plan',
         '        self.notice_a_pause(now)\n        if self.trouble is not None:\n',
         '        if self.trouble is not None:\n'),
        ('a stream too far behind its plan',
         '                -self._period_ns - self._late_ns <= behind_ns <= self._late_ns):',
         '                True):'),
        ('setpoints too close to each other',
         'max(self._at_ns + self._period_ns, self._not_before_ns) - now.ros_ns',
         'self._at_ns + self._period_ns - now.ros_ns'),
        ('a plan that jumps amid a motion',
         '(np.abs(old.position - new.position).max() > _SAME_POSITION', '(False'),
        ('a plan that jumps from rest',
         'np.abs(begin.position - last).max() > _SAME_POSITION:', 'False:'),
        ('plans amid trouble', '        if self.trouble is not None:\n            return\n', ''),
        ('trouble on the way to rest',
         '        if not self._plans:\n            self.trouble = None',
         '        self.trouble = None'),
        ('the plan that has begun', 'if plan.start_ns <= ros_ns)', 'if True)'),
        ('the end of a plan', 'self._last = self._plans[-1].positions[-1]\n',
         'self._last = plan.at(self._at_ns).position\n')),
    *mutations(
        'safety/supervisor.py', _TROUBLE,
        ('a cause of the stream that is over', '        self._request_stop(refusal)\n', ''),
        ('where the stream has left the robot', 'self._execution.hold(held, now)', 'pass'),
        ('a reset on the way to rest', 'return cause or self._stream_cause', 'return cause')),
    *mutations(
        'safety/gripper.py', _GRIPPER,
        ('a gripper that goes on alone', ' or decision.command is None or not decision.scale:',
         ':'),
        ('the brake of a gripper', '            return self._brake(now)\n',
         '            return None\n'),
        ('a proposal outside its limits', 'if self._is_outside(float(position)):', 'if False:'),
        ('a gripper outside its limits', 'if self._is_outside(self._measured):', 'if False:'),
        ('a silent gripper', 'if silent_ns > seconds_to_ns(silence_s):', 'if False:'),
        ('a gripper that is not heard of', 'if self._seen_at is None or self._measured is None:',
         'if False:'),
        ('its position that is not finite', 'if not np.isfinite(position):', 'if False:'),
        ('its old joint states', 'if abs(age_s) > self._cell', 'if False and self._cell'),
        ('its widths', 'if any(len(row) not in (0, width) for row in rows):', 'if False:',
         f'{_GRIPPER[0]}::test_a_row_for_some_of_the_joints_alone_refuses_the_proposal')),
    *mutations(
        'safety/gripping.py', _GRIPPER,
        ('a refused gripper refuses the arm', '        if isinstance(path, Refusal):\n'
         '            self.refuse_proposal(path)\n            return False\n',
         '        if isinstance(path, Refusal):\n            path = None\n'),
        ('the gripper as a cause to stop', ' or self._gripper.cause(now) or', ' or'),
        ('a withdrawn command of the gripper', '            self._gripper.withdraw()\n',
         '            pass\n')),
)
