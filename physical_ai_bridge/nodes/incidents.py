"""The supervisor's node keeps a record of every intervention, without ever waiting for a disk."""

from __future__ import annotations

import os
from pathlib import Path
import re
import sys
import threading

import msgpack
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.nodes.cell_parameter import LoadedCell
from physical_ai_bridge.nodes.conversions import Value
from physical_ai_bridge.nodes.journaling import Journal
from physical_ai_bridge.nodes.parameters import Parameters
from physical_ai_bridge.runtime.incident import IncidentRecorder, Record
from physical_ai_bridge.runtime.incident_file import digest, Scene
from physical_ai_bridge.runtime.incident_store import IncidentStore
from physical_ai_bridge.runtime.replay import FAULT
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.snapshot import snapshot, SnapshotError
from physical_ai_bridge.safety.supervisor import Supervisor
from rclpy.logging import get_logging_directory

# The status of a policy's node, as it lies in the bytes of /diagnostics: only there is the digest
# of what proposes. To decode every message on that topic would hold up ticks.
_BUNDLE = re.compile(rb'bundle_digest\0..A\0\0\0([0-9a-f]{64})\0', re.DOTALL)
_CORE = f'{os.sep}physical_ai_bridge{os.sep}safety{os.sep}'
_WRITERS_NICE = 10


def default_folder() -> Path:
    """Return ``incidents`` beside ROS's logs: under $ROS_LOG_DIR, $ROS_HOME/log or ~/.ros/log."""
    return Path(get_logging_directory()) / 'incidents'


class Incidents:
    """A journal that keeps the last seconds, and has a record written after an intervention."""

    wanted = True

    def __init__(self, settings: Parameters) -> None:
        self._settings = settings
        settings.declare(
            'incidents', str(default_folder()),
            'folder for a record of every intervention; empty for none')
        settings.declare(
            'incidents_max_mb', 500.0, 'how much of the disk the records may take, in MB; the '
            'oldest give way')
        self._recorder = IncidentRecorder()
        self._store: IncidentStore | None = None
        self._beside: Journal | None = None
        self._authority = self._bundle_digest = ''
        # Why there is no state to record from, and what was said last.
        self._stateless = self._told = ''

    def start(self, loaded: LoadedCell, urdf: str, node: str, beside: Journal) -> Journal:
        """
        Read the parameters; return the journal that keeps records, and adds to ``beside``.

        ``urdf`` is the text that the supervisor is made from.

        Raises
        ------
        BridgeError
            If a parameter is wrong, or the cell file has changed.

        """
        self._beside = beside
        folder = self._settings.text('incidents')
        most_mb = self._settings.number('incidents_max_mb', 'MB', at_least=1.0)
        if not folder:
            return beside
        try:
            # Bytes: to read text would change line ends, and with them the sha256.
            scene = Scene(
                node=node, cell_name=loaded.cell.name, cell=loaded.path.read_bytes().decode(),
                urdf=urdf)
        except (OSError, UnicodeDecodeError) as error:
            raise BridgeError(f'{loaded.path} cannot be read any more: {error}; configure '
                              'again') from error
        if digest(scene.cell) != loaded.digest:
            raise BridgeError(f'{loaded.path} has changed since it was read; configure again')
        self._store = IncidentStore(
            Path(folder).expanduser(), scene, max_bytes=int(most_mb * 1e6), prepare=_stand_back)
        return self

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Take note of a call, and add it to the journal beside."""
        self._recorder.append(kind, now, payload)
        self._beside.append(kind, now, payload)

    def close(self) -> None:
        """Have written what is left, and close the journal beside."""
        self.end()
        if self._store is not None:
            self._store.close()
            self._store = None
        self._beside.close()

    def begin(self, core: Supervisor, authority: Authority, now: Instant) -> None:
        """Start anew; call it before the supervisor is told anything of its activation."""
        self._authority = str(authority)
        if self._store is not None:
            state = self.state(core)
            if state is not None:
                self._recorder.begin(now, state)

    def decided(self, decision: Decision) -> None:
        """Take note of a decision, whose entry has been appended."""
        if self._store is not None:
            self._recorder.decided(decision)

    def after_tick(self, core: Supervisor, now: Instant) -> bytes | None:
        """Do what may take time, while the next tick is furthest; return a state it made."""
        if self._store is None:
            return None
        self._hand_over(self._recorder.due(now))
        if not self._recorder.snapshot_due(now):
            return None
        state = self.state(core)
        if state is not None:
            self._recorder.keep_snapshot(now, state)
        return state

    def fault(self, error: BaseException, tick: Instant, now: Instant) -> None:
        """Take note of the error that ends the node; ``tick`` is when the last tick began."""
        if _of_the_core(error):
            self.append(FAULT, tick, repr(error).encode())
        if self._store is None:
            return
        self._recorder.happened(Decision(now, Mode.FAULT, Reason.INTERNAL_ERROR, repr(error)))

    def end(self) -> None:
        """Have the record that is still open written: nothing more happens."""
        self._hand_over(self._recorder.finish())

    def _hand_over(self, record: Record | None) -> None:
        if record is not None and self._store is not None:
            self._store.put(
                record, authority=self._authority, bundle_digest=self._bundle_digest)

    def on_diagnostics(self, data: bytes) -> None:
        """Take the digest of the bundle from what a policy's node says about itself."""
        found = _BUNDLE.search(data)
        if found is not None:
            self._bundle_digest = found[1].decode()

    def values(self) -> dict[str, Value]:
        """Return keys of a DiagnosticStatus."""
        store = self._store
        return {
            'incidents.folder': '' if store is None else str(store.folder),
            'incidents.written': 0 if store is None else store.written,
            'incidents.dropped': self._recorder.lost_incidents + (
                0 if store is None else store.dropped),
            'incidents.problem': self._problem(),
        }

    def new_problem(self) -> str:
        """Return why records cannot be written, where that has not been said before, else ''."""
        last, self._told = self._told, self._problem()
        return '' if self._told == last else self._told

    def _problem(self) -> str:
        return self._stateless or ('' if self._store is None else self._store.problem)

    def state(self, core: Supervisor) -> bytes | None:
        """Return the supervisor's state, packed, or None where that cannot be had."""
        try:
            return msgpack.packb(snapshot(core))
        except SnapshotError as error:
            self._stateless = f'incidents cannot be recorded: {error}'
            return None


def _stand_back() -> None:
    """Let everything else of this machine go before the thread that writes."""
    if sys.platform == 'linux':
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _WRITERS_NICE)


def _of_the_core(error: BaseException) -> bool:
    """Tell whether the supervisor itself raised it, rather than the node around it."""
    trace = error.__traceback__
    while trace is not None:
        if _CORE in trace.tb_frame.f_code.co_filename:
            return True
        trace = trace.tb_next
    return False
