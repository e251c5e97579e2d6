"""
msgpack with numpy arrays, as openpi's policy servers speak it.

An array is a map of four bytes keys, ``__ndarray__`` (true), ``data``, ``dtype`` (as
``numpy.dtype.str`` writes it) and ``shape``; a scalar one of three, ``__npgeneric__`` (true),
``data`` and ``dtype``. Objects, records and complex numbers are refused both ways. Nothing here
can run code: a buffer becomes numbers or text, or an error.
"""

from __future__ import annotations

from collections.abc import Iterator
import re
from typing import Any

import msgpack
import numpy as np
from physical_ai_bridge.contract.errors import WireError

MOST_BYTES = 1 << 24
MOST_DEPTH = 16
MOST_VALUES = 20_000

_ARRAY = frozenset((b'__ndarray__', b'data', b'dtype', b'shape'))
_SCALAR = frozenset((b'__npgeneric__', b'data', b'dtype'))
# numpy's own parser of dtypes understands far more than dtype.str ever writes.
_DTYPE = re.compile(
    r'[<>|=](?:b1|[iuf][0-9]{1,2}|[SU][0-9]{1,9}|[mM]8(?:\[[0-9A-Za-zμ/]{1,16}\])?)')
_MOST_DIMENSIONS = 32  # what numpy 1 has
_LEAVES = (bool, int, float, str, bytes, np.ndarray, np.generic)


def pack(value: Any) -> bytes:
    """
    Return plain values, numpy arrays and scalars as msgpack.

    A tuple arrives as a list, a ``numpy.float64`` as a float and a ``numpy.str_`` as a text.

    Raises
    ------
    WireError
        If ``value`` holds anything else, or is nested too deeply.

    """
    try:
        return msgpack.packb(value, default=_encoded)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f'cannot be sent as msgpack: {error}') from None


def pack_canonical(value: Any) -> bytes:
    """Return ``pack(value)`` with the entries of each mapping in the order of their bytes."""
    return pack(_sorted(value, MOST_DEPTH))


def unpack(data: bytes, *, most_bytes: int = MOST_BYTES) -> Any:
    """
    Return what msgpack holds; arrays are read-only views of what came.

    Raises
    ------
    WireError
        If the bytes are not whole msgpack, are an array whose size is not its shape's, hold a key
        twice, or are more than ``most_bytes``, ``MOST_DEPTH`` or ``MOST_VALUES`` allow.

    """
    if len(data) > most_bytes:
        raise WireError(f'{len(data)} bytes came, at most {most_bytes} are read')
    decoder = _Decoder()
    # A list's header alone makes room for all that it announces.
    longest = min(MOST_VALUES, len(data))
    try:
        value = msgpack.unpackb(
            data, object_pairs_hook=decoder.mapping, list_hook=decoder.sequence,
            ext_hook=_no_extension, max_array_len=longest, max_map_len=longest)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        said = str(error) or type(error).__name__
        raise WireError(f'is not msgpack as openpi writes it: {said}') from None
    _check_values(value)
    return value


class _Decoder:
    """Builds mappings, lists and arrays, and counts what it builds."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def sequence(self, items: list[Any]) -> list[Any]:
        """Count a list in; it stays as it is."""
        self._count(len(items))
        return items

    def mapping(self, pairs: list[tuple[Any, Any]]) -> Any:
        """Return a mapping, or the array or scalar that it stands for."""
        self._count(len(pairs))
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ValueError('a mapping has a key twice')
        if b'__ndarray__' in values:
            return _array(values)
        if b'__npgeneric__' in values:
            return _scalar(values)
        return values

    def _count(self, values: int) -> None:
        self._left -= 1 + values
        if self._left < 0:
            raise ValueError(f'it holds more than {MOST_VALUES} values')


def _encoded(value: Any) -> Any:
    """Return what stands for an array or a scalar in msgpack."""
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f'it holds a {type(value).__name__}')
    if value.dtype.kind in 'OVc':
        raise TypeError(f'it holds numbers of the dtype {value.dtype}')
    if isinstance(value, np.ndarray):
        return {b'__ndarray__': True, b'data': value.tobytes(), b'dtype': value.dtype.str,
                b'shape': value.shape}
    data = value.item()
    if type(data) not in (bool, int, float):
        raise TypeError(f'it holds a scalar of the dtype {value.dtype}')
    return {b'__npgeneric__': True, b'data': data, b'dtype': value.dtype.str}


def _dtype(text: Any) -> np.dtype:
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise ValueError(f'{_short(text)} is not a dtype of numbers or texts')
    return np.dtype(text)


def _array(values: dict[Any, Any]) -> np.ndarray:
    if values.keys() != _ARRAY or values[b'__ndarray__'] is not True:
        raise ValueError('an array needs __ndarray__ (true), data, dtype and shape alone')
    dtype, data, shape = _dtype(values[b'dtype']), values[b'data'], values[b'shape']
    if not isinstance(data, bytes):
        raise ValueError("an array's data is not bytes")
    if (not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS
            or not all(type(size) is int and 0 <= size < 1 << 31 for size in shape)):
        raise ValueError(f'{_short(shape)} is not the shape of an array')
    size = dtype.itemsize
    for each in shape:
        size *= each
    if size != len(data):
        raise ValueError(f'an array of {dtype.str} {shape} has {size} bytes, {len(data)} came')
    return np.ndarray(tuple(shape), dtype, data)


def _scalar(values: dict[Any, Any]) -> np.generic:
    if values.keys() != _SCALAR or values[b'__npgeneric__'] is not True:
        raise ValueError('a scalar needs __npgeneric__ (true), data and dtype alone')
    dtype, data = _dtype(values[b'dtype']), values[b'data']
    kinds = {'b': (bool,), 'i': (int,), 'u': (int,), 'f': (int, float)}
    if type(data) not in kinds.get(dtype.kind, ()):
        raise ValueError(f'{_short(data)} is not a scalar of {dtype.str}')
    if dtype.kind in 'iu' and not np.iinfo(dtype).min <= data <= np.iinfo(dtype).max:
        raise ValueError(f'{data} is too large for {dtype.str}')
    with np.errstate(over='ignore'):
        return dtype.type(data)


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f'it holds the extension {code}, {len(data)} bytes')


def _check_values(value: Any) -> None:
    """Refuse what is too deep, and msgpack's timestamps, which are no values of openpi's."""
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, (dict, list)):
            if depth >= MOST_DEPTH:
                raise WireError(f'is nested more than {MOST_DEPTH} deep')
            stack += [(each, depth + 1) for each in _inner(value)]
        elif value is not None and not isinstance(value, _LEAVES):
            raise WireError(f'holds a {type(value).__name__}')


def _inner(value: dict[Any, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _sorted(value: Any, depth: int) -> Any:
    if depth < 0:
        raise WireError(f'is nested more than {MOST_DEPTH} deep')
    if isinstance(value, dict):
        entries = ((key, _sorted(each, depth - 1)) for key, each in value.items())
        return dict(sorted(entries, key=lambda entry: pack(entry[0])))
    return [_sorted(each, depth - 1) for each in value] if isinstance(value, (list, tuple)) \
        else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
