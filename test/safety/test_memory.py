"""What the supervisor holds does not grow with time, whatever comes in."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import numpy as np
from physical_ai_bridge.contract.samples import JointSample, TrajectoryMessage
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot

CELL = example_cell()
GOALS = np.array([0.2, -0.15, 0.25, 0.1, -0.3, 0.4]) * np.array([[1.0], [-1.0]])
# What one second holds more than another, when it ends in another place of the motion.
ALLOWED_BYTES = 32 * 1024
# Counters grow out of Python's ready-made integers; one thing kept per tick would be 2400.
ALLOWED_BLOCKS = 400


def live_on(robot: SupervisedRobot, ticks: int) -> None:
    """Move to and fro for some ticks, with something bad among the inputs now and then."""
    for index in range(ticks):
        if index % 10 == 0:
            robot.propose(robot.proposal_to(GOALS[index // 100 % 2]))
        if index % 7 == 0:
            robot.supervisor.on_proposal(
                TrajectoryMessage(robot.clock.now.ros_ns, ('a',), ()), robot.clock.now)
            robot.supervisor.on_joint_state(
                JointSample(robot.clock.now.ros_ns, ('a', 'b'), np.zeros(1)), robot.clock.now)
        robot.supervisor.on_publishers(('/rqt',) * (index % 400 == 399), robot.clock.now)
        robot.tick()
        if robot.supervisor.reset(robot.clock.now) is None:
            robot.command = robot.supervisor.plan
        robot.commands.clear()
        robot.decisions.clear()


def live_blocks() -> int:
    """Return how many pieces of memory Python holds, once all garbage is gone."""
    gc.collect()
    return sys.getallocatedblocks()


def test_thousands_of_ticks_leave_nothing_behind():
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    live_on(robot, 800)
    before = live_blocks()
    live_on(robot, 2400)
    assert live_blocks() - before < ALLOWED_BLOCKS


def test_hundreds_of_ticks_leave_no_bytes_behind():
    robot = SupervisedRobot(CELL)
    robot.make_ready()
    live_on(robot, 400)
    tracemalloc.start()
    try:
        live_on(robot, 200)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        live_on(robot, 400)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < ALLOWED_BYTES
    finally:
        tracemalloc.stop()
