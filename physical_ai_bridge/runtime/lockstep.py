"""The whole loop without ROS and without a wall clock: deterministic, as fast as it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.builder import Observation
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.policy.protocol import Policy
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.runtime.policy_loop import PolicyLoop
from physical_ai_bridge.runtime.ports import CellPort
from physical_ai_bridge.safety.decision import Decision
from physical_ai_bridge.safety.gripping import supervisor_of
from physical_ai_bridge.safety.robot_model import RobotModel

# Sees each observation with the chunk inferred from it, as it is used.
Observer = Callable[[Observation, np.ndarray], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Inference:
    observation: Observation
    actions: np.ndarray
    ready_ns: int


class Lockstep:
    """
    One policy on one cell, both cores driven by the cell's own time.

    A cycle is one supervisor tick: let the cell advance, hand out what it sensed, run an
    inference where one is due, propose where one is ready, tick, execute. ``latency_ns`` is
    called once an inference and says how long it takes on the cell's clock, whatever it took
    here, so that runs are deterministic and rehearse the latency of the real machine.
    """

    def __init__(
            self, binding: Binding, policy: Policy, cell: CellPort, *,
            robot: RobotModel, latency_ns: Callable[[], int], observer: Observer | None = None,
            kinematics: TcpKinematics | None = None,
    ) -> None:
        self._policy, self._cell = policy, cell
        self._latency_ns, self._observer = latency_ns, observer
        self._cycle_ns = seconds_to_ns(1.0 / binding.cell.safety.tick_rate_hz)
        self.loop = PolicyLoop(binding, kinematics)
        self.supervisor = supervisor_of(binding.cell, robot)
        self._inference: _Inference | None = None
        self._start()

    def _start(self) -> None:
        now = self._now()
        self.supervisor.on_emergency_stop(False, now)
        self._apply(self.supervisor.activate(now))

    def _now(self) -> Instant:
        return Instant(self._cell.now_ns, self._cell.now_ns)

    def cycle(self) -> Decision:
        """Run one cycle and return the supervisor's last decision in it."""
        self._sense()
        now = self._now()
        if self._inference is None and self.loop.due(now):
            self._infer(now)
        proposal: Trajectory | Refusal | None = None
        if self._inference is not None and self._inference.ready_ns <= now.ros_ns:
            ready, self._inference = self._inference, None
            proposal = self.loop.propose(ready.observation, ready.actions, now)
        else:
            proposal = self.loop.refresh(now)
        if isinstance(proposal, Trajectory):
            self.supervisor.on_proposal(message_from_trajectory(proposal), now)
        decision = self.supervisor.tick(now)
        self._apply(decision)
        return decision

    def _sense(self) -> None:
        """Let one cycle pass and hand out the samples, each at its own stamp."""
        batch = self._cell.advance(self._cycle_ns)
        for sample in batch.joints:
            at = Instant(sample.stamp_ns, sample.stamp_ns)
            self.loop.on_joint_state(sample, at)
            self.supervisor.on_joint_state(sample, at)
        for sensor, samples in batch.wrenches.items():
            for sample in samples:
                at = Instant(sample.stamp_ns, sample.stamp_ns)
                self.loop.on_wrench(sensor, sample, at)
                if self.supervisor.on_wrench(sensor, sample, at):
                    self._apply(self.supervisor.tick(at))
        now = self._now()
        for camera, image in batch.images.items():
            self.loop.on_image(camera, image, now)
        self.supervisor.on_emergency_stop(False, now)

    def _infer(self, now: Instant) -> None:
        observation = self.loop.observe(now)
        if isinstance(observation, Refusal):
            return
        try:
            actions = self._policy.infer(observation.inputs)
        except InferenceError as error:
            self.loop.refuse(error.refusal)
            return
        if self._observer is not None:
            self._observer(observation, actions)
        self._inference = _Inference(observation, actions, now.ros_ns + self._latency_ns())

    def _apply(self, decision: Decision) -> None:
        if decision.command is not None:
            self._cell.execute(decision.command)
            self.loop.on_command(decision.command, decision.now)
        if decision.gripper is not None:
            self._cell.execute_gripper(decision.gripper)
            self.loop.on_gripper_command(decision.gripper, decision.now)
