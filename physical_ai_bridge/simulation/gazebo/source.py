"""What Gazebo's files are written from: the MuJoCo cell at the start of an episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import CellError, Problem
from physical_ai_bridge.simulation.cameras import pose
from physical_ai_bridge.simulation.cell import MujocoCell
from physical_ai_bridge.simulation.episode import SocketPose
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.world import World

_TRAJECTORY = '/joint_trajectory'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """
    A cell, MuJoCo's model of it, and the start of the episode of a seed.

    ``start_rad`` (N,) is in the order of ``cell.robot.joints``; ``data`` is the world in that
    pose.
    """

    cell: Cell
    model: mujoco.MjModel
    data: mujoco.MjData
    socket: SocketPose
    start_rad: np.ndarray

    @classmethod
    def from_cell(cls, cell: Cell, seed: int = 0) -> Source:
        """
        Read the MuJoCo cell.

        Raises
        ------
        CellError
            If Gazebo's sensors or controllers cannot deliver what the cell file says.

        """
        _check(cell)
        simulated = MujocoCell(cell, seed=seed, cameras=False)
        world = World(cell)
        data = mujoco.MjData(world.model)
        pose(world.model, data, simulated.snapshot())
        return cls(
            cell=cell, model=world.model, data=data, socket=simulated.socket,
            start_rad=data.qpos[world.joint_index].copy())

    @property
    def controller(self) -> str:
        """The name of the controller, which its topic begins with."""
        return self.cell.controller.topic.strip('/').split('/')[0]


def _check(cell: Cell) -> None:
    """Refuse what MuJoCo's cell may have and Gazebo's cannot."""
    where, problems = f'cell {cell.name}', []
    topic = cell.controller.topic
    if topic.count('/') != 2 or not topic.endswith(_TRAJECTORY):
        problems.append(Problem(
            where, 'controller.topic', f'found {topic}',
            f'write /NAME{_TRAJECTORY}, where a joint_trajectory_controller called NAME listens'))
    joints = cell.sensors.joint_states
    if joints.topic != '/joint_states':
        problems.append(Problem(
            where, 'sensors.joint_states.topic', f'found {joints.topic}',
            'write /joint_states, where the joint_state_broadcaster publishes'))
    if joints.rate_hz != cell.controller.rate_hz:
        problems.append(Problem(
            where, 'sensors.joint_states.rate_hz', f'found {joints.rate_hz:g}',
            f'write {cell.controller.rate_hz:g}, as controller.rate_hz: one controller manager '
            'runs the controller and the broadcaster'))
    problems += [
        Problem(where, f'sensors.cameras.{name}.encoding', f'found {camera.encoding}',
                "write rgb8, the only order of colours that Gazebo's camera has")
        for name, camera in cell.sensors.cameras.items() if camera.encoding != 'rgb8']
    if problems:
        raise CellError(problems)
