"""
The arm and the socket, as SDFormat reads them, behave as MuJoCo's: in Drake's physics.

This is neither Gazebo nor its engine. It shows that masses, damping, gain, limits, clearances and
friction in the files make an arm that moves as MuJoCo's does, and a socket that takes the
connector.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.simulation.gazebo.robot import robot_sdf, spring_limit_nm
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gazebo.world import world_sdf
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.teacher import funnel_step
from physical_ai_bridge.simulation.world import urdf_path, World
import pytest

STEP_S = 0.002
TIP = np.array([0.0, 0.0, 0.13])


class DrakeCell:
    """World and arm in Drake, driven as the controller drives Gazebo's: a spring on each joint."""

    def __init__(self, parse, source: Source) -> None:
        parsed = parse(world_sdf(source), robot_sdf(source), simulated=True)
        self._plant, self._simulator = parsed.plant, parsed.simulator
        self._context = parsed.context
        self._arm = self._plant.GetModelInstanceByName('ur5e')
        self._spring = self._plant.get_actuation_input_port(self._arm)
        self._joint = int(self._plant.GetJointByName('wrist_3_link-tool0').index())
        names = source.cell.robot.joints
        self._gain = np.array([source.model.actuator(name).gainprm[0] for name in names])
        self._limit = np.array([spring_limit_nm(source.model, name) for name in names])
        self._plant.SetPositions(self._context, self._arm, source.start_rad)

    @property
    def joints(self) -> np.ndarray:
        return self._plant.GetPositions(self._context, self._arm)

    @property
    def tip(self) -> np.ndarray:
        """Where the connector's tip is in the world."""
        tool = self._plant.GetBodyByName('tool0')
        return self._plant.EvalBodyPoseInWorld(self._context, tool) @ TIP

    @property
    def force(self) -> np.ndarray:
        """What the tool exerts on the wrist, in the tool's axes: Gazebo's child_to_parent."""
        reaction = self._plant.get_reaction_forces_output_port().Eval(self._context)
        return -reaction[self._joint].translational()

    def step(self, command: np.ndarray) -> None:
        torque = np.clip(self._gain * (command - self.joints), -self._limit, self._limit)
        self._spring.FixValue(self._context, torque)
        self._simulator.AdvanceTo(self._context.get_time() + STEP_S)


def insert(drake: DrakeCell, source: Source, *, seconds: float) -> tuple[float, float, np.ndarray]:
    """Let the scripted teacher insert; return depth and lateral error in m, and the last force."""
    names = source.cell.robot.joints
    arm = ArmKinematics(urdf_path(), names, source.cell.robot.tcp_frame)
    goal = previous = source.start_rad
    rotation, position = arm.pose(goal)
    tip, felt = position + rotation @ TIP, 0.0
    for k in range(round(seconds / STEP_S)):
        if k % 5 == 0:
            rotation, tip = funnel_step(rotation, tip, source.socket, felt, 5 * STEP_S)
            previous, (goal, _) = goal, arm.solve(
                goal, rotation, tip - rotation @ TIP, iterations=3, tolerance=1e-7)
        drake.step(previous + (goal - previous) * (k % 5 + 1) / 5)
        felt = 0.8 * felt + 0.2 * float(np.linalg.norm(drake.force))
    aside = drake.tip[:2] - (source.socket.x_m, source.socket.y_m)
    return source.socket.z_m - drake.tip[2], float(np.linalg.norm(aside)), drake.force


def test_the_arm_follows_a_command_as_mujocos_does(parse, source):
    drake, model, data = DrakeCell(parse, source), source.model, mujoco.MjData(source.model)
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


def test_the_connector_goes_into_the_socket(parse, cell):
    source = Source.from_cell(cell, seed=3)
    depth, aside, force = insert(DrakeCell(parse, source), source, seconds=3.0)
    assert depth == pytest.approx(0.015, abs=0.0005)
    assert aside < 0.0005
    # It presses onto the socket's floor: the cell file's sign, negative along the tool.
    assert -20.0 < force[2] < -0.2


def test_the_connector_does_not_go_in_beside_the_socket(parse, cell):
    source = Source.from_cell(cell)
    beside = replace(source, socket=replace(source.socket, x_m=source.socket.x_m + 0.006))
    depth, _, force = insert(DrakeCell(parse, source), beside, seconds=3.0)
    assert depth < 0.004
    assert force[2] < -2.0
