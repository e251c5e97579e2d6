"""Judgements of recordings that never were, by seed: plausible in every figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from physical_ai_bridge.evaluation.offline.findings import Finding, FindingCode
from physical_ai_bridge.evaluation.offline.scores import (
    ActionError,
    BagScores,
    Comparison,
    EPISODE_SCORES,
    EpisodeScore,
    ErrorScore,
    GateCheck,
    Interval,
    Judged,
    Moment,
    ParityScore,
    PolicyScores,
    Scores,
    Smoothness,
    Spread,
    StepError,
    StreamScore,
    Verdicts,
)
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline
from physical_ai_bridge.testing.judged_motion import JOINTS, make_timeline, PERIOD_S, ROWS

_NO_PARITY = ParityScore(recorded=False, compared={}, identical={}, gaps=(), first_difference='')
_REACH_M = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A whole judgement: its scores, its recordings over time, and how long it took."""

    scores: Scores
    timelines: tuple[BagTimeline, ...]
    timing: dict[str, Any]


def judged(
        seed: int = 0, *, bags: int = 4, failed: int = 0, partly: int = 0, baseline: bool = False,
        gate: bool | None = None, different: bool = False, pictures: bool = True,
        duration_s: float = 14.0, topic: str = '/wrist_camera/image_raw') -> Judgement:
    """
    Return a judgement of ``bags`` recordings; the same seed gives the same.

    Of them ``failed`` could not be evaluated, and ``partly`` lack frames of ``topic`` for a while.
    ``baseline`` compares; ``gate`` is whether the gate holds, None for no gate; ``different`` lets
    the last recording be decided differently than it was.
    """
    rng = np.random.default_rng(seed)
    scores, timelines, errors = [], [], []
    for index in range(bags):
        name = f'run_{index + 1:03d}'
        if index < failed:
            scores.append(_failed_bag(name))
            continue
        incomplete = index < failed + partly
        timeline, wrong = make_timeline(
            rng, name, duration_s=duration_s, skill=float(rng.uniform(0.6, 1.8)),
            pictures=pictures, gap=incomplete, topic=topic)
        parity = _parity(different and index == bags - 1)
        scores.append(_bag(timeline, wrong, incomplete, topic, parity))
        timelines.append(timeline)
        errors.append(wrong)
    overall = _policy(np.concatenate(errors), len(errors)) if errors else None
    other = _policy(1.35 * np.concatenate(errors), len(errors)) if errors and baseline else None
    return Judgement(
        scores=Scores(
            cell='ur5e_connector', cell_digest='c3' * 32, latency_s=0.02,
            policy=Judged(kind='bundle', name='act_connector_v7', digest='7a' * 32),
            bags=tuple(scores), overall=overall, baseline=other,
            comparison=_comparison(overall, other) if overall and other else None,
            gate=() if gate is None or overall is None else _gate(gate, overall)),
        timelines=tuple(timelines), timing=_timing([bag.bag for bag in scores[failed:]], rng))


def _spread(values: np.ndarray) -> Spread:
    low, high = np.percentile(values, [50, 95])
    return Spread(count=values.size, p50=float(low), p95=float(high), max=float(values.max()))


def _error(values: np.ndarray) -> ErrorScore:
    values = np.abs(values)
    return ErrorScore(
        count=values.size, rmse=float(np.sqrt(np.mean(values ** 2))),
        p95=float(np.percentile(values, 95)), max=float(values.max()))


