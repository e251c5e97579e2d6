"""The files of ros2_control and MoveIt are read as ROS and xacro read them, and never run."""

from __future__ import annotations

import math

from physical_ai_bridge.cli.new_cell_yaml import joined, read_mapping, unfilled
from physical_ai_bridge.contract.errors import CellError
import pytest


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text with variables."""
    def run(text, **variables):
        path = tmp_path / 'controllers.yaml'
        path.write_text(text)
        return read_mapping(path, 'controllers.yaml', variables)
    return run


def test_a_key_that_stands_twice_is_joined(read):
    assert read('/**:\n  a: {x: 1, y: 1}\n/**:\n  a: {y: 2}\n  b: 3\n') == {
        '/**': {'a': {'x': 1, 'y': 2}, 'b': 3}}


def test_what_a_merge_brings_gives_way_as_a_whole(read):
    values = read('base: &base {p: {x: 1}, q: 1}\nown: {<<: *base, p: {y: 2}, r: 3}\n')
    assert values['own'] == {'p': {'y': 2}, 'q': 1, 'r': 3}
    assert values['base'] == {'p': {'x': 1}, 'q': 1}


def test_joining_leaves_what_was_joined_as_it_is(read):
    first, second = {'a': {'x': 1}}, {'a': {'y': 2}}
    assert joined(first, second) == {'a': {'x': 1, 'y': 2}}
    assert (first, second) == ({'a': {'x': 1}}, {'a': {'y': 2}})


def test_variables_are_filled_in_in_keys_and_values(read):
    values = read(
        '$(var tf_prefix)elbow: [$(arg tf_prefix)a, $(find-pkg-share b)]', tf_prefix='l_')
    assert values == {'l_elbow': ['l_a', '$(find-pkg-share b)']}


def test_what_is_left_for_launch_is_told_from_a_name():
    assert '--var tf_prefix=' in unfilled('$(var tf_prefix)elbow')[1]
    for text in ('$(find-pkg-share b)/x', "$(eval 'a' + $(var b))"):
        assert unfilled(text)
    assert unfilled('elbow') is None


def test_angles_in_degrees_become_radians(read):
    assert read('a: !degrees 180.0\nb: !radians 1.5') == {'a': pytest.approx(math.pi), 'b': 1.5}


@pytest.mark.parametrize(('text', 'found'), [
    ('a: !!python/object/apply:os.system [true]', 'is not plain YAML on line 1'),
    ('a: !env HOME', 'is not plain YAML on line 1'),
    ('a: !degrees fast', 'an angle is not a number'),
    ('? [a, b]\n: c', 'a key is not a text'),
    ('a: &a [*a]', 'is too large'),
    ('[a, b]', 'holds no mapping'),
    ('', 'holds no mapping'),
    ('a: "\x07"', 'is not plain YAML'),
    ('[' * 1500, 'is not plain YAML'),
])
def test_anything_else_is_refused_in_words(read, text, found):
    with pytest.raises(CellError, match=found):
        read(text)
