"""The topics of a recording are matched with the cell file's."""

from __future__ import annotations

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.topics import match, parse_remap, wanted
import pytest


@pytest.fixture
def recorded(court):
    return {each.topic: (each.type_name, 5) for each in wanted(court.binding)}


def test_everything_that_is_wanted_is_found_under_its_name(court, recorded):
    ledger = Ledger()
    topics = match(court.binding, recorded, {}, ledger)
    assert set(topics.inputs) == set(recorded)
    assert topics.policy
    assert not ledger.findings()


def test_a_topic_goes_by_another_name(court, recorded):
    recorded['/left/joint_states'] = recorded.pop('/joint_states')
    topics = match(court.binding, recorded, {'/left/joint_states': '/joint_states'}, Ledger())
    assert topics.inputs['/left/joint_states'].kind == 'joint_state'
    assert topics.policy


def test_what_is_advertised_and_never_came_is_missing(court, recorded):
    recorded['/joint_states'] = (recorded['/joint_states'][0], 0)
    ledger = Ledger()
    assert not match(court.binding, recorded, {}, ledger).policy
    assert [each.code for each in ledger.findings()] == ['TOPIC_MISSING']


def test_another_type_is_said_and_the_topic_left_aside(court, recorded):
    recorded['/wrist_camera/image_raw'] = ('sensor_msgs/msg/CompressedImage', 5)
    ledger = Ledger()
    topics = match(court.binding, recorded, {}, ledger)
    assert '/wrist_camera/image_raw' not in topics.inputs
    found = {each.code: each for each in ledger.findings()}
    assert 'sensor_msgs/msg/CompressedImage' in found['TYPE_UNEXPECTED'].detail
    assert 'TOPIC_MISSING' in found


def test_a_wrench_sensor_that_the_policy_needs_is_missing_for_it(court, recorded):
    del recorded['/force_torque_sensor/wrench']
    ledger = Ledger()
    topics = match(court.binding, recorded, {}, ledger)
    assert topics.silent == ('wrist',)
    assert {each.code for each in ledger.findings()} >= {'ASSUMED_NO_FORCE', 'TOPIC_MISSING'}


@pytest.mark.parametrize('rule', ['/a', '/a:=b', 'a:=/b', ':=', '/a:=/b:='])
def test_a_rule_that_is_none_is_refused(rule):
    if rule == '/a:=/b:=':
        assert parse_remap([rule]) == {'/a': '/b:='}
        return
    with pytest.raises(SetupError, match='--remap'):
        parse_remap([rule])
