"""
A supervisor's changing state as plain values, and back.

::

    {'root': [index], 'nodes': [[kind, ...], ...]}

A value is None, a bool, an int, a float, a str or bytes itself; anything else is ``[index]`` of
its node, so that what is one object stays one. What the cell fixes (limits, models, candidates)
is not written down but named by its place: it is taken from the supervisor that is restored, made
from the same cell. Nothing is unpickled, and no class is made but those of ``safety`` and
``contract``.
"""

from __future__ import annotations

from collections import Counter, deque
from enum import Enum
import functools
import importlib
import re
from types import FunctionType, MethodType
from typing import Any, TYPE_CHECKING

import numpy as np
from physical_ai_bridge.contract.errors import BridgeError

if TYPE_CHECKING:
    from physical_ai_bridge.safety.supervisor import Supervisor

Plain = Any
_PLAIN = frozenset((type(None), bool, int, float, str, bytes))
_INT64 = range(-2**63, 2**63)
_OURS = re.compile(r'(physical_ai_bridge\.(?:safety|contract)\.\w+):(\w+)')
_NAME = re.compile(r'(?!__)[A-Za-z_]\w*')
_DTYPE = re.compile(r'\|[bi]1|\|u1|[<>][iuf][248]')

# What does not change, or not so that a decision could tell. By name: a snapshot is taken of
# whatever there is, and loads nothing for it.
_CELL_MODULE = 'physical_ai_bridge.contract.cell'
_FIXED_MODULES = frozenset((
    _CELL_MODULE, 'physical_ai_bridge.safety.robot_model',
    'physical_ai_bridge.safety.verification', 'physical_ai_bridge.safety.clearance',
    'physical_ai_bridge.safety.tcp_check'))
_FIXED_TYPES = frozenset(('physical_ai_bridge.safety.candidates:Candidates',))
_FIXED_LIBRARIES = frozenset(('pinocchio', 'coal', 'hppfcl', 'ruckig'))


class SnapshotError(BridgeError):
    """A supervisor's state that cannot be written down, or plain values that are none."""


def snapshot(supervisor: Supervisor) -> dict[str, Plain]:
    """
    Return the state of ``supervisor`` as plain values that share nothing with it.

    Raises
    ------
    SnapshotError
        If it holds something that is neither plain nor ours nor fixed.

    """
    writer = _Writer(supervisor)
    return {'root': writer.write(supervisor, ()), 'nodes': writer.nodes}


def restore(values: Plain, supervisor: Supervisor) -> None:
    """
    Put a new ``supervisor``, of the same cell, into a state that ``snapshot`` returned.

    Raises
    ------
    SnapshotError
        If the values are not the state of a supervisor of this version and this cell.

    """
    try:
        _Reader(values, supervisor).restore()
    except RecursionError as error:
        raise SnapshotError('the state is nested too deeply') from error
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise SnapshotError(f'the state is not one of this version: {error}') from error


@functools.cache
def _name_of(kind: type) -> str:
    return f'{kind.__module__}:{kind.__qualname__}'


def _is_cell(kind: type) -> bool:
    return kind.__module__ == _CELL_MODULE


@functools.cache
def _form_of(kind: type) -> str:
    """Return the kind of node that instances of a class become, '' for none."""
    if kind is np.ndarray:
        return 'array'
    if issubclass(kind, np.generic):
        return 'scalar'
    if kind in (list, tuple, set, frozenset, deque, dict, Counter):
        return kind.__name__
    if (kind.__module__ in _FIXED_MODULES or _name_of(kind) in _FIXED_TYPES
            or kind.__module__.partition('.')[0] in _FIXED_LIBRARIES or kind is FunctionType):
        return 'fixed'
    if not _OURS.fullmatch(_name_of(kind)):
        return ''
    return 'enum' if issubclass(kind, Enum) else 'object'


@functools.cache
def _text_of(dtype: np.dtype) -> str:
    return dtype.str


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    names = []
    for each in kind.__mro__:
        slots = each.__dict__.get('__slots__', ())
        names += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in names if name not in ('__dict__', '__weakref__'))


def _attributes(value: object) -> dict[str, Any]:
    """Return an instance's attributes, those in slots and those in its ``__dict__``."""
    found = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    found.update(getattr(value, '__dict__', ()))
    return found


