"""Real nodes as real processes over real DDS, and a test's own node that talks with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from physical_ai_bridge.cli.demo_processes import shared_memory_of, sweep
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.models import write_linear_bundle
import pytest
import yaml

# The imports that need ROS are inside the functions: without ROS this folder is skipped.
rclpy = pytest.importorskip('rclpy')

ROOT = Path(__file__).parents[2]
CELL = ROOT / 'config' / 'cells' / 'mujoco_ur5e.yaml'
# Generous: a machine that is busy is not a failing test.
PATIENCE_S = 60.0
# Each graph has a domain of its own: what one test leaves behind, another does not meet.
DOMAINS = (1 + number % 101 for number in count(int(os.environ['ROS_DOMAIN_ID'])))


class Inbox:
    """What came on one topic."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def take(self, message: Any) -> None:
        """Keep a message."""
        self.messages.append(message)

    @property
    def last(self) -> Any:
        """The newest message, None where none came."""
        return self.messages[-1] if self.messages else None


class Graph:
    """Node processes and a test node on one private domain."""

    def __init__(self, folder: Path) -> None:
        from physical_ai_bridge.nodes.dds import use_packaged_profile
        from physical_ai_bridge.nodes.executor import make_executor
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[Any] = []
        use_packaged_profile()
        self._domain = next(DOMAINS)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self._domain)
        self.node = rclpy.create_node('test', context=self.context)
        self.executor = make_executor(self.context)
        self.executor.add_node(self.node)

    def start(self, name: str, **parameters: Any) -> Any:
        """Start a node's process, wait for it, and return its LifecycleClient."""
        client = self.launch(name, **parameters)
        client.wait_until_present(PATIENCE_S)
        return client

    def launch(self, name: str, **parameters: Any) -> Any:
        """Start a node's process and return its LifecycleClient."""
        from physical_ai_bridge.nodes.lifecycle_client import LifecycleClient
        arguments = self._folder / f'{name}.yaml'
        if name == 'safety_supervisor':
            parameters.setdefault('authority', 'live')
        values = {key: str(value) if isinstance(value, Path) else value
                  for key, value in parameters.items()}
        arguments.write_text(yaml.safe_dump({'/**': {'ros__parameters': values}}))
        self.run(name, '-m', f'physical_ai_bridge.nodes.{name}',
                 '--ros-args', '--params-file', str(arguments))
        client = LifecycleClient(self.node, self.executor, f'/{name}')
        self._clients.append(client)
        return client

    def run(self, name: str, *arguments: str) -> None:
        """Start a Python process on this graph; SIGINT must end it with status 0."""
        environment = os.environ | {
            'ROS_DOMAIN_ID': str(self._domain),
            'ROS_LOG_DIR': str(self._folder / 'ros'),
            'PYTHONFAULTHANDLER': '1',
            'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])}
        with (self._folder / f'{name}.log').open('wb') as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
                env=environment)

    def bring_up_all(self, *clients: Any) -> None:
        """Configure nodes that were launched, in order, and then activate them in order."""
        for client in clients:
            client.wait_until_present(PATIENCE_S)
            client.configure(PATIENCE_S)
        for client in clients:
            client.activate(PATIENCE_S)

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self._folder / f'{name}.log').read_text()

    def pid(self, name: str) -> int:
        """Return a process's id."""
        return self._processes[name].pid

    def signal(self, name: str, number: int) -> int:
        """Send a signal to a process and return its exit status."""
        process = self._processes.pop(name)
        process.send_signal(number)
        return process.wait(PATIENCE_S)

    def kill(self, name: str) -> None:
        """Kill a process as the machine would: nothing of it runs any more."""
        shared = shared_memory_of(self._processes[name].pid)
        self.signal(name, signal.SIGKILL)
        sweep(shared)

    def listen(self, message: type, topic: str, profile: Any, *, raw: bool = False) -> Inbox:
        """Collect a topic's messages."""
        inbox = Inbox()
        self.node.create_subscription(message, topic, inbox.take, profile, raw=raw)
        return inbox

    def statuses(self, topic: str) -> Inbox:
        """Collect a latched DiagnosticStatus topic."""
        from diagnostic_msgs.msg import DiagnosticStatus
        from physical_ai_bridge.nodes import qos
        return self.listen(DiagnosticStatus, topic, qos.latched(depth=64))

    def wait(self, done: Callable[[], Any], what: str = '') -> Any:
        """Serve the test's node until ``done`` returns something true, and return that."""
        end = time.monotonic() + PATIENCE_S
        while not (outcome := done()):
            if time.monotonic() > end:
                logs = '\n'.join(self.log(name) for name in self._processes)
                raise AssertionError(f'not within {PATIENCE_S:g} s: {what or done}\n{logs}')
            self.executor.spin_once(timeout_sec=0.05)
        return outcome

    def wait_for_diagnostics(
            self, name: str, good: Callable[[dict[str, str], str], bool]) -> dict[str, str]:
        """Wait for a /diagnostics entry of a node of which ``good(values, message)`` holds."""
        from diagnostic_msgs.msg import DiagnosticArray
        from physical_ai_bridge.nodes import qos
        from physical_ai_bridge.nodes.conversions import values_of
        inbox = self.listen(DiagnosticArray, '/diagnostics', qos.diagnostics())

        def found() -> dict[str, str] | None:
            while inbox.messages:
                for status in inbox.messages.pop(0).status:
                    if status.name == f'/{name}' and good(values_of(status), status.message):
                        return {'message': status.message, **values_of(status)}
            return None
        return self.wait(found, f'/diagnostics of {name}')

    def call(self, service: type, name: str) -> Any:
        """Call a service without arguments."""
        client = self.node.create_client(service, name)
        self.wait(client.service_is_ready, name)
        future = client.call_async(service.Request())
        self.wait(future.done, name)
        return future.result()

    def close(self) -> dict[str, int]:
        """Stop every process as Ctrl-C does; return the exit statuses."""
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        statuses = {}
        for name, process in self._processes.items():
            try:
                statuses[name] = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # its threads' stacks go into its log
                statuses[name] = process.wait(PATIENCE_S)
        self._processes.clear()
        for client in self._clients:
            client.close()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        return statuses


