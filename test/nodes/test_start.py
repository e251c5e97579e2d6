"""An executable answers Ctrl-C from its first moment on."""

from __future__ import annotations

from importlib import import_module
import subprocess
import sys

from physical_ai_bridge.nodes import start
import pytest

NAMES = ('policy_node', 'safety_supervisor', 'mujoco_cell', 'bring_up', 'episodes')


@pytest.mark.parametrize('name', NAMES)
def test_it_leads_to_the_main_of_its_module(name):
    pytest.importorskip('rclpy')
    assert callable(getattr(start, name))
    assert callable(import_module(f'physical_ai_bridge.nodes.{name}').main)


def test_nothing_that_takes_time_is_loaded_before_the_signals_are_seen_to():
    loaded = subprocess.run(
        [sys.executable, '-c', 'import sys, physical_ai_bridge.nodes.start; '
         'print(*{name.partition(".")[0] for name in sys.modules})'],
        capture_output=True, text=True, check=True).stdout.split()
    assert not {'rclpy', 'numpy', 'pydantic'} & set(loaded)


def test_ctrl_c_while_it_loads_ends_it_without_a_word():
    """The module that is loaded here sends the signal itself, before it comes to its main."""
    code = (
        'import os, signal, sys, types\n'
        'from physical_ai_bridge.nodes import start\n'
        'class Loading:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        if name.endswith("policy_node"):\n'
        '            os.kill(os.getpid(), signal.SIGINT)\n'
        'sys.meta_path.insert(0, Loading())\n'
        'start.policy_node()\n')
    ended = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                           check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '', '')
