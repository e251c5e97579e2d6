"""
The report's plots, as plotly describes them: plain dictionaries, ready for JSON.

A colour that begins with ``--`` names a CSS variable of the page, which the page's script looks
up, so that a plot follows the light or dark theme.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.limits import executed
from physical_ai_bridge.evaluation.metrics import command_latencies_ms, mode_spans
from physical_ai_bridge.evaluation.run import Run

MODES = ('INACTIVE', 'READY', 'ACTIVE', 'LIMITING', 'STOPPING', 'STOPPED', 'FAULT')
# Two points for each of these, the least and the greatest, so that no peak is lost.
BUCKETS_PER_RUN = 2400
REFERENCE_STEP_S = 0.01

Figure = dict[str, Any]


def packed(values: np.ndarray) -> dict[str, str]:
    """Return an array as plotly's compact form of a float32 array."""
    data = np.ascontiguousarray(values, dtype='<f4').tobytes()
    return {'dtype': 'f4', 'bdata': base64.b64encode(data).decode()}


def thinned(
        seconds: np.ndarray, values: np.ndarray, buckets: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most two points a bucket: where a value is least and where it is greatest."""
    if len(values) <= 2 * buckets:
        return seconds, values
    edges = np.linspace(0, len(values), buckets + 1).astype(int)
    keep = set()
    for low, high in pairwise(edges):
        part = values[low:high]
        keep.update((low + int(np.argmin(part)), low + int(np.argmax(part))))
    kept = np.array(sorted(keep))
    return seconds[kept], values[kept]


def _line(
        run: Run, stamps_ns: np.ndarray, values: np.ndarray, **style: Any) -> dict[str, Any]:
    """Return one line that is drawn during episodes and interrupted between them."""
    buckets = max(50, BUCKETS_PER_RUN // max(1, len(run.episodes)))
    x, y = [], []
    for episode in run.episodes:
        inside = (stamps_ns >= episode.start_ns) & (stamps_ns <= episode.end_ns)
        seconds = (stamps_ns[inside] - run.start_ns) / NS_PER_S
        seconds, kept = thinned(seconds, values[inside], buckets)
        x.append(np.append(seconds, np.nan))
        y.append(np.append(kept, np.nan))
    return {
        'type': 'scatter', 'mode': 'lines', 'connectgaps': False,
        'x': packed(np.concatenate(x) if x else np.zeros(0)),
        'y': packed(np.concatenate(y) if y else np.zeros(0)), **style}


def limit_line(
        y: float, text: str, colour: str = '--bad',
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a dashed line across a plot, and the words on it."""
    line = {'type': 'line', 'xref': 'paper', 'x0': 0, 'x1': 1, 'y0': y, 'y1': y,
            'line': {'color': colour, 'width': 1.5, 'dash': 'dash'}}
    words = {'xref': 'paper', 'x': 1, 'xanchor': 'right', 'y': y, 'yanchor': 'bottom',
             'text': text, 'showarrow': False, 'font': {'color': colour, 'size': 11}}
    return line, words


def _rows(run: Run) -> Iterator[tuple[int, str, str]]:
    for index, joint in enumerate(run.cell.robot.joints):
        yield index, joint, f'--joint-{index % 6 + 1}'


def during(run: Run, stamps_ns: np.ndarray) -> np.ndarray:
    """Return which stamps lie in an episode."""
    inside = np.zeros(len(stamps_ns), dtype=bool)
    for episode in run.episodes:
        inside |= (stamps_ns >= episode.start_ns) & (stamps_ns <= episode.end_ns)
    return inside


def time_axis(run: Run) -> dict[str, Any]:
    """Return the axis that all plots over time share."""
    end_ns = max([episode.end_ns for episode in run.episodes], default=run.start_ns + NS_PER_S)
    return {'title': {'text': 'time [s]'}, 'range': [0, (end_ns - run.start_ns) / NS_PER_S]}


def modes(run: Run) -> Figure:
    """Return the supervisor's modes as a strip over time."""
    spans: dict[str, list[tuple[float, float, str]]] = {}
    for from_ns, to_ns, change in mode_spans(run):
        start = (from_ns - run.start_ns) / NS_PER_S
        length = (to_ns - from_ns) / NS_PER_S
        rows = spans.setdefault(change.mode, [])
        words = change.reason
        if rows and rows[-1][2] == words and abs(sum(rows[-1][:2]) - start) < 1e-3:
            rows[-1] = (rows[-1][0], rows[-1][1] + length, words)
        else:
            rows.append((start, length, words))
    data = [{
        'type': 'bar', 'orientation': 'h', 'name': mode, 'y': ['mode'] * len(rows),
        'base': packed(np.array([row[0] for row in rows])),
        'x': packed(np.array([row[1] for row in rows])),
        'customdata': [row[2] for row in rows], 'width': 0.9,
        'marker': {'color': f'--mode-{mode.lower()}', 'line': {'width': 0}},
        'hovertemplate': f'{mode} · %{{customdata}}<br>%{{x:.2f}} s<extra></extra>',
    } for mode in MODES if (rows := spans.get(mode))]
    return {'data': data, 'time': True, 'height': 150, 'layout': {
        'barmode': 'overlay', 'hovermode': 'closest', 'bargap': 0,
        'yaxis': {'visible': False, 'fixedrange': True}, 'xaxis': time_axis(run)}}


def force(run: Run) -> Figure:
    """Return the forces at the wrist with the supervisor's limit."""
    data, shapes, words = [], [], []
    for index, (name, track) in enumerate(run.wrenches.items()):
        data.append(_line(
            run, track.stamps_ns, track.force_n, name=f'|F| {name}',
            line={'color': f'--joint-{index % 6 + 1}', 'width': 1.6},
            hovertemplate='%{y:.1f} N'))
        limit = run.cell.safety.force_limits[name]
        for value, text, colour in (
                (limit.max_force_n, 'stop above', '--bad'),
                (limit.slow_down_force_n, 'slow down above', '--warn')):
            if value is not None:
                line, text_at = limit_line(value, f'{text} {value:g} N', colour)
                shapes.append(line)
                words.append(text_at)
    top = max([limit.max_force_n for limit in run.cell.safety.force_limits.values()], default=1.0)
    highest = max([float(t.force_n.max()) for t in run.wrenches.values() if len(t.force_n)],
                  default=0.0)
    return {'data': data, 'time': True, 'height': 300, 'layout': {
        'shapes': shapes, 'annotations': words, 'showlegend': len(data) > 1,
        'xaxis': time_axis(run),
        'yaxis': {'title': {'text': 'force [N]'}, 'range': [0, 1.12 * max(top, highest)]}}}


def velocity(run: Run) -> Figure:
    """Return each joint's velocity as a share of its limit: commanded, and measured."""
    limit = limit_arrays(run.cell).velocity
    stamps, reference = reference_velocity(run)
    data = []
    for index, joint, colour in _rows(run):
        data.append(_line(
            run, run.joints.stamps_ns, 100.0 * run.joints.velocity[:, index] / limit[index],
            name=joint, legendgroup=joint, line={'color': colour, 'width': 1.4},
            hovertemplate='%{y:.1f} %'))
        data.append(_line(
            run, stamps, 100.0 * reference[:, index] / limit[index], name=f'{joint}, commanded',
            legendgroup=joint, showlegend=False, visible=True, hoverinfo='skip',
            line={'color': colour, 'width': 1, 'dash': 'dot'}))
    above, below = limit_line(100.0, 'velocity limit'), limit_line(-100.0, 'velocity limit')
    return {'data': data, 'time': True, 'height': 360, 'layout': {
        'shapes': [above[0], below[0]], 'annotations': [above[1], below[1]],
        'xaxis': time_axis(run),
        'yaxis': {'title': {'text': 'share of the limit [%]'}, 'range': [-118, 118]}}}


def reference_velocity(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the commanded velocities (M, N), sampled at stamps (M,) over all episodes."""
    stamps, values = [np.zeros(0, np.int64)], [np.zeros((0, len(run.cell.robot.joints)))]
    step = int(REFERENCE_STEP_S * NS_PER_S)
    for episode in run.episodes:
        for piece in executed(run.commands, episode):
            times = np.arange(0, piece.times_ns[-1] - piece.times_ns[0], step) + piece.times_ns[0]
            stamps.append(piece.stamp_ns + times)
            values.append(piece.at_many(times.astype(np.int64)).velocity)
    return np.concatenate(stamps), np.vstack(values)


def position(run: Run) -> Figure:
    """Return each joint's position in degrees; limits are drawn where they come into view."""
    limits = limit_arrays(run.cell)
    data, shapes = [], []
    for index, joint, colour in _rows(run):
        low, high = np.degrees([limits.position_min[index], limits.position_max[index]])
        text = f'{low:.0f}° to {high:.0f}°' if np.isfinite(low) else 'no limit'
        data.append(_line(
            run, run.joints.stamps_ns, np.degrees(run.joints.position[:, index]), name=joint,
            line={'color': colour, 'width': 1.4},
            hovertemplate=f'%{{y:.1f}}° <span style="opacity:.6">({text})</span>'))
        shapes += [limit_line(bound, '', colour)[0] for bound in (low, high) if np.isfinite(bound)]
    seen = np.degrees(run.joints.position[during(run, run.joints.stamps_ns)])
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (-180.0, 180.0)
    margin = max(5.0, 0.06 * (high - low))
    return {'data': data, 'time': True, 'height': 360, 'layout': {
        'shapes': shapes, 'xaxis': time_axis(run),
        'yaxis': {'title': {'text': 'position [°]'}, 'range': [low - margin, high + margin]}}}


def limit_use(metrics: dict[str, Any]) -> Figure:
    """Return how much of each limit was used, by joint."""
    joints = list(metrics['limits']['joints'])
    names = (('reference_velocity', 'velocity, commanded', '--joint-1'),
             ('measured_velocity', 'velocity, measured', '--joint-6'),
             ('reference_acceleration', 'acceleration, commanded', '--joint-3'),
             ('reference_jerk', 'jerk, commanded', '--joint-4'))
    data = [{
        'type': 'bar', 'name': title, 'x': [joint.removesuffix('_joint') for joint in joints],
        'y': [round(100.0 * metrics['limits']['joints'][joint][name], 2) for joint in joints],
        'marker': {'color': colour, 'line': {'width': 0}}, 'hovertemplate': '%{y:.1f} %',
    } for name, title, colour in names]
    line, words = limit_line(100.0, 'limit')
    top = max([value for bar in data for value in bar['y']], default=0.0)
    return {'data': data, 'height': 340, 'layout': {
        'barmode': 'group', 'bargap': 0.28, 'bargroupgap': 0.08, 'shapes': [line],
        'annotations': [words], 'xaxis': {'showgrid': False},
        'yaxis': {'title': {'text': 'share of the limit [%]'}, 'range': [0, max(112, 1.1 * top)]}}}


def latency(run: Run, model_p50_ms: float | None) -> Figure:
    """Return how the sensor-to-command latency is distributed."""
    values, _ = command_latencies_ms(run)
    if not len(values):
        return {'data': [], 'height': 300, 'layout': {'annotations': [{
            'text': 'no proposal was followed by a command', 'showarrow': False,
            'xref': 'paper', 'yref': 'paper', 'x': 0.5, 'y': 0.5}]}}
    top = max(float(np.percentile(values, 99.5)), 1.0) * 1.15
    counts, edges = np.histogram(np.clip(values, None, top), bins=48, range=(0.0, top))
    marks = [(float(np.percentile(values, 50)), 'p50', '--accent'),
             (float(np.percentile(values, 99)), 'p99', '--warn')]
    if model_p50_ms:
        marks.append((model_p50_ms, 'model alone, p50', '--joint-4'))
    shapes = [{'type': 'line', 'yref': 'paper', 'y0': 0, 'y1': 1, 'x0': x, 'x1': x,
               'line': {'color': colour, 'width': 1.5, 'dash': 'dash'}} for x, _, colour in marks]
    words = [{'x': x, 'yref': 'paper', 'y': 1.0 - 0.09 * row, 'yanchor': 'top',
              'xanchor': 'left' if x < 0.7 * top else 'right', 'text': f' {text} {x:.1f} ms ',
              'showarrow': False, 'font': {'color': colour, 'size': 11}}
             for row, (x, text, colour) in enumerate(marks)]
    return {'data': [{
        'type': 'bar', 'x': packed(0.5 * (edges[1:] + edges[:-1])), 'y': counts.tolist(),
        'marker': {'color': '--accent', 'opacity': 0.75, 'line': {'width': 0}},
        'hovertemplate': '%{x:.1f} ms: %{y}<extra></extra>',
    }], 'height': 300, 'layout': {
        'bargap': 0.06, 'showlegend': False, 'hovermode': 'closest', 'shapes': shapes,
        'annotations': words, 'xaxis': {'title': {'text': 'latency [ms]'}, 'range': [0, top]},
        'yaxis': {'title': {'text': 'commands'}, 'range': [0, 1.4 * int(counts.max())]}}}
