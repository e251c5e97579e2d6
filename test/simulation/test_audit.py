"""The audit sees every control period, and nothing gets past it."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.simulation.audit import LimitAudit
from physical_ai_bridge.simulation.controller import Setpoint
import pytest

PERIOD_S = 0.002


@pytest.fixture
def audit() -> LimitAudit:
    limits = LimitArrays(*(np.array([x]) for x in (-1.0, 3.0, 2.0, 10.0, 100.0)))
    audit = LimitAudit(limits, PERIOD_S)
    audit.reset(np.array([1.0]))
    return audit


def setpoint(q, v=0.0, a=0.0) -> Setpoint:
    return Setpoint(np.array([q]), np.array([v]), np.array([a]))


def rest(audit, steps, q=1.0) -> None:
    for _ in range(steps):
        audit.add(setpoint(q), np.array([q]), np.zeros(1))


def test_at_rest_in_the_middle_nothing_is_used(audit):
    rest(audit, 3)
    assert audit.use.worst == 0.0
    assert audit.use.exceeded() == ()


def test_positions_count_from_the_middle_of_the_range(audit):
    audit.add(setpoint(1.0), np.array([2.5]), np.array([-1.0]))
    assert audit.use.measured_position == pytest.approx(0.75)
    assert audit.use.measured_velocity == pytest.approx(0.5)


@pytest.mark.parametrize('before', [0, 1, 498, 499, 500, 501, 1000])
def test_a_jump_in_position_shows_as_velocity_wherever_the_blocks_meet(audit, before):
    rest(audit, before)
    rest(audit, 5, q=1.005)
    assert audit.use.reference_velocity == pytest.approx(0.005 / PERIOD_S / 2.0)
    assert audit.use.exceeded() == ('reference_velocity',)


def test_a_jump_in_velocity_shows_as_acceleration_and_one_in_acceleration_as_jerk(audit):
    audit.add(setpoint(1.0, v=0.04), np.array([1.0]), np.zeros(1))
    audit.add(setpoint(1.0, v=0.04, a=1.0), np.array([1.0]), np.zeros(1))
    assert audit.use.reference_acceleration == pytest.approx(2.0)
    assert audit.use.reference_jerk == pytest.approx(5.0)


def test_what_is_not_a_number_exceeds(audit):
    audit.add(setpoint(float('nan')), np.array([1.0]), np.zeros(1))
    rest(audit, 600)
    assert 'reference_position' in audit.use.exceeded()
    assert np.isnan(audit.use.worst)


def test_reset_forgets(audit):
    audit.add(setpoint(9.0), np.array([1.0]), np.zeros(1))
    audit.reset(np.array([2.0]))
    rest(audit, 2, q=2.0)
    assert audit.use.reference_velocity == 0.0
    assert audit.use.reference_position == pytest.approx(0.5)
