"""A real browser opens the reports: what it shows, what it asks for, what it complains about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import os
from pathlib import Path
import shutil

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.evaluation.metrics import measure
from physical_ai_bridge.evaluation.offline.page import worst_bags, write_page
from physical_ai_bridge.evaluation.report import write_report
from physical_ai_bridge.testing.judged import judged, Judgement
import pytest

pytest.importorskip('plotly')
playwright = pytest.importorskip(
    'playwright.sync_api', reason='playwright, of the extra "browser", is not installed')

NAMES = (os.environ.get('CHROMIUM', ''), 'chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync')
# Of everything that the page can show, some.
FULL = judged(1, bags=4, failed=1, partly=1, baseline=True, gate=False, different=True)
EVIL = '</script><img src=x onerror=alert(1)>'
# The values of a line of the timeline, by its name.
Y_OF = """name => {
    const trace = document.getElementById('timeline').data.find((each) => each.name === name);
    return [...trace.y].slice(0, 50);
}"""
RANGE = "() => document.getElementById('timeline').layout.xaxis.range.map(Number)"


class Seen:
    """A page in a browser, with everything that it asked for and complained about."""

    def __init__(self, page: playwright.Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on('console', lambda message: self.complaints.append(message.text))
        page.on('pageerror', lambda error: self.complaints.append(str(error)))
        page.on('dialog', self._dialog)
        page.on('request', lambda request: self.asked.append(request.url))

    def _dialog(self, dialog: playwright.Dialog) -> None:
        self.complaints.append(f'a dialog: {dialog.message}')
        dialog.dismiss()

    def show(self, path: Path) -> None:
        """Open a file, and wait until its plots are drawn."""
        self.page.goto(path.as_uri())
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.plot')].every("
            "(plot) => plot.querySelector('.trace'))")

    def assert_nothing_was_wrong(self) -> None:
        """Nothing was said on the console, and nothing was asked of any network."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(('file:', 'data:', 'blob:'))] == []


@pytest.fixture(scope='module')
def browser() -> Iterator[playwright.Browser]:
    program = next((found for name in NAMES if name and (found := shutil.which(name))), None)
    if program is None:
        pytest.skip('there is no Chromium: install it, or name it in CHROMIUM')
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=program, headless=True, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def look(browser: playwright.Browser) -> Iterator[Callable[..., Seen]]:
    """Return what opens a page in a window of its own; at its end nothing may have been wrong."""
    seen = []

    def open_it(path: Path, **how: object) -> Seen:
        context = browser.new_context(**{'viewport': {'width': 1280, 'height': 900}, **how})
        seen.append(Seen(context.new_page()))
        seen[-1].show(path)
        return seen[-1]

    yield open_it
    for each in seen:
        each.assert_nothing_was_wrong()
        each.page.context.close()


@pytest.fixture(scope='module')
def page_of(
        cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Judgement], Path]:
    """Return what writes the page of a judgement."""
    def write(judgement: Judgement) -> Path:
        path = tmp_path_factory.mktemp('page') / 'report.html'
        write_page(judgement.scores, judgement.timelines, judgement.timing, path,
                   made='26 November 2026', cell=cell)
        return path
    return write


@pytest.fixture(scope='module')
def full(page_of: Callable[[Judgement], Path]) -> Path:
    return page_of(FULL)


def assert_every_plot_is_drawn(page: playwright.Page) -> None:
    plots = page.locator('.plot')
    assert plots.count()
    for index in range(plots.count()):
        plot = plots.nth(index)
        box = plot.locator('svg.main-svg').first.bounding_box()
        assert box['width'] > 200 and box['height'] > 100
        assert plot.locator('.trace').count() >= 1


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_every_plot_is_drawn_in_either_theme(
        theme: str, full: Path, look: Callable[..., Seen]) -> None:
    page = look(full, color_scheme=theme).page
    assert_every_plot_is_drawn(page)
    assert page.evaluate('document.documentElement.dataset.theme') == theme
    background = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert background == {'light': 'rgb(245, 246, 248)', 'dark': 'rgb(13, 16, 21)'}[theme]


def test_the_theme_is_switched_from_the_keyboard(full: Path, look: Callable[..., Seen]) -> None:
    page = look(full, color_scheme='light').page
    page.focus('#theme')
    page.keyboard.press('Enter')
    assert page.evaluate('document.documentElement.dataset.theme') == 'dark'
    assert_every_plot_is_drawn(page)


