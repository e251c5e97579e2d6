"""What the demo knows while it runs, and the one line that shows it."""

from __future__ import annotations

from collections.abc import Callable
import struct
import time
from types import TracebackType

from physical_ai_bridge.bags.reader import decode, RecordedMessage
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.evaluation.load import EPISODE, PROPOSALS, SUPERVISOR_STATE
from physical_ai_bridge.evaluation.words import in_ms
from physical_ai_bridge.runtime.cdr import decode_wrench_stamped

Keep = Callable[[str, str, int, bytes], object]

_REFRESH_S = 0.15
_STYLES = {'ACTIVE': 'green', 'READY': 'cyan', 'LIMITING': 'yellow', 'STOPPING': 'red',
           'STOPPED': 'bold red', 'FAULT': 'bold red'}


def _stamp_ns(data: bytes) -> int:
    """Return the stamp of a message that begins with a header."""
    order = '<' if data[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', data, 4)
    return seconds * NS_PER_S + nanoseconds


class Watcher:
    """A sink that passes everything on, and keeps the newest of what a person wants to see."""

    def __init__(self, cell: Cell, keep: Keep) -> None:
        self._keep = keep
        self._wrench_topics = {each.topic for each in cell.sensors.wrenches.values()}
        self._command_topic = cell.controller.plan_topic
        self._wrench = b''
        self._proposed_ns: int | None = None
        self._last_proposal_ns = 0
        self.latency_ms: float | None = None
        self.mode, self.reason, self.detail = '', '', ''
        self.episode: dict[str, str] = {}
        self.states = 0

    def __call__(self, topic: str, type_name: str, received_ns: int, data: bytes) -> None:
        """Take one message."""
        self._keep(topic, type_name, received_ns, data)
        if topic in self._wrench_topics:
            self._wrench = data
        elif topic == PROPOSALS:
            stamp_ns = _stamp_ns(data)
            if stamp_ns > self._last_proposal_ns:
                self._proposed_ns = self._last_proposal_ns = stamp_ns
        elif topic == self._command_topic and self._proposed_ns is not None:
            latency_ms = (_stamp_ns(data) - self._proposed_ns) / 1e6
            # A command that was decided before the observation has only come late.
            if latency_ms > 0.0:
                self.latency_ms, self._proposed_ns = latency_ms, None
        elif topic in (SUPERVISOR_STATE, EPISODE):
            self._told(RecordedMessage(topic, type_name, received_ns, data))

    def _told(self, message: RecordedMessage) -> None:
        try:
            (status,) = decode(message)
        except WireError:
            return
        if message.topic == EPISODE:
            self.episode = status.values
        else:
            values = status.values
            self.mode, self.reason = values.get('mode', ''), values.get('reason', '')
            self.detail = values.get('detail', '')
            self.states += 1

    @property
    def force_n(self) -> float:
        """The newest force at the wrist."""
        if not self._wrench:
            return 0.0
        x, y, z = decode_wrench_stamped(self._wrench).force
        return float((x * x + y * y + z * z) ** 0.5)


class StatusLine:
    """One line that is kept up to date at a terminal; elsewhere a line for each event."""

    def __init__(self, out: Output, watcher: Watcher) -> None:
        self._out, self._watcher = out, watcher
        self._status = None
        self._drawn_s = 0.0
        self._head, self._since_s = 'starting', time.monotonic()

    def __enter__(self) -> StatusLine:
        if self._out.console.is_terminal:
            self._status = self._out.console.status(self._head, spinner='dots')
            self._status.start()
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, head: str) -> None:
        """Name what is going on from here on."""
        self._head, self._since_s = head, time.monotonic()
        self._drawn_s = 0.0
        self.refresh()

    def say(self, text: str, style: str | None = None) -> None:
        """Write a line that stays."""
        self._out.say(text, style=style)

    def refresh(self) -> None:
        """Draw again, a few times a second at most."""
        now_s = time.monotonic()
        if self._status is None or now_s - self._drawn_s < _REFRESH_S:
            return
        self._drawn_s = now_s
        watcher = self._watcher
        parts = [self._head, f'{now_s - self._since_s:4.1f} s']
        if watcher.mode:
            style = _STYLES.get(watcher.mode, 'white')
            parts.append(f'[{style}]{watcher.mode:8}[/]')
        if watcher.episode:
            parts.append(f'force {watcher.force_n:5.1f} N')
        if watcher.latency_ms is not None:
            parts.append(f'sensor to command {in_ms(watcher.latency_ms)}')
        self._status.update(' · '.join(parts))
