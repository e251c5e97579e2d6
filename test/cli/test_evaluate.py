"""``evaluate``, typed as its user types it, on recordings of the simulated cell."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
import json
import os
from pathlib import Path
import shutil

from physical_ai_bridge.cli.evaluate import named
from physical_ai_bridge.cli.main import main
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell, parse_cell, urdf_path
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.teacher_file import teacher_at
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.open_policy import open_policy
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.bags import write_bag, write_messages
from physical_ai_bridge.testing.lockstep_bag import RecordingCell
from physical_ai_bridge.testing.models import write_linear_bundle
from physical_ai_bridge.testing.teacher_server import answers_of, TeacherServer
import pytest

pytest.importorskip('mujoco')
pytest.importorskip('plotly')
pytest.importorskip('websockets')

CONFIG = Path(str(resources.files('physical_ai_bridge') / 'config'))
CELL, BUNDLE = CONFIG / 'cells' / 'mujoco_ur5e.yaml', CONFIG / 'bundles' / 'ur5e_insertion'
CAMERA = '/wrist_camera/image_raw'


@pytest.fixture(scope='module')
def bags(tmp_path_factory) -> Path:
    """Return a folder with recordings of two episodes, one with a gap in a camera."""
    from physical_ai_bridge.simulation import MujocoCell
    folder = tmp_path_factory.mktemp('bags')
    cell, bundle = load_cell(CELL), load_bundle(BUNDLE)
    binding = bind(cell, bundle.manifest, bundle_digest=bundle.digest)
    robot = RobotModel.from_urdf(urdf_path(cell, CELL).read_text('utf-8'), cell)
    policy, simulated = OnnxPolicy(bundle, providers=['cpu']), MujocoCell(cell)
    for seed in (3, 4):
        simulated.reset(seed)
        recording = RecordingCell(simulated, cell)
        lockstep = Lockstep(binding, policy, recording, robot=robot,
                            latency_ns=lambda: seconds_to_ns(0.04))
        while not simulated.episode.done:
            lockstep.cycle()
        messages, begin_ns = recording.messages, recording.messages[0].stamp_ns
        if seed == 4:
            messages = [m for m in messages if not (
                m.topic == CAMERA and 1.0 < (m.stamp_ns - begin_ns) * 1e-9 < 1.3)]
        write_messages(folder / f'run_{seed}', messages, compression='zstd')
    simulated.close()
    return folder


@pytest.fixture(scope='module')
def off_bundle(tmp_path_factory) -> Path:
    """Return a bundle of the student's interface that stands still, a little off."""
    folder = tmp_path_factory.mktemp('off') / 'bundle'
    manifest = load_bundle(BUNDLE).manifest
    write_linear_bundle(folder, manifest, offset_rad=0.05)
    return folder


def evaluate(capsys, *args, bundle=BUNDLE, cell=CELL) -> tuple[int, dict]:
    """Return the exit status, and what --json says ({} where it says nothing)."""
    status = main(['evaluate', *map(str, args), '--cell', str(cell), '--bundle', str(bundle),
                   '--json'])
    text = capsys.readouterr().out
    return status, json.loads(text) if text else {}


def test_the_same_recordings_give_the_same_bytes_whatever_the_number_of_workers(
        bags, tmp_path, capsys):
    for out, jobs in (('one', 1), ('two', 2)):
        status, said = evaluate(capsys, bags, '--out', tmp_path / out, '--jobs', jobs)
        assert (status, said['ok']) == (0, True)
    texts = {(tmp_path / out / 'metrics.json').read_bytes() for out in ('one', 'two')}
    assert len(texts) == 1
    metrics = json.loads(texts.pop())
    assert [bag['bag'] for bag in metrics['bags']] == ['run_3', 'run_4']
    assert (tmp_path / 'one' / 'report.html').stat().st_size > 1_000_000


