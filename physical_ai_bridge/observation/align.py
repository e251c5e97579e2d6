"""How old may a sample be: every input is held against its ``max_age_s`` and against now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.observation.streams import Stream

Sample = TypeVar('Sample')

# Stamps may lie this far ahead of now: clocks of machines on one site are never quite equal.
FUTURE_TOLERANCE_NS = 50_000_000


class RefusedError(Exception):
    """Carries a Refusal from where it is found to ``build``, which returns it; goes no further."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.refusal = Refusal(reason, detail)
        super().__init__(str(self.refusal))


@dataclass(frozen=True, slots=True)
class AgeRule:
    """How a stream is called in messages, how old it may be, and what its lack is called."""

    label: str
    topic: str
    max_age_ns: int
    missing: Reason
    stale: Reason

    def check(self, age_ns: int, where: str) -> None:
        """Refuse a sample that is older than it may be at an instant that ``where`` names."""
        if age_ns > self.max_age_ns:
            raise RefusedError(
                self.stale, f'{self.label}: {where} is {in_seconds(age_ns)} s old, max_age_s is '
                f'{self.max_age_ns / NS_PER_S:g}')

    def check_newest(self, newest_ns: int | None, now: Instant) -> int:
        """Refuse a stream that is empty, silent or ahead of the clock; return its newest stamp."""
        if newest_ns is None:
            raise RefusedError(
                self.missing, f'{self.label}: nothing has come on {self.topic} yet')
        ahead_ns = newest_ns - now.ros_ns
        if ahead_ns > FUTURE_TOLERANCE_NS:
            raise RefusedError(
                Reason.FROM_THE_FUTURE, f'{self.label}: the newest stamp is '
                f'{in_seconds(ahead_ns)} s later than now; check that the clocks of all machines '
                'agree and that use_sim_time is the same everywhere')
        self.check(-ahead_ns, f'the newest on {self.topic}')
        return newest_ns

    def held(self, stream: Stream[Sample], stamp_ns: int, now: Instant) -> tuple[int, Sample]:
        """Return the sample that holds at the observation time, with its stamp."""
        self.check_newest(stream.newest_ns, now)
        found = stream.at(stamp_ns)
        if found is None:
            first_ns = stream.first()[0]
            raise RefusedError(
                self.missing, f'{self.label}: the first on {self.topic} came '
                f'{in_seconds(first_ns - stamp_ns)} s after the observation')
        self.check(stamp_ns - found[0], 'the one that holds at the observation time')
        return found


def in_seconds(duration_ns: int) -> str:
    """Return a duration for people, in s to the millisecond."""
    return f'{duration_ns / NS_PER_S:.3f}'
