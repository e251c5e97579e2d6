"""Read a cell file: YAML in, a Cell out, or every mistake in the file at once."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.decisions import find_marks, without_echoes
from physical_ai_bridge.contract.digest import digest_of
from physical_ai_bridge.contract.errors import CellError, Problem
from physical_ai_bridge.contract.names import ROBOT_DESCRIPTION
from physical_ai_bridge.contract.parsing import parse
from physical_ai_bridge.contract.yaml_file import plain_yaml, read_yaml


def load_cell(path: str | Path) -> Cell:
    """
    Read and check a cell file, and the URDF that it names.

    Raises
    ------
    CellError
        With every problem at once, in the order of the file.

    """
    path = Path(path)
    raw = read_yaml(path, 'cell file', CellError)
    return _checked(raw, str(path), _urdf_problems(raw, path))


def parse_cell(text: str, where: str) -> Cell:
    """
    Check the text of a cell file, but not the URDF that it names; ``where`` is for complaints.

    Raises
    ------
    CellError
        With every problem at once, in the order of the text.

    """
    return _checked(plain_yaml(text, where, 'cell file', CellError), where, [])


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
