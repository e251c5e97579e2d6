"""What docs/bring_up.md tells people to type is there: verbs, options, parameters, files."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
import re
import shlex
import subprocess
import sys

from physical_ai_bridge.cli.main import VERBS
import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, JAPANESE = ROOT / 'docs' / 'bring_up.md', ROOT / 'docs' / 'bring_up.ja.md'
CONDUCT = 'python -m physical_ai_bridge.nodes.conduct '

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(ROOT / 'scripts'))
    walk = importlib.import_module('walk_bring_up')

SIMULATED = [line.text for line in walk.lines(ENGLISH, 'console')]
REAL = [line.text for line in walk.lines(ENGLISH, 'bash')]


def lines_with(start: str) -> list[str]:
    """Return the lines of the page that begin so, each once."""
    found = list(dict.fromkeys(
        line for line in (*SIMULATED, *REAL) if line.startswith(start)))
    assert found
    return found


def words(line: str) -> list[str]:
    """Return a line's words up to where its output goes."""
    return shlex.split(line.partition(' > ')[0])


def test_both_languages_say_the_same_lines():
    for language in ('console', 'bash'):
        assert list(walk.lines(ENGLISH, language)) == list(walk.lines(JAPANESE, language))


@pytest.mark.parametrize('line', lines_with('physical_ai_bridge '))
def test_a_verb_and_its_options_are_there(line):
    _, verb, *options = words(line.replace('$(', "'$(").replace('-n 1)', "-n 1)'"))
    assert verb in VERBS, f'docs/bring_up.md types the verb {verb}, which is not there'
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    importlib.import_module(VERBS[verb].module).add_arguments(parser)
    parser.parse_args(options)


@pytest.mark.parametrize('line', lines_with(CONDUCT))
def test_a_line_for_conduct_is_understood(line):
    pytest.importorskip('rclpy')
    from physical_ai_bridge.nodes.conduct import make_parser
    make_parser().parse_args(shlex.split(line.removeprefix(CONDUCT)))


@pytest.mark.parametrize('line', [
    line for name in ('mujoco_cell', 'safety_supervisor', 'policy_node')
    for line in lines_with(f'{name} ')])
def test_a_node_has_the_parameters_that_it_is_given(line):
    name, *rest = words(line)
    sources = [ROOT / 'physical_ai_bridge' / 'nodes' / f'{each}.py'
               for each in (name, 'cell_parameter', 'incidents')]
    declared = {parameter for source in sources for parameter in re.findall(
        r"declare\(\s*'(\w+)'", source.read_text(encoding='utf-8'))}
    given = re.findall(r'(\w+):=', ' '.join(rest))
    assert given
    assert set(given) <= declared


@pytest.mark.parametrize('line', lines_with('ros2 launch physical_ai_bridge '))
def test_a_launch_file_has_the_arguments_that_it_is_given(line):
    _, _, _, name, *arguments = words(line)
    source = (ROOT / 'launch' / name).read_text(encoding='utf-8')
    declared = set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", source))
    assert {argument.partition(':=')[0] for argument in arguments} <= declared


def test_every_file_that_is_named_is_there():
    named = {word for line in SIMULATED for word in words(line)
             if re.match(r'(config|scripts|docs|launch)/', word)}
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_steps_before_anything_runs_end_as_the_page_says(tmp_path):
    quick = re.compile(r'mkdir|cp |sed |[A-Z]+=\S+$|physical_ai_bridge (?!.*--live|replay)')
    steps = [line for line in walk.lines(ENGLISH, 'console') if quick.match(line.text)]
    assert len(steps) > 6
    (tmp_path / 'config').symlink_to(ROOT / 'config')
    script = '\n'.join(f'{{ {step.text}; }} >&2; echo $?' for step in steps)
    bin_folder = Path(sys.executable).parent
    ended = subprocess.run(
        ['bash', '-c', script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {'PATH': f'{bin_folder}{os.pathsep}{os.environ["PATH"]}'})
    assert [(step.text, int(status)) for step, status in zip(
        steps, ended.stdout.split(), strict=True)] == [
            (step.text, step.status) for step in steps], ended.stderr
