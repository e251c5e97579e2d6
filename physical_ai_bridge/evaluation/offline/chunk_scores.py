"""What the policy predicted, against what the robot then did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import heapq

import cv2
import numpy as np
from physical_ai_bridge.contract.bundle import ActionSpec
from physical_ai_bridge.contract.cell import Camera
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Refusal
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.evaluation.offline.motion import MotionTrack
from physical_ai_bridge.evaluation.offline.pools import Pool
from physical_ai_bridge.evaluation.offline.scores import Moment
from physical_ai_bridge.evaluation.offline.timeline import WorstMoment
from physical_ai_bridge.observation.decode import decode_image, resize_image
from physical_ai_bridge.policy.chunks import PlacedChunk
from physical_ai_bridge.safety.robot_model import RobotModel

_BATCH = 64
_WORST = 6
_APART_NS = NS_PER_S
_PENDING_BYTES = 64 * 1024 * 1024
_PICTURE_WIDTH = 320
_JPEG_QUALITY = 80


@dataclass(slots=True, eq=False)
class _Pending:
    chunk: PlacedChunk
    frames: Mapping[str, ImageSample]


@dataclass(slots=True, eq=False)
class Predictions:
    """
    Sums over chunks, which can be added up over recordings.

    ``joints`` and ``steps`` hold a pool for each joint and each row; ``tcp`` is in m, ``seams``
    in rad.
    """

    joints: list[Pool]
    steps: list[Pool]
    all: Pool = field(default_factory=Pool)  # noqa: A003
    tcp: Pool = field(default_factory=Pool)
    seams: Pool = field(default_factory=Pool)

    @classmethod
    def of(cls, joints: int, horizon: int) -> Predictions:
        """Return empty sums."""
        return cls([Pool() for _ in range(joints)], [Pool() for _ in range(horizon)])

    def merge(self, other: Predictions) -> None:
        """Add another recording's."""
        for mine, theirs in zip([*self.joints, *self.steps, self.all, self.tcp, self.seams],
                                [*other.joints, *other.steps, other.all, other.tcp, other.seams],
                                strict=True):
            mine.merge(theirs)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkRow:
    """One chunk's own figures: sums of squares and counts, by which an episode is scored."""

    observation_ns: int
    squares: float
    count: int
    tcp_squares: float
    tcp_count: int
    seam_squares: float
    seam_count: int
    largest: float


