"""The policy's node: it proposes when it sees everything, and says what it lacks when not."""

from __future__ import annotations

from collections import Counter
import time

import numpy as np
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle import ActionSpec, Shaping
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.wire import ImageWire, JointStateWire, WrenchWire
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.cdr import (
    decode_joint_trajectory,
    encode_joint_trajectory,
)
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.runtime.journal import read_journal
from physical_ai_bridge.runtime.policy_inputs import PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import replay_policy
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.models import write_constant_bundle
from physical_ai_bridge.testing.robots import example_urdf
import pytest

geometry_msgs = pytest.importorskip('geometry_msgs.msg')
lifecycle_msgs = pytest.importorskip('lifecycle_msgs.msg')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_msgs = pytest.importorskip('std_msgs.msg')
trajectory_msgs = pytest.importorskip('trajectory_msgs.msg')

pytestmark = pytest.mark.ros

HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
PERIOD_S = 0.02


class FakeCell:
    """Sensors in the test's own process. ``silent`` names those that say nothing."""

    def __init__(self, graph, cell_path) -> None:
        self.cell = cell = load_cell(cell_path)
        self.names = cell.robot.joints
        self.proposals: list[Trajectory] = []
        self.rest()
        node, sensors = graph.node, cell.sensors
        self._joints = node.create_publisher(
            sensor_msgs.JointState, sensors.joint_states.topic, qos.sensor_stream())
        self._wrench = node.create_publisher(
            geometry_msgs.WrenchStamped, sensors.wrenches['wrist'].topic, qos.sensor_stream())
        self._images = {
            name: (node.create_publisher(sensor_msgs.Image, camera.topic, qos.newest_frame()),
                   ImageWire(camera.frame_id)) for name, camera in sensors.cameras.items()}
        self.task = node.create_publisher(std_msgs.String, '/policy_node/task', qos.latched())
        self.commands = node.create_publisher(
            trajectory_msgs.JointTrajectory, cell.controller.topic, qos.command())
        node.create_subscription(
            trajectory_msgs.JointTrajectory, '/proposed_trajectory', self._on_proposal,
            qos.command(), raw=True)
        self._wrench_wire = WrenchWire('tool0')
        node.create_timer(PERIOD_S, self._beat)

    def rest(self) -> None:
        """Let every sensor work."""
        self.silent: set[str] = set()
        self.joint_names, self.position = self.names, HOME
        self.encoding, self.channels = 'rgb8', 3
        self.proposals.clear()

    def _on_proposal(self, data: bytes) -> None:
        self.proposals.append(trajectory_from_message(
            decode_joint_trajectory(data, 10_000), self.names))

    def _beat(self) -> None:
        now_ns = time.time_ns()
        if 'joints' not in self.silent:
            self._joints.publish(JointStateWire(self.joint_names).encode(
                JointSample(now_ns, self.joint_names, self.position, np.zeros(6))))
        if 'wrist_wrench' not in self.silent:
            self._wrench.publish(self._wrench_wire.encode(
                WrenchSample(now_ns, np.zeros(3), np.zeros(3))))
        for name, (publisher, wire) in self._images.items():
            if name not in self.silent:
                camera = self.cell.sensors.cameras[name]
                step = camera.width * self.channels
                publisher.publish(wire.encode(ImageSample(
                    now_ns, self.encoding, camera.height, camera.width, step,
                    bytes(step * camera.height))))


class Proposing:
    """A policy's process with a fake cell."""

    def __init__(self, graph, cell_path, bundle_path, **parameters) -> None:
        self.graph = graph
        self.cell = FakeCell(graph, cell_path)
        self.client = graph.start(
            'policy_node', cell=cell_path, bundle=bundle_path, **parameters)
        self.client.configure()

    def reported(self, reason: str) -> str:
        """Wait until /diagnostics counts a refusal, and return what it last said of one."""
        values = self.graph.wait_for_diagnostics(
            'policy_node', lambda values, message: f'refused.{reason}' in values)
        return f'{values["message"]}; {values["last_refusal"]}'


