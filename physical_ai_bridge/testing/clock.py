"""A clock that moves only when told to."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant, seconds_to_ns


class ManualClock:
    """Both clocks at once; ``step_ros`` moves ROS time alone, as a clock correction does."""

    def __init__(self, ros_ns: int = 1_800_000_000_000_000_000, steady_ns: int = 10**12) -> None:
        self.now = Instant(ros_ns, steady_ns)

    def advance(self, seconds: float) -> Instant:
        """Let time pass on both clocks and return the new instant."""
        self.now = self.now.later(seconds_to_ns(seconds))
        return self.now

    def step_ros(self, seconds: float) -> Instant:
        """Move ROS time alone and return the new instant."""
        self.now = Instant(self.now.ros_ns + seconds_to_ns(seconds), self.now.steady_ns)
        return self.now
