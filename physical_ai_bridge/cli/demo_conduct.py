"""Bring the nodes up in order, and run one episode after the other in real time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time

from physical_ai_bridge.cli.demo_processes import NodeProcesses
from physical_ai_bridge.cli.demo_view import StatusLine, Watcher
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.words import in_ms, in_newtons, in_seconds, number
from physical_ai_bridge.nodes.recorder import RecorderSession

CELL, SUPERVISOR, POLICY = 'mujoco_cell', 'safety_supervisor', 'policy_node'

_PRESENT_S, _CONFIGURED_S, _READY_S = 30.0, 120.0, 10.0
# The cell ends an episode after 12 s of its own time, which may run slower than ours.
_EPISODE_S = 60.0
_STOPPED_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one episode ended, after how long, and ``why`` where it did not go well."""

    success: bool
    elapsed_s: float
    why: str = ''


class Conductor:
    """Conducts cell, supervisor and policy through their lifecycles."""

    def __init__(
            self, session: RecorderSession, nodes: NodeProcesses, watcher: Watcher,
            line: StatusLine) -> None:
        self._session, self._nodes = session, nodes
        self._watcher, self._line = watcher, line
        self._clients = {name: session.lifecycle(f'/{name}')
                         for name in (CELL, SUPERVISOR, POLICY)}
        self._policy_active = self._supervisor_active = False
        self._first = True

    def bring_up(self) -> None:
        """Wait for the nodes, configure all three, and let the cell's time begin."""
        for name, client in self._clients.items():
            self._line.begin(f'waiting for {name}')
            client.wait_until_present(_PRESENT_S)
        for name, client in self._clients.items():
            self._line.begin(f'configuring {name}')
            client.configure(_CONFIGURED_S)
        self._clients[CELL].activate()
        for node in self._nodes.nodes:
            node.note_shared_memory()

    def bring_down(self) -> None:
        """Deactivate in reverse order: the last command that the controller gets is a stop."""
        self._rest()
        self._clients[CELL].deactivate()

    def _rest(self) -> None:
        if self._policy_active:
            self._clients[POLICY].deactivate()
            self._policy_active = False
        if self._supervisor_active:
            self._clients[SUPERVISOR].deactivate()
            self._supervisor_active = False

    def episode(self, label: str) -> Outcome:
        """Run one episode."""
        watcher, line = self._watcher, self._line
        line.begin(label)
        self._rest()
        self._new_episode()
        states = watcher.states
        self._clients[SUPERVISOR].activate()
        self._supervisor_active = True
        if not self._session.wait_until(
                lambda: watcher.states > states and watcher.mode == 'READY', _READY_S):
            raise BridgeError(
                f'{SUPERVISOR} is not READY after {_READY_S:g} s: it is {watcher.mode} because of '
                f'{watcher.reason}{": " + watcher.detail if watcher.detail else ""}')
        self._clients[POLICY].activate()
        self._policy_active = True
        line.begin(label)
        begun_s = time.monotonic()
        if not self._session.wait_until(self._over, _EPISODE_S):
            raise BridgeError(f'{CELL} does not tell how the episode ends; see its log')
        why = 'its time ran out'
        if watcher.episode.get('done') != 'true':
            # Nothing will move any more, so there is no need to wait for the end of the time; but
            # the connector may be in already.
            why = f'{watcher.mode}: {watcher.reason}: {watcher.detail}'
            self._session.wait_until(self._done, _STOPPED_LINGER_S)
        success = watcher.episode.get('success') == 'true'
        return Outcome(success, time.monotonic() - begun_s, '' if success else why)

    def _done(self) -> bool:
        return self._watcher.episode.get('done') == 'true'

    def _over(self) -> bool:
        return self._done() or self._watcher.mode in ('STOPPED', 'FAULT')

    def _new_episode(self) -> None:
        if self._first:
            # The cell began its first episode when it was activated.
            self._first = False
            self._wait_for_episode(lambda index: True)
            return
        before = self._watcher.episode.get('index')
        self._session.trigger(f'/{CELL}/new_episode', _READY_S)
        self._wait_for_episode(lambda index: index != before)

    def _wait_for_episode(self, is_new: Callable[[str], bool]) -> None:
        def begun() -> bool:
            told = self._watcher.episode
            return 'index' in told and is_new(told['index']) and told.get('done') != 'true'

        if not self._session.wait_until(begun, _READY_S):
            raise BridgeError(f'{CELL} begins no episode; see its log')

    def describe(self, label: str, outcome: Outcome) -> str:
        """Return the line that stays behind an episode."""
        watcher = self._watcher
        peak = number(watcher.episode.get('peak_force_n'))
        parts = [
            'connector in' if outcome.success else 'missed', in_seconds(outcome.elapsed_s),
            f'peak force {in_newtons(peak)}', f'sensor to command {in_ms(watcher.latency_ms)}']
        return f'{label}: {", ".join([*parts, outcome.why] if outcome.why else parts)}'
