"""What the policy's node says about itself in /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus
from physical_ai_bridge.contract.cell import Camera
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.nodes.conversions import Value
from physical_ai_bridge.nodes.figures import Stream, Window
from physical_ai_bridge.observation.watch import CameraWatch

_NS_PER_MS = 1e6


class PolicyReport:
    """Counts and times of one activation, and what keeps the policy from proposing."""

    def __init__(self, cameras: dict[str, Camera], streams: list[str]) -> None:
        """Watch ``cameras``; ``streams`` are the inputs whose rates and ages are told."""
        self._watches = {name: CameraWatch(name, camera) for name, camera in cameras.items()}
        self._topics = {name: camera.topic for name, camera in cameras.items()}
        self._streams = {name: Stream() for name in streams}
        self._proposals = Stream()
        self._inference_ms = Window()
        self._latency_ms = Window()
        self._obstacle: Refusal | None = None
        self._waiting = True

    def on_input(self, stream: str, now: Instant) -> None:
        """Take note that a sample came."""
        self._streams[stream].arrived(now.steady_ns)

    def on_frame(self, camera: str, now: Instant) -> None:
        """Take note that what came is a frame of ``camera``."""
        self._watches[camera].on_frame(now)

    def on_inference(self, duration_s: float) -> None:
        """Take note of what the model itself took."""
        self._inference_ms.add(duration_s * 1e3)

    def on_proposal(self, observation_ns: int, now: Instant) -> None:
        """Take note of a proposal that goes out."""
        self._latency_ms.add((now.ros_ns - observation_ns) / _NS_PER_MS)
        self._proposals.arrived(now.steady_ns)
        self._obstacle, self._waiting = None, False

    def on_refusal(self, refusal: Refusal) -> None:
        """Take note of what kept an observation from becoming a proposal."""
        self._obstacle = refusal

    def starving(self, count_publishers: Callable[[str], int], now: Instant) -> list[Refusal]:
        """Return what is wrong with the cameras, given how many publishers each topic has."""
        found = (watch.check(count_publishers(self._topics[name]), now)
                 for name, watch in self._watches.items())
        return [refusal for refusal in found if refusal is not None]

    def headline(self, cameras: list[Refusal]) -> tuple[bytes, str]:
        """Return the level and one sentence: what keeps the policy from proposing, if anything."""
        if cameras:
            return DiagnosticStatus.ERROR, str(cameras[0])
        if self._obstacle is not None:
            return DiagnosticStatus.WARN, str(self._obstacle)
        if self._waiting:
            return DiagnosticStatus.WARN, 'waiting for the first observation'
        return DiagnosticStatus.OK, 'proposing'

    def values(self, now: Instant) -> dict[str, Value]:
        """Return everything as keys of a DiagnosticStatus."""
        steady_ns = now.steady_ns
        values: dict[str, Value] = {
            'proposal_rate_hz': self._proposals.rate_hz(steady_ns),
            'proposals': self._proposals.count,
            'inference_p50_ms': self._inference_ms.percentile(50.0),
            'inference_p99_ms': self._inference_ms.percentile(99.0),
            'observation_to_proposal_p50_ms': self._latency_ms.percentile(50.0),
            'observation_to_proposal_p99_ms': self._latency_ms.percentile(99.0),
        }
        for name, stream in self._streams.items():
            values[f'{name}.rate_hz'] = stream.rate_hz(steady_ns)
            values[f'{name}.age_s'] = stream.age_s(steady_ns)
        return values
