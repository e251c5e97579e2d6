"""What a node's core was told and answered, on ``~/trace``, for whoever records."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from physical_ai_bridge import __version__
from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.journaling import Journal
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.runtime.cdr import encode_uint8_multi_array
from physical_ai_bridge.runtime.traces import Head, TraceWriter
from std_msgs.msg import UInt8MultiArray

PERIOD_S = 0.2
_PERIOD_NS = seconds_to_ns(PERIOD_S)
# Heads are repeated this often. The supervisor has a state at hand once a second, a little sooner.
_HEAD_NS = seconds_to_ns(1.1)
# Seconds of batches: a recorder that is held up loses none.
_DEPTH = 64


def head_of(node: str, cell_digest: str, bundle_digest: str = '', provider: str = '') -> Head:
    """Return what stands at the head of a node's trace, but for its core's state."""
    return Head(package_version=__version__, node=node, cell_digest=cell_digest,
                bundle_digest=bundle_digest, provider=provider, state=b'')


class Trace:
    """
    A journal that goes out on ``~/trace`` while anybody listens, and adds to the one ``beside``.

    Where nobody does, nothing is packed. Not thread-safe, but for ``publish``.
    """

    def __init__(
            self, node: ManagedNode, head: Head, recorded: Collection[str],
            beside: Journal) -> None:
        self._publisher = node.make_publisher(UInt8MultiArray, '~/trace', qos.command(_DEPTH))
        self._head, self._beside = head, beside
        self._writer = TraceWriter(recorded)
        self._on = False
        self._looked_ns = self._headed_ns = 0
        self.close = beside.close

    @property
    def wanted(self) -> bool:
        """Whether entries go anywhere: payloads need not be made if not."""
        return self._on or self._beside.wanted

    def append(self, kind: str, now: Instant, payload: bytes = b'') -> None:
        """Add one entry."""
        if self._on:
            self._writer.append(kind, now, payload)
        self._beside.append(kind, now, payload)

    def begin(self, now: Instant, state: Callable[[], bytes | None]) -> None:
        """Begin anew, before the core is told anything of its activation."""
        self._look(now)
        if self._on:
            self._add_head(now, state())

    def collect(
            self, now: Instant, state: Callable[[], bytes | None], fresh: bytes | None = None,
    ) -> bytes | None:
        """
        Return what is to be published now, in between two calls of the core.

        ``state`` makes the core's state, and is called where one is due; ``fresh`` is that state
        where it has been made already.
        """
        if fresh is not None and self._on:
            self._add_head(now, fresh)
        if now.steady_ns - self._looked_ns < _PERIOD_NS:
            return None
        self._looked_ns = now.steady_ns
        began = self._look(now)
        if self._on and (began or now.steady_ns - self._headed_ns >= _HEAD_NS):
            self._add_head(now, state() if fresh is None else fresh)
        return self._writer.take() if self._on else None

    def publish(self, batch: bytes | None) -> None:
        """Send what ``collect`` returned."""
        if batch is not None:
            self._publisher.publish(encode_uint8_multi_array(batch))

    def flush(self) -> None:
        """Send what there is: the core is told nothing more for now."""
        if self._on:
            self.publish(self._writer.take())

    def _look(self, now: Instant) -> bool:
        """See whether anybody listens; return whether that is new."""
        was_on, self._on = self._on, self._publisher.get_subscription_count() > 0
        if self._on and not was_on:
            self._writer.begin(now)
        return self._on and not was_on

    def _add_head(self, now: Instant, state: bytes | None) -> None:
        if state is None:  # without one nobody could go on from here
            self._on = False
            return
        self._headed_ns = now.steady_ns
        self._writer.head(now, replace(self._head, state=state))
