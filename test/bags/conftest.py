"""Streams of words as messages, and what a recording gives back of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from physical_ai_bridge.bags.problems import ProblemCode, ReadingProblem
from physical_ai_bridge.bags.reader import decode, RecordedMessage, Recording
import pytest
from rosbags.typesys import get_typestore, Stores

STRING = 'std_msgs/msg/String'
MS = 1_000_000


class Words:
    """Messages that are words, and their way back."""

    def __init__(self) -> None:
        self._types = get_typestore(Stores.ROS2_JAZZY)

    def message(self, word: str, stamp_ns: int, topic: str = '/words') -> RecordedMessage:
        data = self._types.serialize_cdr(self._types.types[STRING](word), STRING)
        return RecordedMessage(topic, STRING, stamp_ns, bytes(data))

    def messages(self, count: int, topic: str = '/words') -> list[RecordedMessage]:
        """Return words of many lengths, one a ms."""
        return [self.message(f'{number} ' + 'x' * (number * 7 % 300), number * MS, topic)
                for number in range(count)]

    def read(
            self, path: Path, topics: Iterable[str] | None = None,
    ) -> tuple[list[str], tuple[ReadingProblem, ...]]:
        """Return the words of a recording, and what is wrong with it."""
        with Recording(path) as recording:
            found = [decode(message) for message in recording.messages(topics)]
            return found, recording.problems

    def codes(self, path: Path) -> list[ProblemCode]:
        return [problem.code for problem in self.read(path)[1]]


@pytest.fixture(scope='session')
def words() -> Words:
    return Words()
