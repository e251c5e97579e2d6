"""The demo's nodes as processes: started together, watched, and gone when the demo is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
import ctypes
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType

from physical_ai_bridge.contract.errors import BridgeError

SHARED_MEMORY = Path('/dev/shm')
_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 15
# What Fast DDS calls its segments, on Jazzy and on Kilted.
_FAST_DDS = ('fastrtps_', 'fastdds_', 'sem.fastrtps_', 'sem.fastdds_')
LET_END_S = 6.0
# Where Fast DDS listens for discovery and for the first participants of a domain.
_PORT_BASE, _PORTS_PER_DOMAIN, _PORT_OFFSETS = 7400, 250, (0, 10, 11, 12, 13)


class NodeEndedError(BridgeError):
    """A node's process has ended although nobody asked it to."""


def free_domain(candidates: Iterable[int]) -> int:
    """
    Return the first domain on whose discovery ports nobody on this machine listens.

    Raises
    ------
    BridgeError
        When none of the candidates is free.

    """
    for domain in candidates:
        if all(_is_free(_PORT_BASE + _PORTS_PER_DOMAIN * domain + offset)
               for offset in _PORT_OFFSETS):
            return domain
    raise BridgeError('every ROS domain from 1 to 100 is in use on this machine; end a ROS '
                      'process that is not needed')


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', port))
        except OSError:
            return False
    return True


def private_network(domain: int, logs: Path) -> dict[str, str]:
    """Return the variables that keep ROS on this machine and in a domain of its own."""
    return {
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_STATIC_PEERS': '',
        'ROS_LOG_DIR': str(logs / 'ros'),
    }


def write_parameters(path: Path, values: Mapping[str, object]) -> None:
    """Write a parameter file: unlike -p, it carries any path. JSON is YAML."""
    path.write_text(json.dumps({'/**': {'ros__parameters': dict(values)}}, indent=1),
                    encoding='utf-8')


class NodeProcess:
    """
    A command in a process, and a process group, of its own; what it writes goes to a log.

    Make it before this process has threads, and in the main thread: it dies with that.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open('wb') as written:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT,
                env={**os.environ, 'PYTHONUNBUFFERED': '1'}, start_new_session=True,
                preexec_fn=_die_with_parent())  # noqa: PLW1509
        self.shared_memory: set[Path] = set()

    @property
    def pid(self) -> int:
        """The process's id, and its group's."""
        return self._process.pid

    def check(self) -> None:
        """
        Make sure that it runs.

        Raises
        ------
        NodeEndedError
            When it does not, with the end of what it wrote.

        """
        status = self._process.poll()
        if status is not None:
            how = f'was ended by signal {-status}' if status < 0 else f'ended with status {status}'
            raise NodeEndedError(f'{self.name} {how}. The end of {self.log}:\n{self.tail()}')

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text('utf-8', 'replace').splitlines()
        return '\n'.join(f'  {line}' for line in lines[-_TAIL_LINES:]) or '  (it wrote nothing)'

    def note_shared_memory(self) -> None:
        """Remember which shared memory it uses: after a kill nobody else would know."""
        self.shared_memory |= shared_memory_of(self.pid)

    def ask_to_end(self) -> None:
        """Ask it to end."""
        self.note_shared_memory()
        _signal_group(self.pid, signal.SIGINT)

    def end(self, deadline_s: float) -> None:
        """Wait until it has ended, and kill what has not by ``deadline_s``."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline_s - time.monotonic()))
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()


class NodeProcesses:
    """Several nodes; leaving the ``with`` block ends them all, whatever happened."""

    def __init__(self, let_end_s: float = LET_END_S) -> None:
        """Give the nodes ``let_end_s`` to end by themselves before they are killed."""
        self.nodes: list[NodeProcess] = []
        self._let_end_s = let_end_s
        self._checked_s = -1.0

    def start(self, name: str, parameters: Mapping[str, object], logs: Path) -> NodeProcess:
        """Start the node ``name`` of this package."""
        settings = logs / f'{name}.params.yaml'
        write_parameters(settings, parameters)
        return self.start_command(name, [
            sys.executable, '-m', f'physical_ai_bridge.nodes.{name}', '--ros-args',
            '--params-file', str(settings)], logs / f'{name}.log')

    def start_command(self, name: str, command: Sequence[str], log: Path) -> NodeProcess:
        """Start any command."""
        # A signal between the fork and the next line would leave a process that nobody knows.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            node = NodeProcess(name, command, log)
            self.nodes.append(node)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return node

    def check(self) -> None:
        """Raise NodeEndedError where one has ended; cheap, to be called often."""
        now_s = time.monotonic()
        if now_s - self._checked_s > 0.2:
            self._checked_s = now_s
            for node in self.nodes:
                node.check()

    def __enter__(self) -> NodeProcesses:
        return self

    def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None,
            trace: TracebackType | None) -> None:
        # A second Ctrl-C must not leave the others behind; this ends within seconds anyway.
        ignored = [(number, signal.signal(number, signal.SIG_IGN))
                   for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            for node in reversed(self.nodes):
                node.ask_to_end()
            deadline_s = time.monotonic() + self._let_end_s
            for node in reversed(self.nodes):
                node.end(deadline_s)
            # Only now: while they lived, they had each other's memory mapped too.
            sweep(set().union(*(node.shared_memory for node in self.nodes)))
        finally:
            for number, handler in ignored:
                signal.signal(number, handler)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _die_with_parent() -> object:
    """Return what a child runs before its program: when this process dies, so does the child."""
    parent = os.getpid()
    # Looked up here: between fork and exec nothing may be imported or allocated that can wait.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def shared_memory_of(pid: int) -> set[Path]:
    """Return the shared memory that a process has mapped."""
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    except OSError:
        return set()
    prefix = f'{SHARED_MEMORY}/'
    return {Path(line[line.index(prefix):].removesuffix(' (deleted)'))
            for line in lines if prefix in line}


def sweep(segments: set[Path]) -> list[Path]:
    """Remove Fast DDS's shared memory that was left behind and that nobody else uses."""
    left = {path for path in segments if path.name.startswith(_FAST_DDS) and path.exists()}
    if not left:
        return []
    for entry in Path('/proc').iterdir():
        # This process may have it mapped still, which does no harm.
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            left -= shared_memory_of(int(entry.name))
    gone = []
    for path in sorted(left):
        for name in (path, path.with_name(f'{path.name}_el'),
                     path.with_name(f'sem.{path.name}_mutex')):
            try:
                name.unlink()
            except OSError:
                continue
            gone.append(name)
    return gone
