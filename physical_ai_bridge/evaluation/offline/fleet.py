"""
Many jobs on the cores of one machine, each in a process of its own.

A job that takes its process down takes nothing else with it, and leaves nothing behind for the
next one: neither memory, nor the state of a native library. A process costs about a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import math
import multiprocessing
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
import signal
import sys
import time
import traceback
from typing import Any, TypeVar

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.child_process import end_with_parent

Job = TypeVar('Job')
Result = TypeVar('Result')

# Workers share the cores already; and how a sum is split over threads changes its last digits.
ONE_THREAD = dict.fromkeys((
    'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENCV_FOR_THREADS_NUM'), '1')


def in_fleet(
        run: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int,
        failed: Callable[[Job, str], Result], retries: int = 1, timeout_s: float | None = None,
        on_done: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """
    Run every job in a process of its own and return the results in the order of the jobs.

    ``run`` is a function of a module and depends on its job alone: ``workers``, how many run at a
    time, changes nothing but the time. One worker is a process, too, because a job that crashes
    must not end the evaluation. A job whose process dies, that raises, or that takes longer than
    ``timeout_s``, is tried again ``retries`` times, after those that wait; then ``failed`` makes
    its result from a sentence on why. ``on_done`` gets each result as soon as it is there.
    Whatever ends this function, Ctrl-C or an error in ``on_done``, ends all processes first.
    """
    waiting = deque(_Attempt(place, 1) for place in range(len(jobs)))
    working: list[_Worker] = []
    results: dict[int, Result] = {}
    try:
        while waiting or working:
            while waiting and len(working) < max(workers, 1):
                working.append(_Worker.started(run, jobs, waiting.popleft(), timeout_s))
            for worker in _finished(working):
                working.remove(worker)
                attempt, answer = worker.attempt, worker.ended()
                if answer.why and attempt.number <= retries:
                    waiting.append(_Attempt(attempt.place, attempt.number + 1))
                    continue
                results[attempt.place] = (
                    failed(jobs[attempt.place], tried(answer.why, attempt.number))
                    if answer.why else answer.result)
                on_done(results[attempt.place])
    finally:
        for worker in working:
            worker.process.kill()
        for worker in working:
            worker.release()
    return [results[place] for place in range(len(jobs))]


def in_words(error: BaseException) -> str:
    """Return one line on an error; for one that is not meant for people, with its place."""
    said = ' '.join(str(error).split())
    if isinstance(error, BridgeError) and said:
        return said
    frames = traceback.extract_tb(error.__traceback__)
    place = f' ({Path(frames[-1].filename).name}:{frames[-1].lineno})' if frames else ''
    return f'{type(error).__name__}: {said}{place}' if said else f'{type(error).__name__}{place}'


def tried(why: str, times: int) -> str:
    """Add to a sentence how often something was tried, where that was more than once."""
    return why if times == 1 else f'{why} (tried {times} times)'


@dataclass(frozen=True, slots=True)
class _Attempt:
    place: int
    number: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a job came to: ``why`` says what went wrong, '' where nothing did."""

    result: Any = None
    why: str = ''


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """A process and its one job."""

    attempt: _Attempt
    process: BaseProcess
    pipe: Connection
    timeout_s: float
    deadline_s: float

    @classmethod
    def started(cls, run: Callable[[Job], Result], jobs: Sequence[Job], attempt: _Attempt,
                timeout_s: float | None) -> _Worker:
        """Start a process, and hand it its job."""
        # A GL context and ONNX Runtime's threads do not survive a fork.
        spawn = multiprocessing.get_context('spawn')
        ours, theirs = Pipe()
        process = spawn.Process(target=_work, args=(theirs,), daemon=True)
        with _interrupts_held(), theirs:
            process.start()
        limit = math.inf if timeout_s is None else timeout_s
        worker = cls(attempt, process, ours, limit, time.monotonic() + limit)
        try:
            ours.send((run, jobs[attempt.place]))
        except BrokenPipeError:
            pass  # it is dead already, which is told when it is asked for its answer
        except BaseException:
            process.kill()
            worker.release()
            raise
        return worker

    def ended(self) -> _Answer:
        """Return what it answered, or why it did not, and end its process."""
        try:
            return self._answer()
        finally:
            self.process.kill()
            self.release()

    def _answer(self) -> _Answer:
        # Asked in this order: who is dead sends nothing afterwards.
        dead = bool(wait([self.process.sentinel], 0))
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except (EOFError, OSError):
            dead = True  # half an answer is none
        if not dead:
            return _Answer(why=f'took longer than {self.timeout_s:g} s')
        self.process.join()
        return _Answer(why=_how_it_died(self.process.exitcode))

    def release(self) -> None:
        """Wait until the process has ended, and give back what the system holds for it."""
        self.process.join()
        self.process.close()
        self.pipe.close()


def _finished(working: list[_Worker]) -> list[_Worker]:
    """Wait until workers have answered, have died or are out of time, and return them."""
    nearest_s = min(worker.deadline_s for worker in working) - time.monotonic()
    ready = wait([end for worker in working for end in (worker.pipe, worker.process.sentinel)],
                 None if nearest_s == math.inf else max(nearest_s, 0.0))
    now_s = time.monotonic()
    return [worker for worker in working
            if worker.pipe in ready or worker.process.sentinel in ready
            or worker.deadline_s <= now_s]


def _how_it_died(code: int | None) -> str:
    if code is None or code >= 0:
        return f'its process ended with exit status {code} and no result'
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'
    hint = '; perhaps the memory ran out' if name == 'SIGKILL' else ''
    return f'its process was ended by {name}{hint}'


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let a process start with Ctrl-C held back, which it then ignores: its parent ends it."""
    # It would be started with the first process, and lets Ctrl-C through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection) -> None:
    """Do one job: what runs in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    end_with_parent()
    # Before the job comes, and with it what reads these when it is imported.
    os.environ.update(ONE_THREAD)
    try:
        run, job = pipe.recv()
        pipe.send(_Answer(run(job)))
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its result
        pipe.send(_Answer(why=in_words(error)))
    sys.stdout.flush()
    sys.stderr.flush()
    # What native libraries do at exit can crash or hang, and can change nothing any more.
    os._exit(0)
