"""Run a policy loop again on what a journal says that it was told, and compare its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.runtime.decision_bytes import observation_payload, proposal_payload
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.policy_inputs import PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop

Infer = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedOutcome:
    """
    An outcome: the ``kind`` of call, and ``payload``, its bytes now.

    ``identical`` is False where they are not those of then. There may be an outcome on one side
    alone: ``then`` says whether the journal has it, and ``payload`` is None where there is none
    now. ``proposed`` tells that a chunk went into a proposal.
    """

    kind: str
    now: Instant
    payload: bytes | None
    identical: bool
    then: bool = True
    proposed: bool = False


def replay_policy(
        loop: PolicyLoop, inputs: PolicyInputs, infer: Infer, entries: Iterable[JournalEntry],
) -> Iterator[ReplayedOutcome]:
    """
    Yield each outcome of a journal with whether ``loop``, fed through ``inputs``, has the same.

    ``infer`` is ``policy.infer``. The loop must be in the state in which the journal begins.

    Raises
    ------
    BridgeError
        If an entry is of a kind that no policy loop is told.

    """
    replay = PolicyReplay(loop, inputs, infer)
    for entry in entries:
        yield from replay.step(entry)
    yield from replay.finish()


class PolicyReplay:
    """
    Does one entry after the other.

    An outcome is held against the entry's payload as ``form`` makes it of the outcome's own: a
    trace has fingerprints.
    """

    def __init__(
            self, loop: PolicyLoop, inputs: PolicyInputs, infer: Infer,
            form: Callable[[bytes], bytes] = lambda payload: payload) -> None:
        self._loop, self._inputs, self._infer, self._form = loop, inputs, infer, form
        self._observation: Observation | Refusal | None = None
        # What a wrench led to: the entry that follows has to say so.
        self._refreshed: tuple[Instant, Trajectory] | None = None

    def step(self, entry: JournalEntry) -> Iterator[ReplayedOutcome]:
        """
        Do an entry and yield what outcomes it brings.

        Raises
        ------
        BridgeError
            If it is of a kind that no policy loop is told.

        """
        kind, now = entry.kind, entry.now
        if kind == 'refresh':
            refreshed, self._refreshed = self._refreshed, None
            yield self._held(entry, None if refreshed is None else refreshed[1])
            return
        yield from self.finish()
        if kind in self._inputs:
            taken = self._inputs.take(kind, entry.payload, now)
            if taken is not None and taken.proposal is not None:
                self._refreshed = now, taken.proposal
        elif kind == 'activate':
            self._loop.reset()
            self._observation = None
        elif kind == 'observe':
            self._observation = self._loop.observe(now)
            payload = observation_payload(self._observation)
            yield ReplayedOutcome(kind, now, payload, self._form(payload) == entry.payload)
        elif kind == 'propose':
            yield self._proposed(entry)
        elif kind == 'settle':
            yield self._held(entry, self._loop.settle(now), maybe_none=True)
        elif kind != 'refuse':  # an inference that failed then: nothing depends on it
            raise BridgeError(f'the journal has an entry {kind!r}, which no policy loop of this '
                              'bundle is told; replay it with the version that wrote it')

    def finish(self) -> Iterator[ReplayedOutcome]:
        """Yield the outcome that no entry has, where there is one."""
        if self._refreshed is not None:
            (now, proposal), self._refreshed = self._refreshed, None
            yield ReplayedOutcome('refresh', now, proposal_payload(proposal), False, then=False)

    def _proposed(self, entry: JournalEntry) -> ReplayedOutcome:
        if not isinstance(self._observation, Observation):
            return self._held(entry, None)
        try:
            actions = self._infer(self._observation.inputs)
        except InferenceError as error:
            return self._held(entry, error.refusal)
        return self._held(entry, self._loop.propose(self._observation, actions, entry.now))

    def _held(self, entry: JournalEntry, outcome: Trajectory | Refusal | None, *,
              maybe_none: bool = False) -> ReplayedOutcome:
        """Hold an outcome against its entry; None is one of its own kind only ``maybe_none``."""
        if outcome is None and not maybe_none:
            return ReplayedOutcome(entry.kind, entry.now, None, False)
        payload = proposal_payload(outcome)
        return ReplayedOutcome(
            entry.kind, entry.now, payload, self._form(payload) == entry.payload,
            proposed=entry.kind == 'propose' and isinstance(outcome, Trajectory))
