"""The console script: finds the verb, runs it, and turns errors into sentences and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import importlib
import os
import sys
import traceback
from typing import Any

from physical_ai_bridge import __version__
from physical_ai_bridge.cli.output import as_values, Output
from physical_ai_bridge.contract.errors import BridgeError, ContractError, SetupError

PROGRAM = 'physical_ai_bridge'
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Verb:
    """
    One verb.

    Its module offers ``add_arguments(parser)`` and ``run(args, out) -> int``, and is imported
    only when the verb is used.
    """

    module: str
    summary: str
    example: str

    @property
    def description(self) -> str:
        """The summary as a sentence."""
        return f'{self.summary[0].upper()}{self.summary[1:]}.'


VERBS = {
    'demo': Verb(
        'physical_ai_bridge.cli.demo',
        'run the whole loop over ROS 2 against a simulated cell, and report on it',
        'demo --episodes 10'),
    'check': Verb(
        'physical_ai_bridge.cli.check',
        'tell whether a bundle fits a cell, and everything that does not',
        'check --cell my_cell.yaml --bundle my_bundle/'),
    'new-cell': Verb(
        'physical_ai_bridge.cli.new_cell',
        'write a first cell file from a URDF and the files of ros2_control and MoveIt',
        'new-cell --urdf robot.urdf --controllers controllers.yaml --out my_cell.yaml'),
    'record': Verb(
        'physical_ai_bridge.cli.record',
        'record what goes in and out of the nodes of a cell, as MCAP, until Ctrl-C',
        'record --cell my_cell.yaml --out recordings/first'),
    'evaluate': Verb(
        'physical_ai_bridge.cli.evaluate',
        'judge a policy on recordings, through the code that runs the robot',
        'evaluate recordings/first --cell my_cell.yaml --bundle my_bundle/'),
    'rollout': Verb(
        'physical_ai_bridge.cli.rollout',
        'run episodes in the simulated cell without ROS, faster than real time',
        'rollout --episodes 20 --seed 1'),
    'distill': Verb(
        'physical_ai_bridge.cli.distill',
        'train a small onboard student from a teacher',
        'distill --out runs/my_student'),
    'export': Verb(
        'physical_ai_bridge.cli.export',
        'turn a trained student into a bundle: ONNX model and manifest',
        'export --run runs/my_student --bundle my_bundle/'),
    'replay-incident': Verb(
        'physical_ai_bridge.cli.replay_incident',
        'say what an intervention of the supervisor was, and decide it again',
        'replay-incident incident-20260115-101502-EMERGENCY_STOP.zip'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 0 fine, 1 does not hold, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = '--debug' in words
    # Known before parsing, so that even an error on the way is said in the form asked for.
    out = Output(json='--json' in words)

    def act() -> int:
        args = _parse(words)
        return module_of(args.verb).run(args, out)

    return answer(act, out, debug=debug)


def answer(act: Callable[[], int], out: Output, *, debug: bool) -> int:
    """Return the exit status of ``act``; its errors become sentences, and a status."""
    try:
        return act()
    except SystemExit as stop:  # argparse's way out, of --help too
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        # The reader, `head` say, has seen enough. Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'{PROGRAM}: interrupted\n')
        return INTERRUPTED
    except (BridgeError, ModuleNotFoundError, OSError) as error:
        if debug:
            traceback.print_exc()
        return _refuse(_for_people(error), out)


def _for_people(error: Exception) -> BridgeError:
    if isinstance(error, ModuleNotFoundError):
        return SetupError(_lacking(error))
    if isinstance(error, OSError):
        place = f'{error.filename}: ' if error.filename else ''
        return SetupError(f'{place}{error.strerror or error}')
    return error


def _refuse(error: BridgeError, out: Output) -> int:
    """Say what was wrong, in sentences and, where asked for, to the machine."""
    problems = error.problems if isinstance(error, ContractError) else ()
    out.result({'ok': False, 'error': str(error), 'problems': [as_values(p) for p in problems]})
    lines = [str(problem) for problem in problems] or [str(error)]
    head = f'{PROGRAM}: ' if len(lines) == 1 else f'{PROGRAM}: {len(lines)} problems\n  '
    text = head + '\n  '.join(lines) + '\n'
    sys.stderr.write(text.encode('utf-8', 'backslashreplace').decode())
    return 1


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Add the options of every verb."""
    # Suppressed defaults: a switch before the verb must survive the verb's own parser.
    parser.add_argument('--json', action='store_true', default=argparse.SUPPRESS,
                        help='write one JSON object to stdout, for machines')
    parser.add_argument('--debug', action='store_true', default=argparse.SUPPRESS,
                        help='show the traceback of an error')


def _parse(words: list[str]) -> argparse.Namespace:
    """Parse the words, loading the one verb that they name."""
    switches = argparse.ArgumentParser(add_help=False)
    add_switches(switches)
    # No abbreviations: a script must not change its meaning when an option is added.
    form = {'parents': [switches], 'allow_abbrev': False,
            'formatter_class': argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(
        prog=PROGRAM, **form,
        description='Run a distilled policy on a robot cell, behind a safety supervisor.',
        epilog=f'example:\n  {PROGRAM} {VERBS["check"].example}\n\n'
               f'{PROGRAM} VERB --help tells more about a verb.')
    parser.add_argument('--version', action='version', version=f'{PROGRAM} {__version__}')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    named = next((word for word in words if word in VERBS), None)
    for name, verb in VERBS.items():
        inner = verbs.add_parser(
            name, **form, help=verb.summary,
            description=verb.description,
            epilog=f'example:\n  {PROGRAM} {verb.example}')
        if name == named:
            module_of(name).add_arguments(inner)
    args = parser.parse_args(words)
    args.json, args.debug = getattr(args, 'json', False), getattr(args, 'debug', False)
    return args


def module_of(verb: str) -> Any:
    """Import the module of a verb."""
    return importlib.import_module(VERBS[verb].module)


# Which extra of this package brings a module that a verb may find missing.
EXTRAS = {'onnxruntime': 'cpu', 'mujoco': 'sim', 'plotly': 'report', 'PIL': 'report',
          'torch': 'distill', 'safetensors': 'distill', 'onnx': 'distill',
          'onnxscript': 'distill', 'rclpy': 'kilted', 'scipy': 'evaluate', 'ray': 'ray'}


def _lacking(error: ModuleNotFoundError) -> str:
    name = (error.name or str(error)).partition('.')[0]
    if name == PROGRAM:
        return f'{error.name} is not part of this installation; install {PROGRAM} anew'
    extra = EXTRAS.get(name)
    ask = f"pip install '{PROGRAM}[{extra}]'" if extra else f'install {name}'
    return f'this needs the Python package {name}, which is not installed; {ask}'
