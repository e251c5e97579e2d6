"""Jobs in worker processes that end with whoever started them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
import multiprocessing
from typing import TypeVar

from physical_ai_bridge.runtime.child_process import end_with_parent

Job = TypeVar('Job')
Result = TypeVar('Result')


def in_workers(
        run: Callable[[Job], Result], jobs: Sequence[Job], workers: int,
        on_done: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """
    Run every job and return the results in the order of the jobs.

    ``run`` is a function of a module and depends on its job alone: the number of workers changes
    nothing but the time. With one worker or none the jobs run in this process.
    """
    if workers <= 1 or not jobs:
        results = []
        for job in jobs:
            results.append(run(job))
            on_done(results[-1])
        return results
    done: dict[int, Result] = {}
    # A GL context and ONNX Runtime's threads do not survive a fork.
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(max_workers=min(workers, len(jobs)), mp_context=spawn,
                             initializer=end_with_parent) as pool:
        futures = {pool.submit(run, job): place for place, job in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                done[futures[future]] = future.result()
                on_done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done[place] for place in range(len(jobs))]
