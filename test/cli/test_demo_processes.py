"""Whatever happens to the demo, its processes end with it and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
import select
import signal
import socket
import subprocess
import sys
import uuid

from physical_ai_bridge.cli.demo_processes import (
    free_domain,
    NodeEndedError,
    NodeProcesses,
    private_network,
    SHARED_MEMORY,
    shared_memory_of,
    sweep,
    write_parameters,
)
from physical_ai_bridge.contract.errors import BridgeError
import pytest
import yaml

WAIT_FOR_EVER = 'import signal; print("up", flush=True); signal.pause()'
DEAF = ('import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); '
        'print("up", flush=True)\nwhile True: signal.pause()')


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return 'State:\tZ' not in Path(f'/proc/{pid}/status').read_text()


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not ours to reap has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([handle], [], [], 30.0)[0], f'process {pid} lives on'
    os.close(handle)


def wait_for_line(log: Path) -> None:
    while not log.read_text():
        os.sched_yield()


def python(code: str) -> list[str]:
    return [sys.executable, '-c', code]


def test_leaving_the_block_ends_every_process(tmp_path: Path) -> None:
    with NodeProcesses() as nodes:
        for name in 'ab':
            nodes.start_command(name, python(WAIT_FOR_EVER), tmp_path / name)
            wait_for_line(tmp_path / name)
        pids = [node.pid for node in nodes.nodes]
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))


def test_an_error_ends_them_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), NodeProcesses() as nodes:
        node = nodes.start_command('a', python(WAIT_FOR_EVER), tmp_path / 'a')
        raise ZeroDivisionError
    assert not is_alive(node.pid)


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with NodeProcesses(let_end_s=0.1) as nodes:
        node = nodes.start_command('deaf', python(DEAF), tmp_path / 'log')
        wait_for_line(tmp_path / 'log')
    assert not is_alive(node.pid)


def test_its_children_end_as_well(tmp_path: Path) -> None:
    code = (f'import subprocess, sys\nchild = subprocess.Popen([sys.executable, "-c", {DEAF!r}])\n'
            'print(child.pid, flush=True)\nchild.wait()')
    with NodeProcesses(let_end_s=0.1) as nodes:
        nodes.start_command('family', python(code), tmp_path / 'log')
        wait_for_line(tmp_path / 'log')
        child = int((tmp_path / 'log').read_text().split()[0])
    wait_for_end(child)


def test_one_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with NodeProcesses() as nodes:
        node = nodes.start_command(
            'weak', python('print("out of\\nluck"); raise SystemExit(3)'), tmp_path / 'log')
        wait_for_end(node.pid)
        with pytest.raises(NodeEndedError) as caught:
            nodes.check()
    assert 'weak ended with status 3' in str(caught.value)
    assert str(caught.value).endswith('  out of\n  luck')


def test_one_that_was_killed_is_reported_by_its_signal(tmp_path: Path) -> None:
    with NodeProcesses() as nodes:
        node = nodes.start_command('victim', python(WAIT_FOR_EVER), tmp_path / 'log')
        os.kill(node.pid, signal.SIGKILL)
        wait_for_end(node.pid)
        with pytest.raises(NodeEndedError, match='victim was ended by signal 9'):
            nodes.check()


def test_when_the_demo_itself_is_killed_nobody_is_left(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import signal, sys
from physical_ai_bridge.cli.demo_processes import NodeProcesses
with NodeProcesses() as nodes:
    node = nodes.start_command(
        'a', [sys.executable, '-c', {DEAF!r}], Path({str(tmp_path)!r}) / 'a')
    print(node.pid, flush=True)
    signal.pause()
"""
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as demo:
        child = int(demo.stdout.readline())
        demo.kill()
    wait_for_end(child)


def segment() -> Path:
    return SHARED_MEMORY / f'fastdds_test_{uuid.uuid4().hex}'


def test_shared_memory_that_a_process_left_is_swept_up() -> None:
    left = segment()
    others = [left.with_name(f'{left.name}_el'), left.with_name(f'sem.{left.name}_mutex')]
    for path in (left, *others):
        path.write_bytes(b'x')
    assert sorted(sweep({left})) == sorted([left, *others])
    assert not left.exists()


def test_what_is_not_fast_dds_stays() -> None:
    other = SHARED_MEMORY / f'test_{uuid.uuid4().hex}'
    other.write_bytes(b'x')
    assert sweep({other}) == []
    other.unlink()


def test_what_two_killed_processes_shared_is_swept_up(tmp_path: Path) -> None:
    shared = segment()
    shared.write_bytes(bytes(4096))
    code = ('import mmap, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n'
            f'with open({str(shared)!r}, "r+b") as file:\n'
            '    kept = mmap.mmap(file.fileno(), 0)\nprint("up", flush=True)\n'
            'while True: signal.pause()')
    with NodeProcesses(let_end_s=0.1) as nodes:
        for name in 'ab':
            nodes.start_command(name, python(code), tmp_path / name)
            wait_for_line(tmp_path / name)
    assert not shared.exists()


def test_shared_memory_in_use_stays() -> None:
    used = segment()
    used.write_bytes(bytes(4096))
    code = (f'import mmap, sys\nwith open({str(used)!r}, "r+b") as file:\n'
            '    kept = mmap.mmap(file.fileno(), 0)\nprint("up", flush=True)\nsys.stdin.read()')
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        user.stdout.readline()
        assert used in shared_memory_of(user.pid)
        assert sweep({used}) == []
        assert used.exists()
        user.stdin.close()
    assert sweep({used}) == [used]


def test_a_domain_in_use_is_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.bind(('', 7400 + 250 * 99 + 10))
        with pytest.raises(BridgeError, match='every ROS domain'):
            free_domain([99])
        assert free_domain([99, 98]) == 98


def test_the_network_is_this_machine_alone(tmp_path: Path) -> None:
    network = private_network(42, tmp_path)
    assert network['ROS_DOMAIN_ID'] == '42'
    assert network['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


def test_parameter_files_carry_any_path(tmp_path: Path) -> None:
    values = {'cell': "/a b/it's: #1/セル.yaml", 'seed': 7}
    write_parameters(tmp_path / 'p.yaml', values)
    read = yaml.safe_load((tmp_path / 'p.yaml').read_text('utf-8'))
    assert read == {'/**': {'ros__parameters': values}}
