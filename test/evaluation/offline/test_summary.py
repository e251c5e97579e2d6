from __future__ import annotations

from dataclasses import replace

from physical_ai_bridge.evaluation.offline.scores import Scores
from physical_ai_bridge.evaluation.offline.summary import (
    SUMMARY_COLUMNS,
    summary_rows,
    verdict,
)
from physical_ai_bridge.testing.judged import judged
import pytest


def test_without_a_gate_it_says_what_was_found() -> None:
    passed, headline, reasons = verdict(judged(bags=2).scores)
    assert passed and reasons == []
    assert headline.startswith('2 recordings evaluated: action error 0.0')
    assert headline.endswith('2 stops by the supervisor')


def test_a_recording_that_failed_speaks_against_it() -> None:
    passed, headline, reasons = verdict(judged(bags=3, failed=1).scores)
    assert not passed
    assert headline == '1 of 3 recordings could not be evaluated'
    assert reasons == ['run_001: metadata.yaml is missing']


def test_a_recording_that_was_evaluated_in_part_does_not() -> None:
    assert verdict(judged(bags=3, partly=1).scores)[0]


def test_a_recording_that_failed_speaks_against_it_whatever_the_gate_says() -> None:
    passed, headline, reasons = verdict(judged(bags=3, failed=1, gate=True).scores)
    assert not passed
    assert headline == '1 of 3 recordings could not be evaluated'
    assert len(reasons) == 1


def test_a_gate_whose_thresholds_are_all_met_is_passed() -> None:
    passed, headline, reasons = verdict(judged(bags=3, gate=True).scores)
    assert passed and reasons == []
    assert headline == 'Gate passed: all 2 thresholds met'


def test_every_threshold_that_is_missed_is_named() -> None:
    passed, headline, reasons = verdict(judged(bags=4, gate=False).scores)
    assert not passed
    assert headline == 'Gate missed: 2 of 4 thresholds not met'
    assert reasons == [
        'verdicts.stops: found 4, at most 0 is needed',
        'parity.identical_share: at least 1 is needed (not measured in run_001)']


@pytest.mark.parametrize('gate', [True, None])
def test_a_run_that_is_decided_differently_never_passes(gate: bool | None) -> None:
    passed, headline, reasons = verdict(judged(bags=2, gate=gate, different=True).scores)
    assert not passed
    assert headline == '1 of 2 recordings decided differently than when it was recorded'
    assert reasons == ['run_002: decided differently than recorded: '
                       'safety_supervisor at 8.42 s: recorded LIMITING, now ACTIVE']


def test_nothing_at_all_does_not_pass() -> None:
    assert verdict(judged(bags=0).scores) == (
        False, 'Nothing was evaluated', ['no recording was given'])


def test_recordings_without_any_inference_are_said_to_be() -> None:
    without = replace(judged(bags=2).scores, overall=None)
    assert verdict(without)[1] == 'No inference could be made on 2 recordings'


def rows_of(scores: Scores, timing: dict) -> list[dict[str, str]]:
    return [dict(zip(SUMMARY_COLUMNS, row, strict=True)) for row in summary_rows(scores, timing)]


def test_each_recording_has_a_row_and_so_have_all_together() -> None:
    judgement = judged(bags=3, failed=1, partly=1, different=True)
    failed, partly, whole, together = rows_of(judgement.scores, judgement.timing)
    assert [row['recording'] for row in (failed, partly, whole)] == [
        'run_001', 'run_002', 'run_003']
    assert set(failed.values()) == {'run_001', 'failed', '–'}
    assert partly['status'] == 'partly'
    assert (whole['parity'], whole['passed'], whole['stops']) == ('different', '93.2 %', '1')
    assert (together['recording'], together['stops']) == ('all', '2')


def test_the_table_fits_a_narrow_terminal() -> None:
    judgement = judged(bags=3, failed=1, partly=1, different=True)
    rows = [SUMMARY_COLUMNS, *summary_rows(judgement.scores, judgement.timing)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    assert sum(widths) + 2 * (len(widths) - 1) <= 80


def test_one_recording_needs_no_sum() -> None:
    assert len(summary_rows(judged(bags=1).scores, {})) == 1


@pytest.mark.parametrize('timing', [{}, {'bags': None}, {'bags': {'run_001': None}},
                                    {'bags': {'run_001': {}}}])
def test_what_was_not_timed_is_a_dash(timing: dict) -> None:
    assert rows_of(judged(bags=1).scores, timing)[0]['speed'] == '–'
