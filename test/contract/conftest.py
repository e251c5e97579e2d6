"""A good cell file and a good bundle to begin from, each in a folder of its own."""

from __future__ import annotations

from importlib import resources
import json
from pathlib import Path

from physical_ai_bridge.contract.bundle_file import describe_files, write_manifest
from physical_ai_bridge.testing.contracts import example_manifest, JOINTS
import pytest
import yaml

CELLS = Path(str(resources.files('physical_ai_bridge') / 'config' / 'cells'))


@pytest.fixture(scope='session')
def good_cell() -> str:
    """Return the shipped cell, aliases written out, as JSON: a copy is one ``loads`` away."""
    cell = yaml.safe_load((CELLS / 'mujoco_ur5e.yaml').read_text())
    cell['robot']['urdf'] = 'robot.urdf'
    return json.dumps(cell)


@pytest.fixture(scope='session')
def write_cell(tmp_path_factory):
    """Return a function that writes a cell file beside a URDF that suits it."""
    folder = tmp_path_factory.mktemp('cell')
    links = '<link name="base_link"/><link name="tool0"/>'
    joints = ''.join(f'<joint name="{name}" type="revolute"/>' for name in JOINTS)
    (folder / 'robot.urdf').write_text(
        f'<robot name="r">{links}{joints}<joint name="flange" type="fixed"/></robot>')

    def write(cell: object) -> Path:
        path = folder / 'cell.yaml'
        path.write_text(cell if isinstance(cell, str) else yaml.safe_dump(cell, sort_keys=False))
        return path

    return write


@pytest.fixture
def bundle_folder(tmp_path) -> Path:
    """Return the folder of a bundle whose model is any bytes: only its sha256 is looked at."""
    folder = tmp_path / 'bundle'
    folder.mkdir()
    (folder / 'model.onnx').write_bytes(b'weights' * 100)
    write_manifest(folder, example_manifest(files=describe_files(folder)))
    return folder
