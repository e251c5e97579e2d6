"""The gate: thresholds on metrics, in a file that is checked before anything is evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from physical_ai_bridge.contract.errors import ContractError, Problem
from physical_ai_bridge.contract.fields import Quantity, STRICT
from physical_ai_bridge.contract.parsing import parse
from physical_ai_bridge.contract.wording import shown, unknown_key, wanted
from physical_ai_bridge.contract.yaml_file import read_yaml
from physical_ai_bridge.evaluation.offline.metric_names import (
    find_leaf,
    Found,
    Leaf,
    metric_tree,
    NotAMetric,
    steps_of,
    values_at,
    with_derived,
)
from physical_ai_bridge.evaluation.offline.scores import GateCheck

CONDITIONS = ('min', 'max', 'equals', 'not')
_KEYS = (*CONDITIONS, 'if_measured')
# So many recordings are named where many miss a threshold.
_AT_MOST = 10
_NUMBER = Annotated[float, Quantity()]


class GateError(ContractError):
    """The gate file cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """
    One condition on one metric: ``condition`` is 'min', 'max', 'equals' or 'not'.

    With ``if_measured``, a metric that could not be measured meets it.
    """

    metric: str
    condition: Literal['min', 'max', 'equals', 'not']
    limit: float | bool | str
    if_measured: bool = False

    def __str__(self) -> str:
        limit = plain(self.limit)
        return {'min': f'at least {limit}', 'max': f'at most {limit}', 'equals': limit,
                'not': f'not {limit}'}[self.condition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All thresholds of a gate file, in its order."""

    thresholds: tuple[Threshold, ...]

    @property
    def needs_baseline(self) -> bool:
        """Whether it cannot hold without a baseline: a threshold asks how the policy compares."""
        return any((steps_of(each.metric) or ('',))[0] in ('comparison', 'baseline')
                   for each in self.thresholds if not each.if_measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GateFile:
    """The keys of a gate file; what stands below a threshold is looked at by itself."""

    __pydantic_config__ = STRICT

    schema: Literal[1]
    thresholds: dict[str, Any]


def load_gate(path: str | Path, timing: type | None = None) -> Gate:
    """
    Read and check a gate file.

    ``timing`` is the dataclass of timing.json: with it, the metrics below ``timing`` are checked
    here, too, else only when they are looked up.

    Raises
    ------
    GateError
        With every problem at once.

    """
    raw = read_yaml(path, 'gate file', GateError)
    thresholds = raw.get('thresholds') if isinstance(raw, dict) else None
    outline = raw
    if isinstance(thresholds, dict):
        outline = {**raw, 'thresholds': dict.fromkeys(thresholds, '')}
    _, problems = parse(_GateFile, outline, path)
    tree = metric_tree(timing)
    found = []
    for metric, conditions in thresholds.items() if isinstance(thresholds, dict) else ():
        mistakes = list(_mistakes(find_leaf(tree, metric), conditions))
        problems += [Problem(str(path), '.'.join(filter(None, ('thresholds', metric, key))), *said)
                     for key, *said in mistakes]
        if not mistakes:
            found += [Threshold(metric=metric, condition=key, limit=conditions[key],
                                if_measured=conditions.get('if_measured', False))
                      for key in CONDITIONS if key in conditions]
    if thresholds == {}:
        problems.append(Problem(str(path), 'thresholds', 'found an empty mapping',
                                'write at least one, such as bags.*.status: {equals: evaluated}'))
    if problems:
        raise GateError(problems)
    return Gate(thresholds=tuple(found))


def check_gate(gate: Gate, metrics: Mapping[str, Any], timing: Mapping[str, Any]
               ) -> tuple[GateCheck, ...]:
    """
    Hold metrics against a gate, one check for each threshold, in its order.

    ``metrics`` is what metrics.json holds (``json.loads(as_json(scores))``), ``timing`` what
    timing.json holds. What was not measured fails unless the threshold says ``if_measured``, and
    NaN fails always.
    """
    tree, values = metric_tree(), with_derived(metrics, timing)
    return tuple(_check(threshold, values_at(tree, values, steps_of(threshold.metric) or ()))
                 for threshold in gate.thresholds)


def plain(value: float | bool | str) -> str:
    """Return a value as a gate file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f'{value:.10g}'


def _mistakes(leaf: Leaf | NotAMetric, conditions: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong about a threshold: the key below it or '', what was found, to write."""
    if isinstance(leaf, NotAMetric):
        yield '', leaf.found, leaf.write
    if not isinstance(conditions, dict):
        example = plain(conditions) if isinstance(conditions, (int, float, str)) else '0.1'
        key = 'equals' if isinstance(conditions, (bool, str)) else 'max'
        yield '', shown(conditions), f'write a condition: {{{key}: {example}}}'
        return
    for key in conditions:
        if key not in _KEYS:
            yield key, *unknown_key(key, _KEYS, conditions)
    if not set(conditions) & set(CONDITIONS) and set(conditions) <= set(_KEYS):
        yield '', 'has no condition', f'write one of {", ".join(CONDITIONS)}'
    if type(conditions.get('if_measured', False)) is not bool:
        yield 'if_measured', shown(conditions['if_measured']), 'write true or false'
    if isinstance(leaf, NotAMetric):
        return
    for key in CONDITIONS:
        complaint = _complaint(leaf, key, conditions[key]) if key in conditions else None
        if complaint is not None:
            yield key, *complaint
    low, high = conditions.get('min'), conditions.get('max')
    if _is_number(low) and _is_number(high) and low > high:
        yield 'min', f'found {plain(low)}, above the max of {plain(high)}', 'write a range'


def _complaint(leaf: Leaf, key: str, limit: Any) -> tuple[str, str] | None:
    """Return what is wrong about the limit of a condition: what was found, what to write."""
    if key in ('min', 'max') and leaf.kind in (bool, str):
        what = 'true or false' if leaf.kind is bool else 'a text'
        return f'the metric is {what}, and has no {key}', 'write equals or not instead'
    if leaf.kind is bool:
        return None if isinstance(limit, bool) else (shown(limit), 'write true or false')
    if leaf.kind is str:
        if isinstance(limit, str) and (not leaf.words or limit in leaf.words):
            return None
        return shown(limit), f'write {" or ".join(leaf.words) or "a text"}'
    if leaf.kind is None and key in ('equals', 'not') and isinstance(limit, (bool, str)):
        return None
    return None if _is_number(limit) else (shown(limit), wanted(_NUMBER, limit))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and _NUMBER.__metadata__[0].complaint(value) is None


def _check(threshold: Threshold, found: list[Found]) -> GateCheck:
    """Hold every value that a metric stands for against its threshold."""
    unmeasured = [each for each in found if each.value is None]
    measured = [each for each in found if each.value is not None]
    missed = [each for each in measured if not _meets(threshold, each.value)]
    blind = bool(unmeasured) and not threshold.if_measured
    # The worst value speaks: of those that miss it, else of all.
    numbers = [float(each.value) for each in missed or measured if _is_finite(each.value)]
    worst = (min if threshold.condition == 'min' else max)(numbers, default=None)
    return GateCheck(
        metric=threshold.metric, condition=str(threshold), holds=not missed and not blind,
        found=None if blind and not missed else worst,
        detail='; '.join(_details(threshold, missed, unmeasured, measured)))


def _details(threshold: Threshold, missed: list[Found], unmeasured: list[Found],
             measured: list[Found]) -> Iterator[str]:
    """Say what a number alone does not tell: where, and what is no number."""
    if missed and missed[0].places:
        yield f'missed by {_list(f"{_place(each)} ({_shown(each.value)})" for each in missed)}'
    elif measured and not measured[0].places and not _is_finite(measured[0].value):
        yield f'found {_shown(measured[0].value)}'
    if unmeasured:
        where = _list(_place(each) for each in unmeasured if each.places)
        allowed = ', which this threshold allows' if threshold.if_measured else ''
        yield (f'not measured in {where}' if where else unmeasured[0].why) + allowed


def _place(found: Found) -> str:
    return ' / '.join(found.places)


def _list(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f' and {len(every) - _AT_MOST} more' if len(every) > _AT_MOST else ''
    return ', '.join(every[:_AT_MOST]) + more


def _meets(threshold: Threshold, value: Any) -> bool:
    if type(value) in (int, float) and not math.isfinite(value):
        return False
    limit = threshold.limit
    if threshold.condition in ('min', 'max'):
        return _is_finite(value) and (
            value >= limit if threshold.condition == 'min' else value <= limit)
    # Python's True == 1.
    same = value == limit and isinstance(value, bool) == isinstance(limit, bool)
    return same == (threshold.condition == 'equals')


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _shown(value: Any) -> str:
    return plain(value) if isinstance(value, (bool, int, float, str)) else shown(value)
