"""The reference pages are what the code says, and links in docs/ lead somewhere."""

from __future__ import annotations

import importlib
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
PAGES = sorted([*DOCS.glob('*.md'), *ROOT.glob('README*.md')])


@pytest.fixture(scope='module')
def generator():
    """Return the script that writes the pages, which is no part of what is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'scripts'))
        yield importlib.import_module('reference_pages')


@pytest.mark.parametrize(
    'name', ['reasons.md', 'reasons.ja.md', 'diagnostics.md', 'diagnostics.ja.md'])
def test_a_reference_page_is_what_the_code_says(generator, name):
    assert set(generator.pages()) >= {name}
    assert (DOCS / name).read_text(encoding='utf-8') == generator.pages()[name], (
        f'docs/{name} is not what the code says any more; type: python scripts/reference_pages.py')


def anchors(page: Path) -> set[str]:
    """Return what can be linked to within a page, as GitHub names headings."""
    text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-')
            for heading in re.findall(r'^#+ (.+)$', text, re.MULTILINE)}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8')):
        if '://' in link:
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), f'{page.name} links to {path}, which is not there'
        if anchor:
            assert anchor in anchors(target), f'{page.name} links to {link}: no such heading'
