"""What setup.py says that there is to be launched."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def executables() -> set[str]:
    """Return the names of the executables that setup.py declares."""
    pytest.importorskip('setuptools')
    from distutils.core import run_setup

    declared = run_setup(str(ROOT / 'setup.py'), stop_after='init')
    return {line.partition(' = ')[0] for line in declared.entry_points['console_scripts']}
