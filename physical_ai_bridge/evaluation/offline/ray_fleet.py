"""
Many jobs on many machines: on a Ray cluster that is there already.

Ray is optional, and only this module knows it. The cluster is trusted as this machine is: who can
reach it can run programs on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
import functools
import hashlib
import importlib
import logging
import os
from pathlib import Path
import socket
import sys
from types import ModuleType
from typing import Any, TypeVar

import physical_ai_bridge
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.evaluation.offline.fleet import in_words, ONE_THREAD, tried

Job = TypeVar('Job')
Result = TypeVar('Result')

_ANSWER_WITHIN_S = 5.0
_PROBE_WITHIN_S = 60.0
_LOOK_EVERY_S = 30.0
_ALONE = 'no machine is left in the Ray cluster that could do it'


def on_ray(
        run: Callable[[Job], Result], jobs: Sequence[Job], *, address: str,
        failed: Callable[[Job, str], Result], retries: int = 1,
        needs: Callable[[Job], Sequence[str]] = lambda job: (),
        on_done: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """
    Run every job on a Ray cluster and return the results in the order of the jobs.

    As ``in_fleet``, but for ``timeout_s``: each job has a process of its own; one whose process or
    machine dies, or that raises, is tried again ``retries`` times, and then becomes what
    ``failed`` makes of it. So does all that waits when no machine is left. ``needs`` gives the
    absolute paths that a job reads: where they are not seen on the machine that is to do the job,
    it is not done.

    ``address`` is host:port of the head node, or 'auto' for the cluster that this machine belongs
    to. This machine must be one of the cluster, with a raylet of its own. Every machine must have
    this very package, whose sources are compared before anything runs, and the same Python and
    Ray. This process reports no usage statistics; whether the cluster does was decided when it
    was started.

    Raises
    ------
    SetupError
        If Ray is not installed, nothing answers at ``address``, or a machine of the cluster lacks
        this package or has another.

    """
    with _connected(address) as ray:
        _check_nodes(ray)
        task = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(make_worker())
        waiting = deque((place, 1) for place in range(len(jobs)))
        working: dict[Any, tuple[int, int]] = {}
        results: dict[int, Result] = {}
        sources = sources_digest()
        while waiting or working:
            while waiting:
                place, number = waiting.popleft()
                # In a list Ray does not unpack it: a job is only read where the sources agree.
                box = [ray.put((run, jobs[place]))]
                working[task.remote(sources, list(needs(jobs[place])), box)] = (place, number)
            # Ray prints what it has to remark, and stdout may be read by a machine.
            with redirect_stdout(sys.stderr):
                finished, _ = ray.wait(list(working), num_returns=1, timeout=_LOOK_EVERY_S)
            # Ray would wait for ever for one that never comes.
            alone = not finished and not ray.cluster_resources().get('CPU')
            for done in list(working) if alone else finished:
                place, number = working.pop(done)
                result, why = (None, _ALONE) if alone else _answer(ray, done)
                if why and number <= retries and not alone:
                    waiting.append((place, number + 1))
                    continue
                said = why if alone else tried(why, number)
                results[place] = failed(jobs[place], said) if why else result
                on_done(results[place])
    return [results[place] for place in range(len(jobs))]


@functools.cache
def sources_digest() -> str:
    """Return the sha256 of this package's sources, by name and content, in lower-case hex."""
    root = Path(physical_ai_bridge.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob('*.py')):
        digest.update(f'{path.relative_to(root).as_posix()}\0'.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def do_job(run: Callable[[Job], Result], job: Job) -> tuple[Result | None, str]:
    """Return a job's result, or why there is none: what runs on a worker."""
    try:
        return run(job), ''
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its result
        return None, in_words(error)


def make_worker() -> Callable[[str, list[str], list[Any]], tuple[Any, str]]:
    """
    Return what Ray runs on a machine: ``(digest of the sources, paths, [job's reference])``.

    It returns a result and why there is none, and with an empty list only whether all is well. A
    function in a function is sent whole: it needs no package there to say that there is none.
    """

    def work(sources: str, needed: list[str], box: list[Any]) -> tuple[Any, str]:
        import importlib
        from pathlib import Path
        import socket
        here = socket.gethostname()
        try:
            ours = importlib.import_module('physical_ai_bridge.evaluation.offline.ray_fleet')
        except ImportError as error:
            return None, (f'{here} cannot import physical_ai_bridge: {error}; install it there, '
                          'the same as here')
        if ours.sources_digest() != sources:
            return None, (f'{here} has another physical_ai_bridge than the machine that asks; '
                          'install the same on both')
        missing = [path for path in needed if not Path(path).exists()]
        if missing:
            return None, (f'{here} does not see {missing[0]}; put it where all machines see it '
                          'under the same path')
        if not box:
            return None, ''
        import ray
        return ours.do_job(*ray.get(box[0]))

    return work


def _answer(ray: ModuleType, done: Any) -> tuple[Any, str]:
    """Return a task's result, or why there is none: what it said, or what Ray says about it."""
    try:
        return ray.get(done)
    except ray.exceptions.OutOfMemoryError:
        return None, 'its process was ended by Ray: the memory of its machine ran out'
    except ray.exceptions.WorkerCrashedError:
        return None, 'its process died'
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return None, f'Ray could not do it: {lines[-1] if lines else type(error).__name__}'


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    """Join a cluster as its driver, and leave it: what still runs there for us ends then."""
    _check_address(address)
    # Read when ray is imported: nothing leaves this site.
    os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
    try:
        # A folder `ray`, as Ray itself leaves in /tmp, would pass for the package.
        for module in ('ray.exceptions', 'ray.util.scheduling_strategies'):
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise SetupError('the Python package ray is not installed; pip install '
                         "'physical_ai_bridge[ray]', the very version of the cluster") from error
    import ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR,
                 runtime_env={'env_vars': ONE_THREAD})
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = ' '.join(str(error).split())
        raise SetupError(f'the Ray cluster at {address} cannot be joined: {said}') from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    if address == 'auto':
        return
    host, _, port = address.rpartition(':')
    if not host or '/' in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SetupError(f'{address} is not the address of a Ray cluster; give host:port of its '
                         'head node, such as 10.0.0.1:6379, or auto')
    try:
        socket.create_connection((host.strip('[]'), int(port)), _ANSWER_WITHIN_S).close()
    except OSError as error:
        raise SetupError(
            f'nothing answers at {address}: {error.strerror or error}; start a cluster there with '
            f'`ray start --head --port={port} --disable-usage-stats --include-dashboard=false`'
        ) from error


def _check_nodes(ray: ModuleType) -> None:
    """Refuse a cluster that has a machine without this very package."""
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    probe = ray.remote(num_cpus=0, max_retries=0)(make_worker())
    nodes = [node for node in ray.nodes() if node['Alive']]
    asked = {probe.options(scheduling_strategy=strategy(node['NodeID'], soft=False)).remote(
        sources_digest(), [], []): node['NodeManagerAddress'] for node in nodes}
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_PROBE_WITHIN_S)
    said = [f'{asked[each]} starts no process within {_PROBE_WITHIN_S:g} s' for each in silent]
    said += [why for why in (_answer(ray, each)[1] for each in asked if each not in silent) if why]
    if said:
        raise SetupError('; '.join(dict.fromkeys(said)))
