"""What the page says: verdict, key figures, gate, comparison, findings, the supervisor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

import physical_ai_bridge
from physical_ai_bridge.evaluation.figures import MODES
from physical_ai_bridge.evaluation.markup import meaning, table, tight, tile
from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode, Severity
from physical_ai_bridge.evaluation.offline.page_words import word
from physical_ai_bridge.evaluation.offline.scores import (
    Comparison,
    EPISODE_SCORES,
    ErrorScore,
    GateCheck,
    Interval,
    Judged,
    PolicyScores,
    Scores,
)
from physical_ai_bridge.evaluation.offline.summary import passed_share, stops_of, verdict
from physical_ai_bridge.evaluation.words import (
    counted,
    in_degrees,
    in_mm,
    in_percent,
    in_rad,
    in_seconds,
    NONE,
    plain,
)

REASONS_SHOWN = 20
PLACES_SHOWN = 40
_MOODS = {'better': 'good', 'worse': 'poor'}
_SEVERITIES = {str(Severity.ERROR): 'poor', str(Severity.WARNING): 'warn'}


def verdict_parts(scores: Scores) -> dict[str, str]:
    """Return the verdict on top: its class, mark, headline, and what speaks for it."""
    passed, headline, reasons = verdict(scores)
    headline = tight(headline)
    title = 'Passed' if scores.gate else 'Evaluated, without a gate'
    lines = [f'<li>{escape(reason)}</li>' for reason in reasons[:REASONS_SHOWN]]
    if len(reasons) > REASONS_SHOWN:
        lines.append(f'<li>… {len(reasons) - REASONS_SHOWN} more: see below</li>')
    details = f'<ul>{"".join(lines)}</ul>' if lines else ''
    if scores.comparison is not None:
        found = scores.comparison.verdict
        details += (f'<p>{word("Against the baseline")} '
                    f'{escape(scores.comparison.baseline.name)}: '
                    f'{badge(found, _MOODS.get(found, ""))}</p>')
    partly = [bag.bag for bag in scores.bags if bag.status == 'partly']
    if partly:
        details += (f'<p>{word("Evaluated only in part")}: {len(partly)} / {len(scores.bags)} '
                    f'<span class="meta">({escape(", ".join(partly[:REASONS_SHOWN]))}'
                    f'{", …" if len(partly) > REASONS_SHOWN else ""})</span></p>')
    return {
        'title': escape(headline), 'heading': word(headline),
        'verdict_class': 'good' if passed else 'poor', 'verdict_mark': '✓' if passed else '✕',
        'verdict': word(title if passed else 'Did not pass'), 'verdict_details': details}


def badge(text: str, mood: str = '') -> str:
    """Return a word of the page's own as a badge."""
    return f'<span class="badge {mood}">{word(text)}</span>'


def whose(scores: Scores) -> str:
    """Return whose judgement it is, as the items of a list of definitions."""
    items = [('policy', _judged(scores.policy))]
    if scores.comparison is not None:
        items.append(('baseline', _judged(scores.comparison.baseline)))
    items += [('cell', f'{escape(scores.cell)} {_digest(scores.cell_digest)}'),
              ('latency assumed', escape(in_seconds(scores.latency_s))),
              ('software', f'physical_ai_bridge {escape(physical_ai_bridge.__version__)}')]
    return ''.join(f'<div><dt>{word(key)}</dt><dd>{value}</dd></div>' for key, value in items)


def _judged(judged: Judged) -> str:
    return f'{escape(judged.kind)} {escape(judged.name)} {_digest(judged.digest)}'


def _digest(digest: str) -> str:
    short = digest if len(digest) <= 12 else f'{digest[:12]}…'
    return f'<code title="sha256 {escape(digest)}">{escape(short)}</code>' if digest else ''


