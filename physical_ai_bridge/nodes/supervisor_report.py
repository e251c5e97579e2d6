"""What the supervisor's node says about itself in /diagnostics."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.nodes.conversions import Value
from physical_ai_bridge.nodes.figures import Stream, Window
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.safety.ticks import late_ticks

_NS_PER_MS = 1e6


class SupervisorReport:
    """Counts and times of one activation, or several."""

    def __init__(self, tick_rate_hz: float) -> None:
        self._period_ns = round(NS_PER_S / tick_rate_hz)
        self._ticks = Stream()
        self._duration_ms = Window()
        self._jitter_ms = Window()
        self._latency_ms = Window()
        self._last_timer_ns: int | None = None
        self._last_mode = Mode.INACTIVE
        self._last_tick_ns: int | None = None
        self._late = 0
        self._speed_share = 1.0
        self._last_proposal_ns: int | None = None
        self._commands = 0
        self._limited = 0
        self._stops = 0

    def on_activate(self) -> None:
        """Forget when the last tick was: while the node is inactive nobody ticks."""
        self._last_tick_ns = self._last_timer_ns = None

    def on_timer(self, steady_ns: int) -> None:
        """Take note of a tick of the timer, for its jitter."""
        self._ticks.arrived(steady_ns)
        if self._last_timer_ns is not None:
            period_ns = steady_ns - self._last_timer_ns
            self._jitter_ms.add(abs(period_ns - self._period_ns) / _NS_PER_MS)
        self._last_timer_ns = steady_ns

    def on_tick(self, decision: Decision, duration_ns: int, published_ros_ns: int) -> None:
        """Take note of a tick, however it came about."""
        self._duration_ms.add(duration_ns / _NS_PER_MS)
        mode, last = decision.mode, self._last_mode
        self._last_mode = mode
        self._speed_share = decision.speed_share
        now_ns = decision.now.steady_ns
        if self._last_tick_ns is not None:
            self._late += late_ticks(now_ns - self._last_tick_ns, self._period_ns)
        self._last_tick_ns = now_ns
        if mode is not last:
            self._limited += mode is Mode.LIMITING
            self._stops += mode in (Mode.STOPPING, Mode.STOPPED, Mode.FAULT) and last in (
                Mode.READY, Mode.ACTIVE, Mode.LIMITING)
        if decision.command is None:
            return
        self._commands += 1
        stamp_ns = decision.proposal_stamp_ns
        # Later commands go on along the same proposal: only the first tells the latency.
        if stamp_ns is not None and stamp_ns != self._last_proposal_ns:
            self._last_proposal_ns = stamp_ns
            self._latency_ms.add((published_ros_ns - stamp_ns) / _NS_PER_MS)

    def values(self, steady_ns: int) -> dict[str, Value]:
        """Return everything as keys of a DiagnosticStatus."""
        return {
            'tick_rate_hz': self._ticks.rate_hz(steady_ns),
            'tick_p50_ms': self._duration_ms.percentile(50.0),
            'tick_p99_ms': self._duration_ms.percentile(99.0),
            'tick_jitter_p99_ms': self._jitter_ms.percentile(99.0),
            'late_ticks': self._late,
            'speed_share': self._speed_share,
            'sensor_to_command_p50_ms': self._latency_ms.percentile(50.0),
            'sensor_to_command_p99_ms': self._latency_ms.percentile(99.0),
            'commands': self._commands,
            'interventions.limited': self._limited,
            'interventions.stopped': self._stops,
        }
