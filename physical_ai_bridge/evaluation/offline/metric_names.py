"""
The names of metrics: paths through metrics.json, checked before there is one.

A name is the keys with dots between: ``overall.action_error.rad.rmse``. A key that has dots
itself stands in brackets: ``bags[night/run_1.mcap].duration_s``. Of a list, recordings go by their
name, episodes by their number, other items by their place from 0. ``*`` stands for every one.

Beyond what metrics.json holds there are ``findings`` (how many findings of a code: of a recording,
and over all), ``severities`` (how many findings of a severity), ``parity.holds``, and ``timing``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
import difflib
import functools
import re
from typing import Any, get_args, get_origin, Literal

from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.wording import core_of, keys_of
from physical_ai_bridge.evaluation.offline.findings import FindingCode, Severity
from physical_ai_bridge.evaluation.offline.scores import (
    BagScores,
    Comparison,
    EPISODE_SCORES,
    EpisodeScore,
    ParityScore,
    PolicyScores,
    Scores,
    Verdicts,
)
from physical_ai_bridge.safety.decision import Mode

Steps = tuple[str, ...]
EVERY = '*'


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value: a number, bool or text (None where nothing is known); ``words`` it may be."""

    kind: type | None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping with known keys."""

    children: dict[str, Node]


@dataclass(frozen=True, slots=True)
class Names:
    """
    A mapping or list of alike items, under any name or under one of ``known``.

    With ``zero``, a name that is not there has occurred 0 times.
    """

    inner: Node
    known: tuple[str, ...] | None = None
    zero: bool = False


Node = Leaf | Branch | Names


@dataclass(frozen=True, slots=True)
class NotAMetric:
    """Why a name is not that of a metric: what was found, what to write."""

    found: str
    write: str


@dataclass(frozen=True, slots=True)
class Found:
    """A value, under the names that ``*`` stood for; ``why`` it is None, where it is."""

    places: Steps
    value: Any
    why: str = ''


_REASONS = tuple(str(reason) for reason in Reason)
_COUNTED = Names(Leaf(float), _REASONS, zero=True)
_FINDINGS = Names(Leaf(float), tuple(str(code) for code in FindingCode), zero=True)
_SEVERITIES = Names(Leaf(float), tuple(str(severity) for severity in Severity), zero=True)
_QUANTITIES = tuple(EPISODE_SCORES)

# What the types do not tell: whose names are known, and what is derived.
_KNOWN = {
    (Verdicts, 'limited'): _COUNTED,
    (Verdicts, 'stops'): _COUNTED,
    (Verdicts, 'refused'): _COUNTED,
    (Verdicts, 'mode_share'): Names(Leaf(float), tuple(str(mode) for mode in Mode), zero=True),
    (PolicyScores, 'observations_refused'): _COUNTED,
    (PolicyScores, 'chunks_refused'): _COUNTED,
    (EpisodeScore, 'scores'): Names(Leaf(float), _QUANTITIES),
    (BagScores, 'findings'): _FINDINGS,
}
_DERIVED: dict[type, dict[str, Node]] = {
    Scores: {'findings': _FINDINGS, 'severities': _SEVERITIES},
    BagScores: {'severities': _SEVERITIES},
    ParityScore: {'holds': Leaf(bool)},
}
_NO_METRICS = {(Scores, 'schema'), (Scores, 'name'), (Scores, 'gate')}


def steps_of(name: str) -> Steps | None:
    """Return the keys of a name, or None where it is not written as one."""
    if not re.fullmatch(r'[^.\[\]]+(?:\.[^.\[\]]+|\[[^\[\]]+\])*', name):
        return None
    return tuple(plain or bracketed
                 for plain, bracketed in re.findall(r'([^.\[\]]+)|\[([^\[\]]+)\]', name))


def name_of(steps: Iterable[str]) -> str:
    """Return the name with these keys."""
    text = ''
    for step in steps:
        dotted = f'.{step}' if text else step
        text += f'[{step}]' if '.' in step else dotted
    return text


def metric_tree(timing: type | None = None) -> Branch:
    """Return all metrics; ``timing`` is the dataclass of timing.json, where that is known."""
    tree = _tree_of(Scores)
    return Branch({**tree.children, 'timing': Leaf(None) if timing is None else _tree_of(timing)})


@functools.cache
def _tree_of(annotation: Any) -> Any:
    core = core_of(annotation)
    if is_dataclass(core):
        children = {name: _KNOWN.get((core, name)) or _tree_of(inner)
                    for name, inner in keys_of(core).items() if (core, name) not in _NO_METRICS}
        if core is Comparison:
            children['quantities'] = Names(children['quantities'].inner, _QUANTITIES)
        return Branch({**children, **_DERIVED.get(core, {})})
    if get_origin(core) is dict:
        return Names(_tree_of(get_args(core)[1]))
    if get_origin(core) is tuple:
        return Names(_tree_of(get_args(core)[0]))
    if get_origin(core) is Literal:
        return Leaf(str, get_args(core))
    return Leaf(float if core is int else core)


def find_leaf(tree: Node, name: str) -> Leaf | NotAMetric:
    """Return what a metric is, or why there is none of this name, with the nearest names."""
    steps = steps_of(name)
    if steps is None:
        return NotAMetric('is not written as the name of a metric',
                          'write keys with dots between; one that has dots itself in brackets')
    node = tree
    for index, step in enumerate(steps):
        if isinstance(node, Leaf):
            if node.kind is None:
                return node
            return NotAMetric(f'{name_of(steps[:index])} is one value, without {step}',
                              f'write {name_of(steps[:index])}')
        known = node.children if isinstance(node, Branch) else node.known
        if known is not None and step not in known and not (
                step == EVERY and isinstance(node, Names)):
            return NotAMetric('there is no such metric', _instead(tree, known, steps, index))
        node = node.children[step] if isinstance(node, Branch) else node.inner
    if isinstance(node, Leaf) and (node.kind is not None or len(steps) > 1):
        return node
    inside = [name_of((*steps, *rest)) for rest in _names(node)]
    return NotAMetric('is not one value', 'write a metric below it, such as '
                      f'{" or ".join(inside[:3]) or name_of((*steps, "inference_ms", "p99"))}')


def _instead(tree: Node, known: Iterable[str], steps: Steps, index: int) -> str:
    """Say which names are nearest: of the key that is wrong, else of the whole."""
    close = difflib.get_close_matches(steps[index], known, n=3)
    nearest = []
    for key in close:
        whole = name_of((*steps[:index], key, *steps[index + 1:]))
        # What follows may be wrong, too: then only as far as it is right.
        nearest.append(whole if isinstance(find_leaf(tree, whole), Leaf)
                       else name_of((*steps[:index], key)))
    nearest = nearest or difflib.get_close_matches(
        name_of(steps), [name_of(each) for each in _names(tree)], n=3)
    if nearest:
        return f'write {" or ".join(nearest)}'
    before = f' below {name_of(steps[:index])}' if index else ''
    return f'write one of those{before}: {", ".join(known)}'


def _names(node: Node) -> Iterator[Steps]:
    """Yield the keys of all metrics below a node, ``*`` for names that are free."""
    if isinstance(node, Leaf):
        if node.kind is not None:
            yield ()
        return
    children = node.children.items() if isinstance(node, Branch) else [
        (name, node.inner) for name in node.known or (EVERY,)]
    for name, inner in children:
        for rest in _names(inner):
            yield (name, *rest)


def with_derived(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of metrics.json with what is derived from them, and timing.json."""
    bags = [{
        **bag,
        'findings': Counter(each['code'] for each in bag['findings']),
        'severities': Counter(each['severity'] for each in bag['findings']),
        'parity': {**bag['parity'], 'holds': ParityScore(**bag['parity']).holds},
    } for bag in metrics['bags']]
    return {**metrics, 'bags': bags, 'timing': timing,
            **{name: sum((bag[name] for bag in bags), Counter())
               for name in ('findings', 'severities')}}