def _policy(wrong: np.ndarray, recordings: int) -> PolicyScores:
    """Return the scores of a policy whose errors (C, H, N) are ``wrong``, in rad."""
    chunks = len(wrong)
    rows = [_error(wrong[:, row]) for row in range(ROWS)]
    worst = np.abs(wrong).max(axis=1)
    top = np.argsort(-worst.max(axis=1))[:4]
    jerk = Spread(count=chunks, p50=6.1, p95=21.7, max=48.0)
    return PolicyScores(
        inferences=chunks,
        observations_refused={'IMAGE_STALE': 3 * recordings, 'JOINTS_MISSING': 1},
        chunks_refused={'ACTION_TOO_FAST': 1},
        action_error=ActionError(
            truth='commanded', rad=_error(wrong),
            joints_rad={name: _error(wrong[:, :, joint]) for joint, name in enumerate(JOINTS)},
            steps=tuple(StepError(
                after_s=row * PERIOD_S, count=each.count, rmse_rad=each.rmse, p95_rad=each.p95)
                for row, each in enumerate(rows)),
            tcp_m=_error(_REACH_M * np.abs(wrong).max(axis=2)),
            drift_rad_per_s=float(np.polyfit(
                np.arange(ROWS) * PERIOD_S, [each.rmse for each in rows], 1)[0]),
            worst=tuple(Moment(
                at_s=0.4 + 0.125 * float(chunk), joint=JOINTS[int(worst[chunk].argmax())],
                error_rad=float(worst[chunk].max()), after_s=(ROWS - 1) * PERIOD_S)
                for chunk in top)),
        seams_rad=_error(0.6 * wrong[:, 0]),
        recorded=Smoothness(jerk_rad_s3=Spread(count=700, p50=3.2, p95=11.0, max=26.0),
                            path_rad=31.4 * recordings),
        proposed=Smoothness(jerk_rad_s3=jerk, path_rad=33.0 * recordings),
        ages_s={'scene': Spread(count=chunks, p50=0.021, p95=0.047, max=0.152),
                'wrist': Spread(count=chunks, p50=0.024, p95=0.051, max=0.431),
                'joint_states': Spread(count=chunks, p50=0.001, p95=0.002, max=0.006)},
        sync_spread_s=Spread(count=chunks, p50=0.011, p95=0.024, max=0.031),
        verdicts=Verdicts(
            proposals=chunks, passed=round(0.93 * chunks),
            limited_share=1.0 - round(0.93 * chunks) / chunks,
            mode_share={'READY': 0.03, 'ACTIVE': 0.81, 'LIMITING': 0.07, 'STOPPING': 0.01,
                        'STOPPED': 0.08},
            limited={'JOINING': 2 * recordings, 'FORCE_SLOW_DOWN': recordings},
            ahead={'TCP_SPEED_LIMIT': recordings},
            stops={'FORCE_LIMIT': recordings}, refused={'PROPOSAL_STALE': 2}))


def _bag(
        timeline: BagTimeline, wrong: np.ndarray, incomplete: bool, topic: str,
        parity: ParityScore) -> BagScores:
    findings = [Finding(
        code=str(FindingCode.ASSUMED_RELEASED), severity='note', where='/emergency_stop',
        detail='nothing was recorded on it')]
    if incomplete:
        at_s = 0.3 * timeline.duration_s
        findings += [
            Finding(code=str(FindingCode.STREAM_GAP), severity='warning', where=topic,
                    detail='paused for 0.40 s, max_age_s is 0.20 s', first_s=at_s,
                    last_s=at_s + 0.4),
            Finding(code=str(FindingCode.IMAGE_REFUSED), severity='error', where=topic, count=5,
                    detail='5 frames are 640x480, the cell file says 320x240', first_s=at_s,
                    last_s=timeline.duration_s)]
    rmse = float(np.sqrt(np.mean(wrong ** 2)))
    return BagScores(
        bag=timeline.bag, status='partly' if incomplete else 'evaluated', failure='',
        storage='mcap', distribution='kilted', duration_s=timeline.duration_s, messages=21_000,
        streams={
            topic: StreamScore(
                type_name='sensor_msgs/msg/Image', messages=280, rate_hz=20.0,
                wanted_rate_hz=20.0, longest_gap_s=0.4 if incomplete else 0.06),
            '/joint_states': StreamScore(
                type_name='sensor_msgs/msg/JointState', messages=7000, rate_hz=500.0,
                wanted_rate_hz=500.0, longest_gap_s=0.006)},
        findings=tuple(findings),
        episodes=(EpisodeScore(
            number=1, start_s=0.0, end_s=timeline.duration_s, succeeded=True,
            scores=dict.fromkeys(EPISODE_SCORES) | {'action_rmse_rad': rmse}),),
        policy=_policy(wrong, 1), parity=parity)


