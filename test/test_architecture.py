"""What a room may load: the core stays small, and heavy libraries wait until they are needed."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'physical_ai_bridge'

# pinocchio brings these along.
PINOCCHIO = {'pinocchio', 'coal', 'hppfcl', 'eigenpy', 'cmeel'}
# What turns files into the contract's types, and may use pydantic and yaml for it.
LOADERS = {
    'physical_ai_bridge.contract.parsing',
    'physical_ai_bridge.contract.cell_file',
    'physical_ai_bridge.contract.bundle_file',
    'physical_ai_bridge.contract.teacher_file',
    'physical_ai_bridge.contract.yaml_file',
}

# Imports modules while everything that is neither the standard library's, nor ours, nor allowed is
# as good as not installed.
IMPORT_WITH_LITTLE = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in allowed:
            raise ModuleNotFoundError(f'No module named {name!r}: this room may not need it')

modules, allowed = (set(filter(None, argument.split(','))) for argument in sys.argv[1:])
allowed |= {'physical_ai_bridge'} | sys.stdlib_module_names
sys.meta_path.insert(0, NotInstalled())
for module in sorted(modules):
    __import__(module)
"""


def modules_of(room: str) -> set[str]:
    """Return the dotted names of all modules of a room."""
    return {
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        for path in (PACKAGE / room).rglob('*.py')
    }


def import_with_little(modules: set[str], allowed: set[str]) -> str:
    """Import modules in a fresh interpreter; return its complaint, '' when all is well."""
    finished = subprocess.run(
        [sys.executable, '-c', IMPORT_WITH_LITTLE, ','.join(modules), ','.join(allowed)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return finished.stderr if finished.returncode else ''


@pytest.mark.parametrize(
    ('room', 'allowed'),
    [
        ('contract', {'numpy'}),
        ('safety', {'numpy', 'ruckig'} | PINOCCHIO),
    ],
)
def test_the_core_imports_with_numpy_ruckig_and_pinocchio_alone(room, allowed):
    assert import_with_little(modules_of(room) - LOADERS, allowed) == ''


def test_a_room_that_needs_more_is_found_out():
    assert 'this room may not need it' in import_with_little(LOADERS, {'numpy'})


def test_the_command_line_loads_nothing_heavy_before_a_verb_runs():
    program = (
        'import sys, physical_ai_bridge.cli as cli\n'
        'heavy = {"rclpy", "torch", "onnxruntime", "mujoco", "pinocchio", "cv2", "plotly"}\n'
        'sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)\n'
    )
    finished = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr
