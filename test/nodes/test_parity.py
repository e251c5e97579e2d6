"""What the nodes decided is what the cores decide, fed with the same messages: bit for bit."""

from __future__ import annotations

from collections import Counter

from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.journaling import observation_payload, proposal_payload
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.cdr import (
    decode_image,
    decode_joint_state,
    decode_joint_trajectory,
    decode_string,
    decode_wrench_stamped,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.runtime.journal import JournalEntry, read_journal
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.replay import replay_supervisor
from physical_ai_bridge.safety.sanitise import MAX_POINTS
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.robots import example_robot
import pytest

pytest.importorskip('mujoco')
JointTrajectory = pytest.importorskip('trajectory_msgs.msg').JointTrajectory

pytestmark = pytest.mark.ros

PROPOSALS = 12


@pytest.fixture(scope='module')
def run(shared_graph, cell_path, bundle_path, tmp_path_factory):
    """Run the three nodes until the policy has proposed a few times; return what is needed."""
    folder = tmp_path_factory.mktemp('run')
    graph = shared_graph
    journals = {name: folder / f'{name}.journal' for name in ('safety_supervisor', 'policy_node')}
    clients = {
        'mujoco_cell': graph.launch('mujoco_cell', cell=cell_path, seed=5),
        'safety_supervisor': graph.launch(
            'safety_supervisor', cell=cell_path, journal=journals['safety_supervisor']),
        'policy_node': graph.launch('policy_node', cell=cell_path, bundle=bundle_path,
                                    journal=journals['policy_node'])}
    states = graph.statuses('/safety_supervisor/state')
    graph.bring_up_all(*clients.values())
    # From here on the proposals arrive: before, discovery may have been under way.
    graph.wait(lambda: any(state.message.startswith('ACTIVE') for state in states.messages))
    proposals = graph.listen(JointTrajectory, '/proposed_trajectory', qos.command(64), raw=True)
    graph.wait(lambda: len(proposals.messages) >= PROPOSALS)
    for name in ('policy_node', 'safety_supervisor', 'mujoco_cell'):
        clients[name].deactivate()
    for client in clients.values():
        client.shutdown()
    return load_cell(cell_path), load_bundle(bundle_path), journals


def fed(entry: JournalEntry, decode, feed, refuse) -> None:
    """Do what a node does with an input."""
    try:
        value = decode(entry.payload)
    except WireError as error:
        refuse(Refusal(Reason.MESSAGE_MALFORMED, str(error)))
    else:
        feed(value, entry.now)


def test_the_supervisor_decides_the_same(run):
    cell, _, journals = run
    seen = Counter()
    for replayed in replay_supervisor(
            Supervisor(cell, example_robot(cell)), cell,
            read_journal(journals['safety_supervisor'])):
        seen[replayed.entry.kind] += 1
        assert replayed.identical, f'{replayed.entry.kind} at {replayed.entry.now}'
    assert seen['proposal'] >= PROPOSALS
    assert min(seen[kind] for kind in ('joint_state', 'wrench/wrist', 'tick')) > 50
    assert min(seen['activate'], seen['deactivate']) == 1


def test_the_policy_observes_and_proposes_the_same(run):
    cell, bundle, journals = run
    policy = OnnxPolicy(bundle, providers=['cpu'])
    core = PolicyLoop(bind(cell, bundle.manifest, bundle_digest=bundle.digest))
    seen, observation, expected = Counter(), None, []
    inputs = {
        'joint_state': (decode_joint_state, core.on_joint_state),
        'command': (lambda data: trajectory_from_message(
            decode_joint_trajectory(data, MAX_POINTS), cell.robot.joints), core.on_command),
        'task': (decode_string, lambda value, now: core.set_task(value))}
    for entry in read_journal(journals['policy_node']):
        seen[entry.kind] += 1
        kind, _, sensor = entry.kind.partition('/')
        if expected:
            assert (entry.kind, entry.payload) == ('refresh', expected.pop())
        elif kind == 'activate':
            core.reset()
        elif kind == 'observe':
            observation = core.observe(entry.now)
            assert observation_payload(observation) == entry.payload, f'at {entry.now}'
        elif kind == 'propose':
            outcome = core.propose(observation, policy.infer(observation.inputs), entry.now)
            assert proposal_payload(outcome) == entry.payload, f'at {entry.now}'
        elif kind == 'settle':
            assert proposal_payload(core.settle(entry.now)) == entry.payload
        elif kind == 'wrench':
            core.on_wrench(sensor, decode_wrench_stamped(entry.payload), entry.now)
            refreshed = core.refresh(entry.now)
            expected += [] if refreshed is None else [proposal_payload(refreshed)]
        elif kind == 'image':
            core.on_image(sensor, decode_image(entry.payload), entry.now)
        else:
            fed(entry, *inputs[kind], core.refuse)
    assert seen['propose'] >= PROPOSALS
    assert min(seen['image/scene'], seen['image/wrist']) > PROPOSALS
    assert seen['settle'] == 1
