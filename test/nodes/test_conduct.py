"""Three real nodes, conducted from the shell without ros2cli; and what they say of themselves."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys

from physical_ai_bridge.contract.guide.keys import (
    EPISODE,
    MUJOCO_CELL,
    POLICY_NODE,
    STATE,
    SUPERVISOR,
)
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.nodes.conversions import values_of
import pytest

pytest.importorskip('mujoco')
pytest.importorskip('rclpy')

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]
NODES = ('mujoco_cell', 'safety_supervisor', 'policy_node')


@pytest.fixture(scope='module')
def conduct(shared_graph):
    """Return a function that types a line: exit status, what it said, what it complained of."""
    domain = str(shared_graph.context.get_domain_id())

    def type_line(line):
        ended = subprocess.run(
            [sys.executable, '-m', 'physical_ai_bridge.nodes.conduct', *line.split()],
            env=os.environ | {'ROS_DOMAIN_ID': domain}, cwd=ROOT, capture_output=True, text=True,
            check=False)
        return ended.returncode, ended.stdout.splitlines(), ended.stderr

    return type_line


@pytest.fixture(scope='module')
def cell(shared_graph, conduct, write_cell, bundle_path, tmp_path_factory):
    """Return the graph of a cell that was brought up by one line, and stops when it is told to."""
    cell_path = write_cell(tmp_path_factory.mktemp('conduct'), watchdogs={
        'proposals_s': 60.0, 'joint_states_s': 60.0, 'wrenches_s': 60.0, 'tick_s': 60.0,
        'late_ticks': 100_000, 'bad_proposals': 100_000})
    shared_graph.launch('mujoco_cell', cell=cell_path)
    shared_graph.launch('safety_supervisor', cell=cell_path)
    shared_graph.launch('policy_node', cell=cell_path, bundle=bundle_path)
    status, _, complaint = conduct(f'up {" ".join(NODES)}')
    assert status == 0, complaint
    return shared_graph


def said(source, values):
    """Hold the keys of a status against those that are explained; return what it does not say."""
    explained = {re.sub('<(code|input)>', '(.+)', re.escape(key.name)): key for key in source.keys}
    unknown = [key for key in values if not any(re.fullmatch(name, key) for name in explained)]
    assert unknown == [], (
        f'{source.node} says {unknown} on {source.topic}, which nothing explains: write them into '
        'physical_ai_bridge/contract/guide/keys.py and type: python scripts/reference_pages.py')
    return [key.name for name, key in explained.items()
            if key.always and not any(re.fullmatch(name, each) for each in values)]


@pytest.mark.parametrize('source', [SUPERVISOR, POLICY_NODE, MUJOCO_CELL], ids=lambda s: s.node)
def test_every_key_of_diagnostics_is_explained_and_nothing_else_is(cell, source):
    values = cell.wait_for_diagnostics(source.node, lambda values, message: True)
    del values['message']
    assert said(source, values) == []
    refused = [key.removeprefix('refused.') for key in values if key.startswith('refused.')]
    assert set(refused) <= set(Reason.__members__)


@pytest.mark.parametrize('source', [STATE, EPISODE], ids=lambda s: s.topic)
def test_every_key_of_a_state_is_explained_and_nothing_else_is(cell, source):
    inbox = cell.statuses(source.topic.replace('~', f'/{source.node}'))
    assert said(source, values_of(cell.wait(lambda: inbox.last))) == []


def test_a_refusal_is_a_sentence_and_exit_status_1(cell, conduct):
    status, _, complaint = conduct('call /safety_supervisor/reset')
    assert status == 1
    assert complaint.startswith('/safety_supervisor/reset: ')
    assert 'there is nothing to reset in' in complaint
    assert 'Traceback' not in complaint


def test_a_stop_is_called_and_told(cell, conduct):
    assert conduct('call /safety_supervisor/stop')[:2] == (0, [
        '/safety_supervisor/stop: stopping; only ~/reset at standstill leaves this'])
    states = cell.statuses('/safety_supervisor/state')
    cell.wait(lambda: states.last and values_of(states.last)['mode'] == 'STOPPED')
    assert conduct('state')[1] == [
        'STOPPED: STOP_REQUESTED: somebody called ~/stop (authority live)']


def test_what_a_node_says_is_told_with_its_keys(cell, conduct):
    _, (head, *lines), _ = conduct('diagnostics policy_node')
    assert head.startswith('/policy_node: ')
    assert '  provider: cpu' in lines


def test_down_deactivates_and_cleans_up_in_order(cell, conduct):
    assert conduct('down policy_node safety_supervisor')[1] == [
        'policy_node: unconfigured', 'safety_supervisor: unconfigured']