def test_a_planted_gap_is_in_the_metrics_and_on_the_page_by_name(bags, tmp_path, capsys):
    _, said = evaluate(capsys, bags / 'run_4', '--out', tmp_path / 'out')
    (bag,) = said['metrics']['bags']
    assert [(each['code'], each['where']) for each in bag['findings']] == [('STREAM_GAP', CAMERA)]
    page = (tmp_path / 'out' / 'report.html').read_text('utf-8')
    assert 'STREAM_GAP' in page
    assert CAMERA in page


def test_what_was_judged_already_is_not_judged_again(bags, tmp_path, capsys):
    out = tmp_path / 'out'
    evaluate(capsys, bags / 'run_3', '--out', out)
    (kept,) = (out / 'bags').iterdir()
    before = kept.stat().st_mtime_ns
    first = (out / 'metrics.json').read_bytes()
    status, _ = evaluate(capsys, bags / 'run_3', '--out', out)
    assert (status, kept.stat().st_mtime_ns) == (0, before)
    assert (out / 'metrics.json').read_bytes() == first
    evaluate(capsys, bags / 'run_3', '--out', out, '--latency-s', '0.05')
    assert kept.stat().st_mtime_ns != before


def test_what_was_judged_of_another_urdf_is_judged_again(bags, tmp_path, capsys):
    out, urdf = tmp_path / 'out', tmp_path / 'robot.urdf'
    urdf.write_bytes(urdf_path(load_cell(CELL), CELL).read_bytes())
    evaluate(capsys, bags / 'run_3', '--out', out, '--urdf', urdf)
    (kept,) = (out / 'bags').iterdir()
    before = kept.stat().st_mtime_ns
    evaluate(capsys, bags / 'run_3', '--out', out)
    assert kept.stat().st_mtime_ns == before  # the same text, wherever it stands
    urdf.write_text(urdf.read_text('utf-8') + '<!-- another -->')
    evaluate(capsys, bags / 'run_3', '--out', out, '--urdf', urdf)
    assert kept.stat().st_mtime_ns != before


def test_a_recording_whose_name_is_no_utf8_is_judged_too(bags, tmp_path, capsys):
    odd = tmp_path / os.fsdecode(b'night-\xff')
    shutil.copytree(bags / 'run_3', odd)
    status, said = evaluate(capsys, odd, '--out', tmp_path / 'out')
    assert (status, said['ok']) == (0, True)
    assert json.loads((tmp_path / 'out' / 'metrics.json').read_text('utf-8'))['bags']


def test_a_gate_that_is_missed_is_exit_status_1_with_a_list(bags, tmp_path, capsys):
    gate = tmp_path / 'gate.yaml'
    gate.write_text('schema: 1\nthresholds:\n'
                    '  overall.action_error.rad.rmse: {max: 0.000001}\n'
                    '  findings.NOT_FINITE: {max: 0}\n')
    status, said = evaluate(capsys, bags / 'run_3', '--out', tmp_path / 'out', '--gate', gate)
    assert (status, said['ok']) == (1, False)
    assert len(said['reasons']) == 1
    assert 'overall.action_error.rad.rmse' in said['reasons'][0]


