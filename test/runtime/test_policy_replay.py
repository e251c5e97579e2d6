"""A policy loop that is told the same again says the same, and what differs is found."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
from physical_ai_bridge.contract.bundle import ContactGuard, ObservationSpec, Shaping, WrenchInput
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.runtime.decision_bytes import proposal_payload
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.policy_inputs import policy_topics, PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import replay_policy
from physical_ai_bridge.testing.contracts import example_binding, example_cell, example_manifest
from physical_ai_bridge.testing.policies import GoalPolicy
from physical_ai_bridge.testing.traced import TracedPolicy
import pytest

BINDING = example_binding(example_cell(), example_manifest(
    observation=ObservationSpec(
        reference=True, wrenches={'wrist': WrenchInput(history=8, rate_hz=50.0)}),
    shaping=Shaping(contact_guard=ContactGuard(sensor='wrist', force_n=20.0))))
POLICY = GoalPolicy(BINDING.manifest, np.full(6, 0.3))
NOW = Instant(1_800_000_000_000_000_000, 10**12)


@pytest.fixture(scope='module')
def journal():
    """Return the journal of a run in which the arm pushes for a while."""
    policy = TracedPolicy(BINDING, POLICY.infer, [])
    policy.activate()
    policy.run(1.0)
    policy.force_n = 30.0
    policy.run(0.5)
    policy.deactivate()
    return policy.journal


def replayed(entries, infer=POLICY.infer):
    """Return the outcomes of a journal, done again."""
    loop = PolicyLoop(BINDING)
    return list(replay_policy(loop, PolicyInputs(loop, BINDING), infer, entries))


def differing(entries, infer=POLICY.infer):
    """Return what is not the same again."""
    return [each for each in replayed(entries, infer) if not each.identical]


def test_the_same_journal_gives_the_same_outcomes(journal):
    found = replayed(journal)
    assert all(each.identical for each in found)
    assert [each.kind for each in found] == [
        each.kind for each in journal if each.kind in ('observe', 'propose', 'refresh', 'settle')]
    assert {'observe', 'propose', 'refresh', 'settle'} == {each.kind for each in found}


def test_a_refresh_that_then_was_not_is_a_difference(journal):
    lacking = next(each for each in journal if each.kind == 'refresh')
    found = differing([each for each in journal if each is not lacking])
    assert [(each.kind, each.now, each.then) for each in found] == [
        ('refresh', lacking.now, False)]


def test_a_refresh_that_now_is_not_is_a_difference(journal):
    at = next(index for index, each in enumerate(journal) if each.kind == 'propose')
    found = differing([*journal[:at], replace(journal[at], kind='refresh'), *journal[at:]])
    assert [(each.kind, each.payload, each.then) for each in found] == [('refresh', None, True)]


def test_a_refresh_at_the_very_end_is_found_too(journal):
    last = max(index for index, each in enumerate(journal) if each.kind == 'refresh')
    assert [each.then for each in differing(journal[:last])] == [False]


def test_an_inference_that_fails_now_is_a_difference(journal):
    def fails(inputs):
        raise InferenceError(Reason.INFERENCE_FAILED, 'no memory')
    found = differing(journal, fails)
    assert found[0].kind == 'propose'
    assert b'INFERENCE_FAILED' in found[0].payload
    assert 'observe' not in {each.kind for each in found[:1]}


def test_a_proposal_without_an_observation_is_a_difference(journal):
    at = next(index for index, each in enumerate(journal) if each.kind == 'observe')
    found = differing([*journal[:at], *journal[at + 1:at + 2]])
    assert [(each.kind, each.payload) for each in found] == [('propose', None)]


def test_an_inference_that_failed_then_changes_nothing(journal):
    failed = JournalEntry('refuse', NOW, proposal_payload(None))
    assert differing([*journal[:30], failed, *journal[30:]]) == []


def test_an_entry_that_no_loop_is_told_is_refused(journal):
    with pytest.raises(BridgeError, match="an entry 'tick', which no policy loop"):
        replayed([*journal[:5], JournalEntry('tick', NOW, b'')])


@pytest.mark.parametrize('kind', [*policy_topics(BINDING), 'task'])
def test_an_input_that_does_not_decode_is_refused_and_counted(kind):
    loop = PolicyLoop(BINDING)
    assert PolicyInputs(loop, BINDING).take(kind, b'', NOW) is None
    assert loop.refusals == {Reason.MESSAGE_MALFORMED: 1}


def test_what_is_being_executed_is_carried_over(journal):
    loop, other = PolicyLoop(BINDING), PolicyLoop(BINDING)
    inputs, carried = PolicyInputs(loop, BINDING), PolicyInputs(other, BINDING)
    command = [each for each in journal if each.kind == 'command'][3]
    inputs.take('command', command.payload, command.now)
    # One that does not decode takes no other's place.
    inputs.take('command', b'', command.now)
    carried.carry(inputs.carried(), command.now)
    assert proposal_payload(other.settle(command.now)) == proposal_payload(
        loop.settle(command.now)) != proposal_payload(None)
    assert carried.carried() == inputs.carried()


@pytest.mark.parametrize('state', [
    b'', b'\xc1', msgpack.packb([1]), msgpack.packb({'joint_state': b''}),
    msgpack.packb({'command': 'text'}), msgpack.packb({'command': b''}) + b'\0'])
def test_a_state_that_is_none_is_refused(state):
    with pytest.raises(BridgeError, match='not the state of a policy loop'):
        PolicyInputs(PolicyLoop(BINDING), BINDING).carry(state, NOW)
