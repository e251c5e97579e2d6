"""Threads of a node that cannot die unheard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import os
import sys
import threading
from types import TracebackType

from physical_ai_bridge.nodes.lifecycle import ManagedNode


class _Kept:
    """Leaves an error in ``node.failure``, which the node's main loop raises."""

    def __init__(self, node: ManagedNode) -> None:
        self._node = node

    def __enter__(self) -> None:
        return None

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> bool:
        if error is not None:
            self._node.failure = error
        return True


def scheduling_of_this_thread() -> Callable[[], None]:
    """Return what has another thread scheduled as this one is, as far as the machine permits."""
    if sys.platform != 'linux':
        return lambda: None
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    nice = os.getpriority(os.PRIO_PROCESS, 0)

    def go() -> None:
        with suppress(PermissionError):
            os.sched_setscheduler(0, policy, parameters)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)

    return go


class NodeThread:
    """A thread that runs ``target`` until it returns; whoever stops it makes it return."""

    def __init__(
            self, node: ManagedNode, name: str, target: Callable[[], None], *,
            nice: int | None = None) -> None:
        """Prepare a thread; with ``nice`` it takes that turn rather than its process's."""
        self._node = node
        self._target = target
        self._nice = nice
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        with _Kept(self._node):
            if self._nice is not None and sys.platform == 'linux':
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
            self._target()

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def join(self, timeout_s: float = 5.0) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)
