"""``ros2 launch`` itself: it comes up, runs episodes, goes down, and says what has died."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import pty
import re
import signal
import subprocess
import threading

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures('needs_launch'),
              pytest.mark.timeout(300)]

PATIENCE_S = 120.0
STARTED = re.compile(r'\[(\w+)-\d+\]: process started with pid \[(\d+)\]')


class Launched:
    """``ros2 launch`` at a terminal of its own."""

    def __init__(self, file: str, *arguments: str) -> None:
        self._terminal, inner = pty.openpty()
        self._process = subprocess.Popen(
            ['ros2', 'launch', 'physical_ai_bridge', file, *arguments],
            stdin=inner, stdout=inner, stderr=inner, preexec_fn=_own_terminal)  # noqa: PLW1509
        os.close(inner)
        self._changed = threading.Condition()
        self.text = ''
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # the other side is closed
                return
            with self._changed:
                self.text += data.decode('utf-8', 'replace')
                self._changed.notify_all()

    def wait_for(self, pattern: str) -> None:
        """Wait until it has written something."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: re.search(pattern, self.text), PATIENCE_S), self.text

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that it has started, by the executable."""
        return {name: int(pid) for name, pid in STARTED.findall(self.text)}

    def type(self, keys: bytes) -> None:  # noqa: A003
        """Type at its terminal."""
        os.write(self._terminal, keys)

    def end(self) -> int:
        """Wait for its end, and return the exit status; nothing that it started is left."""
        status = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        os.close(self._terminal)
        left = [name for name, pid in self.pids().items() if Path(f'/proc/{pid}').exists()]
        assert left == []
        return status


def _own_terminal() -> None:
    os.setsid()
    # The first terminal that a session's leader opens becomes its own, and Ctrl-C goes there.
    os.close(os.open(os.ttyname(0), os.O_RDWR))


@pytest.fixture
def launched(cell_path: Path) -> Iterator[Launched]:
    """Return the simulated cell, launched, with an episode under way."""
    process = Launched('mujoco.launch.py', f'cell:={cell_path}')
    try:
        process.wait_for(r'\[safety_supervisor\]: READY')
        yield process
    finally:
        for pid in process.pids().values():
            if Path(f'/proc/{pid}').exists():
                os.kill(pid, signal.SIGKILL)


def test_it_runs_episodes_and_ctrl_c_ends_it_cleanly(launched):
    launched.wait_for(r'episode 1, seed 1: ')
    launched.type(b'\x03')
    assert launched.end() == 0
    assert 'Traceback' not in launched.text
    assert 'has died' not in launched.text


@pytest.mark.parametrize(('name', 'meaning'), [
    ('policy_node', 'No proposals come any more, so the supervisor stops the arm'),
    ('safety_supervisor', 'Nothing goes to the controller any more'),
    ('mujoco_cell', 'Where the supervisor misses what it delivered, it stops the arm'),
])
def test_a_node_that_is_killed_ends_it_with_a_sentence(launched, name, meaning):
    os.kill(launched.pids()[name], signal.SIGKILL)
    assert launched.end() == 1
    assert f'/{name} has died of SIGKILL. {meaning}' in launched.text
    assert 'Traceback' not in launched.text
    if name == 'policy_node':
        assert 'STOPPED: PROPOSALS_SILENT' in launched.text


def test_a_node_that_is_respawned_does_nothing_by_itself(cell_path):
    launched = Launched('mujoco.launch.py', f'cell:={cell_path}', 'respawn:=true')
    launched.wait_for(r'\[safety_supervisor\]: READY')
    os.kill(launched.pids()['policy_node'], signal.SIGKILL)
    launched.wait_for('STOPPED: PROPOSALS_SILENT')
    launched.wait_for(r'(?s)policy_node has died.*\[policy_node-\d+\]: process started with pid')
    launched.type(b'\x03')
    assert launched.end() == 0
    again = launched.text.partition('bring_up /mujoco_cell /safety_supervisor /policy_node')[2]
    assert again
    assert 'is active' not in again


def test_what_cannot_be_configured_ends_it_with_the_nodes_own_reason(cell_path):
    launched = Launched('mujoco.launch.py', f'cell:={cell_path}', 'bundle:=gone')
    assert launched.end() == 1
    assert ("/policy_node refused to configure: policy_node: parameter bundle: found 'gone'"
            in launched.text)
    assert 'Traceback' not in launched.text


def test_a_launch_file_of_ones_own_may_include_it(needs_launch):
    """With launch_testing; ``launch_test test/launch/included_mujoco.py`` does the same."""
    from launch_testing.loader import LoadTestsFromPythonModule
    from launch_testing.test_runner import LaunchTestRunner
    path = Path(__file__).with_name('included_mujoco.py')
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    results = LaunchTestRunner(
        test_runs=LoadTestsFromPythonModule(module, name=path.stem)).run().values()
    assert sum(result.testsRun for result in results) == 3
    for result in results:
        assert [text for _, text in (*result.errors, *result.failures)] == []
