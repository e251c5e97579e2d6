"""The episodes of a recording, and the scores of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import math

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.offline.chunk_scores import ChunkRow
from physical_ai_bridge.evaluation.offline.scores import EpisodeScore


@dataclass(slots=True, eq=False)
class Episode:
    """
    One episode while it is put together; times are ROS time in ns.

    ``acted_ns`` is the observation of the first proposal that was recorded in it.
    """

    number: int
    start_ns: int
    end_ns: int | None = None
    acted_ns: int | None = None
    succeeded: bool | None = None
    proposals: int = 0
    limited: int = 0
    stops: int = 0
    observations: int = 0
    refused: int = 0
    jerks: list[np.ndarray] = field(default_factory=list)

    @property
    def begins_ns(self) -> int:
        """From when on it counts: from what was first acted on, where that is known."""
        return self.start_ns if self.acted_ns is None else self.acted_ns


class Episodes:
    """
    Follows what the cell reports of its episodes; a recording without reports is one episode.

    ``told`` says whether the cell reports any.
    """

    def __init__(self, begin_ns: int, *, told: bool) -> None:
        self.told = told
        self.all: list[Episode] = []
        if not told:
            self.all.append(Episode(1, begin_ns))
        self._index: int | None = None

    @property
    def now(self) -> Episode | None:
        """The episode that is going on; None between two."""
        newest = self.all[-1] if self.all else None
        return newest if newest is not None and newest.end_ns is None else None

    def on_status(self, values: dict[str, str], received_ns: int) -> bool:
        """
        Take a report of the cell; True where a new episode begins.

        Raises
        ------
        KeyError, ValueError
            If it is no report of an episode.

        """
        index, elapsed_ns = int(values['index']), round(float(values['elapsed_s']) * NS_PER_S)
        new = index != self._index
        if new:
            self._index = index
            if self.now is not None:
                self.now.end_ns = received_ns
            self.all.append(Episode(len(self.all) + 1, received_ns - elapsed_ns))
        episode = self.all[-1]
        if episode.end_ns is None and values.get('done') == 'true':
            episode.end_ns = min(received_ns, episode.start_ns + elapsed_ns)
            episode.succeeded = values.get('success') == 'true'
        return new

    def on_proposal(self, observation_ns: int) -> None:
        """Take a proposal of the recorded run."""
        episode = self.now
        if (episode is not None and episode.acted_ns is None
                and observation_ns >= episode.start_ns):
            episode.acted_ns = observation_ns

    def counts(self, observation_ns: int) -> bool:
        """Tell whether what is predicted from an observation is to be scored."""
        episode = self.now
        if episode is None:
            return False
        if not self.told:
            return True
        return episode.acted_ns is not None and observation_ns >= episode.acted_ns

    def scores(
            self, rows: Sequence[ChunkRow], begin_ns: int, end_ns: int,
    ) -> tuple[EpisodeScore, ...]:
        """Return the scores of every episode in which something was predicted."""
        found = []
        for episode in self.all:
            last_ns = end_ns if episode.end_ns is None else episode.end_ns
            mine = [row for row in rows
                    if episode.begins_ns <= row.observation_ns <= last_ns]
            if mine or not self.told:
                found.append(_score(episode, mine, begin_ns, last_ns))
        return tuple(found)


def _score(
        episode: Episode, rows: Sequence[ChunkRow], begin_ns: int, end_ns: int) -> EpisodeScore:
    minutes = (end_ns - episode.begins_ns) / NS_PER_S / 60.0
    jerks = np.concatenate(episode.jerks) if episode.jerks else np.zeros(0)
    asked = episode.observations + episode.refused
    return EpisodeScore(
        number=episode.number, start_s=(episode.begins_ns - begin_ns) / NS_PER_S,
        end_s=(end_ns - begin_ns) / NS_PER_S, succeeded=episode.succeeded,
        scores={
            'action_rmse_rad': _root(
                sum(row.squares for row in rows), sum(row.count for row in rows)),
            'tcp_rmse_m': _root(
                sum(row.tcp_squares for row in rows), sum(row.tcp_count for row in rows)),
            'seam_rmse_rad': _root(
                sum(row.seam_squares for row in rows), sum(row.seam_count for row in rows)),
            'limited_share': _share(episode.limited, episode.proposals),
            'stops_per_min': episode.stops / minutes if minutes > 0.0 else None,
            'jerk_p95_rad_s3': float(np.percentile(jerks, 95.0)) if len(jerks) else None,
            'refused_share': _share(episode.refused, asked)})


def _root(squares: float, count: int) -> float | None:
    return math.sqrt(squares / count) if count else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
