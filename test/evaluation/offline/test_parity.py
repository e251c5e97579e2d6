"""A bag with traces is decided again: what is the same, what is not, and what cannot be said."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
import random

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.bundle import ContactGuard, ObservationSpec, Shaping, WrenchInput
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.evaluation.offline.parity import ParityCheck
from physical_ai_bridge.runtime.cdr import decode_uint8_multi_array, encode_uint8_multi_array
from physical_ai_bridge.runtime.traces import read_batch
from physical_ai_bridge.testing.contracts import example_binding, example_cell, example_manifest
from physical_ai_bridge.testing.policies import GoalPolicy
from physical_ai_bridge.testing.recorded import bool_bytes, RecordedRobot
from physical_ai_bridge.testing.robots import example_robot, EXAMPLE_START
from physical_ai_bridge.testing.traced import DIGEST, TracedPolicy, TracingRecorder
import pytest

CELL = example_cell()
ROBOT = example_robot(CELL)
BINDING = example_binding(CELL, example_manifest(
    observation=ObservationSpec(
        reference=True, wrenches={'wrist': WrenchInput(history=8, rate_hz=50.0)}),
    shaping=Shaping(contact_guard=ContactGuard(sensor='wrist', force_n=20.0))))
GOAL = np.full(6, 0.3)
SENSORS = CELL.sensors
TRACES = (SUPERVISOR_TRACE, POLICY_TRACE)


def infer(inputs):
    """Return a chunk that depends on all that is observed."""
    told = sum(float(np.sum(array)) for array in inputs.values())
    return GoalPolicy(BINDING.manifest, GOAL + 1e-3 * np.tanh(told)).infer(inputs)


@pytest.fixture(scope='module')
def supervised():
    """Return the bag of a supervisor that moved, was stopped, reset, and moved again."""
    messages = []
    robot = RecordedRobot(CELL, recorder=TracingRecorder(CELL, messages))
    robot.position = EXAMPLE_START.copy()
    robot.make_ready()
    robot.move_to(EXAMPLE_START + 0.2, 150)
    robot.supervisor.stop(robot.clock.now)
    robot.tick(60)
    robot.supervisor.reset(robot.clock.now)
    robot.tick(2)
    robot.move_to(EXAMPLE_START, 150)
    robot.apply(robot.supervisor.deactivate(robot.clock.now))
    return messages


@pytest.fixture(scope='module')
def proposed():
    """Return the bag of a policy that met a force, and was activated twice."""
    messages = []
    policy = TracedPolicy(BINDING, infer, messages)
    policy.activate()
    policy.run(2.0)
    policy.force_n = 30.0
    policy.run(1.0)
    policy.force_n = 0.0
    policy.run(2.0)
    policy.deactivate()
    policy.run(0.5)
    policy.activate()
    policy.run(1.0)
    policy.deactivate()
    return messages


def parity_of(messages, *, cell_digest=DIGEST, binding=BINDING, infer=infer, provider=None):
    """Return what a ParityCheck makes of a bag."""
    check = ParityCheck(CELL, cell_digest, ROBOT, binding=binding, infer=infer, provider=provider)
    for message in messages:
        check.on_message(message)
    return check.finish()


def outcomes_in(messages):
    """Return how many outcomes of each kind the traces of a bag have."""
    return Counter(entry.kind for message in messages if message.topic in TRACES
                   for entry in read_batch(decode_uint8_multi_array(message.data)).entries
                   if entry.form == 2)


def without(messages, topic, number):
    """Return a bag in which one message of a topic is missing."""
    at = [index for index, message in enumerate(messages) if message.topic == topic][number]
    return messages[:at] + messages[at + 1:]


def altered(messages, topic, number, change):
    """Return a bag in which the bytes of a trace's batch are changed."""
    at = [index for index, message in enumerate(messages) if message.topic == topic][number]
    data = change(decode_uint8_multi_array(messages[at].data))
    return [*messages[:at], messages[at]._replace(data=encode_uint8_multi_array(data)),
            *messages[at + 1:]]


def at_s(messages, message):
    """Return when a message was recorded."""
    return (message.stamp_ns - messages[0].stamp_ns) / NS_PER_S


def test_every_decision_of_the_supervisor_is_the_same(supervised):
    node = parity_of(supervised).supervisor
    assert node.holds
    assert node.compared == outcomes_in(supervised)
    assert node.compared['tick'] > 350
    assert (node.uncompared, node.gaps, node.first_difference) == (0, (), None)


