"""
Plain values from YAML or JSON into the contract's dataclasses, with every mistake found at once.

Three looks. Structure is pydantic's: keys and types. Rules are each field's own range or text.
Relations are what ``__post_init__`` says about how fields stand to each other, and those can only
be asked of a whole instance; where something is wrong, the relations are tried with two different
right values in its place, and a relation counts as broken if both give the same complaint.
"""

from __future__ import annotations

from collections.abc import Iterator
import copy
from dataclasses import dataclass, is_dataclass
import functools
import json
import math
from pathlib import Path as FilePath
from typing import Any, get_args, get_origin, Literal, TypeVar

from physical_ai_bridge.contract.errors import Problem
from physical_ai_bridge.contract.fields import collecting, Complaint, Quantity, rule_of, Text
from physical_ai_bridge.contract.wording import (
    annotation_at,
    core_of,
    dotted,
    keys_of,
    Path,
    required_keys,
    shown,
    unknown_key,
    wanted,
)
from pydantic import TypeAdapter, ValidationError

T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class _Mistake:
    """One wrong place. ``patch`` says how a second look may go on: mend, remove or give up."""

    path: Path
    found: str
    write: str
    patch: Literal['mend', 'remove', 'none'] = 'mend'


def parse(kind: type[T], raw: Any, where: str | FilePath) -> tuple[T | None, list[Problem]]:
    """
    Return a ``kind`` made from plain values, or None and every problem in the order of the file.

    ``raw`` holds only what JSON has: None, bool, int, float, str, list and dict with text keys.
    """
    value, mistakes, related = _structure(kind, raw)
    known = {mistake.path for mistake in mistakes}
    mistakes += [each for each in _broken_rules(kind, raw, ()) if each.path not in known]
    if mistakes:
        related = _relations_around(kind, raw, mistakes)
    mistakes += [_Mistake(path, found, write) for path, found, write in related]
    mistakes.sort(key=lambda mistake: _order(raw, mistake.path))
    problems = [Problem(str(where), dotted(mistake.path), mistake.found, mistake.write)
                for mistake in mistakes]
    return (None if problems else value), problems


def too_large(raw: Any, limit: int = 100_000, depth: int = 50) -> bool:
    """Tell whether plain values are too many or too deep, as aliases can make them."""
    stack = [(raw, 0)]
    while stack and limit > 0:
        value, level = stack.pop()
        limit -= 1
        if isinstance(value, (dict, list)):
            if level >= depth:
                return True
            inner = value.values() if isinstance(value, dict) else value
            stack += [(each, level + 1) for each in inner]
    return limit <= 0


_Related = list[tuple[Path, str, str]]


@functools.cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def _structure(kind: type[T], raw: Any) -> tuple[T | None, list[_Mistake], _Related]:
    """Return the value and the relations that it breaks, or what is wrong in its structure."""
    try:
        with collecting() as collected:
            value = _adapter(kind).validate_json(json.dumps(raw))
    except ValidationError as error:
        mistakes = [_mistake(kind, raw, each) for each in error.errors(include_url=False)]
        return None, mistakes, []
    return value, [], _located(value, collected)


def _mistake(kind: type, raw: Any, error: Any) -> _Mistake:
    """Put one of pydantic's errors into this package's words."""
    path, what = tuple(error['loc']), error['type']
    if what == 'unexpected_keyword_argument':
        keys = keys_of(core_of(annotation_at(kind, path[:-1])))
        return _Mistake(path, *unknown_key(str(path[-1]), keys, _at(raw, path[:-1])), 'remove')
    if what == 'missing' and isinstance(path[-1], int):
        path = path[:-1]
    annotation = annotation_at(kind, path)
    if what == 'missing' and path == tuple(error['loc']):
        return _Mistake(path, 'missing', wanted(annotation))
    if what == 'json_invalid':
        return _Mistake((), error['msg'], 'write plain text', 'none')
    found = _at(raw, path)
    return _Mistake(path, shown(found), wanted(annotation, found))


