"""Figures follow from the run: each one is held against a run whose truth is known."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.metrics import (
    interventions,
    measure,
    shortfalls,
    write_metrics,
)
from physical_ai_bridge.evaluation.run import ModeChange, Proposal
import pytest

ENOUGH = 0.8


def test_success_time_and_force(made_up) -> None:
    found = measure(made_up(failing=(3,)))['episodes']
    assert (found['count'], found['succeeded'], found['success_rate']) == (10, 9, 0.9)
    assert found['duration_s']['p50'] == pytest.approx(3.0)
    assert found['duration_s']['count'] == 9
    assert [each['peak_force_n'] for each in found['each']] == pytest.approx(
        [12.0 + n for n in range(10)], abs=0.01)
    assert found['peak_force_n']['max'] == pytest.approx(21.0, abs=0.01)


def test_latency_is_told_by_the_stamps_inside_the_messages(made_up) -> None:
    found = measure(made_up())['latency_ms']
    assert found['sensor_to_command'] == pytest.approx(
        {'count': 270, 'p50': 8.0, 'p99': 8.0, 'max': 8.0}, abs=1e-5)
    assert found['observations_without_command'] == 0
    assert found['model'] == {'p50': 0.5, 'p99': 1.0}


def test_a_proposal_shaped_anew_from_the_same_observation_does_not_count_again(made_up) -> None:
    run = made_up()
    first = run.proposals[0]
    again = Proposal(stamp_ns=first.stamp_ns, received_ns=first.received_ns + 20_000_000)
    found = measure(replace(run, proposals=(first, again, *run.proposals[1:])))['latency_ms']
    assert found['sensor_to_command']['count'] == 270
    assert found['observations_without_command'] == 0


def test_an_observation_without_a_command_is_counted_and_not_timed(made_up) -> None:
    run = made_up()
    found = measure(replace(run, commands=run.commands[1:]))['latency_ms']
    assert found['sensor_to_command']['count'] == 269
    assert found['observations_without_command'] == 1


def test_time_in_each_mode_counts_during_episodes_alone(made_up) -> None:
    shares = measure(made_up())['supervisor']['mode_share']
    assert shares == pytest.approx({'READY': 0.1 / 3, 'LIMITING': 0.1, 'ACTIVE': 2.6 / 3})


def test_interventions_are_counted_by_reason(made_up) -> None:
    found = measure(made_up())['supervisor']
    assert found['interventions'] == 10
    assert found['by_reason'] == [{'mode': 'LIMITING', 'reason': 'JOINING', 'count': 10}]


def change(mode: str, reason: str = 'OK') -> ModeChange:
    return ModeChange(stamp_ns=0, mode=mode, reason=reason, detail='')


@pytest.mark.parametrize('changes, count', [
    ([change('ACTIVE')], 0),
    ([change('LIMITING', 'JOINING'), change('LIMITING', 'JOINING')], 1),
    ([change('LIMITING', 'JOINING'), change('LIMITING', 'VELOCITY_LIMIT')], 2),
    ([change('LIMITING', 'JOINING'), change('ACTIVE'), change('LIMITING', 'JOINING')], 2),
    ([change('STOPPING', 'FORCE_LIMIT'), change('STOPPED', 'FORCE_LIMIT')], 1),
    ([change('STOPPING', 'FORCE_LIMIT'), change('STOPPED', 'EMERGENCY_STOP')], 2),
    ([change('ACTIVE'), change('FAULT', 'INTERNAL_ERROR')], 1),
])
def test_an_intervention_begins_or_goes_on_for_another_reason(
        changes: list[ModeChange], count: int) -> None:
    assert len(interventions(changes)) == count


def test_rates_gaps_and_losses(made_up, cell) -> None:
    run = made_up()
    topic = cell.sensors.joint_states.topic
    whole = measure(run)['streams'][topic]
    assert whole['rate_hz'] == pytest.approx(500.0)
    assert whole['lost_share'] == pytest.approx(0.0, abs=1e-9)
    holes = replace(run.streams[topic], received_ns=np.delete(
        run.streams[topic].received_ns, slice(1000, 1500)), dropped=3)
    found = measure(replace(run, streams={topic: holes}))['streams'][topic]
    assert found['longest_gap_s'] == pytest.approx(1.002)
    assert found['lost_share'] == pytest.approx(0.025, abs=1e-3)
    assert found['dropped'] == 3


def test_enough_successes_within_limits_fall_short_of_nothing(made_up) -> None:
    assert shortfalls(measure(made_up(failing=(2, 5))), success_share=ENOUGH) == []


def test_too_few_successes_fall_short(made_up) -> None:
    (reason,) = shortfalls(measure(made_up(failing=(2, 5, 6))), success_share=ENOUGH)
    assert reason == '7 of 10 episodes succeeded, at least 8 are needed'


def test_a_limit_exceeded_falls_short_whatever_succeeded(made_up) -> None:
    reasons = shortfalls(measure(made_up(size=2.0)), success_share=ENOUGH)
    assert reasons and all(reason.startswith('limit exceeded') for reason in reasons)


def test_what_the_cell_itself_saw_counts_too(made_up) -> None:
    run = made_up()
    seen = replace(run.episodes[4], limits_exceeded=('reference_jerk',), limit_share=1.2)
    metrics = measure(replace(run, episodes=(*run.episodes[:4], seen, *run.episodes[5:])))
    (reason,) = shortfalls(metrics, success_share=ENOUGH)
    assert 'in episode 5' in reason and 'commanded jerk' in reason
    assert metrics['limits']['cell_worst_share'] == 1.2
    assert metrics['limits']['worst'] == {
        'share': 1.2, 'of': 'as the cell itself saw it in episode 5'}


def test_what_is_not_a_number_is_the_worst_share(made_up) -> None:
    run = made_up()
    seen = replace(run.episodes[4], limits_exceeded=('measured_velocity',),
                   limit_share=float('nan'))
    metrics = measure(replace(run, episodes=(*run.episodes[:4], seen, *run.episodes[5:])))
    assert 'episode 5' in metrics['limits']['worst']['of']
    assert shortfalls(metrics, success_share=ENOUGH)


def test_nothing_run_is_nothing_good(made_up) -> None:
    empty = replace(made_up(), episodes=())
    assert shortfalls(measure(empty), success_share=ENOUGH) == ['not one episode was run']


def test_the_same_run_gives_the_same_bytes(made_up, tmp_path: Path) -> None:
    for name in ('a', 'b'):
        write_metrics(measure(made_up()), tmp_path / name)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
    assert json.loads((tmp_path / 'a').read_text())['schema'] == 1


def test_a_run_without_anything_can_be_measured(made_up) -> None:
    run = made_up(episodes=1)
    empty = replace(
        run, proposals=(), commands=(), modes=(), diagnostics={}, wrenches={}, streams={},
        episodes=(replace(run.episodes[0], end_ns=run.episodes[0].start_ns + NS_PER_S),))
    found = measure(empty)
    assert found['latency_ms']['sensor_to_command']['p50'] is None
    assert found['supervisor']['mode_share'] == {}
