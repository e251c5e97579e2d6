"""docs/faults.md has a row for each fault, and what a row says is there."""

from __future__ import annotations

import ast
from pathlib import Path
import re

from physical_ai_bridge.contract.reasons import Reason
import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / 'docs' / 'faults.md'
CORE = 'safety/test_faults.py'

FAULTS = {
    'Message': (
        'NaN position', 'Inf velocity', 'NaN only in the last point', 'no points', 'no names',
        'duplicate names', 'unknown names', 'permuted names', 'missing names', 'wrong widths',
        'zero times', 'equal times', 'decreasing times', 'negative times', 'nanosec overflow',
        '10⁵ points', 'an effort field', 'degrees for radians', '±2π wraps', 'a constant offset',
        'a frozen chunk', 'sign-flipping chatter', 'acceleration that contradicts velocity',
        'nonzero end velocity'),
    'Time': (
        'future stamps', 'stale stamps', 'a clock step', 'simulated time paused',
        'simulated time reset', 'mixed clocks'),
    'Transport': (
        'loss', 'reordering', 'duplicates', 'a burst after a stall', 'a second publisher',
        'late joiners'),
    'State': (
        'joint states frozen but re-stamped', 'a joint missing', 'NaN or no velocity', 'spikes',
        'start outside limits', 'tracking lag'),
    'System': (
        'SIGKILL of the policy', 'SIGKILL of the supervisor', 'SIGSTOP of the supervisor',
        'CPU starvation', 'the controller deactivated', 'the controller restarted',
        'a tolerance hold', 'external speed scaling 0', 'external speed scaling above 1',
        'a protective stop of the robot', 'e-stop mid-splice', 'e-stop released',
        'e-stop flapping', 'e-stop heartbeat lost', 'force sensor saturated',
        'force sensor biased', 'force sensor silent', 'limits changed', 'limits NaN',
        'limits negative', 'limits inverted', 'ruckig raising', 'reset while moving'),
}


def rows() -> dict[str, dict[str, list[str]]]:
    """Return the page's rows by section and fault: reaction, reason, reaction time, tests."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ''
    for line in PAGE.read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            section = line[3:]
        elif line.startswith('| ') and section in FAULTS and not line.startswith('| fault |'):
            fault, *cells = (cell.strip() for cell in line.strip('|').split('|'))
            assert fault not in found.setdefault(section, {}), f'{fault} has two rows'
            found[section][fault] = cells
    return found


def names_in(path: Path) -> set[str]:
    """Return what can be named in a file of tests: Class, function, Class::function."""
    names = set()
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test'):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith('Test'):
            inner = {f'{node.name}::{each.name}' for each in node.body
                     if isinstance(each, ast.FunctionDef) and each.name.startswith('test')}
            names |= inner | ({node.name} if inner else set())
    return names


def test_each_fault_has_a_row_and_each_row_is_a_fault():
    assert {section: set(faults) for section, faults in rows().items()} == {
        section: set(faults) for section, faults in FAULTS.items()}


ROWS = [pytest.param(cells, id=f'{section}: {fault}')
        for section, faults in rows().items() for fault, cells in faults.items()]


@pytest.mark.parametrize('cells', ROWS)
def test_a_row_names_reactions_reasons_and_tests_that_are_there(cells):
    reaction, reasons, after, tests = cells
    assert reaction
    assert after
    codes = re.findall(r'`([A-Z_]+)`', reasons)
    assert codes or reasons.startswith('none')
    assert not set(codes) - set(Reason.__members__)
    named = re.findall(r'`([^`]+)`', tests)
    assert named
    for name in named:
        path, _, test = name.partition('::') if '/' in name else (CORE, '', name)
        assert test in names_in(TESTS / path), f'{name} is not there'