def test_every_outcome_of_the_policy_is_the_same(proposed):
    node = parity_of(proposed).policy
    assert node.holds
    assert node.compared == outcomes_in(proposed)
    assert min(node.compared[kind] for kind in ('observe', 'propose', 'refresh')) > 40
    assert node.compared['settle'] == 2
    assert (node.uncompared, node.gaps, node.first_difference) == (0, (), None)


def test_a_bag_without_a_trace_says_so(supervised):
    parity = parity_of([each for each in supervised if each.topic not in TRACES])
    for node, trace in ((parity.supervisor, SUPERVISOR_TRACE), (parity.policy, POLICY_TRACE)):
        assert not node.holds
        assert f'the bag has nothing on {trace}' in node.gaps[0]


def test_without_a_bundle_the_policy_is_left_out(proposed):
    node = parity_of(proposed, binding=None).policy
    assert not node.holds
    assert 'no bundle was given' in node.gaps[0]


@pytest.mark.parametrize('topic', [
    SENSORS.joint_states.topic, SENSORS.wrenches['wrist'].topic, '/proposed_trajectory',
    SUPERVISOR_TRACE])
def test_what_the_supervisor_took_and_the_bag_lacks_is_a_gap_until_the_next_snapshot(
        supervised, topic):
    lost = without(supervised, topic, 5)
    node = parity_of(lost).supervisor
    assert node.holds
    assert node.first_difference is None
    (gap,) = node.gaps
    assert ('a part of the trace' in gap) if topic in TRACES else ('a message of kind' in gap)
    # Snapshots are a second apart; and a batch has the outcomes of 0.2 s.
    lacking = sum(outcomes_in(supervised).values()) - sum(node.compared.values())
    assert 0 < lacking < 145
    assert node.uncompared <= lacking


@pytest.mark.parametrize('topic', [
    SENSORS.joint_states.topic, SENSORS.wrenches['wrist'].topic,
    CELL.controller.topic, POLICY_TRACE])
def test_what_the_policy_took_and_the_bag_lacks_is_a_gap_until_it_has_settled(proposed, topic):
    node = parity_of(without(proposed, topic, 2)).policy
    assert node.holds
    assert node.first_difference is None
    assert len(node.gaps) == 1
    assert node.compared['settle'] == 2
    lacking = outcomes_in(proposed)['propose'] - node.compared['propose']
    assert 0 < lacking < outcomes_in(proposed)['propose'] // 2


def test_a_policy_that_is_activated_anew_has_settled(proposed):
    settle = next(
        at_s(proposed, each) for each in proposed if each.topic == POLICY_TRACE and any(
            entry.kind == 'settle' for entry in read_batch(
                decode_uint8_multi_array(each.data)).entries))
    wrenches = [each for each in proposed if each.topic == SENSORS.wrenches['wrist'].topic
                and at_s(proposed, each) < settle]
    node = parity_of([each for each in proposed if each is not wrenches[-20]]).policy
    assert node.holds
    assert len(node.gaps) == 1
    # Those of 0.2 s are lacking, and of 0.5 s in between: the loop settles in more than a second.
    assert node.compared['propose'] >= outcomes_in(proposed)['propose'] - 10


def test_a_trace_that_pauses_while_nobody_listens_is_picked_up():
    messages = []
    recorder = TracingRecorder(CELL, messages)
    robot = RecordedRobot(CELL, recorder=recorder)
    robot.make_ready()
    robot.tick(130)
    recorder.restart(robot.clock.now)
    robot.tick(200)
    node = parity_of(messages).supervisor
    assert node.holds
    (gap,) = node.gaps
    assert 'the trace began anew' in gap


@pytest.mark.parametrize('begin', [0.05, 0.9, 1.6])
def test_a_bag_that_begins_in_the_middle_is_picked_up(supervised, proposed, begin):
    parity = parity_of([each for each in supervised if at_s(supervised, each) > begin])
    assert parity.supervisor.holds
    assert 'what came before is not in the bag' in parity.supervisor.gaps[0]
    parity = parity_of([each for each in proposed if at_s(proposed, each) > begin])
    assert parity.policy.holds
    assert len(parity.policy.gaps) == 1


