"""The supervisor in a closed loop with an emulated controller, while everything goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
from physical_ai_bridge.testing.scenarios import (
    AdversarialPolicy,
    CONTROLLER_EVENTS,
    Event,
    Scenario,
)
from physical_ai_bridge.testing.setpoint_audit import SetpointAudit, SetpointUse
from physical_ai_bridge.testing.transport import Transport

_MS = 1_000_000
_BEGIN_NS = 1_800_000_000_000_000_000
_STEADY_NS = 10**12
# Taking over lasts so long at most.
_READY_WITHIN_S = 0.5
# A motion that has not come to rest after this, with everything over, never will.
_REST_WITHIN_S = 20.0


@dataclass(slots=True, kw_only=True, eq=False)
class Outcome:
    """
    What one scenario came to.

    ``use`` is how much of the limits the controller's setpoints have used, and their jumps, up to
    what the controller itself did, if anything. ``rest`` tells whether it came to rest; ``wrong``
    has what is wrong with any command by itself. ``noticed_s`` is how long after an event of the
    controller the supervisor began to stop, ``sent_after`` how many commands it accepted later
    than that. ``raised`` is the error that a tick ended with, if one did.
    """

    seed: int
    faults: tuple[str, ...]
    within_its_power: bool
    use: SetpointUse = field(default_factory=SetpointUse)
    ready: bool = False
    rest: bool = False
    wrong: set[str] = field(default_factory=set)
    commands: int = 0
    lost: int = 0
    executed: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    noticed_s: float | None = None
    sent_after: int = 0
    raised: str = ''

    def violations(self, tolerance: float = 1e-9, jump_rad: float = 1e-9) -> tuple[str, ...]:
        """Return what must never be, by name."""
        return (*self.use.violations(tolerance, jump_rad),
                *sorted(self.wrong), *(() if self.rest else ('no_rest',)),
                *(('raised',) if self.raised else ()))


# Makes the supervisor of a cell and its robot.
Supervise = Callable[[Cell, RobotModel], Supervisor]


def run(scenario: Scenario, supervise: Supervise = Supervisor) -> Outcome:
    """Run a scenario to its end, and on until the controller is at rest."""
    return _Run(scenario, supervise).outcome()


class _Run:
    """One run: the controller's samples are its clock."""

    def __init__(self, scenario: Scenario, supervise: Supervise) -> None:
        cell = scenario.cell
        self.scenario, self.cell = scenario, cell
        self.draw = np.random.default_rng(scenario.seed)
        self.robot = scenario.robot()
        self.core = supervise(cell, self.robot)
        self.policy = AdversarialPolicy(scenario, self.draw)
        self.controller = TrajectoryController(cell.robot.joints)
        self.controller.activate(scenario.start)
        self.period_ns = seconds_to_ns(1.0 / cell.controller.rate_hz)
        self.audit: SetpointAudit | None = SetpointAudit(
            limit_arrays(cell), self.period_ns / NS_PER_S)
        self.executed = Trajectory.hold(_BEGIN_NS, cell.robot.joints, scenario.start)
        self.audit.executes(self.executed, _BEGIN_NS)
        self.way: Transport[Trajectory] = Transport(
            self.draw, latency_s=scenario.way_s, loss=scenario.loss,
            duplicates=scenario.duplicates, in_order=scenario.in_order)
        self.back: Transport[JointSample] = Transport(
            self.draw, latency_s=scenario.back_s, loss=scenario.loss, duplicates=0.0)
        self.reports = cell.controller.state_topic is not None
        self.result = Outcome(seed=scenario.seed, faults=scenario.faults,
                              within_its_power=scenario.within_its_power)
        self.ready_ns = self.latest_ns = 0
        self.upset_ns: int | None = None
        self.begun: set[Event] = set()
        self.dead: set[str] = set()
        self.frozen: np.ndarray | None = None
        self.stalled_until_ns = 0
        self.measured = scenario.start
        self.velocity = np.zeros(len(scenario.start))
        self.noise = self.draw.normal(0.0, 1e-4, (64, len(scenario.start)))
        self.tick_ns = seconds_to_ns(1.0 / cell.safety.tick_rate_hz)
        self.next_tick_ns = self.next_proposal_ns = _BEGIN_NS

    def outcome(self) -> Outcome:
        """Run all of it."""
        self.decide(self.core.activate(self.instant(_BEGIN_NS)))
        now_ns, end_ns = _BEGIN_NS, _BEGIN_NS + seconds_to_ns(_READY_WITHIN_S)
        while now_ns < end_ns:
            now_ns += self.period_ns
            self.sample(now_ns)
            self.sense(now_ns)
            if self.ready_ns:
                end_ns = self.ready_ns + seconds_to_ns(self.scenario.duration_s)
                self.upset(now_ns)
                self.propose(now_ns)
            self.tick(now_ns)
        self.come_to_rest(now_ns)
        self.result.lost = len(self.way.lost)
        return self.result

    def instant(self, now_ns: int) -> Instant:
        """Return an instant on both clocks, never before one that was returned already."""
        self.latest_ns = now_ns = max(self.latest_ns, now_ns)
        return Instant(now_ns, now_ns - _BEGIN_NS + _STEADY_NS)

    def sample(self, now_ns: int) -> None:
        """Let the controller take what has arrived, and sample."""
        taken = None
        for _, command in self.way.receive(now_ns):
            verdict = self.controller.receive(message_from_trajectory(command), now_ns)
            self.result.executed[verdict.name] += 1
            if verdict is Acceptance.ACCEPTED:
                taken = command
        if taken is not None:
            self.executed = taken
            if self.audit is not None:
                self.audit.executes(taken, now_ns)
            if self.result.noticed_s is not None:
                self.result.sent_after += 1
        setpoint = self.controller.sample(now_ns, Setpoint(self.measured, self.velocity, None))
        if self.audit is not None:
            self.audit.add(setpoint)
        self.measured = setpoint.position if self.frozen is None else self.frozen
        self.velocity = setpoint.velocity
        if self.reports:
            self.report(now_ns)

    def report(self, now_ns: int) -> None:
        """Carry what the controller reports to the supervisor."""
        report = self.controller.report
        if report is not None:
            self.back.send(report, now_ns)
        for at_ns, sample in self.back.receive(now_ns):
            self.core.on_controller_state(sample, self.instant(max(at_ns, now_ns)))

    def active(self, kind: str, now_ns: int) -> bool:
        """Tell whether an event of that kind is going on."""
        since_s = (now_ns - self.ready_ns) / NS_PER_S
        return bool(self.ready_ns) and any(
            event.kind == kind and event.at_s <= since_s < event.at_s + event.for_s
            for event in self.scenario.events)

    def sense(self, now_ns: int) -> None:
        """Give the supervisor the samples of this instant."""
        step = (now_ns - _BEGIN_NS) // self.period_ns
        now, core, joints = self.instant(now_ns), self.core, self.cell.robot.joints
        if step % 2 == 0 and not self.active('joint_states_starve', now_ns):
            # Taking over steps to where the robot was measured to be; here that is where it is.
            position = self.measured + (self.noise[step % 64] if self.ready_ns else 0.0)
            if self.active('joint_states_not_finite', now_ns):
                position[step % len(position)] = np.nan
            if self.active('joint_states_spike', now_ns) and step % 14 == 0:
                position[step % len(position)] += 0.3
            core.on_joint_state(JointSample(now_ns, joints, position), now)
        if step % 5 == 0 and not self.active('wrenches_starve', now_ns):
            force = np.array([0.0, 0.0, self.noise[step % 64, 0]])
            if self.active('force_spike', now_ns):
                force[2] = -150.0
            if self.active('wrench_not_finite', now_ns):
                force[1] = np.inf
            for sensor in self.cell.sensors.wrenches:
                if core.on_wrench(sensor, WrenchSample(now_ns, force, np.zeros(3)), now):
                    self.tick_at(now_ns)
        pressed = self.active('emergency_stop_pressed', now_ns) or (
            self.active('emergency_stop_flaps', now_ns) and step % 30 < 15)
        beats = step % 15 == 0 and not self.active('emergency_stop_starves', now_ns)
        if beats and core.on_emergency_stop(pressed, now):
            self.tick_at(now_ns)

    def upset(self, now_ns: int) -> None:
        """Begin the events that are due."""
        now, core = self.instant(now_ns), self.core
        for event in self.scenario.events:
            if event in self.begun or now_ns < self.ready_ns + seconds_to_ns(event.at_s):
                continue
            self.begun.add(event)
            if event.kind in ('policy_dies', 'supervisor_dies'):
                self.dead.add(event.kind)
            elif event.kind == 'supervisor_stalls':
                self.stalled_until_ns = now_ns + seconds_to_ns(event.for_s)
            elif event.kind == 'stop_called' and self.alive(now_ns):
                core.stop(now)
                self.tick_at(now_ns)
            elif event.kind == 'deactivated' and self.alive(now_ns):
                self.decide(core.deactivate(now))
            elif event.kind == 'robot_frozen':
                self.frozen = self.measured
            elif event.kind == 'other_publisher':
                if core.on_publishers(('/another',), now):
                    self.tick_at(now_ns)
            elif event.kind in CONTROLLER_EVENTS:
                self.upset_controller(event.kind, now_ns)

    def upset_controller(self, kind: str, now_ns: int) -> None:
        """Let the controller go its own way; what it does itself counts no more."""
        if self.audit is not None:
            self.result.use = self.audit.finish(now_ns, self.cell, self.robot)
            self.audit, self.upset_ns = None, now_ns
        if kind == 'controller_restarted':
            self.controller.restart(self.measured)
        elif kind == 'controller_deactivated':
            self.controller.deactivate()
        else:
            self.controller.speed_scaling = float(kind.rpartition('_')[2])

    def alive(self, now_ns: int) -> bool:
        """Tell whether the supervisor runs."""
        return 'supervisor_dies' not in self.dead and now_ns >= self.stalled_until_ns

    def propose(self, now_ns: int) -> None:
        """Let the policy propose, when its time has come."""
        flood = self.active('proposals_flood', now_ns)
        if 'policy_dies' in self.dead or not (flood or now_ns >= self.next_proposal_ns):
            return
        self.next_proposal_ns = now_ns + seconds_to_ns(self.scenario.proposal_period_s)
        plan = self.core.plan
        if plan is None or not self.alive(now_ns):
            return
        at_ns = now_ns + int(self.draw.integers(0, self.period_ns // 2))
        if self.core.on_proposal(self.policy.propose(plan, at_ns), self.instant(at_ns)):
            self.tick_at(at_ns)

    def tick(self, now_ns: int) -> None:
        """Run the supervisor's timer, which is a little late."""
        if now_ns < self.next_tick_ns or not self.alive(now_ns):
            return
        self.next_tick_ns += self.tick_ns
        if self.next_tick_ns <= now_ns:
            self.next_tick_ns = now_ns + self.tick_ns
        self.tick_at(now_ns + int(self.draw.integers(0, self.period_ns)))
        if self.scenario.resets and self.draw.random() < 0.1:
            self.core.reset(self.instant(now_ns))

    def tick_at(self, now_ns: int) -> None:
        """Let the supervisor decide."""
        if not self.alive(now_ns):
            return
        try:
            decision = self.core.tick(self.instant(now_ns))
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError,
                ValueError) as error:
            # Not to be, and it counts as that; the controller is left with what it has.
            self.result.raised = f'{type(error).__name__}: {error}'
            self.dead.add('supervisor_dies')
            return
        self.decide(decision)

    def decide(self, decision: Decision) -> None:
        """Take note of a decision, and publish its command, late where that is what happens."""
        now_ns, result = decision.now.ros_ns, self.result
        if self.active('supervisor_held_up', now_ns):
            now_ns += int(self.draw.integers(0, self.core.command_expires_ns * 2))
            self.stalled_until_ns = max(self.stalled_until_ns, now_ns)
            if (decision.command is not None
                    and now_ns - decision.now.ros_ns > self.core.command_expires_ns):
                decision = self.core.withdraw(decision, self.instant(now_ns))
        result.modes[decision.mode.value] += 1
        result.reasons[decision.reason.value] += 1
        if decision.mode is Mode.READY and not self.ready_ns:
            self.ready_ns, result.ready = now_ns, True
        if (self.upset_ns is not None and result.noticed_s is None
                and decision.mode is Mode.STOPPING):
            result.noticed_s = (now_ns - self.upset_ns) / NS_PER_S
        command = decision.command
        if command is None:
            return
        result.commands += 1
        if not (np.isfinite(command.positions).all() and np.isfinite(command.velocities).all()):
            result.wrong.add('not_finite')
        if command.velocities[-1].any():
            result.wrong.add('no_rest_at_the_end')
        if decision.mode in (Mode.STOPPED, Mode.FAULT):
            result.wrong.add('sent_while_stopped')
        self.way.send(command, now_ns)

    def come_to_rest(self, now_ns: int) -> None:
        """Let everything be over: nothing is sent any more, and what is on the way arrives."""
        self.reports = False
        arrived_ns = now_ns + 2 * seconds_to_ns(self.cell.controller.latency_s)
        give_up_ns = now_ns + seconds_to_ns(_REST_WITHIN_S)
        while now_ns < give_up_ns:
            now_ns += self.period_ns
            self.sample(now_ns)
            if now_ns > max(arrived_ns, self.executed.end_ns):
                break
        if self.audit is not None:
            self.result.use = self.audit.finish(now_ns, self.cell, self.robot)
        self.result.rest = (self.controller.speed_scaling != 1.0
                            or bool(np.abs(self.velocity).max() <= 1e-12))
