"""What the integrator lets the supervisor pass on holds from one activation to the next."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.safety.decision import Authority
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot


def test_another_authority_holds_from_the_next_activation_on():
    robot = SupervisedRobot(example_cell(), Authority.LIVE)
    robot.make_ready()
    robot.move_to(np.full(6, 0.3), 10)
    sent = len(robot.commands)
    robot.supervisor.authorise(Authority.SHADOW)
    robot.move_to(np.full(6, 0.3), 10)
    assert len(robot.commands) > sent
    robot.apply(robot.supervisor.deactivate(robot.clock.now))
    robot.tick(100)
    sent = len(robot.commands)
    robot.make_ready()
    robot.tick(10)
    assert len(robot.commands) == sent
