"""What came of deciding a run again: counts, gaps, and the first difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

# A bag that was cut to pieces has more gaps than anybody reads.
_MOST_GAPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    An outcome that is not the one of then.

    ``at_s`` counts from the first message that was looked at; ``kind`` is the call ('tick',
    'propose', ...); ``then`` and ``now`` say what was decided, as far as the trace tells.
    """

    at_s: float
    kind: str
    then: str
    now: str

    def __str__(self) -> str:
        return f'{self.kind} at {self.at_s:.3f} s: then {self.then}; now {self.now}'


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParity:
    """
    One node's outcomes: how many were decided again, by kind, and how many came out the same.

    ``gaps`` says in sentences what could not be compared, and why; ``uncompared`` counts the
    outcomes in them that the trace has.
    """

    node: str
    compared: Mapping[str, int]
    identical: Mapping[str, int]
    uncompared: int
    gaps: tuple[str, ...]
    first_difference: Difference | None

    @property
    def holds(self) -> bool:
        """Whether something was compared, and all of it came out the same."""
        return bool(self.compared) and self.compared == self.identical


class Ledger:
    """Keeps one node's counts. A gap is open from ``gap`` to ``close``; there is one at a time."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._compared: Counter[str] = Counter()
        self._identical: Counter[str] = Counter()
        self._uncompared = 0
        self._gaps: list[str] = []
        self._unlisted = 0
        self._open: tuple[float, str, int] | None = None
        self._first: Difference | None = None

    def same(self, kind: str) -> None:
        """Count an outcome that came out the same."""
        self._compared[kind] += 1
        self._identical[kind] += 1

    def different(self, at_s: float, kind: str, then: str, now: str) -> None:
        """Count an outcome that did not."""
        self._compared[kind] += 1
        if self._first is None:
            now = f'{now}, but not bit for bit' if now.startswith(then) else now
            self._first = Difference(at_s=at_s, kind=kind, then=then, now=now)

    def pass_over(self) -> None:
        """Count an outcome that cannot be compared."""
        self._uncompared += 1

    def gap(self, at_s: float, why: str, *, anew: bool = False) -> None:
        """
        Begin a gap. One that is open goes on, for its own reason, unless this is one ``anew``.

        Where no outcome was left out in it yet, it has had no reason to be told.
        """
        if self._open is not None and anew and self._open[1] != why:
            self.close(at_s)
        if self._open is None or self._open[2] == self._uncompared:
            self._open = at_s, why, self._uncompared

    def close(self, at_s: float, *, end: bool = False) -> None:
        """
        End the gap that is open, if one is; at the ``end`` it is a gap to the end.

        One in which no outcome was left out is none.
        """
        if self._open is None:
            return
        (begin_s, why, before), self._open = self._open, None
        until = 'the end' if end else f'{at_s:.3f} s'
        count = self._uncompared - before
        if not count and (self._compared or not end):
            return
        outcomes = f'{count} outcome{"" if count == 1 else "s"} not compared'
        if len(self._gaps) < _MOST_GAPS:
            self._gaps.append(f'{begin_s:.3f} s to {until}: {why}; {outcomes}')
        else:
            self._unlisted += 1

    def result(self) -> NodeParity:
        """Return what came out, at the end."""
        self.close(0.0, end=True)
        more = (f'and {self._unlisted} more gaps',) if self._unlisted else ()
        return NodeParity(
            node=self._node, compared=dict(self._compared), identical=dict(self._identical),
            uncompared=self._uncompared, gaps=(*self._gaps, *more),
            first_difference=self._first)
