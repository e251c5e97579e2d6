"""A stream of setpoints that has left the plan stops the motion, and says where the robot is."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest


@pytest.fixture
def moving() -> SupervisedRobot:
    robot = SupervisedRobot(example_cell())
    robot.make_ready()
    robot.move_to(np.full(6, 0.5), 15)
    assert robot.decisions[-1].mode is Mode.ACTIVE
    return robot


def stay(robot: SupervisedRobot, at: np.ndarray) -> None:
    """Let the robot stand at a setpoint, whatever its plan is."""
    robot.position, robot.command = at, None


def test_a_robot_that_was_left_amid_its_plan_is_stopped_and_stays_there(moving):
    held = moving.position.copy()
    stay(moving, held)
    assert moving.supervisor.on_setpoints('the process paused', held, moving.clock.now)
    decision = moving.tick()
    assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.SETPOINTS_LATE)
    assert decision.command is None
    np.testing.assert_array_equal(moving.supervisor.plan.positions[-1], held)
    assert moving.tick(60).mode is Mode.STOPPED


def test_after_a_reset_the_next_motion_begins_where_it_was_left(moving):
    held = moving.position.copy()
    stay(moving, held)
    moving.supervisor.on_setpoints('the process paused', held, moving.clock.now)
    moving.tick(60)
    assert moving.supervisor.reset(moving.clock.now) is None
    moving.command = moving.supervisor.plan
    before = len(moving.commands)
    moving.move_to(np.full(6, 0.5), 5)
    np.testing.assert_array_equal(moving.commands[before].positions[0], held)


def test_while_the_stream_is_on_its_way_to_rest_nothing_resets_it(moving):
    moving.supervisor.on_setpoints('0.024 s behind the plan', None, moving.clock.now)
    assert moving.tick().reason is Reason.SETPOINTS_LATE
    moving.tick(80)
    refusal = moving.supervisor.reset(moving.clock.now)
    assert refusal.reason is Reason.SETPOINTS_LATE
    moving.supervisor.on_setpoints(
        '0.024 s behind the plan', moving.position, moving.clock.now)
    moving.tick()
    assert moving.supervisor.reset(moving.clock.now) is None


def test_the_cause_is_kept_though_it_is_over_before_the_next_tick(moving):
    moving.supervisor.on_setpoints('late', None, moving.clock.now)
    moving.supervisor.on_setpoints('late', moving.position, moving.clock.now)
    assert moving.tick().mode is Mode.STOPPING