def tiles(scores: Scores) -> str:
    """Return the key figures."""
    policy = scores.overall
    error = policy.action_error if policy else None
    states = [(sum(bag.status == status for bag in scores.bags), status)
              for status in ('evaluated', 'partly', 'failed')]
    stops, passed = stops_of(policy), passed_share(policy)
    return ''.join((
        tile('Action error', in_rad(error.rad.rmse if error else None),
             _spread_words(error.rad) if error else '', word=word),
        tile('Error of the tcp', in_mm(error.tcp_m.rmse if error else None),
             f'rmse · p95 {in_mm(error.tcp_m.p95)} · max {in_mm(error.tcp_m.max)}'
             if error else '', word=word),
        tile('Proposals passed unchanged', in_percent(passed),
             f'{policy.verdicts.passed} / {policy.verdicts.proposals}' if policy else '',
             word=word),
        tile('Stops it would have made', NONE if stops is None else str(stops),
             _counts(policy.verdicts.stops) if policy else '', 'poor' if stops else '', word=word),
        tile('Jump between chunks', in_rad(policy.seams_rad.rmse if policy else None),
             _spread_words(policy.seams_rad) if policy else '', word=word),
        _parity_tile(scores),
        tile('Recordings', str(len(scores.bags)),
             ', '.join(f'{count} {status}' for count, status in states if count),
             'poor' if states[-1][0] else '', word=word),
        tile('Inferences', NONE if policy is None else str(policy.inferences),
             f'refused: {counted(sum(policy.observations_refused.values()), "observation")}, '
             f'{counted(sum(policy.chunks_refused.values()), "chunk")}' if policy else '',
             word=word)))


def _spread_words(error: ErrorScore) -> str:
    return (f'{in_degrees(error.rmse)} rmse · p95 {in_degrees(error.p95)} · '
            f'max {in_degrees(error.max)}')


def _counts(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{name} {count}' for name, count in sorted(
        counts.items(), key=lambda item: (-item[1], item[0])))


def _parity_tile(scores: Scores) -> str:
    compared = sum(sum(bag.parity.compared.values()) for bag in scores.bags)
    identical = sum(sum(bag.parity.identical.values()) for bag in scores.bags)
    if not compared:
        return tile('Parity', NONE, 'no recorded run to compare with', word=word)
    share = identical / compared
    return tile('Parity', '100 %' if identical == compared else f'{100.0 * share:.3f} %',
                f'{identical} / {compared} decisions', 'good' if identical == compared else 'poor',
                word=word)


def card(title: str, *content: str, note: str = '') -> str:
    """Return a card with a title, and a note of the page's own below it."""
    note = f'<p class="note">{word(note)}</p>' if note else ''
    return f'<section class="card"><h2>{word(title)}</h2>{note}{"".join(content)}</section>'


def gate(checks: Iterable[GateCheck]) -> str:
    """Return the thresholds, those that are missed first."""
    rows = [f'<tr><td>{badge("met", "good") if check.holds else badge("missed", "poor")}</td>'
            f'<td class="left"><code>{escape(check.metric)}</code></td>'
            f'<td>{escape(plain(check.found))}</td><td class="left">{escape(check.condition)}</td>'
            f'<td class="wide">{escape(check.detail)}</td></tr>'
            for check in sorted(checks, key=lambda check: check.holds)]
    if not rows:
        return ''
    return card('Gate', table(['', ' metric', 'found', ' condition', ' detail'], rows, word=word))


_QUANTITIES = {'_rad': in_rad, '_m': in_mm, '_share': in_percent}


def _quantity(name: str, value: float | None) -> str:
    for suffix, write in _QUANTITIES.items():
        if name.endswith(suffix):
            return write(value)
    return plain(value)


def comparison(compared: Comparison | None, plot: str) -> str:
    """Return the comparison with the baseline: ``plot``, and every quantity with its interval."""
    if compared is None:
        return ''
    rows = [_interval(name, each) for name, each in compared.quantities.items()]
    how = word('Paired by episode; 95 % intervals by drawing again, p by flipping signs.')
    method = (f'<p class="meta">{how} '
              f'n = {compared.resamples}, seed {compared.seed}</p>')
    return card(
        'Against the baseline', plot,
        table([' quantity', 'pairs', 'without a value', 'this policy', 'baseline', 'difference',
               '95 % interval', 'p', ' verdict'], rows, word=word), method,
        note='The difference is this policy less the baseline: left of zero is better.')


def _interval(name: str, each: Interval) -> str:
    between = NONE if each.low is None or each.high is None else (
        f'{_quantity(name, each.low)} … {_quantity(name, each.high)}')
    return (f'<tr><td class="left">{word(EPISODE_SCORES.get(name, name))}</td>'
            f'<td>{each.pairs}</td><td>{each.left_out}</td>'
            f'<td>{_quantity(name, each.candidate)}</td>'
            f'<td>{_quantity(name, each.baseline)}</td><td>{_quantity(name, each.difference)}</td>'
            f'<td>{between}</td><td>{plain(each.p_value)}</td><td class="left">'
            f'{badge(each.verdict, _MOODS.get(each.verdict, ""))}</td></tr>')


