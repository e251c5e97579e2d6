"""The figures of a run: a plain, deterministic dictionary that metrics.json holds."""

from __future__ import annotations

from collections import Counter
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.files import write_text
from physical_ai_bridge.evaluation import limits
from physical_ai_bridge.evaluation.run import Episode, ModeChange, Run, Stream
from physical_ai_bridge.evaluation.words import number

SCHEMA = 1
CELL, POLICY, SUPERVISOR = '/mujoco_cell', '/policy_node', '/safety_supervisor'
# Modes in which the supervisor changes or ends what the policy wants.
INTERVENING = ('LIMITING', 'STOPPING', 'STOPPED', 'FAULT')


def measure(run: Run) -> dict[str, Any]:
    """Return every figure of a run; see the keys below."""
    shares = limits.audit(run)
    return {
        'schema': SCHEMA,
        'cell': run.cell.name,
        'notes': dict(run.notes),
        'episodes': episodes(run),
        'latency_ms': latency(run),
        'supervisor': supervisor(run),
        'limits': {
            'joints': shares,
            'exceeded': limits.exceeded(shares) + _cell_limits(run.episodes),
            'cell_worst_share': _largest([e.limit_share for e in run.episodes]),
            'worst': worst_share(shares, run.episodes),
        },
        'streams': {topic: stream(run.streams[topic]) for topic in sorted(run.streams)},
        'diagnostics': {name: dict(run.diagnostics[name].told[-1][1])
                        for name in sorted(run.diagnostics)},
    }


def _cell_limits(tried: tuple[Episode, ...]) -> list[str]:
    """Return a sentence for each quantity that the cell itself saw above a limit."""
    found: dict[str, list[int]] = {}
    for episode in tried:
        for name in episode.limits_exceeded:
            found.setdefault(name, []).append(episode.number)
    return [f'{limits.in_words(name)} was above its limit at the simulated controller or joints '
            f'in episode{"s" if len(numbers) > 1 else ""} {", ".join(map(str, numbers))}'
            for name, numbers in found.items()]


def worst_share(shares: dict[str, dict[str, float]], tried: tuple[Episode, ...]) -> dict[str, Any]:
    """Return the largest share of any limit, and of what: what was recorded, or the cell saw."""
    found = [(share, f'{limits.in_words(name)} of {joint}') for joint, values in shares.items()
             for name, share in values.items() if not name.startswith('splice_')]
    found += [(e.limit_share, f'as the cell itself saw it in episode {e.number}')
              for e in tried if e.limit_share is not None]
    # What is not a number is beyond every limit.
    share, of = max(found, key=lambda each: math.inf if math.isnan(each[0]) else each[0],
                    default=(None, ''))
    return {'share': share, 'of': of}


def _largest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def summary(values: np.ndarray) -> dict[str, Any]:
    """Return how many, median, 99th percentile and largest."""
    if not len(values):
        return {'count': 0, 'p50': None, 'p99': None, 'max': None}
    p50, p99 = np.percentile(values, (50, 99))
    return {'count': len(values), 'p50': float(p50), 'p99': float(p99),
            'max': float(np.max(values))}


def _within(stamps_ns: np.ndarray, episode: Episode) -> np.ndarray:
    return (stamps_ns >= episode.start_ns) & (stamps_ns <= episode.end_ns)


def episodes(run: Run) -> dict[str, Any]:
    """Return how many succeeded, how long they took and how hard they pushed, and each one."""
    each = []
    for episode in run.episodes:
        forces = {name: _peak(track.force_n[_within(track.stamps_ns, episode)])
                  for name, track in run.wrenches.items()}
        torques = {name: _peak(track.torque_nm[_within(track.stamps_ns, episode)])
                   for name, track in run.wrenches.items()}
        changes = [c for c in run.modes if episode.start_ns <= c.stamp_ns <= episode.end_ns]
        each.append({
            'number': episode.number, 'seed': episode.seed, 'success': episode.success,
            'start_s': (episode.start_ns - run.start_ns) / NS_PER_S,
            'duration_s': episode.duration_s,
            'peak_force_n': max(forces.values(), default=None),
            'peak_torque_nm': max(torques.values(), default=None),
            'interventions': len(interventions(changes)),
            'limit_share': episode.limit_share,
        })
    succeeded = [e for e in run.episodes if e.success]
    return {
        'count': len(each),
        'succeeded': len(succeeded),
        'success_rate': len(succeeded) / len(each) if each else 0.0,
        'duration_s': summary(np.array([e.duration_s for e in succeeded])),
        'peak_force_n': summary(np.array(
            [e['peak_force_n'] for e in each if e['peak_force_n'] is not None])),
        'each': each,
    }


