"""A motion passes only if it keeps within its limits between its knots as well as at them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.cubics import Cubics
from physical_ai_bridge.safety.limits import check_cubics, check_limits
import pytest


def one_joint(times_s, positions, velocities) -> Trajectory:
    """Return a trajectory of one joint."""
    times = np.round(np.asarray(times_s) * 1e9).astype(np.int64)
    return Trajectory(0, ('j',), times, np.array(positions, dtype=float)[:, None],
                      np.array(velocities, dtype=float)[:, None])


def limits(position=10.0, velocity=100.0, acceleration=1e4, jerk=1e6) -> LimitArrays:
    """Return one joint's limits, wide where not given."""
    return LimitArrays(*(np.array([x]) for x in (
        -position, position, velocity, acceleration, jerk)))


def breach(motion: Trajectory, bound: LimitArrays) -> Reason | None:
    """Return the reason code of the breach, if any."""
    found = check_limits(motion, bound, resolution_s=0.002)
    return found.reason if found else None


def test_a_position_that_overshoots_between_two_knots_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 0.0], [4.0, -4.0])
    assert breach(motion, limits(position=0.99)) is Reason.POSITION_LIMIT
    assert breach(motion, limits(position=1.01)) is None


def test_a_velocity_that_peaks_between_two_knots_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(velocity=1.49)) is Reason.VELOCITY_LIMIT
    assert breach(motion, limits(velocity=1.51)) is None


def test_an_acceleration_is_found_at_either_end_of_a_segment():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(acceleration=5.99)) is Reason.ACCELERATION_LIMIT
    assert breach(motion, limits(acceleration=6.01)) is None


def test_a_jerk_is_found():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(jerk=11.9)) is Reason.JERK_LIMIT
    assert breach(motion, limits(jerk=12.1)) is None


def test_an_acceleration_that_steps_at_a_knot_breaks_the_jerk_limit():
    motion = one_joint([0.0, 1.0, 2.0], [0.0, 0.5, 1.5], [0.0, 1.0, 1.0])
    assert breach(motion, limits(jerk=100.0)) is Reason.JERK_LIMIT


def test_a_motion_exactly_at_its_limits_passes():
    motion = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert breach(motion, limits(
        position=1.0, velocity=1.5, acceleration=6.0, jerk=12.0)) is None


def test_a_joint_without_position_limits_may_be_anywhere():
    motion = one_joint([0.0, 1.0], [1e4, 1e4], [0.0, 0.0])
    assert breach(motion, limits(position=np.inf)) is None


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_motion_that_is_not_finite_never_passes(bad):
    assert breach(one_joint([0.0, 1.0], [0.0, bad], [0.0, 0.0]), limits()) is (
        Reason.PROPOSAL_NOT_FINITE)
    assert breach(one_joint([0.0, 1.0], [0.0, 0.0], [0.0, bad]), limits()) is (
        Reason.PROPOSAL_NOT_FINITE)


numbers = st.floats(-2.0, 2.0)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=5),
       st.floats(0.1, 3.0), st.floats(0.1, 5.0))
def test_what_passes_is_within_its_limits_at_every_sample(knots, position, velocity):
    times = np.arange(len(knots)) * 0.7
    motion = one_joint(times, [q for q, _ in knots], [v for _, v in knots])
    bound = limits(position=position, velocity=velocity)
    samples = motion.at_many(np.linspace(0, motion.times_ns[-1], 500).astype(np.int64))
    inside = (np.abs(samples.position).max() <= position * (1 + 1e-9)
              and np.abs(samples.velocity).max() <= velocity * (1 + 1e-9))
    if breach(motion, bound) is None:
        assert inside
    elif breach(motion, limits(position=position * 1.05, velocity=velocity * 1.05)):
        assert not inside


@pytest.mark.parametrize('kind', ['position', 'velocity', 'acceleration', 'jerk'])
def test_a_limit_that_is_not_a_number_is_broken_by_every_motion(kind):
    assert breach(one_joint([0.0, 1.0], [0.0, 0.0], [0.0, 0.0]), limits(**{kind: np.nan}))


