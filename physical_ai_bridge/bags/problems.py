"""What is wrong with a recording that can be read all the same, at least in part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class ProblemCode(str, Enum):
    """What is wrong, in a word for machines."""

    TRUNCATED = 'truncated'  # a file ends before its end: the recorder died, or a copy did
    CHUNK_DAMAGED = 'chunk_damaged'  # a part of an MCAP file does not hold what it says
    MESSAGES_LOST = 'messages_lost'  # single messages that cannot be read, or are not there
    FILE_MISSING = 'file_missing'  # a file of a split recording is not there
    FILE_UNREADABLE = 'file_unreadable'  # a file of a split recording is no storage file at all
    FILE_UNLISTED = 'file_unlisted'  # a file that metadata.yaml does not name, and is left out
    METADATA_MISSING = 'metadata_missing'
    METADATA_DAMAGED = 'metadata_damaged'
    TIME_BACKWARDS = 'time_backwards'  # the recorder's clock stepped back
    UNSUPPORTED = 'unsupported'  # something that this package does not read, and leaves out

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingProblem:
    """
    One thing that is wrong with a recording.

    ``where`` is the name of the file, ``detail`` a sentence: what, where in the file, and what was
    lost by it. ``stamp_ns`` is the receive stamp next to it, where one is known.
    """

    code: ProblemCode
    where: str
    detail: str
    stamp_ns: int | None = None

    def __str__(self) -> str:
        return f'{self.where}: {self.detail}'


class Report:
    """Takes the problems of one file."""

    def __init__(self, where: str, sink: Callable[[ReadingProblem], object]) -> None:
        self._where, self._sink = where, sink

    def __call__(self, code: ProblemCode, detail: str, stamp_ns: int | None = None) -> None:
        """Note a problem."""
        self._sink(ReadingProblem(
            code=code, where=self._where, detail=detail, stamp_ns=stamp_ns))