def test_a_mistake_in_a_gate_is_told_before_anything_runs(bags, tmp_path, capsys):
    gate = tmp_path / 'gate.yaml'
    gate.write_text('schema: 1\nthresholds:\n  overall.action_eror.rad.rmse: {max: 1}\n')
    status = main(['evaluate', str(bags), '--cell', str(CELL), '--bundle', str(BUNDLE),
                   '--gate', str(gate), '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().err
    assert status != 0
    assert 'action_error' in said
    assert not (tmp_path / 'out').exists()


def test_a_baseline_is_judged_on_the_same_recordings(bags, off_bundle, tmp_path, capsys):
    status, said = evaluate(
        capsys, bags, '--baseline', off_bundle, '--out', tmp_path / 'out')
    assert status == 0
    comparison = said['metrics']['comparison']
    error = comparison['quantities']['action_rmse_rad']
    assert error['candidate'] < error['baseline']
    # Two episodes are too few to be sure of anything.
    assert (error['pairs'], comparison['verdict']) == (2, 'cannot tell')


@pytest.mark.parametrize('by_address', [True, False])
def test_a_student_is_judged_against_its_teacher(bags, tmp_path, capsys, by_address):
    student = open_policy(BUNDLE)
    teacher = teacher_at('ws://localhost:1', student.manifest)
    with TeacherServer(answers_of(student.policy, teacher)) as server:
        other = server.url
        if not by_address:
            other = tmp_path / 'teacher.yaml'
            other.write_text(f'schema: 1\nname: ours\nendpoint: {server.url}\nlike: {BUNDLE}\n'
                             'keys:\n' + ''.join(
                                 f'  {ours}: {theirs}\n' for ours, theirs in teacher.keys.items()))
        status, said = evaluate(
            capsys, bags / 'run_3', '--baseline', other, '--out', tmp_path / 'out')
    assert (status, said['ok']) == (0, True)
    comparison = said['metrics']['comparison']
    assert comparison['baseline']['kind'] == 'teacher'
    assert comparison['quantities']['action_rmse_rad']['difference'] == 0.0
    assert comparison['verdict'] == 'cannot tell'


def test_a_teacher_that_nobody_reaches_is_told_before_anything_runs(bags, tmp_path, capsys):
    status = main(['evaluate', str(bags), '--cell', str(CELL), '--bundle', str(BUNDLE),
                   '--baseline', 'ws://localhost:1', '--out', str(tmp_path / 'out')])
    assert status == 1
    assert 'localhost:1' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_bundle_of_another_robot_is_refused_before_anything_runs(bags, tmp_path, capsys):
    manifest = load_bundle(BUNDLE).manifest
    other = tmp_path / 'bundle'
    write_linear_bundle(other, replace(
        manifest, joints=tuple(f'panda_{name}' for name in manifest.joints)))
    status = main(['evaluate', str(bags), '--cell', str(CELL), '--bundle', str(other),
                   '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().err
    assert status == 1
    assert 'panda_' in said and 'Traceback' not in said
    assert not (tmp_path / 'out').exists()


def test_a_recording_of_another_robot_is_refused_and_the_others_are_judged(
        bags, tmp_path, capsys):
    text = CELL.read_text('utf-8').replace('../robots/', f'{CONFIG / "robots"}/')
    for joint in load_cell(CELL).robot.joints:
        text = text.replace(f'{joint}', f'panda_{joint}')
    other = parse_cell(text, 'panda.yaml')
    write_bag(tmp_path / 'other', other, duration_s=1.0)
    status, said = evaluate(
        capsys, bags / 'run_3', tmp_path / 'other', '--out', tmp_path / 'out')
    assert (status, said['ok']) == (1, False)
    good, bad = said['metrics']['bags']
    assert (good['status'], bad['status']) == ('evaluated', 'failed')
    assert bad['findings'][0]['code'] == 'ROBOT_DIFFERENT'
    assert 'panda_' in bad['failure']


def test_a_recording_that_was_cut_is_judged_as_far_as_it_goes(bags, tmp_path, capsys):
    whole = next((bags / 'run_3').glob('*.mcap')).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(whole[:len(whole) // 2])
    status, said = evaluate(capsys, cut, '--out', tmp_path / 'out')
    (bag,) = said['metrics']['bags']
    assert (status, bag['status']) == (0, 'partly')
    assert bag['findings'][0]['code'] == 'BAG_DAMAGED'
    assert bag['policy']['inferences'] > 5


def test_nothing_that_could_be_evaluated_does_not_pass(bags, tmp_path, capsys):
    (tmp_path / 'noise.mcap').write_bytes(b'no recording at all')
    status, said = evaluate(capsys, tmp_path / 'noise.mcap', '--out', tmp_path / 'out')
    assert (status, said['ok']) == (1, False)


def test_a_folder_without_a_recording_is_told_in_a_sentence(tmp_path, capsys):
    status = main(['evaluate', str(tmp_path), '--cell', str(CELL), '--bundle', str(BUNDLE)])
    assert status == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_recordings_of_one_name_are_told_apart_by_their_folders():
    found = named((Path('/a/monday/run'), Path('/a/tuesday/run'), Path('/a/other')))
    assert [name for name, _ in found] == ['monday/run', 'tuesday/run', 'other']
