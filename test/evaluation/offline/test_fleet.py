"""Jobs give results in order, and one that dies, raises or hangs takes nothing else with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from pathlib import Path
import select
import signal
import subprocess
import sys

import physical_ai_bridge
from physical_ai_bridge.evaluation.offline.fleet import in_fleet, in_words
from physical_ai_bridge.testing.jobs import (
    FaultyJob,
    make_lock,
    process_id,
    run_faulty,
    thread_limits,
    twice,
    zeros,
)
import pytest

ROOT = Path(physical_ai_bridge.__file__).parents[1]


def named(job: FaultyJob, why: str) -> str:
    return f'{job.name} failed: {why}'


@pytest.mark.parametrize('workers', [0, 1, 2, 5])
def test_results_come_in_the_order_of_the_jobs(workers):
    seen: list[int] = []
    results = in_fleet(twice, [3, 1, 2], workers=workers, failed=named, on_done=seen.append)
    assert results == [6, 2, 4]
    assert sorted(seen) == [2, 4, 6]


def test_no_jobs_give_no_results():
    assert in_fleet(twice, [], workers=2, failed=named) == []


def test_each_job_has_a_process_of_its_own_with_one_worker_too():
    pids = in_fleet(process_id, [0, 1], workers=1, failed=named)
    assert len({os.getpid(), *pids}) == 3


def test_a_worker_computes_on_one_thread():
    assert in_fleet(thread_limits, [0], workers=1, failed=named) == [(1, '1')]


def test_a_large_result_comes_whole():
    assert len(in_fleet(zeros, [5_000_000], workers=1, failed=named)[0]) == 5_000_000


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('fault', ['killed', 'segfault', 'exit', 'raises', 'refuses'])
def test_a_fault_that_strikes_once_is_made_good_by_the_second_try(tmp_path, fault, workers):
    marker = tmp_path / 'strike'
    marker.touch()
    jobs = [FaultyJob(name='first', fault=fault, once=str(marker)), FaultyJob(name='second')]
    results = in_fleet(run_faulty, jobs, workers=workers, failed=named)
    assert results == ['first done', 'second done']
    assert not marker.exists()


@pytest.mark.parametrize(('fault', 'why'), [
    ('killed', 'its process was ended by SIGKILL; perhaps the memory ran out (tried 2 times)'),
    ('segfault', 'its process was ended by SIGSEGV (tried 2 times)'),
    ('exit', 'its process ended with exit status 3 and no result (tried 2 times)'),
    ('refuses', 'the bag is empty; record it again (tried 2 times)'),
])
def test_a_fault_that_stays_is_told_and_the_others_go_on(capfd, fault, why):
    jobs = [FaultyJob(name='first', fault=fault),
            FaultyJob(name='second'), FaultyJob(name='third')]
    seen: list[str] = []
    results = in_fleet(run_faulty, jobs, workers=2, failed=named, on_done=seen.append)
    assert results == [f'first failed: {why}', 'second done', 'third done']
    assert sorted(seen) == sorted(results)
    assert 'Traceback' not in capfd.readouterr().err


def test_an_error_that_is_no_sentence_is_told_with_its_place():
    jobs = [FaultyJob(name='first', fault='raises')]
    result, = in_fleet(run_faulty, jobs, workers=1, failed=named)
    assert result.startswith('first failed: ValueError: the bag is round (jobs.py:')


def test_a_result_that_cannot_be_handed_over_is_a_failure_of_its_job():
    result, = in_fleet(make_lock, [0], workers=1,
                       failed=lambda job, why: why, retries=0)
    assert 'pickle' in result


def test_a_job_that_hangs_is_ended():
    jobs = [FaultyJob(name='first', fault='hangs')]
    result, = in_fleet(run_faulty, jobs, workers=1, failed=named, retries=0, timeout_s=1.0)
    assert result == 'first failed: took longer than 1 s'


def test_without_retries_a_job_has_one_try(tmp_path):
    marker = tmp_path / 'strike'
    marker.touch()
    jobs = [FaultyJob(name='first', fault='exit', once=str(marker))]
    result, = in_fleet(run_faulty, jobs, workers=1, failed=named, retries=0)
    assert result == 'first failed: its process ended with exit status 3 and no result'


def test_ctrl_c_is_for_the_parent_alone():
    jobs = [FaultyJob(name='first', fault='interrupted')]
    assert in_fleet(run_faulty, jobs, workers=1, failed=named) == ['first done']


def test_an_error_of_the_one_who_listens_ends_all_workers():
    def complain(_: str) -> None:
        raise RuntimeError('enough')

    jobs = [FaultyJob(name='first'), FaultyJob(name='second', fault='hangs')]
    with pytest.raises(RuntimeError, match='enough'):
        in_fleet(run_faulty, jobs, workers=2, failed=named, on_done=complain)
    assert multiprocessing.active_children() == []


def test_the_error_of_an_error_without_words_is_its_type():
    assert in_words(KeyError()) == 'KeyError'


# Each job opens its end of a fifo, so that whoever reads it knows when the job runs, and when its
# process is gone.
# What runs in the background of a shell is started deaf to Ctrl-C, and so would be its children.
PARENT = """
import signal
import sys
from physical_ai_bridge.evaluation.offline.fleet import in_fleet
from physical_ai_bridge.testing.jobs import hold_open
if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        in_fleet(hold_open, sys.argv[1:], workers=2, failed=lambda job, why: why)
    except KeyboardInterrupt:
        print('interrupted')
        sys.exit(130)
"""


@pytest.fixture
def running(tmp_path):
    """Start a process with two jobs which never end; return it, and the pipes that they hold."""
    script = tmp_path / 'parent.py'
    script.write_text(PARENT)
    fifos = [tmp_path / 'first', tmp_path / 'second']
    for fifo in fifos:
        os.mkfifo(fifo)
    parent = subprocess.Popen(
        [sys.executable, str(script), *map(str, fifos)], text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': str(ROOT)})
    ends = [os.open(fifo, os.O_RDONLY) for fifo in fifos]  # returns when the job opens it
    yield parent, ends
    for end in ends:
        os.close(end)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(parent.pid, signal.SIGKILL)
    parent.communicate()


def assert_gone(ends: list[int]) -> None:
    for end in ends:
        assert select.select([end], [], [], 30)[0]
        assert os.read(end, 1) == b''


def test_ctrl_c_ends_all_workers_without_a_traceback(running):
    parent, ends = running
    os.killpg(parent.pid, signal.SIGINT)  # what a terminal does: everybody gets it
    out, err = parent.communicate(timeout=30)
    assert (parent.returncode, out, err) == (130, 'interrupted\n', '')
    assert_gone(ends)


def test_workers_do_not_outlive_a_parent_that_is_killed(running):
    parent, ends = running
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    assert_gone(ends)
