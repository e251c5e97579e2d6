"""Quality of service, one profile for each kind of topic."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# At 500 Hz this is 32 ms of samples: enough to outlast a decode, too few to grow old in a queue.
STREAM_DEPTH = 16


def sensor_stream() -> QoSProfile:
    """Joint states and wrenches: fast, and a lost one is better replaced than sent again."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=STREAM_DEPTH,
        reliability=ReliabilityPolicy.BEST_EFFORT)


def newest_frame() -> QoSProfile:
    """Images, heartbeats and the clock: only the newest counts."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def command(depth: int = 2) -> QoSProfile:
    """Proposals and commands: each one arrives, and none is kept for those who join later."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def latched(depth: int = 1) -> QoSProfile:
    """States and tasks: whoever joins later gets the last ones, as many as both sides keep."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL)


def diagnostics() -> QoSProfile:
    """/diagnostics, as everybody subscribes to it."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