def test_a_joint_may_start_and_stand_exactly_at_its_limit():
    for at in (-1.25, 1.25):
        assert breach(one_joint([0.0, 1.0], [at, at], [0.0, 0.0]), limits(position=1.25)) is None
        assert breach(one_joint([0.0, 1.0], [at, 0.0], [0.0, 0.0]), limits(position=1.25)) is None
        beyond = at * (1.0 + 1e-8)
        assert breach(one_joint([0.0, 1.0], [beyond, 0.0], [0.0, 0.0]), limits(
            position=1.25)) is Reason.POSITION_LIMIT


def test_a_velocity_away_from_a_joint_at_its_limit_is_found():
    """It leaves the limit by 0.2 mrad before it turns back."""
    assert breach(one_joint([0.0, 1.0], [1.0, 0.0], [0.05, 0.0]), limits(position=1.0)) is (
        Reason.POSITION_LIMIT)
    assert breach(one_joint([0.0, 1.0], [1.0, 0.0], [-0.05, 0.0]), limits(position=1.0)) is None


def test_the_violation_names_the_joint_the_value_and_the_limit():
    low = check_limits(one_joint([0.0, 1.0], [0.0, -1.5], [0.0, 0.0]), limits(position=1.0),
                       resolution_s=0.002)
    assert (low.what, low.value, low.limit, low.unit) == ('j', -1.5, -1.0, 'rad')
    assert str(low) == 'j would reach -1.5 rad, the limit is -1 rad'
    fast = check_limits(one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0]), limits(velocity=1.0),
                        resolution_s=0.002)
    assert str(fast) == 'j would reach 1.5 rad/s, the limit is 1 rad/s'


def test_a_small_excess_can_be_read_off_the_sentence():
    found = check_limits(one_joint([0.0, 1.0], [0.0, 1.001], [0.0, 0.0]), limits(velocity=1.5),
                         resolution_s=0.002)
    assert str(found) == 'j would reach 1.5015 rad/s, the limit is 1.5 rad/s'


@pytest.mark.parametrize('spacing_s', [1e-9, 1e-8, 1e-7])
def test_knots_closer_than_any_that_is_published_hide_nothing(spacing_s):
    """A step of the velocity, by 1e-6 rad/s, between two knots in one instant."""
    motion = one_joint([0.0, 1.0, 1.0 + spacing_s, 2.0], [0.0, 0.0, 0.0, 0.0],
                       [0.0, 0.0, 1e-6, 0.0])
    assert breach(motion, limits(acceleration=1.0)) is Reason.ACCELERATION_LIMIT
    assert breach(motion, limits(jerk=100.0)) is Reason.JERK_LIMIT


@pytest.mark.parametrize('relative', [1e-6, -1e-6])
def test_a_step_of_the_acceleration_counts_over_one_sample_beside_the_jerk(relative):
    # 1 rad/s² for 1 s, then none: a step of 1, over 2 ms. The segments themselves have no jerk.
    motion = one_joint([0.0, 1.0, 2.0], [0.0, 0.5, 1.5], [0.0, 1.0, 1.0])
    found = breach(motion, limits(jerk=500.0 * (1.0 + relative)))
    assert found is (None if relative > 0.0 else Reason.JERK_LIMIT)


