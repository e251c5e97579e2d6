"""What is watched while a recording is read: the recorder's clock, and that nothing is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from physical_ai_bridge.bags.message import RecordedMessage, RecordedTopic
from physical_ai_bridge.bags.metadata import NAME
from physical_ai_bridge.bags.problems import ProblemCode, ReadingProblem, Report
from physical_ai_bridge.contract.clock import NS_PER_S
import zstandard

# Messages of one topic may be out of order by as much without a step of the clock: where it has
# several publishers, and middleware that sorts by theirs.
STEP_NS = 10_000_000
_ZSTD = zstandard.FRAME_HEADER
_MAX_MESSAGE_BYTES = 1024**3
# These say themselves that messages are missing.
_LOSSES = frozenset({
    ProblemCode.TRUNCATED, ProblemCode.CHUNK_DAMAGED, ProblemCode.MESSAGES_LOST,
    ProblemCode.FILE_MISSING, ProblemCode.FILE_UNREADABLE, ProblemCode.UNSUPPORTED})


class Progress:
    """Watches the messages of a whole recording pass by; ``report`` takes what is wrong."""

    def __init__(self, report: Callable[[ReadingProblem], object]) -> None:
        self._report = report
        self._last_ns: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def watched(
            self, messages: Iterable[RecordedMessage], where: str) -> Iterator[RecordedMessage]:
        """Yield the messages of the file ``where`` as they come."""
        last_ns, counts = self._last_ns, self._counts
        for message in messages:
            topic, stamp_ns = message.topic, message.stamp_ns
            if stamp_ns >= last_ns.get(topic, stamp_ns):
                last_ns[topic] = stamp_ns
            elif last_ns[topic] - stamp_ns > STEP_NS:
                self._stepped_back(message, where)
                last_ns[topic] = stamp_ns
            counts[topic] += 1
            yield message

    def _stepped_back(self, message: RecordedMessage, where: str) -> None:
        before_ns = max(self._last_ns.values())
        step_s = (before_ns - message.stamp_ns) / NS_PER_S
        self._report(ReadingProblem(
            code=ProblemCode.TIME_BACKWARDS, where=where, stamp_ns=message.stamp_ns,
            detail=f"the recorder's clock stepped back by {step_s:.3f} s, from {before_ns} to "
                   f'{message.stamp_ns} ns; the messages come in the order in which they were '
                   'written'))
        # The other topics follow; it is one step.
        self._last_ns.clear()

    def compare(
            self, promised: Mapping[str, RecordedTopic], wanted: Collection[str] | None,
            problems: Iterable[ReadingProblem]) -> None:
        """Report what metadata.yaml counts and was not read, unless ``problems`` say why."""
        if any(problem.code in _LOSSES for problem in problems):
            return
        for topic, told in promised.items():
            lost = told.count - self._counts[topic]
            if lost > 0 and (wanted is None or topic in wanted):
                self._report(ReadingProblem(
                    code=ProblemCode.MESSAGES_LOST, where=NAME,
                    detail=f'it counts {told.count} messages on {topic}, and {lost} of them are '
                           'not in the files'))


def unpacked_messages(
        messages: Iterable[RecordedMessage], report: Report) -> Iterator[RecordedMessage]:
    """Yield messages, those that rosbag2 compressed one by one unpacked."""
    unpacker = zstandard.ZstdDecompressor()
    broken, first_ns = 0, None
    for message in messages:
        # No CDR begins like that.
        if not message.data.startswith(_ZSTD):
            yield message
            continue
        try:
            if zstandard.frame_content_size(message.data) > _MAX_MESSAGE_BYTES:
                raise zstandard.ZstdError('too large')
            data = unpacker.decompressobj().decompress(message.data)
        except (zstandard.ZstdError, MemoryError):
            broken += 1
            first_ns = message.stamp_ns if first_ns is None else first_ns
            continue
        yield RecordedMessage(message.topic, message.type_name, message.stamp_ns, data)
    if broken:
        report(ProblemCode.MESSAGES_LOST, f'the compression of {broken} messages is broken: they '
               'are left out', first_ns)