@pytest.fixture(scope='module')
def running(shared_graph, cell_path, bundle_path):
    return Proposing(shared_graph, cell_path, bundle_path)


@pytest.fixture
def policy(running):
    running.cell.rest()
    yield running
    if running.client.state() == lifecycle_msgs.State.PRIMARY_STATE_ACTIVE:
        running.client.deactivate()


def test_it_proposes_what_the_model_says_from_where_the_robot_is(policy):
    cell = policy.cell
    policy.client.activate()
    policy.graph.wait(lambda: len(cell.proposals) > 3)
    proposal = cell.proposals[-1]
    assert proposal.joint_names == cell.names
    np.testing.assert_allclose(proposal.positions[0], HOME, atol=1e-6)
    assert HOME[0] < proposal.positions[-1, 0] < HOME[0] + 0.06
    np.testing.assert_allclose(proposal.positions[-1, 1:], HOME[1:], atol=1e-3)
    values = policy.graph.wait_for_diagnostics(
        'policy_node', lambda values, message: message == 'proposing')
    assert values['provider'] == 'cpu'
    assert len(values['bundle_digest']) == 64
    assert float(values['inference_p50_ms']) > 0.0


def test_it_goes_on_from_what_the_supervisor_sent(policy):
    cell = policy.cell
    policy.client.activate()
    policy.graph.wait(lambda: cell.proposals)
    sent = HOME + 0.1

    def sent_and_taken_up() -> bool:
        cell.commands.publish(encode_joint_trajectory(Trajectory(
            time.time_ns(), cell.names, np.array([0, 10**9]), np.tile(sent, (2, 1)),
            np.zeros((2, 6)))))
        return bool(np.allclose(cell.proposals[-1].positions[0], sent, atol=1e-6))
    policy.graph.wait(sent_and_taken_up)


def test_deactivated_it_says_one_last_word_that_ends_at_rest(policy):
    cell = policy.cell
    policy.client.activate()
    policy.graph.wait(lambda: cell.proposals)
    cell.commands.publish(encode_joint_trajectory(Trajectory(
        time.time_ns(), cell.names, np.array([0, 10**9]), np.tile(HOME, (2, 1)),
        np.zeros((2, 6)))))
    policy.graph.wait_for_diagnostics(
        'policy_node', lambda values, message: values['command.age_s'] != '')
    policy.client.deactivate()
    policy.graph.wait(lambda: not cell.proposals[-1].velocities[-1].any())


@pytest.mark.parametrize('camera', ['scene', 'wrist'])
def test_a_camera_whose_frames_do_not_arrive_is_reported(policy, camera):
    policy.cell.silent.add(camera)
    policy.client.activate()
    said = policy.reported('IMAGE_STARVED')
    assert f'camera {camera}' in said
    assert 'Fast DDS' in said
    assert policy.cell.proposals == []


@pytest.mark.parametrize(('sensor', 'reason'), [
    ('joints', 'JOINTS_MISSING'), ('wrist_wrench', 'WRENCH_MISSING')])
def test_a_sensor_that_says_nothing_is_reported(policy, sensor, reason):
    policy.cell.silent.add(sensor)
    policy.client.activate()
    assert reason in policy.reported(reason)
    assert policy.cell.proposals == []


def test_a_renamed_joint_is_reported(policy):
    policy.cell.joint_names = ('another_joint', *policy.cell.names[1:])
    policy.client.activate()
    assert 'shoulder_pan_joint' in policy.reported('JOINTS_MISSING')
    assert policy.cell.proposals == []


def test_a_joint_that_is_not_a_number_is_reported(policy):
    policy.cell.position = np.array([np.nan, *HOME[1:]])
    policy.client.activate()
    assert 'shoulder_pan_joint' in policy.reported('JOINTS_MALFORMED')
    assert policy.cell.proposals == []


