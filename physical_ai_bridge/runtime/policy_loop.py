"""The policy side of the loop: samples in, proposals out; inference is left to the caller."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
import math

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation, ObservationBuilder
from physical_ai_bridge.policy.actions import ActionDecoder
from physical_ai_bridge.policy.chunks import ChunkBuffer, PlacedChunk
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.policy.reference import ReferenceShaper, STEP_NS
from physical_ai_bridge.runtime.gripper_loop import GripperLoop

# A camera may run faster than the policy; a frame this much of a period after the last is taken.
_EARLY = 0.75
# How far ahead of now a proposal may change the motion, in controller latencies: one for the
# supervisor's command, one for the way there.
_LEAD_LATENCIES = 2
# After this a reference that is told to stand still does (e^-20 of its speed at 20 rad/s).
_SETTLE_STEPS = 100
_NOWHERE = 1 << 62


class PolicyLoop:
    """
    Ties observation, policy and shaping together over explicit time.

    A shell feeds samples through ``on_*``, asks ``due``, and then runs ``observe`` ->
    ``policy.infer(observation.inputs)`` -> ``propose``, the middle one on any thread it likes.
    Not thread-safe: a shell with threads holds one lock around every call. The trajectories that
    come out are stamped with their observation's time.
    """

    def __init__(self, binding: Binding, kinematics: TcpKinematics | None = None) -> None:
        """Take a binding and what ``policy.actions.kinematics_for`` returns for it."""
        self._binding = binding
        self._decoder = ActionDecoder(binding, kinematics)
        shaping = binding.manifest.shaping
        self._shaper = ReferenceShaper(shaping.bandwidth_rad_s, limit_arrays(binding.cell))
        self._lookahead_ns = seconds_to_ns(shaping.lookahead_s)
        self._lead_ns = seconds_to_ns(_LEAD_LATENCIES * binding.cell.controller.latency_s)
        # The supervisor stops where no proposal comes for this long: more would never be executed.
        self._most_steps = seconds_to_ns(binding.cell.safety.watchdogs.proposals_s) // STEP_NS
        self._spacing_ns = seconds_to_ns(_EARLY / binding.manifest.rate_hz)
        self._names = binding.cell.robot.joints
        self._gripper = None if binding.manifest.gripper is None else GripperLoop(binding)
        self._command: Trajectory | None = None
        # Of the joint states that come, mostly the same ones: their names, and where ours stand.
        self._seen: tuple[str, ...] | None = None
        self._columns: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything that was seen and proposed, but not what is being executed."""
        shaping = self._binding.manifest.shaping
        self._builder = ObservationBuilder(self._binding)
        if self._command is not None:
            self._builder.push_command(self._command)
        self._chunks = ChunkBuffer(self._binding.manifest.action, shaping.blend_s)
        if self._gripper is not None:
            self._gripper.reset()
        self._measured: np.ndarray | None = None
        self._force_n = 0.0
        self._observed_ns = 0
        self._shaped_ns = 0
        self._yielding = False
        self._refusals: Counter[Reason] = Counter()
        self.last_refusal: Refusal | None = None

    def on_joint_state(self, sample: JointSample, now: Instant) -> None:
        """Take a joint state."""
        del now
        self._builder.push_joint_state(sample)
        if self._gripper is not None:
            self._gripper.on_joint_state(sample)
        if sample.names != self._seen:
            self._seen = sample.names
            column = {name: i for i, name in enumerate(sample.names)}
            self._columns = [column.get(name, _NOWHERE) for name in self._names]
        if max(self._columns) < len(sample.position):
            position = np.asarray(sample.position)[self._columns]
            if np.isfinite(position).all():
                self._measured = position

    def on_wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> None:
        """Take a wrench."""
        del now
        self._builder.push_wrench(sensor, sample)
        guard = self._binding.manifest.shaping.contact_guard
        if guard is not None and sensor == guard.sensor:
            force = math.hypot(*sample.force.tolist())
            if math.isfinite(force):
                self._force_n = force

    def on_image(self, camera: str, sample: ImageSample, now: Instant) -> None:
        """Take a frame; it replaces the camera's last one and is not decoded."""
        del now
        self._count(self._builder.push_image(camera, sample))

    def on_command(self, command: Trajectory, now: Instant) -> None:
        """Take what the supervisor last sent to the controller: the reference to go on from."""
        del now
        self._command = command
        self._count(self._builder.push_command(command))

    def on_gripper_command(self, command: Trajectory, now: Instant) -> None:
        """Take what the supervisor last sent to the gripper's controller."""
        del now
        if self._gripper is not None:
            self._gripper.on_command(command)

    def set_task(self, instruction: str) -> Refusal | None:
        """
        Choose among the bundle's instructions.

        One that it does not list leaves it without any: nothing more is proposed until one is
        chosen, and what was inferred for another is dropped.
        """
        refusal = self._count(self._builder.set_task(instruction))
        if refusal is not None and self._binding.manifest.tasks:
            self._chunks.clear()
        return refusal

    @property
    def span_ns(self) -> int:
        """How far back what came can matter to an observation, as long as more comes."""
        return self._builder.span_ns

    @property
    def task(self) -> str | None:
        """The instruction in force; None where there is none."""
        index = self._builder.task
        return None if index is None else self._binding.manifest.tasks[index]

    @property
    def newest_chunk(self) -> PlacedChunk | None:
        """The chunk that proposals follow, as joint positions; None before the first."""
        return self._chunks.newest

    def due(self, now: Instant) -> bool:
        """Tell whether there is something new to infer on."""
        del now
        newest = self._builder.newest_stamp_ns()
        if newest is None:
            return False
        # Older than the last: ROS time was set back.
        return not 0 <= newest - self._observed_ns < self._spacing_ns

    def observe(self, now: Instant) -> Observation | Refusal:
        """Assemble one observation, decoding the frames it uses."""
        newest = self._builder.newest_stamp_ns()
        if newest is not None:
            self._observed_ns = newest
        observation = self._builder.build(now)
        if isinstance(observation, Refusal):
            self._count(observation)
        return observation

    def propose(
            self, observation: Observation, actions: np.ndarray, now: Instant,
    ) -> Trajectory | Refusal:
        """Place a chunk on the clock, blend it in, and shape the proposal that follows it."""
        task = observation.inputs.get('task')
        if task is not None and int(task) != self._builder.task:
            return self.refuse(Refusal(
                Reason.TASK_CHANGED,
                f'the chunk is for {self._binding.manifest.tasks[int(task)]!r}; the instruction '
                f'is now {repr(self.task) if self.task else "none that the bundle lists"}'))
        if not np.isfinite(actions).all():
            return self.refuse(Refusal(Reason.ACTION_MALFORMED, 'the chunk is not finite'))
        actions, gripper = self._split(actions)
        positions = self._decoder.joint_positions(actions, observation.anchor)
        if isinstance(positions, Refusal):
            return self.refuse(positions)
        begin_ns = self._begin_ns(now)
        chunk = PlacedChunk(observation.stamp_ns, begin_ns, positions)
        newest = self._chunks.newest
        if newest is not None and newest.observation_ns > now.ros_ns:
            self._chunks.clear()  # ROS time went back
            if self._gripper is not None:
                self._gripper.clear()
        self._chunks.add(chunk)
        if self._gripper is not None:
            self._gripper.add(replace(chunk, positions=gripper))
        proposal = self._shape(begin_ns, now)
        if proposal is None:
            late_s = (now.ros_ns - observation.stamp_ns) / NS_PER_S
            return self.refuse(Refusal(
                Reason.DEADLINE_MISSED,
                f'the chunk came {late_s:.3f} s after its observation, when its rows were over'))
        return proposal

    def refresh(self, now: Instant) -> Trajectory | None:
        """Shape the newest chunk anew while the contact guard yields; else None."""
        guard = self._binding.manifest.shaping.contact_guard
        if guard is None or self._chunks.newest is None:
            return None
        if not (self._yielding or self._force_n > guard.force_n):
            return None
        if now.ros_ns - self._shaped_ns < STEP_NS:
            return None
        return self._shape(self._begin_ns(now), now)

    def settle(self, now: Instant) -> Trajectory | None:
        """Return a proposal that comes to rest where the reference is going, to end on."""
        if self._command is None:
            return None
        begin_ns = self._begin_ns(now)
        state = self._command.at(begin_ns)
        # The nearest target at which the low-pass comes to rest without turning back: there its
        # error is (A + B t) exp(-ω t) with A = 2v/ω + a/ω² and B = v + a/ω.
        w = self._shaper.bandwidth_rad_s
        rest = state.position + (2.0 * state.velocity + state.acceleration / w) / w
        proposal = self._shaper.follow(
            now.ros_ns, begin_ns, state, np.repeat(rest[None, :], _SETTLE_STEPS, axis=0),
            self._names)
        proposal.velocities[-1] = 0.0
        self._chunks.clear()
        return proposal if self._gripper is None else self._gripper.settle(proposal)

    def refuse(self, refusal: Refusal) -> Refusal:
        """Count a refusal that the shell met (an inference that failed, say) and return it."""
        self._refusals[refusal.reason] += 1
        self.last_refusal = refusal
        return refusal

    @property
    def refusals(self) -> dict[Reason, int]:
        """How many inputs or chunks were refused, by reason."""
        return dict(self._refusals)

    def _count(self, refusal: Refusal | None) -> Refusal | None:
        return None if refusal is None else self.refuse(refusal)

    def _begin_ns(self, now: Instant) -> int:
        """Return from when on a proposal made now may differ from what is executing."""
        begin_ns = now.ros_ns + self._lead_ns
        return begin_ns if self._command is None else self._command.snap(begin_ns)

    def _shape(self, begin_ns: int, now: Instant) -> Trajectory | None:
        """Return the newest chunk's proposal from ``begin_ns`` on, None where nothing is left."""
        if self._command is not None:
            state = self._command.at(begin_ns)
        elif self._measured is not None:
            state = Trajectory.hold(begin_ns, self._names, self._measured).at(begin_ns)
        else:
            return None
        steps = (self._chunks.end_ns - self._lookahead_ns - begin_ns) // STEP_NS
        if steps < 1:
            return None
        steps = min(steps, self._most_steps)
        times = begin_ns + STEP_NS * np.arange(1, steps + 1, dtype=np.int64)
        target = self._yield(self._chunks.target(times + self._lookahead_ns))
        self._shaped_ns = now.ros_ns
        proposal = self._shaper.follow(
            self._chunks.newest.observation_ns, begin_ns, state, target, self._names)
        return proposal if self._gripper is None else self._gripper.join(proposal)

    def _split(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the arm's columns of a chunk, and the gripper's where there is one."""
        if self._gripper is None:
            return actions, None
        return actions[:, :-1], actions[:, -1:].astype(np.float64)

    def _yield(self, target: np.ndarray) -> np.ndarray:
        """Lead the target towards where the robot is, the more the harder it pushes."""
        guard = self._binding.manifest.shaping.contact_guard
        self._yielding = False
        if guard is None or self._measured is None:
            return target
        share = min(max((self._force_n - guard.force_n) / guard.force_n, 0.0), 1.0)
        self._yielding = share > 0.0
        return (1.0 - share) * target + share * self._measured
