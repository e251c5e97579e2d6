"""``record``: what goes in and out of a cell's nodes into a recording, until it is told to end."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from physical_ai_bridge.cli.demo import need_ros
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.cli.record_rosbag2 import (
    find_ros2_bag,
    record_with_rosbag2,
    stop_signals,
)
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.names import (
    into_namespace,
    POLICY_TASK,
    POLICY_TRACE,
    remappings,
    SUPERVISOR_TRACE,
)

if TYPE_CHECKING:
    from physical_ai_bridge.bags.writer import RecordingSummary
    from physical_ai_bridge.contract.cell import Cell

_STEP_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``record``."""
    parser.add_argument('--cell', type=Path, required=True, metavar='FILE', help='the cell file')
    parser.add_argument('--out', type=Path, default=None, metavar='FOLDER',
                        help='the recording, which must not exist yet '
                        '(default: recordings/<date-time>)')
    parser.add_argument('--bundle', type=Path, default=None, metavar='FOLDER',
                        help='the bundle, whose digest is kept in the recording')
    parser.add_argument('--namespace', default='/', metavar='NAME',
                        help='the namespace of the nodes, such as left; the recording has the '
                        'names of the cell file all the same (default: none)')
    parser.add_argument('--writer', choices=['auto', 'own', 'rosbag2'], default='auto',
                        help='what writes: rosbag2 runs `ros2 bag record`; own is a recorder of '
                        'this package, which needs no rosbag2. auto takes rosbag2 where it is '
                        'installed and no --namespace is given, whose names it cannot change '
                        '(default: auto)')


def run(args: argparse.Namespace, out: Output) -> int:
    """Record until SIGINT or SIGTERM; return 0."""
    cell = load_cell(args.cell)
    notes = {'cell': cell.name, 'cell_digest': cell_digest(args.cell)}
    if args.bundle is not None:
        bundle = load_bundle(args.bundle)
        notes |= {'bundle': bundle.manifest.name, 'bundle_digest': bundle.digest}
    now = datetime.datetime.now().astimezone()
    folder = args.out or Path('recordings') / now.strftime('%Y-%m-%d-%H%M%S')
    if folder.exists():
        raise SetupError(f'{folder}: something is there already; write another --out')
    need_ros()
    ros2 = find_ros2_bag(args.writer, args.namespace)
    out.say(f'recording into {folder} until Ctrl-C'
            + ('' if ros2 is None else ', with ros2 bag record'))
    if ros2 is None:
        summary = _record(cell, folder, notes, args.namespace)
        written, dropped = summary.written, summary.dropped
        lost = f'{sum(dropped.values())} dropped'
    else:
        with stop_signals() as received:
            written, dropped = record_with_rosbag2(ros2, cell, folder, notes, received), None
        lost = "what was dropped is in rosbag2's own lines"
    out.say(f'{folder}: {sum(written.values())} messages, {lost}')
    out.result({'ok': True, 'recording': str(folder), 'written': written, 'dropped': dropped,
                'writer': 'own' if ros2 is None else 'rosbag2'})
    return 0


def _record(
        cell: Cell, folder: Path, notes: dict[str, str], namespace: str) -> RecordingSummary:
    from physical_ai_bridge.bags.writer import RecordingWriter
    from physical_ai_bridge.nodes.recorder import cell_topics, RecorderSession
    with stop_signals() as received, RecordingWriter(folder, notes=notes) as writer:
        topics = cell_topics(cell)
        with RecorderSession('recorder', topics, writer.put, lambda: None,
                             _ros_arguments(cell, namespace)) as session:
            while not received:
                session.spin_once(_STEP_S)
        return writer.close()


def _ros_arguments(cell: Cell, namespace: str) -> list[str]:
    """Return what makes the cell's names those in ``namespace``."""
    from physical_ai_bridge.nodes.recorder import EPISODE, SUPERVISOR_STATE
    if namespace.strip('/') == '':
        return []
    moved = [*remappings(cell, namespace),
             *((name, into_namespace(name, namespace)) for name in (
                 SUPERVISOR_STATE, EPISODE, SUPERVISOR_TRACE, POLICY_TRACE, POLICY_TASK))]
    rules = [f'{name}:={full}' for name, full in (('__ns', f'/{namespace.strip("/")}'), *moved)]
    return ['--ros-args', *(word for rule in rules for word in ('-r', rule))]
