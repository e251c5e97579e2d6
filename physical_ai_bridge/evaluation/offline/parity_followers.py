"""The nodes' cores, led along what a trace says that they were told."""

from __future__ import annotations

from typing import Protocol

import msgpack
from physical_ai_bridge import __version__
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.offline.parity_ledger import Ledger
from physical_ai_bridge.evaluation.offline.settling import Settling
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.runtime.decision_bytes import decision_payload, fingerprint, words_of
from physical_ai_bridge.runtime.journal import JournalEntry
from physical_ai_bridge.runtime.policy_inputs import EXECUTED, policy_topics, PolicyInputs
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.policy_replay import Infer, PolicyReplay, ReplayedOutcome
from physical_ai_bridge.runtime.replay import FAULT, Replayed, SupervisorReplay
from physical_ai_bridge.runtime.traces import Form, Head, TraceEntry
from physical_ai_bridge.safety.gripping import supervisor_of
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.snapshot import restore


class Follower(Protocol):
    """Is told a trace's entries in order; ``at_s`` is when, from the beginning of the bag."""

    def lost(self, at_s: float, why: str) -> None:
        """Take note that entries are missing: go on from the next head."""

    def head(self, at_s: float, now: Instant, head: Head) -> None:
        """Take a head."""

    def take(self, at_s: float, entry: TraceEntry, payload: bytes | None) -> None:
        """Take an entry; ``payload`` is None where its message is not in the bag."""

    def finish(self, at_s: float) -> None:
        """Take note that nothing follows."""


def _mismatch(head: Head, cell_digest: str) -> str:
    """Return what keeps a run from being compared, '' for nothing."""
    if head.package_version != __version__:
        return (f'the run was made with version {head.package_version} of this package, this is '
                f'{__version__}')
    if head.cell_digest != cell_digest:
        return (f'the run had another cell file: its sha256 is {head.cell_digest[:12]}…, that of '
                f'this one {cell_digest[:12]}…')
    return ''


class SupervisorFollower:
    """
    Leads a supervisor along; after a loss it goes on from the next snapshot of its state.

    So it does after a difference: one wrong decision is not counted again and again.
    """

    def __init__(self, cell: Cell, cell_digest: str, robot: RobotModel, ledger: Ledger) -> None:
        self._cell, self._cell_digest, self._robot = cell, cell_digest, robot
        self._ledger = ledger
        self._replay: SupervisorReplay | None = None
        self._astray = False

    def lost(self, at_s: float, why: str) -> None:
        """Wait for the next snapshot."""
        self._replay = None
        self._ledger.gap(at_s, why)

    def head(self, at_s: float, now: Instant, head: Head) -> None:
        """Restore the state, where the supervisor does not have it anyway."""
        del now
        mismatch = _mismatch(head, self._cell_digest)
        if mismatch:
            self._replay = None
            self._ledger.gap(at_s, mismatch, anew=True)
        elif self._replay is None or self._astray:
            self._restore(at_s, head.state)

    def _restore(self, at_s: float, state: bytes) -> None:
        core = supervisor_of(self._cell, self._robot)
        try:
            restore(msgpack.unpackb(state, strict_map_key=False), core)
        except (BridgeError, TypeError, ValueError, msgpack.UnpackException) as error:
            self.lost(at_s, f'a snapshot cannot be restored: {error}')
            return
        self._replay, self._astray = SupervisorReplay(core, self._cell, fingerprint), False
        self._ledger.close(at_s)

    def take(self, at_s: float, entry: TraceEntry, payload: bytes | None) -> None:
        """Do the entry again."""
        replay = self._replay
        if replay is None:
            if entry.form is Form.OUTCOME:
                self._ledger.pass_over()
            return
        if payload is None:
            self.lost(at_s, f'a message of kind {entry.kind!r} that the supervisor took is not in '
                      'the bag')
            return
        if replay.error is not None and entry.kind != FAULT:
            self._fail(at_s, entry.kind, 'no error')
            return
        replayed = replay.step(JournalEntry(entry.kind, entry.now, payload))
        if replayed is not None:
            self._hold(at_s, entry, replayed)
        elif entry.form is Form.OUTCOME:
            self._fail(at_s, entry.kind, entry.words)

    def _hold(self, at_s: float, entry: TraceEntry, replayed: Replayed) -> None:
        if replayed.decision is None and entry.kind != FAULT:
            return
        if replayed.identical:
            self._ledger.same(entry.kind)
            return
        self._astray = True
        if replayed.decision is None:
            then, now = entry.content.decode(errors='replace'), 'another error, or none'
        else:
            then, now = entry.words, words_of(decision_payload(replayed.decision))
        self._ledger.different(at_s, entry.kind, then, now)

    def _fail(self, at_s: float, kind: str, then: str) -> None:
        """Take note that the supervisor raises an error, which it did not then."""
        error = self._replay.error
        if isinstance(error, BridgeError):
            self.lost(at_s, str(error))
            return
        self._ledger.different(at_s, kind, then, repr(error))
        self.lost(at_s, 'the supervisor raises an error of its own')

    def finish(self, at_s: float) -> None:
        """Say where the supervisor has raised an error that the trace does not get to."""
        if self._replay is not None and self._replay.error is not None:
            self._ledger.gap(at_s, f'the trace ends where the supervisor raises '
                             f'{self._replay.error!r}')
            self._ledger.pass_over()


