"""What a mutation is, and where it finds its text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = 'physical_ai_bridge'


class TableError(Exception):
    """A mutation does not fit the code: the table has to follow it."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """
    A check that is disabled: ``text``, which ``file`` has exactly once, becomes ``instead``.

    ``name`` is the check in words; ``file`` lies below the package, ``tests`` are files or node
    ids below ``test``, of which at least one has to fail. ``nodes`` where they start ROS nodes,
    which is slow.
    """

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]
    nodes: bool = False

    def apply(self, root: Path) -> None:
        """
        Write the mutation into the tree at ``root``.

        Raises
        ------
        TableError
            If the text is not there exactly once, changes nothing, or what comes out of it is no
            Python.

        """
        path = root / PACKAGE / self.file
        path.write_text(self.applied(path.read_text(encoding='utf-8')), encoding='utf-8')

    def applied(self, source: str) -> str:
        """Return ``source`` mutated; raises as ``apply`` does."""
        found = source.count(self.text)
        if found != 1 or self.text == self.instead:
            raise TableError(f'{self.name}: {self.file} has its text {found} times, exactly once '
                             f'and another one instead is needed:\n{self.text}')
        mutated = source.replace(self.text, self.instead)
        try:
            compile(mutated, self.file, 'exec')
        except SyntaxError as error:
            raise TableError(f'{self.name}: {self.file} is no Python any more: {error}') from None
        return mutated


def mutations(
        file: str, tests: tuple[str, ...], *rows: tuple[str, ...], nodes: bool = False,
) -> tuple[Mutation, ...]:
    """
    Return the mutations of one file.

    A row is a name, a text, what stands there instead, and tests where they are not ``tests``.
    """
    return tuple(Mutation(name, file, text, instead, tuple(own) or tests, nodes)
                 for name, text, instead, *own in rows)
