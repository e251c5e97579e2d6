"""The whole loop in lockstep: what is observed becomes motion, and what is bad does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.bundle import ContactGuard
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.testing.contracts import example_binding, example_manifest, JOINTS
from physical_ai_bridge.testing.ideal_cell import IdealCell
from physical_ai_bridge.testing.policies import GoalPolicy
from physical_ai_bridge.testing.robots import example_robot
import pytest

GOAL = np.array([0.10, -0.05, 0.08, 0.02, -0.06, 0.12])
MS = 1_000_000


class Run:
    """One lockstep run and everything it left behind."""

    def __init__(self, *, latency_ms: float = 30.0, binding: Binding | None = None) -> None:
        self.binding = binding or example_binding()
        self.cell = IdealCell(self.binding.cell)
        order = self.binding.model_from_cell
        self.policy = GoalPolicy(self.binding.manifest, GOAL[order])
        self.observed: list[int] = []
        self.lockstep = Lockstep(
            self.binding, self.policy, self.cell,
            robot=example_robot(self.binding.cell), latency_ns=lambda: round(latency_ms * MS),
            observer=lambda observation, actions: self.observed.append(observation.stamp_ns))
        self.decisions: list[Decision] = []

    def cycles(self, count: int) -> Decision:
        """Run cycles and return the last decision."""
        for _ in range(count):
            self.decisions.append(self.lockstep.cycle())
        return self.decisions[-1]

    @property
    def position(self) -> np.ndarray:
        """Where the robot is now."""
        return self.cell.position_at(self.cell.now_ns)


def test_the_robot_gets_where_the_policy_wants_it():
    run = Run()
    assert run.cycles(300).mode is Mode.ACTIVE
    assert run.position == pytest.approx(GOAL, abs=1e-3)


def test_a_smooth_policy_is_never_limited():
    run = Run()
    run.cycles(300)
    assert {d.mode for d in run.decisions} == {Mode.INACTIVE, Mode.READY, Mode.ACTIVE}


def test_a_model_with_another_joint_order_moves_the_same_joints():
    run = Run(binding=example_binding(manifest=example_manifest(joints=JOINTS[::-1])))
    run.cycles(300)
    assert run.position == pytest.approx(GOAL, abs=1e-3)


@pytest.mark.parametrize('latency_ms', [0.0, 90.0])
def test_latency_changes_when_it_moves_but_not_where_to(latency_ms):
    run = Run(latency_ms=latency_ms)
    run.cycles(300)
    assert run.position == pytest.approx(GOAL, abs=1e-3)


def test_an_inference_is_made_at_the_policys_rate():
    run = Run()
    run.cycles(300)
    spacing = np.diff(run.observed) / 1e9
    period = 1.0 / run.binding.manifest.rate_hz
    assert spacing.min() >= 0.75 * period
    assert spacing.mean() == pytest.approx(period, rel=0.5)


def test_it_is_deterministic():
    first, second = Run(), Run()
    first.cycles(150)
    second.cycles(150)
    assert len(first.cell.commands) == len(second.cell.commands)
    for a, b in zip(first.cell.commands, second.cell.commands, strict=True):
        assert a.stamp_ns == b.stamp_ns
        assert np.array_equal(a.times_ns, b.times_ns)
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.velocities, b.velocities)


def test_without_a_camera_nothing_is_inferred_and_nothing_moves():
    run = Run()
    run.cell.blind = {'wrist'}
    assert run.cycles(150).mode is Mode.READY
    assert not run.policy.seen
    assert not run.position.any()


def test_a_camera_that_dies_stops_the_motion():
    run = Run()
    run.cycles(40)
    run.cell.blind = {'wrist'}
    decision = run.cycles(150)
    assert (decision.mode, decision.reason) == (Mode.STOPPED, Reason.PROPOSALS_SILENT)


def test_an_inference_that_fails_is_counted_and_the_loop_goes_on():
    run = Run()
    run.cycles(60)
    before = len(run.observed)

    def fail() -> None:
        run.policy.before = lambda: None
        raise InferenceError(Reason.INFERENCE_FAILED, 'for a test')

    run.policy.before = fail
    assert run.cycles(60).mode is Mode.ACTIVE
    assert run.lockstep.loop.refusals[Reason.INFERENCE_FAILED] == 1
    assert len(run.observed) > before


def test_a_chunk_that_is_not_finite_never_becomes_motion():
    run = Run()
    run.policy.goal = np.full(6, np.nan, np.float32)
    assert run.cycles(150).mode is Mode.READY
    assert run.lockstep.loop.refusals[Reason.ACTION_MALFORMED] > 0
    assert not run.position.any()


def test_a_chunk_that_comes_too_late_is_refused():
    run = Run(latency_ms=900.0)
    run.cycles(250)
    assert run.lockstep.loop.refusals[Reason.DEADLINE_MISSED] > 0
    assert not run.position.any()


def guarded() -> Run:
    """Return a run whose bundle yields above 20 N."""
    manifest = example_manifest()
    shaping = replace(manifest.shaping, contact_guard=ContactGuard(sensor='wrist', force_n=20.0))
    return Run(binding=example_binding(manifest=replace(manifest, shaping=shaping)))


def test_under_twice_the_guards_force_the_reference_stays_where_the_robot_is():
    run, free = guarded(), guarded()
    for each in (run, free):
        each.cycles(40)
    run.cell.force_n = 40.0
    for each in (run, free):
        each.cycles(60)
    assert np.abs(run.position - GOAL).max() > 5 * np.abs(free.position - GOAL).max()
    run.cell.force_n = 0.0
    run.cycles(200)
    assert run.position == pytest.approx(GOAL, abs=1e-3)


def test_while_it_yields_it_proposes_anew_at_every_step_of_the_reference():
    run = guarded()
    run.cycles(40)
    run.cell.force_n = 30.0
    run.cycles(5)
    now = run.decisions[-1].now
    assert run.lockstep.loop.refresh(now) is None
    assert run.lockstep.loop.refresh(now.later(10 * MS)) is not None


def test_a_contact_between_two_ticks_is_answered_at_its_own_instant():
    run = Run()
    before = run.cycles(50)
    assert before.mode is Mode.ACTIVE
    sent = len(run.cell.commands)
    run.cell.force_n = 95.0
    run.cycles(1)
    plan, stop = run.cell.commands[sent - 1:]
    assert run.decisions[-1].reason is Reason.FORCE_LIMIT
    assert not stop.velocities[-1].any()
    # The cycle's first sample has it: the stop leaves the plan a command's way after that, not
    # after the tick that ends the cycle.
    at = before.now.ros_ns + (10 + 20 - 1) * MS
    assert np.abs(stop.at(at).position - plan.at(at).position).max() > 1e-7


def test_when_ros_time_is_set_back_it_observes_again():
    run = Run()
    run.cycles(60)
    earlier = IdealCell(run.binding.cell, run.cell.now_ns - 3_600_000_000_000)
    loop = run.lockstep.loop
    batch = earlier.advance(200 * MS)
    now = Instant(earlier.now_ns, run.decisions[-1].now.steady_ns + 200 * MS)
    for sample in batch.joints:
        loop.on_joint_state(sample, now)
    for sample in batch.wrenches['wrist']:
        loop.on_wrench('wrist', sample, now)
    for camera, image in batch.images.items():
        loop.on_image(camera, image, now)
    assert loop.due(now)
    assert not isinstance(loop.observe(now), Refusal)
    assert not loop.due(now)


def test_settling_ends_at_rest_without_turning_back():
    run = Run()
    run.cycles(45)
    now = run.decisions[-1].now
    proposal = run.lockstep.loop.settle(now)
    assert not proposal.velocities[-1].any()
    moving = np.abs(proposal.velocities[0]) > 1e-3
    assert moving.any()
    along = proposal.velocities[:, moving] * np.sign(proposal.velocities[0, moving])
    assert along.min() > -1e-3
