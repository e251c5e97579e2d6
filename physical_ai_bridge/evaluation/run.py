"""A run as values: what moved, what was proposed, commanded and decided, how each try ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointTrack:
    """
    Measured joints over time.

    ``stamps_ns`` (M,) int64 rise; ``position`` and ``velocity`` are (M, N) float64 in rad and
    rad/s, columns in the cell's joint order.
    """

    stamps_ns: np.ndarray
    position: np.ndarray
    velocity: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WrenchTrack:
    """One force-torque sensor over time: (M,) int64, then the norms (M,) in N and N·m."""

    stamps_ns: np.ndarray
    force_n: np.ndarray
    torque_nm: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """A proposal: the time of its observation, and when the recorder got it, on ROS time."""

    stamp_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Command:
    """A command: its motion, stamped with when it was decided, and when the recorder got it."""

    trajectory: Trajectory
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """What the supervisor said, from ``stamp_ns`` on: its mode, its reason code, its words."""

    stamp_ns: int
    mode: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One try. ``limit_share`` is the cell's own largest share of any joint limit, where told."""

    number: int
    seed: int | None
    start_ns: int
    end_ns: int
    success: bool
    peak_force_n: float | None = None
    limit_share: float | None = None
    limits_exceeded: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """One topic: when its messages were received (M,) int64, and the rate that the cell names."""

    type_name: str
    received_ns: np.ndarray
    wanted_rate_hz: float | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diagnostics:
    """What one node published under /diagnostics: (when, keys and values), in order."""

    name: str
    told: tuple[tuple[int, dict[str, str]], ...]

    def during(self, from_ns: int, to_ns: int) -> list[dict[str, str]]:
        """Return what was told between two instants."""
        return [values for stamp_ns, values in self.told if from_ns <= stamp_ns <= to_ns]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Everything that the metrics and the report are made of. Times are ROS time."""

    cell: Cell
    joints: JointTrack
    wrenches: dict[str, WrenchTrack]
    proposals: tuple[Proposal, ...]
    commands: tuple[Command, ...]
    modes: tuple[ModeChange, ...]
    episodes: tuple[Episode, ...]
    streams: dict[str, Stream]
    diagnostics: dict[str, Diagnostics] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def start_ns(self) -> int:
        """Where plots begin: just before the first episode, else the first joint state."""
        if self.episodes:
            return self.episodes[0].start_ns
        return int(self.joints.stamps_ns[0]) if len(self.joints.stamps_ns) else 0