class PolicyFollower:
    """
    Leads a policy loop along.

    There are no snapshots of it, so that after a loss it is compared again once it has settled,
    or been activated anew.
    """

    def __init__(
            self, cell_digest: str, binding: Binding, infer: Infer,
            kinematics: TcpKinematics | None, provider: str | None, ledger: Ledger) -> None:
        self._cell_digest, self._binding, self._infer = cell_digest, binding, infer
        self._kinematics, self._provider, self._ledger = kinematics, provider, ledger
        self._replay: PolicyReplay | None = None
        self._settling = Settling(0)

    def lost(self, at_s: float, why: str) -> None:
        """Wait for the next head."""
        self._replay = None
        self._ledger.gap(at_s, why)

    def head(self, at_s: float, now: Instant, head: Head) -> None:
        """Begin, where nothing is known of the loop."""
        mismatch = self._mismatch(head)
        if mismatch:
            self._replay = None
            self._ledger.gap(at_s, mismatch, anew=True)
        elif self._replay is None:
            loop = PolicyLoop(self._binding, self._kinematics)
            inputs = PolicyInputs(loop, self._binding)
            try:
                inputs.carry(head.state, now)
            except BridgeError as error:
                self.lost(at_s, str(error))
                return
            self._replay = PolicyReplay(loop, inputs, self._infer, fingerprint)
            self._settling = Settling(loop.span_ns)
            for kind in policy_topics(self._binding):
                self._settling.miss(kind, now if kind in EXECUTED else None)
            self._settling.miss_chunks()
            self._ledger.gap(at_s, 'what the policy had been told before is not in the bag')

    def _mismatch(self, head: Head) -> str:
        digest = self._binding.bundle_digest
        if head.bundle_digest != digest:
            return (f'the run had another bundle: its digest is {head.bundle_digest[:12]}…, that '
                    f'of this one {digest[:12]}…')
        if self._provider is not None and head.provider != self._provider:
            return (f'the run inferred on {head.provider}, and this is {self._provider}: the '
                    'last bits differ')
        return _mismatch(head, self._cell_digest)

    def take(self, at_s: float, entry: TraceEntry, payload: bytes | None) -> None:
        """Do the entry again."""
        if self._replay is None:
            if entry.form is Form.OUTCOME:
                self._ledger.pass_over()
            return
        if payload is None:
            self._settling.miss(entry.kind)
            self._ledger.gap(at_s, f'a message of kind {entry.kind!r} that the policy took is not '
                             'in the bag')
            return
        try:
            for outcome in self._replay.step(JournalEntry(entry.kind, entry.now, payload)):
                self._hold(at_s, entry, outcome)
        except BridgeError as error:
            self.lost(at_s, str(error))
            return
        if entry.kind == 'activate':
            self._settling.on_activate()
        else:
            self._settling.on_input(entry.kind, entry.now)
        if self._settling.proposes(entry.now):
            self._ledger.close(at_s)

    def _hold(self, at_s: float, entry: TraceEntry, outcome: ReplayedOutcome) -> None:
        if not self._comparable(outcome):
            if outcome.then:
                self._ledger.pass_over()
        elif outcome.identical:
            self._ledger.same(outcome.kind)
        else:
            self._ledger.different(
                at_s, outcome.kind, entry.words if outcome.then else 'nothing',
                'nothing' if outcome.payload is None else words_of(outcome.payload))
        self._settling.on_outcome(outcome.kind, outcome.now, proposed=outcome.proposed)

    def _comparable(self, outcome: ReplayedOutcome) -> bool:
        if outcome.kind == 'observe':
            return self._settling.observes(outcome.now)
        if outcome.kind == 'settle':
            return self._settling.settles
        return self._settling.proposes(outcome.now)

    def finish(self, at_s: float) -> None:
        """Do nothing: an outcome may follow that the bag does not have any more."""
