"""The policy over a recording: observed, inferred and proposed as its node does."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.offline.inference import Inference
from physical_ai_bridge.evaluation.offline.pools import Pool
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.policy.chunks import PlacedChunk
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.runtime.policy_loop import PolicyLoop

_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Inference:
    observation: Observation
    actions: Future[np.ndarray]
    ready_ns: int
    frames: dict[str, ImageSample]


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """A proposal with the chunk that it follows, the one before, and what the cameras showed."""

    proposal: Trajectory
    chunk: PlacedChunk
    before: PlacedChunk | None
    frames: dict[str, ImageSample]


class PolicyRun:
    """
    Runs a policy's loop on the recording's clock.

    The model computes on a thread of its own while the recording goes on: an inference is ready
    ``latency_ns`` after its observation, on the recording's clock, whatever it took here. So the
    same recording gives the same proposals on any machine.
    """

    def __init__(
            self, binding: Binding, inference: Inference, kinematics: TcpKinematics | None,
            latency_ns: int, sums: Sums) -> None:
        self._binding, self._kinematics = binding, kinematics
        self.loop = PolicyLoop(binding, kinematics)
        self._infers = inference
        self._latency_ns, self._sums = latency_ns, sums
        self._inference: _Inference | None = None
        self._ages: dict[str, list[float]] = {}
        self._sync: list[float] = []
        self.refused: Refusal | None = None

    @property
    def ready_ns(self) -> int | None:
        """When the inference that is under way is ready, on the steady clock; None without."""
        return None if self._inference is None else self._inference.ready_ns

    def look(self, now: Instant, frames: Mapping[str, ImageSample]) -> bool | None:
        """Observe where that is due: True where it could be made, False where not, else None."""
        if self._inference is not None or not self.loop.due(now):
            return None
        observation = self.loop.observe(now)
        if isinstance(observation, Refusal):
            self._sums.counts.observations_refused[str(observation.reason)] += 1
            self.refused = observation
            return False
        self._note_ages(observation)
        self._inference = _Inference(
            observation, self._infers.submit(observation.inputs),
            now.steady_ns + self._latency_ns, dict(frames))
        return True

    def _note_ages(self, observation: Observation) -> None:
        ages = observation.ages_s
        for name, age_s in ages.items():
            self._ages.setdefault(name, []).append(age_s)
        if ages:
            self._sync.append(max(ages.values()) - min(ages.values()))
        if len(self._sync) >= _BATCH:
            self._flush()

    def finish(self) -> None:
        """Take what is left into the sums; an inference that is under way comes to nothing."""
        if self._inference is not None:
            self._inference.actions.exception()
            self._inference = None
        self._flush()

    def _flush(self) -> None:
        for name, ages in self._ages.items():
            self._sums.ages.setdefault(name, Pool()).add(np.array(ages))
        self._sums.sync.add(np.array(self._sync))
        self._ages, self._sync = {}, []

    def deliver(self, now: Instant) -> Proposed | None:
        """Propose what has been inferred; None where that is refused."""
        done, self._inference = self._inference, None
        try:
            actions = done.actions.result()
        except InferenceError as error:
            self.loop.refuse(error.refusal)
            self._sums.counts.chunks_refused[str(error.refusal.reason)] += 1
            return None
        self._sums.counts.inferences += 1
        before = self.loop.newest_chunk
        outcome = self.loop.propose(done.observation, actions, now)
        if isinstance(outcome, Refusal):
            self._sums.counts.chunks_refused[str(outcome.reason)] += 1
            return None
        return Proposed(outcome, self.loop.newest_chunk, before, done.frames)

    def restart(self) -> None:
        """
        Begin anew, knowing nothing of what was commanded: somebody has put the robot back.

        An inference that is under way comes to nothing.
        """
        self._inference = None
        self.loop = PolicyLoop(self._binding, self._kinematics)
