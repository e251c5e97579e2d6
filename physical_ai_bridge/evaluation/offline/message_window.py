"""The messages of the last seconds of a recording, found by what a trace knows of them."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from physical_ai_bridge.runtime.traces import key_of


@dataclass(frozen=True, slots=True)
class _Kept:
    index: int
    stamp_ns: int
    topic: str
    key: bytes
    data: bytes


class MessageWindow:
    """Keeps messages, in recorded order, until it is told to forget them; nothing is copied."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._found: defaultdict[tuple[str, bytes], deque[_Kept]] = defaultdict(deque)
        self._count = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Take a message."""
        kept = _Kept(self._count, stamp_ns, topic, key_of(data), data)
        self._count += 1
        self._kept.append(kept)
        self._found[topic, kept.key].append(kept)

    def find(self, topic: str, key: bytes, after: int) -> tuple[int, bytes] | None:
        """
        Return a message with its index: the first later than index ``after``, else the last.

        They come in order, so that two which look alike are told apart.
        """
        found = self._found.get((topic, key))
        if not found:
            return None
        kept = next((each for each in found if each.index > after), found[-1])
        return kept.index, kept.data

    def forget(self, before_ns: int) -> None:
        """Forget what was received before ``before_ns``."""
        while self._kept and self._kept[0].stamp_ns < before_ns:
            kept = self._kept.popleft()
            alike = self._found[kept.topic, kept.key]
            alike.popleft()
            if not alike:
                del self._found[kept.topic, kept.key]