class _Writer:
    """Writes objects into nodes, each once."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.nodes: list[list[Plain]] = []
        self._known: dict[int, int] = {}
        # Where parts of the cell stand for certain, whatever else refers to them.
        self._places: dict[int, list[Any]] = {}
        for name, value in _attributes(supervisor).items():
            if _is_cell(type(value)):
                self._find_places(value, [name])

    def _find_places(self, value: Any, path: list[Any]) -> None:
        if _is_cell(type(value)):
            self._places.setdefault(id(value), path)
            for name in _slots(type(value)):
                self._find_places(getattr(value, name), [*path, name])
        elif type(value) is dict:
            for key, inner in value.items():
                self._find_places(inner, [*path, key])

    def write(self, value: Any, path: tuple[Any, ...]) -> Plain:
        """Return the value, or the reference to its node; ``path`` is where it stands."""
        kind = type(value)
        if kind in _PLAIN:
            if kind is int and value not in _INT64:
                raise SnapshotError(f'{_shown(path)} is a number beyond 64 bits')
            return value
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = len(self.nodes)
            self.nodes.append([])  # its place: it may refer to itself
            self.nodes[known] = self._node(value, kind, path)
        return [known]

    def _node(self, value: Any, kind: type, path: tuple[Any, ...]) -> list[Plain]:
        form = _form_of(kind)
        if form == 'array':
            # Sums depend on the order in memory; a slice of something else becomes its own.
            flags = value.flags
            order = 'F' if flags.f_contiguous and not flags.c_contiguous else 'C'
            return ['array', self._dtype(value, path), list(value.shape), order,
                    value.tobytes(order)]
        if form == 'scalar':
            return ['scalar', self._dtype(value, path), value.tobytes()]
        if form in ('list', 'tuple', 'set', 'frozenset'):
            return [form, self._items(value, path)]
        if form == 'deque':
            return ['deque', self._items(value, path), value.maxlen]
        if form in ('dict', 'Counter'):
            return [form, [[self.write(key, (*path, None)), self.write(inner, (*path, key))]
                           for key, inner in value.items()]]
        if form == 'enum':
            return ['enum', _name_of(kind), value.name]
        if form == 'object':
            return ['object', _name_of(kind), [
                [key, self.write(inner, (*path, key))]
                for key, inner in _attributes(value).items()]]
        if form == 'fixed' or (kind is MethodType and _form_of(type(value.__self__)) == 'fixed'):
            place = self._places.get(id(value), list(path))
            if all(type(step) in (str, int) for step in place):
                return ['fixed', place]
        raise SnapshotError(f'{_shown(path)} is a {_name_of(kind)}, and a snapshot does not know '
                            'how to keep it')

    def _dtype(self, value: np.ndarray | np.generic, path: tuple[Any, ...]) -> str:
        text = _text_of(value.dtype)
        if not _DTYPE.fullmatch(text):
            raise SnapshotError(f'{_shown(path)} holds {text}, which are no numbers')
        return text

    def _items(self, values: Any, path: tuple[Any, ...]) -> list[Plain]:
        return [self.write(each, (*path, index)) for index, each in enumerate(values)]


class _Reader:
    """Makes the objects of a snapshot again, each once."""

    def __init__(self, values: Plain, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._root, self._nodes = values['root'], values['nodes']
        self._made: dict[int, Any] = {}
        self._begun: set[int] = set()

    def restore(self) -> None:
        """Give the supervisor its state."""
        kind, name, attributes = self._nodes[self._root[0]]
        if kind != 'object' or name != _name_of(type(self._supervisor)):
            raise SnapshotError(f'the state is that of a {name!r}, not of a supervisor')
        self._made[self._root[0]] = self._supervisor
        # The fixed parts are looked up in the supervisor as it was made, so it changes last.
        state = self._state(attributes)
        here = _attributes(self._supervisor).keys()
        if state.keys() != here:
            raise SnapshotError(
                f'the state is that of another version: {", ".join(sorted(state.keys() ^ here))} '
                'is not on both sides')
        self._set(self._supervisor, state)

    def _read(self, value: Plain) -> Any:
        if type(value) in _PLAIN:
            return value
        (index,) = value
        if index not in self._made:
            if type(index) is not int or index < 0 or index in self._begun:
                raise SnapshotError(f'node {index!r} is not one, or contains itself')
            self._begun.add(index)
            kind, *rest = self._nodes[index]
            maker = self._MAKERS.get(kind)
            if maker is None:
                raise SnapshotError(f'node {index} is a {kind!r}, which a snapshot does not know')
            self._made[index] = maker(self, index, *rest)
        return self._made[index]

    def _array(self, index: int, dtype: str, shape: list[int], order: str, data: bytes,
               ) -> np.ndarray:
        # reshape refuses a shape that the bytes do not fill.
        return np.frombuffer(data, _dtype(dtype)).copy().reshape(shape, order=_order(order))

    def _scalar(self, index: int, dtype: str, data: bytes) -> Any:
        (value,) = np.frombuffer(data, _dtype(dtype))
        return value

    def _fixed(self, index: int, path: list[Any]) -> Any:
        value: Any = self._supervisor
        for step in path:
            if isinstance(value, (dict, list, tuple, deque)):
                value = value[step]
            elif type(step) is str and _NAME.fullmatch(step):
                value = getattr(value, step)
            else:
                raise SnapshotError(f'{path!r} is no place in a supervisor')
        if _form_of(type(value)) != 'fixed' and type(value) is not MethodType:
            raise SnapshotError(f'{_shown(tuple(path))} is not fixed by the cell')
        return value

    def _list(self, index: int, items: list[Plain]) -> list[Any]:
        made = self._made[index] = []
        made.extend(map(self._read, items))
        return made

    def _deque(self, index: int, items: list[Plain], maxlen: int | None) -> deque[Any]:
        made = self._made[index] = deque(maxlen=maxlen)
        made.extend(map(self._read, items))
        return made

    def _dict(self, index: int, pairs: list[list[Plain]]) -> dict[Any, Any]:
        made = self._made[index] = {}
        made.update((self._read(key), self._read(value)) for key, value in pairs)
        return made

    def _counter(self, index: int, pairs: list[list[Plain]]) -> Counter[Any]:
        made = self._made[index] = Counter()
        dict.update(made, ((self._read(key), self._read(value)) for key, value in pairs))
        return made

    def _enum(self, index: int, name: str, member: str) -> Enum:
        kind = _class(name)
        if _form_of(kind) != 'enum':
            raise SnapshotError(f'{name} is no enumeration')
        return kind[member]

    def _object(self, index: int, name: str, attributes: list[list[Plain]]) -> object:
        kind = _class(name)
        if _form_of(kind) != 'object':
            raise SnapshotError(f'{name} is never part of a state')
        made = self._made[index] = object.__new__(kind)
        self._set(made, self._state(attributes))
        return made

    def _state(self, attributes: list[list[Plain]]) -> dict[str, Any]:
        state = {}
        for name, value in attributes:
            if type(name) is not str or not _NAME.fullmatch(name):
                raise SnapshotError(f'{name!r} is no name of an attribute')
            state[name] = self._read(value)
        return state

    @staticmethod
    def _set(target: object, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(target, name, value)  # frozen ones are set so too

    _MAKERS = {
        'array': _array, 'scalar': _scalar, 'fixed': _fixed, 'list': _list, 'deque': _deque,
        'dict': _dict, 'Counter': _counter, 'enum': _enum, 'object': _object,
        'tuple': lambda reader, index, items: tuple(map(reader._read, items)),
        'set': lambda reader, index, items: set(map(reader._read, items)),
        'frozenset': lambda reader, index, items: frozenset(map(reader._read, items)),
    }


def _class(name: str) -> type:
    """Return one of our own classes by its name."""
    match = _OURS.fullmatch(name)
    if match is None:
        raise SnapshotError(f'{name!r} is not a class of safety or contract')
    try:
        found = getattr(importlib.import_module(match[1]), match[2])
    except ImportError as error:
        raise SnapshotError(f'there is no {match[1]} in this version') from error
    if not isinstance(found, type) or _name_of(found) != name:
        raise SnapshotError(f'{name} is no class')
    return found


def _dtype(text: str) -> np.dtype:
    if not _DTYPE.fullmatch(text):
        raise SnapshotError(f'{text!r} is no type of a number')
    return np.dtype(text)


def _order(text: str) -> Any:
    if text not in ('C', 'F'):
        raise SnapshotError(f'{text!r} is no order in memory')
    return text


def _shown(path: tuple[Any, ...]) -> str:
    return '.'.join(map(str, path)) or 'the supervisor'
