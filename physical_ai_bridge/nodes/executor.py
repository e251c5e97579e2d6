"""Run one node in one process: a fast executor, clean ends, and no error that nobody hears of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
from functools import partial
import os
import signal
import sys
import threading
import traceback
from types import FrameType, TracebackType

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.nodes.dds import use_packaged_profile
from physical_ai_bridge.nodes.lifecycle import ManagedNode
import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

try:
    from rclpy.experimental import EventsExecutor
except ImportError:
    EventsExecutor = None

# How long a signal may wait until the loop sees it, where nothing else wakes it.
_POLL_S = 0.1
# A loop that has not seen a signal after so long will not: a callback, or the middleware, hangs.
_STUCK_S = 10.0
# Taking the middleware down takes a few tenths of a second, and has been seen to hang.
_TEARDOWN_S = 10.0
_URGENT_NICE = -10
# A thread that waits for the interpreter gets it after so long; Python's own 5 ms are two samples.
_SWITCH_S = 0.0005


def make_executor(context: Context | None = None) -> Executor:
    """Return rclpy's events executor where it has one, else the single-threaded one."""
    make = SingleThreadedExecutor if EventsExecutor is None else EventsExecutor
    return make(context=context)


class _StopSignals:
    """
    Turns SIGINT and SIGTERM into a flag, so that a node can say its last word.

    Python serves signals between two steps of its main thread. Where that hangs, a thread that
    hears of them all the same ends the process; what the node commanded ends at rest by itself.
    """

    def __init__(self) -> None:
        self.received = False
        self.seen = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        threading.Thread(target=self._end_if_stuck, args=(heard,), daemon=True).start()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def _end_if_stuck(self, heard: int) -> None:
        os.read(heard, 1)
        if not self.seen.wait(_STUCK_S):
            sys.stderr.write(
                f'the node has not seen the signal within {_STUCK_S:g} s: ending without its '
                'last word\n')
            sys.stderr.flush()
            os._exit(0)


def ignore_signals() -> None:
    """
    Let a second Ctrl-C do nothing to a process that is ending.

    An interpreter that ends puts back the signals' own ways, and dies of them.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _SafeEnd:
    """However the loop ends, the node ends safely; an error is told, and kept in ``failure``."""

    def __init__(self, node: ManagedNode, on_end: Callable[[], None]) -> None:
        self._node = node
        self._on_end = on_end

    def __enter__(self) -> None:
        return None

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> bool:
        self._on_end()
        if isinstance(error, ExternalShutdownException):
            error = None
        if error is not None:
            self._node.failure = error
            self._node.get_logger().fatal(
                f'an error of its own ends this node: {error!r}\n'
                + ''.join(traceback.format_exception(error)))
        self._node.end(error)
        return True


def _nothing() -> None:
    pass


def spin(
        node: ManagedNode, until: Callable[[], bool],
        on_end: Callable[[], None] = _nothing) -> None:
    """
    Serve ``node`` until ``until`` says so, then call ``on_end`` and let it end safely.

    The executor is stepped in this loop: the events executor's own ``spin`` serves no callbacks.
    An error in a callback, or one that a thread of the node left in ``node.failure``, ends the
    loop; it is logged and stays in ``node.failure``.
    """
    executor = make_executor(node.context)
    executor.add_node(node)
    try:
        with _SafeEnd(node, on_end):
            while node.context.ok() and not until():
                executor.spin_once(timeout_sec=_POLL_S)
                if node.failure is not None:
                    raise node.failure
    finally:
        executor.remove_node(node)
        executor.shutdown()


def _go_first() -> None:
    """Ask the machine to serve this thread, and those that it makes, before others."""
    if sys.platform == 'linux':
        # Without the privilege (CAP_SYS_NICE, or a limit on nice) it stays as it is.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, _URGENT_NICE)


def _end_anyway(node: ManagedNode, signals: _StopSignals) -> None:
    """End the process soon, also where taking the middleware down does not come to an end."""
    signals.seen.set()

    def give_up() -> None:
        sys.stderr.write(
            f'the middleware was not taken down within {_TEARDOWN_S:g} s: ending without that\n')
        sys.stderr.flush()
        os._exit(_status(node))

    timer = threading.Timer(_TEARDOWN_S, give_up)
    timer.daemon = True
    timer.start()


def run(
        make_node: Callable[[], ManagedNode], args: Sequence[str] | None = None, *,
        urgent: bool = False) -> int:
    """
    Run a node's process and return its exit status: 0 after a signal, 1 after an error.

    An ``urgent`` one goes before the machine's other processes, where it may.
    """
    sys.setswitchinterval(_SWITCH_S)
    if urgent:
        _go_first()
    try:
        use_packaged_profile()
    except BridgeError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    signals = _StopSignals()
    rclpy.init(
        args=None if args is None else list(args),
        signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
        try:
            spin(node, lambda: signals.received, partial(_end_anyway, node, signals))
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
        ignore_signals()
    return _status(node)


def _status(node: ManagedNode) -> int:
    return 0 if node.failure is None else 1