def _failed_bag(name: str) -> BagScores:
    why = 'metadata.yaml is missing'
    return BagScores(
        bag=name, status='failed', failure=why, storage='', distribution=None, duration_s=0.0,
        messages=0, streams={}, episodes=(), policy=None, parity=_NO_PARITY,
        findings=(Finding(code=str(FindingCode.BAG_UNREADABLE), severity='error', where=name,
                          detail=why),))


def _parity(different: bool) -> ParityScore:
    return ParityScore(
        recorded=True, compared={'policy_node': 96, 'safety_supervisor': 1310},
        identical={'policy_node': 96, 'safety_supervisor': 1310 - different}, gaps=(),
        first_difference='safety_supervisor at 8.42 s: recorded LIMITING, now ACTIVE'
        if different else '')


def _comparison(policy: PolicyScores, baseline: PolicyScores) -> Comparison:
    rows = (('action_rmse_rad', policy.action_error.rad.rmse,
             baseline.action_error.rad.rmse, 0.0011),
            ('tcp_rmse_m', policy.action_error.tcp_m.rmse,
             baseline.action_error.tcp_m.rmse, 0.001),
            ('seam_rmse_rad', 0.0031, 0.0030, 0.0004), ('limited_share', 0.07, 0.09, 0.03),
            ('stops_per_min', 4.3, 4.3, 0.0), ('jerk_p95_rad_s3', 21.7, 17.9, 1.1))
    quantities = {}
    for name, mine, theirs, half in rows:
        low, high = mine - theirs - half, mine - theirs + half
        word = 'better' if high < 0.0 else 'worse' if low > 0.0 else 'cannot tell'
        quantities[name] = Interval(
            pairs=8, candidate=mine, baseline=theirs, difference=mine - theirs, low=low,
            high=high, verdict=word, p_value=0.62 if word == 'cannot tell' else 0.004)
    quantities['refused_share'] = Interval(
        pairs=0, left_out=8, candidate=None, baseline=None, difference=None, low=None, high=None,
        verdict='cannot tell')
    return Comparison(
        baseline=Judged(kind='bundle', name='act_connector_v6', digest='6b' * 32),
        quantities=quantities, verdict='better', resamples=2000, seed=0)


def _gate(holds: bool, policy: PolicyScores) -> tuple[GateCheck, ...]:
    stops = () if holds else (
        GateCheck(metric='verdicts.stops', condition='at most 0', holds=False,
                  found=float(sum(policy.verdicts.stops.values())),
                  detail=''),
        GateCheck(metric='parity.identical_share', condition='at least 1', found=None,
                  holds=False, detail='not measured in run_001'))
    return (
        GateCheck(metric='action_error.rad.rmse', condition='at most 0.05',
                  found=policy.action_error.rad.rmse,
                  holds=True, detail=''),
        GateCheck(metric='action_error.tcp_m.p95', condition='at most 0.1',
                  found=policy.action_error.tcp_m.p95,
                  holds=True, detail=''), *stops)


def _timing(bags: list[str], rng: np.random.Generator) -> dict[str, Any]:
    inference = {'count': 96, 'p50': 6.4, 'p99': 9.8, 'max': 14.1}
    return {
        'machine': '2 cores, CPUExecutionProvider', 'workers': 2, 'wall_s': 3.1 * len(bags),
        'deadline_ms': 66.7, 'over_deadline_share': 0.0, 'inference_ms': inference,
        'bags': {name: {
            'wall_s': float(rng.uniform(2.8, 3.4)), 'real_time_factor': float(rng.uniform(4, 5)),
            'inference_ms': {**inference, 'p99': float(rng.uniform(8.0, 12.0))}}
            for name in bags}}
