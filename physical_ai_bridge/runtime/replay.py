"""Run a supervisor again on what a journal says that it was told, and compare its decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.decision import Decision
from physical_ai_bridge.safety.supervisor import Supervisor

# Ends a journal in which the supervisor raised an error of its own; the payload is its repr.
FAULT = 'fault'


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """
    One entry of the journal, done again.

    ``decision`` is what the supervisor decided now, None where the entry is no decision;
    ``refusal`` is what it refused, None where it took the entry. ``identical`` is False where a
    decision, or the error that it raised, is not bit for bit the one of then.
    """

    entry: JournalEntry
    decision: Decision | None = None
    refusal: Refusal | None = None
    identical: bool = True


class _Caught:
    """Keeps what a supervisor raises: a journal may say that it raised then, too."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> bool:
        self.error = error
        return isinstance(error, Exception)


def replay_supervisor(
        core: Supervisor, cell: Cell, entries: Iterable[JournalEntry]) -> Iterator[Replayed]:
    """
    Yield each entry with what ``core`` makes of it.

    ``core`` must be in the state in which the journal begins: new, or restored.

    Raises
    ------
    BridgeError
        If an entry is of a kind that no supervisor is told, or the supervisor raises an error
        that the journal does not have.

    """
    replay = SupervisorReplay(core, cell)
    for entry in entries:
        replayed = replay.step(entry)
        if replayed is not None:
            yield replayed
    replay.finish()


class SupervisorReplay:
    """
    Does one entry after the other, on a ``core`` in the state in which they begin.

    An outcome is held against the entry's payload as ``form`` makes it of the outcome's own: a
    trace has fingerprints.
    """

    def __init__(
            self, core: Supervisor, cell: Cell,
            form: Callable[[bytes], bytes] = lambda payload: payload) -> None:
        self._core = core
        self._form = form
        self._inputs = SupervisorInputs(core, cell)
        self._deciders = {
            'tick': core.tick, 'activate': core.activate, 'deactivate': core.deactivate}
        self._decided: Decision | None = None
        # What it raised: the entry that follows may say that it did so then, too.
        self._caught = _Caught()

    @property
    def error(self) -> BaseException | None:
        """What the last entry raised, None where it went well."""
        return self._caught.error

    def step(self, entry: JournalEntry) -> Replayed | None:
        """
        Do an entry; None where the supervisor raises an error, which only the next can explain.

        Raises
        ------
        BridgeError
            If it is of a kind that no supervisor is told, or the supervisor raised an error at
            the entry before, and this one does not say so.

        """
        if entry.kind == FAULT:
            if self._caught.error is None:
                # What it was told before went well, so this is the tick that never ended.
                with self._caught:
                    self._core.tick(entry.now)
            error, self._caught.error = self._caught.error, None
            return Replayed(entry, identical=repr(error).encode() == entry.payload)
        self.finish()
        with self._caught:
            return self._done(entry)
        return None

    def finish(self) -> None:
        """
        End: no entry follows.

        Raises
        ------
        BridgeError
            If the supervisor raised an error at the last entry.

        """
        error = self._caught.error
        if isinstance(error, BridgeError):
            raise error
        if error is not None:
            raise BridgeError('the supervisor raises an error of its own, which it did not then: '
                              f'{error!r}') from error

    def _done(self, entry: JournalEntry) -> Replayed:
        kind, now = entry.kind, entry.now
        before = self._core.last_refusal
        decision: Decision | None = None
        refusal: Refusal | None = None
        if kind in self._inputs:
            self._inputs.take(kind, entry.payload, now)
        elif kind in self._deciders:
            decision = self._deciders[kind](now)
        elif kind == 'stop':
            self._core.stop(now)
        elif kind == 'reset':
            refusal = self._core.reset(now)
        elif kind == 'withdraw' and self._decided is not None:
            decision = self._core.withdraw(self._decided, now)
        else:
            raise BridgeError(f'the journal has an entry {kind!r}, which no supervisor of this '
                              'cell is told; replay it with the version that wrote it')
        if self._core.last_refusal is not before:
            refusal = self._core.last_refusal
        if decision is None:
            return Replayed(entry, refusal=refusal)
        self._decided = decision
        identical = self._form(decision_payload(decision)) == entry.payload
        return Replayed(entry, decision, refusal, identical)
