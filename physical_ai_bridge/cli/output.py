"""What a verb says: lines for people, or one JSON object for machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import functools
import json
import math
import sys
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from physical_ai_bridge.contract.errors import Problem
    from rich.console import Console


class Output:
    """
    Where a verb writes.

    Without ``json`` the lines for people go to stdout and ``result`` writes nothing; with it
    stdout carries the one object of ``result`` and nothing else. Progress goes to stderr, and
    only where that is a terminal.
    """

    def __init__(self, json: bool = False) -> None:
        self.json = json

    # rich takes a tenth of a second to import, which --help should not.
    @functools.cached_property
    def console(self) -> Console:
        """The terminal, for tables and live displays; mute under ``json``."""
        from rich.console import Console
        return Console(quiet=self.json, highlight=False, soft_wrap=True)

    @functools.cached_property
    def _progress_console(self) -> Console:
        from rich.console import Console
        return Console(stderr=True, highlight=False)

    def say(self, text: str = '', style: str | None = None) -> None:
        """Write a line for people; ``style`` is rich's, such as 'bold red'."""
        self.console.print(_printable(text, self.console.encoding), style=style, markup=False)

    def passed(self, name: str, text: str) -> None:
        """Write a line for a check that holds."""
        self._mark('OK  ', 'green', name, text)

    def failed(self, name: str, text: str) -> None:
        """Write a line for a check that does not hold."""
        self._mark('FAIL', 'bold red', name, text)

    def warned(self, name: str, text: str) -> None:
        """Write a line for something that somebody should know, and that hinders nothing."""
        self._mark('WARN', 'yellow', name, text)

    def skipped(self, name: str, text: str) -> None:
        """Write a line for a check that could not be made."""
        self._mark('--  ', 'yellow', name, text)

    def noted(self, name: str, text: str) -> None:
        """Write a line for what is right, and has to be known."""
        self._mark('NOTE', 'bold yellow', name, text)

    def _mark(self, mark: str, style: str, name: str, text: str) -> None:
        from rich.text import Text
        encoding = self.console.encoding
        self.console.print(Text.assemble(
            (mark, style), f' {_printable(name, encoding):8} ', _printable(text, encoding)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write a table for people."""
        from rich.table import Table
        from rich.text import Text
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(_printable(str(cell), self.console.encoding)) for cell in row))
        self.console.print(table)

    def result(self, values: Mapping[str, Any]) -> None:
        """Write the machine's answer: JSON on one line, under ``json`` alone."""
        if self.json:
            sys.stdout.write(json.dumps(_finite(values), default=str) + '\n')
            sys.stdout.flush()

    @contextmanager
    def progress(self, text: str, total: float | None = None) -> Iterator[Callable[..., None]]:
        """
        Show a bar while the block runs.

        Yields ``advance(steps=1, text=None)``. Without ``total`` it shows only that work goes on.
        """
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        columns = [TextColumn('{task.description}'), BarColumn()]
        columns += [MofNCompleteColumn(), TimeRemainingColumn()] if total is not None else []
        with Progress(*columns, TimeElapsedColumn(), console=self._progress_console,
                      transient=True, disable=not self._progress_console.is_terminal) as bar:
            task = bar.add_task(text, total=total)

            def advance(steps: float = 1, text: str | None = None) -> None:
                bar.update(task, advance=steps, **({'description': text} if text else {}))

            yield advance


def as_values(problem: Problem) -> dict[str, str]:
    """Return a problem as JSON has it."""
    return {'where': problem.where, 'key': problem.key, 'found': problem.found,
            'write': problem.write}


def _printable(text: str, encoding: str) -> str:
    """Keep a terminal that cannot show a character from raising."""
    return text.encode(encoding, 'backslashreplace').decode(encoding)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
