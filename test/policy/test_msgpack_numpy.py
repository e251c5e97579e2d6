"""openpi's msgpack: what it looks like on the wire, and what is refused."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
import msgpack
import numpy as np
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.policy import msgpack_numpy
from physical_ai_bridge.policy.msgpack_numpy import pack, pack_canonical, unpack
import pytest

DTYPES = st.one_of(
    st_numpy.boolean_dtypes(), st_numpy.integer_dtypes(endianness='?'),
    st_numpy.unsigned_integer_dtypes(endianness='?'), st_numpy.floating_dtypes(endianness='?'),
    st_numpy.byte_string_dtypes(min_len=1), st_numpy.unicode_string_dtypes(min_len=1),
    st_numpy.datetime64_dtypes())
ARRAYS = st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_dims=0, min_side=0, max_side=4))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2**63, 2**64 - 1), st.floats(allow_nan=False),
    st.text(), st.binary())
VALUES = st.recursive(LEAVES, lambda inner: st.one_of(
    st.lists(inner, max_size=4),
    st.dictionaries(st.one_of(st.text(), st.binary(max_size=4)), inner, max_size=4)),
    max_leaves=12)

ARRAY = {b'__ndarray__': True, b'data': bytes(8), b'dtype': '<f4', b'shape': [2]}
SCALAR = {b'__npgeneric__': True, b'data': 3, b'dtype': '<i4'}


def refused(value: object, match: str = 'msgpack|deep') -> None:
    with pytest.raises(WireError, match=match):
        unpack(msgpack.packb(value))


class TestTheFormat:

    def test_an_array_is_a_map_with_bytes_keys(self):
        assert pack(np.array([[1, 2, 3]], np.uint8)) == bytes.fromhex(
            '84'
            'c40b' + b'__ndarray__'.hex() + 'c3'
            'c404' + b'data'.hex() + 'c403010203'
            'c405' + b'dtype'.hex() + 'a3' + b'|u1'.hex() +
            'c405' + b'shape'.hex() + '920103')

    def test_a_scalar_is_a_map_with_bytes_keys(self):
        assert pack(np.float32(0.5)) == bytes.fromhex(
            '83'
            'c40d' + b'__npgeneric__'.hex() + 'c3'
            'c404' + b'data'.hex() + 'cb3fe0000000000000'
            'c405' + b'dtype'.hex() + 'a3' + b'<f4'.hex())

    def test_a_transposed_array_is_sent_in_the_order_of_its_rows(self):
        array = np.arange(6, dtype='<i2').reshape(2, 3).T
        assert np.array_equal(unpack(pack(array)), array)

    def test_what_comes_cannot_be_changed(self):
        assert not unpack(pack(np.zeros(3))).flags.writeable


@given(ARRAYS)
def test_an_array_comes_back_bit_for_bit(array):
    back = unpack(pack(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@given(st.one_of(*(st_numpy.from_dtype(np.dtype(kind), allow_nan=False) for kind in (
    '?', 'i1', 'u1', 'i8', 'u8', 'f2', 'f4'))))
def test_a_scalar_comes_back_with_its_dtype(scalar):
    back = unpack(pack(scalar))
    assert (back, back.dtype) == (scalar, scalar.dtype)


@given(VALUES)
def test_plain_values_come_back(value):
    assert unpack(pack(value)) == value


@given(VALUES)
def test_the_canonical_form_does_not_depend_on_the_order_of_keys(value):
    turned = dict.fromkeys(('b', 'a', b'a'), value)
    assert pack_canonical(dict(reversed(turned.items()))) == pack_canonical(turned)
    assert unpack(pack_canonical(turned)) == turned


class TestWhatIsNotSent:

    @pytest.mark.parametrize('value', [
        np.array([object()]), np.zeros(2, np.complex64), np.complex128(1j),
        np.zeros(2, [('a', 'i4')]), np.void(b'ab'), np.datetime64(3, 's'), object(), {1, 2},
        2**64, 1j])
    def test_it_has_no_form_on_the_wire(self, value):
        with pytest.raises(WireError, match='cannot be sent'):
            pack({'observation': [value]})

    def test_a_list_in_itself(self):
        endless: list[object] = []
        endless.append(endless)
        for way in (pack, pack_canonical):
            with pytest.raises(WireError):
                way(endless)


class TestHostileBytes:

    @given(st.binary(max_size=200))
    @example(b'\x91' * 2000)
    @example(b'\xdd\xff\xff\xff\xff')
    @example(b'\xdf\xff\xff\xff\xff')
    @example(b'\xc6\xff\xff\xff\xff')
    @example(b'\xd7\xff' + bytes(8))  # a timestamp
    @example(b'\xd6\xff' + bytes(3))
    @example(b'\xc1')
    @example(b'\x81\x90\x01')
    @example(b'\xa2\xff\xfe')
    def test_give_a_value_or_a_wire_error(self, data):
        with contextlib.suppress(WireError):
            unpack(data)

    @given(VALUES.map(pack), st.data())
    def test_that_were_good_before(self, packed, data):
        where = data.draw(st.integers(0, len(packed) - 1))
        with_change = packed[:where] + data.draw(st.binary(max_size=3)) + packed[where + 1:]
        with contextlib.suppress(WireError):
            unpack(with_change)

    @given(ARRAYS.map(pack), st.data())
    def test_that_were_an_array_before(self, packed, data):
        where = data.draw(st.integers(0, len(packed) - 1))
        with_change = packed[:where] + data.draw(st.binary(max_size=3)) + packed[where + 1:]
        with contextlib.suppress(WireError):
            unpack(with_change)

    @given(st.fixed_dictionaries(
        {b'__ndarray__': st.one_of(st.just(True), LEAVES)},
        optional={b'data': LEAVES, b'extra': LEAVES,
                  b'dtype': st.one_of(LEAVES, st.sampled_from(
                      ['O', '|O', '<c8', '|V4', 'i4,i4', '<f3', '<M8[x]', '<U0', '<f99'])),
                  b'shape': st.one_of(LEAVES, st.lists(st.integers(-2, 2**63), max_size=40))}))
    def test_that_pretend_to_be_an_array(self, values):
        with contextlib.suppress(WireError):
            unpack(msgpack.packb(values))

    @pytest.mark.parametrize('dtype', [
        'O', '|O', '<c8', '|V8', '<f4,<f4', '(2,)<f4', 'f4', 4, None, b'<f4', '<f3', '<M8[x]'])
    def test_a_dtype_that_is_no_plain_number(self, dtype):
        refused({**ARRAY, b'dtype': dtype})
        refused({**SCALAR, b'dtype': dtype})

    @pytest.mark.parametrize('shape', [
        [3], [1], [2, 2], [-2], [-1, -2], [True, 2], [2.0], 2, None, '2', [2**40, 0],
        [1] * 40 + [2]])
    def test_a_shape_that_is_not_the_datas(self, shape):
        refused({**ARRAY, b'shape': shape}, 'shape|bytes')

    @pytest.mark.parametrize('data', ['text', None, [0.0, 0.0], {}])
    def test_data_that_is_not_bytes(self, data):
        refused({**ARRAY, b'data': data}, 'bytes')

    @pytest.mark.parametrize('change', [
        {b'__ndarray__': False}, {b'__ndarray__': 1}, {b'more': 1}])
    def test_an_array_with_other_keys(self, change):
        refused({**ARRAY, **change}, '__ndarray__')

    @pytest.mark.parametrize(('data', 'dtype'), [
        ('3', '<i4'), (3.5, '<i4'), (True, '<i4'), (2**40, '<i4'), (-1, '|u1'), (1, '|b1'),
        ('nan', '<f4'), (b'x', '|S1'), ('x', '<U1'), (3, '<M8[s]')])
    def test_a_scalar_that_its_dtype_does_not_have(self, data, dtype):
        refused({**SCALAR, b'data': data, b'dtype': dtype}, 'scalar|too large')

    def test_a_key_twice(self):
        with pytest.raises(WireError, match='twice'):
            unpack(b'\x82\xa1a\x01\xa1a\x02')

    def test_depth_is_bounded(self):
        deep: object = 1
        for _ in range(msgpack_numpy.MOST_DEPTH):
            deep = [deep]
        assert unpack(msgpack.packb(deep)) == deep
        refused([deep], 'deep')

    def test_the_number_of_values_is_bounded(self):
        refused([[{}] * 1000] * 200, 'values')

    def test_the_number_of_bytes_is_bounded(self):
        with pytest.raises(WireError, match='5 bytes came, at most 4'):
            unpack(pack('text'), most_bytes=4)

    def test_what_is_behind_the_value_is_refused(self):
        with pytest.raises(WireError):
            unpack(pack(1) + b'\x01')
