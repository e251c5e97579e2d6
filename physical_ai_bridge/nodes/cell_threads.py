"""The two threads of the simulated cell: physics at the pace of the clock, and its cameras."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import threading
import time
from typing import TYPE_CHECKING

from physical_ai_bridge import simulation
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.samples import ImageSample, TrajectoryMessage
from physical_ai_bridge.nodes.figures import Stream, Window
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.pacing import Pacer
from physical_ai_bridge.nodes.threads import NodeThread

if TYPE_CHECKING:
    from physical_ai_bridge.simulation import (
        Acceptance,
        EpisodeStatus,
        LimitUse,
        MujocoCell,
        Snapshot,
        Step,
    )

_NS_PER_MS = 1e6
# A command that is further ahead than this was meant to begin later.
_AHEAD_NS = 100_000_000
# The arm may not wait, so the process goes before others; its cameras take their turn.
_RENDER_NICE = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Episode:
    """One episode as it stands."""

    index: int
    seed: int
    status: EpisodeStatus
    limits: LimitUse


class PhysicsThread:
    """
    Steps a cell in real time.

    ``on_step`` and ``on_rejected`` are called in this thread. Commands and new episodes are handed
    over between steps, so that nobody else ever touches the cell.
    """

    def __init__(
            self, node: ManagedNode, cell: MujocoCell, factor: float, *, seed: int,
            on_step: Callable[[Step], None], on_rejected: Callable[[Acceptance], None],
    ) -> None:
        self._cell = cell
        self._on_step, self._on_rejected = on_step, on_rejected
        self._commands: deque[TrajectoryMessage | tuple[float, ...]] = deque(maxlen=64)
        self._stop = threading.Event()
        self._requests: deque[threading.Event] = deque()
        self._thread = NodeThread(node, 'physics', self._run)
        self._next_seed = seed
        self._index = -1
        self._latency_ns = seconds_to_ns(cell.cell.controller.latency_s)
        self.pacer = Pacer(cell.step_ns, factor)
        self.steps = Stream()
        self.accepted = 0
        self.rejected = 0
        self.late = 0
        self.command_age_ms = Window()
        self.episode: Episode | None = None

    def start(self, start_ns: int, steady_ns: int) -> None:
        """Begin the first episode at ROS time ``start_ns``, which is the steady ``steady_ns``."""
        self._begin_episode(start_ns)
        self.pacer.start(steady_ns)
        self._thread.start()

    def stop(self) -> None:
        """Stop stepping."""
        self._stop.set()
        self._thread.join()

    def command(self, message: TrajectoryMessage | tuple[float, ...]) -> None:
        """Hand over a command for the controller."""
        self._commands.append(message)

    def new_episode(self, timeout_s: float) -> bool:
        """Ask for the next episode and wait until it has begun."""
        begun = threading.Event()
        self._requests.append(begun)
        return begun.wait(timeout_s)

    def _begin_episode(self, start_ns: int) -> None:
        self._index += 1
        self._commands.clear()
        self._cell.reset(self._next_seed, start_ns)
        self._next_seed += 1
        self._note()

    def _note(self) -> None:
        """Take down how the episode stands, for the other thread to read."""
        self.episode = Episode(
            index=self._index, seed=self._cell.seed, status=self._cell.episode,
            limits=self._cell.limit_use)

    def _run(self) -> None:
        cell, pacer = self._cell, self.pacer
        note_every_ns = 100_000_000
        noted_ns = 0
        while not self._stop.is_set():
            now_ns = time.monotonic_ns()
            steps = pacer.due(now_ns)
            if not steps:
                time.sleep(pacer.wait_s(now_ns))
                continue
            for _ in range(steps):
                if self._requests:
                    self._begin_episode(cell.now_ns)
                    self._requests.popleft().set()
                while self._commands and not self._is_ahead(self._commands[0]):
                    self._execute(self._commands.popleft())
                self._on_step(cell.step())
            self.steps.count += steps
            if cell.now_ns - noted_ns >= note_every_ns:
                noted_ns = cell.now_ns
                self._note()

    def _is_ahead(self, message: TrajectoryMessage | tuple[float, ...]) -> bool:
        """
        Tell whether a command was stamped at an instant that the simulation has yet to reach.

        Simulated time follows the wall's in steps and may be late by some more; a robot's clock is
        never behind. Taken too early, a command's first point would lie ahead, and the controller
        would bridge to it with a jerk that nobody commanded.
        """
        if isinstance(message, tuple):
            return False  # a setpoint counts when it comes
        return 0 < message.stamp_ns - self._cell.now_ns < _AHEAD_NS

    def _execute(self, message: TrajectoryMessage | tuple[float, ...]) -> None:
        if not isinstance(message, tuple):
            age_ns = self._cell.now_ns - message.stamp_ns
            self.command_age_ms.add(age_ns / _NS_PER_MS)
            self.late += age_ns > self._latency_ns
        acceptance = self._cell.receive(message)
        if acceptance is simulation.Acceptance.ACCEPTED:
            self.accepted += 1
        else:
            self.rejected += 1
            self._on_rejected(acceptance)


class RenderThread:
    """
    Renders the newest snapshot, and only that: where it falls behind, frames are left out.

    The rig is made, used and closed in this thread, to which its GL contexts belong.
    """

    def __init__(
            self, node: ManagedNode, cell: Cell, brightness: float,
            on_images: Callable[[dict[str, ImageSample]], None],
    ) -> None:
        self._cell, self._brightness, self._on_images = cell, brightness, on_images
        self._changed = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._stopping = False
        self._ready = False
        self._refused: BridgeError | None = None
        self._thread = NodeThread(node, 'render', self._run, nice=_RENDER_NICE)
        self.render_ms = Window()
        self.skipped = 0

    def start(self, timeout_s: float) -> None:
        """
        Start, and wait for the cameras.

        Raises
        ------
        BridgeError
            If this machine cannot render.

        """
        self._thread.start()
        with self._changed:
            made = self._changed.wait_for(
                lambda: self._ready or self._refused is not None, timeout_s)
            if self._refused is not None:
                raise self._refused
        if not made:
            raise BridgeError(f'the cameras were not ready after {timeout_s:g} s')

    def stop(self) -> None:
        """Stop rendering and free the cameras."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def show(self, snapshot: Snapshot) -> None:
        """Hand over a state to render; one that was not begun yet is forgotten."""
        with self._changed:
            self.skipped += self._snapshot is not None
            self._snapshot = snapshot
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            rig = simulation.CameraRig(self._cell, brightness=self._brightness)
        except BridgeError as error:
            with self._changed:
                self._refused = error
                self._changed.notify_all()
            return
        try:
            with self._changed:
                self._ready = True
                self._changed.notify_all()
            while (snapshot := self._next()) is not None:
                begun_ns = time.perf_counter_ns()
                images = rig.render(snapshot)
                self.render_ms.add((time.perf_counter_ns() - begun_ns) / _NS_PER_MS)
                self._on_images(images)
        finally:
            rig.close()

    def _next(self) -> Snapshot | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._snapshot is not None)
            snapshot, self._snapshot = self._snapshot, None
            return None if self._stopping else snapshot
