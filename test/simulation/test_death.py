"""Whoever dies, at whatever instant: the controller comes to rest within every limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.simulation.audit import LimitAudit, LimitUse
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot

CELL = example_cell()
PERIOD_NS = 2_000_000


class Execution:
    """What an emulated controller made of the commands that reached it in time."""

    def __init__(self, robot: SupervisedRobot, delays_ms: list[float], dies_at_ns: int) -> None:
        """Deliver each command up to its death after its delay, and play on for a second."""
        arrivals = sorted(
            (command.start_ns + int(delays_ms[i % len(delays_ms)] * 1e6), i, command)
            for i, command in enumerate(robot.commands) if command.start_ns <= dies_at_ns)
        controller = TrajectoryController(robot.names)
        controller.activate(np.zeros(6))
        audit = LimitAudit(limit_arrays(CELL), PERIOD_NS / 1e9)
        audit.reset(np.zeros(6))
        measured = Setpoint(np.zeros(6), np.zeros(6), None)
        self.refused: list[Acceptance] = []
        newest = -1
        begin = robot.commands[0].start_ns
        for now in range(begin, dies_at_ns + 1_500_000_000, PERIOD_NS):
            while arrivals and arrivals[0][0] <= now:
                _, index, command = arrivals.pop(0)
                if index < newest:
                    continue  # DDS does not reorder one writer's reliable messages
                newest = index
                accepted = controller.receive(message_from_trajectory(command), now)
                if accepted is not Acceptance.ACCEPTED:
                    self.refused.append(accepted)
            setpoint = controller.sample(now, measured)
            measured = setpoint
            audit.add(setpoint, setpoint.position, setpoint.velocity)
        self.last = setpoint
        self.use: LimitUse = audit.use


def busy_robot(goals: list[list[float]]) -> SupervisedRobot:
    """Return a robot that chased these goals, 0.2 s each."""
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    for goal in goals:
        robot.move_to(np.array(goal), 20)
    return robot


goals = st.lists(st.lists(st.floats(-2.0, 2.0), min_size=6, max_size=6), min_size=1, max_size=4)
delays = st.lists(st.floats(0.1, 19.0), min_size=1, max_size=7)


@settings(max_examples=40)
@given(goals, delays, st.floats(0.0, 1.0))
def test_a_supervisor_that_dies_leaves_a_motion_that_comes_to_rest(wanted, delays_ms, share):
    robot = busy_robot(wanted)
    span = robot.commands[-1].start_ns - robot.commands[0].start_ns
    execution = Execution(robot, delays_ms, robot.commands[0].start_ns + int(share * span))
    assert np.abs(execution.last.velocity).max() < 1e-12
    assert not execution.refused
    assert not execution.use.exceeded(), execution.use


@settings(max_examples=20)
@given(goals, delays)
def test_a_policy_that_dies_leaves_a_motion_that_comes_to_rest(wanted, delays_ms):
    robot = busy_robot(wanted)
    robot.tick(100)
    execution = Execution(robot, delays_ms, robot.clock.now.ros_ns)
    assert np.abs(execution.last.velocity).max() < 1e-12
    assert not execution.use.exceeded(), execution.use


def test_the_audit_of_this_test_sees_a_jump():
    robot = busy_robot([[1.0] * 6])
    jump = robot.commands[10]
    robot.commands[10] = Trajectory(jump.stamp_ns, jump.joint_names, jump.times_ns,
                                    jump.positions + 0.01, jump.velocities)
    assert Execution(robot, [1.0], jump.start_ns).use.exceeded()
