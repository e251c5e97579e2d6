"""The supervisor: nothing reaches the controller unless it is verified down to standstill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.candidates import Blocked, Candidates
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.publishers import PublisherWatch
from physical_ai_bridge.safety.sanitise import check_reach, sanitise
from physical_ai_bridge.safety.watch import REST_S, Watch

_MOVING = (Mode.ACTIVE, Mode.LIMITING)
# ROS time may run slower than the steady clock (simulation), but may not jump against it.
_CLOCK_STEP_NS = seconds_to_ns(0.1)
# The single-knot motion of standing still has no end that a controller could take; give it one.
_HOLD_S = 0.1
# A policy that is done proposes a motion that ends at rest, and then is silent; so long at most.
_LAST_WORD_S = 1.5


class Supervisor:
    """
    The state machine. A shell feeds it and publishes what ``tick`` returns.

    Every ``on_*`` returns True where the shell must run a tick at once rather than wait for the
    next one. Nothing here reads a clock: ``now`` is an argument. Not thread-safe.
    """

    def __init__(self, cell: Cell, authority: Authority = Authority.LIVE) -> None:
        self._cell = cell
        self._next_authority = authority
        self._limits = limit_arrays(cell)
        self._candidates = Candidates(cell)
        self._begin()

    def _begin(self) -> None:
        self._active = False
        self._authority = self._next_authority
        self._watch = Watch(self._cell)
        self._publishers = PublisherWatch(self._cell)
        self._mode, self._reason, self._detail = Mode.INACTIVE, Reason.OK, ''
        self._plan: Trajectory | None = None
        self._plan_before: Trajectory | None = None
        self._proposal: Trajectory | None = None
        self._proposal_at = 0
        self._joined_ns = 0
        # Observation time of the newest proposal taken; older ones are not followed any more.
        self._observed_ns = 0
        self._bad_in_a_row = 0
        self._requested: Refusal | None = None
        self._last_tick: Instant | None = None
        self._stopping_since = 0

    def withdraw(self, decision: Decision, now: Instant) -> Decision:
        """
        Take back a command that was decided but not published, because it would arrive too late.

        The controller goes on with what it has, which ends at rest. A shell whose tick was held up
        by more than ``command_expires_ns`` calls this instead of publishing.
        """
        if self._plan_before is None:
            return decision  # taking over where the robot stands is as right a little later
        held_up_s = (now.steady_ns - decision.now.steady_ns) / NS_PER_S
        self._watch.refuse(Refusal(
            Reason.COMMAND_LATE, f'a command was held up for {held_up_s:.3f} s and not sent'))
        self._plan = self._plan_before
        return replace(decision, command=None, scale=0.0)

    @property
    def command_expires_ns(self) -> int:
        """How long after its decision a command may still be published, on the steady clock."""
        return seconds_to_ns(self._cell.controller.latency_s / 2.0)

    @property
    def plan(self) -> Trajectory | None:
        """What the controller is executing, as far as was published; None before READY."""
        return self._plan

    @property
    def refusals(self) -> dict[Reason, int]:
        """How many inputs were refused since activation, by reason."""
        return dict(self._watch.refusals)

    @property
    def last_refusal(self) -> Refusal | None:
        """The newest refusal, for people."""
        return self._watch.last_refusal

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

    def on_wrench(self, sensor: str, sample: WrenchSample, now: Instant) -> bool:
        """Take a wrench; a force above its limit wants a tick at once."""
        return self._latched(self._watch.wrench(sensor, sample, now), now)

    def on_emergency_stop(self, pressed: bool, now: Instant) -> bool:
        """Take a heartbeat of the emergency stop; a change wants a tick at once."""
        return self._latched(self._watch.emergency_stop(pressed, now), now)

    def _latched(self, changed: bool, now: Instant) -> bool:
        """Keep a cause that may be gone before the next tick; return ``changed``."""
        if changed and self._requested is None and self._mode in (Mode.READY, *_MOVING):
            self._requested = self._watch.causes(now)
        return changed

    def on_publishers(self, others: tuple[str, ...], now: Instant) -> bool:
        """Take who else publishes on the controller's topic; a new cause wants a tick at once."""
        del now
        return self._publishers.take(others)

    def on_proposal(self, message: TrajectoryMessage, now: Instant) -> bool:
        """Take a proposal, or refuse it; one that was taken wants a tick at once."""
        if not self._active:
            return False
        proposal = sanitise(message, self._cell.robot.joints, now_ns=now.ros_ns,
                            max_age_s=self._cell.safety.proposal_max_age_s)
        if isinstance(proposal, Refusal):
            self.refuse(proposal, now)
            return False
        far = self._far(proposal, now)
        if far is not None:
            self.refuse(far, now)
            return False
        last = self._observed_ns
        if proposal.stamp_ns < last:
            # An older one says nothing about the policy's health: refused, but no bad proposal.
            self._watch.refuse(Refusal(
                Reason.PROPOSAL_REORDERED,
                f'its observation is {(last - proposal.stamp_ns) / NS_PER_S:.3f} s older than '
                'what is being followed, or than the last reset'))
            return False
        self._bad_in_a_row = 0
        self._proposal, self._proposal_at = proposal, now.steady_ns
        self._observed_ns = proposal.stamp_ns
        self._joined_ns = 0
        return self._mode in (Mode.READY, *_MOVING)

    def _far(self, proposal: Trajectory, now: Instant) -> Refusal | None:
        if self._plan is None or self._authority is Authority.SHADOW:
            return None  # what moves the robot that a shadow runs beside is not its plan
        return check_reach(proposal, self._plan, self._limits, now_ns=now.ros_ns,
                           latency_ns=seconds_to_ns(self._cell.controller.latency_s))

    def refuse(self, refusal: Refusal, now: Instant) -> None:
        """Count a bad proposal: one of ours, or one that the shell could not even decode."""
        del now
        self._watch.refuse(refusal)
        self._bad_in_a_row += 1

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
        if not self._watch.at_rest(now):
            return Refusal(Reason.NOT_AT_REST, 'the robot still moves, or joint states have gaps')
        if self._plan.start_ns <= now.ros_ns < self._plan.end_ns:
            return Refusal(Reason.NOT_AT_REST, 'the last command has not come to its end')
        astray = self._gone_back(now) or self._tracking(now)
        if astray is not None:
            return Refusal(astray.reason, f'{astray.detail}; deactivate and activate the '
                           'supervisor to take the robot over where it stands')
        self._requested = None
        self._bad_in_a_row = 0
        self._get_ready(now, 'reset')
        return None

    def tick(self, now: Instant) -> Decision:
        """Decide what the controller gets now."""
        disturbed = self._disturbance(now)
        self._last_tick = now
        self._plan_before = self._plan
        if not self._active:
            return self._decide(now, None)
        cause = self._requested or disturbed or self._causes(now)
        if self._mode is Mode.INACTIVE:
            return self._decide(now, self._start(cause, now))
        if self._mode is Mode.READY or self._mode in _MOVING:
            cause = cause or self._plan_cause(now)
            if cause is not None:
                return self._decide(now, self._begin_stop(cause, now))
            return self._follow(now)
        if self._mode is Mode.STOPPING:
            if self._standing(now):
                self._enter(Mode.STOPPED, self._reason, self._detail)
            else:
                return self._decide(now, self._brake(now))
        return self._decide(now, None)

    def _causes(self, now: Instant) -> Refusal | None:
        """Return what of the cell's state speaks against moving."""
        cause = self._watch.causes(now)
        if cause is None and self._authority is not Authority.SHADOW:
            # A shadow is meant to run beside whatever moves the robot.
            cause = self._publishers.cause()
        return cause

    def _start(self, cause: Refusal | None, now: Instant) -> Trajectory | None:
        """Leave INACTIVE once everything needed is there; return the command that holds."""
        if cause is None and not self._watch.at_rest(now):
            cause = Refusal(Reason.NOT_AT_REST, 'waiting until the robot stands still')
        if cause is not None:
            self._enter(Mode.INACTIVE, cause.reason, cause.detail)
            return None
        # What the controller holds is not known: have it hold where the robot stands.
        at = Trajectory.hold(now.ros_ns, self._cell.robot.joints, self._watch.measured)
        self._plan = Trajectory(
            at.stamp_ns, at.joint_names, np.array([0, seconds_to_ns(_HOLD_S)]),
            np.repeat(at.positions, 2, axis=0), np.repeat(at.velocities, 2, axis=0))
        self._get_ready(now, 'holding')
        return self._plan

    def _get_ready(self, now: Instant, detail: str) -> None:
        """Wait for a proposal; those of observations from before now are not followed."""
        self._proposal = None
        self._observed_ns = now.ros_ns
        self._enter(Mode.READY, Reason.OK, detail)

    def _disturbance(self, now: Instant) -> Refusal | None:
        """Return what the tick's own timing shows, if it is a cause to stop."""
        last = self._last_tick
        if last is None or self._mode not in _MOVING:
            return None
        steady = now.steady_ns - last.steady_ns
        ros = now.ros_ns - last.ros_ns
        if steady > seconds_to_ns(self._cell.safety.watchdogs.tick_s):
            return Refusal(Reason.TICK_OVERRUN, f'{steady / NS_PER_S:.3f} s since the last tick')
        if ros < 0 or ros - steady > _CLOCK_STEP_NS:
            return Refusal(Reason.CLOCK_STEPPED,
                           f'ROS time went {ros / NS_PER_S:+.3f} s in {steady / NS_PER_S:.3f} s')
        return None

    def _plan_cause(self, now: Instant) -> Refusal | None:
        """Return what speaks against going on with the plan that is being executed."""
        dogs = self._cell.safety.watchdogs
        astray = self._gone_back(now) or self._tracking(now)
        if astray is not None:
            return astray
        if self._bad_in_a_row >= dogs.bad_proposals:
            return Refusal(Reason.PROPOSALS_BAD,
                           f'{self._bad_in_a_row} in a row; last: {self._watch.last_refusal}')
        silent_ns = now.steady_ns - self._proposal_at
        if (self._mode in _MOVING and silent_ns > seconds_to_ns(dogs.proposals_s)
                and not self._is_last_word(silent_ns)):
            return Refusal(Reason.PROPOSALS_SILENT,
                           f'no good proposal for {silent_ns / NS_PER_S:.3f} s')
        return None

    def _is_last_word(self, silent_ns: int) -> bool:
        """Tell whether the proposal soon comes to rest by itself, so that silence may follow."""
        proposal = self._proposal
        return (proposal is not None and not proposal.velocities[-1].any()
                and silent_ns <= seconds_to_ns(_LAST_WORD_S))

    def _gone_back(self, now: Instant) -> Refusal | None:
        """Return that ROS time went back to before the plan, if it did."""
        if self._plan.start_ns <= now.ros_ns:
            return None
        ahead_s = (self._plan.start_ns - now.ros_ns) / NS_PER_S
        return Refusal(Reason.CLOCK_STEPPED,
                       f'ROS time went back: the last command begins {ahead_s:.3f} s from now')

    def _tracking(self, now: Instant) -> Refusal | None:
        """Return where the robot is astray from what was commanded, if it is."""
        if self._authority is not Authority.LIVE or self._plan is None:
            return None
        stamp_ns = min(max(self._watch.measured_stamp_ns, self._plan.start_ns), now.ros_ns)
        frozen = self._watch.frozen(self._plan.at(stamp_ns).position, now)
        if frozen is not None:
            return frozen
        error = np.abs(self._plan.at(stamp_ns).position - self._watch.measured)
        tolerance = self._cell.controller.tracking_tolerance_rad
        if error.max() <= tolerance:
            return None
        joint = self._cell.robot.joints[int(error.argmax())]
        return Refusal(Reason.TRACKING_LOST,
                       f'{joint} is {error.max():.3f} rad from where it was sent, '
                       f'{tolerance:g} rad is tolerated')

    def _follow(self, now: Instant) -> Decision:
        """Pass on what is within limits of the newest proposal."""
        proposal = self._proposal
        if proposal is None:
            return self._decide(now, None)
        if self._candidates.exhausted(proposal, now.ros_ns):
            if not proposal.velocities[-1].any() and now.ros_ns >= self._plan.end_ns:
                self._proposal = None
                self._enter(Mode.READY, Reason.OK, 'the proposal has come to its end, at rest')
            return self._decide(now, None)
        found = self._candidates.follow(self._plan, proposal, now.ros_ns)
        if isinstance(found, Blocked):
            self._enter(Mode.LIMITING, found.reason, found.detail)
            return self._decide(now, None, self._observed_ns)
        self._plan, self._proposal = found.motion, found.path
        if found.reason is not Reason.OK:
            self._joined_ns = found.joined_ns
            self._enter(Mode.LIMITING, found.reason, found.detail)
        elif now.ros_ns >= self._joined_ns:
            self._enter(Mode.ACTIVE, Reason.OK, '')
        return self._decide(now, found.motion, self._observed_ns, found.scale)

    def _begin_stop(self, cause: Refusal, now: Instant) -> Trajectory | None:
        command = self._brake(now)
        self._proposal = None
        self._stopping_since = now.steady_ns
        self._enter(Mode.STOPPING, cause.reason, cause.detail)
        return command

    def _brake(self, now: Instant) -> Trajectory | None:
        """Return the command that brakes at once, None where the plan ends no later by itself."""
        if self._plan is None or self._gone_back(now) is not None:
            return None
        command = self._candidates.stop(self._plan, now.ros_ns)
        if command is not None:
            self._plan = command
        return command

    def _standing(self, now: Instant) -> bool:
        """Tell whether the stop is over: the plan has ended, and the robot is seen at rest."""
        plan_ns = max(self._plan.end_ns - self._plan.stamp_ns, 0) + seconds_to_ns(REST_S)
        waited = now.steady_ns - self._stopping_since > plan_ns
        playing = self._plan.start_ns <= now.ros_ns < self._plan.end_ns
        blind = self._watch.causes(now)
        unseen = blind is not None and blind.reason is Reason.JOINTS_SILENT
        return waited and not playing and (unseen or self._watch.at_rest(now))

    def _enter(self, mode: Mode, reason: Reason, detail: str) -> None:
        self._mode, self._reason, self._detail = mode, reason, detail

    def _decide(
            self, now: Instant, command: Trajectory | None, proposal_stamp_ns: int | None = None,
            scale: float = 0.0,
    ) -> Decision:
        if self._authority is Authority.SHADOW:
            command = None
        return Decision(now, self._mode, self._reason, self._detail, command,
                        proposal_stamp_ns, scale)
