"""``distill``: train a small onboard student from a teacher, and write its bundle."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import asdict, replace
import importlib.resources
import os
from pathlib import Path
import time
from typing import TYPE_CHECKING

from physical_ai_bridge.cli.output import Output

if TYPE_CHECKING:
    from physical_ai_bridge.distillation.dagger import DistillResult

CELL = 'config/cells/mujoco_ur5e.yaml'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``distill``."""
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER',
                        help='the run folder: episodes, weights, results; running the same again '
                             'goes on where it was interrupted')
    parser.add_argument('--bundle', type=Path, metavar='FOLDER',
                        help='where to write the bundle (default: bundle/ in the run folder)')
    parser.add_argument('--name', default='ur5e_insertion', help="the bundle's name")
    parser.add_argument('--seed', type=int, default=0, help='everything random comes from it')
    parser.add_argument('--workers', type=int, default=len(os.sched_getaffinity(0)), metavar='N',
                        help='rollouts at a time (default: one a core), 0 for none beside this '
                             'process; changes only the time')
    parser.add_argument('--threads', type=int, default=1, metavar='N',
                        help='threads of a training step (default: 1); another number rounds '
                             'differently')
    for name, what in (
            ('demonstrations', 'episodes that the teacher shows'),
            ('rounds', 'rounds in which the student acts and the teacher labels'),
            ('episodes', 'episodes in each of those rounds'),
            ('report-episodes', 'unseen seeds to report on, at each brightness')):
        parser.add_argument(f'--{name}', type=int, metavar='N', help=f'{what}')
    parser.add_argument('--quick', action='store_true',
                        help='a tiny run that only shows that everything works')


def run(args: argparse.Namespace, out: Output) -> int:
    """Distill; return 0 once the bundle is written, 1 if its student falls short."""
    from physical_ai_bridge.contract.cell_file import load_cell
    from physical_ai_bridge.distillation.config import DistillConfig, QUICK
    from physical_ai_bridge.distillation.dagger import Distiller
    from physical_ai_bridge.distillation.runs import RunFolder
    asked = {name: getattr(args, name) for name in (
        'demonstrations', 'rounds', 'episodes', 'report_episodes')
        if getattr(args, name) is not None}
    config = replace(QUICK if args.quick else DistillConfig(), seed=args.seed, **asked)
    config = replace(config, train=replace(config.train, threads=args.threads))
    bundle = args.bundle or args.out / 'bundle'
    resource = importlib.resources.files('physical_ai_bridge') / CELL
    with importlib.resources.as_file(resource) as cell_file, _Stages(out) as stages:
        folder = RunFolder.begin(args.out, args.name, load_cell(cell_file).robot.joints, config)
        result = Distiller(
            folder, cell_file, workers=args.workers, progress=stages).run(bundle)
    _tell(result, out)
    out.say(f'The bundle is in {bundle}.')
    out.result({'ok': result.holds, 'bundle': str(bundle), **asdict(result)})
    return 0 if result.holds else 1


def _tell(result: DistillResult, out: Output) -> None:
    rows = [('teacher', result.teacher)]
    rows += [(f'student, brightness x{name}', score) for name, score in result.student.items()]
    out.table(('unseen seeds', 'success', 'duration', 'peak force p95', 'stopped'), [
        (name, f'{score.successes}/{score.episodes}', f'{score.duration_mean_s:.1f} s',
         f'{score.peak_force_p95_n:.0f} N', score.stopped) for name, score in rows])


class _Stages:
    """A progress bar for the stage that is running, and a line for each that is done."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._stack = ExitStack()
        self._stage = self._note = ''
        self._done = 0
        self._began = 0.0

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *exc: object) -> None:
        self._finish()

    def _finish(self) -> None:
        self._stack.close()
        if self._stage:
            took = time.perf_counter() - self._began
            self._out.say(f'{self._stage}: {self._note}, {took:.0f} s')
        self._stage = ''

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        """Take a step of a stage; a new name begins a new bar."""
        if stage != self._stage:
            self._finish()
            self._began, self._stage, self._done = time.perf_counter(), stage, 0
            self._advance = self._stack.enter_context(self._out.progress(stage, total))
        self._note = note
        self._advance(done - self._done, f'{stage}: {note}')
        self._done = done
