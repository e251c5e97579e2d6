"""What a recording holds comes back as a run: the same figures as before it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from physical_ai_bridge.bags.writer import RecordingWriter
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.evaluation.load import (
    DIAGNOSTICS,
    EPISODE,
    load_run,
    PROPOSALS,
    SUPERVISOR_STATE,
)
from physical_ai_bridge.evaluation.metrics import measure
from physical_ai_bridge.evaluation.run import Run
from physical_ai_bridge.evaluation.video import write_video
from physical_ai_bridge.runtime.cdr import encode_joint_trajectory
import pytest
from rosbags.typesys import get_typestore, Stores

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
STATUS, ARRAY = 'diagnostic_msgs/msg/DiagnosticStatus', 'diagnostic_msgs/msg/DiagnosticArray'
JOINTS, WRENCH = 'sensor_msgs/msg/JointState', 'geometry_msgs/msg/WrenchStamped'
TRAJECTORY, IMAGE = 'trajectory_msgs/msg/JointTrajectory', 'sensor_msgs/msg/Image'

Put = Callable[[str, str, int, bytes], object]


def header(stamp_ns: int) -> object:
    time = TYPES['builtin_interfaces/msg/Time'](*divmod(stamp_ns, NS_PER_S))
    return TYPES['std_msgs/msg/Header'](time, '')


def status(name: str, values: dict[str, object]) -> object:
    pairs = [TYPES['diagnostic_msgs/msg/KeyValue'](key, str(value))
             for key, value in values.items()]
    return TYPES[STATUS](0, name, '', '', pairs)


def cdr(message: object, kind: str) -> bytes:
    return bytes(STORE.serialize_cdr(message, kind))


def put_sensors(run: Run, put: Put, every: int) -> None:
    """Write joints, in another order and with one joint more, and forces along x."""
    names = [*reversed(run.cell.robot.joints), 'gripper']
    wrench = run.wrenches['wrist']
    vector, zero = TYPES['geometry_msgs/msg/Vector3'], TYPES['geometry_msgs/msg/Vector3'](0, 0, 0)
    for index in range(0, len(run.joints.stamps_ns), every):
        stamp = int(run.joints.stamps_ns[index])
        put(run.cell.sensors.joint_states.topic, JOINTS, stamp, cdr(TYPES[JOINTS](
            header(stamp), names, np.append(run.joints.position[index, ::-1], 9.0),
            np.append(run.joints.velocity[index, ::-1], 9.0), np.zeros(0)), JOINTS))
        force = vector(float(wrench.force_n[index]), 0.0, 0.0)
        put(run.cell.sensors.wrenches['wrist'].topic, WRENCH, stamp, cdr(TYPES[WRENCH](
            header(stamp), TYPES['geometry_msgs/msg/Wrench'](force, zero)), WRENCH))


def put_decisions(run: Run, put: Put) -> None:
    for proposal in run.proposals:
        put(PROPOSALS, TRAJECTORY, proposal.received_ns, cdr(
            TYPES[TRAJECTORY](header(proposal.stamp_ns), [], []), TRAJECTORY))
    for command in run.commands:
        put(run.cell.controller.topic, TRAJECTORY, command.received_ns,
            encode_joint_trajectory(command.trajectory))
    for change in run.modes:
        # Twice, as the supervisor says it again once a second.
        for late_ns in (1_000_000, 400_000):
            put(SUPERVISOR_STATE, STATUS, change.stamp_ns + late_ns, cdr(status('supervisor', {
                'mode': change.mode, 'reason': change.reason, 'stamp_ns': change.stamp_ns,
            }), STATUS))
    for episode in run.episodes:
        figures = run.diagnostics['/policy_node'].told[episode.number - 1][1]
        put(DIAGNOSTICS, ARRAY, episode.end_ns, cdr(TYPES[ARRAY](
            header(episode.end_ns), [status('/policy_node', figures)]), ARRAY))
        for now_ns, done in ((episode.start_ns, False), (episode.end_ns, True)):
            put(EPISODE, STATUS, now_ns, cdr(status('episode', {
                'index': episode.number - 1, 'seed': episode.seed,
                'elapsed_s': (now_ns - episode.start_ns) / NS_PER_S,
                'done': str(done).lower(), 'success': str(done and episode.success).lower(),
                'peak_force_n': 11.5, 'limits_worst_share': 0.5, 'limits_exceeded': '',
            }), STATUS))


def put_images(run: Run, put: Put) -> None:
    episode = run.episodes[0]
    for name, camera in run.cell.sensors.cameras.items():
        for stamp in range(episode.start_ns, episode.end_ns, NS_PER_S // 5):
            pixels = np.full(camera.width * camera.height * 3, 200 if name == 'wrist' else 90,
                             np.uint8)
            put(camera.topic, IMAGE, stamp, cdr(TYPES[IMAGE](
                header(stamp), camera.height, camera.width, 'rgb8', 0, camera.width * 3, pixels),
                IMAGE))


def record(run: Run, folder: Path, every: int = 5) -> Path:
    path = folder / 'recording'
    with RecordingWriter(path, notes=run.notes) as writer:
        messages: list[tuple[int, int, str, str, bytes]] = []

        def put(topic: str, kind: str, stamp_ns: int, data: bytes) -> None:
            messages.append((stamp_ns, len(messages), topic, kind, data))

        put_sensors(run, put, every)
        put_decisions(run, put)
        put_images(run, put)
        for stamp_ns, _, topic, kind, data in sorted(messages):
            assert writer.put(topic, kind, stamp_ns, data)
    return path


@pytest.fixture(scope='module')
def truth(made_up: Callable[..., Run]) -> Run:
    """Return a made-up run of two episodes, one of which fails."""
    return made_up(episodes=2, failing=(2,))


@pytest.fixture(scope='module')
def recording(truth: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that run as a recording."""
    return record(truth, tmp_path_factory.mktemp('run'))


