"""Run a supervisor again on what a journal says that it was told, and compare its decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.decision import Decision
from physical_ai_bridge.safety.supervisor import Supervisor


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """
    One entry of the journal, done again.

    ``decision`` is what the supervisor decided now, None where the entry is no decision;
    ``refusal`` is the input that it refused, None where it took the entry.
    """

    entry: JournalEntry
    decision: Decision | None
    refusal: Refusal | None

    @property
    def identical(self) -> bool:
        """Whether what was decided now is, bit for bit, what was decided then."""
        return self.decision is None or decision_payload(self.decision) == self.entry.payload


def replay_supervisor(
        core: Supervisor, cell: Cell, entries: Iterable[JournalEntry]) -> Iterator[Replayed]:
    """
    Yield each entry with what ``core`` makes of it.

    ``core`` must be in the state in which the journal begins: new, or restored.

    Raises
    ------
    BridgeError
        If an entry is of a kind that no supervisor is told.

    """
    inputs = SupervisorInputs(core, cell)
    deciders = {'tick': core.tick, 'activate': core.activate, 'deactivate': core.deactivate}
    decided: Decision | None = None
    for entry in entries:
        kind, now = entry.kind, entry.now
        before, decision = core.last_refusal, None
        refusal: Refusal | None = None
        if kind in inputs:
            inputs.take(kind, entry.payload, now)
        elif kind in deciders:
            decision = deciders[kind](now)
        elif kind == 'stop':
            core.stop(now)
        elif kind == 'reset':
            refusal = core.reset(now)
        elif kind == 'withdraw' and decided is not None:
            decision = core.withdraw(decided, now)
        else:
            raise BridgeError(f'the journal has an entry {kind!r}, which no supervisor of this '
                              'cell is told; replay it with the version that wrote it')
        decided = decision or decided
        if core.last_refusal is not before:
            refusal = core.last_refusal
        yield Replayed(entry, decision, refusal)
