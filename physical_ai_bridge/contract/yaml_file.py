"""Plain values from a YAML file that a person wrote, read so that no two readers differ."""

from __future__ import annotations

from functools import partial
from pathlib import Path
import re
from typing import Any

from physical_ai_bridge.contract.errors import ContractError, Problem
from physical_ai_bridge.contract.parsing import too_large
import yaml


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


def read_yaml(path: str | Path, what: str, error: type[ContractError]) -> Any:
    """
    Return the plain values of a YAML file; ``what`` it should be is said in complaints.

    Raises
    ------
    ContractError
        Of the class ``error``: the file cannot be read, or is not plain YAML.

    """
    path = Path(path)
    refuse = partial(_refusal, error, str(path))
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as raised:
        raise refuse(f'cannot be read: {raised.strerror}', f'give the path of a {what}') from None
    except UnicodeDecodeError:
        raise refuse('is not UTF-8 text', f'give the path of a {what}, in UTF-8') from None
    return plain_yaml(text, str(path), what, error)


def plain_yaml(text: str, where: str, what: str, error: type[ContractError]) -> Any:
    """
    Return the plain values of a YAML text, as ``read_yaml`` does of a file.

    Raises
    ------
    ContractError
        Of the class ``error``, with what is wrong and on which line.

    """
    refuse = partial(_refusal, error, where)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise refuse('is empty', f'write the keys of a {what}')
        problems = _key_problems(node, where)
        if problems:
            raise error(problems)
        raw = loader.construct_document(node)
    except yaml.MarkedYAMLError as raised:
        mark = raised.problem_mark or raised.context_mark
        line = f' on line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise refuse(f'is not YAML{line}: {raised.problem}', 'correct that line') from None
    except yaml.YAMLError as raised:
        raise refuse(f'is not YAML: {raised}', 'save it as plain UTF-8 text') from None
    except RecursionError:
        raise refuse('is nested too deeply', f'write the keys of a {what}') from None
    except ValueError as raised:
        raise refuse(f'has a number that cannot be read: {raised}', 'shorten it') from None
    if too_large(raw):
        raise refuse('is too large, counting what its aliases repeat', 'write it out shorter')
    return raw


def _refusal(
        error: type[ContractError], where: str, found: str, write: str) -> ContractError:
    return error([Problem(where, '', found, write)])


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
