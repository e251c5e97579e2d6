"""
What the page holds of one recording over time: packed arrays, thinned, with nothing lost nearby.

Away from the worst moments a line keeps the least and the greatest of each stretch, and of the
proposals every k-th; around them, everything.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.evaluation.figures import MODES, packed, thinned
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline, ModeSpan

NEAR_S = 2.0
MOMENTS = 6
# Over all joints together, and away from the worst moments.
POINTS = 10_000
CHUNK_VALUES = 60_000
ROWS_OF_CHUNK = 12
GAPS = 100
_LINE_POINTS = 1_800


def plot_text(text: str) -> str:
    """Return text that plotly shows as it stands, for plotly knows some markup."""
    return escape(text, quote=False)


def timeline_values(
        timeline: BagTimeline, cell: Cell | None, first_joint: str | None) -> dict[str, Any]:
    """
    Return what the page's script draws of a recording, plain values for JSON.

    Angles are in degrees. ``first_joint`` is the one to begin with.
    """
    near = np.array([moment.at_s for moment in timeline.moments[:MOMENTS]])
    limits = cell.safety.force_limits if cell else {}
    joint_limits = cell.safety.joint_limits if cell else {}
    gaps = sorted(timeline.gaps, key=lambda gap: gap[1] - gap[2])[:GAPS]
    return {
        'joints': list(timeline.joints), 'duration': float(timeline.duration_s),
        'measured': _by_joint(timeline.measured, near, len(timeline.joints)),
        'commanded': _by_joint(timeline.commanded, near, len(timeline.joints)),
        'chunks': _chunks(timeline, near),
        'error': _line(timeline.errors[0], np.degrees(timeline.errors[1]), near, _LINE_POINTS),
        'modes': _modes(timeline.modes),
        'forces': [{
            'name': plot_text(name), **_line(*track, near, _LINE_POINTS),
            'stop': limits[name].max_force_n if name in limits else None,
            'slow': limits[name].slow_down_force_n if name in limits else None,
        } for name, track in timeline.forces.items()],
        'gaps': [[plot_text(topic), float(start), float(end)] for topic, start, end in gaps],
        'moments': [[float(moment.at_s), plot_text(moment.what)]
                    for moment in timeline.moments[:MOMENTS]],
        'limits': [_position_limits(joint_limits.get(joint)) for joint in timeline.joints],
        'first': timeline.joints.index(first_joint) if first_joint in timeline.joints else 0}


def _line(
        seconds: np.ndarray, values: np.ndarray, near: np.ndarray, points: int,
) -> dict[str, Any]:
    if len(values) > points:
        close = (np.abs(seconds[:, None] - near) <= NEAR_S).any(axis=1)
        far_seconds, far = thinned(seconds[~close], values[~close], max(1, points // 2))
        seconds = np.concatenate((far_seconds, seconds[close]))
        order = np.argsort(seconds, kind='stable')
        seconds, values = seconds[order], np.concatenate((far, values[close]))[order]
    return {'x': packed(seconds), 'y': packed(values)}


def _by_joint(
        track: tuple[np.ndarray, np.ndarray], near: np.ndarray, joints: int,
) -> list[dict[str, Any]]:
    seconds, positions = track
    if not len(seconds):
        return []
    return [_line(seconds, np.degrees(positions[:, joint]), near, POINTS // max(1, joints))
            for joint in range(joints)]


def _chunks(timeline: BagTimeline, near: np.ndarray) -> dict[str, Any]:
    starts, rows = timeline.chunks
    joints = len(timeline.joints)
    if not len(starts):
        return {'starts': packed(np.zeros(0)), 'after': [], 'y': []}
    picked = np.unique(np.linspace(0, rows.shape[1] - 1, ROWS_OF_CHUNK).round().astype(int))
    close = (np.abs(starts[:, None] - near) <= NEAR_S).any(axis=1)
    stride = -(-rows.shape[0] * len(picked) * joints // CHUNK_VALUES)
    kept = close | (np.arange(len(starts)) % max(1, stride) == 0)
    degrees = np.degrees(rows[kept][:, picked])
    return {'starts': packed(starts[kept]), 'after': (picked * timeline.period_s).tolist(),
            'y': [packed(degrees[:, :, joint].ravel()) for joint in range(joints)]}


def _modes(spans: tuple[ModeSpan, ...]) -> list[dict[str, Any]]:
    merged: list[tuple[float, float, str, str]] = []
    for span in spans:
        words = span.reason + (f': {span.detail}' if span.detail else '')
        if merged and merged[-1][2:] == (span.mode, words) and span.start_s - merged[-1][1] < 1e-3:
            merged[-1] = (merged[-1][0], span.end_s, span.mode, words)
        else:
            merged.append((span.start_s, span.end_s, span.mode, words))
    names = [*MODES, *sorted({span[2] for span in merged} - set(MODES))]
    strips = []
    for name in names:
        own = [span for span in merged if span[2] == name]
        if own:
            texts = sorted({span[3] for span in own})
            strips.append({
                'mode': plot_text(name), 'known': name in MODES,
                'start': packed(np.array([span[0] for span in own])),
                'length': packed(np.array([span[1] - span[0] for span in own])),
                'text': [texts.index(span[3]) for span in own],
                'texts': [plot_text(text) for text in texts]})
    return strips


def _position_limits(limit: Any) -> list[float] | None:
    if limit is None or limit.min_position is None or limit.max_position is None:
        return None
    return np.degrees([limit.min_position, limit.max_position]).tolist()
