"""Steps of fixed length at the pace of the steady clock."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import NS_PER_S

# A real cell does not wait for anybody: what was missed is caught up, as fast as it computes.
# Beyond this the machine is too slow, or the process was halted, and the time is given up.
GIVE_UP_NS = NS_PER_S
# Being late by more than this is worth telling.
OVERRUN_NS = 50_000_000


class Pacer:
    """
    Says how many steps are due, and how long to sleep where none is.

    Time that is given up is lost to the simulation: its clock falls behind the wall's by as much,
    which ``given_up_ns`` adds up.
    """

    def __init__(self, step_ns: int, factor: float, max_batch: int = 25) -> None:
        """Pace steps of ``step_ns`` simulated time at ``factor`` times real time."""
        self._step_ns = step_ns / factor
        self._max_batch = max_batch
        self._base_ns = 0
        self._taken = 0
        self._late = False
        self.overruns = 0
        self.given_up_ns = 0

    def start(self, steady_ns: int) -> None:
        """Begin now."""
        self._base_ns, self._taken, self._late = steady_ns, 0, False

    def due(self, steady_ns: int) -> int:
        """Return how many steps to take now, at most ``max_batch``; they count as taken."""
        behind_ns = steady_ns - self._base_ns - self._taken * self._step_ns
        if behind_ns < self._step_ns:
            self._late = False
            return 0
        if behind_ns > OVERRUN_NS and not self._late:
            self._late = True
            self.overruns += 1
        if behind_ns > GIVE_UP_NS:
            lost = int(behind_ns // self._step_ns) - 1
            self._base_ns += round(lost * self._step_ns)
            self.given_up_ns += round(lost * self._step_ns)
            behind_ns -= lost * self._step_ns
        steps = min(int(behind_ns // self._step_ns), self._max_batch)
        self._taken += steps
        return steps

    def wait_s(self, steady_ns: int) -> float:
        """Return how long it is until the next step is due."""
        return max(0.0, (self._base_ns + (self._taken + 1) * self._step_ns - steady_ns) / NS_PER_S)
