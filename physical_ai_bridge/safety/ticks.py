"""Whether the supervisor's own ticks come in time, and the two clocks go together."""

from __future__ import annotations

from collections import deque

from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal

# ROS time may run slower than the steady clock (simulation), but may not jump against it.
_CLOCK_STEP_NS = seconds_to_ns(0.1)
_SPAN_NS = NS_PER_S


def late_ticks(gap_ns: int, period_ns: int) -> int:
    """
    Return how many ticks that were due within a gap came more than half a period late.

    One was due a period after the last tick, one more a period later, and so on; all of them came
    with the tick that ended the gap.
    """
    return max(0, (2 * gap_ns - period_ns - 1) // (2 * period_ns))


class TickWatch:
    """
    Takes every tick, and tells what its own timing shows, if it is a cause to stop.

    A tick may come at any time before the next is due, so only gaps count. What happens while
    nothing moves is no cause, and is forgotten.
    """

    def __init__(self, period_ns: int, tick_s: float, late_ticks: int) -> None:
        """Tolerate gaps of ``tick_s``, and ``late_ticks`` late ones within any second."""
        self._period_ns = period_ns
        self._longest_ns = seconds_to_ns(tick_s)
        self._tolerated = late_ticks
        self._last: Instant | None = None
        # When late ticks came, and how many; each is at least a period after the one before.
        self._late: deque[tuple[int, int]] = deque()
        self._late_in_span = 0

    def tick(self, now: Instant, *, moving: bool = True) -> Refusal | None:
        """Take a tick; return the cause that it shows, None where it came in time."""
        last, self._last = self._last, now
        if not moving:
            self._late.clear()
            self._late_in_span = 0
            return None
        if last is None:
            return None
        steady_ns = now.steady_ns - last.steady_ns
        ros_ns = now.ros_ns - last.ros_ns
        late = self._take_late(late_ticks(steady_ns, self._period_ns), now)
        if steady_ns > self._longest_ns:
            return Refusal(Reason.TICK_OVERRUN,
                           f'{steady_ns / NS_PER_S:.3f} s since the last tick')
        if ros_ns < 0 or ros_ns - steady_ns > _CLOCK_STEP_NS:
            return Refusal(Reason.CLOCK_STEPPED, f'ROS time went {ros_ns / NS_PER_S:+.3f} s in '
                           f'{steady_ns / NS_PER_S:.3f} s')
        if late > self._tolerated:
            return Refusal(Reason.TICKS_LATE, f'{late} ticks within a second came late, '
                           f'{self._tolerated} are tolerated')
        return None

    def _take_late(self, late: int, now: Instant) -> int:
        """Add late ticks, and return how many came within the last second."""
        if late:
            self._late.append((now.steady_ns, late))
            self._late_in_span += late
        while self._late and self._late[0][0] <= now.steady_ns - _SPAN_NS:
            self._late_in_span -= self._late.popleft()[1]
        return self._late_in_span
