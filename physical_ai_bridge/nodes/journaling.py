"""What a node's core was told and answered, written down where the parameter ``journal`` asks."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.runtime.decision_bytes import outcome_bytes
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


def observation_payload(outcome: Observation | Refusal) -> bytes:
    """Return an observation as its stamp and the sha256 of its inputs, a refusal as it is."""
    if isinstance(outcome, Refusal):
        return proposal_payload(outcome)
    digest = sha256()
    for name in sorted(outcome.inputs):
        array = np.ascontiguousarray(outcome.inputs[name])
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(array.tobytes())
    if outcome.anchor is not None:
        digest.update(outcome.anchor.tobytes())
    return outcome_bytes({'stamp_ns': outcome.stamp_ns, 'inputs': digest.hexdigest()}, None)


def proposal_payload(outcome: Trajectory | Refusal | None) -> bytes:
    """Return what the policy loop answered as bytes, in the same form."""
    if isinstance(outcome, Refusal):
        return outcome_bytes({'reason': str(outcome.reason), 'detail': outcome.detail}, None)
    return outcome_bytes({}, outcome)
