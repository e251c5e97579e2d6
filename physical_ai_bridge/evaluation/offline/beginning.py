"""How a recording begins: of which robot it is, and by which clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.replay_clock import ReplayClock
from physical_ai_bridge.evaluation.offline.topics import JOINT_STATE, JOINTS, Topics
from physical_ai_bridge.runtime import cdr

# So much is read ahead, and kept, to find one.
_MOST_BYTES = 64 * 1024 * 1024


def head_of(messages: Iterator[RecordedMessage], topics: Topics) -> list[RecordedMessage]:
    """
    Return the messages up to the first joint state, which tells robot and clock.

    Where there is none, or none soon, they are few.
    """
    joints = {topic for topic, source in topics.inputs.items() if source.kind == JOINTS}
    head: list[RecordedMessage] = []
    kept = 0
    for message in messages:
        head.append(message)
        kept += len(message.data)
        if not joints or message.topic in joints or kept > _MOST_BYTES:
            break
    return head


def other_robot(head: Sequence[RecordedMessage], cell: Cell, ledger: Ledger) -> str:
    """Return why the recording is of another robot than the cell's, '' where it is not."""
    sample, joints = _joint_state(head), cell.robot.joints
    if sample is None or set(joints) & set(sample.names):
        return ''
    topic = head[-1].topic
    why = (f'{topic}: its joints are {", ".join(sample.names) or "none"}; those of the cell file '
           f'are {", ".join(joints)}')
    ledger.add(FindingCode.ROBOT_DIFFERENT, topic, why)
    return why


def clock_of(head: Sequence[RecordedMessage], ledger: Ledger) -> ReplayClock:
    """Return the clock of a recording: the recorder's, or that of the stamps if it is another."""
    clock, sample = ReplayClock(), _joint_state(head)
    if sample is None:
        return clock
    shift_ns = clock.compare(head[-1].stamp_ns, sample.stamp_ns)
    if shift_ns:
        ledger.add(
            FindingCode.CLOCKS_APART, head[-1].topic,
            f'stamps and recorder are {abs(shift_ns) / NS_PER_S:.3f} s apart; the stamps are '
            'followed')
    return clock


def _joint_state(head: Sequence[RecordedMessage]) -> JointSample | None:
    if not head or head[-1].type_name != JOINT_STATE:
        return None
    try:
        return cdr.decode_joint_state(head[-1].data)
    except WireError:
        return None  # told of every such message, later
