"""``new-cell``: write a first cell file from the URDF and the files of ros2_control and MoveIt."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import re
from typing import TypeVar

from physical_ai_bridge.cli.new_cell_controllers import Controllers, Entry
from physical_ai_bridge.cli.new_cell_limits import JointLimits, Limits
from physical_ai_bridge.cli.new_cell_robot import read_robot, Robot
from physical_ai_bridge.cli.new_cell_text import cell_text, Draft
from physical_ai_bridge.cli.output import as_values, Output
from physical_ai_bridge.contract.cell_file import parse_cell, ROBOT_DESCRIPTION
from physical_ai_bridge.contract.decisions import DECIDE, FOUND
from physical_ai_bridge.contract.errors import BridgeError, CellError, Problem, SetupError

T = TypeVar('T')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``new-cell``."""
    parser.add_argument('--urdf', type=Path, metavar='FILE',
                        help='the URDF, as xacro writes it; without it the one on '
                        f'{ROBOT_DESCRIPTION} is read')
    parser.add_argument('--controllers', type=Path, nargs='+', required=True, metavar='FILE',
                        help="ros2_control's controllers.yaml; later files overrule earlier ones")
    parser.add_argument('--joint-limits', type=Path, nargs='+', default=[], metavar='FILE',
                        help="MoveIt's joint_limits.yaml; later files overrule earlier ones")
    parser.add_argument('--controller', metavar='NAME',
                        help='the joint trajectory controller to drive, where there are several')
    parser.add_argument('--var', type=_variable, action='append', default=[],
                        metavar='NAME=VALUE',
                        help='what launch puts in for $(var NAME) in these files')
    parser.add_argument('--out', type=Path, metavar='FILE',
                        help="the cell file to write (default: the robot's name, .yaml)")
    parser.add_argument('--force', action='store_true', help='replace the file if it is there')


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition('=')
    if not name or not equals:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE')
    return name, value


def run(args: argparse.Namespace, out: Output) -> int:
    """Write the file; return 0. Every problem of the inputs comes at once, as an error."""
    draft = _draft(args, out)
    path = args.out or Path(re.sub(r'[^\w.-]', '_', draft.name) + '.yaml')
    text = cell_text(draft)
    marks = _marks(text, path)
    _write(path, text, args.force)
    out.say(f'{path}: {len(draft.joints)} joints of {draft.controller.short_name}; '
            f'{len(marks)} values are marked {DECIDE} and wait for a person.', style='bold')
    for key, write in _once(marks).items():
        out.say(f'  {key}: {write}')
    if draft.limits_note:
        out.say(f'{draft.limits_note}.')
    if draft.notes:
        out.say(f'To change in {draft.controllers}:', style='bold')
    for note in draft.notes:
        out.say(f'  {note}')
    out.say(f'Replace the marks, then: physical_ai_bridge check --cell {path} --bundle my_bundle/')
    out.result({'ok': True, 'path': str(path), 'controller': draft.controller.name,
                'marks': [as_values(mark) for mark in marks],
                'notes': [*draft.notes, *filter(None, [draft.limits_note])]})
    return 0


def _draft(args: argparse.Namespace, out: Output) -> Draft:
    """Read all inputs; raise everything that is wrong in any of them at once."""
    problems: list[Problem] = []
    variables = dict(args.var)
    controllers = Controllers(args.controllers, variables)
    limits = JointLimits(args.joint_limits, variables)
    robot = _collected(lambda: _read_robot(args.urdf, out), problems)
    controller = controllers.choose(args.controller)
    joints = controllers.joints_of(controller) if controller else []
    notes = controllers.check(controller) if controller else []
    wrenches = controllers.wrenches(controller)
    joint_states = controllers.joint_states(controller, joints) if controller else None
    found: dict[str, Limits] = {}
    if joints:
        limits.check_names(joints)
    if robot is not None and controller is not None:
        problems += robot.problems_of(
            joints, controllers.where, f'{controller.short_name}.joints')
        found = {name: limits.of(robot.joints[name]) for name in joints if name in robot.joints}
    problems += [*controllers.problems, *limits.problems]
    if problems or robot is None or controller is None:
        # One mistake that several controllers share is one mistake.
        raise CellError(list(dict.fromkeys(problems)))
    return Draft(
        name=robot.name, urdf=_reference(args), sources=_sources(args),
        controllers=controllers.source, joints=tuple(joints),
        base_frame=robot.base_frame(joints), tool_frames=tuple(robot.tool_frames(joints)),
        controller=controller, joint_states=joint_states, wrenches=_named(wrenches),
        path_tolerance=controllers.path_tolerance(controller, joints), limits=found,
        limits_note=limits.note(), notes=tuple(notes))


