"""The teacher: stateless, gentle, and it solves the task."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.bundle import ActionSpec
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.simulation import MujocoCell, SocketPose, Teacher
from physical_ai_bridge.simulation.episode import downward, TIP_M
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.teacher import (
    ALIGNED_M,
    funnel_step,
    GOAL_DEPTH_M,
    RETREAT_N,
    with_joint_positions,
)
from physical_ai_bridge.simulation.world import urdf_path
import pytest

SOCKET = SocketPose(x_m=0.45, y_m=0.12, z_m=0.06, yaw_rad=1.5)


def inputs(joints: np.ndarray, force: float = 0.0) -> dict[str, np.ndarray]:
    return {
        'observation.reference': np.stack([joints, np.zeros(6)]).astype(np.float32),
        'observation.wrench.wrist': np.array([[0, 0, -force, 0, 0, 0]], np.float32)}


def test_in_the_place_of_whatever_model_its_rows_are_positions(manifest):
    action = ActionSpec(
        kind='tcp_deltas', horizon=9, period_s=0.1, offset_s=0.2, relative_to='state',
        translation_frame='tcp', rotation_frame='base')
    assert with_joint_positions(replace(manifest, action=action)).action == ActionSpec(
        kind='joint_positions', horizon=9, period_s=0.1, offset_s=0.2)


@pytest.fixture
def teacher(manifest, blind) -> Teacher:
    return Teacher(manifest, blind)


def test_the_chunk_begins_at_the_reference_and_is_in_the_manifests_order(
        teacher, blind, manifest):
    now = blind.advance(2_000_000).joints[-1].position[::-1]
    chunk = teacher.infer(inputs(now))
    assert chunk.shape == (manifest.action.horizon, 6)
    assert chunk.dtype == np.float32
    np.testing.assert_allclose(chunk[0], now, atol=1e-6)
    arm = ArmKinematics(urdf_path(), manifest.joints, 'tool0')
    tips = [position + TIP_M * rotation[:, 2] for rotation, position in map(arm.pose, chunk)]
    goal = np.array([blind.socket.x_m, blind.socket.y_m])
    away = [np.linalg.norm(tip[:2] - goal) for tip in tips]
    assert (np.diff(away) < 0).all(), 'nearer with every row'
    speed = np.linalg.norm(np.diff(tips, axis=0), axis=1) / manifest.action.period_s
    assert speed.max() < 0.15


def test_the_same_inputs_give_the_same_chunk_whatever_came_before(teacher, blind):
    now = blind.advance(2_000_000).joints[-1].position[::-1]
    first = teacher.infer(inputs(now))
    teacher.infer(inputs(now + 0.1, force=30.0))
    np.testing.assert_array_equal(teacher.infer(inputs(now)), first)


@settings(max_examples=60)
@given(x=st.floats(-0.04, 0.04), y=st.floats(-0.04, 0.04), above=st.floats(0.0, 0.1),
       yaw=st.floats(-0.3, 0.3))
def test_from_anywhere_above_the_funnel_ends_in_the_socket_without_scraping(x, y, above, yaw):
    rotation = downward(SOCKET.yaw_rad + yaw)
    tip = np.array([SOCKET.x_m + x, SOCKET.y_m + y, SOCKET.z_m + above])
    for _ in range(1000):
        before = tip
        rotation, tip = funnel_step(rotation, tip, SOCKET, 0.0, 0.01)
        lateral = np.hypot(tip[0] - SOCKET.x_m, tip[1] - SOCKET.y_m)
        if tip[2] < SOCKET.z_m and tip[2] < before[2]:
            assert lateral < ALIGNED_M, 'goes below the face only when aligned'
    assert SOCKET.z_m - tip[2] == pytest.approx(GOAL_DEPTH_M, abs=1e-4)
    np.testing.assert_allclose(rotation, downward(SOCKET.yaw_rad), atol=1e-3)


@given(force=st.floats(0.0, 60.0), more=st.floats(0.0, 20.0))
def test_more_force_is_never_a_faster_descent(force, more):
    rotation, tip = downward(SOCKET.yaw_rad), np.array([SOCKET.x_m, SOCKET.y_m, SOCKET.z_m])
    light = funnel_step(rotation, tip, SOCKET, force, 0.01)[1][2]
    heavy = funnel_step(rotation, tip, SOCKET, force + more, 0.01)[1][2]
    assert heavy >= light
    if force > RETREAT_N:
        assert light > tip[2]


def test_it_needs_no_wrench_input(teacher, blind):
    now = blind.advance(2_000_000).joints[-1].position[::-1]
    only = {'observation.reference': np.stack([now, np.zeros(6)]).astype(np.float32)}
    np.testing.assert_array_equal(teacher.infer(only), teacher.infer(inputs(now)))


def test_followed_slowly_it_inserts_the_connector(cell, manifest):
    """Lockstep runs prove it under the supervisor; here the chunks alone are followed."""
    simulated = MujocoCell(cell, seed=11, cameras=False)
    teacher = Teacher(manifest, simulated)
    now = simulated.advance(2_000_000).joints[-1].position
    while not simulated.episode.done:
        chunk = teacher.infer(inputs(now[::-1]))[:, ::-1].astype(float)
        simulated.execute(Trajectory(
            simulated.now_ns, cell.robot.joints, np.arange(2) * 100_000_000,
            np.stack([now, chunk[2]]), np.zeros((2, 6))))
        simulated.advance(100_000_000)
        now = chunk[2]
    assert simulated.episode.success
    assert simulated.episode.peak_force_n < 25.0
