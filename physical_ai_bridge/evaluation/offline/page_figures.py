"""The page's plots over all recordings, as plotly describes them."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

from physical_ai_bridge.evaluation.figures import Figure, limit_line
from physical_ai_bridge.evaluation.offline.page_timeline import plot_text
from physical_ai_bridge.evaluation.offline.scores import (
    Comparison,
    EPISODE_SCORES,
    PolicyScores,
    Scores,
)

BAGS_IN_A_PLOT = 40
# By verdict: colour, symbol.
_VERDICTS = {'better': ('--ok', 'triangle-left'), 'worse': ('--bad', 'triangle-right'),
             'cannot tell': ('--muted', 'circle')}


def figures_of(scores: Scores, timing: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the plots by the name of their place; those without anything to show are left out."""
    found = {
        'drift': _drift(scores.overall, scores.baseline),
        'joints': _joints(scores.overall, scores.baseline),
        'forest': _forest(scores.comparison),
        'latency': _latency(timing)}
    return {name: figure for name, figure in found.items() if figure is not None}


def _degrees(rad: float | None) -> float | None:
    return None if rad is None else math.degrees(rad)


def _drift(policy: PolicyScores | None, baseline: PolicyScores | None) -> Figure | None:
    if policy is None or not policy.action_error.steps:
        return None
    steps = policy.action_error.steps
    after = [step.after_s for step in steps]
    lines = [('rmse', after, [_degrees(step.rmse_rad) for step in steps], '--joint-1', 'solid',
              'circle'),
             ('95th percentile', after, [_degrees(step.p95_rad) for step in steps], '--joint-1',
              'dot', 'circle-open')]
    if baseline is not None and baseline.action_error.steps:
        theirs = baseline.action_error.steps
        lines.append(('rmse, baseline', [step.after_s for step in theirs],
                      [_degrees(step.rmse_rad) for step in theirs], '--joint-2', 'dash', 'square'))
    return {'height': 320, 'data': [{
        'type': 'scatter', 'mode': 'lines+markers', 'name': name, 'x': x, 'y': y,
        'line': {'color': colour, 'width': 2, 'dash': dash},
        'marker': {'symbol': symbol, 'size': 6}, 'hovertemplate': '%{y:.2f}°',
    } for name, x, y, colour, dash, symbol in lines], 'layout': {
        'xaxis': {'title': {'text': 'time ahead [s]'}},
        'yaxis': {'title': {'text': 'error [°]'}, 'rangemode': 'tozero'}}}


def _joints(policy: PolicyScores | None, baseline: PolicyScores | None) -> Figure | None:
    if policy is None or not policy.action_error.joints_rad:
        return None
    bars = [('this policy', policy, '--joint-1', '')]
    if baseline is not None:
        bars.append(('baseline', baseline, '--joint-2', '/'))
    joints = list(policy.action_error.joints_rad)
    return {'height': 320, 'data': [{
        'type': 'bar', 'name': name, 'x': [plot_text(j.removesuffix('_joint')) for j in joints],
        'y': [_degrees(each.action_error.joints_rad[j].rmse)
              if j in each.action_error.joints_rad else None for j in joints],
        'marker': {'color': colour, 'line': {'width': 0},
                   'pattern': {'shape': pattern, 'fillmode': 'overlay', 'fgcolor': '--card',
                               'fgopacity': 0.6}},
        'hovertemplate': '%{y:.2f}°',
    } for name, each, colour, pattern in bars], 'layout': {
        'barmode': 'group', 'bargap': 0.3, 'showlegend': len(bars) > 1,
        'xaxis': {'showgrid': False, 'type': 'category'},
        'yaxis': {'title': {'text': 'rmse [°]'}, 'rangemode': 'tozero'}}}


def _forest(comparison: Comparison | None) -> Figure | None:
    """Differences as a share of the baseline's value, each with its interval."""
    if comparison is None:
        return None
    data, labels = [], []
    for name, each in reversed(comparison.quantities.items()):
        if None in (each.difference, each.low, each.high) or not each.baseline:
            continue
        share, low, high = (
            100.0 * value / abs(each.baseline) for value in (each.difference, each.low, each.high))
        colour, symbol = _VERDICTS.get(each.verdict, _VERDICTS['cannot tell'])
        labels.append(EPISODE_SCORES.get(name, name))
        data.append({
            'type': 'scatter', 'mode': 'markers', 'showlegend': False,
            'x': [share], 'y': [len(data)],
            'marker': {'color': colour, 'size': 12, 'symbol': symbol},
            'error_x': {'type': 'data', 'symmetric': False, 'array': [high - share],
                        'arrayminus': [share - low], 'color': colour, 'thickness': 2, 'width': 6},
            'hovertemplate': f'{each.verdict}<br>%{{x:+.1f}} % '
                             f'[{low:+.1f}, {high:+.1f}]<extra></extra>'})
    if not data:
        return None
    return {'height': 110 + 42 * len(data), 'data': data, 'layout': {
        'hovermode': 'closest', 'margin': {'l': 62, 'r': 20, 't': 12, 'b': 48},
        'shapes': [{'type': 'line', 'yref': 'paper', 'y0': 0, 'y1': 1, 'x0': 0, 'x1': 0,
                    'line': {'color': '--text', 'width': 1.5}}],
        'xaxis': {'title': {'text': 'change from the baseline [%]: less is better'},
                  'zeroline': False},
        'yaxis': {'tickvals': list(range(len(data))), 'ticktext': labels, 'zeroline': False,
                  'range': [-0.6, len(data) - 0.4]}}}


def _latency(timing: Mapping[str, Any]) -> Figure | None:
    rows = [(name, times) for name, values in (timing.get('bags') or {}).items()
            if (times := (values or {}).get('inference_ms') or {}).get('p99') is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row[1]['p99'])[:BAGS_IN_A_PLOT]
    names = [plot_text(name) for name, _ in rows]
    data = [{
        'type': 'scatter', 'mode': 'markers', 'name': key, 'x': names,
        'y': [times.get(key) for _, times in rows],
        'marker': {'symbol': symbol, 'size': 9, 'color': colour},
        'hovertemplate': '%{y:.1f} ms'} for key, symbol, colour in (
            ('p50', 'circle', '--joint-1'), ('p99', 'diamond', '--joint-2'),
            ('max', 'line-ew-open', '--muted'))]
    layout: dict[str, Any] = {
        'xaxis': {'type': 'category', 'showgrid': False},
        'yaxis': {'title': {'text': 'inference [ms]'}, 'rangemode': 'tozero'}}
    deadline = timing.get('deadline_ms')
    if deadline is not None:
        shape, words = limit_line(deadline, f'deadline {deadline:.1f} ms')
        highest = max(value for line in data for value in line['y'] if value is not None)
        layout |= {'shapes': [shape], 'annotations': [words]}
        layout['yaxis']['range'] = [0.0, 1.15 * max(deadline, highest)]
    return {'height': 320, 'data': data, 'layout': layout}
