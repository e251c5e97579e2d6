"""Now, on both clocks, from a node."""

from __future__ import annotations

import time

from physical_ai_bridge.contract.clock import Instant
from rclpy.clock import Clock, ClockType
from rclpy.node import Node


class NodeClock:
    """A node's ROS clock beside the machine's steady one; follows ``use_sim_time``."""

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)

    def now(self) -> Instant:
        """Return this instant. With ``use_sim_time`` ROS time is 0 until /clock comes."""
        return Instant(self._clock.now().nanoseconds, time.monotonic_ns())
