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
from physical_ai_bridge.simulation.gazebo.source import Source
import pytest

CONFIG = Path(__file__).resolve().parents[3] / 'config'
# gz-sensors 8 to 10 read this element from a sensor, and SDFormat's own schema does not have it:
# Gazebo copies it with a warning, Drake makes an error of every such warning.
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

    def pose(self, body: str, joints: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Return a body's pose (4, 4) in the world, joints in the order of ``names``."""
        for name, angle in zip(names, joints, strict=True):
            self.plant.GetJointByName(name).set_angle(self.context, angle)
        found = self.plant.EvalBodyPoseInWorld(self.context, self.plant.GetBodyByName(body))
        return found.GetAsMatrix4()


def read(*texts: str) -> Parsed:
    """Read SDF texts into one plant; Drake raises RuntimeError where SDFormat reports an error."""
    from pydrake.multibody.parsing import Parser
    from pydrake.multibody.plant import AddMultibodyPlantSceneGraph
    from pydrake.systems.framework import DiagramBuilder

    log, messages = logging.getLogger('drake'), _Messages()
    log.addHandler(messages)
    try:
        builder = DiagramBuilder()
        plant, scene = AddMultibodyPlantSceneGraph(builder, 0.002)
        for text in texts:
            Parser(plant).AddModelsFromString(_FRAME_ID.sub('', text), 'sdf')
    finally:
        log.removeHandler(messages)
    plant.Finalize()
    return Parsed(plant, scene.model_inspector(), plant.CreateDefaultContext(), messages.texts)


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
