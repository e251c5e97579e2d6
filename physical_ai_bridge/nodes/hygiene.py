"""Python's garbage collection, at moments of our own choosing."""

from __future__ import annotations

import gc
import time

from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.nodes.figures import Window

_NS_PER_MS = 1e6
_YOUNGER = 1
_ALL = 2


def settle() -> None:
    """Collect all garbage there is, which takes tens of milliseconds, and set aside what lives."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def set_aside() -> None:
    """
    Collect what has come since ``settle``, and set aside what lives.

    It lives until the end of an activation: to look at it again in each full collection would
    hold up a tick for milliseconds.
    """
    gc.collect()
    gc.freeze()


class Collector:
    """
    Collects garbage right after a tick, when the next is furthest, and at no other time.

    Once a second what is new; where nothing moves, all that was not set aside. Nearly
    everything goes without, when the last name for it goes: only cycles wait for this.
    """

    def __init__(self) -> None:
        self._last_ns = 0
        self.pause_ms = Window()

    def begin(self) -> None:
        """Turn automatic collection off."""
        gc.disable()
        self._last_ns = time.monotonic_ns()

    def after_tick(self, steady_ns: int, *, moving: bool) -> None:
        """Collect, if it is time."""
        if steady_ns - self._last_ns < NS_PER_S:
            return
        self._last_ns = steady_ns
        begun_ns = time.perf_counter_ns()
        gc.collect(_YOUNGER if moving else _ALL)
        self.pause_ms.add((time.perf_counter_ns() - begun_ns) / _NS_PER_MS)

    def end(self) -> None:
        """Turn automatic collection on again."""
        gc.enable()
