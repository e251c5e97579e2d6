"""How the mistakes in a file are put into words: what was found, what to write instead."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, is_dataclass, MISSING
import difflib
import functools
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints, Literal, Union

from physical_ai_bridge.contract.fields import Quantity, rule_of, Text

Path = tuple[str | int, ...]


def core_of(annotation: Any) -> Any:
    """Return an annotation without ``Annotated`` and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return core_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return core_of(next(part for part in get_args(annotation) if part is not NoneType))
    return annotation


@functools.cache
def keys_of(kind: type) -> dict[str, Any]:
    """Return a dataclass's fields, in their order, with their whole annotations."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def required_keys(kind: type) -> list[str]:
    """Return the fields of a dataclass that have no default."""
    return [field.name for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING]


def annotation_at(kind: Any, path: Path) -> Any:
    """Return the annotation of what stands at ``path`` in a value of type ``kind``."""
    rule = None
    for step in path:
        core = core_of(kind)
        if is_dataclass(core):
            kind = keys_of(core).get(str(step), Any)
        else:
            # The rule of a list or mapping is the rule of each of its values.
            rule = rule_of(kind) or rule
            parts = get_args(core)
            if get_origin(core) is dict:
                kind = parts[1]
            elif get_origin(core) is tuple:
                kind = parts[0] if parts[-1] is Ellipsis else parts[min(int(step), len(parts) - 1)]
            else:
                kind = Any
    return Annotated[kind, rule] if rule is not None and rule_of(kind) is None else kind


def dotted(path: Path) -> str:
    """Return a path as people write it: ``safety.workspace.min[0]``."""
    text = ''
    for step in path:
        text += f'[{step}]' if isinstance(step, int) else f'.{step}' if text else step
    return text.encode('utf-8', 'backslashreplace').decode()


def shown(value: Any) -> str:
    """Return 'found ...' for a value as it stands in a YAML or JSON file."""
    if value is None:
        return 'found nothing'
    if isinstance(value, bool):
        return f'found {str(value).lower()}'
    if isinstance(value, dict):
        return f'found a mapping with {len(value)} keys' if value else 'found an empty mapping'
    if isinstance(value, (list, tuple)):
        return f'found a list of {len(value)}' if value else 'found an empty list'
    text = repr(value)
    return f'found {text if len(text) <= 80 else text[:77] + "..."}'


def wanted(annotation: Any, found: Any = None) -> str:
    """Return 'write ...' for what an annotation allows, with a hint at why ``found`` is not it."""
    core, rule = core_of(annotation), rule_of(annotation)
    if isinstance(rule, Quantity) and core in (int, float):
        text = rule.wanted()
        text = text.replace('a number', 'a whole number', 1) if core is int else text
        return f'write {text}{_number_hint(found, core)}'
    if is_dataclass(core):
        return f'write a mapping with the keys {", ".join(required_keys(core)) or "it needs"}'
    if get_origin(core) is tuple:
        return f'write {_list_of(get_args(core), rule)}'
    if get_origin(core) is Literal:
        options = (str(each).lower() if isinstance(each, bool) else str(each)
                   for each in get_args(core))
        return f'write {" or ".join(options)}'
    if isinstance(rule, Text):
        return f'write {rule.wanted}'
    return 'write ' + {
        bool: 'true or false', str: 'a text', float: 'a finite number', int: 'a whole number',
        dict: 'a mapping from names to values',
    }.get(get_origin(core) or core, 'text, finite numbers, lists and mappings')


def _list_of(parts: tuple[Any, ...], rule: Quantity | Text | None) -> str:
    if parts[-1] is Ellipsis and isinstance(rule, Quantity):
        return f'a list, each {wanted(parts[0]).removeprefix("write ")}'
    if parts[-1] is Ellipsis:
        return f'a list: {rule.wanted if isinstance(rule, Text) else "texts"}'
    return f'a list of {len(parts)}' + (
        f', each {rule.wanted()}' if isinstance(rule, Quantity) else '')


def _number_hint(found: Any, core: type) -> str:
    """Tell how to write a number that stands there as text."""
    if not isinstance(found, str):
        return ''
    try:
        number = float(found.replace('_', ''))
    except ValueError:
        return ', without a unit' if found[:1].isdigit() else ''
    if core is int and not number.is_integer():
        return ''
    text = f'{number:.0f}' if core is int else f'{number:f}'.rstrip('0')
    text = f'{text}0' if text.endswith('.') else text
    return f': {found} is read as text, {text} without quotes is a number'


def unknown_key(name: str, known: Collection[str], present: Collection[str]) -> tuple[str, str]:
    """Return what was found and what to write for a key that is not one of ``known``."""
    left = [key for key in known if key not in present]
    close = difflib.get_close_matches(name, left, n=1) or difflib.get_close_matches(
        name, known, n=1)
    if close and close[0] in left:
        return 'unknown key', f'write {close[0]} instead'
    return 'unknown key', f'remove it: the keys here are {", ".join(known)}'
