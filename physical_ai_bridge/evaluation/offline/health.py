"""How the streams of a recording are: pauses, stamps, what the joint states and pictures say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.samples import ImageSample, JointSample
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.scores import StreamScore
from physical_ai_bridge.evaluation.offline.topics import Input

# A pause is one of more than max_age_s, or of so many periods, whichever is less.
_PERIODS, _LEAST_GAP_S = 5, 0.1
_SLOW_SHARE = 0.8
_SAME_STAMPS = 10
_MOST_GAPS = 200
# A picture stands still for this long while the robot moves this far: nobody's camera does.
_FROZEN_NS, _FROZEN_RAD = NS_PER_S, 0.1
_PIXELS_LOOKED_AT = 256


@dataclass(slots=True)
class StreamHealth:
    """
    One stream as its messages come: call ``take`` with each, and ``score`` at the end.

    Times are ROS time from the recording's begin, in ns.
    """

    source: Input
    ledger: Ledger
    begin_ns: int
    messages: int = 0
    first_ns: int = 0
    received_ns: int = 0
    stamp_ns: int | None = None
    longest_ns: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    _same: int = 0

    @property
    def _gap_ns(self) -> int | None:
        source = self.source
        if source.max_age_s is None:
            return None
        usual_s = max(_PERIODS / source.rate_hz, _LEAST_GAP_S) if source.rate_hz else np.inf
        return seconds_to_ns(min(source.max_age_s, usual_s))

    def take(self, received_ns: int, stamp_ns: int | None) -> None:
        """Take a message: when it was received, and its stamp where it has one."""
        if self.messages:
            pause_ns = received_ns - self.received_ns
            if stamp_ns is not None and self.stamp_ns is not None:
                pause_ns = max(pause_ns, stamp_ns - self.stamp_ns)
                self._compare(stamp_ns, received_ns)
            self.longest_ns = max(self.longest_ns, pause_ns)
            self._gap(pause_ns, received_ns)
        else:
            self.first_ns = received_ns
        self.messages += 1
        self.received_ns = received_ns
        if stamp_ns is not None:
            self.stamp_ns = stamp_ns

    def _gap(self, pause_ns: int, received_ns: int) -> None:
        most_ns = self._gap_ns
        if most_ns is None or pause_ns <= most_ns:
            return
        end_s = (received_ns - self.begin_ns) / NS_PER_S
        pause_s = pause_ns / NS_PER_S
        if len(self.gaps) < _MOST_GAPS:
            self.gaps.append((end_s - pause_s, end_s))
        self.ledger.add(
            FindingCode.STREAM_GAP, self.source.topic,
            f'the longest pause is {pause_s:.3f} s; max_age_s is {self.source.max_age_s:g}',
            end_s - pause_s, size=pause_s)

    def _compare(self, stamp_ns: int, received_ns: int) -> None:
        at_s = (received_ns - self.begin_ns) / NS_PER_S
        back_ns = self.stamp_ns - stamp_ns
        if back_ns > 0:
            self.ledger.add(
                FindingCode.STAMPS_BACKWARDS, self.source.topic,
                f'the largest step back is {back_ns / NS_PER_S:.3f} s', at_s, size=back_ns)
        self._same = self._same + 1 if back_ns == 0 else 0
        if self._same == _SAME_STAMPS:
            self.ledger.add(
                FindingCode.STAMPS_FROZEN, self.source.topic,
                f'{_SAME_STAMPS + 1} messages or more bear the stamp {stamp_ns / NS_PER_S:.3f} s',
                at_s)

    def score(self) -> StreamScore:
        """Return what is measured; too low a rate goes into the ledger."""
        lasts_ns = self.received_ns - self.first_ns
        rate_hz = (self.messages - 1) * NS_PER_S / lasts_ns if lasts_ns > 0 else None
        wanted_hz = self.source.rate_hz
        # Pauses are told as such: what is judged here is the rate between them.
        paused_ns = seconds_to_ns(sum(end - start for start, end in self.gaps))
        between_ns = lasts_ns - paused_ns
        if wanted_hz and lasts_ns > NS_PER_S and between_ns > 0:
            between_hz = (self.messages - 1) * NS_PER_S / between_ns
            if between_hz < _SLOW_SHARE * wanted_hz:
                self.ledger.add(
                    FindingCode.STREAM_SLOW, self.source.topic,
                    f'{between_hz:.1f} Hz came, the cell file says {wanted_hz:g} Hz')
        return StreamScore(
            type_name=self.source.type_name, messages=self.messages, rate_hz=rate_hz,
            wanted_rate_hz=wanted_hz,
            longest_gap_s=self.longest_ns / NS_PER_S if self.messages > 1 else None)


class FrameHealth:
    """Tells a camera that shows one and the same picture while the robot moves."""

    def __init__(self, topic: str, ledger: Ledger) -> None:
        self._topic, self._ledger = topic, ledger
        self._seen = b''
        self._since_ns = 0
        self._at: np.ndarray | None = None
        self._told = False

    def take(self, sample: ImageSample, measured: np.ndarray | None, at_ns: int) -> None:
        """Take a frame, where the robot is (N,), and ROS time from the recording's begin."""
        data = memoryview(sample.data).cast('B')
        seen = bytes(data[::max(1, len(data) // _PIXELS_LOOKED_AT)])
        if seen != self._seen:
            self._seen, self._since_ns, self._at, self._told = seen, at_ns, measured, False
        elif (not self._told and at_ns - self._since_ns > _FROZEN_NS and measured is not None
                and self._at is not None and np.abs(measured - self._at).max() > _FROZEN_RAD):
            self._told = True
            self._ledger.add(
                FindingCode.FRAME_FROZEN, self._topic,
                f'the picture has not changed for {(at_ns - self._since_ns) / NS_PER_S:.1f} s, '
                'while the robot moved', self._since_ns / NS_PER_S)


class JointHealth:
    """Tells joints whose names are in changing orders, or belong to other joints' values."""

    # Joints this far from where they are commanded are not just lagging.
    _ASTRAY_RAD = 0.1
    # Another order of the joints has to fit this much better to be the right one.
    _BETTER = 0.3
    _WINDOW = 25

    def __init__(self, joints: Sequence[str], topic: str, ledger: Ledger) -> None:
        self._joints, self._topic, self._ledger = tuple(joints), topic, ledger
        self._names: tuple[str, ...] | None = None
        self._distances = np.zeros((len(joints), len(joints)))
        self._count = 0

    def names(self, sample: JointSample, at_s: float) -> None:
        """Take the names of a joint state."""
        before, self._names = self._names, sample.names
        if before not in (None, sample.names) and set(before) == set(sample.names):
            self._ledger.add(
                FindingCode.JOINT_ORDER_CHANGED, self._topic,
                f'first {", ".join(before)}; then {", ".join(sample.names)}', at_s)

    def jumped(self, before: np.ndarray, after: np.ndarray, at_s: float) -> None:
        """Take that the joints were (N,) here and then there, which they cannot be."""
        self._judge(np.abs(after[:, None] - before[None, :]), at_s, 'as others did just before')

    def compare(self, measured: np.ndarray, commanded: np.ndarray, at_s: float) -> None:
        """Take where the joints (N,) are, and where they were sent."""
        self._distances += np.abs(measured[:, None] - commanded[None, :])
        self._count += 1
        if self._count == self._WINDOW:
            self._judge(self._distances / self._count, at_s, 'as others are commanded')
            self._distances[:] = 0.0
            self._count = 0

    def _judge(self, distances: np.ndarray, at_s: float, how: str) -> None:
        if float(distances.diagonal().max()) < self._ASTRAY_RAD:
            return
        nearest = distances.argmin(axis=1)
        if len(set(nearest.tolist())) < len(nearest):
            return  # no other order of the joints
        fits = float(distances.min(axis=1).sum())
        swapped = [(self._joints[i], self._joints[j]) for i, j in enumerate(nearest) if i != j]
        if swapped and fits < self._BETTER * float(np.trace(distances)):
            pairs = ', '.join(f'{one} stands as {other}' for one, other in swapped)
            self._ledger.add(
                FindingCode.JOINTS_SWAPPED, self._topic, f'joints stand {how}: {pairs}', at_s)