def values_at(tree: Node, values: Any, steps: Steps) -> list[Found]:
    """Return each value that a name stands for; at least one, perhaps None."""
    return list(_walk(tree, values, steps, (), ()))


def _walk(node: Node, value: Any, steps: Steps, done: Steps, places: Steps) -> Iterator[Found]:
    if value is None:
        yield Found(places, None, f'{name_of(done)} was not measured')
        return
    if not steps:
        yield Found(places, value)
        return
    step, rest = steps[0], steps[1:]
    if not isinstance(node, Names):
        inner = node.children[step] if isinstance(node, Branch) else node
        if isinstance(value, Mapping) and step in value:
            yield from _walk(inner, value[step], rest, (*done, step), places)
        else:
            yield Found(places, None, f'there is no {name_of((*done, step))}')
        return
    items = _items(value)
    chosen = items if step == EVERY else {name: items[name] for name in (step,) if name in items}
    # A share of no time is not 0.
    if not chosen and node.zero and (items or done[-1] != 'mode_share'):
        yield Found(places, 0)
    elif not chosen:
        has = f'it has {", ".join(items)}' if items else 'it is empty'
        yield Found(places, None, f'there is no {"item" if step == EVERY else step} in '
                                  f'{name_of(done)}: {has}')
    for name, each in chosen.items():
        more = (*places, name) if step == EVERY else places
        yield from _walk(node.inner, each, rest, (*done, name), more)


def _items(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    items = {}
    for place, item in enumerate(value):
        named = item if isinstance(item, Mapping) else {}
        items[str(named.get('bag', named.get('number', place)))] = item
    return items
