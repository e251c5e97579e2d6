"""The demo over real ROS 2: what it leaves behind, how it fails, and how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.cli.demo import need_ros
from physical_ai_bridge.cli.main import main
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.resources import config_path
import pytest

CELL = config_path('cells/mujoco_ur5e.yaml')


def test_without_ros_it_says_what_to_type() -> None:
    with pytest.raises(SetupError) as caught:
        need_ros('a_module_that_is_not_there')
    assert 'pip install "physical_ai_bridge[kilted]"' in str(caught.value)


@pytest.mark.parametrize('words', [
    ['--episodes', '0'], ['--episodes', 'ten'], ['--seed', '-1'], ['--wrong']])
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    assert main(['demo', *words]) == 2


def test_a_bundle_that_is_not_there_is_one_sentence(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['demo', '--bundle', str(tmp_path / 'none'), '--out', str(tmp_path / 'run')]) == 1
    assert str(tmp_path / 'none') in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle whose policy stays where it is."""
    pytest.importorskip('rclpy')
    pytest.importorskip('mujoco')
    pytest.importorskip('onnx')
    from physical_ai_bridge.distillation.config import insertion_manifest
    from physical_ai_bridge.testing.models import write_linear_bundle
    joints = load_cell(CELL).robot.joints
    write_linear_bundle(tmp_path / 'bundle', insertion_manifest('stays', joints))
    return tmp_path / 'bundle'


def demo(bundle: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-m', 'physical_ai_bridge.cli', 'demo', '--bundle', str(bundle),
         '--out', str(out), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONUNBUFFERED': '1'})


def nodes_of(out: Path) -> list[str]:
    """Return the processes that still run with this folder's parameters."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / 'cmdline').read_text()
            except OSError:
                continue
            if 'physical_ai_bridge.nodes.' in line and str(out) in line:
                found.append(line)
    return found


@pytest.mark.ros
def test_a_policy_that_stays_put_fails_and_everything_is_written_down(
        bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip('plotly')
    out = tmp_path / 'a run'
    with demo(bundle, out, '--episodes', '1', '--seed', '7', '--video', 'none',
              '--json') as process:
        text, errors = process.communicate()
    assert process.returncode == 1, errors
    answer = json.loads(text)
    assert any('0 of 1 episodes succeeded' in reason for reason in answer['reasons'])
    assert answer['metrics']['episodes']['each'][0]['seed'] == 7
    assert json.loads((out / 'metrics.json').read_text())['episodes']['count'] == 1
    assert (out / 'report.html').stat().st_size > 1_000_000
    cell = load_cell(CELL)
    with Recording(out / 'recording') as recording:
        topics = recording.topics
    assert topics[cell.sensors.joint_states.topic].count > 300
    assert topics[cell.sensors.cameras['wrist'].topic].count > 10
    assert topics[cell.controller.topic].count > 10
    assert nodes_of(out) == []


@pytest.mark.ros
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nobody_behind(
        number: signal.Signals, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / 'run'
    with demo(bundle, out, '--episodes', '5') as process:
        process.stdout.readline()
        process.send_signal(number)
        process.communicate()
    assert process.returncode == 130
    assert nodes_of(out) == []
    assert not (out / 'recording').exists()
    assert [path for path in out.iterdir() if path.name.endswith('.part')] == []
