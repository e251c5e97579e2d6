"""How a recording begins tells of which robot it is, and by which clock."""

from __future__ import annotations

from itertools import count, islice

from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.offline.beginning import clock_of, head_of, other_robot
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.topics import match
import pytest

JOINTS = '/joint_states'


def topics_of(court, messages):
    recorded = {message.topic: (message.type_name, 1) for message in messages}
    return match(court.binding, recorded, {}, Ledger())


def test_it_ends_with_the_first_joint_state(court, episode):
    head = head_of(iter(episode), topics_of(court, episode))
    assert head[-1].topic == JOINTS
    assert all(message.topic != JOINTS for message in head[:-1])


def test_nothing_is_gathered_where_no_joint_state_can_come(court, episode):
    others = [message for message in episode if message.topic != JOINTS]
    assert len(head_of(iter(others), topics_of(court, others))) == 1


def test_no_more_is_gathered_than_a_few_frames_where_it_comes_late(court, episode):
    frame = next(message for message in episode if message.type_name == 'sensor_msgs/msg/Image')
    endless = (frame for _ in count())
    head = head_of(islice(endless, 100_000), topics_of(court, episode))
    assert sum(len(message.data) for message in head) < 70 * 1024 * 1024


@pytest.mark.parametrize(('apart_s', 'found'), [(0.0, 0), (0.9, 0), (1e6, 1), (-1e6, 1)])
def test_a_recorder_on_another_clock_is_told_and_followed(court, episode, apart_s, found):
    ledger = Ledger()
    head = [message._replace(stamp_ns=message.stamp_ns + round(apart_s * NS_PER_S))
            for message in head_of(iter(episode), topics_of(court, episode))]
    clock = clock_of(head, ledger)
    assert [each.code for each in ledger.findings()] == ['CLOCKS_APART'] * found
    now = clock.at(head[-1].stamp_ns)
    assert abs(now.ros_ns - episode[0].stamp_ns) < NS_PER_S


def test_another_robot_is_told_by_its_joints(court, episode):
    ledger = Ledger()
    head = head_of(iter(episode), topics_of(court, episode))
    assert other_robot(head, court.binding.cell, ledger) == ''
    elbow = b'elbow_joint'
    broken = head[-1]._replace(data=head[-1].data[:30])
    assert other_robot([broken], court.binding.cell, ledger) == ''
    renamed = head[-1].data
    for name in court.binding.cell.robot.joints:
        renamed = renamed.replace(name.encode(), name.encode().upper())
    assert elbow not in renamed
    why = other_robot([head[-1]._replace(data=renamed)], court.binding.cell, ledger)
    assert 'ELBOW_JOINT' in why
    assert [each.code for each in ledger.findings()] == ['ROBOT_DIFFERENT']


def test_of_no_message_there_is_no_head_and_no_robot(court):
    assert head_of(iter(()), topics_of(court, [RecordedMessage(JOINTS, 'x', 0, b'')])) == []
    assert other_robot([], court.binding.cell, Ledger()) == ''
