"""``ros2 policy`` has the verbs of the console script, and needs ros2cli for nothing else."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
import shutil
import subprocess

from physical_ai_bridge.cli.main import VERBS
import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = 'physical_ai_bridge.cli.ros2_policy'


@pytest.fixture(scope='module')
def declared() -> dict[str, dict[str, str]]:
    """Return the entry points that setup.py declares, by group."""
    pytest.importorskip('setuptools')
    from distutils.core import run_setup

    groups = run_setup(str(ROOT / 'setup.py'), stop_after='init').entry_points
    return {group: dict(line.split(' = ') for line in lines) for group, lines in groups.items()}


def test_there_is_one_command_for_ros2cli(declared):
    assert declared['ros2cli.command'] == {'policy': f'{PLUGIN}:PolicyCommand'}
    assert 'ros2policy.verb' in declared['ros2cli.extension_point']


def test_it_has_the_verbs_of_the_console_script(declared):
    assert set(declared['ros2policy.verb']) == set(VERBS)
    for verb, target in declared['ros2policy.verb'].items():
        assert target == f'{PLUGIN}:{verb.replace("-", "_")}'


def test_the_module_that_the_entry_points_name_is_there():
    assert find_spec(PLUGIN) is not None


def test_nothing_else_imports_ros2cli():
    for path in (ROOT / 'physical_ai_bridge').rglob('*.py'):
        imported = {node.module for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
                    if isinstance(node, ast.ImportFrom) and node.module}
        if any(name.startswith('ros2cli') for name in imported):
            assert path.stem == 'ros2_policy'


class TestBesideRos2cli:

    @pytest.fixture(autouse=True)
    def needs_ros2cli(self):
        pytest.importorskip('ros2cli', reason='ros2cli comes with ROS from apt, not from PyPI')

    @pytest.fixture
    def ros2(self):
        """Return a function that types ``ros2 policy ...``."""
        from ros2cli.entry_points import get_entry_points
        if shutil.which('ros2') is None or 'policy' not in get_entry_points('ros2cli.command'):
            pytest.skip('the package is not built; colcon build, and source the workspace')
        return lambda *words: subprocess.run(
            ['ros2', 'policy', *words], capture_output=True, text=True, check=False)

    @pytest.mark.parametrize('verb', sorted(VERBS))
    def test_every_entry_point_makes_a_verb_that_says_what_it_does(self, verb):
        from physical_ai_bridge.cli import ros2_policy
        assert getattr(ros2_policy, verb.replace('-', '_'))().__doc__ == VERBS[verb].description

    def test_what_is_no_verb_is_no_attribute(self):
        from physical_ai_bridge.cli import ros2_policy
        with pytest.raises(AttributeError):
            ros2_policy.fly  # noqa: B018

    def test_help_lists_the_verbs(self, ros2):
        listed = ros2('--help')
        assert listed.returncode == 0
        assert all(verb in listed.stdout for verb in VERBS)

    def test_a_verb_has_its_own_options_and_an_example(self, ros2):
        shown = ros2('check', '--help').stdout
        assert '--bundle FOLDER' in shown
        assert 'ros2 policy check --cell my_cell.yaml' in shown

    @pytest.mark.parametrize(('words', 'status'), [
        ([], 2), (['fly'], 2), (['check'], 2), (['check', '--cel', 'x', '--bundle', 'y'], 2),
        (['replay-incident', 'gone.zip'], 1)])
    def test_exit_statuses_are_those_of_the_console_script(self, ros2, words, status):
        assert ros2(*words).returncode == status

    def test_an_error_is_the_same_sentence(self, ros2):
        assert ros2('replay-incident', 'gone.zip').stderr == (
            'physical_ai_bridge: gone.zip: cannot be read: No such file or directory\n')
