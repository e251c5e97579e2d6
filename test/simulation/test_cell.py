"""The simulated cell: sensors, controller, task and time."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
from physical_ai_bridge.contract.samples import TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.simulation import MujocoCell, SocketPose
from physical_ai_bridge.simulation.controller import Acceptance
from physical_ai_bridge.simulation.episode import EpisodeJudge, TIP_M
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.world import urdf_path
import pytest

MS = 1_000_000


def quiet_force(batch) -> np.ndarray:
    """Return the mean force of a batch: the noise averages out."""
    return np.mean([sample.force for sample in batch.wrenches['wrist']], axis=0)


def straight_down(cell: MujocoCell, tip_z_m: float, seconds: float) -> Trajectory:
    """Return a motion that brings the tip to a height, straight down from where it is."""
    arm = ArmKinematics(urdf_path(), cell.cell.robot.joints, 'tool0')
    now = cell.advance(2 * MS).joints[-1].position
    rotation, position = arm.pose(now)
    position[2] = tip_z_m + TIP_M
    goal, _ = arm.solve(now, rotation, position)
    return Trajectory(
        cell.now_ns, cell.cell.robot.joints, np.array([0, round(seconds * 1e9)]),
        np.stack([now, goal]), np.zeros((2, 6)))


def test_stamps_are_those_of_the_rates(blind):
    start = blind.now_ns
    batch = blind.advance(10 * MS)
    grid = [start + k * 2 * MS for k in range(1, 6)]
    assert [sample.stamp_ns for sample in batch.joints] == grid
    assert [sample.stamp_ns for sample in batch.wrenches['wrist']] == grid
    assert blind.now_ns == start + 10 * MS
    assert batch.images == {}


def test_time_passes_in_whole_steps(blind):
    with pytest.raises(ValueError, match='whole steps'):
        blind.advance(3 * MS)


def test_without_commands_it_stands_still_and_feels_nothing(blind):
    before = blind.advance(2 * MS).joints[-1].position
    batch = blind.advance(1000 * MS)
    np.testing.assert_allclose(batch.joints[-1].position, before, atol=1e-6)
    assert np.abs(quiet_force(batch)).max() < 0.1
    noise = np.array([sample.force for sample in batch.wrenches['wrist']]).std(axis=0)
    assert (noise > 0.1).all()
    assert (noise < 0.3).all()


def test_the_tools_weight_is_taken_off_in_any_orientation(blind):
    start = blind.advance(2 * MS).joints[-1].position
    goal = start + np.array([0.0, 0.0, 0.0, 0.7, 0.5, 0.9])
    blind.execute(Trajectory(
        blind.now_ns, blind.cell.robot.joints, np.array([0, 2_000 * MS]),
        np.stack([start, goal]), np.zeros((2, 6))))
    blind.advance(3_000 * MS)
    batch = blind.advance(500 * MS)
    torque = np.mean([sample.torque for sample in batch.wrenches['wrist']], axis=0)
    assert np.abs(quiet_force(batch)).max() < 0.1
    assert np.abs(torque).max() < 0.01


def test_pressing_down_gives_a_negative_z_force_in_the_tools_frame(cell):
    # This seed starts 14 mm beside the socket, over the block's rim: nothing yields there.
    simulated = MujocoCell(cell, seed=24, cameras=False)
    simulated.execute(straight_down(simulated, simulated.socket.z_m - 0.001, 2.0))
    simulated.advance(2_500 * MS)
    force = quiet_force(simulated.advance(500 * MS))
    assert force[2] < -2.0
    assert abs(force[2]) > 2 * np.abs(force[:2]).max()
    assert simulated.episode.peak_force_n >= abs(force[2])
    assert simulated.episode.depth_m < 0.001, 'nor does the block'


def test_the_same_seed_gives_the_same_bits(cell):
    def run(simulated: MujocoCell) -> tuple:
        simulated.execute(straight_down(simulated, 0.05, 1.0))
        batch = simulated.advance(1_500 * MS)
        return (
            np.array([sample.position for sample in batch.joints]).tobytes(),
            np.array([(s.force, s.torque) for s in batch.wrenches['wrist']]).tobytes(),
            {name: bytes(image.data) for name, image in batch.images.items()})

    simulated = MujocoCell(cell, seed=5)
    first = run(simulated)
    simulated.reset(6)
    assert run(simulated)[0] != first[0]
    simulated.reset(5)
    again = run(simulated)
    simulated.close()
    other = MujocoCell(cell, seed=5)
    assert again == first
    assert run(other) == first
    other.close()


def test_the_joints_follow_the_command(blind):
    command = straight_down(blind, 0.10, 1.0)
    blind.execute(command)
    batch = blind.advance(2_000 * MS)
    np.testing.assert_allclose(batch.joints[-1].position, command.positions[-1], atol=1e-4)
    assert blind.limit_use.exceeded() == ('reference_jerk',), 'a cubic starts with a jerk'


def test_joints_come_and_go_in_the_cells_order(cell):
    turned = dataclasses.replace(cell, robot=dataclasses.replace(
        cell.robot, joints=tuple(reversed(cell.robot.joints))))
    one, other = MujocoCell(cell, cameras=False), MujocoCell(turned, cameras=False)
    for simulated in (one, other):
        simulated.execute(straight_down(simulated, 0.10, 0.5))
    np.testing.assert_allclose(
        one.advance(1_000 * MS).joints[-1].position,
        other.advance(1_000 * MS).joints[-1].position[::-1], atol=1e-9)


def test_what_is_not_a_number_does_not_move_the_arm_and_is_noticed(blind):
    before = blind.advance(2 * MS).joints[-1].position
    nan = TrajectoryPoint(0, (float('nan'),) * 6, (), (), ())
    assert blind.receive(TrajectoryMessage(blind.now_ns, blind.cell.robot.joints, (nan,))) \
        is Acceptance.ACCEPTED
    batch = blind.advance(100 * MS)
    np.testing.assert_allclose(batch.joints[-1].position, before, atol=1e-6)
    assert 'reference_position' in blind.limit_use.exceeded()


def test_reset_may_keep_the_clock_running(blind):
    blind.advance(500 * MS)
    now = blind.now_ns
    blind.reset(3, start_ns=now)
    assert blind.now_ns == now
    assert blind.episode.elapsed_s == 0.0
    assert blind.advance(2 * MS).joints[0].stamp_ns == now + 2 * MS


SOCKET = SocketPose(x_m=0.45, y_m=0.12, z_m=0.06, yaw_rad=0.0)


def judged(*path: tuple[float, float, float]) -> EpisodeJudge:
    """Return a judge that saw (time in s, depth in m, lateral in m) every 2 ms until the next."""
    judge = EpisodeJudge()
    judge.begin(0)
    for (since, depth, lateral), (until, *_) in pairwise(path):
        for ms in range(round(since * 1000), round(until * 1000), 2):
            judge.look(ms * MS, [0.45 + lateral, 0.12, 0.06 - depth], SOCKET, 0.0)
    return judge


@pytest.mark.parametrize(('path', 'success'), [
    (((0, 0.0145, 0.001), (0.31, 0, 0)), True),
    (((0, 0.0145, 0.001), (0.29, 0, 0)), False),
    (((0, 0.0135, 0.001), (1, 0, 0)), False),
    (((0, 0.0145, 0.004), (1, 0, 0)), False),
    (((0, 0.0145, 0.001), (0.2, 0.01, 0.001), (0.21, 0.0145, 0.001), (0.45, 0, 0)), False),
    (((0, 0.0145, 0.001), (0.4, 0.0, 0.0), (1, 0, 0)), True),
    (((11.8, 0.0145, 0.001), (12.2, 0, 0)), False),
])
def test_success_is_deep_and_central_held_and_in_time(path, success):
    assert judged(*path).status.success is success


def test_an_episode_is_done_at_success_or_when_time_is_up():
    assert judged((0, 0.0145, 0.0), (0.4, 0, 0)).status.done
    assert not judged((0, 0.0, 0.0), (11.9, 0, 0)).status.done
    assert judged((0, 0.0, 0.0), (12.1, 0, 0)).status.done
