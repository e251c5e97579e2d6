"""What pip and colcon install: resources, executables, metadata without contradictions."""

from __future__ import annotations

import ast
import importlib
from importlib import resources
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import physical_ai_bridge
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXECUTABLES = {
    'physical_ai_bridge', 'policy_node', 'safety_supervisor', 'mujoco_cell',
    'simulated_emergency_stop', 'bring_up', 'episodes'}


# Where a distribution bears another name than what it installs.
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'pinocchio': 'pin',
    'yaml': 'pyyaml',
}


def distribution_of(name: str) -> str:
    if name == 'rclpy' or name.endswith(('_msgs', '_srvs', '_interfaces')):
        return 'ros-' + name.replace('_', '-')
    return DISTRIBUTIONS.get(name, name)


def imported_by_the_package() -> set[str]:
    """Return what the package imports that is neither its own nor the standard library's."""
    names = set()
    for path in (ROOT / 'physical_ai_bridge').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition('.')[0])
    return names - sys.stdlib_module_names - {'physical_ai_bridge'}


@pytest.fixture(scope='module')
def declared():
    """Return the distribution that setup.py declares, without doing anything with it."""
    pytest.importorskip('setuptools')  # it provides distutils where Python no longer does
    from distutils.core import run_setup

    return run_setup(str(ROOT / 'setup.py'), stop_after='init')


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()}


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Install a clean copy of the tree as colcon does: without dependencies, into a prefix."""
    folder = tmp_path_factory.mktemp('install')
    tree = folder / 'tree'
    leave = shutil.ignore_patterns('.git', '.env', 'build', 'install', 'log', '*.egg-info', 'runs')
    shutil.copytree(ROOT, tree, symlinks=True, ignore=leave)
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'install', '--prefix', str(folder / 'prefix'),
         '--single-version-externally-managed', '--record', str(folder / 'record.txt')],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    return folder / 'prefix'


def test_the_resources_are_found_through_the_package():
    config = resources.files('physical_ai_bridge') / 'config'
    assert (config / 'cells' / 'mujoco_ur5e.yaml').is_file()


def test_the_executables_are_those_that_users_type(declared):
    lines = declared.entry_points['console_scripts']
    assert {line.partition(' = ')[0] for line in lines} == EXECUTABLES


@pytest.mark.parametrize('name', sorted(EXECUTABLES))
def test_an_executable_starts_at_a_function_that_exists(name, declared):
    starts = dict(line.split(' = ') for line in declared.entry_points['console_scripts'])
    module, _, function = starts[name].partition(':')
    if module.startswith('physical_ai_bridge.nodes.'):
        pytest.importorskip('rclpy')
    assert callable(getattr(importlib.import_module(module), function))


def test_what_is_installed_holds_every_resource(installed):
    packages = next(installed.rglob('site-packages'))
    wanted = files_of(ROOT / 'config')
    assert wanted
    assert files_of(packages / 'physical_ai_bridge' / 'config') == wanted
    assert files_of(installed / 'share' / 'physical_ai_bridge' / 'config') == wanted


def test_what_is_installed_holds_every_launch_file(installed):
    share = installed / 'share' / 'physical_ai_bridge'
    assert files_of(share / 'launch') == files_of(ROOT / 'launch')
    assert (share / 'package.xml').is_file()


def test_ros2_run_finds_the_executables(installed, monkeypatch):
    get_package_prefix = pytest.importorskip('ament_index_python.packages').get_package_prefix
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(installed))
    # Where `ros2 run` looks: every executable file under the package's lib folder.
    libexec = Path(get_package_prefix('physical_ai_bridge')) / 'lib' / 'physical_ai_bridge'
    found = {path.name for path in libexec.iterdir() if path.stat().st_mode & 0o111}
    assert found == EXECUTABLES


def test_the_version_is_the_same_everywhere(declared):
    manifest = ElementTree.parse(ROOT / 'package.xml')
    version = declared.metadata.version
    assert version == manifest.findtext('version') == physical_ai_bridge.__version__


def test_package_xml_names_a_maintainer_whom_colcon_accepts():
    # An address that is none makes colcon treat the package as plain Python, without a word.
    maintainer = ElementTree.parse(ROOT / 'package.xml').find('maintainer')
    assert re.fullmatch(r'[\w.+-]+@[\w-]+(\.[\w-]+)+', maintainer.get('email'))


def test_package_xml_names_every_message_package_that_setup_py_requires(declared):
    manifest = ElementTree.parse(ROOT / 'package.xml')
    depends = {element.text for element in manifest.iter('exec_depend')}
    wheels = {
        re.match(r'ros-([a-z-]+)', line)[1].replace('-', '_')
        for line in declared.extras_require['kilted']
    }
    assert wheels - {'rmw_fastrtps_cpp'} <= depends


def test_what_the_package_imports_and_what_setup_py_requires_are_the_same(declared):
    groups = [declared.install_requires, *declared.extras_require.values()]
    required = {re.match(r'[a-z0-9-]+', line)[0] for group in groups for line in group}
    used = {distribution_of(name) for name in imported_by_the_package()}
    # Two come with ros2_control, ros2cli with ROS: used where they are, never required.
    assert used - required == {
        'ros-control-msgs', 'ros-controller-manager-msgs', 'ros2cli'}
    core = {re.match(r'[a-z0-9-]+', line)[0] for line in declared.install_requires}
    assert core - used == set()


def test_both_distributions_are_asked_for_the_same_packages(declared):
    names = [
        [re.match(r'[a-z-]+', line)[0] for line in declared.extras_require[distribution]]
        for distribution in ('kilted', 'jazzy')
    ]
    assert names[0] == names[1]


def test_every_requirement_of_a_cell_has_a_lower_and_an_upper_bound(declared):
    extras = ('cpu', 'gpu', 'sim', 'report', 'distill', 'kilted', 'jazzy')
    requirements = list(declared.install_requires)
    requirements += [line for extra in extras for line in declared.extras_require[extra]]
    assert [line for line in requirements if '>=' not in line or '<' not in line] == []


def test_the_two_onnx_runtimes_are_never_required_together(declared):
    groups = [declared.install_requires, *declared.extras_require.values()]
    runtimes = [[line for line in group if line.startswith('onnxruntime')] for group in groups]
    assert runtimes[0] == []
    assert max(len(found) for found in runtimes) == 1
