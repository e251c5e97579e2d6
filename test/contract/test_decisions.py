"""A mark for what a person must decide is never a value; the shipped cells have but those open."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, MISSING
import json
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell, parse_cell
from physical_ai_bridge.contract.decisions import DECIDE, FOUND, question
from physical_ai_bridge.contract.errors import CellError
from physical_ai_bridge.contract.fields import Quantity, rule_of
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.contract.wording import core_of, keys_of, required_keys
from physical_ai_bridge.testing.decided import decided
import pytest
import yaml

CELLS = sorted(config_path('cells').glob('*.yaml'), key=lambda path: path.name)
OPEN = [path for path in CELLS if path.stem != 'mujoco_ur5e']
TEMPLATE = config_path('cells') / 'template.yaml'


def problems_of(path: Path):
    with pytest.raises(CellError) as raised:
        load_cell(path)
    return raised.value.problems


def places(value, path=()):
    """Return the path of everything in plain values, mappings and lists included."""
    found = [path] if path else []
    steps = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for step, inner in steps:
        found += places(inner, (*path, step))
    return found


def dotted(path):
    return ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in path)[1:]


class TestAMark:

    @settings(max_examples=60)
    @given(st.data())
    def test_is_reported_wherever_it_stands_and_alone(self, good_cell, write_cell, data):
        cell = json.loads(good_cell)
        *outer, last = data.draw(st.sampled_from(places(cell)))
        holder = cell
        for step in outer:
            holder = holder[step]
        holder[last] = DECIDE
        [problem] = problems_of(write_cell(cell))
        assert problem.key == dotted((*outer, last))
        assert problem.found == FOUND
        assert problem.write.startswith('write ')

    def test_comes_with_the_others_and_with_what_is_wrong_elsewhere(self, good_cell, write_cell):
        cell = json.loads(good_cell)
        cell['safety']['workspace'] = DECIDE
        cell['robot']['tcp_frame'] = DECIDE
        cell['controller']['rate_hz'] = -1.0
        path = write_cell(cell)
        problems = problems_of(path)
        assert [problem.key for problem in problems] == [
            'controller.rate_hz', 'robot.tcp_frame', 'safety.workspace']
        assert {problem.where for problem in problems} == {str(path)}

    def test_is_as_little_a_cell_where_only_the_text_is_known(self, good_cell):
        cell = json.loads(good_cell)
        cell['name'] = DECIDE
        with pytest.raises(CellError, match='name: found DECIDE'):
            parse_cell(json.dumps(cell), 'the cell in an incident')

    def test_says_what_there_is_to_decide(self, good_cell, write_cell):
        cell = json.loads(good_cell)
        cell['safety']['joint_limits']['elbow_joint']['max_jerk'] = DECIDE
        [problem] = problems_of(write_cell(cell))
        assert problem.key == 'safety.joint_limits.elbow_joint.max_jerk'
        assert problem.write.startswith('write a number above 0 in rad/s³: how fast the')

    @pytest.mark.parametrize('name', ['DECIDED', 'decide', 'DECIDE later'])
    def test_is_that_word_alone(self, good_cell, write_cell, name):
        cell = json.loads(good_cell)
        cell['name'] = name
        assert load_cell(write_cell(cell)).name == name


class TestShippedCells:

    @pytest.mark.parametrize('path', OPEN, ids=lambda path: path.stem)
    def test_have_nothing_wrong_but_marks(self, path):
        problems = problems_of(path)
        assert {problem.found for problem in problems} == {FOUND}
        assert path.name == 'template.yaml' or all(
            question(tuple(problem.key.split('.'))) for problem in problems)

    @pytest.mark.parametrize('path', OPEN, ids=lambda path: path.stem)
    def test_are_cells_once_the_marks_are_replaced(self, path, write_cell):
        cell = load_cell(write_cell(decided(yaml.safe_load(path.read_text()))))
        assert cell.robot.joints == tuple(cell.safety.joint_limits)

    def test_leave_no_file_out(self):
        assert {path.stem for path in CELLS} >= {'ur5e', 'franka_fr3', 'so101', 'template'}

    @pytest.mark.parametrize('path', OPEN, ids=lambda path: path.stem)
    def test_leave_to_a_person_what_depends_on_the_place(self, path):
        raw = yaml.safe_load(path.read_text())
        safety = raw['safety']
        assert safety['tcp_speed_max_m_s'] == DECIDE
        assert DECIDE in (safety['workspace'], safety['workspace']['min'][0]
                          if isinstance(safety['workspace'], dict) else None)
        assert safety['emergency_stop']['timeout_s'] == DECIDE
        assert safety['watchdogs']['proposals_s'] == DECIDE
        assert raw['controller']['latency_s'] == DECIDE
        for limit in safety.get('force_limits', {}).values():
            assert limit['max_force_n'] == limit['max_torque_nm'] == DECIDE


def explained():
    """Return, by dotted key of the template, its annotation, field, value and comment."""
    lines = TEMPLATE.read_text().splitlines()
    found = {}

    def walk(annotation, node, path):
        core = core_of(annotation)
        if is_dataclass(core):
            inner = {key.value: (key, value) for key, value in node.value}
            for each in fields(core):
                key = '.'.join([*path, each.name])
                if each.name not in inner:
                    found[key] = None
                    continue
                mark, value = inner[each.name]
                comment, line = [], mark.start_mark.line - 1
                while lines[line].strip().startswith('#'):
                    comment.insert(0, lines[line].strip(' #'))
                    line -= 1
                found[key] = (keys_of(core)[each.name], each, value, ' '.join(comment))
                walk(keys_of(core)[each.name], value, (*path, each.name))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(get_args(core)[1], value, (*path, key.value))

    walk(Cell, yaml.compose(TEMPLATE.read_text()), ())
    return found


class TestTheTemplate:

    def test_has_every_key_of_the_schema_with_an_explanation(self):
        assert [key for key, entry in explained().items() if entry is None or not entry[3]] == []

    def test_says_each_unit(self):
        for key, (annotation, _, _, comment) in explained().items():
            rule = rule_of(annotation)
            if isinstance(rule, Quantity) and rule.unit:
                assert f' in {rule.unit}' in comment, key

    def test_says_what_is_required_and_every_default(self):
        for key, (_, each, value, comment) in explained().items():
            if each.default is MISSING and each.default_factory is MISSING:
                assert 'Required' in comment, key
                continue
            assert 'Default: ' in comment, key
            if isinstance(each.default, (str, int, float)):
                assert f'Default: {each.default}.' in comment, key
                assert value.value == str(each.default), key

    def test_asks_for_as_much_as_the_schema(self):
        keys = explained()
        assert set(required_keys(Cell)) <= keys.keys()
        assert 'safety.force_limits.wrist.saturation.torque_nm' in keys
