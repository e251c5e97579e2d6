"""What the supervisor says: its mode, why, and the command that it lets through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory


class Mode(str, Enum):
    """Where the supervisor is; see DESIGN section 4."""

    INACTIVE = 'INACTIVE'
    READY = 'READY'
    ACTIVE = 'ACTIVE'
    LIMITING = 'LIMITING'
    STOPPING = 'STOPPING'
    STOPPED = 'STOPPED'
    FAULT = 'FAULT'

    def __str__(self) -> str:
        return self.value


class Authority(str, Enum):
    """How much the integrator lets the supervisor pass on."""

    SHADOW = 'shadow'
    RAMP = 'ramp'
    LIVE = 'live'

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """
    The outcome of one tick.

    ``command`` is to be published to the controller, or None for nothing: what the controller
    holds already ends at rest. ``proposal_stamp_ns`` is the observation time of the proposal that
    the command follows, None where it follows none. ``scale`` is the share of the proposed speed
    that was let through, 0 to 1; ``speed_share`` the share of the speed limits that held, below 1
    while ramping in and in a force's slow-down band. ``reason`` says why the mode is what it is;
    in STOPPING, STOPPED and FAULT it is the first cause, in INACTIVE what is being waited for.
    ``gripper`` is to be published to the gripper's controller, or None.
    """

    now: Instant
    mode: Mode
    reason: Reason
    detail: str
    command: Trajectory | None = None
    proposal_stamp_ns: int | None = None
    scale: float = 0.0
    speed_share: float = 1.0
    gripper: Trajectory | None = None
