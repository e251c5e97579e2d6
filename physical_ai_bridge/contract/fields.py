"""Rules for the fields of the contract's dataclasses, kept however an instance is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
import functools
import sys
from typing import Annotated, Any, get_args, get_origin, get_type_hints

# pydantic reads this from a dataclass: no unknown keys, no NaN, no text where a number belongs.
STRICT = {'extra': 'forbid', 'allow_inf_nan': False, 'strict': True}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit and the range that it must lie in."""

    unit: str = ''
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def complaint(self, value: float) -> str | None:
        """Return what to write instead of ``value``, or None if it is right."""
        # Not math.isfinite, which raises on an integer that is too large for a float.
        good = (-sys.float_info.max <= value <= sys.float_info.max
                and (self.above is None or value > self.above)
                and (self.at_least is None or value >= self.at_least)
                and (self.at_most is None or value <= self.at_most))
        return None if good else f'write {self.wanted()}'

    def wanted(self) -> str:
        """Describe a right value, such as 'a number above 0 in rad/s'."""
        bounds = [f'{word} {bound:g}' for word, bound in (
            ('above', self.above), ('at least', self.at_least), ('at most', self.at_most))
            if bound is not None]
        text = ' '.join(['a number', ' and '.join(bounds)]).strip()
        return f'{text} in {self.unit}' if self.unit else text


@dataclass(frozen=True, slots=True)
class Text:
    """A text that must not be empty; ``wanted`` says what it is, with an example."""

    wanted: str


# What is wrong with a field: its key, what was found, what to write.
Complaint = tuple[str, str, str]


class InvalidFields(ValueError):
    """Fields of one dataclass break their rules: (key, found, write) for each."""

    def __init__(self, complaints: list[Complaint]) -> None:
        self.complaints = complaints
        super().__init__('; '.join(f'{key}: {found}; {write}' for key, found, write in complaints))


def rule_of(annotation: Any) -> Quantity | Text | None:
    """Return the Quantity or Text that an annotation carries, looking into ``X | None`` too."""
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, (Quantity, Text)):
                return extra
    for part in get_args(annotation):
        rule = rule_of(part)
        if rule is not None:
            return rule
    return None


@functools.cache
def _rules_of(kind: type) -> tuple[tuple[str, Quantity | Text], ...]:
    hints = get_type_hints(kind, include_extras=True)
    rules = ((field.name, rule_of(hints[field.name])) for field in fields(kind))
    return tuple((key, rule) for key, rule in rules if rule is not None)


_collected: ContextVar[list[tuple[Any, list[Complaint]]] | None] = ContextVar(
    'collected', default=None)


@contextmanager
def collecting() -> Iterator[list[tuple[Any, list[Complaint]]]]:
    """
    Gather what ``check_fields`` finds, with the instance it is about, instead of raising it.

    So that whoever reads a file sees all of its mistakes: an instance that raised would keep the
    one around it from being checked at all.
    """
    found: list[tuple[Any, list[Complaint]]] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def check_fields(instance: Any, extra: list[Complaint] | None = None) -> None:
    """
    Hold every field of a dataclass instance against its rule; call it from ``__post_init__``.

    ``extra`` are complaints of the caller's own, about how fields stand to each other.

    Raises
    ------
    InvalidFields
        With all complaints at once, except under ``collecting``.

    """
    complaints = []
    for key, rule in _rules_of(type(instance)):
        value = getattr(instance, key)
        if value is None:
            continue
        items = value.values() if isinstance(value, dict) else (
            value if isinstance(value, tuple) else (value,))
        for item in items:
            if isinstance(rule, Text):
                if not isinstance(item, str) or not item.strip():
                    complaints.append((key, f'found {item!r}', f'write {rule.wanted}'))
                    break
            else:
                write = rule.complaint(item)
                if write:
                    complaints.append((key, f'found {item!r}', write))
                    break
    complaints += extra or []
    if complaints:
        collected = _collected.get()
        if collected is None:
            raise InvalidFields(complaints)
        collected.append((instance, complaints))