def test_a_sensor_that_says_nothing_any_more_leaves_a_gap():
    messages = []
    policy = TracedPolicy(BINDING, infer, messages)
    policy.activate()
    policy.run(1.0)
    policy.silent = True
    policy.run(3.0)
    policy.deactivate()
    assert parity_of(messages).policy.holds
    # When the sensor spoke last, which observations are refused for, is not in the bag.
    node = parity_of([each for each in messages if at_s(messages, each) > 1.5]).policy
    assert node.compared == {'settle': 1}
    assert node.first_difference is None


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.sampled_from((1, 3, 20, 100)))
def test_whatever_is_lost_there_is_no_difference(supervised, proposed, draw, losses):
    for bag in (supervised, proposed):
        lost = set(draw.sample(range(len(bag)), losses))
        # Traces are a hundredth of the messages, and would hardly ever be among the lost.
        traces = [index for index, each in enumerate(bag) if each.topic in TRACES]
        lost |= set(draw.sample(traces, draw.choice((0, 1, 3))))
        parity = parity_of([each for index, each in enumerate(bag) if index not in lost])
        assert parity.supervisor.first_difference is None
        assert parity.policy.first_difference is None


def test_a_message_that_was_recorded_behind_its_trace_is_found(supervised):
    late = random.Random(1)
    shuffled = sorted(supervised, key=lambda each: each.stamp_ns + (
        late.choice((0, 0, 300_000_000)) if each.topic == SENSORS.wrenches['wrist'].topic else 0))
    stamps = sorted(each.stamp_ns for each in supervised)
    node = parity_of([each._replace(stamp_ns=stamp)
                      for each, stamp in zip(shuffled, stamps, strict=True)]).supervisor
    assert node.holds
    assert node.gaps == ()


def test_a_trace_that_comes_late_is_followed_all_the_same(supervised):
    late = 2_500_000_000
    begin = supervised[0].stamp_ns
    bag = sorted((each._replace(stamp_ns=each.stamp_ns + (
        late if each.topic == SUPERVISOR_TRACE and each.stamp_ns - begin > NS_PER_S else 0))
        for each in supervised), key=lambda each: each.stamp_ns)
    node = parity_of(bag).supervisor
    assert node.holds
    assert node.gaps == ()
    lost = [each for each in bag if each.topic == SENSORS.joint_states.topic][200]
    node = parity_of([each for each in bag if each is not lost]).supervisor
    # When it was, not when the trace came.
    assert float(node.gaps[0].split()[0]) == pytest.approx(at_s(bag, lost), abs=0.02)


def test_a_decision_that_was_tampered_with_is_found_and_named(supervised):
    number = 7
    batch = [each for each in supervised if each.topic == SUPERVISOR_TRACE][number]
    entries = read_batch(decode_uint8_multi_array(batch.data)).entries
    entry = [each for each in entries if each.kind == 'tick'][3]

    def flip(data):
        assert data.count(entry.fingerprint) == 1
        return data.replace(entry.fingerprint, entry.fingerprint[:-1] + bytes(
            [entry.fingerprint[-1] ^ 1]))
    node = parity_of(altered(supervised, SUPERVISOR_TRACE, number, flip)).supervisor
    assert not node.holds
    assert node.compared == outcomes_in(supervised)
    assert sum(node.compared.values()) - sum(node.identical.values()) == 1
    found = node.first_difference
    when = at_s(supervised, batch) - (entries[-1].now.steady_ns - entry.now.steady_ns) / NS_PER_S
    assert (found.kind, found.at_s) == ('tick', pytest.approx(when, abs=1e-6))
    assert found.then.startswith('ACTIVE')
    assert str(found).endswith('but not bit for bit')


def test_after_a_difference_the_next_snapshot_is_gone_on_from(supervised):
    number = 7

    def press(data):
        return data.replace(b'\xc4\5' + bool_bytes(False), b'\xc4\5' + bool_bytes(True), 1)
    node = parity_of(altered(supervised, SUPERVISOR_TRACE, number, press)).supervisor
    different = sum(node.compared.values()) - sum(node.identical.values())
    assert node.first_difference.now.startswith('STOPPING: EMERGENCY_STOP')
    assert 1 < different < 130
    assert node.gaps == ()


