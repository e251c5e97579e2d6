"""What an evaluation took on this machine, which says nothing of the policy: timing.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
import platform

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Milliseconds:
    """How long something took: how often, median, 99th percentile, longest."""

    count: int
    p50: float | None
    p99: float | None
    max: float | None  # noqa: A003


@dataclass(frozen=True, slots=True, kw_only=True)
class BagTiming:
    """One recording: how long it took, and how many times faster than it was recorded."""

    wall_s: float
    inference_ms: Milliseconds
    real_time_factor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    All recordings.

    ``deadline_ms`` is the policy's own period, ``over_deadline_share`` of the inferences took
    longer. ``wall_s`` adds up over recordings, of which ``workers`` were judged at a time.
    """

    machine: str
    bags: dict[str, BagTiming]
    inference_ms: Milliseconds
    deadline_ms: float
    over_deadline_share: float | None
    workers: int
    wall_s: float


def milliseconds(spent_s: np.ndarray) -> Milliseconds:
    """Summarise durations (M,) in s."""
    if not len(spent_s):
        return Milliseconds(count=0, p50=None, p99=None, max=None)
    p50, p99 = np.percentile(spent_s, (50, 99))
    return Milliseconds(count=len(spent_s), p50=1e3 * float(p50), p99=1e3 * float(p99),
                        max=1e3 * float(spent_s.max()))


def timing_of(
        spent: Sequence[tuple[str, float, float, np.ndarray]], deadline_s: float, workers: int,
) -> Timing:
    """
    Return the timing of recordings.

    ``spent`` has of each its name, its wall time and its own duration in s, and how long each of
    its inferences took.
    """
    everything = np.concatenate([np.zeros(0), *(inferences for *_, inferences in spent)])
    bags = {name: BagTiming(
        wall_s=wall_s, inference_ms=milliseconds(inferences),
        real_time_factor=duration_s / wall_s if wall_s else None)
        for name, wall_s, duration_s, inferences in spent}
    return Timing(
        machine=f'{platform.machine()}, {os.cpu_count()} cores', bags=bags,
        inference_ms=milliseconds(everything), deadline_ms=1e3 * deadline_s,
        over_deadline_share=float((everything > deadline_s).mean()) if len(everything) else None,
        workers=workers, wall_s=sum(bag.wall_s for bag in bags.values()))
