"""What comes of a search for a motion: a plan that passed, or what blocks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory

Tail = Literal['path', 'joints']


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """
    A motion that ends at rest, and what it was made from.

    From the beginning of ``path`` until ``tail_ns``, ROS time, it is the same motion as that; then
    it brakes. ``path`` is None where nothing of that is known. There was no brake along the path
    shortly before, so that none is looked for again where the tail would begin before
    ``apart_until_ns``.
    """

    motion: Trajectory
    path: Trajectory | None = None
    tail_ns: int = 0
    apart_until_ns: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """
    A verified candidate.

    ``path`` is what it follows, to be followed on: the proposal, or the way onto it and then the
    proposal, or a slower motion along the same points. Until ``joined_ns`` that is not what was
    asked for. ``scale`` is the share of the speed of the path that was given; ``reason`` is OK
    where that passes unchanged, else what kept it from it, with ``detail``. Before
    ``diverges_ns``, ROS time, the motion is the same as the plan that it goes on from, to 1e-9.
    ``tail`` says whether it brakes on the path or joint by joint, ``checks`` how many motions were
    verified to find it.
    """

    plan: Plan
    path: Trajectory
    joined_ns: int
    scale: float
    reason: Reason
    detail: str
    diverges_ns: int
    tail: Tail
    checks: int

    @property
    def motion(self) -> Trajectory:
        """The motion to publish."""
        return self.plan.motion


@dataclass(frozen=True, slots=True)
class Blocked:
    """No candidate is within limits: the plan is left to come to rest."""

    reason: Reason
    detail: str
    checks: int
