"""``check --live``: hold the running cell against its cell file."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.contract.cell import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from physical_ai_bridge.runtime.live_check.finding import Finding

_SECONDS = 3.0


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``--live``."""
    group = parser.add_argument_group(
        'the running cell', 'Listens to the ROS graph; publishes nothing and moves nothing.')
    group.add_argument('--live', action='store_true',
                       help='look at the running cell, too: topics, rates, clocks, controller')
    group.add_argument('--seconds', type=_seconds, metavar='N',
                       help=f'how long to listen (default: {_SECONDS:g})')
    group.add_argument('--namespace', metavar='NS',
                       help='namespace of the cell, as cell.launch.py takes it: every topic of '
                       'the cell file is looked for in it')
    group.add_argument('--remap', action='append', metavar='FROM:=TO',
                       help='remap a topic, as the nodes are started with; may be repeated')


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0.5:
        raise argparse.ArgumentTypeError(f'found {text}, write 0.5 or more')
    return value


def lacks_live(args: argparse.Namespace) -> str | None:
    """Return the option that was given and means nothing without ``--live``."""
    if args.live:
        return None
    return next((f'--{name}' for name in ('seconds', 'namespace', 'remap')
                 if getattr(args, name) is not None), None)


def check_live(
        cell: Cell, manifest: Manifest | None, args: argparse.Namespace, out: Output,
) -> tuple[bool, list[dict[str, str]]]:
    """Listen, judge and print; return whether nothing failed, and the findings for machines."""
    from physical_ai_bridge.nodes.live_listener import observe
    from physical_ai_bridge.runtime.live_check.judge import judge
    cameras = None if manifest is None else tuple(manifest.observation.images)
    seconds = args.seconds or _SECONDS
    out.say()
    with out.progress('listening to the cell') as advance:
        observed = observe(cell, cameras, seconds, namespace=args.namespace or '',
                           remaps=args.remap or (), advance=advance)
    return say(judge(cell, observed, cameras), out)


def say(findings: Sequence[Finding], out: Output) -> tuple[bool, list[dict[str, str]]]:
    """Print findings; return whether none failed, and the findings for machines."""
    from physical_ai_bridge.runtime.live_check.finding import Verdict
    _print(findings, out)
    count = {verdict: sum(each.verdict is verdict for each in findings) for verdict in Verdict}
    told = ', '.join(f'{number} {verdict}' for verdict, number in count.items() if number)
    if count[Verdict.FAILED]:
        out.say(f'The running cell is not as it has to be: {told}.', style='bold red')
    else:
        out.say(f'The running cell is as its file says: {told}.', style='bold green')
    return not count[Verdict.FAILED], [
        {'subject': each.subject, 'check': each.check, 'verdict': str(each.verdict),
         'found': each.found, 'do': each.do} for each in findings]


def _print(findings: Sequence[Finding], out: Output) -> None:
    """Write one line a subject for what holds, and one for everything that does not."""
    from physical_ai_bridge.runtime.live_check.finding import Verdict
    subjects = list(dict.fromkeys(each.subject for each in findings))
    width = max(len(subject) for subject in subjects)
    write = {Verdict.FAILED: out.failed, Verdict.WARNED: out.warned,
             Verdict.NOT_CHECKED: out.skipped}
    for subject in subjects:
        about = [each for each in findings if each.subject == subject]
        good = [each.found for each in about if each.verdict is Verdict.PASSED]
        if good:
            out.passed(subject.ljust(width), '; '.join(good))
        for each in about:
            if each.verdict is not Verdict.PASSED:
                not_checked = 'not checked: ' if each.verdict is Verdict.NOT_CHECKED else ''
                write[each.verdict](
                    subject.ljust(width), f'{each.check}: {not_checked}{each.found}')
                if each.do:
                    out.say(f'       - {each.do}')
