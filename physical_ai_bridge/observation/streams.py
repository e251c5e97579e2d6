"""What one sensor sent lately, in the order of its stamps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import Enum
from typing import Generic, TypeVar

Sample = TypeVar('Sample')

# Bounds the memory where a sensor sends far more, or in far stranger order, than it declares.
MAX_SAMPLES = 8192


class Placed(Enum):
    """Where a sample went."""

    NEWEST = 'it is the newest'
    INSERTED = 'it came out of order and was put where its stamp belongs'
    DROPPED = 'it came out of order and newer ones have replaced it'
    RESTARTED = 'time was set back: what was there is forgotten'


class Stream(Generic[Sample]):
    """
    The samples of the last ``span_ns``, and one older, so that each instant of it has a value.

    A sample that is older than the newest is put where its stamp belongs. One that is older by
    more than ``span_ns`` can only mean that time was set back (a simulation that starts anew, a
    bag that loops), or that what is kept came from the future: the stream begins again with it.
    Of equal stamps the one that came last counts.
    """

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._stamps: list[int] = []
        self._samples: list[Sample] = []

    def push(self, stamp_ns: int, sample: Sample) -> Placed:
        """Take a sample and say where it went."""
        stamps = self._stamps
        if not stamps or stamp_ns >= stamps[-1]:
            stamps.append(stamp_ns)
            self._samples.append(sample)
            if stamps[0] < stamp_ns - 2 * self._span_ns or len(stamps) > MAX_SAMPLES:
                self._forget_old()
            return Placed.NEWEST
        if stamp_ns < stamps[-1] - self._span_ns:
            self.clear()
            self.push(stamp_ns, sample)
            return Placed.RESTARTED
        at = bisect_right(stamps, stamp_ns)
        stamps.insert(at, stamp_ns)
        self._samples.insert(at, sample)
        if len(stamps) > MAX_SAMPLES:
            self._forget_old()
        return Placed.INSERTED

    def _forget_old(self) -> None:
        """Keep the span and one sample before it, and never more than half of MAX_SAMPLES."""
        first = max(0, bisect_left(self._stamps, self._stamps[-1] - self._span_ns) - 1)
        if len(self._stamps) - first > MAX_SAMPLES // 2:
            first = len(self._stamps) - MAX_SAMPLES // 2
        del self._stamps[:first], self._samples[:first]

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._samples.clear()

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int | None:
        """The stamp of the newest sample, None where there is none."""
        return self._stamps[-1] if self._stamps else None

    def at(self, ros_ns: int) -> tuple[int, Sample] | None:
        """Return the newest sample that is not later than ``ros_ns``, with its stamp."""
        index = bisect_right(self._stamps, ros_ns) - 1
        return None if index < 0 else (self._stamps[index], self._samples[index])

    def first(self) -> tuple[int, Sample] | None:
        """Return the oldest sample that is kept, with its stamp."""
        return (self._stamps[0], self._samples[0]) if self._stamps else None


class Newest(Generic[Sample]):
    """
    One sample: the newest.

    An older one is dropped, except that one older by more than ``span_ns`` means that time was
    set back, and takes its place.
    """

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._sample: Sample | None = None
        self._stamp_ns = 0

    def push(self, stamp_ns: int, sample: Sample) -> Placed:
        """Take a sample and say where it went."""
        placed = Placed.NEWEST
        if self._sample is not None and stamp_ns < self._stamp_ns:
            if stamp_ns >= self._stamp_ns - self._span_ns:
                return Placed.DROPPED
            placed = Placed.RESTARTED
        self._sample, self._stamp_ns = sample, stamp_ns
        return placed

    def clear(self) -> None:
        """Forget it."""
        self._sample = None

    @property
    def newest_ns(self) -> int | None:
        """The stamp of the sample, None where there is none."""
        return None if self._sample is None else self._stamp_ns

    def get(self) -> tuple[int, Sample] | None:
        """Return the sample with its stamp."""
        return None if self._sample is None else (self._stamp_ns, self._sample)
