"""Action chunks on the clock, the newer cross-faded over the older."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.bundle import ActionSpec
from physical_ai_bridge.contract.clock import seconds_to_ns

# How many chunks a cross-fade may reach back; older ones have faded out.
KEPT_CHUNKS = 4


@dataclass(frozen=True, slots=True, eq=False)
class PlacedChunk:
    """
    A chunk with its place on the clock.

    ``positions`` (horizon, N) float64 of the cell's joints, in its order; row k is for
    ``observation_ns + offset + k * period``. From ``takes_over_ns`` on it is faded in.
    """

    observation_ns: int
    takes_over_ns: int
    positions: np.ndarray


class ChunkBuffer:
    """
    Turns chunks into one target over time.

    A chunk is placed by its *observation's* time, not by when it was ready, so that a slow
    inference only means that its first rows are never used: latency is compensated by
    construction. Where a new chunk overlaps the last, the target is faded linearly from the old
    one to the new over ``blend_s`` from the moment at which the new one can act. The newest chunk
    has seen the most, so it should win soon; averaging all overlapping chunks, as temporal
    ensembling does, would hold on to stale intent just where contact changes it. A jump between
    chunks, on the other hand, would excite the arm, so the hand-over takes a few control periods.
    """

    def __init__(self, action: ActionSpec, blend_s: float) -> None:
        self._offset_ns = seconds_to_ns(action.offset_s)
        self._period_ns = seconds_to_ns(action.period_s)
        self._horizon = action.horizon
        self._blend_ns = seconds_to_ns(blend_s)
        self._chunks: list[PlacedChunk] = []

    def clear(self) -> None:
        """Forget every chunk."""
        self._chunks.clear()

    @property
    def newest(self) -> PlacedChunk | None:
        """The newest chunk, or None."""
        return self._chunks[-1] if self._chunks else None

    @property
    def end_ns(self) -> int:
        """The time of the newest chunk's last row."""
        return (self._chunks[-1].observation_ns + self._offset_ns
                + (self._horizon - 1) * self._period_ns)

    def add(self, chunk: PlacedChunk) -> None:
        """Take a chunk over from ``chunk.takes_over_ns`` on."""
        self._chunks.append(chunk)
        del self._chunks[:-KEPT_CHUNKS]

    def target(self, times_ns: np.ndarray) -> np.ndarray:
        """Blend the chunks into the target, (M, N), at ``times_ns`` (M,) int64."""
        target = self._rows(self._chunks[0], times_ns)
        for chunk in self._chunks[1:]:
            since = times_ns - chunk.takes_over_ns
            weight = np.clip(since / self._blend_ns, 0.0, 1.0) if self._blend_ns else (
                (since >= 0).astype(np.float64))
            target += weight[:, None] * (self._rows(chunk, times_ns) - target)
        return target

    def _rows(self, chunk: PlacedChunk, times_ns: np.ndarray) -> np.ndarray:
        first_ns = chunk.observation_ns + self._offset_ns
        row = np.clip((times_ns - first_ns) / self._period_ns, 0.0, self._horizon - 1.0)
        low = np.minimum(row.astype(np.int64), max(self._horizon - 2, 0))
        high = np.minimum(low + 1, self._horizon - 1)
        share = (row - low)[:, None]
        # Between rows that are equal it is what they are, to the bit: a chunk that holds, holds.
        return chunk.positions[low] + share * (chunk.positions[high] - chunk.positions[low])