def test_another_model_is_found_at_its_first_proposal(proposed):
    def moved(inputs):
        return infer(inputs) + np.float32(1e-5)
    node = parity_of(proposed, infer=moved).policy
    assert node.compared['observe'] == node.identical['observe']
    # The first are at the limit of their jerk, wherever they lead.
    assert node.identical['propose'] < 5
    assert node.first_difference.kind == 'propose'
    assert node.first_difference.then == 'a proposal'


@pytest.mark.parametrize(('given', 'said'), [
    ({'cell_digest': 'd' * 64}, 'the run had another cell file'),
    ({'binding': replace(BINDING, bundle_digest='d' * 64)}, 'the run had another bundle'),
    ({'provider': 'tensorrt'}, 'the run inferred on cpu, and this is tensorrt')])
def test_another_setting_is_a_gap(supervised, proposed, given, said):
    parity = parity_of(proposed, **given)
    assert not parity.policy.holds
    assert parity.policy.uncompared == sum(outcomes_in(proposed).values())
    (gap,) = parity.policy.gaps
    assert said in gap
    supervisor = parity_of(supervised, **given).supervisor
    assert supervisor.holds == ('cell_digest' not in given)


def test_another_version_is_a_gap(supervised, monkeypatch):
    monkeypatch.setattr(
        'physical_ai_bridge.evaluation.offline.parity_followers.__version__', '99.0')
    node = parity_of(supervised).supervisor
    assert not node.compared
    assert 'this is 99.0' in node.gaps[0]


def test_a_batch_that_is_cut_short_is_a_gap(supervised):
    node = parity_of(altered(supervised, SUPERVISOR_TRACE, 5, lambda data: data[:-3])).supervisor
    assert node.holds
    assert 'not a batch of a trace' in node.gaps[0]


@pytest.fixture
def failing():
    """Return the bag of a supervisor that was told of an authority, and the recorder."""
    messages = []
    recorder = TracingRecorder(CELL, messages)
    robot = RecordedRobot(CELL, recorder=recorder)
    robot.make_ready()
    recorder.append('authority', robot.clock.now, b'live')
    return messages, recorder, robot


def test_a_supervisor_that_fails_now_is_a_difference(failing):
    messages, _, robot = failing
    robot.tick(120)
    number = [b'live' in each.data for each in messages
              if each.topic == SUPERVISOR_TRACE].index(True)
    node = parity_of(altered(messages, SUPERVISOR_TRACE, number, lambda data: data.replace(
        b'authority', b'authoritx').replace(b'live', b'lime'))).supervisor
    assert "an entry 'authoritx', which no supervisor of this cell is told" in node.gaps[0]
    assert node.first_difference is None
    node = parity_of(altered(messages, SUPERVISOR_TRACE, number, lambda data: data.replace(
        b'live', b'lime'))).supervisor
    assert node.first_difference.then == 'no error'
    assert "'lime' is not a valid Authority" in node.first_difference.now
    assert sum(node.compared.values()) - sum(node.identical.values()) == 1


@pytest.mark.parametrize(('error', 'identical'), [
    (ValueError("'lime' is not a valid Authority"), {'fault': 1}), (KeyError('lime'), {})])
def test_an_error_that_ended_the_node_then_is_compared_too(failing, error, identical):
    messages, recorder, robot = failing
    now = robot.clock.now
    recorder.append('authority', now, b'lime')
    recorder.append('fault', now, repr(error).encode())
    robot.supervisor.deactivate(now)
    node = parity_of(messages).supervisor
    assert node.compared['fault'] == 1
    assert {kind: count for kind, count in node.identical.items() if kind == 'fault'} == identical


def test_an_error_at_the_end_of_a_trace_is_told(failing):
    messages, recorder, robot = failing
    for _ in range(30):
        robot.clock.advance(0.01)
        robot.supervisor.tick(robot.clock.now)
    recorder.append('authority', robot.clock.now, b'lime')
    recorder.send(robot.clock.now)
    node = parity_of(messages).supervisor
    assert node.holds
    assert 'the trace ends where the supervisor raises' in node.gaps[-1]


def test_messages_are_kept_for_seconds_and_no_longer(supervised):
    check = ParityCheck(CELL, DIGEST, ROBOT)
    most, second = 0, 0
    for message in supervised:
        check.on_message(message)
        most = max(most, check.messages_kept)
        second += at_s(supervised, message) < 1.0
    assert most < 2.5 * second < len(supervised)
