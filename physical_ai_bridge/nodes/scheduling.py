"""Real-time scheduling and locked memory, where the machine permits them, said in plain words."""

from __future__ import annotations

from contextlib import suppress
import ctypes
import errno
import os
from pathlib import Path
import pwd
import resource
import threading
from typing import Protocol

from physical_ai_bridge.contract.errors import SetupError

# From Linux's <sys/mman.h> and <linux/capability.h>.
_CURRENT_AND_FUTURE = 1 | 2
_CAP_IPC_LOCK = 14
_LIMITS = '/etc/security/limits.d/physical_ai_bridge.conf'


class Kernel(Protocol):
    """What is asked of the operating system; each call raises OSError where it is refused."""

    def set_fifo(self, priority: int) -> None:
        """Run what ticks and what receives by SCHED_FIFO."""

    def set_other(self) -> None:
        """Run it as usual again."""

    def lock_memory(self) -> None:
        """Keep all pages of this process in memory, those to come too."""

    def unlock_memory(self) -> None:
        """Let pages go again."""

    def scheduling(self) -> str:
        """Return how this thread is scheduled, such as 'SCHED_FIFO 50'."""


class Linux:
    """The kernel that this process runs on."""

    def set_fifo(self, priority: int) -> None:
        """Run this thread and the middleware's by SCHED_FIFO, but none that comes later."""
        self._set(os.SCHED_FIFO, priority)

    def set_other(self) -> None:
        """Run them as usual again."""
        self._set(os.SCHED_OTHER, 0)

    def _set(self, policy: int, priority: int) -> None:
        # Python's other threads write files.
        ours = {each.native_id for each in threading.enumerate()}
        tasks = {int(task.name) for task in Path('/proc/self/task').iterdir()}
        # This thread first: where it is refused, nothing has changed.
        for task in (0, *(tasks - ours)):
            with suppress(ProcessLookupError):  # a thread that has ended meanwhile
                os.sched_setscheduler(
                    task, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))

    def lock_memory(self) -> None:
        """Lock all pages; refused, too, where a limit would make later allocations fail."""
        limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if limit != resource.RLIM_INFINITY and not _may_lock_without_limit():
            raise OSError(errno.EPERM, f'the limit is {limit // 1024} KiB')
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mlockall(_CURRENT_AND_FUTURE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def unlock_memory(self) -> None:
        """Let pages go again."""
        ctypes.CDLL(None).munlockall()

    def scheduling(self) -> str:
        """Return the policy and the priority, or the niceness, of this thread."""
        if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
            return f'SCHED_FIFO {os.sched_getparam(0).sched_priority}'
        return f'other, nice {os.getpriority(os.PRIO_PROCESS, 0)}'


def _may_lock_without_limit() -> bool:
    for line in Path('/proc/self/status').read_text(encoding='ascii').splitlines():
        if line.startswith('CapEff:'):
            return bool(int(line.split()[1], 16) >> _CAP_IPC_LOCK & 1)
    return False


def _user() -> str:
    """Return this user as limits.conf names one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f'{os.getuid()}:{os.getuid()}'


class Scheduling:
    """What a node asked of the machine, and what it got."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._fifo = False
        self.memory_locked = False

    def apply(self, *, priority: int, lock_memory: bool, required: bool) -> tuple[str, ...]:
        """
        Ask for SCHED_FIFO with ``priority``, 0 for none, and for locked memory.

        Returns what was refused, one sentence each, with what to type.

        Raises
        ------
        SetupError
            If something was refused and is ``required``, or nothing was asked for that could be.

        """
        if required and not (priority or lock_memory):
            raise SetupError(
                'parameter realtime_required: found true, but neither realtime_priority nor '
                'lock_memory asks for anything; write what is required')
        refused = []
        if priority:
            try:
                self._kernel.set_fifo(priority)
                self._fifo = True
            except OSError as error:
                refused.append(
                    f'parameter realtime_priority: found {priority}, but the machine refuses it '
                    f'({error.strerror}); write the line "{_user()} - rtprio {priority}" into '
                    f'{_LIMITS} and log in again, or LimitRTPRIO={priority} for a systemd service')
        if lock_memory:
            try:
                self._kernel.lock_memory()
                self.memory_locked = True
            except OSError as error:
                refused.append(
                    f'parameter lock_memory: found true, but the machine refuses it '
                    f'({error.strerror}); write the line "{_user()} - memlock unlimited" into '
                    f'{_LIMITS} and log in again, or LimitMEMLOCK=infinity for a systemd service')
        if refused and required:
            self.undo()
            raise SetupError('\n'.join(refused))
        return tuple(refused)

    def undo(self) -> None:
        """Give back what was got."""
        if self._fifo:
            self._kernel.set_other()
            self._fifo = False
        if self.memory_locked:
            self._kernel.unlock_memory()
            self.memory_locked = False

    def __str__(self) -> str:
        return self._kernel.scheduling()