def test_the_figures_are_those_of_the_run_that_was_recorded(
        truth: Run, recording: Path, cell: Cell) -> None:
    back, known = measure(load_run(recording, cell)), measure(truth)
    for key in ('latency_ms', 'supervisor', 'notes', 'diagnostics'):
        assert back[key] == known[key], key
    for mine, its in zip(back['episodes']['each'], known['episodes']['each'], strict=True):
        assert (mine['seed'], mine['success']) == (its['seed'], its['success'])
        assert mine['duration_s'] == pytest.approx(its['duration_s'])
        assert mine['peak_force_n'] == pytest.approx(its['peak_force_n'], abs=0.02)
    for joint, shares in known['limits']['joints'].items():
        assert back['limits']['joints'][joint] == pytest.approx(shares, rel=0.02, abs=1e-6)


def test_joints_are_sorted_into_the_cells_order(
        truth: Run, recording: Path, cell: Cell) -> None:
    back = load_run(recording, cell)
    assert back.joints.position == pytest.approx(truth.joints.position[::5])
    assert back.joints.velocity == pytest.approx(truth.joints.velocity[::5])


def test_what_does_not_decode_is_counted_and_left_out(
        truth: Run, cell: Cell, tmp_path: Path) -> None:
    path = tmp_path / 'recording'
    with RecordingWriter(path) as writer:
        put_sensors(truth, writer.put, 500)
        writer.put(cell.sensors.joint_states.topic, JOINTS, 0, b'\0\1\0\0\7')
        writer.put(EPISODE, STATUS, 0, cdr(status('episode', {}), STATUS))
    back = load_run(path, cell)
    assert back.notes['undecodable'] == f'{cell.sensors.joint_states.topic} 1, {EPISODE} 1'
    assert len(back.joints.stamps_ns) == len(truth.joints.stamps_ns[::500])


def test_a_reset_that_nobody_acted_on_is_no_episode(cell: Cell, tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'recording') as writer:
        writer.put(EPISODE, STATUS, 10, cdr(status('episode', {
            'index': 0, 'seed': 1, 'elapsed_s': 0.0, 'done': 'false', 'success': 'false',
            'peak_force_n': 0.0, 'limits_worst_share': 0.0}), STATUS))
    assert load_run(tmp_path / 'recording', cell).episodes == ()


def test_a_film_of_a_real_cell_shows_its_camera(
        truth: Run, recording: Path, cell: Cell, tmp_path: Path) -> None:
    cv2 = pytest.importorskip('cv2')
    from dataclasses import replace
    back = load_run(recording, cell)
    real = replace(back, episodes=tuple(replace(e, seed=None) for e in back.episodes))
    told: list[tuple[int, int]] = []
    film = write_video(real, recording, tmp_path / 'video.webm', seconds=1.0,
                       advance=lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] == len(told)
    frames = cv2.VideoCapture(str(film))
    ok, picture = frames.read()
    assert ok and picture.shape == (480, 640, 3)
    assert abs(int(picture[300, 200].mean()) - 90) < 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ['video.webm']


def test_what_is_wrong_with_the_recording_is_in_the_notes(
        truth: Run, cell: Cell, tmp_path: Path) -> None:
    path = record(truth, tmp_path)
    (file,) = path.glob('*.mcap')
    data = file.read_bytes()
    file.write_bytes(data[:len(data) // 2])
    assert 'the file ends too early' in load_run(path, cell).notes['problems']
