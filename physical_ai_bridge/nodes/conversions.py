"""Between the project's values and messages."""

from __future__ import annotations

from collections.abc import Mapping
import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.decision import Decision, Mode

# What a key of a DiagnosticStatus may hold before it is written down.
Value = str | int | float | bool | None

_LEVELS = {
    Mode.INACTIVE: DiagnosticStatus.WARN,
    Mode.READY: DiagnosticStatus.OK,
    Mode.ACTIVE: DiagnosticStatus.OK,
    Mode.LIMITING: DiagnosticStatus.WARN,
    Mode.STOPPING: DiagnosticStatus.ERROR,
    Mode.STOPPED: DiagnosticStatus.ERROR,
    Mode.FAULT: DiagnosticStatus.ERROR,
}


def time_message(ros_ns: int) -> Time:
    """Return ROS time as a message."""
    seconds, nanoseconds = divmod(ros_ns, NS_PER_S)
    return Time(sec=seconds, nanosec=nanoseconds)


def written(value: Value) -> str:
    """Write a value for people and machines: 'true', '12.3', '' for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ''
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def status(
        name: str, message: str, values: Mapping[str, Value], *,
        level: bytes = DiagnosticStatus.OK, hardware_id: str = '') -> DiagnosticStatus:
    """Return a DiagnosticStatus."""
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware_id,
        values=[KeyValue(key=key, value=written(value)) for key, value in values.items()])


def values_of(message: DiagnosticStatus) -> dict[str, str]:
    """Return a DiagnosticStatus's keys and values."""
    return {pair.key: pair.value for pair in message.values}


def diagnostic_array(ros_ns: int, *statuses: DiagnosticStatus) -> DiagnosticArray:
    """Return what goes to /diagnostics."""
    array = DiagnosticArray(status=list(statuses))
    array.header.stamp = time_message(ros_ns)
    return array


def decision_status(
        name: str, decision: Decision, *, authority: str, hardware_id: str) -> DiagnosticStatus:
    """Return a supervisor's decision as its ``~/state``."""
    message = f'{decision.mode}: {decision.reason}'
    if decision.detail:
        message = f'{message}: {decision.detail}'
    return status(name, message, {
        'mode': str(decision.mode),
        'reason': str(decision.reason),
        'meaning': decision.reason.meaning,
        'detail': decision.detail,
        'authority': authority,
        'scale': decision.scale,
        'speed_share': decision.speed_share,
        'stamp_ns': decision.now.ros_ns,
        'proposal_stamp_ns': decision.proposal_stamp_ns,
    }, level=_LEVELS[decision.mode], hardware_id=hardware_id)


def refusal_values(refusals: Mapping[Reason, int]) -> dict[str, Value]:
    """Return counts of refusals as keys of a DiagnosticStatus."""
    return {f'refused.{reason}': count
            for reason, count in sorted(refusals.items(), key=lambda item: str(item[0]))}
