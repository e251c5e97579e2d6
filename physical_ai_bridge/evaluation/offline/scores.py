"""
Everything that metrics.json holds, as values: the versioned form in which a judgement is kept.

Units are in the names: ``_rad``, ``_s``, ``_m``, ``_n`` and so on; shares are from 0 to 1. None
stands for what could not be measured. Nothing here depends on the machine, on how fast it is, or
on how many worked: the same recordings give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import json
import math
from pathlib import Path
from typing import Any, Literal

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.offline.findings import Finding
from pydantic import TypeAdapter, ValidationError

SCHEMA = 1
NAME = 'physical_ai_bridge.evaluation'

Truth = Literal['commanded', 'measured', 'mixed']
Status = Literal['evaluated', 'partly', 'failed']
Verdict = Literal['better', 'worse', 'cannot tell']


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity is spread: how many values, and three of them."""

    count: int
    p50: float | None
    p95: float | None
    max: float | None  # noqa: A003


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorScore:
    """An error over all samples: root of the mean square, 95th percentile, largest."""

    count: int
    rmse: float | None
    p95: float | None
    max: float | None  # noqa: A003


@dataclass(frozen=True, slots=True, kw_only=True)
class StepError:
    """The action error of one row of the chunk: all joints together, in rad."""

    after_s: float
    count: int
    rmse_rad: float | None
    p95_rad: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One of the worst moments: when from the recording's begin, by how much, in which joint."""

    at_s: float
    joint: str
    error_rad: float
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionError:
    """
    What the policy predicted against what the robot then did.

    ``truth`` is 'commanded' where the recording holds what was sent to the controller, else
    'measured'; over recordings of both kinds 'mixed'. ``rad`` is over all joints, rows and chunks,
    ``joints_rad`` by joint; ``tcp_m`` is the distance of the tcp. ``drift_rad_per_s`` is how fast
    the error grows along a chunk: the slope of the line through the rmse of its rows.
    """

    truth: Truth
    rad: ErrorScore
    joints_rad: dict[str, ErrorScore]
    steps: tuple[StepError, ...]
    tcp_m: ErrorScore
    drift_rad_per_s: float | None
    worst: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """
    What the supervisor would have done, in shadow, beside the recorded motion.

    ``mode_share`` is of the evaluated time, by mode. ``limited`` counts, by reason, how often it
    began to limit; ``ahead`` the proposals that run into a limit when they are followed to their
    end; ``stops`` how often it would have stopped; ``refused`` which inputs and proposals it
    refused. ``limited_share`` is of the proposals: those to which any of that happened.
    """

    proposals: int
    passed: int
    limited_share: float | None
    mode_share: dict[str, float]
    limited: dict[str, int]
    ahead: dict[str, int]
    stops: dict[str, int]
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothness:
    """
    How smooth a motion is: jerk (third derivative of a Savitzky-Golay fit) and length of path.

    ``jerk_rad_s3`` is the norm over the joints; ``path_rad`` the sum of all joints' travel.
    """

    jerk_rad_s3: Spread
    path_rad: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamScore:
    """One topic: how many messages, at which rate, and the longest pause between two."""

    type_name: str
    messages: int
    rate_hz: float | None
    wanted_rate_hz: float | None
    longest_gap_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityScore:
    """
    Whether a recorded run of this bridge decides the same again.

    ``recorded`` says whether the recording holds one. ``compared`` and ``identical`` count
    decisions by node; ``gaps`` says what could not be compared, ``first_difference`` is a
    sentence, '' where there is none.
    """

    recorded: bool
    compared: dict[str, int]
    identical: dict[str, int]
    gaps: tuple[str, ...]
    first_difference: str

    @property
    def holds(self) -> bool | None:
        """Whether all that was compared is identical; None where nothing was."""
        if not sum(self.compared.values()):
            return None
        return self.compared == self.identical


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeScore:
    """
    One episode: what ``--baseline`` pairs and draws again. A recording without any is one itself.

    ``scores`` holds one number a quantity (see ``EPISODE_SCORES``), None where it has none.
    """

    number: int
    start_s: float
    end_s: float
    succeeded: bool | None
    scores: dict[str, float | None]


