"""One HTML file that shows a run: nothing to install, nothing fetched, light and dark."""

from __future__ import annotations

import base64
from html import escape
from importlib import resources
import json
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.evaluation import figures
from physical_ai_bridge.evaluation.metrics import rounded
from physical_ai_bridge.evaluation.run import Run
from physical_ai_bridge.evaluation.words import in_ms, in_newtons, in_percent, in_seconds

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
    page = resources.files('physical_ai_bridge.evaluation') / 'page'
    tried = metrics['episodes']
    model = metrics['latency_ms']['model']
    parts = {
        'css': (page / 'report.css').read_text('utf-8'),
        'js': (page / 'report.js').read_text('utf-8'),
        'plotly': _plotly(),
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
        'figures': _embedded({
            'modes': figures.modes(run), 'force': figures.force(run),
            'velocity': figures.velocity(run), 'position': figures.position(run),
            'limit_use': figures.limit_use(metrics),
            'latency': figures.latency(run, model['p50']),
        }),
    }
    template = (page / 'report.html').read_text('utf-8')
    html = re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], template)
    partial = path.with_name(f'.{path.name}.part')
    partial.write_text(html, encoding='utf-8')
    partial.replace(path)


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise SetupError(
            'the report needs plotly; type: pip install "physical_ai_bridge[report]"') from error
    return get_plotlyjs().replace('</script', r'<\/script')


def _embedded(value: Any) -> str:
    """Return JSON that can stand inside a script element."""
    text = json.dumps(rounded(value), separators=(',', ':'), allow_nan=False)
    return text.replace('<', r'\u003c')


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


def _tile(label: str, value: str, sub: str = '', mood: str = '') -> str:
    number, _, unit = value.partition(' ')
    unit = f'<small>{escape(unit)}</small>' if unit else ''
    return (f'<div class="tile {mood}"><span class="label">{escape(label)}</span>'
            f'<span class="value">{escape(number)}{unit}</span>'
            f'<span class="sub">{escape(_tight(sub))}</span></div>')


def _tight(text: str) -> str:
    """Keep a number and its unit on one line."""
    return re.sub(r'(\d) (ms|s|N|%)(?=\W|$)', '\\1\u00a0\\2', text)


def _tiles(metrics: dict[str, Any]) -> list[str]:
    tried, latency = metrics['episodes'], metrics['latency_ms']['sensor_to_command']
    model, supervisor = metrics['latency_ms']['model'], metrics['supervisor']
    passing = supervisor['mode_share'].get('ACTIVE', 0.0)
    tiles = [
        _tile('Success', in_percent(tried['success_rate'], 0),
              f'{tried["succeeded"]} of {tried["count"]} episodes',
              'good' if tried['count'] and tried['success_rate'] >= 0.8 else 'poor'),
        _tile('Time to succeed', in_seconds(tried['duration_s']['p50']),
              f'median; longest {in_seconds(tried["duration_s"]["max"])}'),
        _tile('Sensor to command', in_ms(latency['p50']),
              f'median; p99 {in_ms(latency["p99"])} over {latency["count"]} commands'),
        _tile('The model alone', in_ms(model['p50']),
              f'median of session.run; p99 {in_ms(model.get("p99"))}'),
        _tile('Peak force', in_newtons(tried['peak_force_n']['max']),
              f'largest of all; median episode {in_newtons(tried["peak_force_n"]["p50"])}'),
        _tile('Interventions', str(supervisor['interventions']),
              f'motion passed unchanged {in_percent(passing)} of the time'),
    ]
    worst = metrics['limits']['worst']
    dropped = sum(stream['dropped'] for stream in metrics['streams'].values())
    count = sum(stream['count'] for stream in metrics['streams'].values())
    return [
        *tiles,
        _tile('Most of any limit', in_percent(worst['share']),
              f'{worst["of"]}; up to 100 % is allowed',
              'poor' if metrics['limits']['exceeded'] else 'good'),
        _tile('Recorded', f'{count:,}'.replace(',', '\u202f') + ' messages',
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


def _table(head: list[str], rows: list[str]) -> str:
    cells = ''.join(
        f'<th scope="col"{_left(title)}>{escape(title.strip())}</th>' for title in head)
    return (f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def _left(title: str) -> str:
    return ' class="left"' if title.startswith(' ') else ''


def _meaning(code: str) -> str:
    return Reason(code).meaning if code in Reason.__members__ else ''


def _interventions(metrics: dict[str, Any]) -> str:
    rows = [f'<tr><td><span class="dot" style="background:var(--mode-{row["mode"].lower()})">'
            f'</span>{escape(row["mode"])}</td><td class="left"><code>{escape(row["reason"])}'
            f'</code></td><td class="wide">{escape(_meaning(row["reason"]))}</td>'
            f'<td>{row["count"]}</td></tr>'
            for row in metrics['supervisor']['by_reason']]
    if not rows:
        return '<p class="note">It never had to intervene.</p>'
    return _table(['mode', ' reason', ' meaning', 'times'], rows)


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
    return _table(['episode', ' connector', 'seed', 'time', 'peak force', 'interventions',
                   'most of any limit'], rows)


def _streams(metrics: dict[str, Any]) -> str:
    def hertz(value: float | None) -> str:
        return '–' if value is None else f'{value:.1f} Hz'

    rows = [f'<tr><td><code>{escape(topic)}</code></td><td class="left">{escape(row["type"])}</td>'
            f'<td>{row["count"]}</td><td>{hertz(row["rate_hz"])}</td>'
            f'<td>{hertz(row["wanted_rate_hz"])}</td><td>{in_percent(row["lost_share"])}</td>'
            f'<td>{in_seconds(row["longest_gap_s"])}</td><td>{row["dropped"]}</td></tr>'
            for topic, row in metrics['streams'].items()]
    return _table(['topic', ' type', 'messages', 'rate', 'the cell file says', 'short of it',
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
    return _table(['', 'p50', 'p99'], rows)


def _diagnostics(metrics: dict[str, Any]) -> str:
    parts = []
    for name, values in metrics['diagnostics'].items():
        rows = [f'<tr><td>{escape(key)}</td><td class="wide"><code>{escape(value)}</code></td>'
                '</tr>' for key, value in values.items() if value]
        parts.append(f'<h2>{escape(name)}</h2>' + _table(['key', ' value'], rows))
    return ''.join(parts) or '<p class="note">Nothing.</p>'