def test_a_four_channel_image_where_the_cell_has_three_is_reported(policy):
    policy.cell.encoding, policy.cell.channels = 'rgba8', 4
    policy.client.activate()
    assert 'rgba8' in policy.reported('IMAGE_MALFORMED')
    assert policy.cell.proposals == []


def test_a_task_that_the_bundle_does_not_know_is_reported(policy):
    policy.client.activate()
    policy.graph.wait(policy.cell.task.get_subscription_count)
    policy.cell.task.publish(std_msgs.String(data='make coffee'))
    assert 'make coffee' in policy.reported('TASK_UNKNOWN')


class TestTasksAndTcpDeltas:
    """One policy whose actions are steps of the tcp, up or down as it is told."""

    @pytest.fixture
    def bundle(self, tmp_path):
        action = ActionSpec(
            kind='tcp_deltas', horizon=16, period_s=0.05, offset_s=0.05, relative_to='previous',
            translation_frame='base', rotation_frame='base')
        manifest = example_manifest(
            action=action, shaping=Shaping(lookahead_s=0.14), tasks=('go up', 'go down'))
        rows = np.zeros((2, 16, 6))
        rows[0, :, 2], rows[1, :, 2] = 0.002, -0.002
        return write_constant_bundle(tmp_path / 'tcp', manifest, rows)

    def test_the_instruction_in_force_is_what_is_proposed_and_a_replay_proposes_the_same(
            self, graph, cell_path, bundle, tmp_path):
        journal = tmp_path / 'policy.journal'
        policy = Proposing(graph, cell_path, bundle.folder, journal=journal)
        cell, client = policy.cell, policy.client
        binding = bind(cell.cell, bundle.manifest, bundle_digest=bundle.digest)
        kinematics = kinematics_for(binding, example_urdf)

        def goes(way: float) -> bool:
            if not cell.proposals:
                return False
            first, last = (kinematics.pose(cell.proposals[-1].positions[at]).translation
                           for at in (0, -1))
            aside, up = np.linalg.norm((last - first)[:2]), (last - first)[2]
            # 0.04 m/s for as long as the chunk lasts from when it can act.
            return bool(0.01 < way * up < 0.032 and aside < 1e-3)
        # Told before the node is active: it is latched.
        cell.task.publish(std_msgs.String(data='go up'))
        client.activate()
        graph.wait(lambda: goes(1.0), 'a proposal upwards')
        graph.wait_for_diagnostics(
            'policy_node', lambda values, message: values['task'] == 'go up')
        cell.task.publish(std_msgs.String(data='make coffee'))
        assert "'make coffee' is not among the bundle's: 'go up', 'go down'" in policy.reported(
            'TASK_UNKNOWN')
        graph.wait_for_diagnostics(
            'policy_node', lambda values, message: values['task'] == ''
            and message.startswith('TASK_UNKNOWN'))
        cell.task.publish(std_msgs.String(data='go down'))
        graph.wait(lambda: goes(-1.0), 'a proposal downwards')
        client.deactivate()
        client.shutdown()
        self.assert_replayed(journal, binding, kinematics, bundle)

    @staticmethod
    def assert_replayed(journal, binding, kinematics, bundle):
        loop = PolicyLoop(binding, kinematics)
        told = Counter(entry.kind for entry in read_journal(journal))
        for replayed in replay_policy(
                loop, PolicyInputs(loop, binding), OnnxPolicy(bundle, providers=['cpu']).infer,
                read_journal(journal)):
            assert replayed.identical, f'{replayed.kind} at {replayed.now}'
        assert told['propose'] > 2
        assert told['task'] == 3


def test_a_camera_that_nobody_publishes_is_reported(graph, cell_path, bundle_path):
    graph.bring_up_all(graph.launch('policy_node', cell=cell_path, bundle=bundle_path))
    values = graph.wait_for_diagnostics(
        'policy_node', lambda values, message: 'refused.IMAGE_MISSING' in values)
    assert 'nobody publishes /' in values['message']
