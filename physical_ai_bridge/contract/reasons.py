"""Every reason code: why an input was refused, a motion limited, or the robot stopped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(str, Enum):
    """A reason code. Its value is what people read in /diagnostics, logs, records and reports."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Reason:
        """Make the member: a str that is its code, with the sentence that explains it."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    def __str__(self) -> str:
        return self.value

    OK = 'OK', 'nothing to report'

    # Inputs to the policy: no inference.
    IMAGE_MISSING = 'IMAGE_MISSING', 'no frame has come from a camera yet'
    IMAGE_STALE = 'IMAGE_STALE', "a camera's newest frame is older than its max_age"
    IMAGE_STARVED = 'IMAGE_STARVED', 'a camera is advertised but none of its frames arrive'
    IMAGE_MALFORMED = 'IMAGE_MALFORMED', 'a frame has a wrong encoding, size, step or length'
    IMAGE_SKEWED = 'IMAGE_SKEWED', 'the cameras of one observation are too far apart in time'
    JOINTS_MISSING = 'JOINTS_MISSING', 'no joint state has come yet, or one lacks a joint'
    JOINTS_STALE = 'JOINTS_STALE', 'the newest joint state is older than its max_age'
    JOINTS_MALFORMED = 'JOINTS_MALFORMED', 'a joint state is not finite or has wrong widths'
    JOINTS_JUMPED = 'JOINTS_JUMPED', 'a joint is further than it can have moved'
    WRENCH_MISSING = 'WRENCH_MISSING', 'no wrench has come from a sensor yet'
    WRENCH_STALE = 'WRENCH_STALE', "a sensor's newest wrench is older than its max_age"
    WRENCH_MALFORMED = 'WRENCH_MALFORMED', 'a wrench is not finite'
    FROM_THE_FUTURE = 'FROM_THE_FUTURE', "a stamp is later than now: the clocks don't agree"
    TASK_UNKNOWN = 'TASK_UNKNOWN', 'the task instruction is not one that the bundle lists'
    MESSAGE_MALFORMED = 'MESSAGE_MALFORMED', 'the bytes of a message are not its type'

    # The policy itself: no proposal.
    DEADLINE_MISSED = 'DEADLINE_MISSED', 'an inference took longer than its deadline'
    ACTION_MALFORMED = 'ACTION_MALFORMED', 'the model returned something not finite'
    INFERENCE_FAILED = 'INFERENCE_FAILED', 'the model raised an error'
    ACTION_OUT_OF_REACH = 'ACTION_OUT_OF_REACH', 'no joints within limits lead the tcp to a pose'
    ACTION_TOO_FAST = 'ACTION_TOO_FAST', (
        'a pose of the tcp asks more of a joint than its velocity limit: too far, or near a '
        'singularity')
    TASK_CHANGED = 'TASK_CHANGED', 'the instruction was changed while the model ran'

    # Proposals that the supervisor drops.
    PROPOSAL_EMPTY = 'PROPOSAL_EMPTY', 'the proposal has no points'
    PROPOSAL_TOO_LARGE = 'PROPOSAL_TOO_LARGE', 'the proposal has too many points or lasts too long'
    PROPOSAL_JOINTS = 'PROPOSAL_JOINTS', "the names are not a permutation of the cell's joints"
    PROPOSAL_WIDTHS = 'PROPOSAL_WIDTHS', 'a point lacks positions or velocities, or has extra ones'
    PROPOSAL_NOT_FINITE = 'PROPOSAL_NOT_FINITE', 'a number is NaN or infinite'
    PROPOSAL_TIMES = 'PROPOSAL_TIMES', 'the times are negative or do not rise strictly'
    PROPOSAL_STALE = 'PROPOSAL_STALE', 'the proposal is older than its max_age'
    PROPOSAL_REORDERED = 'PROPOSAL_REORDERED', 'the proposal is older than one already taken'
    PROPOSAL_ENDED = 'PROPOSAL_ENDED', 'the proposal lies wholly in the past'
    PROPOSAL_FAR = 'PROPOSAL_FAR', 'the proposal is further from the plan than the robot can get'

    # Motions that the supervisor changes.
    JOINING = 'JOINING', 'the plan is led onto a proposal that does not begin where it is'
    POSITION_LIMIT = 'POSITION_LIMIT', 'a joint would leave its position limits'
    VELOCITY_LIMIT = 'VELOCITY_LIMIT', 'a joint would exceed its velocity limit'
    ACCELERATION_LIMIT = 'ACCELERATION_LIMIT', 'a joint would exceed its acceleration limit'
    JERK_LIMIT = 'JERK_LIMIT', 'a joint would exceed its jerk limit'
    TCP_SPEED_LIMIT = 'TCP_SPEED_LIMIT', 'the tcp would exceed its speed limit'
    WORKSPACE_LIMIT = 'WORKSPACE_LIMIT', 'the tcp would leave the workspace'
    KEEP_OUT = 'KEEP_OUT', 'a part of the robot would enter a keep-out box'
    SELF_COLLISION = 'SELF_COLLISION', 'two parts of the robot would come too close'
    NOT_VERIFIED = 'NOT_VERIFIED', 'so close to a limit that the checks of one tick cannot tell'
    RAMPING_IN = 'RAMPING_IN', 'the speed is limited for some time after activation'
    FORCE_SLOW_DOWN = 'FORCE_SLOW_DOWN', 'a force or torque is in its slow-down band'

    # Stops.
    EMERGENCY_STOP = 'EMERGENCY_STOP', 'the emergency stop is pressed'
    EMERGENCY_STOP_SILENT = 'EMERGENCY_STOP_SILENT', 'the emergency stop heartbeat has stopped'
    STOP_REQUESTED = 'STOP_REQUESTED', 'somebody called ~/stop'
    FORCE_LIMIT = 'FORCE_LIMIT', 'a force or torque is above its limit'
    WRENCH_SATURATED = 'WRENCH_SATURATED', 'a sensor reads the most that it can measure'
    TARING = 'TARING', 'a sensor is being tared, at rest, before the robot is taken over'
    TARE_IMPLAUSIBLE = 'TARE_IMPLAUSIBLE', 'a sensor reads too much for a robot without contact'
    PROPOSALS_SILENT = 'PROPOSALS_SILENT', 'no good proposal has come within the watchdog period'
    PROPOSALS_BAD = 'PROPOSALS_BAD', 'too many bad proposals in a row'
    JOINTS_SILENT = 'JOINTS_SILENT', 'no joint state has come within the watchdog period'
    JOINTS_FROZEN = 'JOINTS_FROZEN', 'joint states do not change although the robot is moved'
    WRENCH_SILENT = 'WRENCH_SILENT', 'no wrench has come within the watchdog period'
    TRACKING_LOST = 'TRACKING_LOST', 'the robot is not where the published plan says'
    COMMAND_LOST = 'COMMAND_LOST', 'the controller goes on with an older command than the last'
    REFERENCE_LOST = 'REFERENCE_LOST', 'the controller executes none of the published plans'
    CONTROLLER_SILENT = 'CONTROLLER_SILENT', (
        'no state of the controller has come within the watchdog period')
    CONTROLLER_MALFORMED = 'CONTROLLER_MALFORMED', (
        "a state of the controller is not finite, lacks joints, or its stamp is not now's")
    SETPOINTS_LATE = 'SETPOINTS_LATE', (
        'the stream of setpoints paused or fell behind, and has left the plan')
    OTHER_PUBLISHER = 'OTHER_PUBLISHER', "somebody else publishes on the controller's topic"
    COMMAND_LATE = 'COMMAND_LATE', 'a command was held up and would have come too late: not sent'
    TICK_OVERRUN = 'TICK_OVERRUN', "the supervisor's own tick came too late"
    TICKS_LATE = 'TICKS_LATE', "too many of the supervisor's own ticks came late"
    CLOCK_STEPPED = 'CLOCK_STEPPED', 'ROS time jumped against the steady clock'
    NOT_AT_REST = 'NOT_AT_REST', 'the robot moves although nothing was commanded'
    OUTSIDE_LIMITS = 'OUTSIDE_LIMITS', 'the robot stands outside its position limits'
    INTERNAL_ERROR = 'INTERNAL_ERROR', 'the supervisor met an error of its own'


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input that was not used: why, and one sentence with the names and numbers."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f'{self.reason}: {self.detail}'
