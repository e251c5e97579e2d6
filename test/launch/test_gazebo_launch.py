"""gazebo.launch.py names what Gazebo's packages, our files and cell.launch.py have."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# From the sources of ros_gz, ros2_control and robot_state_publisher.
KNOWN = {
    ('controller_manager', 'spawner'), ('robot_state_publisher', 'robot_state_publisher'),
    ('ros_gz_bridge', 'parameter_bridge'), ('ros_gz_sim', 'create')}


def calls(file: str, name: str) -> list[ast.Call]:
    tree = ast.parse((ROOT / 'launch' / file).read_text(encoding='utf-8'))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name) and node.func.id == name]


def texts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def declared(file: str) -> set[str]:
    return {call.args[0].value for call in calls(file, 'DeclareLaunchArgument')}


def passed(file: str) -> set[str]:
    """Return the arguments that another launch file is included with."""
    included = next(call for call in calls('gazebo.launch.py', 'IncludeLaunchDescription')
                    if any(text.endswith(file) for text in texts(call.args[0])))
    given = next(word.value for word in included.keywords if word.arg == 'launch_arguments')
    return {key.value for node in ast.walk(given) if isinstance(node, ast.Dict)
            for key in node.keys}


def test_every_executable_is_one_that_its_package_has():
    started = set()
    for call in calls('gazebo.launch.py', 'Node'):
        values = {word.arg: word.value for word in call.keywords}
        started.add((values['package'].value, values['executable'].value))
    assert started == KNOWN | {('physical_ai_bridge', 'simulated_emergency_stop')}


def test_cell_launch_has_every_argument_that_it_is_given():
    assert passed('cell.launch.py') == {
        'cell', 'bundle', 'authority', 'use_sim_time', 'record'}
    assert passed('cell.launch.py') <= declared('cell.launch.py')


def test_gazebo_is_started_by_the_one_argument_that_every_release_has():
    assert passed('gz_sim.launch.py') == {'gz_args'}


def test_every_file_of_the_folder_is_used_and_there():
    tree = ast.parse((ROOT / 'launch/gazebo.launch.py').read_text(encoding='utf-8'))
    named = {text for text in texts(tree) if text.endswith(('.sdf', '.urdf', '.yaml'))}
    named -= {text for text in named if '/' in text}
    assert named == {path.name for path in (ROOT / 'config/gazebo').iterdir()}


def test_every_launch_argument_is_read():
    read = {text for call in calls('gazebo.launch.py', 'LaunchConfiguration')
            for text in texts(call)}
    assert read == declared('gazebo.launch.py')
