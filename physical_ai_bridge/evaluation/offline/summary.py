"""Whether a judgement is good enough, in a sentence; and its figures, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physical_ai_bridge.evaluation.offline.findings import Severity
from physical_ai_bridge.evaluation.offline.scores import (
    BagScores,
    GateCheck,
    ParityScore,
    PolicyScores,
    Scores,
)
from physical_ai_bridge.evaluation.words import (
    counted,
    in_degrees,
    in_mm,
    in_percent,
    in_rad,
    NONE,
    plain,
)

# Few and narrow: a terminal may be 80 characters wide.
SUMMARY_COLUMNS = (
    'recording', 'status', 'rmse rad', 'tcp mm', 'passed', 'stops', 'parity', 'speed')


def verdict(scores: Scores) -> tuple[bool, str, list[str]]:
    """
    Return whether a judgement is good enough, a headline, and every reason why it is not.

    Against it speak a threshold of the gate that is missed, a recorded run that is decided
    differently, a recording that could not be evaluated, and that nothing could be inferred.
    """
    different = [f'{bag.bag}: decided differently than recorded: {bag.parity.first_difference}'
                 for bag in scores.bags if bag.parity.holds is False]
    missed = [_missed(check) for check in scores.gate if not check.holds]
    failed = [f'{bag.bag}: {bag.failure or "could not be evaluated"}'
              for bag in scores.bags if bag.status == 'failed']
    reasons = [*missed, *different, *failed]
    if not scores.bags:
        reasons.append('no recording was given')
    elif scores.overall is None or not scores.overall.inferences:
        reasons.append('no inference could be made on any recording')
    return not reasons, _headline(scores, different, missed, failed), reasons


def _missed(check: GateCheck) -> str:
    found = '' if check.found is None else f'found {plain(check.found)}, '
    detail = f' ({check.detail})' if check.detail else ''
    return f'{check.metric}: {found}{check.condition} is needed{detail}'


def _headline(
        scores: Scores, different: list[str], missed: list[str], failed: list[str]) -> str:
    recordings = counted(len(scores.bags), 'recording')
    if not scores.bags:
        return 'Nothing was evaluated'
    if different:
        return (f'{len(different)} of {recordings} decided differently than when it was recorded')
    if missed:
        return f'Gate missed: {len(missed)} of {counted(len(scores.gate), "threshold")} not met'
    if failed:
        return f'{len(failed)} of {recordings} could not be evaluated'
    if scores.overall is None or not scores.overall.inferences:
        return f'No inference could be made on {recordings}'
    if scores.gate:
        return f'Gate passed: {_all(len(scores.gate), "threshold")} met'
    return f'{recordings} evaluated: {_found(scores.overall)}'


def _all(count: int, one: str) -> str:
    return f'the only {one}' if count == 1 else f'all {count} {one}s'


def _found(policy: PolicyScores) -> str:
    rmse, stops = policy.action_error.rad.rmse, sum(policy.verdicts.stops.values())
    words = [] if rmse is None else [f'action error {in_rad(rmse)} ({in_degrees(rmse)})']
    return ', '.join([*words, f'{counted(stops, "stop")} by the supervisor' if stops
                      else 'no stop by the supervisor'])


def parity_word(parity: ParityScore) -> str:
    """Return what parity says in a word: 'same', 'different', or a dash where nothing does."""
    return {True: 'same', False: 'different', None: NONE}[parity.holds]


def findings_word(bag: BagScores) -> str:
    """Return how many errors and warnings a recording has."""
    words = [counted(count, str(severity)) for severity in (Severity.ERROR, Severity.WARNING)
             if (count := sum(each.severity == severity for each in bag.findings))]
    return ', '.join(words) or NONE


def stops_of(policy: PolicyScores | None) -> int | None:
    """Return how often the supervisor would have stopped."""
    return None if policy is None else sum(policy.verdicts.stops.values())


def passed_share(policy: PolicyScores | None) -> float | None:
    """Return the share of the proposals that the supervisor would have passed unchanged."""
    if policy is None or not policy.verdicts.proposals:
        return None
    return policy.verdicts.passed / policy.verdicts.proposals


def summary_rows(scores: Scores, timing: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of ``SUMMARY_COLUMNS`` a recording, and one for all where there are several."""
    bags = timing.get('bags') or {}
    rows = [_row(bag.bag, bag.status, bag.policy, parity_word(bag.parity),
                 (bags.get(bag.bag) or {}).get('real_time_factor'))
            for bag in scores.bags]
    if len(rows) > 1:
        rows.append(_row('all', '', scores.overall, '', None))
    return rows


def _row(
        name: str, status: str, policy: PolicyScores | None, parity: str,
        real_time_factor: float | None) -> tuple[str, ...]:
    error = policy.action_error if policy else None
    stops = stops_of(policy)
    return (
        name, status, in_rad(error.rad.rmse if error else None).removesuffix(' rad'),
        in_mm(error.tcp_m.rmse if error else None).removesuffix(' mm'),
        in_percent(passed_share(policy)), NONE if stops is None else str(stops), parity,
        NONE if real_time_factor is None else f'{real_time_factor:.1f}x')
