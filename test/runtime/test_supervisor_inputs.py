"""What kinds of inputs a supervisor is told depends on its cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.gripper import Gripper
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.runtime.setpoint_stream import SetpointTrouble
from physical_ai_bridge.runtime.supervisor_inputs import SupervisorInputs
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.gripping import supervisor_of
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import example_robot
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

NOW = Instant(10**18, 10**12)
GRIPPER = Gripper(
    joint='finger_joint', unit='m', topic='/gripper_controller/joint_trajectory', rate_hz=100.0,
    min_position=0.0, max_position=0.08, max_velocity=0.1, max_acceleration=1.0, max_jerk=20.0)


def streaming(cell: Cell) -> Cell:
    return replace(cell, controller=replace(
        cell.controller, interface='position_stream', joints=cell.robot.joints,
        topic='/forward_position_controller/commands'))


@pytest.mark.parametrize(('cell', 'kinds'), [
    (example_cell(), set()),
    (streaming(example_cell()), {'setpoints'}),
    (replace(example_cell(), gripper=GRIPPER), {'gripper_state', 'gripper_setpoints'})])
def test_a_stream_and_a_gripper_have_inputs_of_their_own(cell, kinds):
    inputs = SupervisorInputs(supervisor_of(cell, example_robot(cell)), cell)
    special = ('setpoints', 'gripper_state', 'gripper_setpoints')
    assert {kind for kind in special if kind in inputs} == kinds


@pytest.mark.parametrize('kind', ['setpoints', 'gripper_setpoints'])
def test_trouble_of_a_stream_wants_a_tick_at_once(kind):
    cell = streaming(replace(example_cell(), gripper=GRIPPER))
    inputs = SupervisorInputs(supervisor_of(cell, example_robot(cell)), cell)
    held = np.zeros(6 if kind == 'setpoints' else 1)
    assert inputs.take(kind, SetpointTrouble('late', held).payload(), NOW)


@pytest.mark.parametrize(('kind', 'mode', 'reason'), [
    ('proposal', Mode.STOPPING, Reason.PROPOSALS_BAD), ('joint_state', Mode.ACTIVE, Reason.OK)])
def test_proposals_that_do_not_decode_speak_against_the_policy_other_messages_do_not(
        kind, mode, reason):
    robot = SupervisedRobot(example_cell())
    robot.make_ready()
    robot.move_to(np.full(6, 0.3), 30)
    inputs = SupervisorInputs(robot.supervisor, robot.cell)
    bad = robot.cell.safety.watchdogs.bad_proposals
    for _ in range(bad):
        assert not inputs.take(kind, b'', robot.clock.now)
    assert robot.supervisor.refusals == {Reason.MESSAGE_MALFORMED: bad}
    decision = robot.tick()
    assert (decision.mode, decision.reason) == (mode, reason)


@pytest.mark.parametrize('data', [b'', b'{}', b'[]', b'{"detail": "", "held": ["a"]}'])
def test_what_is_no_trouble_of_a_stream_is_refused(data):
    cell = streaming(example_cell())
    core = supervisor_of(cell, example_robot(cell))
    assert not SupervisorInputs(core, cell).take('setpoints', data, NOW)
    assert core.refusals == {Reason.MESSAGE_MALFORMED: 1}
