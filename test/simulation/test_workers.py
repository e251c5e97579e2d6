"""Workers give results in order, pass errors on, and end with whoever started them."""

from __future__ import annotations

import os
from pathlib import Path
import select
import signal
import subprocess
import sys

import physical_ai_bridge
from physical_ai_bridge.simulation.workers import in_workers
import pytest


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_results_come_in_the_order_of_the_jobs(workers):
    seen: list[int] = []
    assert in_workers(abs, [-3, 1, -2], workers, seen.append) == [3, 1, 2]
    assert sorted(seen) == [1, 2, 3]


def test_no_jobs_start_no_processes():
    assert in_workers(abs, [], workers=2) == []


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_in_a_job_reaches_the_caller(workers):
    with pytest.raises(ValueError, match='invalid literal'):
        in_workers(int, ['x'], workers)


PARENT = """
import time
import physical_ai_bridge
from physical_ai_bridge.simulation.workers import in_workers
if __name__ == '__main__':
    in_workers(time.sleep, [600, 600], 2, lambda _: None)
"""


@pytest.mark.skipif(not hasattr(os, 'pidfd_open'), reason='needs Linux')
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    script = tmp_path / 'parent.py'
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], env={
        **os.environ, 'PYTHONPATH': str(Path(physical_ai_bridge.__file__).parents[1])})
    workers = wait_for_children(parent.pid, 2)
    assert len(workers) == 2
    descriptors = [os.pidfd_open(pid) for pid in workers]
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)


def wait_for_children(pid: int, count: int) -> list[int]:
    """Return the spawned workers of a process once there are ``count``."""
    watch = select.poll()
    for _ in range(3000):
        found = []
        for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
            try:
                if b'spawn_main' in Path(f'/proc/{child}/cmdline').read_bytes():
                    found.append(int(child))
            except FileNotFoundError:
                continue
        if len(found) >= count:
            return found
        watch.poll(10)
    return []
