"""The supervisor: nothing reaches the controller unless it is verified down to standstill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.candidates import Candidates
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.execution import Execution
from physical_ai_bridge.safety.plans import Blocked, Passed
from physical_ai_bridge.safety.proposals import Proposals
from physical_ai_bridge.safety.publishers import PublisherWatch
from physical_ai_bridge.safety.ramp import Ramp
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.ticks import TickWatch
from physical_ai_bridge.safety.verification import Verification
from physical_ai_bridge.safety.watch import Watch

_MOVING = (Mode.ACTIVE, Mode.LIMITING)
_RUNNING = (Mode.READY, *_MOVING)
# In READY nothing moves yet: where an input pauses, it is waited for again.
_WAITED_FOR = (Reason.JOINTS_SILENT, Reason.WRENCH_SILENT, Reason.CONTROLLER_SILENT)
_SPEED_LIMITS = (Reason.VELOCITY_LIMIT, Reason.TCP_SPEED_LIMIT)


class Supervisor:
    """
    The state machine. A shell feeds it and publishes what ``tick`` returns.

    Every ``on_*`` returns True where the shell must run a tick at once rather than wait for the
    next one. Nothing here reads a clock: ``now`` is an argument. Not thread-safe.
    """

    def __init__(
            self, cell: Cell, robot: RobotModel, authority: Authority = Authority.LIVE) -> None:
        self._cell = cell
        self._next_authority = authority
        verification = Verification(cell, robot)
        self._candidates = Candidates(cell, verification.check, verification.speed_use)
        self._begin()

    def _begin(self) -> None:
        cell = self._cell
        self._active = False
        self._authority = self._next_authority
        self._mode, self._reason, self._detail = Mode.INACTIVE, Reason.OK, ''
        self._watch = Watch(cell)
        self._publishers = PublisherWatch(cell)
        self._ticks = TickWatch(
            round(NS_PER_S / cell.safety.tick_rate_hz), cell.safety.watchdogs.tick_s,
            cell.safety.watchdogs.late_ticks)
        self._proposals = Proposals(cell, self._watch)
        self._execution = Execution(
            cell, self._watch, shadow=self._authority is Authority.SHADOW)
        self._ramp = Ramp(cell.safety.ramp)
        self._joined_ns = 0
        self._requested: Refusal | None = None
        self._stream_cause: Refusal | None = None
        self._last_tick: Instant | None = None
        self._stopping_since = 0
        self._speed_share = 1.0

    def withdraw(self, decision: Decision, now: Instant) -> Decision:
        """
        Take back a command that was decided but not published, because it would arrive too late.

        The controller goes on with what it has, which ends at rest. A shell whose tick was held up
        by more than ``command_expires_ns`` calls this instead of publishing.
        """
        if decision.command is None or not self._execution.withdraw():
            return decision  # taking over where the robot stands is as right a little later
        held_up_s = (now.steady_ns - decision.now.steady_ns) / NS_PER_S
        self._watch.refuse(Refusal(
            Reason.COMMAND_LATE, f'a command was held up for {held_up_s:.3f} s and not sent'))
        return replace(decision, command=None, scale=0.0)

    @property
    def command_expires_ns(self) -> int:
        """How long after its decision a command may still be published, on the steady clock."""
        return seconds_to_ns(self._cell.controller.latency_s / 2.0)

    @property
    def plan(self) -> Trajectory | None:
        """What the controller is executing, as far as is known; None before READY."""
        plan = self._execution.plan
        return None if plan is None else plan.motion

    @property
    def refusals(self) -> dict[Reason, int]:
        """How many inputs were refused since activation, by reason."""
        return dict(self._watch.refusals)

    @property
    def last_refusal(self) -> Refusal | None:
        """The newest refusal, for people."""
        return self._watch.last_refusal

    @property
    def reaction_delay_s(self) -> float:
        """What the declared filters of the wrench sensors add to the reaction to a contact."""
        return self._watch.reaction_delay_s

    def authorise(self, authority: Authority) -> None:
        """Set the authority that holds from the next activation on."""
        self._next_authority = authority

    def activate(self, now: Instant) -> Decision:
        """Begin: INACTIVE with what is missing, then READY once every input is there."""
        self._begin()
        self._active = True
        return self.tick(now)

    def deactivate(self, now: Instant) -> Decision:
        """End: the last command, which brakes if the robot moves; INACTIVE from here on."""
        command = self._brake(now) if self._active else None
        self._active = False
        self._enter(Mode.INACTIVE, Reason.OK, 'deactivated')
        return self._decide(now, command)

    def on_joint_state(self, sample: JointSample, now: Instant) -> bool:
        """Take a joint state."""
        self._watch.joint_state(sample, now)
        return False

    def on_controller_state(self, sample: JointSample, now: Instant) -> bool:
        """Take the reference that the controller reports; a new cause wants a tick at once."""
        return self._execution.on_controller_state(sample, now)

    def on_wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> bool:
        """Take a wrench; a force above its limit wants a tick at once."""
        return self._latched(self._watch.wrench(sensor, sample, now), now)

    def on_emergency_stop(self, pressed: bool, now: Instant) -> bool:
        """Take a heartbeat of the emergency stop; a change wants a tick at once."""
        return self._latched(self._watch.emergency_stop(pressed, now), now)

    def _latched(self, changed: bool, now: Instant) -> bool:
        """Keep a cause that may be gone before the next tick; return ``changed``."""
        if changed and self._requested is None and self._mode in _RUNNING:
            self._requested = self._watch.causes(now)
        return changed

    def on_publishers(self, others: tuple[str, ...], now: Instant) -> bool:
        """Take who else publishes on the controller's topic; a new cause wants a tick at once."""
        del now
        return self._publishers.take(others)

    def on_setpoints(self, detail: str, held: np.ndarray | None, now: Instant) -> bool:
        """
        Take that the stream of setpoints has left the plan: a cause to stop.

        ``held`` (N,) is where it has come to rest, None while it is on its way there.
        """
        refusal = Refusal(Reason.SETPOINTS_LATE, detail)
        self._stream_cause = refusal if held is None else None
        if held is not None and self._execution.plan is not None:
            self._execution.hold(held, now)
        self._request_stop(refusal)
        return True

    def on_command(self, command: Trajectory, now: Instant) -> bool:
        """Take what somebody else sent to the controller: a shadow goes on from that."""
        del now
        self._execution.on_command(command)
        return False

    @property
    def _shadow(self) -> bool:
        """Whether something else moves the robot: nothing here then waits until it rests."""
        return self._authority is Authority.SHADOW

    def _request_stop(self, refusal: Refusal) -> None:
        """Stop at the next tick, though the cause may be gone by then."""
        if self._requested is None and self._mode in _RUNNING:
            self._requested = refusal

    def on_proposal(self, message: TrajectoryMessage, now: Instant) -> bool:
        """Take a proposal, or refuse it; one that was taken wants a tick at once."""
        if not self._active:
            return False
        # Where nobody says what moves the robot that a shadow runs beside, there is no reach.
        known = self._execution.rejoin(now) or not self._shadow
        plan = self.plan if known else None
        if not self._proposals.take(message, plan, now):
            return False
        self._joined_ns = 0
        return self._mode in _RUNNING

    def refuse_proposal(self, refusal: Refusal) -> None:
        """Count a proposal that the shell could not decode: a bad one."""
        self._proposals.refuse(refusal)

    def refuse(self, refusal: Refusal) -> None:
        """Count another input that the shell could not decode; its watchdog goes on running."""
        self._watch.refuse(refusal)

    def stop(self, now: Instant) -> bool:
        """Stop and latch, as somebody asked."""
        del now
        self._requested = Refusal(Reason.STOP_REQUESTED, Reason.STOP_REQUESTED.meaning)
        return True

    def reset(self, now: Instant) -> Refusal | None:
        """Leave STOPPED or FAULT for READY, or say why not yet."""
        if self._mode not in (Mode.STOPPED, Mode.FAULT):
            return Refusal(self._reason, f'there is nothing to reset in {self._mode}')
        cause = self._causes(now)
        if cause is not None:
            return cause
        if not (self._shadow or self._watch.at_rest(now)):
            return Refusal(Reason.NOT_AT_REST, 'the robot still moves, or joint states have gaps')
        if not self._shadow and self._execution.playing(now):
            return Refusal(Reason.NOT_AT_REST, 'the last command has not come to its end')
        astray = self._execution.cause(now)
        if astray is not None:
            return Refusal(astray.reason, f'{astray.detail}; deactivate and activate the '
                           'supervisor to take the robot over where it stands')
        self._requested = None
        self._get_ready(now, 'reset')
        return None

    def tick(self, now: Instant) -> Decision:
        """Decide what the controller gets now."""
        late = self._take_tick(now)
        if not self._active:
            return self._decide(now, None)
        cause = self._requested or late or self._causes(now)
        if self._mode is Mode.INACTIVE:
            return self._decide(now, self._start(cause, now))
        if self._mode in _RUNNING:
            cause = (cause or self._execution.cause(now)
                     or self._proposals.cause(now, moving=self._mode in _MOVING))
            if cause is None:
                return self._follow(now)
            if self._mode is Mode.READY and cause.reason in _WAITED_FOR:
                self._enter(Mode.INACTIVE, cause.reason, cause.detail)
                return self._decide(now, None)
            return self._decide(now, self._begin_stop(cause, now))
        if self._mode is Mode.STOPPING:
            if self._standing(now):
                self._enter(Mode.STOPPED, self._reason, self._detail)
            else:
                return self._decide(now, self._brake(now))
        return self._decide(now, None)

    def _take_tick(self, now: Instant) -> Refusal | None:
        """Return what the tick's own timing shows, if it is a cause to stop."""
        moving = self._mode in _MOVING
        if moving and self._last_tick is not None:
            self._ramp.moved(now.steady_ns - self._last_tick.steady_ns)
        self._last_tick = now
        return self._ticks.tick(now, moving=moving)

    def _causes(self, now: Instant) -> Refusal | None:
        """Return what of the cell's state speaks against moving."""
        cause = self._watch.causes(now)
        if cause is None and not self._shadow:
            # A shadow is meant to run beside whatever moves the robot.
            cause = self._publishers.cause()
        return cause or self._stream_cause

    def _start(self, cause: Refusal | None, now: Instant) -> Trajectory | None:
        """Leave INACTIVE once everything needed is there; return the command that holds."""
        if cause is None and not (self._shadow or self._watch.at_rest(now)):
            cause = Refusal(Reason.NOT_AT_REST, 'waiting until the robot stands still')
        cause = cause or self._execution.controller_cause(now)
        if cause is not None:
            self._enter(Mode.INACTIVE, cause.reason, cause.detail)
            return None
        self._get_ready(now, 'holding')
        # After a pause of an input the controller still holds the end of what it was sent.
        return None if self._execution.held else self._execution.take_over(now)

    def _get_ready(self, now: Instant, detail: str) -> None:
        """Wait for a proposal; those of observations from before now are not followed."""
        self._proposals.forget(now)
        self._ramp = Ramp(self._cell.safety.ramp)
        self._enter(Mode.READY, Reason.OK, detail)

    def _follow(self, now: Instant) -> Decision:
        """Pass on what is within limits of the newest proposal."""
        proposal, plan = self._proposals.newest, self._execution.plan
        slow = self._limit_speed()
        if proposal is None or plan is None:
            return self._decide(now, None)
        if self._candidates.exhausted(proposal, now.ros_ns):
            if not proposal.velocities[-1].any() and now.ros_ns >= plan.motion.end_ns:
                self._proposals.drop()
                self._enter(Mode.READY, Reason.OK, 'the proposal has come to its end, at rest')
            return self._decide(now, None)
        observed_ns = self._proposals.observed_ns
        if not self._execution.free(now):
            return self._decide(now, None, observed_ns)
        found = self._candidates.follow(
            plan, proposal, now.ros_ns, speed_share=self._speed_share)
        if isinstance(found, Blocked):
            self._limit(found, slow)
            return self._decide(now, None, observed_ns)
        self._execution.sent(found, now)
        if found.scale > 0.0:
            self._proposals.newest = found.path
        if found.reason is not Reason.OK:
            self._joined_ns = found.joined_ns
            self._limit(found, slow)
        elif now.ros_ns >= self._joined_ns:
            self._enter(Mode.ACTIVE, Reason.OK, '')
        return self._decide(now, found.motion, observed_ns, found.scale)

    def _limit_speed(self) -> Refusal | None:
        """Set the share of the speed limits that holds in this tick; return why it is not all."""
        ramping = self._authority is Authority.RAMP and self._ramp.share < self._watch.speed_share
        self._speed_share = self._ramp.share if ramping else self._watch.speed_share
        return self._ramp.refusal if ramping else self._watch.slow_down

    def _limit(self, found: Passed | Blocked, slow: Refusal | None) -> None:
        """Enter LIMITING, with what lies behind a speed limit that is not the cell's."""
        if slow is not None and found.reason in _SPEED_LIMITS:
            self._enter(Mode.LIMITING, slow.reason, slow.detail)
        else:
            self._enter(Mode.LIMITING, found.reason, found.detail)

    def _begin_stop(self, cause: Refusal, now: Instant) -> Trajectory | None:
        command = self._brake(now)
        self._proposals.drop()
        self._stopping_since = now.steady_ns
        self._enter(Mode.STOPPING, cause.reason, cause.detail)
        return command

    def _brake(self, now: Instant) -> Trajectory | None:
        """Return the command that brakes at once, None where the plan ends no later by itself."""
        if not self._execution.may_brake(now):
            return None
        stop = self._candidates.stop(self._execution.plan, self._proposals.newest, now.ros_ns)
        if stop is None:
            return None
        self._execution.sent(stop, now)
        return stop.motion

    def _standing(self, now: Instant) -> bool:
        """Tell whether the stop is over: the plan has ended, and the robot is seen at rest."""
        return (self._execution.over(now, self._stopping_since)
                and (self._shadow or self._watch.blind(now) or self._watch.at_rest(now)))

    def _enter(self, mode: Mode, reason: Reason, detail: str) -> None:
        self._mode, self._reason, self._detail = mode, reason, detail

    def _decide(
            self, now: Instant, command: Trajectory | None, proposal_stamp_ns: int | None = None,
            scale: float = 0.0,
    ) -> Decision:
        if self._shadow:
            command = None
        return Decision(now, self._mode, self._reason, self._detail, command,
                        proposal_stamp_ns, scale, self._speed_share)
