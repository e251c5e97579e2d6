"""What the nodes decided is what the cores decide, fed with the same messages: bit for bit."""

from __future__ import annotations

from collections import Counter

from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.journal import read_journal
from physical_ai_bridge.runtime.policy_inputs import PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import replay_policy
from physical_ai_bridge.runtime.replay import replay_supervisor
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
    binding = bind(cell, bundle.manifest, bundle_digest=bundle.digest)
    loop = PolicyLoop(binding)
    told = Counter(entry.kind for entry in read_journal(journals['policy_node']))
    seen = Counter()
    for replayed in replay_policy(
            loop, PolicyInputs(loop, binding), OnnxPolicy(bundle, providers=['cpu']).infer,
            read_journal(journals['policy_node'])):
        seen[replayed.kind] += 1
        assert replayed.identical, f'{replayed.kind} at {replayed.now}'
    assert seen['propose'] >= PROPOSALS
    assert min(told['image/scene'], told['image/wrist']) > PROPOSALS
    assert seen['settle'] == 1
