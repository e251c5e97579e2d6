"""``evaluate``: judge a policy on recordings, before it moves anything."""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING

from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.errors import SetupError

if TYPE_CHECKING:
    from physical_ai_bridge.evaluation.offline.bag_job import BagOutcome
    from physical_ai_bridge.evaluation.offline.evaluation import Evaluated, Request
    from physical_ai_bridge.evaluation.offline.scores import Scores

LATENCY_S = 0.04
_FINDINGS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG',
                        help='a recording (rosbag2 folder, .mcap or .db3 file), or a folder of '
                        'such')
    parser.add_argument('--cell', type=Path, required=True, metavar='FILE',
                        help='the cell file of the robot that was recorded')
    parser.add_argument('--bundle', required=True, metavar='POLICY',
                        help='the bundle to judge; or a teacher: its file, or ws://host:port')
    parser.add_argument('--baseline', metavar='POLICY',
                        help='a second bundle or teacher, judged on the same recordings: is '
                        '--bundle better or worse?')
    parser.add_argument('--gate', type=Path, metavar='FILE',
                        help='thresholds; where one is missed the exit status is 1')
    parser.add_argument('--out', type=Path, metavar='FOLDER',
                        help='where report.html and metrics.json go; what is there already of '
                        'the same evaluation is not made again (default: '
                        'evaluations/<date-time>)')
    parser.add_argument('--remap', action='append', default=[], metavar='FROM:=TO',
                        help="the recording's topic FROM is the cell file's TO; may be repeated")
    parser.add_argument('--urdf', type=Path, metavar='FILE',
                        help='the URDF, where the cell file says /robot_description')
    parser.add_argument('--latency-s', type=_latency, default=LATENCY_S, metavar='S',
                        help="how long an inference is taken to last on the recording's clock "
                        '(default: %(default)s)')
    parser.add_argument('--jobs', type=_jobs, default=os.cpu_count() or 1, metavar='N',
                        help='how many recordings are judged at a time (default: %(default)s)')
    parser.add_argument('--ray', metavar='ADDRESS',
                        help='judge on a Ray cluster that runs there, such as auto')


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'found {text}, write 1 or more')
    return int(text)


def _latency(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 10.0:
        raise argparse.ArgumentTypeError(f'found {text}, write seconds from 0 to 10')
    return value


def run(args: argparse.Namespace, out: Output) -> int:
    """Evaluate; return 0 if the gate, or without one every recording, passes, else 1."""
    from physical_ai_bridge.evaluation.offline.evaluation import evaluate
    made = datetime.datetime.now().astimezone()
    request = _request(args, made)
    count = len(request.bags) * (1 if request.baseline is None else 2)
    with out.progress(f'judging {count} recordings' if count > 1 else 'judging', count) as advance:
        def done(name: str, outcome: BagOutcome) -> None:
            advance(1)
            if outcome.scores.failure:
                out.failed(name, outcome.scores.failure)

        found = evaluate(request, done, made=made.strftime('%Y-%m-%d %H:%M %Z'))
    return _tell(found, request, out)


def _request(args: argparse.Namespace, made: datetime.datetime) -> Request:
    from physical_ai_bridge.bags.find import find_recordings
    from physical_ai_bridge.evaluation.offline.evaluation import Request
    from physical_ai_bridge.evaluation.offline.gate import load_gate
    from physical_ai_bridge.evaluation.offline.timing import Timing
    from physical_ai_bridge.evaluation.offline.topics import parse_remap
    gate = None if args.gate is None else load_gate(args.gate, timing=Timing)
    if gate is not None and gate.needs_baseline and args.baseline is None:
        raise SetupError(f'{args.gate}: it has thresholds on the comparison with a baseline; give '
                         '--baseline')
    return Request(
        bags=named(find_recordings(args.bags)), cell=args.cell, policy=args.bundle,
        baseline=args.baseline, gate=gate, urdf=args.urdf, latency_s=args.latency_s,
        remap=parse_remap(args.remap), workers=args.jobs, ray=args.ray,
        out=args.out or Path('evaluations') / made.strftime('%Y-%m-%d-%H%M%S'))


def named(bags: tuple[Path, ...]) -> tuple[tuple[str, Path], ...]:
    """Return recordings with names that tell them apart: as much of their paths as that takes."""
    found = []
    for bag in bags:
        parts = bag.resolve().parts
        for depth in range(1, len(parts) + 1):
            name = '/'.join(parts[-depth:])
            if sum('/'.join(other.resolve().parts[-depth:]) == name for other in bags) == 1:
                break
        found.append((name, bag))
    return tuple(found)


def _tell_findings(scores: Scores, out: Output) -> None:
    """Write what was found, but for notes; of many the first, the page has them all."""
    told = [(bag.bag, finding) for bag in scores.bags for finding in bag.findings
            if finding.severity != 'note']
    for bag, finding in told[:_FINDINGS]:
        write = out.failed if finding.severity == 'error' else out.warned
        write(finding.code, f'{bag}: {finding.where}: {finding.detail}')
    if len(told) > _FINDINGS:
        out.say(f'and {len(told) - _FINDINGS} more, in the report')


def _tell(found: Evaluated, request: Request, out: Output) -> int:
    import json

    from physical_ai_bridge.evaluation.offline.scores import as_json
    from physical_ai_bridge.evaluation.offline.summary import (
        SUMMARY_COLUMNS,
        summary_rows,
        verdict,
    )
    passed, headline, reasons = verdict(found.scores)
    out.table(SUMMARY_COLUMNS, summary_rows(found.scores, found.timing))
    _tell_findings(found.scores, out)
    comparison = found.scores.comparison
    if comparison is not None:
        out.say(f'{found.scores.policy.name} against {comparison.baseline.name}: '
                f'{comparison.verdict}', style='bold')
    for path in (found.report, found.metrics):
        out.say(f'  {path}')
    out.say(headline, style='bold green' if passed else 'bold red')
    for reason in reasons:
        out.say(f'  - {reason}')
    out.result({'ok': passed, 'headline': headline, 'reasons': reasons,
                'out': str(request.out), 'metrics': json.loads(as_json(found.scores)),
                'timing': found.timing})
    return 0 if passed else 1
