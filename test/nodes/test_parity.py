"""What the nodes decided is what the cores decide, fed with the same messages: bit for bit."""

from __future__ import annotations

from collections import Counter
import signal

from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.evaluation.offline.parity import ParityCheck
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.cdr import decode_uint8_multi_array
from physical_ai_bridge.runtime.journal import read_journal
from physical_ai_bridge.runtime.policy_inputs import PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import replay_policy
from physical_ai_bridge.runtime.replay import replay_supervisor
from physical_ai_bridge.runtime.traces import OUTCOMES, read_batch
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.robots import example_robot
import pytest

pytest.importorskip('mujoco')
JointTrajectory = pytest.importorskip('trajectory_msgs.msg').JointTrajectory
UInt8MultiArray = pytest.importorskip('std_msgs.msg').UInt8MultiArray

pytestmark = pytest.mark.ros

# Enough for a recorder that has lost something at the beginning to be of use again.
PROPOSALS = 40
PATIENCE_S = 60.0


@pytest.fixture(scope='module')
def run(shared_graph, cell_path, bundle_path, tmp_path_factory):
    """Record the three nodes until the policy has proposed often; return what is needed."""
    folder = tmp_path_factory.mktemp('run')
    graph = shared_graph
    journals = {name: folder / f'{name}.journal' for name in ('safety_supervisor', 'policy_node')}
    graph.run('record', '-m', 'physical_ai_bridge.cli', 'record', '--cell', str(cell_path),
              '--out', str(folder / 'bag'))
    clients = {
        'mujoco_cell': graph.launch('mujoco_cell', cell=cell_path, seed=5),
        'safety_supervisor': graph.launch(
            'safety_supervisor', cell=cell_path, journal=journals['safety_supervisor']),
        'policy_node': graph.launch('policy_node', cell=cell_path, bundle=bundle_path,
                                    journal=journals['policy_node'])}
    states = graph.statuses('/safety_supervisor/state')
    for client in clients.values():
        client.wait_until_present(PATIENCE_S)
        client.configure(PATIENCE_S)
    graph.wait(lambda: all(graph.node.count_subscribers(trace)
                           for trace in (SUPERVISOR_TRACE, POLICY_TRACE)), 'the recorder')
    for client in clients.values():
        client.activate(PATIENCE_S)
    # From here on the proposals arrive: before, discovery may have been under way.
    graph.wait(lambda: any(state.message.startswith('ACTIVE') for state in states.messages))
    proposals = graph.listen(JointTrajectory, '/proposed_trajectory', qos.command(64), raw=True)
    traces = [graph.listen(UInt8MultiArray, trace, qos.command(64), raw=True)
              for trace in (SUPERVISOR_TRACE, POLICY_TRACE)]
    # By the second activation the recorder hears everybody, it may be hoped.
    clients['policy_node'].deactivate()
    clients['policy_node'].activate()
    graph.wait(lambda: len(proposals.messages) >= PROPOSALS)
    for name in ('policy_node', 'safety_supervisor', 'mujoco_cell'):
        clients[name].deactivate()
    # What the recorder has of the end, it has before what comes after it.
    for trace, kind in zip(traces, ('deactivate', 'settle'), strict=True):
        graph.wait(lambda trace=trace, kind=kind: kind in kinds_of(trace.messages), kind)
    for client in clients.values():
        client.shutdown()
    assert graph.signal('record', signal.SIGINT) == 0
    return load_cell(cell_path), load_bundle(bundle_path), journals, folder / 'bag'


def kinds_of(messages) -> set[str]:
    """Return the kinds of entries that traces hold."""
    return {entry.kind for message in messages
            for entry in read_batch(decode_uint8_multi_array(message)).entries}


def test_the_supervisor_decides_the_same(run):
    cell, _, journals, _ = run
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
    cell, bundle, journals, _ = run
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
    assert seen['settle'] == 2


def parity_of(run, cell_path, messages):
    """Return what a ParityCheck makes of messages."""
    cell, bundle, _, _ = run
    check = ParityCheck(
        cell, cell_digest(cell_path), example_robot(cell),
        binding=bind(cell, bundle.manifest, bundle_digest=bundle.digest),
        infer=OnnxPolicy(bundle, providers=['cpu']).infer)
    for message in messages:
        if message.topic in check.topics:
            check.on_message(message)
    return check.finish()


@pytest.fixture(scope='module')
def recorded(run):
    """Return the messages of the bag."""
    with Recording(run[3]) as recording:
        return list(recording.messages())


def test_a_bag_alone_is_enough_to_decide_the_same(run, cell_path, recorded):
    parity = parity_of(run, cell_path, recorded)
    for node in (parity.supervisor, parity.policy):
        assert node.first_difference is None
        assert node.holds
    # A recorder on a machine that is busy loses messages: what it lost is a gap.
    assert parity.supervisor.compared['tick'] > 50, parity.supervisor
    assert parity.policy.compared['observe'] > 1, parity.policy
    assert parity.policy.compared['propose'] > 1, parity.policy
    for node, journal in zip((parity.supervisor, parity.policy), run[2].values(), strict=True):
        told = Counter(entry.kind for entry in read_journal(journal))
        assert sum(node.compared.values()) + node.uncompared <= sum(
            told[kind] for kind in OUTCOMES)


def test_messages_that_the_recorder_lost_are_gaps_and_no_difference(run, cell_path, recorded):
    whole = parity_of(run, cell_path, recorded)
    topic = run[0].sensors.wrenches['wrist'].topic
    wrenches = [at for at, message in enumerate(recorded) if message.topic == topic]
    lost = set(wrenches[len(wrenches) // 3::100])
    parity = parity_of(run, cell_path, [
        message for at, message in enumerate(recorded) if at not in lost])
    for node, before in ((parity.supervisor, whole.supervisor), (parity.policy, whole.policy)):
        assert node.first_difference is None
        assert node.uncompared > before.uncompared
    assert any("kind 'wrench/wrist'" in gap for gap in parity.supervisor.gaps)
    assert parity.supervisor.holds
