"""The launch files name what the package has. No launch is needed."""

from __future__ import annotations

import argparse
import ast
from importlib import import_module
from pathlib import Path

from physical_ai_bridge.cli import record
import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
NODES = ROOT / 'physical_ai_bridge' / 'nodes'
# What is declared by rclpy itself.
EVERY_NODE_HAS = {'use_sim_time'}
each_file = pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def calls(path: Path, *names: str) -> list[ast.Call]:
    """Return the calls of functions in a file."""
    return [
        node for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and node.func.id in names
    ]


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}


def plain(call: ast.Call) -> dict[str, object]:
    """Return a call's keyword arguments that are plain values."""
    return {name: value.value for name, value in keywords(call).items()
            if isinstance(value, ast.Constant)}


def texts(path: Path) -> set[str]:
    return {node.value for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def started(path: Path) -> list[ast.Call]:
    """Return the nodes of this package that a file starts."""
    return [call for call in calls(path, 'Node', 'LifecycleNode')
            if plain(call)['package'] == 'physical_ai_bridge']


def declared_arguments(path: Path) -> dict[str, ast.Call]:
    return {call.args[0].value: call for call in calls(path, 'DeclareLaunchArgument')}


def used_arguments(path: Path) -> set[str]:
    """Return the arguments whose value a file asks for, by whatever way."""
    ways = ('LaunchConfiguration', 'text', 'parameter', 'value_of', 'whole')
    return {call.args[0].value for call in calls(path, *ways)
            if call.args and isinstance(call.args[0], ast.Constant)}


def included(path: Path) -> list[tuple[Path, set[str]]]:
    """Return the launch files that a file includes, with the arguments that it gives."""
    found = []
    for call in calls(path, 'IncludeLaunchDescription'):
        names = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)
                 and isinstance(node.value, str) and node.value.endswith('.launch.py')}
        given = {key.value for node in ast.walk(call) if isinstance(node, ast.Dict)
                 for key in node.keys if isinstance(key, ast.Constant)}
        found += [(ROOT / name, given) for name in names if (ROOT / name).exists()]
    return found


def parameters(path: Path, call: ast.Call) -> set[str]:
    """Return the parameters that a node is given, those in dicts that have a name included."""
    given = keywords(call).get('parameters')
    if given is None:
        return set()
    names = {node.id for node in ast.walk(given) if isinstance(node, ast.Name)}
    dicts = [node for node in ast.walk(given) if isinstance(node, ast.Dict)]
    dicts += [node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assign)
              and isinstance(node.value, ast.Dict)
              and any(isinstance(each, ast.Name) and each.id in names for each in node.targets)]
    return {key.value for each in dicts for key in each.keys}


def declared_parameters(node: str) -> set[str]:
    """Return the parameters that a node declares, by itself or through a helper of its own."""
    helpers = {'CellParameter': 'cell_parameter', 'Incidents': 'incidents'}
    modules = [node, *(module for name, module in helpers.items()
                       if calls(NODES / f'{node}.py', name))]
    return {
        call.args[0].value for module in modules
        for call in ast.walk(tree_of(NODES / f'{module}.py'))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        and call.func.attr == 'declare'} | EVERY_NODE_HAS


def test_there_is_a_launch_file_for_the_graph_the_simulated_cell_and_a_recording():
    assert {'cell.launch.py', 'mujoco.launch.py', 'replay.launch.py'} <= {
        path.name for path in LAUNCH_FILES}


@each_file
def test_a_launch_file_can_be_launched(path):
    functions = {node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef)}
    assert 'generate_launch_description' in functions


@each_file
def test_what_is_imported_from_the_package_is_there(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith('physical_ai_bridge'):
            if '.nodes' in node.module:
                pytest.importorskip('rclpy')
            module = import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@each_file
def test_every_executable_is_one_that_setup_py_declares(path, executables):
    named = {plain(call)['executable']
             for call in (*started(path), *calls(path, 'ExecutableInPackage'))}
    assert named <= executables


@each_file
def test_a_node_bears_the_name_of_its_executable(path):
    for call in started(path):
        assert plain(call)['name'] == plain(call)['executable']


@each_file
def test_a_node_gets_only_parameters_that_it_declares(path):
    for call in started(path):
        assert parameters(path, call) <= declared_parameters(plain(call)['executable'])


def test_the_nodes_get_what_they_cannot_do_without():
    given = {plain(call)['executable']: parameters(path, call)
             for path in LAUNCH_FILES for call in started(path)}
    assert given['safety_supervisor'] == {'cell', 'use_sim_time', 'authority'}
    assert given['policy_node'] == {'cell', 'use_sim_time', 'bundle'}
    assert given['mujoco_cell'] == {'cell', 'seed'}


@each_file
def test_no_node_starts_by_itself_because_jazzy_cannot(path):
    for call in started(path):
        assert 'autostart' not in keywords(call)


@each_file
def test_every_argument_says_what_it_is(path):
    arguments = declared_arguments(path)
    assert {'cell', 'bundle'} <= set(arguments)
    for name, call in arguments.items():
        assert 'description' in keywords(call), name


@each_file
def test_an_argument_that_is_one_of_few_lists_them(path):
    for name, call in declared_arguments(path).items():
        if name in ('authority', 'use_sim_time', 'respawn'):
            assert 'choices' in keywords(call), name
            assert plain(call)['default_value'] in ast.literal_eval(keywords(call)['choices'])


def test_nothing_moves_on_a_robot_unless_somebody_says_so():
    authority = declared_arguments(ROOT / 'launch' / 'cell.launch.py')['authority']
    assert plain(authority)['default_value'] == 'shadow'
    assert ast.literal_eval(keywords(authority)['choices']) == ['shadow', 'ramp', 'live']


@each_file
def test_what_it_asks_for_is_declared(path):
    known = set(declared_arguments(path))
    for other, _ in included(path):
        known |= set(declared_arguments(other))
    assert used_arguments(path) <= known


@each_file
def test_what_it_includes_gets_all_that_it_needs_and_nothing_else(path):
    for other, given in included(path):
        arguments = declared_arguments(other)
        needed = {name for name, call in arguments.items()
                  if 'default_value' not in keywords(call)}
        assert needed <= given <= set(arguments)


@each_file
def test_every_resource_that_a_launch_file_names_is_there(path):
    named = {text for text in texts(path) if text.startswith(('config/', 'launch/'))}
    assert [text for text in named if not (ROOT / text).exists()] == []


def test_the_recorder_has_the_options_that_it_is_started_with():
    parser = argparse.ArgumentParser()
    record.add_arguments(parser)
    options = {text for text in texts(ROOT / 'launch' / 'cell.launch.py')
               if text.startswith('--') and ' ' not in text}
    assert options == {'--cell', '--bundle', '--namespace', '--out'}
    assert options <= set(parser._option_string_actions)


def test_a_replay_is_always_in_shadow_and_on_the_recordings_time():
    (call,) = calls(ROOT / 'launch' / 'replay.launch.py', 'IncludeLaunchDescription')
    given = {key.value: value.value for node in ast.walk(call) if isinstance(node, ast.Dict)
             for key, value in zip(node.keys, node.values, strict=True)
             if isinstance(value, ast.Constant)}
    assert (given['authority'], given['use_sim_time']) == ('shadow', 'true')
