"""An instant on the two clocks that matter: ROS time for stamps, steady time for watchdogs."""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_S = 1_000_000_000


def seconds_to_ns(seconds: float) -> int:
    """Round a duration in seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Instant:
    """
    Now, on both clocks, in nanoseconds.

    ``ros_ns`` is what message stamps are compared with; it may be simulated, may step and may
    pause. ``steady_ns`` only ever rises, at the rate of the wall; watchdogs count on it alone.
    """

    ros_ns: int
    steady_ns: int

    def later(self, duration_ns: int) -> Instant:
        """Return the instant ``duration_ns`` later on both clocks."""
        return Instant(self.ros_ns + duration_ns, self.steady_ns + duration_ns)