def _collected(read: Callable[[], T], problems: list[Problem]) -> T | None:
    try:
        return read()
    except CellError as error:
        problems += error.problems
        return None


def _read_robot(path: Path | None, out: Output) -> Robot:
    if path is None:
        with out.progress(f'waiting for {ROBOT_DESCRIPTION}'):
            return read_robot(_published(), ROBOT_DESCRIPTION)
    try:
        return read_robot(path.read_bytes(), str(path))
    except OSError as error:
        raise CellError([Problem(
            str(path), '', f'cannot be read: {error.strerror}',
            f'give the path of a URDF, or leave --urdf out to read {ROBOT_DESCRIPTION}',
        )]) from None


def _published() -> str:
    """Return the URDF that the running robot publishes, or complain as about a file."""
    try:
        from physical_ai_bridge.nodes.robot_description import published_description
    except ModuleNotFoundError as error:
        name = (error.name or '').partition('.')[0]
        raise CellError([Problem(
            ROBOT_DESCRIPTION, '', f'to read it the Python package {name} of ROS is needed, which '
            'is not installed', 'give the URDF with --urdf FILE, or source your ROS 2 (pip '
            "install 'physical_ai_bridge[kilted]' where there is none)")]) from error
    try:
        return published_description()
    except BridgeError as error:
        found, _, write = str(error).partition('; ')
        raise CellError([Problem(ROBOT_DESCRIPTION, '', found, write)]) from error


def _reference(args: argparse.Namespace) -> str:
    """Return the URDF as the cell file names it: from its own folder."""
    if args.urdf is None:
        return ROBOT_DESCRIPTION
    folder = args.out.parent if args.out else Path()
    return os.path.relpath(args.urdf.resolve(), folder.resolve())


def _sources(args: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    return (
        (str(args.urdf) if args.urdf else ROBOT_DESCRIPTION, 'robot'),
        *((str(path), 'controllers') for path in args.controllers),
        *((str(path), 'joint limits') for path in args.joint_limits))


def _named(wrenches: list[Entry]) -> dict[str, Entry]:
    """Return the sensors by name: wrist for a single one, as bundles mostly call it."""
    if len(wrenches) == 1:
        return {'wrist': wrenches[0]}
    return {each.short_name: each for each in wrenches}


def _marks(text: str, path: Path) -> list[Problem]:
    """Read the text back: return its marks, or raise what else is wrong with it."""
    try:
        parse_cell(text, str(path))
    except CellError as error:
        others = [each for each in error.problems if each.found != FOUND]
        if others:
            raise CellError(others) from None
        return list(error.problems)
    return []


def _once(marks: list[Problem]) -> dict[str, str]:
    """Return what to write by key, with * for the joints where it is the same for several."""
    return {re.sub(r'(joint_limits\.).*(\.\w+)$', r'\1*\2', mark.key): mark.write
            for mark in marks}


def _write(path: Path, text: str, force: bool) -> None:
    """Write a file whole or not at all, and never over another one unless ``force``."""
    if path.is_dir():
        raise SetupError(f'{path}: is a folder; give the path of a file with --out')
    if not path.parent.is_dir():
        raise SetupError(f'{path.parent}: is no folder; make it, or give another path with --out')
    partial = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        partial.write_text(text, encoding='utf-8')
        if not force:
            # Fails where a file is, even one that came this instant; a rename would not.
            path.open('x').close()
        partial.replace(path)
    except FileExistsError:
        raise SetupError(f'{path}: is there already and is left as it is; give another path with '
                         '--out, or --force to replace it') from None
    finally:
        partial.unlink(missing_ok=True)
