"""A policy that moves a gripper: from its action's last column to the gripper's controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.gripper import Gripper, GripperAction
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.gripper_loop import GripperLoop
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.testing.contracts import example_binding, example_cell, example_manifest
from physical_ai_bridge.testing.ideal_cell import IdealCell
from physical_ai_bridge.testing.robots import example_robot
import pytest

JOINT = 'finger_joint'
MS = 1_000_000


def binding() -> Binding:
    cell = replace(example_cell(), gripper=Gripper(
        joint=JOINT, unit='m', topic='/gripper_controller/joint_trajectory', rate_hz=100.0,
        min_position=0.0, max_position=0.08, max_velocity=0.1, max_acceleration=1.0,
        max_jerk=20.0))
    return example_binding(cell, example_manifest(
        gripper=GripperAction(joint=JOINT, unit='m', observed=True)))


class GrippingPolicy:
    """Moves the arm to a goal, and closes the gripper to ``opening``, whatever it sees."""

    def __init__(self, opening: float) -> None:
        self.opening = opening
        self.seen: list[float] = []

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return 16 rows of six joints and the gripper."""
        self.seen.append(float(inputs['observation.gripper'][0]))
        return np.tile(np.array([*np.full(6, 0.1), self.opening], np.float32), (16, 1))


def run(policy: GrippingPolicy, cycles: int) -> tuple[Lockstep, IdealCell]:
    bound = binding()
    cell = IdealCell(bound.cell)
    loop = Lockstep(bound, policy, cell, robot=example_robot(bound.cell),
                    latency_ns=lambda: 30 * MS)
    for _ in range(cycles):
        decision = loop.cycle()
    assert decision.mode is Mode.ACTIVE
    return loop, cell


@pytest.mark.parametrize('opening', [0.01, 0.0])
def test_the_gripper_gets_where_the_policy_wants_it_beside_the_arm(opening):
    policy = GrippingPolicy(opening)
    loop, cell = run(policy, 250)
    assert cell.position_at(cell.now_ns) == pytest.approx(np.full(6, 0.1), abs=1e-3)
    assert cell.gripper_commands[-1].at(cell.now_ns).position[0] == pytest.approx(
        opening, abs=1e-3)
    assert policy.seen[0] == pytest.approx(0.08)
    assert policy.seen[-1] == pytest.approx(opening, abs=1e-3)
    assert not loop.supervisor.refusals
    assert loop.supervisor.gripper_limited is None


def test_a_policy_that_asks_for_more_than_the_gripper_can_gets_its_end():
    _, cell = run(GrippingPolicy(-0.5), 250)
    assert cell.gripper_commands[-1].at(cell.now_ns).position[0] == pytest.approx(0.0, abs=1e-3)


def test_until_the_gripper_is_known_proposals_are_the_arms_alone():
    bound = binding()
    loop = GripperLoop(bound)
    arm = Trajectory.hold(10**9, bound.cell.robot.joints, np.zeros(6))
    assert loop.join(arm) is arm
    assert loop.settle(arm) is arm
