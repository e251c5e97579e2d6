"""Who else publishes on the controller's topic, and whether that is a cause to stop."""

from __future__ import annotations

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.reasons import Reason, Refusal


class PublisherWatch:
    """
    Takes who else publishes on the controller's topic, and tells what speaks against moving.

    Two publishers on that topic means that the controller may execute something that nobody has
    verified. With ``controller.other_publishers: report`` it is told, and no cause.
    """

    def __init__(self, cell: Cell) -> None:
        self._topic = cell.controller.topic
        self._stops = cell.controller.other_publishers == 'stop'
        self.others: tuple[str, ...] = ()

    def take(self, others: tuple[str, ...]) -> bool:
        """Take the full names of the other nodes; True where that is a new cause to stop."""
        new = self._stops and bool(others) and not self.others
        self.others = others
        return new

    def cause(self) -> Refusal | None:
        """Return the cause to stop, None where there is none."""
        if not self.others or not self._stops:
            return None
        return Refusal(Reason.OTHER_PUBLISHER, f'{", ".join(self.others)} on {self._topic}')
