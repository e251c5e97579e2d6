"""What a check of a running cell found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """How a check ended."""

    PASSED = 'passed'
    WARNED = 'warned'
    FAILED = 'failed'
    NOT_CHECKED = 'not checked'

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One check.

    ``subject`` is the key in the cell file of what was looked at, or ``graph``, ``clocks``,
    ``supervisor``; ``check`` is what of it. ``found`` says what is there, ``do`` what to type or
    to change, '' where nothing is to be done.
    """

    subject: str
    check: str
    verdict: Verdict
    found: str
    do: str = ''

    def __str__(self) -> str:
        return f'{self.subject}: {self.check}: {self.found}' + (f'; {self.do}' if self.do else '')


@dataclass(frozen=True, slots=True)
class About:
    """Makes the findings about one subject."""

    subject: str

    def passed(self, check: str, found: str) -> Finding:
        """Return a finding that is as it should be."""
        return Finding(self.subject, check, Verdict.PASSED, found)

    def warned(self, check: str, found: str, do: str) -> Finding:
        """Return a finding with which the robot runs, perhaps not well."""
        return Finding(self.subject, check, Verdict.WARNED, found, do)

    def failed(self, check: str, found: str, do: str) -> Finding:
        """Return a finding with which the robot does not run, or not as was verified."""
        return Finding(self.subject, check, Verdict.FAILED, found, do)

    def not_checked(self, check: str, why: str, do: str = '') -> Finding:
        """Return what nobody could look at, and why."""
        return Finding(self.subject, check, Verdict.NOT_CHECKED, why, do)
