"""Figures for /diagnostics."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.nodes.figures import Stream, Window
import pytest


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_a_window_knows_its_newest_values_alone(values):
    window = Window(size=8)
    for value in values:
        window.add(value)
    assert window.percentile(50.0) == pytest.approx(np.percentile(values[-8:], 50.0))


def test_an_empty_window_knows_nothing():
    assert math.isnan(Window().percentile(99.0))


def test_a_rate_is_the_mean_since_it_was_last_asked():
    stream = Stream()
    assert stream.age_s(0) is None
    assert stream.rate_hz(0) == 0.0
    for steady_ns in (1, 2, 500_000_000):
        stream.arrived(steady_ns)
    assert stream.rate_hz(1_000_000_000) == 3.0
    assert stream.age_s(1_000_000_000) == 0.5
    assert stream.rate_hz(2_000_000_000) == 0.0
