"""From the public descriptions of real robots to cells that ``check`` accepts, all the way."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import distribution, PackageNotFoundError
from pathlib import Path
from xml.etree import ElementTree

from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.bundle import Shaping
from physical_ai_bridge.contract.cell_file import load_cell, urdf_path
from physical_ai_bridge.contract.decisions import FOUND
from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.decided import decided
import pytest
import yaml

try:
    SHARE = Path(distribution('example-robot-data').locate_file('cmeel.prefix/share'))
except PackageNotFoundError:
    pytest.skip("the public URDFs are not here: pip install 'physical_ai_bridge[descriptions]'",
                allow_module_level=True)

INPUTS = Path(__file__).parent / 'new_cell'
ROBOTS = SHARE / 'example-robot-data' / 'robots'
# A robot's URDF, its files, what carries the arm, what is its tip, and whether it feels forces.
PUBLIC = {
    'ur5': ('ur_description/urdf/ur5_robot.urdf',
            ['--controllers', INPUTS / 'ur_controllers.yaml', INPUTS / 'ur_update_rate.yaml',
             '--joint-limits', INPUTS / 'ur_joint_limits.yaml',
             '--controller', 'scaled_joint_trajectory_controller', '--var', 'tf_prefix='],
            'base_link', 'tool0', True),
    'panda': ('panda_description/urdf/panda.urdf',
              ['--controllers', INPUTS / 'panda_controllers.yaml',
               '--joint-limits', INPUTS / 'panda_joint_limits.yaml'],
              'panda_link0', 'panda_hand_tcp', False),
    'so101': ('so_arm_description/urdf/so101.urdf',
              ['--controllers', INPUTS / 'so101_controllers.yaml'],
              'base_link', 'gripper_frame_link', False),
}


@pytest.fixture(params=PUBLIC)
def robot(request):
    return request.param


@pytest.fixture
def first_cell(robot, tmp_path):
    """Return the cell file that ``new-cell`` writes of a robot."""
    urdf, words, _, _, _ = PUBLIC[robot]
    path = tmp_path / 'cell.yaml'
    assert main(['new-cell', '--urdf', str(ROBOTS / urdf), *map(str, words),
                 '--out', str(path)]) == 0
    return path


@pytest.fixture
def finished_cell(first_cell):
    """Return the same file, its marks replaced."""
    first_cell.write_text(yaml.safe_dump(decided(yaml.safe_load(first_cell.read_text()))))
    return first_cell


def test_a_first_cell_has_nothing_wrong_but_marks(first_cell):
    with pytest.raises(CellError) as raised:
        load_cell(first_cell)
    assert {problem.found for problem in raised.value.problems} == {FOUND}


def test_base_and_tip_are_the_arms_own(robot, finished_cell):
    frames = load_cell(finished_cell).robot
    assert (frames.base_frame, frames.tcp_frame) == PUBLIC[robot][2:4]


def test_check_accepts_it_once_the_marks_are_replaced(robot, finished_cell, make_bundle, capsys):
    pytest.importorskip('onnxruntime')
    manifest = example_manifest(joints=load_cell(finished_cell).robot.joints)
    if not PUBLIC[robot][4]:
        manifest = replace(manifest, shaping=Shaping(),
                           observation=replace(manifest.observation, wrenches={}))
    status = main(['check', '--cell', str(finished_cell), '--bundle', str(make_bundle(manifest))])
    assert status == 0, capsys.readouterr().out


# The hulls of the other robot's many meshes take seconds.
@pytest.mark.parametrize('robot', ['ur5', 'panda'], indirect=True)
def test_the_supervisor_builds_its_model_of_it(finished_cell, monkeypatch):
    # Where pinocchio looks for the meshes, as in a workspace that was sourced.
    monkeypatch.setenv('ROS_PACKAGE_PATH', str(SHARE))
    cell = load_cell(finished_cell)
    model = RobotModel.from_urdf(urdf_path(cell, finished_cell).read_text(), cell)
    assert model.joints == cell.robot.joints
    assert model.pairs
    assert (model.tcp_support[:-1] == 1.0).all()


def test_no_limit_is_wider_than_the_urdfs(finished_cell):
    cell = load_cell(finished_cell)
    root = ElementTree.parse(urdf_path(cell, finished_cell))
    limits = {joint.get('name'): joint.find('limit') for joint in root.findall('joint')}
    for name, limit in cell.safety.joint_limits.items():
        urdf = limits[name]
        assert limit.min_position >= float(urdf.get('lower'))
        assert limit.max_position <= float(urdf.get('upper'))
        assert limit.max_velocity <= float(urdf.get('velocity'))
