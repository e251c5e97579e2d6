from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html import unescape
import json
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.page import worst_bags, write_page
from physical_ai_bridge.evaluation.offline.page_words import japanese
from physical_ai_bridge.evaluation.offline.summary import verdict
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.testing.judged import judged, Judgement
import pytest

pytest.importorskip('plotly')

LARGEST = 15_000_000
WITH_EVERYTHING = {'bags': 4, 'failed': 1, 'partly': 1, 'baseline': True, 'gate': False,
                   'different': True}


def page_of(judgement: Judgement, folder: Path, **how: Any) -> str:
    write_page(judgement.scores, judgement.timelines, judgement.timing, folder / 'report.html',
               made='today', **how)
    return (folder / 'report.html').read_text('utf-8')


def embedded_in(page: str, name: str) -> Any:
    return json.loads(re.search(
        rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)[1])


def test_the_same_judgement_gives_the_same_page(tmp_path: Path) -> None:
    assert page_of(judged(1), tmp_path) == page_of(judged(1), tmp_path)


def test_the_verdict_stands_first(tmp_path: Path) -> None:
    judgement = judged(**WITH_EVERYTHING)
    text = unescape(re.sub(r'<style>.*?</style>|<[^>]*>', ' ', page_of(judgement, tmp_path),
                           flags=re.DOTALL))
    _, headline, reasons = verdict(judgement.scores)
    begin = text.index('Did not pass')
    assert headline in text[:begin]
    places = [text.index(words, begin) for words in (
        *reasons, 'better', '(run_002)', 'act_connector_v7',
        'What was found in the recordings')]
    assert places == sorted(places)


def test_two_hundred_long_recordings_stay_one_small_page(tmp_path: Path) -> None:
    judgement = judged(bags=200, partly=12, duration_s=20.0, pictures=False)
    long = judged(bags=1, duration_s=600.0)
    # Each of those that are shown is as long as ten minutes.
    names = worst_bags(judgement.scores, 8)
    timelines = [replace(long.timelines[0], bag=name) for name in names]
    page = page_of(replace(judgement, timelines=timelines), tmp_path)
    assert len(page) < LARGEST
    assert page.count('id="panel-') == 8
    assert page.count('<td data-v="run_') == 200
    assert '8 / 200' in page


def test_timelines_are_taken_one_at_a_time(tmp_path: Path) -> None:
    judgement = judged(bags=3)
    made = []

    def one_by_one() -> Iterator[BagTimeline]:
        for timeline in judgement.timelines:
            made.append(timeline.bag)
            yield timeline

    write_page(judgement.scores, one_by_one(), {}, tmp_path / 'report.html', made='', shown=1)
    page = (tmp_path / 'report.html').read_text('utf-8')
    assert made == ['run_001', 'run_002', 'run_003']
    assert page.count('id="panel-') == 1


def test_those_decided_differently_come_first_then_the_largest_errors() -> None:
    scores = judged(bags=6, failed=1, different=True).scores
    worst = worst_bags(scores, 4)
    rmse = {bag.bag: bag.policy.action_error.rad.rmse for bag in scores.bags if bag.policy}
    assert worst[0] == 'run_006'
    assert worst[1:] == sorted(set(rmse) - {'run_006'}, key=lambda bag: -rmse[bag])[:3]


def test_pictures_that_would_make_it_too_large_are_left_out(tmp_path: Path) -> None:
    judgement = judged(bags=1)
    huge = replace(judgement.timelines[0], moments=tuple(
        replace(moment, frames={'scene': bytes(1_500_000)})
        for moment in judgement.timelines[0].moments))
    page = page_of(replace(judgement, timelines=(huge,)), tmp_path)
    assert page.count('data:image/jpeg') == 1
    assert page.count('no picture in the page</span>') == 3
    assert len(page) < LARGEST


def test_a_page_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    (tmp_path / 'report.html').write_text('good')
    (tmp_path / '.report.html.part').mkdir()
    with pytest.raises(IsADirectoryError):
        page_of(judged(bags=1), tmp_path)
    assert (tmp_path / 'report.html').read_text() == 'good'


def test_a_recording_whose_name_is_no_utf_8_is_shown(tmp_path: Path) -> None:
    given = judged(bags=1)
    name = b'run_\xff'.decode(errors='surrogateescape')
    page = page_of(replace(
        given, timelines=(replace(given.timelines[0], bag=name),),
        scores=replace(given.scores, bags=(replace(given.scores.bags[0], bag=name),))), tmp_path)
    assert 'run_\\udcff</button>' in page


def without_numbers(value: Any) -> Any:
    """Return scores in which nothing could be measured."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = type(value).__annotations__
        return replace(value, **{
            each.name: None if 'float | None' in hints[each.name] and 'dict' not in
            hints[each.name] else without_numbers(getattr(value, each.name))
            for each in fields(value) if each.init})
    if isinstance(value, dict):
        return {key: without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(without_numbers(inner) for inner in value)
    return value


def test_what_could_not_be_measured_is_a_dash(tmp_path: Path) -> None:
    judgement = judged(**WITH_EVERYTHING)
    nothing = replace(judgement, scores=without_numbers(judgement.scores), timing={})
    page = page_of(nothing, tmp_path)
    shown = re.sub(r'<(script|style).*?</\1>', '', page, flags=re.DOTALL)
    assert 'None' not in shown and 'nan' not in re.sub(r'<[^>]*>', ' ', shown).split()
    assert shown.count('–') > 60


def test_the_limits_of_the_cell_are_drawn(cell: Cell, tmp_path: Path) -> None:
    values = embedded_in(page_of(judged(bags=1), tmp_path, cell=cell), 'timeline-0')
    assert values['forces'][0]['stop'] == cell.safety.force_limits['wrist'].max_force_n
    assert values['limits'][0] is not None
    without = embedded_in(page_of(judged(bags=1), tmp_path), 'timeline-0')
    assert without['forces'][0]['stop'] is None


def test_everything_that_it_says_is_said_in_japanese_too(tmp_path: Path) -> None:
    pages = [page_of(judged(**how), tmp_path) for how in (
        WITH_EVERYTHING, {'bags': 0}, {'bags': 1, 'failed': 1}, {'bags': 2, 'pictures': False},
        {'bags': 10, 'gate': True}, {'bags': 1, 'gate': None})]
    for page in pages:
        words = embedded_in(page, 'words')
        said = {unescape(text) for text in re.findall(r'<span data-t>(.*?)</span>', page)}
        assert {text for text in said if text not in words} <= {'–', 'p50', 'p95', 'max'}


def test_every_reason_and_every_finding_is_explained_in_japanese() -> None:
    words = japanese('')
    assert {reason.meaning for reason in Reason if reason is not Reason.OK} <= set(words)
    assert {code.meaning for code in FindingCode} <= set(words)
    assert {code.advice for code in FindingCode} <= set(words)