def findings(scores: Scores) -> str:
    """Return what was found in the recordings, by code, the gravest first."""
    by_code: dict[str, list[tuple[str, Finding]]] = {}
    for bag in scores.bags:
        for finding in bag.findings:
            by_code.setdefault(finding.code, []).append((bag.bag, finding))
    order = [str(severity) for severity in Severity]

    def gravity(found: list[tuple[str, Finding]]) -> tuple[int, int]:
        severity = found[0][1].severity
        return order.index(severity) if severity in order else 0, -len(found)

    parts = [_finding(code, found)
             for code, found in sorted(by_code.items(), key=lambda item: gravity(item[1]))]
    return ''.join(parts) or f'<p class="note">{word("Nothing.")}</p>'


def _finding(code: str, found: list[tuple[str, Finding]]) -> str:
    severity = found[0][1].severity
    known = FindingCode(code) if code in FindingCode.__members__ else None
    rows = [f'<tr><td>{escape(bag)}</td><td class="wide"><code>{escape(each.where)}</code></td>'
            f'<td class="wide">{escape(each.detail)}</td><td>{each.count}</td>'
            f'<td>{_when(each)}</td></tr>' for bag, each in found[:PLACES_SHOWN]]
    more = len(found) - PLACES_SHOWN
    rest = f'<p class="meta">+{more}: metrics.json</p>' if more > 0 else ''
    advice = f'<p class="advice">{word(known.advice)}</p>' if known else ''
    return (
        f'<details{" open" if severity == Severity.ERROR else ""}><summary>'
        f'{badge(severity, _SEVERITIES.get(severity, ""))} <code>{escape(code)}</code> '
        f'<span class="what">{word(known.meaning) if known else ""}</span> '
        f'<span class="meta">× {len({bag for bag, _ in found})}</span></summary>{advice}'
        + table([' recording', ' where', ' detail', 'times', 'when'], rows, word=word)
        + f'{rest}</details>')


def _when(finding: Finding) -> str:
    if finding.first_s is None:
        return NONE
    if finding.last_s is None or finding.last_s == finding.first_s:
        return in_seconds(finding.first_s)
    return f'{finding.first_s:.2f} … {in_seconds(finding.last_s)}'


def modes(policy: PolicyScores | None) -> str:
    """Return the shares of the modes, as one bar."""
    shares = policy.verdicts.mode_share if policy else {}
    parts = [(mode, shares[mode]) for mode in MODES if shares.get(mode)]
    if not parts:
        return ''
    bar = ''.join(f'<span class="mode {mode.lower()}" style="flex-grow:{share:.4f}"></span>'
                  for mode, share in parts)
    keys = ''.join(f'<li><span class="dot {mode.lower()}"></span>{mode} {in_percent(share)}</li>'
                   for mode, share in parts)
    return f'<div class="modes" aria-hidden="true">{bar}</div><ul class="keys">{keys}</ul>'


def reasons(policy: PolicyScores | None, baseline: PolicyScores | None) -> str:
    """Return stops, limits and refusals by reason, with what each means."""
    if policy is None:
        return f'<p class="note">{word("No inference could be made.")}</p>'
    rows = []
    for title, mood, of in (
            ('would stop', 'poor', lambda each: each.verdicts.stops),
            ('would limit', 'warn', lambda each: each.verdicts.limited),
            ('limit ahead', 'warn', lambda each: each.verdicts.ahead),
            ('refused by the supervisor', '', lambda each: each.verdicts.refused),
            ('no observation', '', lambda each: each.observations_refused),
            ('no proposal', '', lambda each: each.chunks_refused)):
        mine, theirs = of(policy), of(baseline) if baseline else {}
        for code in sorted({*mine, *theirs}, key=lambda code: (-mine.get(code, 0), code)):
            other = f'<td>{theirs.get(code, 0)}</td>' if baseline else ''
            rows.append(
                f'<tr><td>{badge(title, mood)}</td><td class="left"><code>{escape(code)}</code>'
                f'</td><td class="wide">{word(meaning(code))}</td><td>{mine.get(code, 0)}</td>'
                f'{other}</tr>')
    if not rows:
        return f'<p class="note">{word("Every proposal would have passed unchanged.")}</p>'
    head = ['', ' reason', ' meaning', 'times', *(['baseline'] if baseline else [])]
    return table(head, rows, word=word)
