"""The ROS names of a cell, and its namespace."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
import re

from physical_ai_bridge.contract.names import (
    CLOCK,
    into_namespace,
    remappings,
    sensed_topics,
    shared_topics,
    topics_of,
)
from physical_ai_bridge.testing.contracts import example_cell
import pytest

NODES = Path(__file__).resolve().parents[2] / 'physical_ai_bridge' / 'nodes'
CELL = example_cell()
REPORTING = replace(CELL, controller=replace(CELL.controller, state_topic='/controller/state'))


def written_in(module: str) -> set[str]:
    """Return the absolute names that stand in a node's code."""
    tree = ast.parse((NODES / f'{module}.py').read_text(encoding='utf-8'))
    return {node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            and re.fullmatch(r'(/\w+)+', node.value)}


def test_every_topic_of_the_cell_file_is_found():
    sensors = REPORTING.sensors
    assert set(topics_of(REPORTING)) == {
        sensors.joint_states.topic,
        *(camera.topic for camera in sensors.cameras.values()),
        *(wrench.topic for wrench in sensors.wrenches.values()),
        REPORTING.controller.topic, '/controller/state', REPORTING.safety.emergency_stop.topic}


@pytest.mark.parametrize('module', ['policy_node', 'safety_supervisor', 'mujoco_cell'])
def test_no_node_uses_an_absolute_name_that_a_namespace_would_not_reach(module):
    assert written_in(module) <= {*shared_topics(CELL), CLOCK}


def test_what_a_replay_plays_holds_no_command():
    sensed = sensed_topics(REPORTING)
    assert '/controller/state' in sensed
    assert REPORTING.controller.topic not in sensed
    assert '/proposed_trajectory' not in sensed


@pytest.mark.parametrize(('name', 'namespace', 'full'), [
    ('/joint_states', 'left', '/left/joint_states'),
    ('/joint_states', '/left/', '/left/joint_states'),
    ('/joint_states', '/site/left', '/site/left/joint_states'),
    ('/left/joint_states', 'left', '/left/joint_states'),
    ('/leftover', 'left', '/left/leftover'),
    ('policy_node', '/', '/policy_node'),
    ('/policy_node', '', '/policy_node'),
])
def test_a_name_in_a_namespace(name, namespace, full):
    assert into_namespace(name, namespace) == full


def test_every_shared_name_is_moved_and_the_clock_is_not():
    moved = dict(remappings(CELL, 'left'))
    assert set(moved) == set(shared_topics(CELL))
    assert all(full == f'/left{name}' for name, full in moved.items())
    assert CLOCK not in moved


def test_without_a_namespace_nothing_is_moved():
    assert remappings(CELL, '/') == ()


def test_what_is_in_the_namespace_already_is_left_alone():
    sensors = replace(
        CELL.sensors, joint_states=replace(CELL.sensors.joint_states, topic='/left/joints'))
    assert '/left/joints' not in dict(remappings(replace(CELL, sensors=sensors), 'left'))
