"""What a person writes into parameters is refused with a sentence that says what to write."""

from __future__ import annotations

from importlib import import_module
import os

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.models import write_linear_bundle
import pytest
import rclpy
import yaml

NODES = {'safety_supervisor': 'SafetySupervisor', 'policy_node': 'PolicyNode',
         'mujoco_cell': 'MujocoCellNode'}


@pytest.fixture
def configure(tmp_path):
    """Configure a node in this process, with parameters from a file as launch writes one."""
    def configured(node, parameters):
        file = tmp_path / 'parameters.yaml'
        values = {key: os.fspath(value) if isinstance(value, os.PathLike) else value
                  for key, value in parameters.items()}
        file.write_text(yaml.safe_dump({node: {'ros__parameters': values}}))
        context = rclpy.Context()
        rclpy.init(args=['--ros-args', '--params-file', str(file)], context=context)
        module = import_module(f'physical_ai_bridge.nodes.{node}')
        made = getattr(module, NODES[node])(context=context)
        try:
            made.configure()
        finally:
            made.end()
            made.destroy_node()
            rclpy.shutdown(context=context)
    return configured


@pytest.mark.parametrize(('node', 'parameters', 'sentence'), [
    ('safety_supervisor', {'cell': ''}, "parameter cell: found ''; write the path of a cell file"),
    ('safety_supervisor', {'cell': 3}, 'found 3; write the path of a cell file'),
    ('safety_supervisor', {'authority': 'full'}, "found 'full'; write one of shadow, ramp, live"),
    ('safety_supervisor', {'journal': '/nowhere/at/all'}, "found '/nowhere/at/all'"),
    ('policy_node', {'bundle': ''}, "parameter bundle: found ''; write the path of a folder"),
    ('policy_node', {'threads': 0}, 'found 0; write a whole number, at least 1'),
    ('policy_node', {'deadline_s': -1}, 'found -1; write a number at least 0 in s'),
    ('policy_node', {'providers': 'cpu'}, "found 'cpu'; write a list of texts"),
    ('policy_node', {'providers': ['cpux']}, "no provider 'cpux' (did you mean cpu?)"),
    ('policy_node', {'require_provider': 'cuda'}, 'cuda is required, but'),
    ('mujoco_cell', {'seed': -1}, 'found -1; write a whole number, at least 0'),
    ('mujoco_cell', {'seed': 1.5}, 'found 1.5; write a whole number, at least 0'),
    ('mujoco_cell', {'real_time_factor': 0}, 'found 0; write a number above 0'),
    ('mujoco_cell', {'brightness': 'bright'}, "found 'bright'; write a number above 0"),
])
def test_a_bad_parameter(configure, cell_path, bundle_path, node, parameters, sentence):
    given = {'cell': cell_path} | ({'bundle': bundle_path} if node == 'policy_node' else {})
    with pytest.raises(BridgeError) as refused:
        configure(node, given | parameters)
    assert sentence in str(refused.value)


@pytest.mark.parametrize('node', NODES)
def test_a_cell_in_which_something_is_left_to_decide(configure, bundle_path, node):
    given = {'cell': config_path('cells/ur5e.yaml')}
    given |= {'bundle': bundle_path} if node == 'policy_node' else {}
    with pytest.raises(BridgeError) as refused:
        configure(node, given)
    for key in ('controller.latency_s', 'safety.workspace', 'safety.watchdogs.proposals_s'):
        assert f'ur5e.yaml: {key}: found DECIDE, which a person has to replace; write' in (
            str(refused.value))


def test_whole_numbers_are_numbers(configure, cell_path, bundle_path):
    configure('policy_node', {'cell': cell_path, 'bundle': bundle_path, 'deadline_s': 1})


def test_a_bundle_for_other_joints_is_refused_with_every_mismatch(configure, cell_path, tmp_path):
    folder = tmp_path / 'bundle'
    write_linear_bundle(folder, example_manifest(joints=('panda_joint1', 'panda_joint2')))
    with pytest.raises(BridgeError) as refused:
        configure('policy_node', {'cell': cell_path, 'bundle': folder})
    assert 'panda_joint1' in str(refused.value)
    assert 'panda_joint2' in str(refused.value)


def test_a_truncated_model_is_refused(configure, cell_path, bundle_path, tmp_path):
    folder = tmp_path / 'bundle'
    folder.mkdir()
    for file in bundle_path.iterdir():
        data = file.read_bytes()
        (folder / file.name).write_bytes(data[:-20] if file.suffix == '.onnx' else data)
    with pytest.raises(BridgeError, match=r'model\.onnx'):
        configure('policy_node', {'cell': cell_path, 'bundle': folder})