class ChunkScores:
    """
    Takes chunks and, once the robot has done what they were about, compares.

    They are summed up in ``predictions``; ``begin_ns`` is the recording's begin.
    """

    def __init__(
            self, action: ActionSpec, joints: tuple[str, ...], cameras: Mapping[str, Camera],
            robot: RobotModel, begin_ns: int, predictions: Predictions) -> None:
        self._joints, self._cameras, self._robot = joints, cameras, robot
        self._begin_ns = begin_ns
        self.period_s = action.period_s
        self._period_ns = seconds_to_ns(action.period_s)
        offset_ns = seconds_to_ns(action.offset_s)
        self._after_ns = offset_ns + self._period_ns * np.arange(action.horizon, dtype=np.int64)
        self.after_s = tuple(self._after_ns / NS_PER_S)
        self.predictions = predictions
        self.rows: list[ChunkRow] = []
        self.starts_ns: list[int] = []
        self.shown: list[np.ndarray] = []
        self._pending: list[_Pending] = []
        self._jumps: dict[int, np.ndarray] = {}
        self._batch: list[np.ndarray] = []
        self._tcp_batch: list[float] = []
        self._worst: list[tuple[float, int, Moment, dict[str, bytes]]] = []

    def add(
            self, chunk: PlacedChunk, before: PlacedChunk | None,
            frames: Mapping[str, ImageSample]) -> None:
        """Take a chunk, the one before it where it goes on from that, and what it saw."""
        self._pending.append(_Pending(chunk, frames))
        self.starts_ns.append(chunk.observation_ns + int(self._after_ns[0]))
        self.shown.append(chunk.positions.astype(np.float32))
        if before is not None:
            self._seam(chunk, before)
        held = 0
        for each in reversed(self._pending):
            held += sum(len(frame.data) for frame in each.frames.values())
            if held > _PENDING_BYTES:
                each.frames = {}

    def _seam(self, chunk: PlacedChunk, before: PlacedChunk) -> None:
        """Take how far two chunks are apart where the newer takes over."""
        at_ns = chunk.takes_over_ns
        pieces = []
        for each in (chunk, before):
            row = (at_ns - each.observation_ns - int(self._after_ns[0])) / self._period_ns
            if not 0.0 <= row <= len(self._after_ns) - 1:
                return
            low = min(int(row), max(len(self._after_ns) - 2, 0))
            high = min(low + 1, len(self._after_ns) - 1)
            pieces.append(each.positions[low]
                          + (row - low) * (each.positions[high] - each.positions[low]))
        jump = pieces[0] - pieces[1]
        self.predictions.seams.add(jump)
        self._jumps[chunk.observation_ns] = jump

    def settle(self, truth: MotionTrack, until_ns: int | None, *, all_of_them: bool) -> None:
        """
        Compare the chunks whose rows are all past, or all.

        Rows later than ``until_ns``, where an episode ends, are left out.
        """
        while self._pending:
            chunk = self._pending[0].chunk
            times = chunk.observation_ns + self._after_ns
            if not all_of_them and (not len(truth) or truth.last_ns < times[-1]):
                return
            self._compare(self._pending.pop(0), times, truth, until_ns)

    def _compare(
            self, pending: _Pending, times: np.ndarray, truth: MotionTrack,
            until_ns: int | None) -> None:
        chunk = pending.chunk
        was = truth.at(times)
        if until_ns is not None:
            was[times > until_ns] = np.nan
        error = chunk.positions - was
        known = np.isfinite(error[:, 0])
        squares, tcp_squares = float(np.nansum(error * error)), 0.0
        self._batch.append(error)
        for predicted, real in zip(chunk.positions[known], was[known], strict=True):
            distance = float(np.linalg.norm(self._robot.tcp(predicted) - self._robot.tcp(real)))
            self._tcp_batch.append(distance)
            tcp_squares += distance * distance
        largest = float(np.nanmax(np.abs(error))) if known.any() else np.nan
        seam = self._jumps.pop(chunk.observation_ns, None)
        self.rows.append(ChunkRow(
            chunk.observation_ns, squares, int(np.isfinite(error).sum()), tcp_squares,
            int(known.sum()), 0.0 if seam is None else float(seam @ seam),
            0 if seam is None else len(seam), largest))
        if known.any():
            self._rank(pending, error, largest)
        if len(self._batch) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            errors = np.stack(self._batch)
            self.predictions.all.add(errors)
            for index, pool in enumerate(self.predictions.joints):
                pool.add(errors[:, :, index])
            for row, pool in enumerate(self.predictions.steps):
                pool.add(errors[:, row])
            self.predictions.tcp.add(np.array(self._tcp_batch))
            self._batch, self._tcp_batch = [], []

    def _rank(self, pending: _Pending, error: np.ndarray, largest: float) -> None:
        """Keep the worst moments, not closer than a second to one another, with their pictures."""
        stamp_ns = pending.chunk.observation_ns
        near = [each for each in self._worst
                if abs(each[1] - stamp_ns) < _APART_NS]
        if any(each[0] >= largest for each in near):
            return
        if not near and len(self._worst) >= _WORST and self._worst[0][0] >= largest:
            return
        row, joint = np.unravel_index(np.nanargmax(np.abs(error)), error.shape)
        moment = Moment(
            at_s=(stamp_ns - self._begin_ns) / NS_PER_S, joint=self._joints[joint],
            error_rad=largest, after_s=float(self._after_ns[row]) / NS_PER_S)
        for each in near:
            self._worst.remove(each)
        heapq.heapify(self._worst)
        heapq.heappush(self._worst, (largest, stamp_ns, moment, self._pictures(pending.frames)))
        if len(self._worst) > _WORST:
            heapq.heappop(self._worst)

    def _pictures(self, frames: Mapping[str, ImageSample]) -> dict[str, bytes]:
        found = {}
        for name, sample in frames.items():
            pixels = decode_image(name, sample, self._cameras[name])
            if isinstance(pixels, Refusal):
                continue
            height, width = pixels.shape[:2]
            if width > _PICTURE_WIDTH:
                pixels = resize_image(pixels, _PICTURE_WIDTH, height * _PICTURE_WIDTH // width)
            shown = pixels if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            fine, data = cv2.imencode('.jpg', shown, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            if fine:
                found[name] = data.tobytes()
        return found

    def finish(self) -> None:
        """Take what is left into the sums."""
        self._flush()

    def moments(self) -> tuple[WorstMoment, ...]:
        """Return the worst moments with their pictures, the worst first."""
        return tuple(WorstMoment(
            at_s=moment.at_s, frames=frames,
            what=f'{moment.joint} is {moment.error_rad:.4f} rad from the prediction '
            f'{moment.after_s:.2f} s later')
            for _, _, moment, frames in sorted(self._worst, key=lambda each: -each[0]))

    def worst(self) -> tuple[Moment, ...]:
        """Return the worst moments, the worst first."""
        return tuple(each[2] for each in sorted(self._worst, key=lambda each: -each[0]))
