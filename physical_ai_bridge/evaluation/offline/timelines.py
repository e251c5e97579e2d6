"""From a judged recording to what the page draws of it."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.evaluation.offline.judge import Judge
from physical_ai_bridge.evaluation.offline.motion import MotionTrack
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline

_SHOWN_NS = seconds_to_ns(0.02)


def timeline_of(name: str, judge: Judge) -> BagTimeline:
    """Return what the page draws of a recording called ``name``, once it is judged."""
    begin_ns, chunks = judge.begin_ns, judge.chunks
    shape = (0, len(judge.chunks.after_s), len(judge.sums.joints))
    return BagTimeline(
        bag=name, joints=judge.sums.joints, duration_s=judge.duration_s,
        measured=_shown(judge.measured, begin_ns), commanded=_shown(judge.commanded, begin_ns),
        chunks=(_seconds(chunks.starts_ns, begin_ns),
                np.stack(chunks.shown) if chunks.shown else np.zeros(shape, np.float32)),
        period_s=chunks.period_s,
        errors=(_seconds([row.observation_ns for row in chunks.rows], begin_ns),
                np.array([row.largest for row in chunks.rows])),
        modes=tuple(judge.shadow.spans),
        forces={sensor: (_seconds([at for at, _ in told], begin_ns),
                         np.array([force for _, force in told]))
                for sensor, told in judge.forces.items() if told},
        gaps=tuple((topic, start, end) for topic, health in sorted(judge.streams.items())
                   for start, end in health.gaps),
        moments=chunks.moments())


def _seconds(stamps_ns: list[int], begin_ns: int) -> np.ndarray:
    return (np.array(stamps_ns, np.int64) - begin_ns) / NS_PER_S


def _shown(track: MotionTrack, begin_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most 50 samples a second."""
    stamps = track.stamps_ns
    keep = np.flatnonzero(np.diff(stamps // _SHOWN_NS, prepend=-1)) if len(stamps) else []
    return (stamps[keep] - begin_ns) / NS_PER_S, track.positions[keep]
