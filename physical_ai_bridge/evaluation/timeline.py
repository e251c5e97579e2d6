"""What happened around an incident, in few lines: from its entries as they are replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.runtime.cdr import decode_bool, decode_wrench_stamped
from physical_ai_bridge.runtime.replay import FAULT, Replayed

_CALLS = {
    'stop': '~/stop was called', 'reset': '~/reset was called', 'activate': 'activated',
    'deactivate': 'deactivated', 'withdraw': 'a command came too late, and was not sent',
    'authority': 'authority', 'publishers': 'publishing on the controller topic, too',
    FAULT: 'the supervisor met an error of its own'}
_TOLD = ('authority', 'publishers', FAULT)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline: seconds from the incident, what happened, and more about it."""

    at_s: float
    what: str
    detail: str


class Timeline:
    """
    Takes what is replayed, in order, and tells what of it matters.

    What comes many times a second is counted until something else happens.
    """

    def __init__(self, zero_ns: int) -> None:
        """Count times from ``zero_ns`` on the steady clock."""
        self._zero_ns = zero_ns
        self._events: list[Event] = []
        self._pending: Counter[str] = Counter()
        self._pending_detail: dict[str, str] = {}
        self._pending_s = 0.0
        self._mode: str | None = None
        self._pressed: bool | None = None
        # Sensor -> the largest force in N with its torque in N·m, and when.
        self._peaks: dict[str, tuple[float, float, float]] = {}

    def add(self, replayed: Replayed) -> None:
        """Take the next entry."""
        entry = replayed.entry
        at_s = (entry.now.steady_ns - self._zero_ns) / NS_PER_S
        kind, _, sensor = entry.kind.partition('/')
        if replayed.refusal is not None:
            refusal = replayed.refusal
            self._count(at_s, f'refused: {refusal.reason}', refusal.detail)
        elif kind == 'proposal':
            self._count(at_s, 'proposals taken', '')
        if kind == 'wrench':
            self._wrench(at_s, sensor, entry.payload)
        elif kind == 'emergency_stop':
            self._emergency_stop(at_s, entry.payload)
        elif kind in _CALLS and (kind != 'publishers' or entry.payload):
            text = entry.payload.decode(errors='replace') if kind in _TOLD else ''
            self._say(at_s, _CALLS[kind], text.replace('\n', ', '))
        decision = replayed.decision
        if decision is not None and str(decision.mode) != self._mode:
            self._mode = str(decision.mode)
            detail = f'{decision.reason}: {decision.detail}' if decision.detail else str(
                decision.reason)
            self._say(at_s, self._mode, detail)
        if not replayed.identical:
            self._say(at_s, 'decided differently now', '')

    def _wrench(self, at_s: float, sensor: str, payload: bytes) -> None:
        sample = _decoded(decode_wrench_stamped, payload)
        if sample is None:
            return
        force = float(np.linalg.norm(sample.force))
        if force > self._peaks.get(sensor, (-1.0, 0.0, 0.0))[0]:
            self._peaks[sensor] = force, float(np.linalg.norm(sample.torque)), at_s

    def _emergency_stop(self, at_s: float, payload: bytes) -> None:
        pressed = _decoded(decode_bool, payload)
        if pressed is not None and pressed is not self._pressed:
            self._pressed = pressed
            self._say(at_s, 'emergency stop', 'pressed' if pressed else 'not pressed')

    def _count(self, at_s: float, what: str, detail: str) -> None:
        self._pending[what] += 1
        self._pending_detail[what] = detail
        self._pending_s = at_s

    def _say(self, at_s: float, what: str, detail: str) -> None:
        self._flush()
        self._events.append(Event(at_s, what, detail))

    def _flush(self) -> None:
        for what, count in self._pending.items():
            times = f'{count} times' if count > 1 else 'once'
            detail = self._pending_detail[what]
            self._events.append(Event(
                self._pending_s, what, f'{times}; last: {detail}' if detail else times))
        self._pending.clear()

    def events(self) -> list[Event]:
        """Return everything, in order."""
        self._flush()
        peaks = [Event(at_s, f'largest force on {sensor}', f'{force:.1f} N, {torque:.2f} N·m')
                 for sensor, (force, torque, at_s) in self._peaks.items()]
        return sorted((*self._events, *peaks), key=lambda event: event.at_s)


def _decoded(decode: Callable[[bytes], object], payload: bytes) -> object | None:
    try:
        return decode(payload)
    except WireError:
        return None
