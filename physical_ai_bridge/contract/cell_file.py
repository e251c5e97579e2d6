"""Read a cell file: YAML in, a Cell out, or every mistake in the file at once."""

from __future__ import annotations

import difflib
from functools import partial
from pathlib import Path
import re
from typing import Any
from xml.etree import ElementTree

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.decisions import find_marks, without_echoes
from physical_ai_bridge.contract.digest import digest_of
from physical_ai_bridge.contract.errors import CellError, Problem
from physical_ai_bridge.contract.names import ROBOT_DESCRIPTION
from physical_ai_bridge.contract.parsing import parse, too_large
import yaml


def load_cell(path: str | Path) -> Cell:
    """
    Read and check a cell file, and the URDF that it names.

    Raises
    ------
    CellError
        With every problem at once, in the order of the file.

    """
    path = Path(path)
    raw = _read(path)
    return _checked(raw, str(path), _urdf_problems(raw, path))


def parse_cell(text: str, where: str) -> Cell:
    """
    Check the text of a cell file, but not the URDF that it names; ``where`` is for complaints.

    Raises
    ------
    CellError
        With every problem at once, in the order of the text.

    """
    return _checked(_plain(text, where), where, [])


def _checked(raw: Any, where: str, more: list[Problem]) -> Cell:
    """Return the cell, or raise its problems, ``more``, and every mark of what is undecided."""
    cell, problems = parse(Cell, raw, where)
    marks = find_marks(raw, where)
    problems = without_echoes(problems + more, marks) + marks
    if cell is None or problems:
        raise CellError(problems)
    return cell


def cell_digest(path: str | Path) -> str:
    """Return the sha256 of a cell file, in lower-case hex."""
    return digest_of(Path(path))


def urdf_path(cell: Cell, cell_path: str | Path) -> Path | None:
    """Return the absolute path of the cell's URDF, or None if it comes from a topic."""
    return _urdf_path(cell.robot.urdf, Path(cell_path))


def _urdf_path(urdf: str, cell_path: Path) -> Path | None:
    return None if urdf == ROBOT_DESCRIPTION else (cell_path.parent / urdf).resolve()


class _Loader(yaml.SafeLoader):
    """Reads only what YAML 1.1 and 1.2 understand alike: a limit must not depend on the reader."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}
    yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.split(':')[-1] in (
            'null', 'bool', 'int', 'float', 'str', 'seq', 'map')}


for _tag, _pattern, _first in (
        ('null', r'~|null|', ['~', 'n', '']),
        ('bool', r'true|false', list('tf')),
        ('int', r'[-+]?(?:0|[1-9][0-9]*)', list('-+0123456789')),
        ('float', r'[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?|\.inf)|\.nan',
         list('-+.0123456789')),
        ('merge', r'<<', ['<'])):
    _Loader.add_implicit_resolver(
        f'tag:yaml.org,2002:{_tag}', re.compile(rf'(?:{_pattern})$'), _first)


def _refusal(where: str, found: str, write: str) -> CellError:
    return CellError([Problem(where, '', found, write)])


def _read(path: Path) -> Any:
    """Return the plain values of a YAML file."""
    refuse = partial(_refusal, str(path))
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise refuse(f'cannot be read: {error.strerror}', 'give the path of a cell file') from None
    except UnicodeDecodeError:
        raise refuse('is not UTF-8 text', 'give the path of a cell file, in UTF-8') from None
    return _plain(text, str(path))


def _plain(text: str, where: str) -> Any:
    """Return the plain values of a YAML text."""
    refuse = partial(_refusal, where)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise refuse('is empty', 'begin from a cell file that comes with this package')
        problems = _key_problems(node, where)
        if problems:
            raise CellError(problems)
        raw = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f' on line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise refuse(f'is not YAML{line}: {error.problem}', 'correct that line') from None
    except yaml.YAMLError as error:
        raise refuse(f'is not YAML: {error}', 'save it as plain UTF-8 text') from None
    except RecursionError:
        raise refuse('is nested too deeply', 'write the keys of a cell file') from None
    except ValueError as error:
        raise refuse(f'has a number that cannot be read: {error}', 'shorten it') from None
    if too_large(raw):
        raise refuse('is too large, counting what its aliases repeat', 'write it out shorter')
    return raw


def _key_problems(root: yaml.Node, where: str) -> list[Problem]:
    """Return every key that stands twice in its mapping, and every one that is not a text."""
    problems, visited = [], set()
    queue: list[tuple[yaml.Node, str]] = [(root, '')]
    while queue:
        node, path = queue.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            queue += [(item, f'{path}[{index}]') for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ''
            inner = f'{path}.{name}' if path else name
            if key.tag == 'tag:yaml.org,2002:merge':
                queue.append((value, path))
                continue
            if key.tag != 'tag:yaml.org,2002:str':
                problems.append((line, Problem(
                    where, inner or path, f'a key on line {line} is not a text',
                    'write a name; in quotes if it looks like a number')))
            elif name in lines:
                problems.append((line, Problem(
                    where, inner, f'written twice, on lines {lines[name]} and {line}',
                    'keep one of them')))
            lines[name] = line
            queue.append((value, inner))
    return [problem for _, problem in sorted(problems, key=lambda each: each[0])]


def _urdf_problems(raw: Any, path: Path) -> list[Problem]:
    """Check the URDF as far as the file, perhaps wrong elsewhere, says which one it is."""
    robot = raw.get('robot') if isinstance(raw, dict) else None
    urdf = robot.get('urdf') if isinstance(robot, dict) else None
    if not isinstance(urdf, str) or not urdf.strip():
        return []
    urdf_file = _urdf_path(urdf, path)
    if urdf_file is None:
        return []

    def problem(key: str, found: str, write: str) -> Problem:
        return Problem(str(path), f'robot.{key}', found, write)

    try:
        tree = ElementTree.fromstring(urdf_file.read_bytes())
    except OSError as error:
        return [problem('urdf', f'found {urdf!r}, and {urdf_file} cannot be read: '
                        f'{error.strerror}',
                        f'write a path from the cell file to a URDF, or {ROBOT_DESCRIPTION}')]
    except ElementTree.ParseError as error:
        return [problem('urdf', f'{urdf_file} is not XML: {error}',
                        'write the path of a URDF; run xacro first if it is a .xacro file')]
    if tree.tag != 'robot':
        return [problem('urdf', f'{urdf_file} holds <{tree.tag}>, not <robot>',
                        'write the path of a URDF')]
    types = {joint.get('name', ''): joint.get('type', '') for joint in tree.findall('joint')}
    links = [link.get('name', '') for link in tree.findall('link')]
    movable = [name for name, kind in types.items() if kind != 'fixed']
    problems = []
    joints = robot.get('joints')
    for name in joints if isinstance(joints, list) else ():
        if isinstance(name, str) and name.strip() and name not in movable:
            found = 'is fixed' if name in types else 'is not a joint'
            problems.append(problem(
                'joints', f'{name} {found} in {urdf_file.name}', _instead(name, movable)))
    for key, default in (('base_frame', 'base_link'), ('tcp_frame', 'tool0')):
        name = robot.get(key, default)
        if isinstance(name, str) and name.strip() and name not in links:
            problems.append(problem(
                key, f'{name} is not a link in {urdf_file.name}', _instead(name, links)))
    return problems


def _instead(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f'write {close[0]}' if close else f'write one of {", ".join(names) or "none"}'
