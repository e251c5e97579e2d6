"""What a recording is made of: messages as bytes, and the topics that they came on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class RecordedMessage(NamedTuple):
    """
    One message: ``stamp_ns`` is when the recorder received it, on the recorder's clock.

    A tuple, because making a frozen dataclass takes as long as all else that reading it does.
    """

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordedTopic:
    """One topic of a recording."""

    type_name: str
    count: int


class StorageFile(Protocol):
    """One open storage file. Damage is reported, and what can be read is given all the same."""

    def topics(self) -> dict[str, RecordedTopic]:
        """Return what the file holds, by topic; this may take as long as reading it."""

    def stamps(self) -> tuple[int, int] | None:
        """Return the first and the last receive stamp in ns, where they are known at once."""

    def facts(self) -> dict[str, object]:
        """Return what the file itself says of the recording, in the words of metadata.yaml."""

    def messages(self, topics: Collection[str] | None) -> Iterator[RecordedMessage]:
        """Yield the messages of ``topics``, or all, in the order in which they were written."""

    def close(self) -> None:
        """Close the file."""
