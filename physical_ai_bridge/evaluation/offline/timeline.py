"""What the page draws of one recording: motion, proposals, modes, forces, and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpan:
    """The supervisor's mode between two instants, in s from the recording's begin."""

    start_s: float
    end_s: float
    mode: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorstMoment:
    """One of the worst moments, with what the cameras showed: JPEG files by camera."""

    at_s: float
    what: str
    frames: dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BagTimeline:
    """
    One recording over time. Times are in s from its begin, float64.

    ``measured`` and ``commanded`` are (times, positions): (M,) and (M, N) in rad, columns in the
    cell's joint order, at most 50 a second; ``commanded`` is empty where nothing was recorded.
    ``chunks`` are (starts (C,), rows (C, H, N) in rad): row k of chunk c is for
    ``starts[c] + k * period_s``. ``errors`` are (times (C,), largest error of the chunk (C,) in
    rad, NaN where unknown). ``forces`` are (times, |F| in N) by sensor. ``gaps`` are pauses of
    streams: (topic, from, to).
    """

    bag: str
    joints: tuple[str, ...]
    duration_s: float
    measured: tuple[np.ndarray, np.ndarray]
    commanded: tuple[np.ndarray, np.ndarray]
    chunks: tuple[np.ndarray, np.ndarray]
    period_s: float
    errors: tuple[np.ndarray, np.ndarray]
    modes: tuple[ModeSpan, ...]
    forces: dict[str, tuple[np.ndarray, np.ndarray]]
    gaps: tuple[tuple[str, float, float], ...]
    moments: tuple[WorstMoment, ...]
