"""Whatever URDF and joint_limits.yaml say, what is written is no wider, and exact."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from physical_ai_bridge.cli.new_cell_limits import JointLimits
from physical_ai_bridge.cli.new_cell_robot import Joint
from physical_ai_bridge.cli.new_cell_text import number
import pytest
import yaml

POSITIVE = st.floats(1e-6, 1e6)
MAYBE = st.none() | POSITIVE


@pytest.fixture(scope='module')
def limits_of(tmp_path_factory):
    """Return a function from a URDF's joint and a joint_limits.yaml to the limits."""
    path = tmp_path_factory.mktemp('limits') / 'joint_limits.yaml'

    def limits(joint, values, **factors):
        path.write_text(yaml.safe_dump({**factors, 'joint_limits': {joint.name: values}}))
        read = JointLimits([path], {})
        found = read.of(joint)
        assert read.problems == []
        return found

    return limits


@settings(max_examples=50)
@given(urdf=MAYBE, given_=MAYBE, reach=MAYBE, ends=MAYBE, factor=st.floats(0.01, 1.0))
def test_nothing_is_wider_than_either_source(limits_of, urdf, given_, reach, ends, factor):
    joint = Joint('j', 'revolute', 'a', 'b', None if reach is None else -reach, reach, urdf, None)
    values = {'has_velocity_limits': given_ is not None, 'max_velocity': given_,
              'has_position_limits': ends is not None}
    if ends is not None:
        values |= {'min_position': -ends, 'max_position': ends}
    limits = limits_of(joint, values, default_velocity_scaling_factor=factor)
    speeds = [each for each in (urdf, given_) if each is not None]
    assert limits.velocity.value == (min(speeds) * factor if speeds else None)
    low, high = limits.ends
    widest = min((each for each in (reach, ends) if each is not None), default=None)
    assert high.value == widest
    assert low.value == (None if widest is None else -widest)
    assert limits.acceleration.value is limits.jerk.value is None


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_back_exactly(value):
    text = number(value)
    assert re.fullmatch(r'-?\d+\.\d+', text)
    assert float(text) == value


@pytest.mark.parametrize('value', [10**400, True, '5', [1.0], -1.0, 0])
def test_what_is_no_limit_is_named(tmp_path, value):
    path = tmp_path / 'joint_limits.yaml'
    path.write_text(yaml.safe_dump({'joint_limits': {'j': {
        'has_jerk_limits': True, 'max_jerk': value}}}))
    limits = JointLimits([path], {})
    assert limits.of(Joint('j', 'continuous', 'a', 'b', None, None, 1.0, None)).jerk.value is None
    [problem] = limits.problems
    assert (problem.where, problem.key) == (str(path), 'joint_limits.j.max_jerk')
    assert 'write a number above 0' in str(problem)
