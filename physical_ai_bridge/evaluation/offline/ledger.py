"""Findings, gathered: the same thing at the same place is one finding, however often."""

from __future__ import annotations

from dataclasses import dataclass

from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode


@dataclass(slots=True)
class _Entry:
    detail: str
    size: float
    count: int = 0
    first_s: float | None = None
    last_s: float | None = None


class Ledger:
    """Takes what is found and keeps, of each code and place, how often, when, and the worst."""

    def __init__(self) -> None:
        self._entries: dict[tuple[FindingCode, str], _Entry] = {}

    def add(
            self, code: FindingCode, where: str, detail: str, at_s: float | None = None,
            size: float = 0.0) -> None:
        """Take a finding; of several, that with the largest ``size`` tells its detail."""
        entry = self._entries.setdefault((code, where), _Entry(detail, size))
        if size > entry.size:
            entry.detail, entry.size = detail, size
        entry.count += 1
        if at_s is not None:
            entry.first_s = at_s if entry.first_s is None else min(entry.first_s, at_s)
            entry.last_s = at_s if entry.last_s is None else max(entry.last_s, at_s)

    def findings(self) -> tuple[Finding, ...]:
        """Return what was found: by code in the order of ``FindingCode``, then by place."""
        order = {code: place for place, code in enumerate(FindingCode)}
        return tuple(
            Finding(code=str(code), severity=str(code.severity), where=where, detail=entry.detail,
                    count=entry.count, first_s=entry.first_s, last_s=entry.last_s)
            for (code, where), entry in sorted(
                self._entries.items(), key=lambda each: (order[each[0][0]], each[0][1])))
