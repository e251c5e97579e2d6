"""The shells that feed the supervisor: the lockstep loop, messages, and the node."""

from __future__ import annotations

from mutations.table import Mutation, mutations

_NODE = 'nodes/test_safety_supervisor.py'

MUTATIONS: tuple[Mutation, ...] = (
    *mutations(
        'runtime/lockstep.py', ('runtime/test_lockstep.py',),
        ('a contact between two ticks',
         'if self.supervisor.on_wrench(sensor, sample, at):', 'self.supervisor.on_wrench(sensor, '
         'sample, at)\n                if False:'),
        ('joint states of the supervisor',
         '            self.supervisor.on_joint_state(sample, at)\n', ''),
        ('an inference that fails',
         '            self.loop.refuse(error.refusal)\n            return', '            raise'),
        ('the latency of an inference', 'self._inference.ready_ns <= now.ros_ns', 'True'),
    ),
    *mutations(
        'runtime/supervisor_inputs.py', ('safety/test_faults.py::TestMessage',),
        ('a proposal too large to be decoded',
         'partial(decode_joint_trajectory, max_points=MAX_POINTS)', 'decode_joint_trajectory'),
        ('a proposal that does not decode',
         "refuse = self._core.refuse_proposal if kind == 'proposal' else self._core.refuse",
         'refuse = self._core.refuse', 'runtime/test_supervisor_inputs.py::'
         'test_proposals_that_do_not_decode_speak_against_the_policy_other_messages_do_not'),
        ('a message that does not decode',
         '            refuse(Refusal(Reason.MESSAGE_MALFORMED, str(error)))\n',
         '            pass\n', 'safety/test_faults.py', 'runtime'),
    ),
    *mutations(
        'nodes/safety_supervisor.py', (_NODE, 'nodes/test_faults.py'),
        ('a command that was held up',
         '            decision = self._supervisor.withdraw(decision, done)\n', ''),
        ('a tick at once', '            self._decide(now)\n\n    def _hand_in',
         '            pass\n\n    def _hand_in', _NODE, 'nodes/test_faults.py'),
        ("somebody else on the controller's topic",
         "        self._take('publishers', names_payload(others))\n", '',
         'nodes/test_other_publishers.py'),
        ('the authority at activation',
         '        self._read_authority()\n        self._ears.begin(self._authority)',
         '        self._ears.begin(self._authority)', 'nodes/test_authority.py'),
        ('an error of its own', '            self.deactivate()\n            self._publish_state',
         '            self._publish_state', _NODE),
        nodes=True,
    ),
)
