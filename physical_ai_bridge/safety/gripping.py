"""The supervisor of an arm that carries a gripper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.decision import Decision
from physical_ai_bridge.safety.gripper import GripperMotion, split
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.supervisor import Supervisor


class GrippingSupervisor(Supervisor):
    """
    A Supervisor whose decisions have a command for the gripper, too.

    What it decides about the arm is what a Supervisor does that is told the same without the
    gripper; but a gripper that is not heard of, or is refused, is a cause to stop, or refuses the
    proposal, as a joint of the arm's would.
    """

    def _begin(self) -> None:
        super()._begin()
        self._gripper = GripperMotion(self._cell)
        self._gripper_astray: Refusal | None = None

    @property
    def gripper_plan(self) -> Trajectory | None:
        """What the gripper's controller is executing; None before the first command."""
        return self._gripper.plan

    @property
    def gripper_limited(self) -> Refusal | None:
        """Why the gripper does not just do what is proposed, for people."""
        return self._gripper.limited

    def on_joint_state(self, sample: JointSample, now: Instant) -> bool:
        """Take a joint state, of the arm, of the gripper or of both."""
        self.on_gripper_state(sample, now)
        return super().on_joint_state(sample, now)

    def on_gripper_state(self, sample: JointSample, now: Instant) -> bool:
        """Take a joint state of the gripper."""
        refusal = self._gripper.joint_state(sample, now)
        if refusal is not None:
            self.refuse(refusal)
        return False

    def on_proposal(self, message: TrajectoryMessage, now: Instant) -> bool:
        """Take a proposal for the arm, and the gripper where it names it, as a whole or not."""
        if not self._active:
            return False
        parts = split(message, self._cell.gripper.joint)
        if isinstance(parts, Refusal):
            self.refuse_proposal(parts)
            return False
        arm, gripper = parts
        path = None if gripper is None else self._gripper.read(gripper, now)
        if isinstance(path, Refusal):
            self.refuse_proposal(path)
            return False
        before = self._proposals.newest
        wanted = super().on_proposal(arm, now)
        if self._proposals.newest is not before:
            self._gripper.take(path)
        return wanted

    def on_gripper_setpoints(
            self, detail: str, held: np.ndarray | None, now: Instant) -> bool:
        """Take that the gripper's stream of setpoints has left its plan: a cause to stop."""
        refusal = Refusal(Reason.SETPOINTS_LATE, f'the gripper: {detail}')
        self._gripper_astray = refusal if held is None else None
        if held is not None:
            self._gripper.hold(held, now)
        self._request_stop(refusal)
        return True

    def tick(self, now: Instant) -> Decision:
        """Decide what the controllers get now."""
        return self._with_gripper(super().tick(now))

    def deactivate(self, now: Instant) -> Decision:
        """End: the last commands, which brake."""
        return self._with_gripper(super().deactivate(now))

    def withdraw(self, decision: Decision, now: Instant) -> Decision:
        """Take back commands that were decided but not published."""
        if decision.gripper is not None:
            self._gripper.withdraw()
        return replace(super().withdraw(decision, now), gripper=None)

    def _with_gripper(self, decision: Decision) -> Decision:
        command = self._gripper.follow(decision, decision.now)
        return decision if command is None else replace(decision, gripper=command)

    def _causes(self, now: Instant) -> Refusal | None:
        return super()._causes(now) or self._gripper.cause(now) or self._gripper_astray

    def _standing(self, now: Instant) -> bool:
        return super()._standing(now) and not self._gripper.playing(now)

    def _get_ready(self, now: Instant, detail: str) -> None:
        self._gripper.take(None)
        super()._get_ready(now, detail)


def supervisor_of(cell: Cell, robot: RobotModel) -> Supervisor:
    """Return the supervisor of a cell, with a gripper where it has one."""
    return (Supervisor if cell.gripper is None else GrippingSupervisor)(cell, robot)
