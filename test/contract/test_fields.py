"""The contract's values keep their rules however they are made, not only when read from a file."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
import math

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.contract.fields import collecting, InvalidFields, Quantity
from physical_ai_bridge.testing.contracts import (
    example_camera,
    example_cell,
    example_limit,
    example_manifest,
)
import pytest


def test_a_value_cannot_be_made_with_a_field_that_breaks_its_rule():
    with pytest.raises(InvalidFields, match=r'max_jerk: found nan; write a number above 0 in rad'):
        example_limit(max_jerk=math.nan)


def test_all_complaints_about_a_value_come_at_once():
    with pytest.raises(InvalidFields) as raised:
        example_limit(max_jerk=0.0, max_velocity=-1.0, min_position=9.0)
    assert [key for key, _, _ in raised.value.complaints] == [
        'max_velocity', 'max_jerk', 'min_position']


def test_a_value_cannot_be_changed_only_replaced():
    cell = example_cell()
    with pytest.raises(FrozenInstanceError):
        cell.name = 'other'
    with pytest.raises(InvalidFields, match='wrist_3_joint'):
        replace(cell, robot=replace(cell.robot, joints=cell.robot.joints[:5]))


def test_a_rate_of_nothing_is_a_complaint_and_not_a_division():
    with pytest.raises(InvalidFields, match='rate_hz'):
        example_manifest(rate_hz=0.0)


def test_whoever_reads_a_file_can_gather_what_would_be_raised():
    with collecting() as found:
        camera = example_camera('scene', width=0)
    assert found == [(camera, [('width', 'found 0', 'write a number above 0 in pixels')])]
    with pytest.raises(InvalidFields):
        example_camera('scene', width=0)


@given(value=st.floats() | st.integers(), above=st.floats(-1e3, 1e3), span=st.floats(0.1, 1e3))
def test_a_quantity_lets_pass_what_is_finite_and_in_its_range(value, above, span):
    right = not isinstance(value, float) or math.isfinite(value)
    right = right and above < value <= above + span
    assert (Quantity('m', above=above, at_most=above + span).complaint(value) is None) == right


def test_an_integer_too_large_for_a_float_is_a_complaint():
    assert Quantity('m').complaint(10**400) is not None
