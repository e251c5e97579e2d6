"""``demo``: the whole loop over ROS 2 against a simulated cell, recorded and reported on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import datetime
import importlib.util
import os
from pathlib import Path
import random
import signal
import sys
from types import FrameType
from typing import Any, TYPE_CHECKING

from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle_file import load_bundle, MANIFEST
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.resources import config_path

if TYPE_CHECKING:
    from physical_ai_bridge.bags.writer import RecordingSummary

NEEDED_SHARE = 0.8
DOMAINS = range(1, 101)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    parser.add_argument('--episodes', type=_count, default=10, metavar='N',
                        help='how many episodes to run, in real time (default: %(default)s)')
    parser.add_argument('--seed', type=_seed, default=0, metavar='S',
                        help='the first episode is seed S, the next S + 1, ... (default: 0)')
    parser.add_argument('--out', type=Path, default=None, metavar='FOLDER',
                        help='where recording, report, video and logs go '
                        '(default: runs/<date-time>)')
    parser.add_argument('--cell', type=Path, default=config_path('cells/mujoco_ur5e.yaml'),
                        metavar='FILE', help='the cell file (default: the simulated UR5e)')
    parser.add_argument('--bundle', type=Path, default=config_path('bundles/ur5e_insertion'),
                        metavar='FOLDER', help='the bundle (default: the one that comes along)')
    parser.add_argument('--video', choices=['webm', 'gif', 'none'], default='webm',
                        help='the form of the short video (default: %(default)s)')


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'found {text}, write 1 or more')
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'found {text}, write 0 or more')
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Where everything of one run is."""

    path: Path

    @property
    def logs(self) -> Path:
        """What each process wrote."""
        return self.path / 'logs'

    @property
    def recording(self) -> Path:
        """The rosbag2 folder."""
        return self.path / 'recording'

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / 'report.html'

    @property
    def metrics(self) -> Path:
        """The figures for machines."""
        return self.path / 'metrics.json'

    def video(self, form: str) -> Path:
        """Return where the video is, which is ``webm`` or ``gif``."""
        return self.path / f'video.{form}'


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the demo; return 0 if enough episodes succeed and no limit was exceeded, else 1."""
    with _ends_on_signals():
        return _run(args, out)


def _run(args: argparse.Namespace, out: Output) -> int:
    cell = load_cell(args.cell)
    bundle = load_bundle(args.bundle)
    binding = bind(cell, bundle.manifest, bundle_digest=bundle.digest, cell_path=str(args.cell),
                   manifest_path=str(args.bundle / MANIFEST))
    need_ros()
    made = datetime.datetime.now().astimezone()
    folder = RunFolder(path=args.out or Path('runs') / made.strftime('%Y-%m-%d-%H%M%S'))
    folder.logs.mkdir(parents=True, exist_ok=True)
    out.say(f'{bundle.manifest.name} on {cell.name}: {args.episodes} episodes in real time, over '
            'ROS 2 between separate processes', style='bold')
    summary = _drive(args, binding, folder, out)
    return _report(args, binding, folder, summary, made, out)


def need_ros(module: str = 'rclpy') -> None:
    """
    Make sure that ROS 2 is there.

    Raises
    ------
    SetupError
        Where it is not, with the line to type.

    """
    if importlib.util.find_spec(module) is None:
        raise SetupError(
            f'this runs over ROS 2, and this Python has no {module}; type '
            f'{sys.executable} -m pip install "physical_ai_bridge[kilted]", or, where ROS 2 is '
            'installed, source /opt/ros/<distribution>/setup.bash first')


@contextmanager
def _ends_on_signals() -> Iterator[None]:
    """Let SIGTERM end the demo the way that Ctrl-C does: through every ``finally``."""
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt))
              for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _drive(args: argparse.Namespace, binding: Binding, folder: RunFolder,
           out: Output) -> RecordingSummary:
    """Start the nodes, run the episodes, and return what was recorded."""
    from physical_ai_bridge.cli.demo_processes import (
        free_domain,
        NodeProcesses,
        private_network,
    )
    domain = free_domain(random.sample(DOMAINS, len(DOMAINS)))
    network = private_network(domain, folder.logs)
    cell, bundle = str(args.cell.resolve()), str(args.bundle.resolve())
    with _environment(network), NodeProcesses() as nodes:
        nodes.start('mujoco_cell', {'cell': cell, 'seed': args.seed}, folder.logs)
        nodes.start('safety_supervisor', {'cell': cell, 'authority': 'live'}, folder.logs)
        nodes.start('policy_node', {'cell': cell, 'bundle': bundle}, folder.logs)
        return _conduct(args, binding, folder, nodes, out)


def _conduct(args: argparse.Namespace, binding: Binding, folder: RunFolder, nodes: Any,
             out: Output) -> RecordingSummary:
    from physical_ai_bridge.bags.writer import RecordingWriter
    from physical_ai_bridge.cli.demo_conduct import Conductor
    from physical_ai_bridge.cli.demo_view import StatusLine, Watcher
    from physical_ai_bridge.nodes.recorder import cell_topics, RecorderSession
    notes = {'bundle': binding.manifest.name, 'bundle_digest': binding.bundle_digest}
    with RecordingWriter(folder.recording, notes=notes) as writer:
        watcher = Watcher(binding.cell, writer.put)
        with StatusLine(out, watcher) as line:
            def attend() -> None:
                nodes.check()
                line.refresh()

            with RecorderSession(
                    'demo_recorder', cell_topics(binding.cell), watcher, attend) as session:
                conductor = Conductor(session, nodes, watcher, line)
                conductor.bring_up()
                for number in range(1, args.episodes + 1):
                    label = f'episode {number} of {args.episodes}'
                    outcome = conductor.episode(label)
                    line.say(conductor.describe(label, outcome),
                             style=None if outcome.success else 'yellow')
                line.begin('ending')
                conductor.bring_down()
        return writer.close()


def _report(args: argparse.Namespace, binding: Binding, folder: RunFolder,
            recorded: RecordingSummary, made: datetime.datetime, out: Output) -> int:
    """Measure what was recorded, write everything down, and say how it went."""
    from physical_ai_bridge.evaluation.load import load_run
    from physical_ai_bridge.evaluation.metrics import measure, shortfalls, write_metrics
    from physical_ai_bridge.evaluation.report import write_report
    from physical_ai_bridge.evaluation.video import write_video
    with out.progress('reading the recording', sum(recorded.written.values())) as advance:
        taken = load_run(folder.recording, binding.cell, dropped=recorded.dropped, advance=advance)
    metrics = measure(taken)
    reasons = shortfalls(metrics, success_share=NEEDED_SHARE)
    write_metrics(metrics, folder.metrics)
    _summarise(metrics, out)
    video = None
    if args.video != 'none' and taken.episodes:
        with out.progress('rendering the video', 1.0) as advance:
            video = write_video(
                taken, folder.recording, folder.video(args.video),
                advance=lambda done, of: advance(1.0 / of))
    write_report(taken, metrics, reasons, folder.report, video=video,
                 made=made.strftime('%Y-%m-%d %H:%M %Z'))
    _close(reasons, [folder.report, folder.recording, folder.metrics, *([video] if video else []),
                     folder.logs], out)
    out.result({'ok': not reasons, 'reasons': reasons, 'folder': str(folder.path),
                'metrics': metrics})
    return 1 if reasons else 0


def _summarise(metrics: dict[str, Any], out: Output) -> None:
    """Show the figures of the run."""
    from physical_ai_bridge.evaluation.words import (
        in_ms,
        in_newtons,
        in_percent,
        in_seconds,
    )
    tried, latency = metrics['episodes'], metrics['latency_ms']
    supervisor = metrics['supervisor']
    why = ', '.join(f'{row["count"]} {row["reason"]}' for row in supervisor['by_reason'])
    dropped = sum(stream['dropped'] for stream in metrics['streams'].values())
    end_to_end, model = latency['sensor_to_command'], latency['model']
    out.say()
    out.table(('', 'median', 'p99', ''), [
        ('success', in_percent(tried['success_rate'], 0), '',
         f'{tried["succeeded"]} of {tried["count"]} episodes'),
        ('time to succeed', in_seconds(tried['duration_s']['p50']),
         in_seconds(tried['duration_s']['p99']), ''),
        ('sensor to command', in_ms(end_to_end['p50']), in_ms(end_to_end['p99']),
         f'{end_to_end["count"]} commands, by the stamps inside the messages'),
        ('the cameras', in_ms(latency['rendering']['p50']), in_ms(latency['rendering']['p99']),
         'of that: rendering both pictures'),
        ('the model alone', in_ms(model['p50']), in_ms(model['p99']), 'of that: bare session.run'),
        ('peak force', in_newtons(tried['peak_force_n']['p50']),
         in_newtons(tried['peak_force_n']['p99']),
         f'largest {in_newtons(tried["peak_force_n"]["max"])}'),
        ('interventions', str(supervisor['interventions']), '', why),
        ('most of any limit', in_percent(metrics['limits']['worst']['share']), '',
         metrics['limits']['worst']['of']),
        ('recorded', str(sum(s['count'] for s in metrics['streams'].values())), '',
         f'messages, {dropped} dropped'),
    ])
    out.say()


def _close(reasons: list[str], made: list[Path], out: Output) -> None:
    """Say where everything is, and whether it was good enough."""
    for path in made:
        out.say(f'  {path}')
    out.say()
    if reasons:
        out.say('Did not pass:', style='bold red')
        for reason in reasons:
            out.say(f'  - {reason}')
        load, cores = os.getloadavg()[1], os.cpu_count() or 1
        if load > cores:
            out.say(f'This machine has been busy with other things too (a load of {load:.1f} on '
                    f'{cores} cores), and a loop in real time needs free cores.')
    else:
        out.say('Passed: enough episodes succeeded and no limit was exceeded.', style='bold green')
