"""A core's outcome as bytes: what a journal keeps of it, and what a replay is compared with."""

from __future__ import annotations

from hashlib import blake2b, sha256
import json
from typing import Any

import numpy as np
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation
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


def observation_payload(outcome: Observation | Refusal) -> bytes:
    """Return an observation as its stamp and the sha256 of its inputs, a refusal as it is."""
    if isinstance(outcome, Refusal):
        return proposal_payload(outcome)
    digest = sha256()
    for name in sorted(outcome.inputs):
        array = np.ascontiguousarray(outcome.inputs[name])
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(array.tobytes())
    if outcome.anchor is not None:
        digest.update(outcome.anchor.tobytes())
    return outcome_bytes({'stamp_ns': outcome.stamp_ns, 'inputs': digest.hexdigest()}, None)


def proposal_payload(outcome: Trajectory | Refusal | None) -> bytes:
    """Return what the policy loop answered as bytes, in the same form."""
    if isinstance(outcome, Refusal):
        return outcome_bytes({'reason': str(outcome.reason), 'detail': outcome.detail}, None)
    return outcome_bytes({}, outcome)


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


def fingerprint(payload: bytes) -> bytes:
    """Return 16 bytes that stand for an outcome's payload."""
    return blake2b(payload, digest_size=16).digest()


def words_of(payload: bytes) -> str:
    """
    Return in a few words what an outcome's payload says, for a person.

    Raises
    ------
    ValueError
        If the bytes are not an outcome.

    """
    values, trajectory = split_outcome(payload)
    told = ': '.join(str(values[key]) for key in ('mode', 'reason', 'detail') if values.get(key))
    if 'inputs' in values:
        return 'an observation'
    if 'mode' in values:
        return f'{told} with a command' if trajectory else told
    return told or ('a proposal' if trajectory else 'nothing')
