"""The shipped cell, simulated."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    BundleFile,
    Manifest,
    ObservationSpec,
    Shaping,
    WrenchInput,
)
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.simulation import MujocoCell
import pytest


@pytest.fixture(scope='session')
def cell() -> Cell:
    config = Path(str(resources.files('physical_ai_bridge') / 'config'))
    return load_cell(config / 'cells' / 'mujoco_ur5e.yaml')


@pytest.fixture(scope='session')
def manifest(cell: Cell) -> Manifest:
    """Return what the teacher is asked for, joints deliberately not in the cell's order."""
    return Manifest(
        schema=1, name='teacher', joints=tuple(reversed(cell.robot.joints)), rate_hz=15.0,
        observation=ObservationSpec(
            state=False, reference=True, wrenches={'wrist': WrenchInput(rate_hz=50.0)}),
        action=ActionSpec(kind='joint_positions', horizon=16, period_s=0.05),
        shaping=Shaping(), files={'model.onnx': BundleFile(sha256='0' * 64, bytes=1)})


@pytest.fixture
def blind(cell: Cell) -> MujocoCell:
    """Return a simulated cell that renders nothing."""
    return MujocoCell(cell, cameras=False)
