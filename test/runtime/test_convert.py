"""Trajectories survive the way through a message; malformed ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory, trajectory_from_message
import pytest

PATH = Trajectory(10**18, ('a', 'b'), np.array([0, 10**7]), np.array([[0.1, 0.2], [0.3, 0.4]]),
                  np.array([[1.0, 2.0], [0.0, 0.0]]))


def test_there_and_back_is_the_same_motion():
    back = trajectory_from_message(message_from_trajectory(PATH), ('a', 'b'))
    assert back.stamp_ns == PATH.stamp_ns
    for name in ('times_ns', 'positions', 'velocities'):
        assert np.array_equal(getattr(back, name), getattr(PATH, name))


def test_columns_follow_the_order_that_is_asked_for():
    back = trajectory_from_message(message_from_trajectory(PATH), ('b', 'a'))
    assert np.array_equal(back.positions, PATH.positions[:, ::-1])


GOOD = message_from_trajectory(PATH)


@pytest.mark.parametrize('bad', [
    TrajectoryMessage(0, ('a', 'b'), ()),
    replace(GOOD, joint_names=('a', 'c')),
    replace(GOOD, joint_names=('a', 'a')),
    replace(GOOD, points=(GOOD.points[0], replace(GOOD.points[1], velocities=()))),
    replace(GOOD, points=(GOOD.points[0], GOOD.points[0])),
    replace(GOOD, points=(replace(GOOD.points[0], positions=(float('nan'), 0.0)),)),
])
def test_a_command_that_is_no_motion_of_these_joints_is_refused(bad):
    with pytest.raises(WireError, match='JointTrajectory'):
        trajectory_from_message(bad, ('a', 'b'))
