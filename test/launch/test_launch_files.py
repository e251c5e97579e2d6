"""The launch files name executables, arguments and resources that exist. No launch is needed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
NODES = {'policy_node', 'safety_supervisor', 'mujoco_cell', 'simulated_emergency_stop'}


def calls(path: Path, name: str) -> list[ast.Call]:
    """Return the calls of a function in a file."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    return [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def keywords(call: ast.Call) -> dict[str, object]:
    """Return a call's keyword arguments that are plain text."""
    return {
        keyword.arg: keyword.value.value
        for keyword in call.keywords
        if keyword.arg is not None and isinstance(keyword.value, ast.Constant)
    }


def own_nodes(path: Path) -> list[ast.Call]:
    """Return the calls that start a node of this package."""
    return [
        call for name in ('LifecycleNode', 'Node') for call in calls(path, name)
        if keywords(call)['package'] == 'physical_ai_bridge'
    ]


def texts(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    return {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_graph_and_the_simulated_cell_have_a_launch_file_each():
    assert {'cell.launch.py', 'mujoco.launch.py'} <= {path.name for path in LAUNCH_FILES}


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_can_be_launched(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert 'generate_launch_description' in functions


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_starts_only_executables_of_this_package(path, executables):
    started = [keywords(call) for call in own_nodes(path)]
    assert started
    for node in started:
        assert node['executable'] in executables & NODES


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_a_node_bears_the_name_of_its_executable(path):
    for call in own_nodes(path):
        assert keywords(call)['name'] == keywords(call)['executable']


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_no_node_starts_by_itself_because_jazzy_cannot(path):
    for call in own_nodes(path):
        assert 'autostart' not in {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_every_argument_says_what_it_is(path):
    arguments = calls(path, 'DeclareLaunchArgument')
    assert {'cell', 'bundle'} <= {call.args[0].value for call in arguments}
    for call in arguments:
        assert 'description' in {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_every_resource_that_a_launch_file_names_is_there(path):
    named = {text for text in texts(path) if text.startswith(('config/', 'launch/'))}
    assert [text for text in named if not (ROOT / text).exists()] == []