def _broken_rules(annotation: Any, raw: Any, path: Path, rule: Any = None) -> Iterator[_Mistake]:
    """Hold each value against the rule of its field, whatever stands beside it."""
    core, rule = core_of(annotation), rule_of(annotation) or rule
    if is_dataclass(core):
        for name, inner in keys_of(core).items():
            if isinstance(raw, dict) and name in raw:
                yield from _broken_rules(inner, raw[name], (*path, name))
    elif isinstance(raw, dict) and (core is Any or get_origin(core) is dict):
        inner = Any if core is Any else get_args(core)[1]
        for name, value in raw.items():
            yield from _broken_rules(inner, value, (*path, name), rule)
    elif isinstance(raw, list) and (core is Any or get_origin(core) is tuple):
        inner = Any if core is Any else get_args(core)[0]
        for index, value in enumerate(raw):
            yield from _broken_rules(inner, value, (*path, index), rule)
    elif _breaks(core, rule, raw):
        write = f'write {rule.wanted}' if isinstance(rule, Text) else wanted(annotation, raw)
        yield _Mistake(path, shown(raw), write)


def _breaks(core: Any, rule: Any, raw: Any) -> bool:
    if get_origin(core) is Literal:
        # Python's 1 == True == 1.0, which pydantic lets pass.
        return raw in get_args(core) and type(raw) not in {type(each) for each in get_args(core)}
    if isinstance(rule, Quantity) and type(raw) in (int, float):
        return rule.complaint(raw) is not None
    if isinstance(rule, Text) and isinstance(raw, str):
        return not raw.strip()
    return isinstance(raw, float) and not math.isfinite(raw)


def _relations_around(kind: type, raw: Any, mistakes: list[_Mistake]) -> _Related:
    """Return the relations that are broken whatever right values the mistakes give way to."""
    looks = []
    for high in (False, True):
        mended = copy.deepcopy(raw)
        for mistake in mistakes:
            if mistake.patch == 'none' or not mistake.path:
                return []
            holder = _at(mended, mistake.path[:-1])
            if mistake.patch == 'remove':
                del holder[mistake.path[-1]]
                continue
            stand_in = _stand_in(annotation_at(kind, mistake.path), high)
            if stand_in is None:
                return []
            holder[mistake.path[-1]] = stand_in
        looks.append(_structure(kind, mended)[2])
    wrong = {mistake.path for mistake in mistakes}
    return [each for each in looks[0] if each in looks[1] and each[0] not in wrong]


def _stand_in(annotation: Any, high: bool) -> Any:
    """Return something right, one of two kinds, or None where it would decide the relations."""
    core, rule = core_of(annotation), rule_of(annotation)
    simple = {bool: (False, True), str: ('?low', '?high')}
    if get_origin(core) is Literal or core in simple:
        return (get_args(core) or simple[core])[-1 if high else 0]
    if core in (int, float):
        rule = rule if isinstance(rule, Quantity) else Quantity()
        low = rule.at_least if rule.at_least is not None else -1e6
        low = rule.above + 1.0 if rule.above is not None else low
        top = rule.at_most if rule.at_most is not None else 1e6
        return core(top if high else low)
    if is_dataclass(core):
        inner = {name: _stand_in(each, high) for name, each in keys_of(core).items()}
        if None in inner.values():
            return None
        return {name: inner[name] for name in required_keys(core)}
    if get_origin(core) is tuple and get_args(core)[-1] is not Ellipsis:
        return [_stand_in(each, high) for each in get_args(core)]
    return None


def _located(value: Any, collected: list[tuple[Any, list[Complaint]]]) -> _Related:
    """Give each complaint its whole path: where in ``value`` its instance stands, and its key."""
    paths: dict[int, Path] = {}

    def walk(item: Any, path: Path) -> None:
        if is_dataclass(item):
            paths[id(item)] = path
            for name in keys_of(type(item)):
                walk(getattr(item, name), (*path, name))
        elif isinstance(item, dict):
            for name, inner in item.items():
                walk(inner, (*path, name))

    walk(value, ())
    return [((*paths[id(instance)], *key.split('.')), found, write)
            for instance, complaints in collected for key, found, write in complaints]


def _at(raw: Any, path: Path) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def _order(raw: Any, path: Path) -> tuple[int, ...]:
    """Return where ``path`` stands in the file; what is missing comes last in its mapping."""
    order = []
    for step in path:
        if isinstance(raw, dict):
            keys = list(raw)
            order.append(keys.index(step) if step in raw else len(keys))
            raw = raw.get(step)
        elif isinstance(raw, list) and isinstance(step, int) and step < len(raw):
            order.append(step)
            raw = raw[step]
        else:
            break
    return tuple(order)