def test_where_a_motion_has_to_rest_its_end_counts():
    def ends(motion, bound):
        found = check_cubics(Cubics.of(motion), ('j',), bound, resolution_s=0.002, to_rest=True)
        return found.reason if found else None

    at_rest = one_joint([0.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    assert ends(at_rest, limits(jerk=1.0)) is None
    moving = one_joint([0.0, 1.0], [0.0, 1e-9], [1e-9, 1e-9])
    assert breach(moving, limits()) is None
    assert ends(moving, limits()) is Reason.ACCELERATION_LIMIT
    # It ends with 6 rad/s², and a jerk of 12 rad/s³ before that.
    braking = one_joint([0.0, 1.0], [0.0, 1.0], [0.0, 0.0])
    assert ends(braking, limits(jerk=3012.0 * (1.0 + 1e-6))) is None
    assert ends(braking, limits(jerk=3012.0 * (1.0 - 1e-6))) is Reason.JERK_LIMIT


def _zero(function, begin: Fraction, end: Fraction) -> Fraction:
    """Return where a function that rises or falls from begin to end is zero, or the begin."""
    if function(begin) * function(end) >= 0:
        return begin
    for _ in range(60):
        middle = (begin + end) / 2
        same = function(begin) * function(middle) > 0
        begin, end = (middle, end) if same else (begin, middle)
    return begin


def exact(motion: Trajectory) -> dict[str, tuple[Fraction, Fraction]]:
    """
    Return lowest and highest position and the highest absolute rates, in exact arithmetic.

    But for the square root under the turning points of the position: bisected to 1e-18.
    """
    q = [Fraction(float(x)) for x in motion.positions[:, 0]]
    v = [Fraction(float(x)) for x in motion.velocities[:, 0]]
    low, high, rates = min(q), max(q), [Fraction(0)] * 3
    for k, (begin, end) in enumerate(pairwise(motion.times_ns)):
        h = Fraction(int(end) - int(begin), 10**9)
        slope = (q[k + 1] - q[k]) / h
        c = (q[k], v[k], (3 * slope - 2 * v[k] - v[k + 1]) / h,
             (v[k] + v[k + 1] - 2 * slope) / h**2)

        def velocity(t, c=c):
            return c[1] + t * (2 * c[2] + t * 3 * c[3])

        turn = [-c[2] / (3 * c[3])] if c[3] and 0 < -c[2] / (3 * c[3]) < h else []
        corners = [Fraction(0), *turn, h]
        for zero in (_zero(velocity, *span) for span in pairwise(corners)):
            position = c[0] + zero * (c[1] + zero * (c[2] + zero * c[3]))
            low, high = min(low, position), max(high, position)
        rates[0] = max(rates[0], *(abs(velocity(t)) for t in corners))
        rates[1] = max(rates[1], abs(2 * c[2]), abs(2 * c[2] + 6 * c[3] * h))
        rates[2] = max(rates[2], abs(6 * c[3]))
    return {'position': (low, high), **{name: (-rate, rate) for name, rate in zip(
        ('velocity', 'acceleration', 'jerk'), rates, strict=True)}}


REASONS = {'position': Reason.POSITION_LIMIT, 'velocity': Reason.VELOCITY_LIMIT,
           'acceleration': Reason.ACCELERATION_LIMIT, 'jerk': Reason.JERK_LIMIT}
sizes = st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 3.0])
values = st.builds(lambda size, share: size * share, sizes, st.floats(-1.0, 1.0))


@settings(max_examples=400)
@given(st.lists(st.tuples(values, values), min_size=2, max_size=4),
       st.sampled_from([0.0001, 0.002, 0.01, 0.7]), st.sampled_from(list(REASONS)))
def test_a_motion_is_told_from_each_of_its_limits_as_exact_arithmetic_does(knots, spacing, kind):
    motion = one_joint(np.arange(len(knots)) * spacing, [q for q, _ in knots],
                       [v for _, v in knots])
    low, high = exact(motion)[kind]
    top = float(max(-low, high))
    if top < 1e-3:
        return  # noise of double precision is then no longer small beside it
    # What is resolved over so short a segment, and 1e-9 of the limit.
    order = ('position', 'velocity', 'acceleration', 'jerk').index(kind)
    resolved = 1e-8 * top + 1e-13 / spacing**order
    wide = {'position': 1e9, 'velocity': 1e12, 'acceleration': 1e15, 'jerk': 1e20}
    assert breach(motion, limits(**{**wide, kind: top + resolved})) is None or kind == 'jerk'
    if top > resolved:
        assert breach(motion, limits(**{**wide, kind: top - resolved})) is REASONS[kind]
