"""``check``: bind a bundle to a cell and list every mismatch at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell
from physical_ai_bridge.contract.errors import ContractError, Problem
from physical_ai_bridge.contract.notices import notices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.add_argument('--cell', type=Path, required=True, metavar='FILE',
                        help='the cell file: sensors, controller, limits')
    parser.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                        help='the bundle: manifest.json and model.onnx')


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
    """Check; return 0 if the bundle fits the cell, 1 if it does not."""
    report = _Report(out)
    cell = _check_cell(args.cell, report)
    bundle, manifest = _check_bundle(args.bundle, report)
    if cell is None or manifest is None:
        report.skip('binding', 'it needs both files without mistakes')
    else:
        _check_binding(cell, manifest, bundle, args, report)
    if bundle is None:
        report.skip('model', 'a model is only loaded once its bundle is verified')
    else:
        _check_model(bundle, report)
    told = () if cell is None else notices(cell)
    for notice in told:
        out.noted('cell', notice)
    fits = not report.problems
    if fits:
        out.say('The bundle fits the cell.', style='bold green')
    else:
        count = len(report.problems)
        out.say(f'The bundle cannot run on the cell: {count} '
                f'{"thing" if count == 1 else "things"} to mend.', style='bold red')
    out.result({
        'ok': fits,
        'cell': {'path': str(args.cell), 'name': cell and cell.name,
                 'sha256': cell and cell_digest(args.cell)},
        'bundle': {'path': str(args.bundle), 'name': manifest and manifest.name,
                   'sha256': bundle and bundle.digest},
        'checks': report.checks,
        'notices': list(told),
        'problems': [as_values(problem) for problem in report.problems]})
    return 0 if fits else 1


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
    parts.append(f'{manifest.action.horizon} points every {manifest.action.period_s:g} s at '
                 f'{manifest.rate_hz:g} Hz')
    return '; '.join(parts)


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
