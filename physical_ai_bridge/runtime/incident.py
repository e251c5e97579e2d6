"""
What came and what was decided around each intervention, kept as it happens.

An intervention is the entry into LIMITING; a stop is the entry into STOPPING, STOPPED or FAULT.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgpack
from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.contract.fields import STRICT
from physical_ai_bridge.runtime.journal import pack_entry
from physical_ai_bridge.safety.decision import Decision, Mode

STOPS = (Mode.STOPPING, Mode.STOPPED, Mode.FAULT)
BEFORE_NS = seconds_to_ns(2.0)
AFTER_NS = seconds_to_ns(1.0)
# Interventions that follow each other closely share a record, but none grows without end.
LONGEST_NS = seconds_to_ns(10.0)
SNAPSHOT_NS = seconds_to_ns(1.0)
# One snapshot is always older than BEFORE_NS, counting the one that is just being added to.
_SEGMENTS = 4
_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One intervention or stop: what the supervisor went into, why, and when."""

    mode: str
    reason: str
    detail: str
    ros_ns: int
    steady_ns: int
    __pydantic_config__ = STRICT

    @property
    def stopped(self) -> bool:
        """Whether it is a stop."""
        return self.mode in STOPS


def main_of(happenings: tuple[Happening, ...]) -> Happening:
    """Return the first stop, or the first intervention where nothing stopped."""
    return next((each for each in happenings if each.stopped), happenings[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    What a record of an incident holds that only the recorder knows.

    ``happenings`` are its interventions, the first hundred of ``interventions``; ``state`` is the
    supervisor's before the first entry, as ``keep_snapshot`` was given it; ``pieces`` are, joined,
    a journal of ``entries`` entries up to ``end``.
    """

    happenings: tuple[Happening, ...]
    interventions: int
    state: bytes
    begin: Instant
    end: Instant
    pieces: tuple[bytes, ...]
    entries: int


class _Segment:
    """A snapshot and the entries since then, packed."""

    def __init__(self, begin: Instant, state: bytes) -> None:
        self.begin, self.state = begin, state
        self.entries = 0
        self._packer = msgpack.Packer(autoreset=False)
        self._sealed: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        return len(self.state) + len(self._packer.getbuffer() if self._sealed is None
                                     else self._sealed)

    def append(self, kind: str, now: Instant, payload: bytes) -> None:
        """Add an entry."""
        pack_entry(self._packer, kind, now, payload)
        self.entries += 1

    def seal(self) -> None:
        """Turn the entries into bytes: none is added any more."""
        self._sealed = self.packed()
        self._packer.reset()

    def packed(self) -> bytes:
        """Return the entries as they are now."""
        return bytes(self._packer.getbuffer()) if self._sealed is None else self._sealed


class IncidentRecorder:
    """
    Keeps the last seconds, and makes a record of them once an intervention is over.

    It is told every call of the supervisor's and its outcome in order (``append``), every decision
    (``decided``), and the supervisor's state (``keep_snapshot``) whenever ``snapshot_due``. A
    record begins with a snapshot at least two seconds before the intervention, as far as there is
    one, and ends one second after the last that it holds. No more than ``max_bytes`` and
    ``max_entries`` are kept: where more comes, a record begins later, or ends sooner.
    ``lost_incidents`` counts those of which nothing could be kept. Not thread-safe.
    """

    wanted = True

    def __init__(self, *, max_bytes: int = 64 * 1024 * 1024, max_entries: int = 200_000) -> None:
        self._max_bytes, self._max_entries = max_bytes, max_entries
        self.lost_incidents = 0
        self._clear()

    def _clear(self) -> None:
        self._segments: deque[_Segment] = deque()
        self._sealed_bytes = self._sealed_entries = 0
        self._mode = Mode.INACTIVE
        self._happenings: list[Happening] = []
        self._interventions = 0
        self._last_ns = self._until_ns = 0
        self._end: Instant | None = None
        self._finished: Record | None = None

    @property
    def bytes_kept(self) -> int:
        """How many bytes of entries and snapshots there are."""
        return self._sealed_bytes + (self._segments[-1].size if self._segments else 0)

    @property
    def entries_kept(self) -> int:
        """How many entries there are."""
        return self._sealed_entries + (self._segments[-1].entries if self._segments else 0)

    def begin(self, now: Instant, state: bytes) -> None:
        """Forget everything, and start with this state."""
        self._clear()
        self.keep_snapshot(now, state)

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Take note of a call or an outcome."""
        if not self._segments:
            return  # an entry is of use only with a state before it
        self._segments[-1].append(kind, now, payload)
        self._end = now
        if self.bytes_kept > self._max_bytes or self.entries_kept > self._max_entries:
            self._shed()

    def _shed(self) -> None:
        """Make room: the oldest goes first, but what is being recorded is finished before."""
        if self._happenings:
            self._finish()
        while self._segments and (self.bytes_kept > self._max_bytes
                                  or self.entries_kept > self._max_entries):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        dropped = self._segments.popleft()
        if self._segments:
            self._sealed_bytes -= dropped.size
            self._sealed_entries -= dropped.entries

    def snapshot_due(self, now: Instant) -> bool:
        """Tell whether ``keep_snapshot`` should be called now, between two calls."""
        if not self._segments:
            return True
        last = self._segments[-1]
        return (now.steady_ns - last.begin.steady_ns >= SNAPSHOT_NS
                or last.size > self._max_bytes // _SEGMENTS
                or last.entries > self._max_entries // _SEGMENTS)

    def keep_snapshot(self, now: Instant, state: bytes) -> None:
        """Take the state of the supervisor between the last entry and the next."""
        if self._segments:
            last = self._segments[-1]
            last.seal()
            self._sealed_bytes += last.size
            self._sealed_entries += last.entries
        self._segments.append(_Segment(now, state))
        while len(self._segments) > _SEGMENTS and not self._happenings:
            self._drop_oldest()
        if self.bytes_kept > self._max_bytes:
            self._shed()

    def decided(self, decision: Decision) -> None:
        """Take note of the newest decision: it may be an intervention."""
        mode, last = decision.mode, self._mode
        self._mode = mode
        if mode is Mode.LIMITING is not last or (mode in STOPS and last not in STOPS):
            self.happened(decision)

    def happened(self, decision: Decision) -> None:
        """Take note of an intervention."""
        now, stopped = decision.now, decision.mode in STOPS
        if not self._segments:
            self.lost_incidents += 1
            return
        if not self._happenings:
            self._until_ns = now.steady_ns + LONGEST_NS
            while len(self._segments) > 1 and (
                    self._segments[1].begin.steady_ns <= now.steady_ns - BEFORE_NS):
                self._drop_oldest()
        self._interventions += 1
        # A stop is listed however many there were before, and has its whole second after it.
        if len(self._happenings) < _LISTED or stopped:
            self._happenings.append(Happening(
                mode=str(decision.mode), reason=str(decision.reason), detail=decision.detail,
                ros_ns=now.ros_ns, steady_ns=now.steady_ns))
        if stopped:
            self._until_ns = max(self._until_ns, now.steady_ns + AFTER_NS)
        self._last_ns = now.steady_ns

    def due(self, now: Instant) -> Record | None:
        """Return the record that is finished by now, once, or None."""
        if self._happenings and now.steady_ns >= min(self._last_ns + AFTER_NS, self._until_ns):
            self._finish()
        finished, self._finished = self._finished, None
        return finished

    def finish(self) -> Record | None:
        """Return the record that was still open, if one was, and forget everything."""
        if self._happenings:
            self._finish()
        finished = self._finished
        self._clear()
        return finished

    def _finish(self) -> None:
        if self._finished is not None:
            self.lost_incidents += 1
        first = self._segments[0]
        self._finished = Record(
            happenings=tuple(self._happenings), interventions=self._interventions,
            state=first.state, begin=first.begin, end=self._end or first.begin,
            pieces=tuple(segment.packed() for segment in self._segments),
            entries=self.entries_kept)
        self._happenings, self._interventions = [], 0
        while len(self._segments) > _SEGMENTS:
            self._drop_oldest()