def test_the_pictures_of_the_worst_moments_are_there(
        full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    widths = page.eval_on_selector_all(
        '.panel:not([hidden]) .moment img', 'images => images.map((image) => image.naturalWidth)')
    assert widths and set(widths) == {320}


def test_choosing_a_recording_shows_its_timeline(full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    timelines = {timeline.bag: timeline for timeline in FULL.timelines}
    chips = page.locator('.episodes button')
    assert [chip.inner_text() for chip in chips.all()] == worst_bags(FULL.scores, 8)

    def assert_it_is_shown(bag: str) -> None:
        joint = int(page.locator('#joint').input_value())
        expected = np.degrees(timelines[bag].measured[1][:50, joint])
        np.testing.assert_allclose(page.evaluate(Y_OF, 'measured'), expected, atol=1e-4)
        assert page.locator('.panel:visible').count() == 1
        pressed = page.locator('.episodes [aria-pressed="true"]')
        assert pressed.all_inner_texts() == [bag]

    first, second, *_ = worst_bags(FULL.scores, 8)
    assert_it_is_shown(first)
    chips.nth(1).focus()
    page.keyboard.press('Enter')
    assert_it_is_shown(second)
    page.locator('#bags button', has_text=first).click()
    assert_it_is_shown(first)


def test_choosing_a_joint_shows_its_motion_and_what_was_proposed(
        full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    before = [page.evaluate(Y_OF, name) for name in ('measured', 'commanded', 'proposed')]
    page.select_option('#joint', label='wrist_3_joint')
    after = [page.evaluate(Y_OF, name) for name in ('measured', 'commanded', 'proposed')]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_picture_leads_to_its_moment_and_back(full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    assert page.evaluate(RANGE) == [0, 14]
    moment = page.locator('.panel:visible .moment').first
    at_s = float(moment.get_attribute('data-at'))
    moment.click()
    assert page.evaluate(RANGE) == pytest.approx([at_s - 1.5, at_s + 1.5])
    page.click('#whole')
    assert page.evaluate(RANGE) == [0, 14]


def test_the_recordings_are_sorted_by_any_column_and_what_is_unknown_stands_last(
        full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    values = 'rows => rows.map((row) => row.children[4].dataset.v)'
    button = page.locator('#bags th button').nth(4)
    for sign in (1.0, -1.0):
        button.click()
        shown = page.eval_on_selector_all('#bags tbody tr', values)
        assert shown[-1] == ''
        numbers = [sign * float(value) for value in shown[:-1]]
        assert len(numbers) == 3 and numbers == sorted(numbers)
    assert button.locator('xpath=..').get_attribute('aria-sort') == 'descending'


def test_the_page_speaks_japanese_too(full: Path, look: Callable[..., Seen]) -> None:
    page = look(full).page
    page.click('#language')
    assert page.evaluate('document.documentElement.lang') == 'ja'
    assert page.locator('.verdict h2').inner_text() == '不合格'
    assert page.locator('#timeline').get_by_text('位置 [°]').count() == 1
    page.click('#language')
    assert page.locator('.verdict h2').inner_text() == 'Did not pass'
    japanese = look(full, locale='ja-JP').page
    assert japanese.locator('.verdict h2').inner_text() == '不合格'


def test_it_prints_in_light_and_is_dark_again_afterwards(
        full: Path, look: Callable[..., Seen]) -> None:
    page = look(full, color_scheme='dark').page
    page.evaluate("""window.addEventListener('beforeprint', () => {
        window.printed = [document.documentElement.dataset.theme,
                          document.querySelectorAll('details:not([open])').length,
                          document.documentElement.scrollWidth];
    })""")
    assert page.pdf(format='A4').startswith(b'%PDF')
    theme, closed, width = page.evaluate('window.printed')
    assert (theme, closed) == ('light', 0)
    assert width <= 1280
    assert page.evaluate('document.documentElement.dataset.theme') == 'dark'
    assert page.locator('details:not([open])').count()


def hostile() -> Judgement:
    """Return a judgement in which everything that somebody else has named is hostile."""
    given = judged(2, bags=2, partly=2, topic=EVIL, gate=False)
    names = {timeline.bag: f'{timeline.bag} {EVIL}' for timeline in given.timelines}
    bags = tuple(replace(bag, bag=names[bag.bag], failure=EVIL) for bag in given.scores.bags)
    policy = replace(given.scores.policy, name=EVIL)
    timelines = tuple(replace(
        timeline, bag=names[timeline.bag], joints=(EVIL, *timeline.joints[1:]),
        modes=tuple(replace(span, detail=EVIL) for span in timeline.modes),
        forces={EVIL: timeline.forces['wrist']},
        moments=tuple(replace(moment, what=EVIL) for moment in timeline.moments),
    ) for timeline in given.timelines)
    return replace(given, timelines=timelines, scores=replace(
        given.scores, cell=EVIL, policy=policy, bags=bags))


def test_hostile_text_stays_text(page_of: Callable, look: Callable[..., Seen]) -> None:
    page = look(page_of(hostile())).page
    page.eval_on_selector_all('details', 'all => all.forEach((each) => { each.open = true; })')
    for place in ('.meta', 'dd', 'code', '.episodes button', '.moment', '#bags td'):
        assert page.locator(f'{place}:visible', has_text=EVIL).count(), place
    assert page.locator('#joint option', has_text=EVIL).count() == 1
    assert page.locator('img[src="x"]').count() == 0
    # In what is told of a pause when the pointer is on it, too.
    said = page.evaluate("""() => document.getElementById('timeline').data
        .find((each) => each.name === 'pauses').customdata[0]""")
    assert said == EVIL.replace('<', '&lt;').replace('>', '&gt;')


@pytest.mark.parametrize('judgement', [
    pytest.param(judged(bags=0), id='nothing'),
    pytest.param(judged(bags=1, failed=1), id='failed'),
    pytest.param(judged(bags=1, pictures=False), id='no pictures')])
def test_what_is_missing_is_no_error(
        judgement: Judgement, page_of: Callable, look: Callable[..., Seen]) -> None:
    page = look(page_of(judgement)).page
    assert page.locator('h1').inner_text()
    for plot in page.locator('.plot').all():
        assert plot.locator('.trace').count()


def test_it_fits_a_narrow_window(full: Path, look: Callable[..., Seen]) -> None:
    page = look(full, viewport={'width': 800, 'height': 900}).page
    assert page.evaluate('document.documentElement.scrollWidth') <= 800


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_the_report_of_a_run_is_drawn_in_either_theme(
        theme: str, made_up: Callable, tmp_path: Path, look: Callable[..., Seen]) -> None:
    run = made_up(episodes=2)
    write_report(run, measure(run), [], tmp_path / 'report.html')
    page = look(tmp_path / 'report.html', color_scheme=theme).page
    assert_every_plot_is_drawn(page)
    page.locator('.episodes button').nth(1).click()
    assert page.evaluate("document.getElementById('position').layout.xaxis.range.map(Number)") == [
        0, 3]
