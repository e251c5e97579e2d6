"""``record``: what goes in and out of a cell's nodes into a recording, until it is told to end."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import datetime
from pathlib import Path
import signal
from types import FrameType
from typing import TYPE_CHECKING

from physical_ai_bridge.cli.demo import need_ros
from physical_ai_bridge.cli.output import Output
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
    out.say(f'recording into {folder} until Ctrl-C')
    summary = _record(cell, folder, notes, args.namespace)
    written, dropped = sum(summary.written.values()), sum(summary.dropped.values())
    out.say(f'{summary.path}: {written} messages, {dropped} dropped')
    out.result({'ok': True, 'recording': str(summary.path), 'written': summary.written,
                'dropped': summary.dropped})
    return 0


def _record(
        cell: Cell, folder: Path, notes: dict[str, str], namespace: str) -> RecordingSummary:
    from physical_ai_bridge.bags.writer import RecordingWriter
    from physical_ai_bridge.nodes.recorder import cell_topics, RecorderSession
    with _stop_signals() as received, RecordingWriter(folder, notes=notes) as writer:
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


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Yield a list that SIGINT and SIGTERM go into."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = [(number, signal.signal(number, note)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield received
    finally:
        for number, handler in before:
            signal.signal(number, handler)
