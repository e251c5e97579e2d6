"""One HTML file that shows a judgement of recordings: nothing to install, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
import math
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.evaluation.markup import (
    asset,
    embedded,
    plotly_script,
    tight,
    write_filled,
)
from physical_ai_bridge.evaluation.offline import page_sections, page_tables
from physical_ai_bridge.evaluation.offline.page_figures import figures_of
from physical_ai_bridge.evaluation.offline.page_timeline import MOMENTS, timeline_values
from physical_ai_bridge.evaluation.offline.page_words import japanese, word
from physical_ai_bridge.evaluation.offline.scores import BagScores, Scores
from physical_ai_bridge.evaluation.offline.summary import verdict
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline, WorstMoment
from physical_ai_bridge.evaluation.words import counted, NONE

SHOWN = 8
# Of JPEG files, over all recordings: with plotly, arrays and base64 the page stays under 15 MB.
PICTURE_BYTES = 2_000_000


def write_page(
        scores: Scores, timelines: Iterable[BagTimeline], timing: Mapping[str, Any], path: Path, *,
        made: str, cell: Cell | None = None, shown: int = SHOWN) -> None:
    """
    Write the page to ``path``, whole or not at all.

    ``timelines`` may make each when it is asked for: one is held at a time, and those of the
    ``shown`` worst recordings (``worst_bags``) go into the page. ``timing`` has what depends on
    the machine, each key optional: ``machine``, ``workers``, ``wall_s``, ``deadline_ms``,
    ``over_deadline_share``, ``inference_ms`` (``p50``, ``p99``, ``max``), and ``bags``: by name
    ``wall_s``, ``real_time_factor`` and ``inference_ms``. ``made`` says when, in words. ``cell``
    lends the limits of forces and positions to the plots.

    Raises
    ------
    SetupError
        When plotly is not installed.
    OSError
        When it cannot be written.

    """
    panels = _Panels(scores, worst_bags(scores, shown), cell)
    for timeline in timelines:
        panels.add(timeline)
    figures = figures_of(scores, timing)
    policy, baseline = scores.overall, scores.baseline
    drift = policy.action_error.drift_rad_per_s if policy else None
    _, headline, _ = verdict(scores)
    parts = page_sections.verdict_parts(scores) | {
        'css': asset('shared.css') + asset('judgement.css'),
        'js': asset('shared.js') + asset('judgement.js'),
        'plotly': plotly_script(),
        'meta': escape(' · '.join(filter(None, (
            counted(len(scores.bags), 'recording'), scores.policy.name, scores.cell, made)))),
        'whose': page_sections.whose(scores),
        'tiles': page_sections.tiles(scores),
        'gate': page_sections.gate(scores.gate),
        'comparison': page_sections.comparison(scores.comparison, _place('forest', figures)),
        'findings': page_sections.findings(scores),
        'timeline': panels.section(),
        'timelines': ''.join(panels.scripts),
        'drift_note': '' if drift is None else (
            f'{word("Drift")}: {math.degrees(drift):+.2f} °/s ({drift:+.4f} rad/s)'),
        'drift': _place('drift', figures) or _dash(),
        'joints': _place('joints', figures) or _dash(),
        'modes': page_sections.modes(policy),
        'reasons': page_sections.reasons(policy, baseline),
        'ages': page_tables.ages(policy),
        'smoothness': page_tables.smoothness(policy, baseline),
        'parity': page_tables.parity(scores),
        'timing': page_tables.timing_table(timing),
        'latency': _place('latency', figures),
        'bags': page_tables.bags(scores, timing, panels.numbers),
        'footer': escape(made),
        'words': embedded(japanese(tight(headline))),
        'figures': embedded(figures),
    }
    body = re.sub(r'\[\[(.+?)\]\]', lambda match: word(match[1]), asset('judgement.html'))
    write_filled(asset('head.html') + body, parts, path)


def worst_bags(scores: Scores, count: int) -> list[str]:
    """
    Return the recordings whose timelines are shown, the worst first.

    First those that are decided differently than they were, then by the rmse of the action error,
    largest first.
    """
    def gravity(bag: BagScores) -> tuple[bool, float]:
        rmse = bag.policy.action_error.rad.rmse if bag.policy else None
        return bag.parity.holds is not False, -(rmse or 0.0)

    return [bag.bag for bag in sorted(
        (bag for bag in scores.bags if bag.status != 'failed'), key=gravity)][:count]


def _place(name: str, figures: Mapping[str, Any]) -> str:
    return f'<div class="plot" id="{name}"></div>' if name in figures else ''


def _dash() -> str:
    return f'<p class="note">{NONE}</p>'


class _Panels:
    """Takes timelines as they come, and keeps of each what the page shows."""

    def __init__(self, scores: Scores, worst: list[str], cell: Cell | None) -> None:
        self._bags = {bag.bag: bag for bag in scores.bags}
        self._total = len(scores.bags)
        self._worst = worst
        self._cell = cell
        self._found: dict[str, str] = {}
        # What is left for the pictures of each recording.
        self._bytes_each = PICTURE_BYTES // max(1, len(worst))
        self.scripts: list[str] = []

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each timeline that is in the page, by recording."""
        return {bag: self._worst.index(bag) for bag in self._worst if bag in self._found}

    def add(self, timeline: BagTimeline) -> None:
        """Keep a timeline if it is one of those that are shown."""
        if timeline.bag not in self._worst or timeline.bag in self._found:
            return
        bag, number = self._bags[timeline.bag], self._worst.index(timeline.bag)
        worst = bag.policy.action_error.worst if bag.policy else ()
        values = timeline_values(timeline, self._cell, worst[0].joint if worst else None)
        self.scripts.append(f'<script type="application/json" id="timeline-{number}">'
                            f'{embedded(values)}</script>')
        self._found[timeline.bag] = (
            f'<div class="panel" id="panel-{number}" hidden>'
            f'<h3>{word("The worst moments")}</h3>{self._moments(timeline)}'
            f'<details><summary>{word("Topics")}</summary>{page_tables.streams(bag)}</details>'
            '</div>')

    def section(self) -> str:
        """Return the section of the timelines."""
        if not self._found:
            return page_sections.card(
                'Over time', f'<p class="note">{word("No recording has a timeline.")}</p>')
        chips = ''.join(
            f'<button type="button" aria-pressed="false" data-bag="{number}">{escape(bag)}'
            '</button>' for bag, number in self.numbers.items())
        rule = '' if len(self._found) == self._total else (
            f'<p class="note">{len(self._found)} / {self._total}: '
            f'{word(_RULE)}</p>')
        controls = (
            f'<div class="controls"><label>{word("Joint")} <select id="joint"></select></label>'
            f'<button type="button" id="whole">{word("Whole recording")}</button></div>')
        return page_sections.card(
            'Over time', rule, f'<nav class="episodes" aria-label="Recordings">{chips}</nav>',
            controls, '<div class="plot" id="timeline"></div>',
            *(self._found[bag] for bag in self.numbers),
            note='The proposals fan out from the recorded motion where the policy disagrees with '
                 'it. Drag to zoom; click a picture or a numbered mark to go there.')

    def _moments(self, timeline: BagTimeline) -> str:
        left = self._bytes_each
        figures = []
        for number, moment in enumerate(timeline.moments[:MOMENTS], 1):
            size = sum(map(len, moment.frames.values()))
            figures.append(_moment(number, moment, pictures=size <= left))
            left -= size if size <= left else 0
        return f'<div class="moments">{"".join(figures)}</div>' if figures else _dash()


_RULE = ('the worst recordings: first those decided differently than recorded, then by the rmse '
         'of the action error')


def _moment(number: int, moment: WorstMoment, *, pictures: bool) -> str:
    frames = ''.join(
        f'<span class="frame"><img alt="{escape(camera)}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
        f'<span class="camera">{escape(camera)}</span></span>'
        for camera, jpeg in moment.frames.items()) if pictures else ''
    if not frames:
        frames = f'<span class="meta">{word("no picture in the page")}</span>'
    return (f'<button type="button" class="moment" data-at="{moment.at_s:.3f}">'
            f'<span class="frames">{frames}</span>'
            f'<span class="caption"><b>{number}</b> {moment.at_s:.2f} s · {escape(moment.what)}'
            '</span></button>')
