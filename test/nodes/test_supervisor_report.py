"""What the supervisor's node says about its own ticks."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.nodes.supervisor_report import SupervisorReport
from physical_ai_bridge.safety.decision import Decision, Mode
import pytest

MS = 1_000_000


@pytest.fixture
def report():
    return SupervisorReport(tick_rate_hz=100.0)


def tick(report, *at_ms: float, speed_share: float = 1.0) -> None:
    """Let the report see ticks at these times."""
    for at in at_ms:
        now = Instant(0, round(at * MS))
        report.on_timer(now.steady_ns)
        report.on_tick(Decision(now, Mode.READY, Reason.OK, '', speed_share=speed_share), 0, 0)


def test_late_ticks_are_counted_in_any_mode(report):
    tick(report, 0, 10, 18, 32, 48, 90)
    assert report.values(100 * MS)['late_ticks'] == 1 + 3


def test_the_time_between_two_activations_is_not_late(report):
    tick(report, 0, 10)
    report.on_activate()
    tick(report, 5000, 5010)
    values = report.values(5020 * MS)
    assert values['late_ticks'] == 0
    assert values['tick_jitter_p99_ms'] == 0.0


def test_the_share_of_the_speed_limits_is_the_last_decisions(report):
    tick(report, 0, speed_share=0.1)
    tick(report, 10, speed_share=0.4)
    assert report.values(10 * MS)['speed_share'] == 0.4
