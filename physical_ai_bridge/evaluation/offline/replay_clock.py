"""The recording's clock: receive stamps become instants, as a node would have had them."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant, NS_PER_S

# Further apart than this, stamps and recorder are on two clocks, not just late.
_APART_NS = NS_PER_S


class ReplayClock:
    """
    Turns receive stamps into instants.

    Steady time never goes back: where the recorder's clock did, it goes on from there. ROS time is
    the recorder's, unless the stamps of the messages are on another clock: then it is moved by
    what they are apart, or follows /clock where that was recorded.
    """

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._steady_shift_ns = 0
        self.shift_ns = 0

    def at(self, received_ns: int) -> Instant:
        """Return the instant of a message that was received then."""
        last = self._last_ns
        if last is not None and received_ns < last:
            self._steady_shift_ns += last - received_ns
        self._last_ns = received_ns
        return Instant(received_ns + self.shift_ns, received_ns + self._steady_shift_ns)

    def compare(self, received_ns: int, stamp_ns: int) -> int:
        """Take a first stamp; return by how much ROS time is moved for it, in ns."""
        apart_ns = stamp_ns - received_ns
        if abs(apart_ns) > _APART_NS:
            self.shift_ns = apart_ns
        return self.shift_ns

    def follow(self, received_ns: int, ros_ns: int) -> None:
        """Take what /clock said when."""
        self.shift_ns = ros_ns - received_ns
