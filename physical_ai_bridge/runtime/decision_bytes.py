"""A core's outcome as bytes: what a journal keeps of it, and what a replay is compared with."""

from __future__ import annotations

import json
from typing import Any

from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
from physical_ai_bridge.safety.decision import Decision


def outcome_bytes(values: dict[str, Any], trajectory: Trajectory | None) -> bytes:
    """Return JSON, a zero byte, and the trajectory as CDR where there is one."""
    head = json.dumps(values, sort_keys=True).encode()
    return head + b'\0' + (b'' if trajectory is None else encode_joint_trajectory(trajectory))


def decision_payload(decision: Decision) -> bytes:
    """Return a decision as bytes: equal bytes are equal decisions, bit for bit."""
    gripper = {} if decision.gripper is None else {
        'gripper': encode_joint_trajectory(decision.gripper).hex()}
    return outcome_bytes({
        'mode': str(decision.mode), 'reason': str(decision.reason), 'detail': decision.detail,
        'proposal_stamp_ns': decision.proposal_stamp_ns, 'scale': decision.scale,
        'speed_share': decision.speed_share, **gripper,
    }, decision.command)


def split_outcome(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """
    Return an outcome's values, and its trajectory as CDR, b'' where it has none.

    Raises
    ------
    ValueError
        If the bytes are not an outcome.

    """
    head, found, command = payload.partition(b'\0')
    values = json.loads(head)
    if not found or not isinstance(values, dict):
        raise ValueError('an outcome is a JSON object, a zero byte, and a trajectory or nothing')
    return values, command
