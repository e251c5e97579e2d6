"""A way that messages take late, not at all, twice or out of order, always alike for a seed."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

import numpy as np
from physical_ai_bridge.contract.clock import seconds_to_ns

Message = TypeVar('Message')


class Transport(Generic[Message]):
    """
    Takes messages at one instant and hands them out at a later one.

    Each copy takes a time of its own, drawn evenly from ``latency_s`` (low, high): never longer
    than high. ``loss`` is the share of messages that never arrive, ``duplicates`` the share that
    arrives twice. Differing latencies reorder, unless ``in_order``: then none overtakes another,
    as with ROS 2's reliable QoS. Times are ns; instants never fall from call to call.
    """

    def __init__(
            self, source: int | np.random.Generator, *, latency_s: tuple[float, float],
            loss: float = 0.0, duplicates: float = 0.0, in_order: bool = False,
    ) -> None:
        self._draw = np.random.default_rng(source)
        self._low_ns, self._high_ns = (seconds_to_ns(latency) for latency in latency_s)
        if not 0 <= self._low_ns <= self._high_ns:
            raise ValueError(f'latency_s is {latency_s}; it wants low and high, 0 <= low <= high')
        self._loss, self._duplicates, self._in_order = loss, duplicates, in_order
        self._on_the_way: list[tuple[int, int, Message]] = []
        self._copies = 0
        self._last_ns = 0
        self.lost: list[Message] = []

    def send(self, message: Message, now_ns: int) -> None:
        """Send a message; one that is lost is noted in ``lost``."""
        if self._draw.random() < self._loss:
            self.lost.append(message)
            return
        for _ in range(2 if self._draw.random() < self._duplicates else 1):
            at_ns = now_ns + int(self._draw.integers(self._low_ns, self._high_ns, endpoint=True))
            if self._in_order:
                at_ns = self._last_ns = max(at_ns, self._last_ns)
            self._copies += 1
            heapq.heappush(self._on_the_way, (at_ns, self._copies, message))

    def receive(self, now_ns: int) -> list[tuple[int, Message]]:
        """Return what has arrived by now and was not returned yet, (instant, message) each."""
        arrived = []
        while self._on_the_way and self._on_the_way[0][0] <= now_ns:
            at_ns, _, message = heapq.heappop(self._on_the_way)
            arrived.append((at_ns, message))
        return arrived
