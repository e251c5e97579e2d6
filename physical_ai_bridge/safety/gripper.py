"""A gripper beside the arm: its own limits, its own plan, and no motion but with the arm's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell, Controller, JointLimit, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.candidates import Candidates
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.safety.plans import Blocked, Plan
from physical_ai_bridge.safety.sanitise import sanitise

# A gripper is measured, or asked for, this share of its range outside at most: its end stops are
# soft, and a policy's numbers are not exact. What is commanded keeps to the limits.
_OUTSIDE = 0.02
_MOVING = (Mode.ACTIVE, Mode.LIMITING)


def gripper_cell(cell: Cell) -> Cell:
    """
    Return a cell whose only joint is the gripper, for what holds the limits of joints.

    Its numbers are in the gripper's unit, whatever their names say.
    """
    gripper = cell.gripper
    if gripper is None:
        raise ValueError('the cell has no gripper')
    limit = JointLimit(
        has_position_limits=True, min_position=gripper.min_position,
        max_position=gripper.max_position, has_velocity_limits=True,
        max_velocity=gripper.max_velocity, has_acceleration_limits=True,
        max_acceleration=gripper.max_acceleration, has_jerk_limits=True, max_jerk=gripper.max_jerk)
    controller = Controller(
        interface=gripper.interface, topic=gripper.topic, rate_hz=gripper.rate_hz,
        joints=(gripper.joint,) if gripper.streams else (), latency_s=cell.controller.latency_s,
        tracking_tolerance_rad=gripper.max_position - gripper.min_position)
    return replace(
        cell, robot=replace(cell.robot, joints=(gripper.joint,)), controller=controller,
        safety=replace(cell.safety, joint_limits={gripper.joint: limit}), gripper=None)


def split(
        message: TrajectoryMessage, joint: str,
) -> tuple[TrajectoryMessage, TrajectoryMessage | None] | Refusal:
    """
    Return a proposal without the joint, and that joint's alone, None where it does not name it.

    Of what comes, only as much is checked as it takes to tell the columns apart.
    """
    names = message.joint_names
    if names.count(joint) != 1:
        return message, None  # twice: refused as what it is, a joint that the arm does not have
    at, width = names.index(joint), len(names)
    rest: list[TrajectoryPoint] = []
    alone: list[TrajectoryPoint] = []
    for index, point in enumerate(message.points):
        rows = (point.positions, point.velocities, point.accelerations, point.effort)
        if any(len(row) not in (0, width) for row in rows):
            return Refusal(Reason.PROPOSAL_WIDTHS,
                           f'point {index} has fields of another width than {width} joints')
        rest.append(TrajectoryPoint(
            point.time_from_start_ns, *(row[:at] + row[at + 1:] for row in rows)))
        alone.append(TrajectoryPoint(
            point.time_from_start_ns, *(row[at:at + 1] for row in rows)))
    return (replace(message, joint_names=names[:at] + names[at + 1:], points=tuple(rest)),
            replace(message, joint_names=(joint,), points=tuple(alone)))


class GripperMotion:
    """
    The gripper's part of what the supervisor decides; it is told everything and reads no clock.

    Each command is committed, one step, and a brake to standstill, within the limits in closed
    form, as the arm's are. It is not compared with the measured position, which a part between
    the fingers keeps away from it; where it stands first is measured.
    """

    def __init__(self, cell: Cell) -> None:
        gripper = cell.gripper
        if gripper is None:
            raise ValueError('the cell has no gripper')
        self._cell = gripper_cell(cell)
        self._joint, self._unit = gripper.joint, gripper.unit
        self._topic = gripper.state_topic or cell.sensors.joint_states.topic
        self._candidates = Candidates(self._cell)
        limits = limit_arrays(self._cell)
        self._low, self._high = float(limits.position_min[0]), float(limits.position_max[0])
        self._measured: float | None = None
        self._seen_at: int | None = None
        self._path: Trajectory | None = None
        self._plan: Plan | None = None
        self._before: Plan | None = None
        self.limited: Refusal | None = None

    @property
    def plan(self) -> Trajectory | None:
        """What its controller is executing; None before the first command."""
        return None if self._plan is None else self._plan.motion

    def joint_state(self, sample: JointSample, now: Instant) -> Refusal | None:
        """Take the gripper's column of a joint state, or return why not; others' are no matter."""
        if self._joint not in sample.names:
            return None
        at = sample.names.index(self._joint)
        if sample.names.count(self._joint) > 1 or len(sample.position) != len(sample.names):
            return Refusal(Reason.JOINTS_MALFORMED,
                           f'{len(sample.position)} positions for {len(sample.names)} names, '
                           f'{self._joint} among them')
        position = float(sample.position[at])
        if not np.isfinite(position):
            return Refusal(Reason.JOINTS_MALFORMED,
                           f'the position of {self._joint} is not finite')
        age_s = (now.ros_ns - sample.stamp_ns) / NS_PER_S
        if abs(age_s) > self._cell.sensors.joint_states.max_age_s:
            reason = Reason.JOINTS_STALE if age_s > 0.0 else Reason.FROM_THE_FUTURE
            return Refusal(reason, f'the state of {self._joint} is {age_s:.3f} s old')
        self._measured, self._seen_at = position, now.steady_ns
        return None

    def cause(self, now: Instant) -> Refusal | None:
        """Return what speaks against moving, the arm too."""
        silence_s = self._cell.safety.watchdogs.joint_states_s
        if self._seen_at is None or self._measured is None:
            return Refusal(Reason.JOINTS_SILENT,
                           f'nothing good of {self._joint} has come on {self._topic} yet')
        silent_ns = now.steady_ns - self._seen_at
        if silent_ns > seconds_to_ns(silence_s):
            return Refusal(Reason.JOINTS_SILENT, f'nothing good of {self._joint} on {self._topic} '
                           f'for {silent_ns / NS_PER_S:.3f} s')
        if self._is_outside(self._measured):
            return Refusal(Reason.OUTSIDE_LIMITS,
                           f'{self._joint} stands at {self._measured:.4f} {self._unit}')
        return None

    def _is_outside(self, position: float) -> bool:
        slack = _OUTSIDE * (self._high - self._low)
        return not self._low - slack <= position <= self._high + slack

    def read(self, message: TrajectoryMessage, now: Instant) -> Trajectory | Refusal:
        """Return the gripper's column of a proposal as a motion, or why it is refused."""
        path = sanitise(message, (self._joint,), now_ns=now.ros_ns,
                        max_age_s=self._cell.safety.proposal_max_age_s)
        if isinstance(path, Refusal):
            return path
        for position in (path.positions.min(), path.positions.max()):
            if self._is_outside(float(position)):
                return Refusal(
                    Reason.POSITION_LIMIT, f'{self._joint} would go to {position:.4f} '
                    f'{self._unit}, its limits are {self._low:g} and {self._high:g}')
        return path

    def take(self, path: Trajectory | None) -> None:
        """Follow a motion that ``read`` has returned; with None go on with none."""
        self._path = path

    def follow(self, decision: Decision, now: Instant) -> Trajectory | None:
        """
        Return the gripper's command beside a decision about the arm, None for nothing.

        It goes on along its path only where the arm gets a command to go on along its own: else
        it comes to rest as well. Where the arm stops it brakes at once, and holds the end of that.
        """
        if decision.mode in (Mode.STOPPING, Mode.INACTIVE):
            return self._brake(now)
        if decision.mode not in _MOVING or decision.command is None or not decision.scale:
            return None
        path, plan = self._path, self._plan or self._standing(now)
        if path is None or plan is None or self._candidates.exhausted(path, now.ros_ns):
            return None
        found = self._candidates.follow(
            plan, path, now.ros_ns, speed_share=decision.speed_share)
        if isinstance(found, Blocked):
            self.limited = Refusal(found.reason, found.detail)
            return None
        self.limited = (
            None if found.reason is Reason.OK else Refusal(found.reason, found.detail))
        if found.scale > 0.0:
            self._path = found.path
        self._before, self._plan = self._plan, found.plan
        return found.motion

    def _standing(self, now: Instant) -> Plan | None:
        """Return the plan to stand where it was measured."""
        if self._measured is None:
            return None
        at = min(max(self._measured, self._low), self._high)
        return Plan(Trajectory.hold(now.ros_ns, (self._joint,), np.array([at])))

    def _brake(self, now: Instant) -> Trajectory | None:
        path, self._path = self._path, None
        if self._plan is None or self._plan.motion.start_ns > now.ros_ns:
            return None
        stop = self._candidates.stop(self._plan, path, now.ros_ns)
        if stop is None:
            return None
        self._before, self._plan = self._plan, stop.plan
        return stop.motion

    def withdraw(self) -> None:
        """Take the last command back: it was not sent."""
        self._plan = self._before

    def hold(self, position: np.ndarray, now: Instant) -> None:
        """Take note that the gripper was left at ``position`` (1,), whatever the plan was."""
        self._plan = Plan(Trajectory.hold(now.ros_ns, (self._joint,), position))
        self._path = self._before = None

    def playing(self, now: Instant) -> bool:
        """Tell whether the last command has not come to its end."""
        plan = self.plan
        return plan is not None and plan.start_ns <= now.ros_ns < plan.end_ns
