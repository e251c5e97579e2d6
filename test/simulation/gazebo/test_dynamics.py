"""
The arm and the socket, as SDFormat reads them, behave as MuJoCo's: in Drake's physics.

This is neither Gazebo nor its engine. It shows that masses, damping, gain, limits, clearances and
friction in the files make an arm that moves as MuJoCo's does, and a socket that takes the
connector.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.runtime.ports import SensorBatch
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.simulation import CameraRig, Setpoint, Snapshot, TrajectoryController
from physical_ai_bridge.simulation.episode import SUCCESS_DEPTH_M, SUCCESS_LATERAL_M
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.teacher import funnel_step
from physical_ai_bridge.simulation.world import urdf_path, World
import pytest

STEP_S, STEP_NS = 0.002, 2_000_000
TIP_M = np.array([0.0, 0.0, 0.13])


def insert(drake, source: Source, *, seconds: float) -> tuple[float, float, np.ndarray]:
    """Let the scripted teacher insert; return depth and lateral error in m, and the last force."""
    names = source.cell.robot.joints
    arm = ArmKinematics(urdf_path(), names, source.cell.robot.tcp_frame)
    goal = previous = source.start_rad
    rotation, position = arm.pose(goal)
    tip, felt = position + rotation @ TIP_M, 0.0
    for k in range(round(seconds / STEP_S)):
        if k % 5 == 0:
            rotation, tip = funnel_step(rotation, tip, source.socket, felt, 5 * STEP_S)
            previous, (goal, _) = goal, arm.solve(
                goal, rotation, tip - rotation @ TIP_M, iterations=3, tolerance=1e-7)
        drake.step(previous + (goal - previous) * (k % 5 + 1) / 5)
        felt = 0.8 * felt + 0.2 * float(np.linalg.norm(drake.wrench[0]))
    aside = drake.tip[:2] - (source.socket.x_m, source.socket.y_m)
    return source.socket.z_m - drake.tip[2], float(np.linalg.norm(aside)), drake.wrench[0]


def test_the_arm_follows_a_command_as_mujocos_does(drake_cell, source):
    drake, model, data = drake_cell(source), source.model, mujoco.MjData(source.model)
    start, order = source.start_rad, World(source.cell).joint_index
    data.qpos[order] = start
    way = np.array([0.3, -0.2, 0.25, -0.3, 0.3, 0.6])
    apart = lag = 0.0
    for k in range(500):
        share = min(1.0, k * STEP_S / 0.8)
        command = start + way * share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
        data.ctrl[order] = command
        mujoco.mj_step(model, data)
        drake.step(command)
        there = data.qpos[order]
        apart = max(apart, float(np.abs(drake.joints - there).max()))
        lag = max(lag, float(np.abs(command - there).max()))
    assert lag > 0.05, 'nothing was asked of the arm'
    # The rest is the rotors' inertia, which SDFormat cannot say.
    assert apart < 0.02 * lag


def test_the_connector_goes_into_the_socket(drake_cell, cell):
    source = Source.from_cell(cell, seed=3)
    depth, aside, force = insert(drake_cell(source), source, seconds=2.8)
    assert depth == pytest.approx(0.015, abs=0.0005)
    assert aside < 0.0005
    # It presses onto the socket's floor: the cell file's sign, negative along the tool.
    assert -20.0 < force[2] < -0.2


def test_the_connector_does_not_go_in_beside_the_socket(drake_cell, cell):
    source = Source.from_cell(cell)
    beside = replace(source, socket=replace(source.socket, x_m=source.socket.x_m + 0.006))
    depth, _, force = insert(drake_cell(source), beside, seconds=2.2)
    assert depth < 0.004
    assert force[2] < -2.0


class Port:
    """Drake's physics behind ``CellPort``: with the emulated controller and MuJoCo's pictures."""

    def __init__(self, drake, source: Source) -> None:
        self.now_ns = self._frame_ns = 1_000_000_000
        self._drake, self._source, self._cell = drake, source, source.cell
        self._names, self._order = source.cell.robot.joints, World(source.cell).joint_index
        self._controller = TrajectoryController(self._names)
        self._controller.activate(drake.joints)
        self._rig = CameraRig(source.cell)

    def execute(self, command) -> None:
        self._controller.receive(message_from_trajectory(command), self.now_ns)

    def advance(self, duration_ns: int) -> SensorBatch:
        joints, wrenches, images, drake = [], [], {}, self._drake
        for _ in range(duration_ns // STEP_NS):
            if self.now_ns >= self._frame_ns:
                images = self._rig.render(self._snapshot())
                self._frame_ns += 66_000_000
            drake.step(self._controller.sample(
                self.now_ns, Setpoint(drake.joints, drake.velocities, None)).position)
            self.now_ns += STEP_NS
            joints.append(JointSample(
                self.now_ns, self._names, drake.joints, drake.velocities))
            wrenches.append(WrenchSample(self.now_ns, *drake.wrench))
        return SensorBatch(tuple(joints), {'wrist': tuple(wrenches)}, images)

    def _snapshot(self) -> Snapshot:
        positions = np.empty(len(self._order))
        positions[self._order] = self._drake.joints
        return Snapshot(
            stamp_ns=self.now_ns, qpos=positions,
            socket_position=self._source.data.mocap_pos[0],
            socket_quaternion=self._source.data.mocap_quat[0])

    def close(self) -> None:
        self._rig.close()


def test_the_shipped_bundle_and_cell_file_run_on_the_arm_from_the_sdf(drake_cell, cell):
    source = Source.from_cell(cell, seed=1)
    bundle = load_bundle(config_path('bundles/ur5e_insertion'))
    drake = drake_cell(source)
    port = Port(drake, source)
    description = (config_path('robots/ur5e.urdf')).read_text(encoding='utf-8')
    lockstep = Lockstep(
        bind(cell, bundle.manifest, bundle_digest=bundle.digest), OnnxPolicy(bundle), port,
        robot=RobotModel.from_urdf(description, cell), latency_ns=lambda: 40_000_000)
    depth = -1.0
    for _ in range(600):
        decision = lockstep.cycle()
        assert decision.mode not in (Mode.STOPPED, Mode.FAULT), decision.reason
        depth = source.socket.z_m - drake.tip[2]
        if depth >= SUCCESS_DEPTH_M:
            break
    port.close()
    assert depth >= SUCCESS_DEPTH_M
    aside = drake.tip[:2] - (source.socket.x_m, source.socket.y_m)
    assert np.linalg.norm(aside) < SUCCESS_LATERAL_M
