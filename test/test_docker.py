"""The Dockerfile, which is not built here, is held against the tree that it copies."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / 'docker'
INSTRUCTIONS = re.findall(
    r'^([A-Z]+) (.+)$',
    re.sub(r'\\\n\s*', '', (DOCKER / 'Dockerfile').read_text(encoding='utf-8')), re.MULTILINE)


def arguments(instruction: str) -> list[str]:
    """Return what stands behind each instruction of a kind."""
    return [text for name, text in INSTRUCTIONS if name == instruction]


def test_it_runs_as_somebody_who_is_not_root():
    default = dict(text.split('=') for text in arguments('ARG'))
    user = re.sub(r'\$\{(\w+)\}', lambda name: default[name[1]], arguments('USER')[-1])
    assert int(user) > 0


def test_its_extras_are_those_of_setup_py_and_bring_no_ros():
    pytest.importorskip('setuptools')
    from distutils.core import run_setup
    extras = run_setup(str(ROOT / 'setup.py'), stop_after='init').extras_require
    default = dict(text.split('=') for text in arguments('ARG'))['EXTRAS'].split(',')
    assert set(default) <= set(extras) - {'kilted', 'jazzy'}


def test_what_it_copies_is_there_and_not_left_out():
    patterns = [line for line in (DOCKER / 'Dockerfile.dockerignore').read_text(
        encoding='utf-8').splitlines() if line and not line.startswith('#')]
    copied = [text.split()[-2] for text in arguments('COPY')]
    needed = ['setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'resource', 'launch',
              'config', 'physical_ai_bridge', *copied]
    for name in needed:
        assert (ROOT / name).exists()
        assert not any(fnmatch(name, pattern) for pattern in patterns), name


def test_it_ends_in_its_entrypoint_which_hands_over_to_the_command():
    assert '/opt/physical_ai_bridge/entrypoint' in arguments('ENTRYPOINT')[-1]
    assert (DOCKER / 'entrypoint').read_text(encoding='utf-8').rstrip().endswith('exec "$@"')
