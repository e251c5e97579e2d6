"""Cameras that are advertised but starve: frames larger than the transport carries vanish."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Camera
from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal

# Discovery alone takes up to a second, and a camera may need a moment after it is matched.
MIN_PATIENCE_S = 2.0
PATIENCE_FRAMES = 10


class CameraWatch:
    """
    Tells one camera's three silences apart: nobody publishes, frames starve, all is well.

    A middleware that drops a frame which does not fit its transport says nothing, so this goes by
    what a shell sees: how many publishers there are, and when the last frame came. It counts on
    the steady clock.
    """

    def __init__(self, name: str, camera: Camera) -> None:
        self._name = name
        self._camera = camera
        self._patience_ns = seconds_to_ns(
            max(MIN_PATIENCE_S, PATIENCE_FRAMES / camera.rate_hz))
        self._waiting_since_ns: int | None = None
        self._arrived = False

    def on_frame(self, now: Instant) -> None:
        """Take note that a frame came."""
        self._waiting_since_ns = now.steady_ns
        self._arrived = True

    def check(self, publishers: int, now: Instant) -> Refusal | None:
        """Return why no frame comes, given how many ``publishers`` the topic has; else None."""
        topic = self._camera.topic
        if not publishers:
            self._waiting_since_ns = None
            return Refusal(
                Reason.IMAGE_MISSING, f'camera {self._name}: nobody publishes {topic}')
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now.steady_ns
        silent_ns = now.steady_ns - self._waiting_since_ns
        if silent_ns <= self._patience_ns:
            return None
        since = 'has arrived yet' if not self._arrived else 'arrives any more'
        return Refusal(
            Reason.IMAGE_STARVED,
            f'camera {self._name}: {topic} has {publishers} publisher'
            f'{"" if publishers == 1 else "s"} but no frame {since}, for {silent_ns / 1e9:.1f} s; '
            "either the camera hangs, or its frames don't fit the transport: set the Fast DDS "
            'profile of this package on both sides')
