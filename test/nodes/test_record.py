"""``record`` writes down what a cell says, in a namespace too, and over no other recording."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from physical_ai_bridge.cli import main
import pytest

pytest.importorskip('sensor_msgs.msg')

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]


def test_a_recording_has_the_names_of_the_cell_file_also_from_a_namespace(
        graph, cell_path, tmp_path):
    from physical_ai_bridge.bags.reader import Recording
    from physical_ai_bridge.nodes import qos
    from sensor_msgs.msg import JointState
    folder = tmp_path / 'recording'
    publisher = graph.node.create_publisher(JointState, '/left/joint_states', qos.sensor_stream())
    process = subprocess.Popen(
        [sys.executable, '-m', 'physical_ai_bridge.cli', 'record', '--json',
         '--cell', str(cell_path), '--out', str(folder), '--namespace', 'left'],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {'ROS_DOMAIN_ID': str(graph.context.get_domain_id())})
    message = JointState(name=['a'], position=[0.5], velocity=[0.0], effort=[0.0])
    graph.node.create_timer(0.05, lambda: publisher.publish(message))
    graph.wait(publisher.get_subscription_count, 'the recorder')
    told = graph.listen(JointState, '/left/joint_states', qos.sensor_stream())
    graph.wait(lambda: len(told.messages) >= 5, 'its own messages')
    process.send_signal(signal.SIGINT)
    graph.wait(lambda: process.poll() is not None, 'the end of the recorder')
    assert process.returncode == 0
    summary = json.loads(process.stdout.read())
    assert set(summary['written']) >= {'/joint_states'}
    assert not [topic for topic in summary['written'] if topic.startswith('/left/')]
    with Recording(folder) as recording:
        assert recording.notes['cell'] == 'mujoco_ur5e'


def test_a_folder_that_is_there_is_left_alone(cell_path, tmp_path, capsys):
    assert main(['record', '--cell', str(cell_path), '--out', str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f'{tmp_path}: something is there already; write another --out' in said