def _peak(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else 0.0


def command_latencies_ms(run: Run) -> tuple[np.ndarray, int]:
    """
    Return sensor-to-command latencies and how many observations no command followed.

    Both ends are stamps inside the messages: the time of the observation in the proposal, the
    time of the decision in the first command that came after it. A proposal that is shaped anew
    from the same observation, while the arm yields to a force, does not count again.
    """
    latencies, unanswered, last_ns = [], 0, 0
    received = np.array([c.received_ns for c in run.commands], dtype=np.int64)
    decided = [c.trajectory.stamp_ns for c in run.commands]
    fresh = []
    for proposal in run.proposals:
        if proposal.stamp_ns > last_ns and any(
                e.start_ns <= proposal.stamp_ns <= e.end_ns for e in run.episodes):
            fresh.append(proposal)
        last_ns = max(last_ns, proposal.stamp_ns)
    for index, proposal in enumerate(fresh):
        until = fresh[index + 1].received_ns if index + 1 < len(fresh) else None
        first = int(np.searchsorted(received, proposal.received_ns, side='left'))
        # What was decided before the observation, and only came late, does not follow it.
        while first < len(decided) and decided[first] <= proposal.stamp_ns:
            first += 1
        if first < len(decided) and (until is None or received[first] < until):
            latencies.append((decided[first] - proposal.stamp_ns) / 1e6)
        else:
            unanswered += 1
    return np.array(latencies), unanswered


def latency(run: Run) -> dict[str, Any]:
    """
    Return the sensor-to-command latency and, from /diagnostics, the shares in it.

    A node tells percentiles of its newest few hundred values. Of those, ``p50`` is the mean of the
    episodes' medians, and ``p99`` the largest of their 99th percentiles.
    """
    latencies, unanswered = command_latencies_ms(run)
    return {
        'sensor_to_command': summary(latencies),
        'observations_without_command': unanswered,
        'model': told(run, POLICY, 'inference'),
        'observation_to_proposal': told(run, POLICY, 'observation_to_proposal'),
        'rendering': told(run, CELL, 'render'),
        'supervisor_tick': told(run, SUPERVISOR, 'tick'),
        'supervisor_sensor_to_command': told(run, SUPERVISOR, 'sensor_to_command'),
    }


def told(run: Run, node: str, name: str) -> dict[str, Any]:
    """Return p50 and p99 of a figure that ``node`` told during the episodes."""
    known = run.diagnostics.get(node)
    found: dict[str, Any] = {}
    for share, fold in (('p50', np.mean), ('p99', np.max)):
        values = []
        for episode in run.episodes if known else ():
            # Told once a second: the last one of an episode may come after it.
            said = [number(each.get(f'{name}_{share}_ms')) for each in known.during(
                episode.start_ns, episode.end_ns + NS_PER_S)]
            said = [value for value in said if value is not None]
            values += said[-1:]
        found[share] = float(fold(values)) if values else None
    return found


def interventions(changes: list[ModeChange] | tuple[ModeChange, ...]) -> list[ModeChange]:
    """
    Return where the supervisor began to intervene, or went on for another reason.

    That a stop comes to its end is no intervention of its own.
    """
    found, before = [], ('', '')
    for change in changes:
        now = (change.mode, change.reason)
        ended = before == ('STOPPING', change.reason) and change.mode == 'STOPPED'
        if change.mode in INTERVENING and now != before and not ended:
            found.append(change)
        before = now
    return found


def mode_spans(run: Run) -> list[tuple[int, int, ModeChange]]:
    """Return (from_ns, to_ns, what the supervisor said) without gaps, for the whole run."""
    if not run.modes:
        return []
    end_ns = max([run.modes[-1].stamp_ns] + [episode.end_ns for episode in run.episodes])
    spans = []
    ends = [change.stamp_ns for change in run.modes[1:]] + [end_ns]
    for change, until in zip(run.modes, ends, strict=True):
        if until > change.stamp_ns:
            spans.append((change.stamp_ns, until, change))
    return spans


def supervisor(run: Run) -> dict[str, Any]:
    """Return the time in each mode during episodes, and the interventions by reason."""
    shares: Counter[str] = Counter()
    for from_ns, to_ns, change in mode_spans(run):
        for episode in run.episodes:
            overlap = min(to_ns, episode.end_ns) - max(from_ns, episode.start_ns)
            if overlap > 0:
                shares[change.mode] += overlap
    total = sum(shares.values())
    during = [c for e in run.episodes for c in interventions(
        [c for c in run.modes if e.start_ns <= c.stamp_ns <= e.end_ns])]
    reasons = Counter((c.mode, c.reason) for c in during)
    return {
        'mode_share': {mode: shares[mode] / total for mode in sorted(shares)},
        'interventions': sum(reasons.values()),
        'by_reason': [{'mode': mode, 'reason': reason, 'count': count}
                      for (mode, reason), count in sorted(reasons.items())],
    }


def stream(values: Stream) -> dict[str, Any]:
    """Return the rate, the longest gap, and what was lost on the way or dropped here."""
    stamps = values.received_ns
    span_s = (int(stamps[-1]) - int(stamps[0])) / NS_PER_S if len(stamps) > 1 else 0.0
    rate = (len(stamps) - 1) / span_s if span_s else None
    wanted = values.wanted_rate_hz
    return {
        'type': values.type_name, 'count': len(stamps), 'rate_hz': rate, 'wanted_rate_hz': wanted,
        'longest_gap_s': float(np.diff(stamps).max()) / NS_PER_S if len(stamps) > 1 else None,
        'lost_share': max(0.0, 1.0 - rate / wanted) if rate and wanted else None,
        'dropped': values.dropped,
    }


def shortfalls(metrics: dict[str, Any], *, success_share: float) -> list[str]:
    """Return why a run is not good enough, one sentence each; an empty list where it is."""
    tried = metrics['episodes']
    found = []
    if not tried['count']:
        found.append('not one episode was run')
    elif tried['success_rate'] < success_share - 1e-9:
        found.append(f'{tried["succeeded"]} of {tried["count"]} episodes succeeded, '
                     f'at least {math.ceil(success_share * tried["count"])} are needed')
    return found + [f'limit exceeded: {sentence}' for sentence in metrics['limits']['exceeded']]


def rounded(value: Any) -> Any:
    """Return a value for JSON: six significant digits, nothing that is not finite."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f'{value:.6g}') if math.isfinite(value) else None
    return value


def write_metrics(metrics: dict[str, Any], path: Path) -> None:
    """Write metrics.json: the same metrics give the same bytes."""
    text = json.dumps(rounded(metrics), indent=2, sort_keys=True, ensure_ascii=False,
                      allow_nan=False)
    write_text(path, text + '\n')
