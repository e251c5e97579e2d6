"""The MuJoCo world: where its file is, and which of its numbers are which."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import CellError, Problem
from physical_ai_bridge.simulation.gl import mujoco


def config_path(*parts: str) -> Path:
    """Return the path of a file that comes with this package."""
    return Path(str(resources.files('physical_ai_bridge') / 'config')).joinpath(*parts)


def world_path() -> Path:
    """Return the path of the world's MJCF file."""
    return config_path('worlds', 'ur5e_insertion.xml')


def urdf_path() -> Path:
    """Return the path of the URDF of the arm in the world."""
    return config_path('robots', 'ur5e.urdf')


class World:
    """
    The compiled world, and indices into its state in the cell's joint order.

    ``joint_index`` (N,) serves qpos, qvel and ctrl alike: every joint is a hinge and has an
    actuator of its name.
    """

    def __init__(self, cell: Cell) -> None:
        self.model = model = mujoco.MjModel.from_xml_path(str(world_path()))
        names = tuple(model.joint(i).name for i in range(model.njnt))
        problems = []
        if set(cell.robot.joints) != set(names):
            problems.append(Problem(
                f'cell {cell.name}', 'robot.joints', f'found {", ".join(cell.robot.joints)}',
                f'write the joints of the simulated arm: {", ".join(names)}'))
        for key, wanted, offered in (
                ('sensors.cameras', cell.sensors.cameras, _names(model, 'cam', model.ncam)),
                ('sensors.wrenches', cell.sensors.wrenches, ('wrist',))):
            problems += [
                Problem(f'cell {cell.name}', f'{key}.{name}', 'not in the simulated cell',
                        f'write one of {", ".join(offered)}')
                for name in wanted if name not in offered]
        problems += [
            Problem(f'cell {cell.name}', f'sensors.cameras.{name}.encoding',
                    f'found {camera.encoding}', 'write rgb8 or bgr8 for a simulated camera')
            for name, camera in cell.sensors.cameras.items()
            if camera.encoding not in ('rgb8', 'bgr8')]
        if problems:
            raise CellError(problems)
        self.joint_index = np.array([names.index(name) for name in cell.robot.joints])
        self.tip = model.site('tip').id
        self.tool = model.body('tool0').id
        self.step_ns = round(model.opt.timestep * 1e9)
        # The tool is one body without children: its weight is all that the sensor carries.
        self.tool_weight_n = float(model.body_mass[self.tool] * np.linalg.norm(model.opt.gravity))
        self.tool_centre = model.body_ipos[self.tool].copy()


def _names(model: mujoco.MjModel, kind: str, count: int) -> tuple[str, ...]:
    return tuple(getattr(model, kind)(i).name for i in range(count))
