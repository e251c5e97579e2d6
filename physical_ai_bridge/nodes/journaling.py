"""What a node's core was told and answered, written down where the parameter ``journal`` asks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.journal import JournalWriter


class Journal(Protocol):
    """Takes entries in the order of the calls that they stand for."""

    @property
    def wanted(self) -> bool:
        """Whether entries go anywhere: payloads need not be made if not."""

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Add one entry."""

    def close(self) -> None:
        """Put the journal in its place."""


class NoJournal:
    """Nothing is written."""

    wanted = False

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Drop the entry."""

    def close(self) -> None:
        """Do nothing."""


class FileJournal:
    """A journal in a file."""

    wanted = True

    def __init__(self, path: Path) -> None:
        self._writer = JournalWriter(path)
        self.append = self._writer.append
        self.close = self._writer.close


def open_journal(path: str) -> Journal:
    """
    Return a journal in the file ``path``, or one that writes nothing where it is ''.

    Raises
    ------
    BridgeError
        If the file cannot be made.

    """
    if not path:
        return NoJournal()
    try:
        return FileJournal(Path(path).expanduser())
    except OSError as error:
        raise BridgeError(f'parameter journal: found {path!r}: {error.strerror}; write the path '
                          'of a file in a folder that can be written') from error
