"""When a policy loop that missed something has, again, what it would have had."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.policy.chunks import KEPT_CHUNKS
from physical_ai_bridge.runtime.policy_inputs import EXECUTED


class Settling:
    """
    Follows what a loop missed, and what has come since.

    An observation is right again when, of every kind that was missed, one has come, and since
    then as much time has passed as an observation reaches back, which is ``span_ns`` at most. Of a
    camera only the newest frame counts, and they come in the order of their stamps: there the next
    is enough. A proposal is right when, in addition, every chunk that it is blended from came from
    such an observation.
    """

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._since: dict[str, Instant | None] = {}
        self._observed = True
        self._chunks = 0

    def miss(self, kind: str, since: Instant | None = None) -> None:
        """Take note that inputs of a kind are not known; ``since`` when they are again."""
        self._since[kind] = since

    def miss_chunks(self) -> None:
        """Take note that what was proposed lately is not known."""
        self._chunks = KEPT_CHUNKS

    def on_input(self, kind: str, now: Instant) -> None:
        """Take note of an input."""
        if self._since.get(kind, now) is not None:
            return
        if kind.startswith('image/'):
            del self._since[kind]
        else:
            self._since[kind] = now

    def on_activate(self) -> None:
        """Take note that everything was forgotten then, but what was being executed."""
        self._since = {kind: None for kind in EXECUTED if self._since.get(kind, ...) is None}
        self._observed, self._chunks = True, 0

    def on_outcome(self, kind: str, now: Instant, *, proposed: bool) -> None:
        """Take note of an answer of the loop, and whether a new chunk was ``proposed`` in it."""
        right = self.observes(now)
        if kind == 'observe':
            self._observed = right
        elif kind in ('propose', 'refresh') and not (right and self._observed):
            self._chunks = KEPT_CHUNKS
        elif proposed and self._chunks:
            self._chunks -= 1

    def observes(self, now: Instant) -> bool:
        """Tell whether an observation made now is what it was then."""
        if all(since is not None and now.ros_ns - since.ros_ns >= self._span_ns
               and now.steady_ns - since.steady_ns >= self._span_ns
               for since in self._since.values()):
            self._since.clear()
        return not self._since

    def proposes(self, now: Instant) -> bool:
        """Tell whether a proposal made now, of the last observation, is what it was then."""
        return self.observes(now) and self._observed and not self._chunks

    @property
    def settles(self) -> bool:
        """Whether what is being executed is known: to come to rest nothing else matters."""
        return all(self._since.get(kind, ...) is not None for kind in EXECUTED)
