"""Chunks are placed by their observation's time, and the newer fades in over the older."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.bundle import ActionSpec
from physical_ai_bridge.policy.chunks import ChunkBuffer, PlacedChunk
import pytest

S = 1_000_000_000
ACTION = ActionSpec(kind='joint_positions', horizon=4, period_s=0.1, offset_s=0.05)


def buffer(blend_s: float = 0.1) -> ChunkBuffer:
    """Return a buffer with the chunk 0, 1, 2, 3 of an observation at 10 s."""
    chunks = ChunkBuffer(ACTION, blend_s)
    chunks.add(PlacedChunk(10 * S, 10 * S, np.arange(4.0)[:, None]))
    return chunks


def at(chunks: ChunkBuffer, *seconds: float) -> list[float]:
    """Return the target at these times."""
    return chunks.target(np.array([round(s * S) for s in seconds])).ravel().tolist()


def test_a_row_is_for_its_place_on_the_clock_however_late_it_came():
    late = ChunkBuffer(ACTION, 0.1)
    late.add(PlacedChunk(10 * S, round(10.2 * S), np.arange(4.0)[:, None]))
    for chunks in (buffer(), late):
        assert at(chunks, 10.05, 10.15, 10.25, 10.35) == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_between_rows_the_target_is_joined_linearly():
    assert at(buffer(), 10.10, 10.275) == pytest.approx([0.5, 2.25])


def test_where_all_rows_are_the_same_the_target_is_what_they_are_to_the_bit():
    held = np.random.default_rng(0).uniform(-3.0, 3.0, 50)
    chunks = ChunkBuffer(ACTION, 0.1)
    for observed_s in (10.0, 10.1):
        chunks.add(PlacedChunk(
            round(observed_s * S), round(observed_s * S), np.repeat(held[None], 4, axis=0)))
    target = chunks.target(np.arange(round(9.9 * S), round(10.6 * S), 7_000_000))
    assert np.array_equal(target, np.repeat(held[None], len(target), axis=0))


def test_outside_the_chunk_its_end_rows_hold():
    assert at(buffer(), 9.0, 12.0) == pytest.approx([0.0, 3.0])


def test_the_end_is_the_last_rows_time():
    assert buffer().end_ns == round(10.35 * S)


def test_a_newer_chunk_fades_in_from_when_it_takes_over():
    chunks = buffer()
    chunks.add(PlacedChunk(round(10.1 * S), round(10.2 * S), np.full((4, 1), 10.0)))
    assert at(chunks, 10.15, 10.2) == pytest.approx([1.0, 1.5])
    assert at(chunks, 10.25) == pytest.approx([(2.0 + 10.0) / 2])
    assert at(chunks, 10.3, 10.4) == pytest.approx([10.0, 10.0])


def test_the_target_never_jumps_where_chunks_meet():
    chunks = buffer()
    chunks.add(PlacedChunk(round(10.1 * S), round(10.2 * S), np.full((4, 1), 10.0)))
    chunks.add(PlacedChunk(round(10.15 * S), round(10.24 * S), np.full((4, 1), -10.0)))
    times = np.arange(round(10.1 * S), round(10.5 * S), S // 1000)
    steps = np.abs(np.diff(chunks.target(times).ravel()))
    assert steps.max() < 0.3


def test_without_blending_the_newer_chunk_wins_at_once():
    chunks = buffer(blend_s=0.0)
    chunks.add(PlacedChunk(round(10.1 * S), round(10.2 * S), np.full((4, 1), 10.0)))
    assert at(chunks, 10.2 - 1e-9, 10.2) == pytest.approx([1.5, 10.0])


def test_what_has_faded_out_is_forgotten_without_changing_the_target():
    chunks = buffer()
    for index in range(20):
        time = 10.0 + 0.11 * (index + 1)
        chunks.add(PlacedChunk(round(time * S), round(time * S), np.full((4, 1), float(index))))
    assert at(chunks, 10.0 + 0.11 * 20 + 0.1) == pytest.approx([19.0])
