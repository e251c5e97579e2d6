"""``record`` runs ``ros2 bag record`` where that is installed; here, a stand-in that tells all."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import threading

from physical_ai_bridge.cli import main
from physical_ai_bridge.cli.record_rosbag2 import bag_record_arguments
from physical_ai_bridge.testing.bags import write_bag
from physical_ai_bridge.testing.contracts import example_cell
import pytest
import yaml

pytest.importorskip('sensor_msgs.msg')

ROOT = Path(__file__).parents[2]
CELL = ROOT / 'config' / 'cells' / 'mujoco_ur5e.yaml'
STAND_IN = """#!{python} -S
import json, os, pathlib, shutil, signal, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
qos = pathlib.Path(words[words.index('--qos-profile-overrides-path') + 1])
signals = []
def end(number, frame):
    signals.append(number)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
told = {{'words': words, 'qos': qos.read_text(), 'group': os.getpgid(0) == os.getppid()}}
print('ready', flush=True)  # on the error stream of the verb
status = int((here / 'status').read_text())
while not signals and status >= 0:
    signal.pause()
told['signals'] = signals
(here / 'told.json').write_text(json.dumps(told))
if (here / 'bag').exists():
    shutil.copytree(here / 'bag', words[words.index('--output') + 1])
sys.exit(abs(status))
"""


@pytest.fixture
def fake_ros2(tmp_path):
    """Return a folder for PATH with a `ros2` that leaves a bag behind, and a ros2bag module."""
    folder = tmp_path / 'fake'
    (folder / 'ros2bag').mkdir(parents=True)
    (folder / 'ros2bag' / '__init__.py').write_text('')
    (folder / 'status').write_text('0')
    (folder / 'ros2').write_text(STAND_IN.format(python=sys.executable))
    (folder / 'ros2').chmod(0o755)
    write_bag(folder / 'bag', example_cell(), duration_s=0.01, cameras='none')
    return folder


def start(fake: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-m', 'physical_ai_bridge.cli', 'record', '--json', '--cell', str(CELL),
         '--out', str(out), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {'PATH': f'{fake}{os.pathsep}{os.environ["PATH"]}',
                          'PYTHONPATH': f'{ROOT}{os.pathsep}{fake}'})


def record(fake: Path, out: Path, *numbers: int) -> tuple[int, str, str]:
    """Run the verb until the stand-in is ready, send signals, and return how it ended."""
    process = start(fake, out)
    guard = threading.Timer(60, process.kill)
    guard.start()
    said = ''
    while not said.endswith('ready\n'):
        line = process.stderr.readline()
        assert line, said
        said += line
    for number in numbers:
        process.send_signal(number)
    said, error = process.communicate()
    guard.cancel()
    return process.returncode, said, error


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_rosbag2_records_the_same_topics_and_is_ended_by_sigint(fake_ros2, number, tmp_path):
    status, said, _ = record(fake_ros2, tmp_path / 'out', number)
    told = json.loads((fake_ros2 / 'told.json').read_text())
    words = told['words']
    assert words[:6] == ['bag', 'record', '--storage', 'mcap', '--output', str(tmp_path / 'out')]
    topics = words[words.index('--topics') + 1:]
    assert {'/joint_states', '/scene_camera/image_raw', '/emergency_stop',
            '/proposed_trajectory', '/diagnostics'} <= set(topics)
    assert 'cell=mujoco_ur5e' in words
    overrides = yaml.safe_load(told['qos'])
    assert set(overrides) == set(topics)
    assert overrides['/joint_states'] == {
        'history': 'keep_last', 'depth': 512, 'reliability': 'best_effort',
        'durability': 'volatile'}
    assert told['signals'] == [signal.SIGINT]
    assert not told['group']
    assert status == 0
    result = json.loads(said)
    assert result['writer'] == 'rosbag2'
    assert result['written'] == {'/joint_states': 5, '/force_torque_sensor/wrench': 5}


def test_the_status_of_rosbag2_counts(fake_ros2, tmp_path):
    (fake_ros2 / 'status').write_text('3')
    status, _, error = record(fake_ros2, tmp_path / 'out', signal.SIGINT)
    assert status == 1
    assert 'ros2 bag record has ended with status 3' in error


def test_an_end_that_nobody_asked_for_is_an_error(fake_ros2, tmp_path):
    (fake_ros2 / 'status').write_text('-4')
    status, _, error = record(fake_ros2, tmp_path / 'out')
    assert status == 1
    assert 'ended by itself, with status 4' in error


def test_an_end_without_a_recording_is_an_error(fake_ros2, tmp_path):
    shutil.rmtree(fake_ros2 / 'bag')
    status, _, error = record(fake_ros2, tmp_path / 'out', signal.SIGINT)
    assert status == 1
    assert 'without a recording' in error


def test_rosbag2_that_is_not_there_is_missed_only_where_it_was_asked_for(
        monkeypatch, tmp_path, capsys):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert main(['record', '--cell', str(CELL), '--out', str(tmp_path / 'out'),
                 '--writer', 'rosbag2']) == 1
    assert 'no `ros2` is on PATH' in capsys.readouterr().err


def test_rosbag2_cannot_rename_what_a_namespace_has_moved(tmp_path, capsys):
    assert main(['record', '--cell', str(CELL), '--out', str(tmp_path / 'out'),
                 '--writer', 'rosbag2', '--namespace', '/left']) == 1
    assert 'those in /left' in capsys.readouterr().err


def test_a_note_that_rosbag2_would_cut_off_is_left_out():
    words = bag_record_arguments(['/a'], Path('out'), {'a': 'b', 'c': 'd=e'}, Path('qos.yaml'))
    assert words[words.index('--custom-data') + 1:] == ['a=b', '--topics', '/a']
