"""The YAML files of ros2_control and MoveIt as plain values, read safely."""

from __future__ import annotations

from collections.abc import Mapping
import copy
import math
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.errors import CellError, Problem
from physical_ai_bridge.contract.parsing import too_large
import yaml

# What launch puts in when it hands a file on: $(var name), $(find-pkg-share package).
_SUBSTITUTION = re.compile(r'\$\((?:(?:var|arg)\s+(\w+)|[^()]*)\)')


class _Loader(yaml.SafeLoader):
    """Reads plain values alone, and angles in degrees as xacro does."""

    yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.split(':')[-1] in (
            'null', 'bool', 'int', 'float', 'str', 'seq', 'map')}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Join keys that stand twice, as the parameter files of ROS may have them."""
        self.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem='a key is not a text', problem_mark=key_node.start_mark)
            value = self.construct_object(value_node, deep=True)
            _join(values, str(key_node.value), value)
        return values


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


def _join(values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value under a key; mappings are joined, of anything else the last one holds."""
    if isinstance(values.get(key), dict) and isinstance(value, dict):
        for name, inner in value.items():
            _join(values[key], name, inner)
    else:
        values[key] = copy.deepcopy(value)


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
        raw = _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f' on line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise refuse(f'is not plain YAML{line}: {error.problem}', 'correct that line') from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(f'is not plain YAML: {error}', give) from None
    if not isinstance(raw, dict):
        raise refuse('holds no mapping', give)
    if too_large(raw):
        raise refuse('is too large, counting what its aliases repeat', give)
    return raw


def join_all(mappings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one mapping from several, of which the later ones overrule the earlier ones."""
    joined: dict[str, Any] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            _join(joined, key, value)
    return joined


def unfilled(text: str) -> str | None:
    """Return what launch would still put into a text: a variable's name, or $(...), or None."""
    match = _SUBSTITUTION.search(text)
    return match and (match[1] or match[0])
