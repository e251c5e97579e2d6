"""The files for Gazebo, and what the real SDFormat library makes of them, by way of Drake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
from pathlib import Path
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
from physical_ai_bridge.simulation.gazebo.robot import robot_sdf, spring_limit_nm
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gazebo.world import world_sdf
import pytest

CONFIG = Path(__file__).resolve().parents[3] / 'config'
# gz-sensors 8 to 10 read this element from a sensor, and SDFormat's own schema does not have it:
# Gazebo copies it with a warning, Drake makes an error of every such warning.
STEP_S = 0.002
TIP_M = np.array([0.0, 0.0, 0.13])
_FRAME_ID = re.compile(r'\s*<gz_frame_id>.*?</gz_frame_id>')


class _Messages(logging.Handler):

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """World and robot in Drake: its plant, a context, and what the parser had to say."""

    plant: Any
    inspector: Any
    context: Any
    messages: list[str]
    simulator: Any = None

    def pose(self, body: str, joints: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Return where a body is in the world, (4, 4); joints in the order of ``names``."""
        for name, angle in zip(names, joints, strict=True):
            self.plant.GetJointByName(name).set_angle(self.context, angle)
        found = self.plant.EvalBodyPoseInWorld(self.context, self.plant.GetBodyByName(body))
        return found.GetAsMatrix4()


def read(*texts: str, simulated: bool = False) -> Parsed:
    """
    Read SDF texts into one plant; Drake raises RuntimeError where SDFormat reports an error.

    With ``simulated`` there is a simulator of the arm, without weight and without contacts among
    its own links, whose context is the one returned.
    """
    from pydrake.geometry import SceneGraphConfig
    from pydrake.multibody.parsing import Parser
    from pydrake.multibody.plant import AddMultibodyPlantSceneGraph
    from pydrake.systems.framework import DiagramBuilder

    log, messages = logging.getLogger('drake'), _Messages()
    log.addHandler(messages)
    try:
        builder = DiagramBuilder()
        plant, scene = AddMultibodyPlantSceneGraph(builder, STEP_S)
        config = SceneGraphConfig()
        # Surfaces, not points, are what guides a box into a box.
        config.default_proximity_properties.compliance_type = 'compliant'
        config.default_proximity_properties.hydroelastic_modulus = 1e8
        scene.set_config(config)
        for text in texts:
            Parser(plant).AddModelsFromString(_FRAME_ID.sub('', text), 'sdf')
    finally:
        log.removeHandler(messages)
    if simulated:
        return simulate(builder, plant, scene, messages.texts)
    plant.Finalize()
    return Parsed(plant, scene.model_inspector(), plant.CreateDefaultContext(), messages.texts)


def simulate(builder: Any, plant: Any, scene: Any, messages: list[str]) -> Parsed:
    """Return the plant with a simulator around it."""
    from pydrake.geometry import CollisionFilterDeclaration, GeometrySet
    from pydrake.systems.analysis import Simulator

    arm = plant.GetModelInstanceByName('ur5e')
    # The files say so of each link, which Drake's parser does not take over.
    plant.set_gravity_enabled(arm, False)
    plant.Finalize()
    own = [geometry for index in plant.GetBodyIndices(arm)
           for geometry in plant.GetCollisionGeometriesForBody(plant.get_body(index))]
    scene.collision_filter_manager().Apply(
        CollisionFilterDeclaration().ExcludeWithin(GeometrySet(own)))
    simulator = Simulator(builder.Build())
    context = plant.GetMyMutableContextFromRoot(simulator.get_mutable_context())
    return Parsed(plant, scene.model_inspector(), context, messages, simulator)


class DrakeCell:
    """World and arm in Drake, driven as the controller drives Gazebo's: a spring on each joint."""

    def __init__(self, source: Source) -> None:
        parsed = read(world_sdf(source), robot_sdf(source), simulated=True)
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
        """The joints' positions, in the order of the cell file, which is the file's own."""
        return self._plant.GetPositions(self._context, self._arm)

    @property
    def tip(self) -> np.ndarray:
        """Where the connector's tip is in the world."""
        tool = self._plant.GetBodyByName('tool0')
        return self._plant.EvalBodyPoseInWorld(self._context, tool) @ TIP_M

    @property
    def velocities(self) -> np.ndarray:
        return self._plant.GetVelocities(self._context, self._arm)

    @property
    def wrench(self) -> tuple[np.ndarray, np.ndarray]:
        """Force and torque of the tool on the wrist, in its axes: Gazebo's child_to_parent."""
        reaction = self._plant.get_reaction_forces_output_port().Eval(self._context)[self._joint]
        return -reaction.translational(), -reaction.rotational()

    def step(self, command: np.ndarray) -> None:
        torque = np.clip(self._gain * (command - self.joints), -self._limit, self._limit)
        self._spring.FixValue(self._context, torque)
        self._simulator.AdvanceTo(self._context.get_time() + STEP_S)


@pytest.fixture(scope='session')
def source(cell) -> Source:
    return Source.from_cell(cell)


@pytest.fixture(scope='session')
def folder() -> Path:
    return CONFIG / 'gazebo'


@pytest.fixture(scope='session')
def world(folder) -> ElementTree.Element:
    return ElementTree.parse(folder / 'world.sdf').getroot()


@pytest.fixture(scope='session')
def robot(folder) -> ElementTree.Element:
    return ElementTree.parse(folder / 'robot.sdf').getroot()


@pytest.fixture(scope='session')
def parse() -> Callable[..., Parsed]:
    """Return the reader of SDF texts."""
    pytest.importorskip(
        'pydrake', reason='Drake reads SDF: pip install "physical_ai_bridge[gazebo]"')
    return read


@pytest.fixture(scope='session')
def parsed(parse, folder) -> Parsed:
    return parse((folder / 'world.sdf').read_text(), (folder / 'robot.sdf').read_text())


@pytest.fixture(scope='session')
def drake_cell(parse) -> Callable[[Source], DrakeCell]:
    """Return what makes a cell in Drake."""
    return DrakeCell
