"""A spline goes through what it is given, with the states at its ends and no step in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.safety.splines import spline_through
import pytest


def motion(seconds: np.ndarray, jerks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, velocities, accelerations (K, 1) with constant jerk between knots."""
    states = [(0.3, -0.2, 0.5)]
    for h, jerk in zip(np.diff(seconds), jerks, strict=True):
        q, v, a = states[-1]
        states.append((q + h * (v + h * (a / 2 + h * jerk / 6)), v + h * (a + h * jerk / 2),
                       a + h * jerk))
    return tuple(np.array(column)[:, None] for column in zip(*states, strict=True))


@given(st.lists(st.tuples(st.floats(0.01, 0.1), st.floats(-50.0, 50.0)),
                min_size=3, max_size=12))
def test_a_motion_of_constant_jerk_between_the_knots_is_reproduced(pieces):
    seconds = np.concatenate(([0.0], np.cumsum([h for h, _ in pieces])))
    q, v, a = motion(seconds, np.array([jerk for _, jerk in pieces]))
    # What is given at the second knot and at the last but one does not count.
    given_up = q.copy()
    given_up[[1, -2]] += 1.0
    positions, velocities, accelerations = spline_through(
        seconds, given_up, (v[0], v[-1]), (a[0], a[-1]))
    assert positions == pytest.approx(q, abs=1e-9)
    assert velocities == pytest.approx(v, abs=1e-7)
    assert accelerations == pytest.approx(a, abs=1e-5)


def test_the_error_falls_with_the_fourth_power_of_the_spacing():
    errors = []
    for cubics in (10, 20):
        seconds = np.linspace(0.0, 1.0, cubics + 1)
        q, v, a = (rate[:, None] for rate in (
            np.sin(3 * seconds), 3 * np.cos(3 * seconds), -9 * np.sin(3 * seconds)))
        positions, velocities, _ = spline_through(seconds, q, (v[0], v[-1]), (a[0], a[-1]))
        errors.append(max(np.abs(positions - q).max(), np.abs(velocities - v).max() / cubics))
    assert errors[1] < errors[0] / 12.0
