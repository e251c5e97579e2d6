"""What is wrong with a recording, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How much a finding takes away from what was evaluated."""

    ERROR = 'error'  # something could not be evaluated, or what was evaluated is in doubt
    WARNING = 'warning'  # somebody should look
    NOTE = 'note'  # what was assumed

    def __str__(self) -> str:
        return self.value


class FindingCode(str, Enum):
    """
    What may be found in a recording. ``meaning`` and ``advice`` are for people.

    ``severity`` is what a finding of this kind counts as.
    """

    meaning: str
    advice: str
    severity: Severity

    def __new__(cls, code: str, severity: Severity, meaning: str, advice: str) -> FindingCode:
        """Make the member: a str that is its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.severity, member.meaning, member.advice = severity, meaning, advice
        return member

    def __str__(self) -> str:
        return self.value

    BAG_UNREADABLE = (
        'BAG_UNREADABLE', Severity.ERROR, 'the recording could not be opened',
        'copy it again, whole, from where it was recorded')
    BAG_DAMAGED = (
        'BAG_DAMAGED', Severity.ERROR, 'a part of the recording is missing or damaged',
        'copy it again; what could be read was evaluated')
    TOPIC_MISSING = (
        'TOPIC_MISSING', Severity.ERROR, 'a topic that is needed is not in the recording',
        'record it, or name the topic that stands for it: --remap FROM:=TO')
    TYPE_UNEXPECTED = (
        'TYPE_UNEXPECTED', Severity.ERROR, 'a topic has another type than the cell file says',
        'correct the type in the cell file, or remap the topic')
    ROBOT_DIFFERENT = (
        'ROBOT_DIFFERENT', Severity.ERROR, 'the recording is of another robot than the cell file',
        'give the cell file of the robot that was recorded')
    UNDECODABLE = (
        'UNDECODABLE', Severity.ERROR, 'messages do not decode as the type that is recorded',
        'look at what publishes on this topic')
    NOT_FINITE = (
        'NOT_FINITE', Severity.ERROR, 'a NaN or an infinite number came from a sensor',
        'look at the driver of this sensor')
    STALE_SAMPLES = (
        'STALE_SAMPLES', Severity.WARNING, 'samples are older, or newer, than max_age_s allows',
        'synchronise the clocks; look for what holds messages up')
    STREAM_GAP = (
        'STREAM_GAP', Severity.WARNING, 'a stream paused for longer than its max_age_s',
        'look for lost messages: the network, the disk of the recorder, the driver')
    STREAM_SLOW = (
        'STREAM_SLOW', Severity.WARNING, 'a stream comes at less than its rate in the cell file',
        'correct rate_hz in the cell file, or look for lost messages')
    STAMPS_BACKWARDS = (
        'STAMPS_BACKWARDS', Severity.ERROR, 'stamps of a topic run backwards',
        'synchronise the clocks of the machines that publish; do not step them while recording')
    STAMPS_FROZEN = (
        'STAMPS_FROZEN', Severity.ERROR, 'many messages bear one and the same stamp',
        'look at the driver: it publishes old data, or does not stamp')
    CLOCKS_APART = (
        'CLOCKS_APART', Severity.WARNING, 'the stamps and the recorder used clocks that are apart',
        'record with use_sim_time in simulation; synchronise the clocks on a real cell')
    JOINT_ORDER_CHANGED = (
        'JOINT_ORDER_CHANGED', Severity.WARNING, 'the names of joint states change their order',
        'look at what else publishes joint states; joints are matched by name')
    JOINTS_SWAPPED = (
        'JOINTS_SWAPPED', Severity.ERROR, 'joints move as others should: their names look swapped',
        'compare the joint order of the driver with its names')
    JOINT_JUMP = (
        'JOINT_JUMP', Severity.ERROR, 'a joint moved faster between two joint states than it can',
        'look at the encoder, the names of the joints, and lost messages')
    FRAME_FROZEN = (
        'FRAME_FROZEN', Severity.ERROR, 'a camera shows one and the same picture under new stamps',
        'look at the camera driver')
    IMAGE_REFUSED = (
        'IMAGE_REFUSED', Severity.ERROR, 'frames cannot be used: size, encoding or content',
        'correct the camera in the cell file, or the camera')
    ASSUMED_RELEASED = (
        'ASSUMED_RELEASED', Severity.NOTE, 'no emergency stop in the recording: taken as released',
        'record its topic to see what the supervisor would have made of it')
    ASSUMED_NO_FORCE = (
        'ASSUMED_NO_FORCE', Severity.NOTE, 'a wrench sensor is not recorded: taken as zero',
        'record its topic: force limits were not judged')
    REFERENCE_MEASURED = (
        'REFERENCE_MEASURED', Severity.NOTE, 'no commands are recorded: the measured motion is it',
        'record the topic of the controller, too, if it is a trajectory')


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing about one recording.

    ``where`` is a topic or a file; ``detail`` is a sentence; ``count`` says how often. ``first_s``
    and ``last_s`` are from the beginning of the recording, None where it has no place in time.
    """

    code: str
    severity: str
    where: str
    detail: str
    count: int = 1
    first_s: float | None = None
    last_s: float | None = None