# The quantities of an episode. For all of them less is better.
EPISODE_SCORES = {
    'action_rmse_rad': 'action error over all joints and rows',
    'tcp_rmse_m': 'distance of the tcp from where it then was',
    'seam_rmse_rad': 'jump between a chunk and the next',
    'limited_share': 'share of proposals that the supervisor would not pass unchanged',
    'stops_per_min': 'stops that the supervisor would have made',
    'jerk_p95_rad_s3': 'jerk of what was proposed',
    'refused_share': 'share of observations that could not be made',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScores:
    """What is measured of a policy, over one recording or over all."""

    inferences: int
    observations_refused: dict[str, int]
    chunks_refused: dict[str, int]
    action_error: ActionError
    seams_rad: ErrorScore
    recorded: Smoothness
    proposed: Smoothness
    ages_s: dict[str, Spread]
    sync_spread_s: Spread
    verdicts: Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class BagScores:
    """
    One recording.

    ``status`` is 'evaluated', 'partly' (what is missing is in ``findings``) or 'failed' (nothing
    could be evaluated; ``failure`` says why). ``policy`` is None where no inference could be made.
    """

    bag: str
    status: Status
    failure: str
    storage: str
    distribution: str | None
    duration_s: float
    messages: int
    streams: dict[str, StreamScore]
    findings: tuple[Finding, ...]
    episodes: tuple[EpisodeScore, ...]
    policy: PolicyScores | None
    parity: ParityScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whose judgement it is: a bundle or a teacher, by name and digest."""

    kind: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """
    A paired difference, the candidate less the baseline, and its 95 % confidence interval.

    ``verdict`` is 'better', 'worse' or 'cannot tell' for the candidate; ``pairs`` counts episodes,
    ``left_out`` those that have no value on one side or both. ``p_value`` is that of an exact or
    drawn sign-flip test. ``low``, ``high`` and ``p_value`` are None where there are too few pairs.
    """

    pairs: int
    candidate: float | None
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    p_value: float | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two policies on the same recordings, by quantity of ``EPISODE_SCORES``."""

    baseline: Judged
    quantities: dict[str, Interval]
    verdict: Verdict
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """
    One threshold: ``detail`` says what was found, in words.

    ``found`` is None where the metric could not be measured, which fails, and where it is no
    number. Of the values of several recordings it is the worst one.
    """

    metric: str
    condition: str
    found: float | None
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A whole judgement: what metrics.json holds."""

    schema: int = SCHEMA
    name: str = NAME
    cell: str
    cell_digest: str
    policy: Judged
    latency_s: float
    bags: tuple[BagScores, ...]
    overall: PolicyScores | None
    baseline: PolicyScores | None = None
    comparison: Comparison | None = None
    gate: tuple[GateCheck, ...] = field(default=())


_ADAPTER = TypeAdapter(Scores)


def as_json(scores: Scores) -> str:
    """Return the text of metrics.json; what is not finite, which none should be, becomes null."""
    return json.dumps(_finite(_ADAPTER.dump_python(scores, mode='json')), indent=1,
                      ensure_ascii=False, allow_nan=False) + '\n'


def read_scores(path: Path) -> Scores:
    """
    Return what a metrics.json holds.

    Raises
    ------
    BridgeError
        If it cannot be read, or is not of this version.

    """
    try:
        return _ADAPTER.validate_json(Path(path).read_bytes())
    except OSError as error:
        raise BridgeError(f'{path}: {error.strerror}; give the metrics.json of an evaluation'
                          ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(map(str, first['loc']))
        raise BridgeError(f'{path}: {key}: {first["msg"]}; give the metrics.json of an evaluation '
                          f'of schema {SCHEMA}') from error


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of metrics.json."""
    return _ADAPTER.json_schema(mode='serialization')


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
