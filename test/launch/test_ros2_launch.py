"""``ros2 launch`` itself: it comes up, runs episodes, goes down, and says what has died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import pty
import re
import signal
import subprocess
import threading
import time

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

    def kill(self) -> None:
        """Leave nothing behind, whatever has happened."""
        for pid in (self._process.pid, *self.pids().values()):
            if Path(f'/proc/{pid}').exists():
                os.kill(pid, signal.SIGKILL)


def _own_terminal() -> None:
    os.setsid()
    # The first terminal that a session's leader opens becomes its own, and Ctrl-C goes there.
    os.close(os.open(os.ttyname(0), os.O_RDWR))


@pytest.fixture
def launch(cell_path: Path) -> Iterator[Callable[..., Launched]]:
    """Return a function that launches the simulated cell with some arguments."""
    made = []

    def make(*arguments: str) -> Launched:
        made.append(Launched('mujoco.launch.py', f'cell:={cell_path}', *arguments))
        return made[-1]
    yield make
    for launched in made:
        launched.kill()


def wait_until_it_moves(launched: Launched) -> None:
    """Wait for an arm under way; before that there is nothing to stop."""
    rclpy = pytest.importorskip('rclpy')
    from diagnostic_msgs.msg import DiagnosticStatus
    from physical_ai_bridge.nodes import qos
    from physical_ai_bridge.nodes.executor import make_executor
    modes = []
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('test', context=context)
    executor = make_executor(context)
    executor.add_node(node)
    try:
        node.create_subscription(
            DiagnosticStatus, '/safety_supervisor/state',
            lambda status: modes.append(status.message.partition(':')[0]), qos.latched(64))
        end = time.monotonic() + PATIENCE_S
        while not {'ACTIVE', 'LIMITING'} & set(modes[-1:]):
            assert time.monotonic() < end, launched.text
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_it_runs_episodes_and_ctrl_c_ends_it_cleanly(launch):
    launched = launch()
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
def test_a_node_that_is_killed_ends_it_with_a_sentence(launch, name, meaning):
    launched = launch()
    wait_until_it_moves(launched)
    os.kill(launched.pids()[name], signal.SIGKILL)
    assert launched.end() == 1
    assert f'/{name} has died of SIGKILL. {meaning}' in launched.text
    assert 'Traceback' not in launched.text
    if name == 'policy_node':
        assert re.search(r'\[safety_supervisor\]: STOPP(ING|ED): ', launched.text), launched.text


def test_a_node_that_is_respawned_does_nothing_by_itself(launch):
    launched = launch('respawn:=true')
    wait_until_it_moves(launched)
    os.kill(launched.pids()['policy_node'], signal.SIGKILL)
    launched.wait_for(r'\[safety_supervisor\]: STOPPED: ')
    launched.wait_for(r'(?s)policy_node has died.*\[policy_node-\d+\]: process started with pid')
    launched.type(b'\x03')
    assert launched.end() == 0
    again = launched.text.partition('bring_up /mujoco_cell /safety_supervisor /policy_node')[2]
    assert again
    assert 'is active' not in again


def test_what_cannot_be_configured_ends_it_with_the_nodes_own_reason(launch):
    launched = launch('bundle:=gone')
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
