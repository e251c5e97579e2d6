"""``rollout``: episodes in the simulated cell, in lockstep, without ROS."""

from __future__ import annotations

import argparse
from dataclasses import asdict
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.resources import config_path

if TYPE_CHECKING:
    from physical_ai_bridge.simulation.rollout import Outcome

LEAST_SUCCESS = 0.8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``rollout``."""
    parser.add_argument('--episodes', type=int, default=20, metavar='N',
                        help='how many episodes to run (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, metavar='S',
                        help='the first episode is seed S, the next S + 1, ... (default: 0)')
    parser.add_argument('--cell', type=Path, default=config_path('cells/mujoco_ur5e.yaml'),
                        metavar='FILE', help='the cell file (default: the simulated UR5e)')
    parser.add_argument('--bundle', type=Path, default=config_path('bundles/ur5e_insertion'),
                        metavar='FOLDER', help='the bundle (default: the one that comes along)')
    parser.add_argument('--teacher', action='store_true',
                        help="run the scripted teacher in the place of the bundle's model")
    parser.add_argument('--brightness', type=float, default=1.0, metavar='X',
                        help='multiply the images by X (default: 1)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N',
                        help='worker processes (default: one a core)')
    parser.add_argument('--min-success', type=float, default=LEAST_SUCCESS, metavar='SHARE',
                        help='exit 1 if a smaller share succeeds (default: %(default)s)')


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the episodes; return 0 if enough succeed and no limit was exceeded, else 1."""
    from physical_ai_bridge.simulation.rollout import Job, run_jobs
    jobs = [Job(seed=args.seed + index, cell_file=args.cell, bundle=args.bundle,
                teacher=args.teacher, brightness=args.brightness)
            for index in range(max(args.episodes, 1))]
    with out.progress('episodes', len(jobs)) as advance:
        outcomes = run_jobs(jobs, args.jobs, lambda _: advance())
    summary = summarise(outcomes)
    _show(outcomes, summary, out)
    out.result({'summary': summary, 'episodes': [asdict(outcome) for outcome in outcomes]})
    good = summary['success_rate'] >= args.min_success and summary['limit_share_max'] <= 1.001
    return 0 if good else 1


def summarise(outcomes: list[Outcome]) -> dict[str, float]:
    """Return the rollout in numbers."""
    from physical_ai_bridge.simulation.rollout import score_of
    return {
        **asdict(score_of(outcomes)),
        'limiting_share_mean': float(np.mean([o.limiting_share for o in outcomes])),
        'limit_share_max': max(outcome.limit_share for outcome in outcomes),
    }


def _show(outcomes: list[Outcome], summary: dict[str, float], out: Output) -> None:
    failed = [o for o in outcomes if not o.success]
    if failed:
        out.table(('seed', 'time', 'depth', 'beside', 'peak force', 'stopped by'), [
            (o.seed, f'{o.elapsed_s:.2f} s', f'{o.depth_m * 1e3:.1f} mm',
             f'{o.lateral_m * 1e3:.1f} mm', f'{o.peak_force_n:.1f} N', o.stop_reason or '-')
            for o in failed])
    out.say(f'{summary["successes"]} of {summary["episodes"]} succeeded '
            f'({summary["success_rate"]:.1%}), in {summary["duration_mean_s"]:.2f} s on average')
    out.say(f'peak force: mean {summary["peak_force_mean_n"]:.1f} N, '
            f'p95 {summary["peak_force_p95_n"]:.1f} N, max {summary["peak_force_max_n"]:.1f} N')
    out.say(f'supervisor: {summary["stopped"]} stops, limiting on '
            f'{summary["limiting_share_mean"]:.2%} of moving ticks; largest share of any joint '
            f'limit {summary["limit_share_max"]:.3f}')
