"""The gate's language: what a gate file may say, what it may not, and what holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
import json
import math
from pathlib import Path

from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.evaluation.offline.findings import Finding
from physical_ai_bridge.evaluation.offline.gate import check_gate, GateError, load_gate
from physical_ai_bridge.evaluation.offline.scores import (
    ActionError,
    as_json,
    BagScores,
    Comparison,
    EPISODE_SCORES,
    ErrorScore,
    GateCheck,
    Interval,
    Judged,
    ParityScore,
    PolicyScores,
    Scores,
    Smoothness,
    Spread,
    Verdicts,
)
import pytest

WHO = Judged(kind='bundle', name='student', digest='0' * 64)
ERROR = ErrorScore(count=100, rmse=0.01, p95=0.02, max=0.03)
SPREAD = Spread(count=100, p50=1.0, p95=2.0, max=3.0)
MOTION = Smoothness(jerk_rad_s3=SPREAD, path_rad=1.0)
POLICY = PolicyScores(
    inferences=100, observations_refused={'IMAGE_STALE': 3}, chunks_refused={},
    action_error=ActionError(
        truth='commanded', rad=ERROR, joints_rad={'shoulder': ERROR, 'elbow': ERROR}, steps=(),
        tcp_m=ERROR, drift_rad_per_s=None, worst=()),
    seams_rad=ERROR, recorded=MOTION, proposed=MOTION, ages_s={'/camera.raw': SPREAD},
    sync_spread_s=SPREAD,
    verdicts=Verdicts(
        proposals=100, passed=97, limited_share=0.03, mode_share={'ACTIVE': 1.0},
        limited={'VELOCITY_LIMIT': 2}, ahead={}, stops={'FORCE_LIMIT': 1}, refused={}))
SAME = ParityScore(recorded=True, compared={'policy': 9}, identical={'policy': 9}, gaps=(),
                   first_difference='')
OTHER = replace(SAME, identical={'policy': 8})
UNKNOWN = replace(SAME, recorded=False, compared={}, identical={})


def finding(code: str, severity: str = 'warning') -> Finding:
    return Finding(code=code, severity=severity, where='/joint_states', detail='', count=7)


def recording(name: str, **changes) -> BagScores:
    return replace(BagScores(
        bag=name, status='evaluated', failure='', storage='mcap', distribution=None,
        duration_s=10.0, messages=1, streams={}, findings=(), episodes=(), policy=POLICY,
        parity=SAME), **changes)


def judgement(*bags: BagScores, **changes) -> Scores:
    return replace(Scores(cell='ur5e', cell_digest='1' * 64, policy=WHO, latency_s=0.04,
                          bags=bags or (recording('first'), recording('second.mcap')),
                          overall=POLICY), **changes)


def interval(verdict: str) -> Interval:
    return Interval(pairs=9, candidate=1.0, baseline=1.0, difference=0.0, low=0.0, high=0.0,
                    verdict=verdict)


def comparison(**verdicts: str) -> Comparison:
    return Comparison(baseline=WHO, verdict='cannot tell', resamples=10, seed=0, quantities={
        name: interval(verdicts.get(name, 'cannot tell')) for name in EPISODE_SCORES})


@dataclass(frozen=True)
class Asked:
    """A gate file with thresholds, written as YAML."""

    path: Path

    def load(self, *thresholds: str, schema: str = '1', timing: type | None = None):
        lines = '\n'.join(f'  {each}' for each in thresholds)
        self.path.write_text(f'schema: {schema}\nthresholds:\n{lines}\n')
        return load_gate(self.path, timing)

    def check(self, threshold: str, scores: Scores, timing: dict | None = None) -> GateCheck:
        gate = self.load(threshold)
        check, = check_gate(gate, json.loads(as_json(scores)), timing or {})
        return check

    def problems(self, *thresholds: str, **settings) -> list[tuple[str, str, str]]:
        with pytest.raises(GateError) as raised:
            self.load(*thresholds, **settings)
        assert {problem.where for problem in raised.value.problems} == {str(self.path)}
        return [(problem.key.removeprefix('thresholds.'), problem.found, problem.write)
                for problem in raised.value.problems]


@pytest.fixture
def asked(tmp_path) -> Asked:
    return Asked(tmp_path / 'gate.yaml')


class TestWhatHolds:
    @pytest.mark.parametrize(('threshold', 'holds', 'found'), [
        ('overall.action_error.rad.rmse: {max: 0.01}', True, 0.01),
        ('overall.action_error.rad.rmse: {max: 0.0099}', False, 0.01),
        ('overall.inferences: {min: 100}', True, 100.0),
        ('overall.inferences: {min: 101}', False, 100.0),
        ('overall.inferences: {min: 1, max: 100, if_measured: false}', True, 100.0),
        ('overall.verdicts.passed: {equals: 97}', True, 97.0),
        ('overall.verdicts.passed: {equals: 98}', False, 97.0),
        ('overall.verdicts.passed: {not: 0}', True, 97.0),
        ('overall.verdicts.passed: {not: 97}', False, 97.0),
        ('overall.ages_s[/camera.raw].p95: {max: 2}', True, 2.0),
        ('bags[second.mcap].duration_s: {min: 10}', True, 10.0),
        ('bags.first.duration_s: {min: 10}', True, 10.0),
    ])
    def test_a_number(self, asked, threshold, holds, found):
        gate = asked.load(threshold)
        checks = check_gate(gate, json.loads(as_json(judgement())), {})
        assert {check.holds for check in checks} == {holds}
        assert {check.found for check in checks} == {found}
        assert {check.metric for check in checks} == {threshold.partition(':')[0]}
        assert len(checks) == len({'min', 'max', 'equals', 'not'} & set(
            threshold.replace(':', ' ').replace('{', ' ').split()))

    def test_each_condition_is_a_check_in_the_order_of_the_file(self, asked):
        gate = asked.load('overall.inferences: {min: 1, max: 2}', 'cell: {equals: ur5e}')
        checks = check_gate(gate, json.loads(as_json(judgement())), {})
        assert [(check.condition, check.holds) for check in checks] == [
            ('at least 1', True), ('at most 2', False), ('ur5e', True)]

    @pytest.mark.parametrize(('threshold', 'holds'), [
        ('cell: {equals: ur5e}', True), ('cell: {equals: ur10}', False),
        ('cell: {not: ur5e}', False), ('cell: {not: ur10}', True)])
    def test_a_text_is_told_in_the_detail(self, asked, threshold, holds):
        check = asked.check(threshold, judgement())
        assert (check.holds, check.found, check.detail) == (holds, None, 'found ur5e')

    @pytest.mark.parametrize(('threshold', 'found', 'holds'), [
        ('overall.verdicts.stops.FORCE_LIMIT: {max: 0}', 1.0, False),
        ('overall.verdicts.stops.TRACKING_LOST: {max: 0}', 0.0, True),
        ('overall.verdicts.refused.*: {max: 0}', 0.0, True),
        ('overall.verdicts.limited.*: {max: 1}', 2.0, False),
        ('overall.observations_refused.IMAGE_MISSING: {max: 0}', 0.0, True),
        ('overall.verdicts.mode_share.FAULT: {max: 0}', 0.0, True),
    ])
    def test_a_reason_that_never_occurred_counts_as_0(self, asked, threshold, found, holds):
        check = asked.check(threshold, judgement())
        assert (check.found, check.holds) == (found, holds)

    def test_the_share_of_a_mode_of_no_time_at_all_is_not_0(self, asked):
        nothing = replace(POLICY, verdicts=replace(POLICY.verdicts, mode_share={}))
        check = asked.check('overall.verdicts.mode_share.FAULT: {max: 0}',
                            judgement(overall=nothing))
        assert not check.holds

    def test_every_recording_is_asked_and_those_that_miss_it_are_named(self, asked):
        scores = judgement(recording('a'), recording('b', parity=OTHER),
                           recording('c', duration_s=3.0), recording('d', duration_s=4.0))
        check = asked.check('bags.*.parity.holds: {equals: true}', scores)
        assert (check.holds, check.found, check.detail) == (False, None, 'missed by b (false)')
        check = asked.check('bags.*.duration_s: {min: 5}', scores)
        assert (check.found, check.detail) == (3.0, 'missed by c (3), d (4)')

    def test_the_worst_of_all_is_told_where_all_hold(self, asked):
        scores = judgement(recording('a', duration_s=3.0), recording('b', duration_s=4.0))
        assert asked.check('bags.*.duration_s: {max: 5}', scores).found == 4.0
        assert asked.check('bags.*.duration_s: {min: 1}', scores).found == 3.0

    def test_a_name_in_a_name_is_told_with_both(self, asked):
        check = asked.check('bags.*.policy.action_error.joints_rad.*.max: {max: 0}',
                            judgement(recording('a')))
        assert check.detail == 'missed by a / shoulder (0.03), a / elbow (0.03)'

    def test_many_that_miss_it_are_counted(self, asked):
        scores = judgement(*(recording(f'{index:03}') for index in range(200)))
        check = asked.check('bags.*.duration_s: {max: 5}', scores)
        assert check.detail.endswith('009 (10) and 190 more')

    def test_findings_are_counted_by_code_and_by_severity(self, asked):
        scores = judgement(
            recording('a', findings=(finding('STREAM_GAP'), finding('STREAM_GAP'))),
            recording('b', findings=(finding('STREAM_GAP'), finding('JOINT_JUMP', 'error'))))
        for threshold, found in (
                ('findings.STREAM_GAP: {max: 0}', 3.0), ('findings.CLOCKS_APART: {max: 0}', 0.0),
                ('severities.error: {max: 0}', 1.0), ('bags.*.findings.STREAM_GAP: {max: 0}', 2.0),
                ('bags.b.severities.error: {max: 0}', 1.0)):
            check = asked.check(threshold, scores)
            assert (check.found, check.holds) == (found, found == 0.0)

    def test_a_quantity_that_is_worse_than_the_baseline_s(self, asked):
        threshold = 'comparison.quantities.*.verdict: {not: worse}'
        worse = comparison(tcp_rmse_m='worse', action_rmse_rad='better')
        assert asked.check(threshold, judgement(comparison=comparison())).holds
        check = asked.check(threshold, judgement(comparison=worse))
        assert (check.holds, check.detail) == (False, 'missed by tcp_rmse_m (worse)')

    def test_figures_of_the_machine_come_from_timing(self, asked):
        threshold = 'timing.inference_ms.p99: {max: 20.0}'
        assert asked.check(threshold, judgement(), {'inference_ms': {'p99': 19.0}}).holds
        assert not asked.check(threshold, judgement(), {'inference_ms': {'p99': 21.0}}).holds

    def test_a_gate_tells_whether_it_needs_a_baseline(self, asked):
        assert asked.load('comparison.verdict: {equals: better}').needs_baseline
        assert asked.load('baseline.inferences: {min: 1}').needs_baseline
        assert not asked.load('overall.inferences: {min: 1}').needs_baseline
        assert not asked.load(
            'comparison.verdict: {not: worse, if_measured: true}').needs_baseline


class TestWhatCouldNotBeMeasured:
    @pytest.mark.parametrize(('threshold', 'detail'), [
        ('overall.action_error.drift_rad_per_s: {max: 1}',
         'overall.action_error.drift_rad_per_s was not measured'),
        ('overall.action_error.joints_rad.wrist.max: {max: 1}',
         'there is no wrist in overall.action_error.joints_rad: it has shoulder, elbow'),
        ('overall.action_error.steps.*.rmse_rad: {max: 1}',
         'there is no item in overall.action_error.steps: it is empty'),
        ('comparison.verdict: {not: worse}', 'comparison was not measured'),
        ('bags.*.parity.holds: {equals: true}', 'not measured in first'),
        ('bags.third.duration_s: {min: 1}',
         'there is no third in bags: it has first, second.mcap'),
        ('timing.inference_ms.p99: {max: 1}', 'there is no timing.inference_ms'),
    ])
    def test_fails_unless_that_is_allowed(self, asked, threshold, detail):
        scores = judgement(recording('first', parity=UNKNOWN), recording('second.mcap'))
        check = asked.check(threshold, scores)
        assert (check.holds, check.found, check.detail) == (False, None, detail)
        check = asked.check(threshold.replace('}', ', if_measured: true}'), scores)
        assert (check.holds, check.detail) == (True, f'{detail}, which this threshold allows')

    def test_without_recordings_nothing_is_measured(self, asked):
        scores = replace(judgement(), bags=(), overall=None)
        assert not asked.check('bags.*.status: {equals: evaluated}', scores).holds
        assert not asked.check('overall.verdicts.stops.FORCE_LIMIT: {max: 0}', scores).holds

    def test_what_is_allowed_to_be_unknown_must_hold_where_it_is_known(self, asked):
        scores = judgement(recording('a', parity=UNKNOWN), recording('b', parity=OTHER))
        check = asked.check('bags.*.parity.holds: {equals: true, if_measured: true}', scores)
        assert not check.holds
        assert check.detail == ('missed by b (false); not measured in a, '
                                'which this threshold allows')

    @pytest.mark.parametrize('condition', ['max: 1', 'min: 1', 'equals: 1', 'not: 1'])
    @pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
    def test_what_is_not_finite_fails_always(self, asked, condition, value):
        check = asked.check(f'timing.real_time: {{{condition}, if_measured: true}}', judgement(),
                            {'real_time': value})
        assert (check.holds, check.found) == (False, None)

    def test_a_text_where_a_number_is_asked_for_fails(self, asked):
        check = asked.check('timing.real_time: {max: 1}', judgement(), {'real_time': 'fast'})
        assert (check.holds, check.detail) == (False, 'found fast')

    def test_true_is_not_1(self, asked):
        assert not asked.check('timing.real_time: {equals: 1}', judgement(),
                               {'real_time': True}).holds


class TestEveryMistakeIsNamed:
    @pytest.mark.parametrize(('metric', 'write'), [
        ('overall.action_error.rad.rms', 'overall.action_error.rad.rmse'),
        ('overall.action_eror.rad.rmse', 'overall.action_error.rad.rmse'),
        ('bags.*.parity.hold', 'bags.*.parity.holds'),
        ('bags.*.parity.hold.x', 'bags.*.parity.holds'),
        ('bags[a.b].durations_s', 'bags[a.b].duration_s'),
        ('overall.verdicts.stops.FORCE_LIMT', 'overall.verdicts.stops.FORCE_LIMIT'),
        ('overall.verdicts.mode_share.ACTIV', 'overall.verdicts.mode_share.ACTIVE'),
        ('findings.STREAM_SLO', 'findings.STREAM_SLOW'),
        ('comparison.quantities.action_rmse.low', 'comparison.quantities.action_rmse_rad.low'),
        ('bags.*.episodes.0.scores.tcp_rmse', 'bags.*.episodes.0.scores.tcp_rmse_m'),
        ('action_error.rad.rmse', 'overall.action_error.rad.rmse'),
    ])
    def test_a_metric_that_does_not_exist_with_the_nearest(self, asked, metric, write):
        (key, found, said), = asked.problems(f'{metric}: {{max: 1}}')
        assert (key, found) == (metric, 'there is no such metric')
        assert said.removeprefix('write ').split(' or ')[0] == write

    def test_a_metric_that_resembles_none(self, asked):
        (_, _, write), = asked.problems('zzz: {max: 1}')
        assert write.startswith('write one of those: cell, ')
        assert 'gate' not in write

    @pytest.mark.parametrize(('threshold', 'key', 'found', 'write'), [
        ('overall.seams_rad: {max: 1}', 'overall.seams_rad', 'is not one value',
         'write a metric below it, such as overall.seams_rad.count or overall.seams_rad.rmse or '
         'overall.seams_rad.p95'),
        ('timing: {max: 1}', 'timing', 'is not one value',
         'write a metric below it, such as timing.inference_ms.p99'),
        ('latency_s.x: {max: 1}', 'latency_s.x', 'latency_s is one value, without x',
         'write latency_s'),
        ('overall..seams: {max: 1}', 'overall..seams', 'is not written as the name of a metric',
         'write keys with dots between; one that has dots itself in brackets'),
        ('latency_s: 0.1', 'latency_s', 'found 0.1', 'write a condition: {max: 0.1}'),
        ('bags.*.parity.holds: true', 'bags.*.parity.holds', 'found true',
         'write a condition: {equals: true}'),
        ('latency_s: [1]', 'latency_s', 'found a list of 1', 'write a condition: {max: 0.1}'),
        ('latency_s: {}', 'latency_s', 'has no condition',
         'write one of min, max, equals, not'),
        ('latency_s: {if_measured: true}', 'latency_s', 'has no condition',
         'write one of min, max, equals, not'),
        ('latency_s: {mx: 1}', 'latency_s.mx', 'unknown key', 'write max instead'),
        ('latency_s: {max: 2e-2}', 'latency_s.max', "found '2e-2'",
         'write a number: 2e-2 is read as text, 0.02 without quotes is a number'),
        ('latency_s: {max: .nan}', 'latency_s.max', 'found nan', 'write a number'),
        ('latency_s: {min: -.inf}', 'latency_s.min', 'found -inf', 'write a number'),
        ('latency_s: {max: true}', 'latency_s.max', 'found true', 'write a number'),
        ('latency_s: {max: }', 'latency_s.max', 'found nothing', 'write a number'),
        ('latency_s: {equals: fast}', 'latency_s.equals', "found 'fast'", 'write a number'),
        ('latency_s: {max: 1, min: 2}', 'latency_s.min', 'found 2, above the max of 1',
         'write a range'),
        ('latency_s: {max: 1, if_measured: 1}', 'latency_s.if_measured', 'found 1',
         'write true or false'),
        ('bags.*.parity.holds: {max: 1}', 'bags.*.parity.holds.max',
         'the metric is true or false, and has no max', 'write equals or not instead'),
        ('bags.*.parity.holds: {equals: 1}', 'bags.*.parity.holds.equals', 'found 1',
         'write true or false'),
        ('cell: {min: 1}', 'cell.min', 'the metric is a text, and has no min',
         'write equals or not instead'),
        ('cell: {equals: 1}', 'cell.equals', 'found 1', 'write a text'),
        ('comparison.verdict: {not: wrose}', 'comparison.verdict.not', "found 'wrose'",
         'write better or worse or cannot tell'),
        ('bags.*.status: {equals: ok}', 'bags.*.status.equals', "found 'ok'",
         'write evaluated or partly or failed'),
        ('timing.rate: {max: fast}', 'timing.rate.max', "found 'fast'", 'write a number'),
    ])
    def test_a_threshold_that_makes_no_sense(self, asked, threshold, key, found, write):
        assert asked.problems(threshold) == [(key, found, write)]

    def test_all_at_once(self, asked):
        assert [key for key, *_ in asked.problems(
            'cells: {equals: 1}', 'latency_s: {max: x, mx: 1}', schema='2')] == [
            'schema', 'cells', 'latency_s.mx', 'latency_s.max']

    @pytest.mark.parametrize(('text', 'key', 'found'), [
        ('', '', 'is empty'),
        ('schema: 1', 'thresholds', 'missing'),
        ('schema: 1\nthresholds: {}', 'thresholds', 'found an empty mapping'),
        ('schema: 1\nthresholds: 3', 'thresholds', 'found 3'),
        ('schema: 1\nthreshold: {}\nthresholds: {latency_s: {max: 1}}', 'threshold',
         'unknown key'),
        ('thresholds: {latency_s: {max: 1}}', 'schema', 'missing'),
        ('schema: 1\nthresholds: {cell: {not: a}, cell: {not: b}}', 'thresholds.cell',
         'written twice, on lines 2 and 2'),
    ])
    def test_a_file_that_is_no_gate(self, tmp_path, text, key, found):
        path = tmp_path / 'gate.yaml'
        path.write_text(text)
        with pytest.raises(GateError) as raised:
            load_gate(path)
        assert [(each.key, each.found) for each in raised.value.problems] == [(key, found)]

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(GateError, match='give the path of a gate file'):
            load_gate(tmp_path / 'none.yaml')

    def test_metrics_of_timing_where_its_type_is_given(self, asked):
        @dataclass(frozen=True)
        class Timing:
            inference_ms: Spread

        assert asked.load('timing.inference_ms.p95: {max: 1}', timing=Timing).thresholds
        (_, _, write), = asked.problems('timing.inference_ms.p94: {max: 1}', timing=Timing)
        assert write.startswith('write timing.inference_ms.p95')


def test_the_example_that_comes_with_the_package_can_be_used():
    gate = load_gate(config_path('gates/example.yaml'))
    checks = check_gate(gate, json.loads(as_json(judgement(overall=replace(
        POLICY, verdicts=replace(POLICY.verdicts, stops={}))))), {})
    assert [check.metric for check in checks if not check.holds] == [
        'overall.action_error.tcp_m.p95', 'overall.seams_rad.p95']
    assert not gate.needs_baseline
