"""Candidates go on from the plan, keep every limit, end at rest, and change no more than needed."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays, LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.safety.candidates import Candidates
from physical_ai_bridge.safety.limits import Violation
from physical_ai_bridge.safety.plans import Blocked, Passed, Plan
from physical_ai_bridge.safety.trials import JointLimits
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import SEVEN_JOINT_START, seven_joint_cell
import pytest

BEGIN_NS = 1_800_000_000_000_000_000
TICK_NS = 10_000_000
LATENCY_NS = 20_000_000
CELLS = {6: example_cell(), 7: seven_joint_cell()}
STARTS = {6: np.zeros(6), 7: np.array(SEVEN_JOINT_START)}
SIX = CELLS[6]


def limits_of(cell: Cell) -> LimitArrays:
    """Return the joint limits of a cell."""
    return limit_arrays(cell)


def resting(cell: Cell, at_ns: int = BEGIN_NS) -> Plan:
    """Return the plan of a robot that stands at its start."""
    at = np.repeat(STARTS[len(cell.robot.joints)][None, :], 2, axis=0)
    return Plan(Trajectory(
        at_ns, cell.robot.joints, np.array([0, 100_000_000]), at, np.zeros_like(at)))


def shaped(
        cell: Cell, plan: Plan, now_ns: int, goal: np.ndarray, *, bandwidth: float = 20.0,
        faster: float = 1.0, steps: int = 70,
) -> Trajectory:
    """Return a smooth proposal that goes on from the plan to ``goal``, counted from the start."""
    wide = limits_of(cell)
    wide = LimitArrays(wide.position_min, wide.position_max, faster * wide.velocity,
                       faster * wide.acceleration, faster * wide.jerk)
    begin_ns = plan.motion.snap(now_ns + 2 * LATENCY_NS)
    return ReferenceShaper(bandwidth, wide).follow(
        now_ns, begin_ns, plan.motion.at(begin_ns),
        np.repeat((STARTS[len(goal)] + goal)[None, :], steps, axis=0), cell.robot.joints)


def moving(cell: Cell = SIX, goal: float = 0.5, ticks: int = 12) -> tuple[Plan, Trajectory, int]:
    """Return a plan in mid-motion, the proposal that it follows, and now."""
    candidates = Candidates(cell)
    plan = resting(cell)
    path = shaped(cell, plan, BEGIN_NS, np.full(len(cell.robot.joints), goal), bandwidth=12.0)
    for tick in range(ticks):
        passed = candidates.follow(plan, path, BEGIN_NS + tick * TICK_NS)
        assert passed.reason is Reason.OK
        plan = passed.plan
    return plan, path, BEGIN_NS + ticks * TICK_NS


def largest_difference(a: Trajectory, b: Trajectory, from_ns: int, to_ns: int) -> JointMotion:
    """Return how far two motions are apart at most."""
    times = np.arange(from_ns, to_ns, 500_000)
    x, y = a.at_many(times - a.stamp_ns), b.at_many(times - b.stamp_ns)
    return JointMotion(*(np.abs(getattr(x, rate) - getattr(y, rate)).max(initial=0.0)
                         for rate in ('position', 'velocity', 'acceleration', 'jerk')))


def off_the_path(motion: Trajectory, from_ns: int, path: Trajectory) -> float:
    """Return how far ``motion`` gets from the points of ``path``, in rad, from an instant on."""
    dense = np.arange(path.times_ns[0], path.times_ns[-1], 200_000)
    dense = path.at_many(np.append(dense, path.times_ns[-1])).position
    times = np.arange(from_ns, motion.end_ns + 1, 2_000_000) - motion.stamp_ns
    points = motion.at_many(np.append(times, motion.times_ns[-1])).position
    # To the straight lines between dense points of the path, which are off it by nanoradians.
    a, ab = dense[None, :-1], np.diff(dense, axis=0)[None]
    along = ((points[:, None] - a) * ab).sum(axis=2) / np.maximum((ab * ab).sum(axis=2), 1e-30)
    nearest = a + np.clip(along, 0.0, 1.0)[:, :, None] * ab
    return float(np.abs(points[:, None] - nearest).max(axis=2).min(axis=1).max())


def assert_is_safe(passed: Passed, plan: Plan, now_ns: int, cell: Cell) -> None:
    """Hold a candidate against I1, I2, I4, I5 and what it says of itself."""
    motion = passed.motion
    assert JointLimits(cell).check(motion) is None
    assert not motion.velocities[-1].any()
    assert np.abs(motion.at(motion.end_ns).acceleration).max() < 0.1
    assert motion.start_ns <= now_ns < passed.diverges_ns
    same = largest_difference(motion, plan.motion, motion.start_ns, passed.diverges_ns)
    assert same.position <= 1e-9
    assert same.velocity <= 1e-6
    assert passed.checks <= Candidates.MOST_CHECKS
    if passed.tail == 'path' and passed.plan.path is not None:
        assert off_the_path(motion, passed.plan.tail_ns, passed.plan.path) < 1


numbers = st.floats(-1.0, 1.0)


@st.composite
def stories(draw: st.DrawFn) -> list[dict]:
    """Return what is proposed, one entry each, with how long it is followed."""
    joints = draw(st.sampled_from([6, 7]))
    return joints, draw(st.lists(st.fixed_dictionaries({
        'goal': st.lists(numbers, min_size=joints, max_size=joints),
        'size': st.sampled_from([0.0, 0.03, 0.3, 2.0]),
        'bandwidth': st.floats(4.0, 30.0),
        'faster': st.sampled_from([1.0, 1.0, 1.3]),
        'shift': st.sampled_from([0.0, 0.0, 0.0, 1e-3, 0.05]),
        'stretch': st.sampled_from([1.0, 1.0, 1.1]),
        'share': st.sampled_from([1.0, 1.0, 0.5, 0.1]),
        'steps': st.sampled_from([1, 3, 12, 70]),
        'ticks': st.integers(1, 12),
        'late_ns': st.integers(0, 3_000_000),
    }), min_size=1, max_size=5))


@settings(max_examples=150)
@given(stories())
def test_whatever_is_proposed_each_candidate_is_safe_and_so_is_each_stop(story):
    joints, proposals = story
    cell = CELLS[joints]
    candidates = Candidates(cell)
    plan, now_ns = resting(cell), BEGIN_NS
    for proposal in proposals:
        path = shaped(cell, plan, now_ns, proposal['size'] * np.array(proposal['goal']),
                      bandwidth=proposal['bandwidth'], faster=proposal['faster'],
                      steps=proposal['steps'])
        path = Trajectory(path.stamp_ns, path.joint_names, path.times_ns,
                          path.positions + proposal['shift'],
                          path.velocities * proposal['stretch'])
        for _ in range(proposal['ticks']):
            now_ns += TICK_NS + proposal['late_ns']
            if now_ns < plan.motion.start_ns or candidates.exhausted(path, now_ns):
                continue
            stop = candidates.stop(plan, path, now_ns)
            if stop is not None:
                assert_is_safe(stop, plan, now_ns, cell)
                assert stop.motion.end_ns < plan.motion.end_ns
            passed = candidates.follow(plan, path, now_ns, speed_share=proposal['share'])
            assert passed.checks <= Candidates.MOST_CHECKS
            if isinstance(passed, Passed):
                assert_is_safe(passed, plan, now_ns, cell)
                if passed.reason is Reason.OK:
                    same = largest_difference(
                        passed.motion, path, max(path.start_ns, now_ns + LATENCY_NS),
                        passed.plan.tail_ns)
                    assert same.position <= 1e-9
                plan, path = passed.plan, passed.path
