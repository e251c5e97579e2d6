"""How smooth a motion is, measured the way that robot challenges do: by a Savitzky-Golay fit."""

from __future__ import annotations

from collections.abc import Iterator
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.offline.motion import MotionTrack
from physical_ai_bridge.evaluation.offline.pools import Pool

# A fit of fourth order over 0.21 s: short enough for a contact, long enough for encoder noise.
_STEP_S, _WINDOW, _ORDER = 0.01, 21, 4
_STEP_NS = seconds_to_ns(_STEP_S)
_PIECE = 6000


def _weights() -> np.ndarray:
    """Return what 21 samples are weighted with to give the third derivative in their middle."""
    times_s = _STEP_S * (np.arange(_WINDOW) - _WINDOW // 2)
    return math.factorial(3) * np.linalg.pinv(np.vander(times_s, _ORDER + 1, increasing=True))[3]


_WEIGHTS = _weights()


def jerk_rad_s3(positions: np.ndarray) -> np.ndarray:
    """
    Return the norm of the jerk of positions (M, N) in rad, 10 ms apart; M is 21 or more.

    The third derivative of the least-squares polynomial of fourth order over 21 samples (Savitzky
    and Golay, Analytical Chemistry 36, 1964), (M - 20,) for the samples with ten on either side.
    """
    jerks = sliding_window_view(positions, _WINDOW, axis=0) @ _WEIGHTS
    return np.linalg.norm(jerks, axis=1)


class ProposedMotion:
    """Sums over proposals: the jerk of each, and its way until the next one."""

    def __init__(self) -> None:
        self.jerk = Pool()
        self.path_rad = 0.0
        self._last: Trajectory | None = None

    def add(self, proposal: Trajectory) -> np.ndarray | None:
        """Take a proposal; return its jerk (M,) in rad/s³, None where it is too short."""
        last, self._last = self._last, proposal
        if last is not None and last.start_ns < proposal.start_ns <= last.end_ns:
            self.path_rad += _way(last.at_many(
                _grid(last.start_ns, proposal.start_ns) - last.stamp_ns).position)
        if len(proposal.times_ns) < _WINDOW:
            return None
        jerk = jerk_rad_s3(proposal.positions)
        self.jerk.add(jerk)
        return jerk


def recorded_motion(track: MotionTrack) -> tuple[Pool, float]:
    """Return the jerk of a recorded motion, and its way in rad summed over the joints."""
    jerk, way = Pool(), 0.0
    for positions in _pieces(track):
        jerk.add(jerk_rad_s3(positions))
        way += _way(positions)
    return jerk, way


def _grid(begin_ns: int, end_ns: int) -> np.ndarray:
    return np.arange(begin_ns, end_ns + 1, _STEP_NS, dtype=np.int64)


def _way(positions: np.ndarray) -> float:
    return float(np.abs(np.diff(positions, axis=0)).sum())


def _pieces(track: MotionTrack) -> Iterator[np.ndarray]:
    """Yield what is known without a pause, every 10 ms, in pieces of a minute at most."""
    if len(track) < 2:
        return
    begin_ns = int(track.stamps_ns[0])
    while begin_ns < track.last_ns:
        end_ns = min(begin_ns + _PIECE * _STEP_NS, track.last_ns)
        positions = track.at(_grid(begin_ns, end_ns))
        known = np.isfinite(positions[:, 0])
        for piece in np.split(positions, np.flatnonzero(np.diff(known)) + 1):
            if len(piece) >= _WINDOW and np.isfinite(piece[0, 0]):
                yield piece
        begin_ns = end_ns + 1
