"""Whatever is proposed, whatever dies: within limits, and to rest. Many scenarios of one seed."""

from __future__ import annotations

from dataclasses import replace

from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.scenarios import (
    CONTROLLER_EVENTS,
    EVENTS,
    HOSTILE,
    random_scenario,
)
from physical_ai_bridge.testing.shield import run
import pytest

# In CI; benchmarks/shield_scenarios.py runs as many as wanted.
CHUNKS, PER_CHUNK = 8, 15


@pytest.mark.parametrize('chunk', range(CHUNKS))
def test_no_limit_is_broken_and_it_comes_to_rest(chunk):
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        scenario = random_scenario(seed)
        outcome = run(scenario)
        assert outcome.ready
        assert outcome.violations() == (), (seed, outcome)


def test_the_same_seed_gives_the_same_outcome():
    first, second = (run(random_scenario(7)) for _ in range(2))
    assert first.use == second.use
    assert (first.commands, first.modes, first.reasons) == (
        second.commands, second.modes, second.reasons)


def test_scenarios_meet_every_fault():
    met = {fault for seed in range(600) for fault in random_scenario(seed).faults}
    assert met >= {*HOSTILE, *EVENTS, *CONTROLLER_EVENTS, 'loss', 'duplicates', 'reordering',
                   'latency'}


class Leap(Supervisor):
    """A supervisor that once in a while sends the robot a little aside."""

    ticks = 0

    def tick(self, now):
        """Decide, and spoil it."""
        decision = super().tick(now)
        self.ticks += 1
        command = decision.command
        if command is None or self.ticks % 10:
            return decision
        aside = Trajectory(command.stamp_ns, command.joint_names, command.times_ns,
                           command.positions + 1e-6, command.velocities)
        return replace(decision, command=aside)


class Overshoot(Supervisor):
    """A supervisor that forgets the brake."""

    def tick(self, now):
        """Decide, and cut the end off."""
        decision = super().tick(now)
        command = decision.command
        if command is None or len(command.times_ns) < 3:
            return decision
        velocities = command.velocities[:-1].copy()
        velocities[-1] = 0.0
        return replace(decision, command=Trajectory(
            command.stamp_ns, command.joint_names, command.times_ns[:-1],
            command.positions[:-1], velocities))


@pytest.mark.parametrize(('broken', 'what'), [
    (Leap, 'position_jump'), (Overshoot, 'jerk')])
def test_a_supervisor_that_does_wrong_is_found_out(broken, what):
    smooth = next(scenario for scenario in map(random_scenario, range(100))
                  if scenario.faults in ((), ('latency',)))
    assert what in run(smooth, broken).violations()


class Raising(Supervisor):
    """A supervisor with an error of its own."""

    def tick(self, now):
        """Raise once there is a plan."""
        if self.plan is not None:
            raise ValueError('at a loss')
        return super().tick(now)


class Restless(Supervisor):
    """A supervisor whose commands end in motion, or come although it is stopped."""

    def tick(self, now):
        """Decide, and spoil it."""
        decision = super().tick(now)
        if decision.mode is Mode.STOPPED:
            return replace(decision, command=self.plan)
        command = decision.command
        if command is None:
            return decision
        velocities = command.velocities.copy()
        velocities[-1] = 1e-12
        return replace(decision, command=Trajectory(
            command.stamp_ns, command.joint_names, command.times_ns, command.positions,
            velocities))


def test_a_supervisor_that_raises_is_found_out():
    outcome = run(random_scenario(0), Raising)
    assert 'raised' in outcome.violations()
    assert outcome.raised == 'ValueError: at a loss'


def test_commands_that_are_wrong_by_themselves_are_found_out():
    stops = next(scenario for scenario in map(random_scenario, range(200))
                 if [event.kind for event in scenario.events] == ['stop_called']
                 and scenario.duration_s - scenario.events[0].at_s > 0.4)
    assert {'no_rest_at_the_end', 'sent_while_stopped'} <= set(run(stops, Restless).violations())
