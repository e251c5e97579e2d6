"""The page's tables: ages, smoothness, parity, latency, streams, recordings."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from physical_ai_bridge.evaluation.markup import table
from physical_ai_bridge.evaluation.offline.page_sections import badge
from physical_ai_bridge.evaluation.offline.page_words import word
from physical_ai_bridge.evaluation.offline.scores import (
    BagScores,
    ParityScore,
    PolicyScores,
    Scores,
    Smoothness,
    Spread,
)
from physical_ai_bridge.evaluation.offline.summary import (
    findings_word,
    parity_word,
    passed_share,
    stops_of,
)
from physical_ai_bridge.evaluation.words import (
    in_degrees,
    in_hertz,
    in_mm,
    in_ms,
    in_percent,
    in_rad,
    in_seconds,
    NONE,
    plain,
)

PARITY_SHOWN = 40
_STATUS = {'evaluated': 'good', 'partly': 'warn', 'failed': 'poor'}


def _in_ms(seconds: float | None) -> str:
    return in_ms(None if seconds is None else 1e3 * seconds)


def ages(policy: PolicyScores | None) -> str:
    """Return how old the inputs were, and how far apart the cameras."""
    if policy is None:
        return _nothing()
    rows = [_age(escape(name), spread) for name, spread in policy.ages_s.items()]
    rows.append(_age(word('cameras apart'), policy.sync_spread_s))
    return table(['', 'p50', 'p95', 'max', 'times'], rows, word=word)


def _age(title: str, spread: Spread) -> str:
    return (f'<tr><td>{title}</td><td>{_in_ms(spread.p50)}</td><td>{_in_ms(spread.p95)}</td>'
            f'<td>{_in_ms(spread.max)}</td><td>{spread.count}</td></tr>')


def _nothing() -> str:
    return f'<p class="note">{word("Nothing.")}</p>'


def smoothness(policy: PolicyScores | None, baseline: PolicyScores | None) -> str:
    """Return how smooth the recorded and the proposed motion are."""
    if policy is None:
        return _nothing()
    rows = [_smooth('recorded', policy.recorded), _smooth('proposed', policy.proposed)]
    if baseline is not None:
        rows.append(_smooth('proposed by the baseline', baseline.proposed))
    return table(['', 'jerk p50', 'p95', 'max', 'path'], rows, word=word) + (
        '<p class="meta">rad/s³, rad</p>')


def _smooth(title: str, smooth: Smoothness) -> str:
    jerk = smooth.jerk_rad_s3
    return (f'<tr><td>{word(title)}</td><td>{plain(jerk.p50)}</td><td>{plain(jerk.p95)}</td>'
            f'<td>{plain(jerk.max)}</td><td>{plain(smooth.path_rad)}</td></tr>')


def parity(scores: Scores) -> str:
    """Return whether recorded runs are decided the same again, those that are not first."""
    recorded = [bag for bag in scores.bags if bag.parity.recorded or bag.parity.gaps]
    if not recorded:
        return f'<p class="note">{word("No recording holds a run of this bridge.")}</p>'
    recorded.sort(key=lambda bag: (bag.parity.holds is not False, not bag.parity.gaps))
    rows = [f'<tr><td>{escape(bag.bag)}</td><td class="left">{_parity_badge(bag.parity)}</td>'
            f'<td class="left">{escape(_by_node(bag.parity))}</td><td class="wide">'
            f'{escape("; ".join([bag.parity.first_difference, *bag.parity.gaps]).strip("; "))}'
            '</td></tr>' for bag in recorded[:PARITY_SHOWN]]
    more = len(recorded) - PARITY_SHOWN
    rest = f'<p class="meta">+{more}: metrics.json</p>' if more > 0 else ''
    return table([' recording', ' parity', ' identical decisions', ' detail'], rows,
                 word=word) + rest


def _parity_badge(found: ParityScore) -> str:
    return badge(parity_word(found), {True: 'good', False: 'poor', None: ''}[found.holds])


def _by_node(found: ParityScore) -> str:
    return ', '.join(f'{node} {found.identical.get(node, 0)} / {count}'
                     for node, count in found.compared.items()) or NONE


def timing_table(timing: Mapping[str, Any]) -> str:
    """Return how long it took; everything in ``timing`` may be missing."""
    inference = timing.get('inference_ms') or {}
    rows = [(word('machine'), str(timing.get('machine') or NONE)),
            (word('inference'), f'p50 {in_ms(inference.get("p50"))}, '
             f'p99 {in_ms(inference.get("p99"))}, max {in_ms(inference.get("max"))}'),
            (word('deadline'), in_ms(timing.get('deadline_ms'))),
            (word('over the deadline'), in_percent(timing.get('over_deadline_share'), 2)),
            (word('the whole evaluation'), in_seconds(timing.get('wall_s'))),
            (word('processes'), str(timing.get('workers') or NONE))]
    return '<dl class="whose">' + ''.join(
        f'<div><dt>{key}</dt><dd>{escape(value)}</dd></div>' for key, value in rows) + '</dl>'


def streams(bag: BagScores) -> str:
    """Return the topics of one recording."""
    rows = [f'<tr><td class="wide"><code>{escape(topic)}</code></td>'
            f'<td class="left">{escape(each.type_name)}</td><td>{each.messages}</td>'
            f'<td>{in_hertz(each.rate_hz)}</td><td>{in_hertz(each.wanted_rate_hz)}</td>'
            f'<td>{in_seconds(each.longest_gap_s)}</td></tr>'
            for topic, each in bag.streams.items()]
    return table([' topic', ' type', 'messages', 'rate', 'the cell file says', 'longest gap'],
                 rows, word=word) if rows else _nothing()


def bags(scores: Scores, timing: Mapping[str, Any], embedded: Mapping[str, int]) -> str:
    """
    Return the sortable table of all recordings.

    ``embedded`` has the number of each timeline that is in the page, by recording.
    """
    titles = ('recording', 'status', 'time', 'inferences', 'action rmse', 'tcp rmse', 'passed',
              'stops', 'findings', 'parity', 'speed')
    left = ('recording', 'status', 'findings', 'parity')
    head = ''.join(
        f'<th scope="col"{" class=left" if title in left else ""}>'
        f'<button type="button">{word(title)}</button></th>' for title in titles)
    rows = ''.join(_bag(bag, (timing.get('bags') or {}).get(bag.bag) or {}, embedded)
                   for bag in scores.bags)
    return (f'<div class="scroll"><table id="bags"><thead><tr>{head}</tr></thead>'
            f'<tbody>{rows}</tbody></table></div>')


def _bag(bag: BagScores, times: Mapping[str, Any], embedded: Mapping[str, int]) -> str:
    policy = bag.policy
    error = policy.action_error if policy else None
    rmse, tcp = (error.rad.rmse, error.tcp_m.rmse) if error else (None, None)
    stops, factor = stops_of(policy), times.get('real_time_factor')
    name = escape(bag.bag)
    if bag.bag in embedded:
        name = f'<button type="button" class="link" data-bag="{embedded[bag.bag]}">{name}</button>'
    failure = f'<div class="meta">{escape(bag.failure)}</div>' if bag.failure else ''
    grave = sum(each.severity == 'error' for each in bag.findings)
    return '<tr>' + ''.join((
        _cell(name, bag.bag, 'left'),
        _cell(badge(bag.status, _STATUS.get(bag.status, '')) + failure, bag.status, 'wide'),
        _cell(NONE, None) if bag.status == 'failed' else
        _cell(in_seconds(bag.duration_s), bag.duration_s),
        _cell(str(policy.inferences) if policy else NONE, policy.inferences if policy else None),
        _cell(NONE if rmse is None else
              f'{in_rad(rmse)} <span class="meta">{in_degrees(rmse)}</span>', rmse),
        _cell(in_mm(tcp), tcp), _cell(in_percent(passed_share(policy)), passed_share(policy)),
        _cell(NONE if stops is None else str(stops), stops),
        _cell(findings_word(bag), 1000 * grave + len(bag.findings), 'left'),
        _cell(word(parity_word(bag.parity)), parity_word(bag.parity), 'left'),
        _cell(NONE if factor is None else f'{factor:.1f}×', factor))) + '</tr>'


def _cell(html: str, value: float | str | None, name: str = '') -> str:
    """Return a cell that is sorted by ``value``."""
    key = '' if value is None else escape(str(value))
    return f'<td data-v="{key}"{f" class={name}" if name else ""}>{html}</td>'
