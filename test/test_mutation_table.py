"""The table of `scripts/mutation_check` follows the code: each check is where it says."""

from __future__ import annotations

import ast
from collections import Counter
import importlib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SCRIPTS = TESTS.parent / 'scripts'


@pytest.fixture(scope='module')
def table():
    """Return the package with the table, which is no part of what is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module('mutations')


def names_in(path: Path) -> set[str]:
    """Return the tests of a file as pytest names them, and their classes."""
    names = set()
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        names.add(getattr(node, 'name', ''))
        if isinstance(node, ast.ClassDef):
            names |= {f'{node.name}::{each.name}' for each in node.body
                      if isinstance(each, ast.FunctionDef)}
    return names


def test_each_text_is_there_once_and_what_comes_instead_is_python(table):
    for mutation in table.MUTATIONS:
        source = TESTS.parent / 'physical_ai_bridge' / mutation.file
        assert mutation.applied(source.read_text(encoding='utf-8'))


def test_each_test_is_there(table):
    for mutation in table.MUTATIONS:
        assert mutation.tests
        for test in mutation.tests:
            path, _, name = test.partition('::')
            assert (TESTS / path).exists(), f'{mutation.name}: {path} is not there'
            assert not name or name in names_in(TESTS / path), f'{mutation.name}: {test}'


def test_each_has_a_name_of_its_own(table):
    counted = Counter((mutation.file, mutation.name) for mutation in table.MUTATIONS)
    assert not [each for each, count in counted.items() if count > 1]


def test_a_text_that_is_not_there_exactly_once_is_an_error(table):
    mutation = table.MUTATIONS[0]
    for source in ('', f'{mutation.text}\n{mutation.text}'):
        with pytest.raises(table.TableError, match='exactly once'):
            mutation.applied(source)
