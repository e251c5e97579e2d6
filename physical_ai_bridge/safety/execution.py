"""What the controller executes, and whether the robot goes along with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.anchor import Anchor
from physical_ai_bridge.safety.plans import Passed, Plan
from physical_ai_bridge.safety.watch import REST_S, Watch

# Standing still has no end that a controller could take; give it one.
_HOLD_S = 0.1
_REST_NS = seconds_to_ns(REST_S)


class Execution:
    """
    Keeps what was sent, and compares it with what the controller and the joints report.

    A ``shadow`` sends nothing, so that neither is compared: it takes its commands for executed,
    until ``rejoin`` puts it where the robot really is.
    """

    def __init__(self, cell: Cell, watch: Watch, *, shadow: bool) -> None:
        self._cell = cell
        self._watch = watch
        self._shadow = shadow
        if shadow:
            cell = replace(cell, controller=replace(cell.controller, state_topic=None))
        self._anchor = Anchor(cell)
        self._newest: Plan | None = None
        self._before: Plan | None = None
        self._executed: Trajectory | None = None

    @property
    def plan(self) -> Plan | None:
        """What the next command goes on from; None before ``take_over`` and where it is lost."""
        motion = self._anchor.plan
        if motion is None or (self._newest is not None and motion is self._newest.motion):
            return None if motion is None else self._newest
        return Plan(motion)  # an older one: the newest was lost

    def take_over(self, now: Instant) -> Trajectory:
        """Return the command that holds the robot where it stands."""
        # What the controller holds, if it says so: to send it to the measured joints would be a
        # step by what gravity keeps them off.
        held = self._anchor.reference
        position = self._watch.measured if held is None or self._shadow else held.position
        at = Trajectory.hold(now.ros_ns, self._cell.robot.joints, position)
        hold = Trajectory(
            at.stamp_ns, at.joint_names, np.array([0, seconds_to_ns(_HOLD_S)]),
            np.repeat(at.positions, 2, axis=0), np.repeat(at.velocities, 2, axis=0))
        self._anchor.begin(hold, now)
        self._newest, self._before = Plan(hold), None
        return hold

    def hold(self, position: np.ndarray, now: Instant) -> None:
        """Take note that the robot was left at ``position`` (N,), whatever the plan was."""
        held = Trajectory.hold(now.ros_ns, self._cell.robot.joints, position)
        self._anchor.begin(held, now)
        self._newest, self._before = Plan(held), None

    def on_command(self, command: Trajectory) -> None:
        """Take what moves the robot that a shadow runs beside."""
        self._executed = command

    def rejoin(self, now: Instant) -> bool:
        """Let a shadow go on from what moves the robot; False where that is not known."""
        executed = self._executed
        if not self._shadow or executed is None or executed.start_ns > now.ros_ns:
            return False
        if self._anchor.plan is not None:
            self._anchor.begin(executed, now)
            self._newest, self._before = Plan(executed), None
        return True

    def sent(self, passed: Passed, now: Instant) -> None:
        """Take note of a command, which goes on from ``plan``."""
        self._before, self._newest = self._newest, passed.plan
        self._anchor.published(passed.motion, passed.diverges_ns, now)

    def withdraw(self) -> bool:
        """Take the last ``sent`` back; False where that was none, but a ``take_over``."""
        if self._before is None:
            return False
        self._anchor.withdraw()
        self._newest, self._before = self._before, None
        return True

    @property
    def held(self) -> bool:
        """Whether the robot was taken over and is not lost, so that something holds it."""
        return not self._shadow and self._anchor.plan is not None

    def on_controller_state(self, sample: JointSample, now: Instant) -> bool:
        """Take the reference that the controller reports; True where that is a new cause."""
        before = self._anchor.cause(now)
        refusal = self._anchor.on_controller_state(sample, now)
        if refusal is not None:
            self._watch.refuse(refusal)
        return before is None and self._anchor.cause(now) is not None

    def free(self, now: Instant) -> bool:
        """Tell whether a command sent now goes on from what is executed, whatever got lost."""
        return self._anchor.plan is not None and self._anchor.free(now)

    def cause(self, now: Instant) -> Refusal | None:
        """Return what speaks against moving on: by the clock, the controller, or the joints."""
        return self._gone_back(now) or self._anchor.cause(now) or self._astray(now)

    def controller_cause(self, now: Instant) -> Refusal | None:
        """Return what the controller's reports say against taking the robot over."""
        return self._anchor.cause(now)

    def _gone_back(self, now: Instant) -> Refusal | None:
        newest = self._newest
        if newest is None or newest.motion.start_ns <= now.ros_ns:
            return None
        ahead_s = (newest.motion.start_ns - now.ros_ns) / NS_PER_S
        return Refusal(Reason.CLOCK_STEPPED,
                       f'ROS time went back: the last command begins {ahead_s:.3f} s from now')

    def _astray(self, now: Instant) -> Refusal | None:
        """Return where the robot is astray from what was commanded, if it is."""
        plan = self._anchor.plan
        if self._shadow or plan is None or self._watch.measured is None:
            return None
        stamp_ns = min(max(self._watch.measured_stamp_ns, plan.start_ns), now.ros_ns)
        commanded = plan.at(stamp_ns).position
        frozen = self._watch.frozen(commanded, now)
        if frozen is not None:
            return frozen
        error = np.abs(commanded - self._watch.measured)
        tolerance = self._cell.controller.tracking_tolerance_rad
        if error.max() <= tolerance:
            return None
        joint = self._cell.robot.joints[int(error.argmax())]
        return Refusal(Reason.TRACKING_LOST,
                       f'{joint} is {error.max():.3f} rad from where it was sent, '
                       f'{tolerance:g} rad is tolerated')

    def may_brake(self, now: Instant) -> bool:
        """Tell whether a command that brakes would go on from what is executed."""
        return self.free(now) and self._gone_back(now) is None

    def playing(self, now: Instant) -> bool:
        """Tell whether the last command has begun, and has not come to its end."""
        newest = self._newest
        return (newest is not None
                and newest.motion.start_ns <= now.ros_ns < newest.motion.end_ns)

    def over(self, now: Instant, since_ns: int) -> bool:
        """Tell whether all that was sent is over, by the steady clock from ``since_ns`` on too."""
        if self._newest is None:
            return True
        motion = self._newest.motion
        lasts_ns = max(motion.end_ns - motion.stamp_ns, 0) + _REST_NS
        return now.steady_ns - since_ns > lasts_ns and not self.playing(now)
