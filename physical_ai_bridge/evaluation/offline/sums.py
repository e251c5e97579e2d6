"""What is summed up of a policy over recordings, and the scores that it makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from physical_ai_bridge.evaluation.offline.chunk_scores import Predictions
from physical_ai_bridge.evaluation.offline.pools import Pool
from physical_ai_bridge.evaluation.offline.scores import (
    ActionError,
    Moment,
    PolicyScores,
    Smoothness,
    StepError,
    Verdicts,
)

_WORST = 6


@dataclass(slots=True, eq=False)
class Counts:
    """How often what happened; ``mode_ns`` is how long each mode of the supervisor lasted."""

    inferences: int = 0
    proposals: int = 0
    passed: int = 0
    observations_refused: Counter[str] = field(default_factory=Counter)
    chunks_refused: Counter[str] = field(default_factory=Counter)
    mode_ns: Counter[str] = field(default_factory=Counter)
    limited: Counter[str] = field(default_factory=Counter)
    ahead: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    inputs_refused: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Counts) -> None:
        """Add another recording's."""
        self.inferences += other.inferences
        self.proposals += other.proposals
        self.passed += other.passed
        for name in ('observations_refused', 'chunks_refused', 'mode_ns', 'limited', 'ahead',
                     'stops', 'inputs_refused'):
            getattr(self, name).update(getattr(other, name))

    def verdicts(self) -> Verdicts:
        """Return the supervisor's part."""
        total_ns = sum(self.mode_ns.values())
        limited = self.proposals - self.passed
        return Verdicts(
            proposals=self.proposals, passed=self.passed,
            limited_share=limited / self.proposals if self.proposals else None,
            mode_share={mode: ns / total_ns for mode, ns in sorted(self.mode_ns.items())},
            limited=dict(sorted(self.limited.items())), ahead=dict(sorted(self.ahead.items())),
            stops=dict(sorted(self.stops.items())),
            refused=dict(sorted(self.inputs_refused.items())))


@dataclass(slots=True, eq=False)
class Sums:
    """
    Everything about a policy that adds up; jerks are in rad/s³, ways in rad, ages in s.

    ``after_s`` is when each row of a chunk is due after its observation.
    """

    joints: tuple[str, ...]
    after_s: tuple[float, ...]
    truth: str
    predictions: Predictions
    counts: Counts = field(default_factory=Counts)
    worst: list[Moment] = field(default_factory=list)
    recorded_jerk: Pool = field(default_factory=Pool)
    proposed_jerk: Pool = field(default_factory=Pool)
    recorded_rad: float = 0.0
    proposed_rad: float = 0.0
    ages: dict[str, Pool] = field(default_factory=dict)
    sync: Pool = field(default_factory=Pool)

    @classmethod
    def empty(cls, joints: tuple[str, ...], after_s: tuple[float, ...], truth: str) -> Sums:
        """Return the sums of nothing."""
        return cls(joints, after_s, truth, Predictions.of(len(joints), len(after_s)))

    def merge(self, other: Sums) -> None:
        """Add another recording's."""
        if other.truth != self.truth:
            self.truth = 'mixed'
        self.predictions.merge(other.predictions)
        self.counts.merge(other.counts)
        self.worst = sorted([*self.worst, *other.worst], key=lambda m: -m.error_rad)[:_WORST]
        self.recorded_jerk.merge(other.recorded_jerk)
        self.proposed_jerk.merge(other.proposed_jerk)
        self.recorded_rad += other.recorded_rad
        self.proposed_rad += other.proposed_rad
        for name, pool in other.ages.items():
            self.ages.setdefault(name, Pool()).merge(pool)
        self.sync.merge(other.sync)

    def scores(self) -> PolicyScores:
        """Return what it comes to."""
        return PolicyScores(
            inferences=self.counts.inferences,
            observations_refused=dict(sorted(self.counts.observations_refused.items())),
            chunks_refused=dict(sorted(self.counts.chunks_refused.items())),
            action_error=self._action_error(), seams_rad=self.predictions.seams.error(),
            recorded=Smoothness(jerk_rad_s3=self.recorded_jerk.spread(),
                                path_rad=self.recorded_rad),
            proposed=Smoothness(jerk_rad_s3=self.proposed_jerk.spread(),
                                path_rad=self.proposed_rad),
            ages_s={name: pool.spread() for name, pool in sorted(self.ages.items())},
            sync_spread_s=self.sync.spread(), verdicts=self.counts.verdicts())

    def _action_error(self) -> ActionError:
        predictions = self.predictions
        steps = tuple(StepError(
            after_s=after_s, count=pool.count, rmse_rad=pool.rmse, p95_rad=pool.percentile(95.0))
            for after_s, pool in zip(self.after_s, predictions.steps, strict=True))
        return ActionError(
            truth=self.truth, rad=predictions.all.error(),
            joints_rad={joint: pool.error() for joint, pool in zip(
                self.joints, predictions.joints, strict=True)},
            steps=steps, tcp_m=predictions.tcp.error(), drift_rad_per_s=_slope(steps),
            worst=tuple(self.worst))


def _slope(steps: tuple[StepError, ...]) -> float | None:
    known = [(step.after_s, step.rmse_rad) for step in steps if step.rmse_rad is not None]
    if len(known) < 2:
        return None
    after, rmse = np.array(known).T
    centred = after - after.mean()
    return float(centred @ rmse / (centred @ centred))
