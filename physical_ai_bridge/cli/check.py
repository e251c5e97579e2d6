"""
``check``: bind a bundle to a cell and list every mismatch at once.

With ``--live`` the running cell is held against its file, too.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
import sys
from typing import Any

from physical_ai_bridge.cli.check_live import add_live_arguments, check_live, lacks_live
from physical_ai_bridge.cli.output import as_values, Output
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle import (
    Bundle,
    compare_tensors,
    input_tensors,
    Manifest,
    output_tensors,
)
from physical_ai_bridge.contract.bundle_file import load_bundle, load_manifest, MANIFEST
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import (
    cell_digest,
    load_cell,
    ROBOT_DESCRIPTION,
    urdf_path,
)
from physical_ai_bridge.contract.errors import ContractError, Problem, SetupError
from physical_ai_bridge.contract.notices import notices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.add_argument('--cell', type=Path, required=True, metavar='FILE',
                        help='the cell file: sensors, controller, limits')
    parser.add_argument('--bundle', type=Path, metavar='FOLDER',
                        help='the bundle: manifest.json and model.onnx; without it the cell '
                        'alone is checked')
    add_live_arguments(parser)


@dataclass(slots=True)
class _Report:
    """The checks as they are made; what was skipped counts as not passed, but says nothing."""

    out: Output
    checks: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, name: str, text: str, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems += problems
        self.checks.append({'name': name, 'ok': not problems})
        if problems:
            count = '1 problem' if len(problems) == 1 else f'{len(problems)} problems'
            self.out.failed(name, count)
            for problem in problems:
                self.out.say(f'       - {problem}')
        else:
            self.out.passed(name, text)

    def skip(self, name: str, why: str) -> None:
        self.checks.append({'name': name, 'ok': None})
        self.out.skipped(name, f'not checked: {why}')


def run(args: argparse.Namespace, out: Output) -> int:
    """Check; return 0 if the bundle fits the cell, and the cell its file, 1 if they do not."""
    alone = lacks_live(args)
    if alone is not None:
        sys.stderr.write(f'physical_ai_bridge check: {alone} goes with --live; add it\n')
        return 2
    report = _Report(out)
    cell = _check_cell(args.cell, report)
    answer: dict[str, Any]
    manifest, answer = None, {'cell': {
        'path': str(args.cell), 'name': cell and cell.name,
        'sha256': cell and cell_digest(args.cell)}}
    if args.bundle is not None:
        bundle, manifest = _check_with_bundle(cell, args, report)
        answer['bundle'] = {'path': str(args.bundle), 'name': manifest and manifest.name,
                            'sha256': bundle and bundle.digest}
    told = () if cell is None else notices(cell)
    for notice in told:
        out.noted('cell', notice)
    fits = not report.problems
    _conclude(report, args, out)
    if args.live:
        live_fits, answer['live'] = _check_live(cell, manifest, args, out)
        fits = fits and live_fits
    out.result({'ok': fits, **answer, 'checks': report.checks, 'notices': list(told),
                'problems': [as_values(problem) for problem in report.problems]})
    return 0 if fits else 1


def _check_live(
        cell: Cell | None, manifest: Manifest | None, args: argparse.Namespace, out: Output,
) -> tuple[bool, list[dict[str, str]]]:
    if cell is None:
        out.skipped('live', 'not checked: it needs a cell file without mistakes')
        return False, []
    return check_live(cell, manifest, args, out)


def _check_with_bundle(
        cell: Cell | None, args: argparse.Namespace, report: _Report,
) -> tuple[Bundle | None, Manifest | None]:
    bundle, manifest = _check_bundle(args.bundle, report)
    if cell is None or manifest is None:
        report.skip('binding', 'it needs both files without mistakes')
    else:
        _check_binding(cell, manifest, bundle, args, report)
    if bundle is None:
        report.skip('model', 'a model is only loaded once its bundle is verified')
    else:
        _check_model(bundle, report)
    return bundle, manifest


def _conclude(report: _Report, args: argparse.Namespace, out: Output) -> None:
    fine, wrong = (
        ('The bundle fits the cell.', 'The bundle cannot run on the cell') if args.bundle else
        ('The cell file is without mistakes; no bundle was checked.', 'The cell file is wrong'))
    if not report.problems:
        out.say(fine, style='bold green')
    else:
        count = len(report.problems)
        out.say(f'{wrong}: {count} {"thing" if count == 1 else "things"} to mend.',
                style='bold red')


def _check_cell(path: Path, report: _Report) -> Cell | None:
    try:
        cell = load_cell(path)
    except ContractError as error:
        report.add('cell', '', error.problems)
        return None
    sensors = cell.sensors
    report.add('cell', f'{cell.name}: {len(cell.robot.joints)} joints with all their limits, '
               f'cameras {_listed(sensors.cameras)}, wrench sensors {_listed(sensors.wrenches)}',
               ())
    return cell


def _check_bundle(folder: Path, report: _Report) -> tuple[Bundle | None, Manifest | None]:
    """Return the verified bundle and its manifest, which may be right where the files are not."""
    try:
        bundle = load_bundle(folder)
    except ContractError as error:
        report.add('bundle', '', error.problems)
        try:
            return None, load_manifest(folder)
        except ContractError:
            return None, None
    files = bundle.manifest.files
    size = sum(file.bytes for file in files.values())
    report.add('bundle', f'{bundle.manifest.name}: {len(files)} '
               f'{"file" if len(files) == 1 else "files"}, {size / 1e6:.1f} MB, every sha256 is '
               f'right; digest {bundle.digest[:12]}', ())
    return bundle, bundle.manifest


def _check_binding(
        cell: Cell, manifest: Manifest, bundle: Bundle | None, args: argparse.Namespace,
        report: _Report) -> None:
    try:
        binding = bind(cell, manifest, bundle_digest=bundle.digest if bundle else '',
                       cell_path=str(args.cell), manifest_path=str(args.bundle / MANIFEST))
    except ContractError as error:
        report.add('binding', '', error.problems)
        return
    report.add('binding', _described(binding), ())
    if manifest.action.kind == 'tcp_deltas':
        _check_kinematics(binding, args.cell, report)


def _check_kinematics(binding: Binding, cell_path: Path, report: _Report) -> None:
    from physical_ai_bridge.policy.actions import kinematics_for
    cell = binding.cell
    urdf = urdf_path(cell, cell_path)
    if urdf is None:
        report.skip('kinematics', f'the URDF comes from {ROBOT_DESCRIPTION}, which only a running '
                    'cell has; the policy node checks it when it is configured')
        return
    try:
        kinematics_for(binding, lambda: urdf.read_bytes().decode())
    except SetupError as error:
        found, _, write = str(error).partition('; ')
        report.add('kinematics', '', [Problem(str(cell_path), 'robot', found, write)])
    else:
        report.add('kinematics', f'{cell.robot.tcp_frame} can be led to a pose in '
                   f'{cell.robot.base_frame}', ())


def _described(binding: Binding) -> str:
    """Say what of the cell the policy will use, and how."""
    cell, manifest = binding.cell, binding.manifest
    same = manifest.joints == cell.robot.joints
    parts = [f'{len(manifest.joints)} joints' + ('' if same else ', reordered')]
    for name, image in manifest.observation.images.items():
        camera = cell.sensors.cameras[name]
        parts.append(f'camera {name} {camera.width}x{camera.height} {camera.encoding} to '
                     f'{image.width}x{image.height}x{image.channels}')
    parts += [f'wrench {name}' for name in manifest.observation.wrenches]
    if manifest.gripper is not None:
        parts.append(f'gripper {manifest.gripper.joint} in {manifest.gripper.unit}')
    parts.append(f'{manifest.action.horizon} rows of {_meaning(binding)} every '
                 f'{manifest.action.period_s:g} s at {manifest.rate_hz:g} Hz')
    if manifest.tasks:
        parts.append(f'{len(manifest.tasks)} '
                     f'{"instruction" if len(manifest.tasks) == 1 else "instructions"}')
    return '; '.join(parts)


def _meaning(binding: Binding) -> str:
    """Say what a row of actions is, with its units and frames."""
    action, robot = binding.manifest.action, binding.cell.robot
    frames = {'base': robot.base_frame, 'tcp': robot.tcp_frame}
    words = {
        'joint_positions': 'joint positions (rad)', 'joint_deltas': 'joint deltas (rad)',
        'joint_velocities': 'joint velocities (rad/s)',
        'tcp_deltas': f'tcp deltas (m in {frames.get(action.translation_frame)}, rad about the '
                      f'axes of {frames.get(action.rotation_frame)})'}
    since = {None: '', 'reference': ' from the reference', 'state': ' from the measured joints',
             'previous': ' from the row before'}
    return f'{words[action.kind]}{since[action.relative_to]}'


def _check_model(bundle: Bundle, report: _Report) -> None:
    from physical_ai_bridge.policy.onnx_policy import model_tensors
    manifest, path = bundle.manifest, bundle.model_path
    try:
        inputs, outputs = model_tensors(path)
    except ContractError as error:
        report.add('model', '', error.problems)
        return
    problems = compare_tensors(input_tensors(manifest), inputs, path, 'input')
    problems += compare_tensors(output_tensors(manifest), outputs, path, 'output')
    report.add('model', f'{len(inputs)} inputs and {len(outputs)} output as the manifest says',
               problems)


def _listed(names: dict[str, Any]) -> str:
    return ', '.join(names) or 'none'
