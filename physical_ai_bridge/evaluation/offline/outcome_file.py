"""The outcome of a recording in a file: an evaluation that was interrupted goes on from these."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, fields
import json
from pathlib import Path
from typing import Any
import zipfile

import numpy as np
from physical_ai_bridge.evaluation.offline.bag_job import BagOutcome
from physical_ai_bridge.evaluation.offline.chunk_scores import Predictions
from physical_ai_bridge.evaluation.offline.pools import Pool
from physical_ai_bridge.evaluation.offline.scores import BagScores, Moment
from physical_ai_bridge.evaluation.offline.sums import Counts, Sums
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline, ModeSpan, WorstMoment
from pydantic import TypeAdapter

_FORMAT = 1
_HEAD = 'head'
_PAIRS = ('measured', 'commanded', 'chunks', 'errors')
_SCORES = TypeAdapter(BagScores)
_Arrays = dict[str, np.ndarray]


def save_outcome(outcome: BagOutcome, path: Path, key: str) -> None:
    """
    Write an outcome to ``path``, an .npz file; ``key`` stands for everything that it depends on.

    The file takes the place of another only when it is whole.
    """
    arrays: _Arrays = {}
    head: dict[str, Any] = {
        'format': _FORMAT, 'key': key, 'timing': _timing(outcome.timing, arrays),
        'scores': _SCORES.dump_python(outcome.scores, mode='json')}
    if outcome.sums is not None:
        head['sums'] = _write_sums(outcome.sums, arrays)
    if outcome.timeline is not None:
        head['timeline'] = _write_timeline(outcome.timeline, arrays)
    arrays[_HEAD] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with partial.open('wb') as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.replace(path)


def load_outcome(path: Path, key: str) -> BagOutcome | None:
    """Return the outcome in a file, without its timeline; None where ``key`` is another's."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            head = json.loads(arrays[_HEAD].tobytes())
            if (head['format'], head['key']) != (_FORMAT, key):
                return None
            timing = {**head['timing'], 'inference_s': arrays['inference_s']}
            return BagOutcome(
                scores=_SCORES.validate_python(head['scores']),
                sums=_read_sums(head['sums'], arrays) if 'sums' in head else None,
                timeline=None, timing=timing)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None  # not of this version, or cut short: it is made again


def load_timeline(path: Path) -> BagTimeline | None:
    """Return the timeline in a file that ``save_outcome`` wrote; None where there was none."""
    with np.load(path, allow_pickle=False) as arrays:
        head = json.loads(arrays[_HEAD].tobytes())
        return _read_timeline(head['timeline'], arrays) if 'timeline' in head else None


def _timing(timing: dict[str, Any], arrays: _Arrays) -> dict[str, Any]:
    arrays['inference_s'] = np.asarray(timing.get('inference_s', ()), np.float64)
    return {name: value for name, value in timing.items() if name != 'inference_s'}


def _pools(sums: Sums) -> list[Pool]:
    predictions = sums.predictions
    return [*predictions.joints, *predictions.steps, predictions.all, predictions.tcp,
            predictions.seams, sums.recorded_jerk, sums.proposed_jerk, sums.sync,
            *sums.ages.values()]


def _write_sums(sums: Sums, arrays: _Arrays) -> dict[str, Any]:
    states = [pool.state() for pool in _pools(sums)]
    arrays['pools'] = np.array([(squares, largest) for _, squares, largest, _ in states])
    arrays['bins'] = np.stack([np.append(bins, count) for count, _, _, bins in states])
    return {
        'joints': sums.joints, 'after_s': sums.after_s, 'truth': sums.truth,
        'counts': _plain(sums.counts), 'worst': [asdict(moment) for moment in sums.worst],
        'recorded_rad': sums.recorded_rad, 'proposed_rad': sums.proposed_rad,
        'ages': list(sums.ages)}


def _plain(counts: Counts) -> dict[str, Any]:
    # asdict would take a Counter apart and count its pairs.
    values = {each.name: getattr(counts, each.name) for each in fields(counts)}
    return {name: dict(value) if isinstance(value, Counter) else value
            for name, value in values.items()}


def _read_sums(head: dict[str, Any], arrays: _Arrays) -> Sums:
    joints, after_s = tuple(head['joints']), tuple(head['after_s'])
    counts = {name: Counter(value) if isinstance(value, dict) else value
              for name, value in head['counts'].items()}
    sums = Sums(
        joints=joints, after_s=after_s, truth=head['truth'],
        predictions=Predictions.of(len(joints), len(after_s)), counts=Counts(**counts),
        worst=[Moment(**moment) for moment in head['worst']],
        recorded_rad=head['recorded_rad'], proposed_rad=head['proposed_rad'],
        ages={name: Pool() for name in head['ages']})
    for pool, (squares, largest), bins in zip(
            _pools(sums), arrays['pools'].tolist(), arrays['bins'], strict=True):
        pool.restore(int(bins[-1]), squares, largest, bins[:-1].copy())
    return sums


def _write_timeline(timeline: BagTimeline, arrays: _Arrays) -> dict[str, Any]:
    for name in _PAIRS:
        arrays[f'{name}.0'], arrays[f'{name}.1'] = getattr(timeline, name)
    for sensor, (times, forces) in timeline.forces.items():
        arrays[f'force.{sensor}.0'], arrays[f'force.{sensor}.1'] = times, forces
    for index, moment in enumerate(timeline.moments):
        for camera, jpeg in moment.frames.items():
            arrays[f'frame.{index}.{camera}'] = np.frombuffer(jpeg, np.uint8)
    return {
        'bag': timeline.bag, 'joints': timeline.joints, 'duration_s': timeline.duration_s,
        'period_s': timeline.period_s, 'modes': [asdict(span) for span in timeline.modes],
        'gaps': timeline.gaps, 'forces': list(timeline.forces),
        'moments': [{'at_s': moment.at_s, 'what': moment.what, 'cameras': list(moment.frames)}
                    for moment in timeline.moments]}


def _read_timeline(head: dict[str, Any], arrays: _Arrays) -> BagTimeline:
    return BagTimeline(
        bag=head['bag'], joints=tuple(head['joints']), duration_s=head['duration_s'],
        period_s=head['period_s'], modes=tuple(ModeSpan(**span) for span in head['modes']),
        gaps=tuple((topic, start, end) for topic, start, end in head['gaps']),
        forces={sensor: (arrays[f'force.{sensor}.0'], arrays[f'force.{sensor}.1'])
                for sensor in head['forces']},
        moments=tuple(WorstMoment(
            at_s=moment['at_s'], what=moment['what'],
            frames={camera: arrays[f'frame.{index}.{camera}'].tobytes()
                    for camera in moment['cameras']})
            for index, moment in enumerate(head['moments'])),
        **{name: (arrays[f'{name}.0'], arrays[f'{name}.1']) for name in _PAIRS})
