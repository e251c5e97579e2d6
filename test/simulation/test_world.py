"""The URDF, the MJCF and the cell file describe one robot."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.simulation.episode import (
    downward,
    draw_episode,
    NOMINAL_X_M,
    NOMINAL_Y_M,
    NOMINAL_YAW_RAD,
)
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.world import urdf_path, World
import pinocchio
import pytest

angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6).map(np.array)


@pytest.fixture(scope='module')
def world(cell):
    return World(cell)


@pytest.fixture(scope='module')
def arm(cell):
    return ArmKinematics(urdf_path(), cell.robot.joints, 'tool0')


@given(joints=angles)
def test_forward_kinematics_of_urdf_and_mjcf_agree(world, arm, joints):
    data = mujoco.MjData(world.model)
    data.qpos[world.joint_index] = joints
    mujoco.mj_kinematics(world.model, data)
    rotation, position = arm.pose(joints)
    np.testing.assert_allclose(data.body('tool0').xpos, position, atol=1e-12)
    np.testing.assert_allclose(data.body('tool0').xmat.reshape(3, 3), rotation, atol=1e-12)


def test_masses_inertias_and_limits_of_urdf_and_mjcf_agree(world):
    urdf, model = pinocchio.buildModelFromUrdf(str(urdf_path())), world.model
    for name, inertia in zip(urdf.names[1:], urdf.inertias[1:], strict=True):
        joint = model.joint(name)
        body = model.body(joint.bodyid[0])
        assert body.mass[0] == pytest.approx(inertia.mass)
        np.testing.assert_allclose(body.ipos, inertia.lever, atol=1e-12)
        principal = np.sort(np.linalg.eigvalsh(inertia.inertia))
        np.testing.assert_allclose(np.sort(body.inertia), principal, atol=1e-9)
        index = urdf.getJointId(name) - 1
        assert joint.range[1] == pytest.approx(urdf.upperPositionLimit[index])
        assert model.actuator(name).forcerange[1] == pytest.approx(urdf.effortLimit[index])


def test_published_ur5e_pose_at_zero(arm):
    # From the published DH table: a2 + a3 along x, d4 + d6 beside it, d1 - d5 up.
    _, position = arm.pose(np.zeros(6))
    np.testing.assert_allclose(
        position, (0.425 + 0.3922, 0.1333 + 0.0996, 0.1625 - 0.0997), atol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_inverse_kinematics_reaches_any_pose_of_the_task(arm, seed):
    tip = draw_episode(seed).tip
    near = np.array([0.0, -1.52, 2.11, -2.16, -1.57, 0.0])
    goal, position = downward(tip.yaw_rad), np.array([tip.x_m, tip.y_m, tip.z_m + 0.13])
    joints, left = arm.solve(near, goal, position)
    assert left < 1e-8
    reached, at = arm.pose(joints)
    np.testing.assert_allclose(at, position, atol=1e-7)
    np.testing.assert_allclose(reached, goal, atol=1e-7)
    assert np.abs(joints - near).max() < 1.0, 'the posture changed'


@given(seed=st.integers(0, 2**31))
def test_a_seed_draws_a_pose_within_the_spread(seed):
    draw = draw_episode(seed)
    assert draw == draw_episode(seed)
    for pose in (draw.socket, draw.tip):
        assert abs(pose.x_m - NOMINAL_X_M) <= 0.03
        assert abs(pose.y_m - NOMINAL_Y_M) <= 0.03
        assert abs(np.degrees(pose.yaw_rad - NOMINAL_YAW_RAD)) <= 15.0
    assert draw.socket.z_m == 0.06
    assert 0.06 <= draw.tip.z_m - draw.socket.z_m <= 0.10


def test_a_cell_that_is_not_this_one_is_refused_with_every_difference(cell):
    scene = dataclasses.replace(cell.sensors.cameras['scene'], encoding='mono8')
    sensors = dataclasses.replace(cell.sensors, cameras={'left': scene})
    with pytest.raises(CellError) as refused:
        World(dataclasses.replace(cell, sensors=sensors))
    assert [problem.key for problem in refused.value.problems] == [
        'sensors.cameras.left', 'sensors.cameras.left.encoding']
