"""What setup.py says that there is to be launched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def executables() -> set[str]:
    """Return the names of the executables that setup.py declares."""
    pytest.importorskip('setuptools')
    from distutils.core import run_setup

    declared = run_setup(str(ROOT / 'setup.py'), stop_after='init')
    return {line.partition(' = ')[0] for line in declared.entry_points['console_scripts']}


def patient_cell(folder: Path) -> Path:
    """Write the simulated cell's file with long watchdogs: a busy machine is no failure."""
    shipped = ROOT / 'config' / 'cells' / 'mujoco_ur5e.yaml'
    values = yaml.safe_load(shipped.read_text(encoding='utf-8'))
    values['robot']['urdf'] = str((shipped.parent / values['robot']['urdf']).resolve())
    values['controller']['latency_s'] = 0.05
    values['safety'] |= {
        'step_s': 0.12, 'emergency_stop': {'topic': '/emergency_stop', 'timeout_s': 5.0},
        'watchdogs': {'proposals_s': 0.8, 'joint_states_s': 5.0, 'wrenches_s': 5.0,
                      'tick_s': 5.0, 'late_ticks': 1000}}
    sensors = values['sensors']
    for sensor in (sensors['joint_states'], *sensors['cameras'].values(),
                   *sensors['wrenches'].values()):
        sensor['max_age_s'] = 0.5
    path = folder / 'cell.yaml'
    path.write_text(yaml.safe_dump(values), encoding='utf-8')
    return path


@pytest.fixture
def cell_path(tmp_path: Path) -> Path:
    """Return the simulated cell's file, patient."""
    return patient_cell(tmp_path)


@pytest.fixture(scope='session')
def needs_launch() -> None:
    """Skip where there is no ROS launch, or no package that was built for it."""
    for module in ('launch', 'launch_ros', 'ros2launch', 'launch_testing'):
        pytest.importorskip(module, reason=f'{module} comes with ROS from apt, not from PyPI')
    packages = pytest.importorskip('ament_index_python.packages')
    try:
        packages.get_package_share_directory('physical_ai_bridge')
    except packages.PackageNotFoundError:
        pytest.skip('the package is not built; colcon build, and source the workspace')
