"""The report is one file that shows the run, fetches nothing, and survives odd contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
import json
from pathlib import Path
import re

import numpy as np
from physical_ai_bridge.evaluation.figures import thinned
from physical_ai_bridge.evaluation.metrics import measure, shortfalls
from physical_ai_bridge.evaluation.report import write_report
from physical_ai_bridge.evaluation.run import Run
import pytest

pytest.importorskip('plotly')


def page_of(run: Run, folder: Path, video: Path | None = None) -> str:
    metrics = measure(run)
    write_report(run, metrics, shortfalls(metrics, success_share=0.8), folder / 'report.html',
                 video=video)
    return (folder / 'report.html').read_text('utf-8')


class _Links(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or '' for name, value in attrs
                         if name in ('src', 'href', 'srcset', 'poster', 'data', 'action')]


def test_it_fetches_nothing(made_up: Callable[..., Run], tmp_path: Path) -> None:
    film = tmp_path / 'video.webm'
    film.write_bytes(b'film')
    page = page_of(made_up(), tmp_path, film)
    links = _Links()
    links.feed(page)
    assert links.fetched and all(link.startswith('data:') for link in links.fetched)
    css = re.search(r'<style>(.*?)</style>', page, re.DOTALL)[1]
    assert 'url(' not in css and '@import' not in css
    assert "default-src 'none'" in page


def test_it_stays_small(made_up: Callable[..., Run], tmp_path: Path) -> None:
    assert len(page_of(made_up(), tmp_path)) < 7_000_000


def test_it_says_how_it_went(made_up: Callable[..., Run], tmp_path: Path) -> None:
    assert '10 of 10 episodes succeeded' in page_of(made_up(), tmp_path)
    poor = page_of(made_up(failing=(1, 2, 3)), tmp_path)
    assert '7 of 10 episodes succeeded, at least 8 are needed' in poor
    assert 'Did not pass' in poor


def test_every_plot_has_its_place_and_its_data(
        made_up: Callable[..., Run], tmp_path: Path) -> None:
    page = page_of(made_up(), tmp_path)
    found = json.loads(re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)[1])
    assert set(found) == {'modes', 'force', 'velocity', 'position', 'limit_use', 'latency'}
    for name, figure in found.items():
        assert f'id="{name}"' in page
        assert figure['data']


def test_nothing_that_somebody_wrote_becomes_markup(
        made_up: Callable[..., Run], tmp_path: Path) -> None:
    evil = '</script><img src=http://example.com/x onerror=alert(1)>'
    run = made_up()
    modes = tuple(replace(change, reason=evil) for change in run.modes)
    page = page_of(replace(run, modes=modes, notes={'bundle': evil, evil: evil}), tmp_path)
    links = _Links()
    links.feed(page)
    assert all(link.startswith('data:') for link in links.fetched)


def test_a_run_without_anything_has_a_report_too(
        made_up: Callable[..., Run], tmp_path: Path) -> None:
    empty = replace(made_up(episodes=1), proposals=(), commands=(), modes=(), diagnostics={},
                    wrenches={}, streams={}, episodes=())
    assert 'No episode was run' in page_of(empty, tmp_path)


def test_thinning_keeps_every_peak() -> None:
    values = np.sin(np.linspace(0.0, 9.0, 100_000))
    values[[1234, 77_777]] = 5.0, -5.0
    seconds, kept = thinned(np.arange(100_000.0), values, 200)
    assert len(kept) <= 400
    assert (kept.max(), kept.min()) == (5.0, -5.0)
    assert (np.diff(seconds) > 0).all()
