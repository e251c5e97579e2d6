"""What the reports are made of: one HTML file each, with everything inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import resources
import json
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.files import write_text
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.evaluation.metrics import rounded


def asset(name: str) -> str:
    """Return the text of a file of ``evaluation/page``."""
    return (resources.files('physical_ai_bridge.evaluation') / 'page' / name).read_text('utf-8')


def plotly_script() -> str:
    """
    Return plotly's own script, to stand inside a script element.

    Raises
    ------
    SetupError
        When plotly is not installed.

    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise SetupError(
            'the report needs plotly; type: pip install "physical_ai_bridge[report]"') from error
    return get_plotlyjs().replace('</script', r'<\/script')


def embedded(value: Any) -> str:
    """Return JSON that can stand inside a script element."""
    text = json.dumps(rounded(value), separators=(',', ':'), allow_nan=False)
    return text.replace('<', r'\u003c')


def write_filled(template: str, parts: Mapping[str, str], path: Path) -> None:
    """
    Write ``template`` with each ``{{name}}`` replaced by its part: whole, or not at all.

    Raises
    ------
    OSError
        When it cannot be written.

    """
    write_text(path, re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], template))


def tile(label: str, value: str, sub: str = '', mood: str = '', *,
         word: Callable[[str], str] = escape) -> str:
    """
    Return a tile: a figure with its unit, large, and a line below; ``mood`` colours it.

    ``word`` makes HTML of the label.
    """
    number, _, unit = value.partition(' ')
    unit = f'<small>{escape(unit)}</small>' if unit else ''
    return (f'<div class="tile {mood}"><span class="label">{word(label)}</span>'
            f'<span class="value">{escape(number)}{unit}</span>'
            f'<span class="sub">{escape(tight(sub))}</span></div>')


def tight(text: str) -> str:
    """Keep a number and its unit on one line."""
    return re.sub(r'(\d) (ms|mm|rad|s|N|%)(?=\W|$)', '\\1\u00a0\\2', text)


def table(head: Sequence[str], rows: Sequence[str], *,
          word: Callable[[str], str] = escape) -> str:
    """
    Return a table of finished rows; a title that begins with a space is set left.

    ``word`` makes HTML of a title.
    """
    cells = ''.join(
        f'<th scope="col"{_left(title)}>{word(title.strip())}</th>' for title in head)
    return (f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def _left(title: str) -> str:
    return ' class="left"' if title.startswith(' ') else ''


def meaning(code: str) -> str:
    """Return what a reason code means, '' for what is none."""
    return Reason(code).meaning if code in Reason.__members__ else ''
