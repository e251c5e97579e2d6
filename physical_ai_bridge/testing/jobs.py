"""Jobs for worker processes: some crash, raise or hang, once or whenever they are tried."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import signal
import threading

from physical_ai_bridge.contract.errors import BridgeError


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyJob:
    """
    A job with a fault, '' for none: one of ``FAULTS``.

    Where ``once`` names a file, the fault strikes only while that is there, and takes it away.
    """

    name: str
    fault: str = ''
    once: str = ''


def run_faulty(job: FaultyJob) -> str:
    """Return '<name> done', unless the fault strikes."""
    if job.fault and (not job.once or Path(job.once).exists()):
        if job.once:
            Path(job.once).unlink()
        FAULTS[job.fault]()
    return f'{job.name} done'


def _raise() -> None:
    raise ValueError('the bag is\nround')


def _refuse() -> None:
    raise BridgeError('the bag is empty; record it again')


FAULTS = {
    'killed': lambda: os.kill(os.getpid(), signal.SIGKILL),
    'segfault': lambda: os.kill(os.getpid(), signal.SIGSEGV),
    'interrupted': lambda: os.kill(os.getpid(), signal.SIGINT),
    'exit': lambda: os._exit(3),
    'raises': _raise,
    'refuses': _refuse,
    'hangs': lambda: threading.Event().wait(),
}


def process_id(_: object) -> int:
    """Return the id of the process that does this."""
    return os.getpid()


def thread_limits(_: object) -> tuple[int, str | None]:
    """Return how many threads OpenCV uses, and what OMP_NUM_THREADS says."""
    import cv2
    return cv2.getNumThreads(), os.environ.get('OMP_NUM_THREADS')


def twice(value: int) -> int:
    """Return twice a number."""
    return 2 * value


def zeros(size: int) -> bytes:
    """Return so many bytes."""
    return bytes(size)


def make_lock(_: object) -> object:
    """Return what cannot be handed to another process."""
    return threading.Lock()


def hold_open(fifo: str) -> None:
    """Open a fifo to write and wait for ever: who reads it sees the process begin and end."""
    with Path(fifo).open('wb'):
        threading.Event().wait()
