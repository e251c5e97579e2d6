"""One HTML file that shows a judgement of recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.evaluation.markup import table, write_filled
from physical_ai_bridge.evaluation.offline.scores import Scores
from physical_ai_bridge.evaluation.offline.summary import SUMMARY_COLUMNS, summary_rows, verdict
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline


def write_page(
        scores: Scores, timelines: Iterable[BagTimeline], timing: Mapping[str, Any], path: Path, *,
        made: str, cell: Cell | None = None, shown: int = 8) -> None:
    """Write the page to ``path``."""
    _, headline, reasons = verdict(scores)
    rows = [f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>'
            for row in summary_rows(scores, timing)]
    body = escape(headline) + ''.join(map(escape, reasons)) + table(SUMMARY_COLUMNS, rows)
    write_filled('<!doctype html><meta charset="utf-8"><title>{{title}}</title>{{body}}',
                 {'title': escape(headline), 'body': body}, path)
