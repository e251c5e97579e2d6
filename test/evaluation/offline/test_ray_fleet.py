"""Jobs on a Ray cluster: the same contract as on one machine, where Ray is installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys

import physical_ai_bridge
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.evaluation.offline.ray_fleet import (
    do_job,
    make_worker,
    on_ray,
    sources_digest,
)
from physical_ai_bridge.testing.jobs import FaultyJob, run_faulty, thread_limits, twice
import pytest

ROOT = Path(physical_ai_bridge.__file__).parents[1]
HAS_RAY = importlib.util.find_spec('ray.exceptions') if importlib.util.find_spec('ray') else None
needs_ray = pytest.mark.skipif(
    not HAS_RAY, reason="Ray is not installed; pip install 'physical_ai_bridge[ray]' to test it")


def named(job: FaultyJob, why: str) -> str:
    return f'{job.name} failed: {why}'


@pytest.mark.skipif(bool(HAS_RAY), reason='Ray is installed')
def test_without_ray_it_is_said_what_to_install():
    with pytest.raises(SetupError, match=r'physical_ai_bridge\[ray\]'):
        on_ray(twice, [1], address='auto', failed=named)


def test_what_a_job_raises_is_its_result():
    assert do_job(twice, 2) == (4, '')
    assert do_job(run_faulty, FaultyJob(name='a', fault='refuses')) == (
        None, 'the bag is empty; record it again')


class TestAMachineIsLookedAtBeforeAJob:

    def test_one_with_the_same_sources_will_do(self):
        assert make_worker()(sources_digest(), [__file__], []) == (None, '')

    def test_one_with_other_sources_is_named(self):
        _, why = make_worker()('0' * 64, [], [])
        assert why.startswith(f'{socket.gethostname()} has another physical_ai_bridge')

    def test_one_that_does_not_see_what_the_job_reads_is_named(self, tmp_path):
        _, why = make_worker()(sources_digest(), [__file__, str(tmp_path / 'none')], [])
        assert why.startswith(f'{socket.gethostname()} does not see {tmp_path / "none"}')


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize('address', ['nonsense', 'ray://127.0.0.1:10001', '127.0.0.1:0', ':6379'])
def test_what_is_no_address_of_a_cluster_is_refused(address):
    with pytest.raises(SetupError, match=f'{address} is not the address of a Ray cluster'):
        on_ray(twice, [1], address=address, failed=named)


def test_an_address_where_nothing_answers_is_refused():
    with pytest.raises(SetupError, match='; start a cluster there with `ray start --head'):
        on_ray(twice, [1], address=f'127.0.0.1:{free_port()}', failed=named)


@pytest.fixture(scope='module')
def start_node():
    """Start nodes of a cluster as processes of our own, and end them."""
    nodes = []

    def start(*arguments: str) -> None:
        node = subprocess.Popen(
            [sys.executable, '-m', 'ray.scripts.scripts', 'start', '--block', '--num-cpus=1',
             '--object-store-memory=100000000', *arguments], cwd='/', start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'RAY_USAGE_STATS_ENABLED': '0'})
        nodes.append(node)
        said = []
        for line in node.stdout:
            said.append(line)
            if 'runtime started' in line:
                return
        pytest.fail(f'no node of Ray could be started: {"".join(said)}')

    yield start
    for node in reversed(nodes):
        os.killpg(node.pid, signal.SIGKILL)
        node.communicate()


@pytest.fixture(scope='module')
def cluster(start_node):
    address = f'127.0.0.1:{free_port()}'
    start_node('--head', f'--port={address.rpartition(":")[2]}', '--disable-usage-stats',
               '--include-dashboard=false')
    return address


@needs_ray
@pytest.mark.timeout(300)
class TestOnACluster:

    def test_results_come_in_order_and_each_fault_is_told(self, cluster, tmp_path, capfd):
        marker = tmp_path / 'strike'
        marker.touch()
        jobs = [FaultyJob(name='first', fault='killed', once=str(marker)),
                FaultyJob(name='second', fault='refuses'), FaultyJob(name='third'),
                FaultyJob(name='fourth')]
        seen: list[str] = []
        results = on_ray(
            run_faulty, jobs, address=cluster, failed=named, on_done=seen.append,
            needs=lambda job: [str(tmp_path / 'none')] if job.name == 'fourth' else [])
        assert results[:3] == [
            'first done', 'second failed: the bag is empty; record it again (tried 2 times)',
            'third done']
        assert f'does not see {tmp_path / "none"}' in results[3]
        assert sorted(seen) == sorted(results)
        assert capfd.readouterr().out == ''

    def test_a_worker_computes_on_one_thread(self, cluster):
        assert on_ray(thread_limits, [0], address=cluster, failed=named) == [(1, '1')]
