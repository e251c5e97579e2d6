"""The YAML files of ros2_control and MoveIt as plain values, read safely."""

from __future__ import annotations

from collections.abc import Mapping
import math
from pathlib import Path
import re
import sys
from typing import Any

from physical_ai_bridge.contract.errors import CellError, Problem
import yaml

# What launch puts in when it hands a file on: $(var name), $(find-pkg-share package).
_SUBSTITUTION = re.compile(r'\$\((?:(?:var|arg)\s+(\w+)|[^()]*)\)')

_MOST_NODES = 100_000


class _Loader(yaml.SafeLoader):
    """Reads plain values alone, and angles in degrees as xacro does."""

    yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.split(':')[-1] in (
            'null', 'bool', 'int', 'float', 'str', 'seq', 'map')}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Join keys that stand twice, as the parameter files of ROS may have them."""
        own = sum(key.tag != 'tag:yaml.org,2002:merge' for key, _ in node.value)
        self.flatten_mapping(node)
        # What `<<` brings comes first now, and gives way as a whole.
        brought, written = {}, {}
        for index, (key, value) in enumerate(node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem='a key is not a text', problem_mark=key.start_mark)
            entry = {str(key.value): self.construct_object(value, deep=True)}
            if index < len(node.value) - own:
                brought |= entry
            else:
                written = joined(written, entry)
        return brought | written


def _angle(radians: float) -> Any:
    def construct(loader: _Loader, node: yaml.Node) -> float:
        try:
            return float(loader.construct_scalar(node)) * radians
        except ValueError:
            raise yaml.MarkedYAMLError(
                problem='an angle is not a number', problem_mark=node.start_mark) from None
    return construct


_Loader.yaml_constructors['!degrees'] = _angle(math.pi / 180.0)
_Loader.yaml_constructors['!radians'] = _angle(1.0)
_Loader.yaml_constructors['tag:yaml.org,2002:map'] = (
    lambda loader, node: loader.construct_mapping(node, deep=True))


def joined(*mappings: Mapping[str, Any]) -> dict[str, Any]:
    """Return one mapping: inner mappings are joined, of anything else the last one holds."""
    values: dict[str, Any] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            both = isinstance(values.get(key), dict) and isinstance(value, dict)
            values[key] = joined(values[key], value) if both else value
    return values


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many nodes there are, aliases written out; infinite where one holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = [] if isinstance(node, yaml.ScalarNode) else [
            each for entry in node.value
            for each in (entry if isinstance(node, yaml.MappingNode) else (entry,))]
        known[id(node)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(node)]


def read_mapping(path: Path, what: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """
    Return a YAML file's mapping; ``what`` names such a file, such as 'controllers.yaml'.

    $(var name) and $(arg name) become ``variables[name]``; other substitutions are left.

    Raises
    ------
    CellError
        If the file cannot be read, or is no mapping.

    """
    def refuse(found: str, write: str) -> CellError:
        return CellError([Problem(str(path), '', found, write)])

    give = f'give the path of a {what}'
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise refuse(f'cannot be read: {error.strerror}', give) from None
    except UnicodeDecodeError:
        raise refuse('is not UTF-8 text', give) from None
    text = _SUBSTITUTION.sub(
        lambda match: variables.get(match[1] or '', match[0]), text)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > _MOST_NODES:
            raise refuse('is too large, counting what its aliases repeat', give)
        raw = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f' on line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise refuse(f'is not plain YAML{line}: {error.problem}', 'correct that line') from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(f'is not plain YAML: {error}', give) from None
    if not isinstance(raw, dict):
        raise refuse('holds no mapping', give)
    return raw


def unfilled(text: str) -> tuple[str, str] | None:
    """Return what was found and what to do about a text that launch completes, None for others."""
    match = _SUBSTITUTION.search(text)
    if match and match[1]:
        return (f'found {match[0]}, which launch fills in',
                f'give --var {match[1]}=VALUE as launch does; --var {match[1]}= for nothing')
    return (f'found {text}, which launch fills in', 'write what it becomes') if '$(' in text \
        else None


def is_number(value: Any) -> bool:
    """Tell whether a plain value is a finite number, and no truth value."""
    # Not math.isfinite, which raises on an integer that is too large for a float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
