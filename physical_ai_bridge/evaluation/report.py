"""One HTML file that shows a run: nothing to install, nothing fetched, light and dark."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from physical_ai_bridge.evaluation import figures
from physical_ai_bridge.evaluation.markup import (
    asset,
    embedded,
    meaning,
    plotly_script,
    table,
    tile,
    write_filled,
)
from physical_ai_bridge.evaluation.run import Run
from physical_ai_bridge.evaluation.words import in_hertz, in_ms, in_newtons, in_percent, in_seconds

_MEDIA = {'.webm': 'video/webm', '.mp4': 'video/mp4', '.gif': 'image/gif', '.png': 'image/png'}


def write_report(
        run: Run, metrics: dict[str, Any], shortfalls: list[str], path: Path, *,
        video: Path | None = None, made: str = '') -> None:
    """
    Write the report of a run to ``path``.

    ``shortfalls`` are the reasons why the run is not good enough, ``video`` is put inside the
    page, ``made`` says when the run was, in words.

    Raises
    ------
    SetupError
        When plotly is not installed.

    """
    tried = metrics['episodes']
    model = metrics['latency_ms']['model']
    parts = {
        'css': asset('shared.css') + asset('report.css'),
        'js': asset('shared.js') + asset('report.js'),
        'plotly': plotly_script(),
        'title': escape(f'{run.cell.name}: {tried["succeeded"]} of {tried["count"]} episodes'),
        'heading': escape(_heading(metrics)),
        'meta': escape(' · '.join(_meta(run, made))),
        'verdict_class': 'poor' if shortfalls else 'good',
        'verdict_mark': '✕' if shortfalls else '✓',
        'verdict': 'Did not pass' if shortfalls else 'Passed',
        'verdict_details': _verdict_details(metrics, shortfalls),
        'hero_class': 'with-video' if video else '',
        'video': _video(video),
        'tiles': ''.join(_tiles(metrics)),
        'chips': _chips(metrics),
        'shares': _shares(metrics),
        'interventions': _interventions(metrics),
        'episodes': _episodes(metrics),
        'streams': _streams(metrics),
        'diagnostics': _diagnostics(metrics),
        'footer': escape(' · '.join(f'{key}: {value}' for key, value in run.notes.items())),
        'figures': embedded({
            'modes': figures.modes(run), 'force': figures.force(run),
            'velocity': figures.velocity(run), 'position': figures.position(run),
            'limit_use': figures.limit_use(metrics),
            'latency': figures.latency(run, model['p50']),
        }),
    }
    write_filled(asset('head.html') + asset('report.html'), parts, path)


def _heading(metrics: dict[str, Any]) -> str:
    tried = metrics['episodes']
    if not tried['count']:
        return 'No episode was run'
    return f'{tried["succeeded"]} of {tried["count"]} episodes succeeded'


def _meta(run: Run, made: str) -> list[str]:
    words = [f'cell {run.cell.name}']
    if 'bundle' in run.notes:
        words.append(f'policy {run.notes["bundle"]}')
    if 'bundle_digest' in run.notes:
        words.append(f'bundle sha256 {run.notes["bundle_digest"][:12]}…')
    return words + ([made] if made else [])


def _verdict_details(metrics: dict[str, Any], shortfalls: list[str]) -> str:
    if shortfalls:
        return '<ul>' + ''.join(f'<li>{escape(reason)}</li>' for reason in shortfalls) + '</ul>'
    worst = metrics['limits']['worst']
    return (f'<p class="meta">No joint limit was exceeded: the most that was used of any is '
            f'{in_percent(worst["share"])}.</p>')


def _video(video: Path | None) -> str:
    if video is None:
        return ''
    kind = _MEDIA[video.suffix]
    data = f'data:{kind};base64,{base64.b64encode(video.read_bytes()).decode()}'
    if kind.startswith('video/'):
        return ('<figure><video src="' + data + '" autoplay loop muted playsinline controls '
                'aria-label="The simulated arm during the run"></video></figure>')
    return f'<figure><img src="{data}" alt="The simulated arm during the run"></figure>'


def _tiles(metrics: dict[str, Any]) -> list[str]:
    tried, latency = metrics['episodes'], metrics['latency_ms']['sensor_to_command']
    model, supervisor = metrics['latency_ms']['model'], metrics['supervisor']
    passing = supervisor['mode_share'].get('ACTIVE', 0.0)
    tiles = [
        tile('Success', in_percent(tried['success_rate'], 0),
             f'{tried["succeeded"]} of {tried["count"]} episodes',
             'good' if tried['count'] and tried['success_rate'] >= 0.8 else 'poor'),
        tile('Time to succeed', in_seconds(tried['duration_s']['p50']),
             f'median; longest {in_seconds(tried["duration_s"]["max"])}'),
        tile('Sensor to command', in_ms(latency['p50']),
             f'median; p99 {in_ms(latency["p99"])} over {latency["count"]} commands'),
        tile('The model alone', in_ms(model['p50']),
             f'median of session.run; p99 {in_ms(model.get("p99"))}'),
        tile('Peak force', in_newtons(tried['peak_force_n']['max']),
             f'largest of all; median episode {in_newtons(tried["peak_force_n"]["p50"])}'),
        tile('Interventions', str(supervisor['interventions']),
             f'motion passed unchanged {in_percent(passing)} of the time'),
    ]
    worst = metrics['limits']['worst']
    dropped = sum(stream['dropped'] for stream in metrics['streams'].values())
    count = sum(stream['count'] for stream in metrics['streams'].values())
    return [
        *tiles,
        tile('Most of any limit', in_percent(worst['share']),
             f'{worst["of"]}; up to 100 % is allowed',
             'poor' if metrics['limits']['exceeded'] else 'good'),
        tile('Recorded', f'{count:,}'.replace(',', '\u202f') + ' messages',
             f'{dropped} dropped by the recorder', '' if not dropped else 'poor'),
    ]


def _chips(metrics: dict[str, Any]) -> str:
    chips = ['<button type="button" aria-pressed="true">All episodes</button>']
    for each in metrics['episodes']['each']:
        mark = '' if each['success'] else ' class="fail"'
        chips.append(f'<button type="button" aria-pressed="false"{mark} {_range(each)}>'
                     f'{each["number"]} {"✓" if each["success"] else "✕"}</button>')
    return ''.join(chips)


def _range(each: dict[str, Any]) -> str:
    return (f'data-from="{each["start_s"]:.2f}" '
            f'data-to="{each["start_s"] + each["duration_s"]:.2f}"')


def _interventions(metrics: dict[str, Any]) -> str:
    rows = [f'<tr><td><span class="dot" style="background:var(--mode-{row["mode"].lower()})">'
            f'</span>{escape(row["mode"])}</td><td class="left"><code>{escape(row["reason"])}'
            f'</code></td><td class="wide">{escape(meaning(row["reason"]))}</td>'
            f'<td>{row["count"]}</td></tr>'
            for row in metrics['supervisor']['by_reason']]
    if not rows:
        return '<p class="note">It never had to intervene.</p>'
    return table(['mode', ' reason', ' meaning', 'times'], rows)


def _episodes(metrics: dict[str, Any]) -> str:
    rows = []
    for each in metrics['episodes']['each']:
        mood, word = ('good', 'in') if each['success'] else ('poor', 'missed')
        rows.append(
            f'<tr {_range(each)}><td>{each["number"]}</td>'
            f'<td class="left"><span class="badge {mood}">{word}</span></td>'
            f'<td>{"–" if each["seed"] is None else each["seed"]}</td>'
            f'<td>{in_seconds(each["duration_s"])}</td>'
            f'<td>{in_newtons(each["peak_force_n"])}</td>'
            f'<td>{each["interventions"]}</td><td>{in_percent(each["limit_share"])}</td></tr>')
    return table(['episode', ' connector', 'seed', 'time', 'peak force', 'interventions',
                  'most of any limit'], rows)


def _streams(metrics: dict[str, Any]) -> str:
    rows = [f'<tr><td><code>{escape(topic)}</code></td><td class="left">{escape(row["type"])}</td>'
            f'<td>{row["count"]}</td><td>{in_hertz(row["rate_hz"])}</td>'
            f'<td>{in_hertz(row["wanted_rate_hz"])}</td><td>{in_percent(row["lost_share"])}</td>'
            f'<td>{in_seconds(row["longest_gap_s"])}</td><td>{row["dropped"]}</td></tr>'
            for topic, row in metrics['streams'].items()]
    return table(['topic', ' type', 'messages', 'rate', 'the cell file says', 'short of it',
                  'longest gap', 'dropped here'], rows)


def _shares(metrics: dict[str, Any]) -> str:
    names = (('sensor_to_command', 'from sensor to command'),
             ('rendering', 'of it, the simulated cameras at work'),
             ('observation_to_proposal', 'of it, until the proposal is out'),
             ('model', 'of it, the model alone (session.run)'),
             ('supervisor_tick', "the supervisor's tick"))
    figures_of = metrics['latency_ms']
    rows = [f'<tr><td>{title}</td><td>{in_ms(figures_of[name]["p50"])}</td>'
            f'<td>{in_ms(figures_of[name]["p99"])}</td></tr>'
            for name, title in names if figures_of[name]['p50'] is not None]
    return table(['', 'p50', 'p99'], rows)


def _diagnostics(metrics: dict[str, Any]) -> str:
    parts = []
    for name, values in metrics['diagnostics'].items():
        rows = [f'<tr><td>{escape(key)}</td><td class="wide"><code>{escape(value)}</code></td>'
                '</tr>' for key, value in values.items() if value]
        parts.append(f'<h2>{escape(name)}</h2>' + table(['key', ' value'], rows))
    return ''.join(parts) or '<p class="note">Nothing.</p>'