def _graph(folder: Path) -> Iterator[Graph]:
    made = Graph(folder)
    try:
        yield made
    finally:
        logs = {name: partial(made.log, name) for name in made._processes}
        statuses = made.close()
    for name, status in statuses.items():
        assert status == 0, f'{name} ended with {status}\n{logs[name]()}'


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Return an empty graph; at the end every process that is left must end cleanly."""
    yield from _graph(tmp_path)


@pytest.fixture(scope='module')
def shared_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """Return a graph for all tests of a module: starting a process takes seconds."""
    yield from _graph(tmp_path_factory.mktemp('graph'))


def _write_cell(folder: Path, **safety: Any) -> Path:
    values = yaml.safe_load(CELL.read_text())
    values['robot']['urdf'] = str((CELL.parent / values['robot']['urdf']).resolve())
    values['safety']['watchdogs'] = {
        'proposals_s': 5.0, 'joint_states_s': 5.0, 'wrenches_s': 5.0, 'tick_s': 5.0}
    values['safety']['emergency_stop']['timeout_s'] = 5.0
    # A command that arrives later than this finds the robot elsewhere, and jumps; and a proposal
    # begins two latencies ahead, up to where the last command must not have begun to brake.
    values['controller']['latency_s'] = 0.05
    values['safety']['step_s'] = 0.12
    values['safety'] |= safety
    sensors = values['sensors']
    for sensor in (sensors['joint_states'], *sensors['cameras'].values(),
                   *sensors['wrenches'].values()):
        sensor['max_age_s'] = 0.5
    path = folder / 'cell.yaml'
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope='session')
def write_cell() -> Callable[..., Path]:
    """
    Return a function that writes the simulated cell's file with some of its ``safety`` changed.

    Watchdogs are long unless the caller says otherwise, and samples may be old: a test process
    that is held up on a busy machine is not what these tests are about.
    """
    return _write_cell


@pytest.fixture(scope='session')
def cell_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the simulated cell's file, patient."""
    return _write_cell(tmp_path_factory.mktemp('cell'))


@pytest.fixture(scope='session')
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real bundle whose policy turns the first joint steadily."""
    folder = tmp_path_factory.mktemp('bundle')
    write_linear_bundle(folder, example_manifest(), offset_rad=[0.05, 0.0, 0.0, 0.0, 0.0, 0.0])
    return folder
