"""``export``: turn a trained student of a distillation run into a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from physical_ai_bridge.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export``."""
    parser.add_argument('--run', dest='run_folder', type=Path, required=True, metavar='FOLDER',
                        help='the run folder of distill')
    parser.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                        help='where to write the bundle; one that is there is replaced')
    parser.add_argument('--round', type=int, metavar='N',
                        help='which round to export (default: the one that the run chose)')


def run(args: argparse.Namespace, out: Output) -> int:
    """Export; return 0 once the bundle is written and proven equal to the student."""
    from physical_ai_bridge.distillation.runs import export_round
    with out.progress('exporting and comparing'):
        found = export_round(args.run_folder, args.round, args.bundle)
    out.say(f'{args.bundle}: over {found.observations} recorded observations the graph differs '
            f'from the student by at most {found.largest_rad:.2g} rad '
            f'(tolerance {found.tolerance_rad:g}).')
    out.result({'ok': True, 'bundle': str(args.bundle), 'observations': found.observations,
                'largest_difference_rad': found.largest_rad,
                'tolerance_rad': found.tolerance_rad})
    return 0
