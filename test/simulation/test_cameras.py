"""The cameras: what they send, when, and that they look at what matters."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from physical_ai_bridge.simulation import CameraRig, MujocoCell, render_video_frames
import pytest

MS = 1_000_000


def pixels(image) -> np.ndarray:
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)


@pytest.fixture(scope='module')
def rig(cell):
    rig = CameraRig(cell)
    yield rig
    rig.close()


def test_frames_are_as_the_cell_file_says(cell, rig, blind):
    frames = rig.render(blind.snapshot())
    assert set(frames) == set(cell.sensors.cameras)
    for name, camera in cell.sensors.cameras.items():
        frame = frames[name]
        assert (frame.height, frame.width, frame.step) == (
            camera.height, camera.width, 3 * camera.width)
        assert frame.encoding == camera.encoding
        assert len(frame.data) == frame.height * frame.step
        assert frame.stamp_ns == blind.now_ns
        assert not frame.compressed


def test_both_cameras_fire_at_their_rate_on_the_grid_of_the_steps(blind):
    start = blind.now_ns
    fired = [step.frame.stamp_ns - start
             for step in (blind.step() for _ in range(500)) if step.frame is not None]
    assert len(fired) == 15
    assert all(stamp % blind.step_ns == 0 for stamp in fired)
    wanted = np.arange(15) / 15 * 1e9
    assert ((np.array(fired) - wanted) >= 0).all()
    assert ((np.array(fired) - wanted) < blind.step_ns).all()


def test_a_batch_holds_only_the_newest_frame(cell):
    simulated = MujocoCell(cell)
    start = simulated.now_ns
    stamps = {image.stamp_ns for image in simulated.advance(500 * MS).images.values()}
    assert stamps == {start + 468 * MS}, 'one stamp for both: the first step after 7/15 s'
    assert simulated.advance(20 * MS).images == {}
    simulated.close()


def is_orange(image: np.ndarray) -> np.ndarray:
    r, g, b = (image[:, :, i].astype(int) for i in range(3))
    return (r > 110) & (r > g + 40) & (g > b + 20)


def is_teal(image: np.ndarray) -> np.ndarray:
    r, g, b = (image[:, :, i].astype(int) for i in range(3))
    return (b > r + 40) & (g > r + 30)


@pytest.mark.parametrize('seed', range(6))
def test_connector_and_socket_are_in_both_views(rig, blind, seed):
    blind.reset(seed)
    for frame in rig.render(blind.snapshot()).values():
        for seen in (is_orange(pixels(frame)), is_teal(pixels(frame))):
            assert seen.sum() > 100


def test_brightness_is_a_gain_on_the_pixels(cell, rig, blind):
    snapshot = blind.snapshot()
    dim = CameraRig(cell, brightness=0.7)
    plain = pixels(rig.render(snapshot)['scene']).astype(float)
    np.testing.assert_allclose(
        pixels(dim.render(snapshot)['scene']), 0.7 * plain, atol=0.51)
    dim.close()
    bright = CameraRig(cell, brightness=1.25)
    np.testing.assert_allclose(
        pixels(bright.render(snapshot)['scene']), np.minimum(255, 1.25 * plain), atol=0.51)
    bright.close()


def test_pictures_for_people_are_larger(blind):
    frame, = render_video_frames([blind.snapshot()], width=400, height=300, shadows=False)
    assert frame.shape == (300, 400, 3)
    assert is_orange(frame).any()


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False,
        env={**os.environ, **env})


def test_importing_the_package_loads_no_mujoco():
    done = run_python(
        'import sys, physical_ai_bridge.simulation as s; assert "mujoco" not in sys.modules')
    assert done.returncode == 0, done.stderr


def test_missing_gl_is_one_sentence_that_names_the_packages():
    done = run_python(
        'from physical_ai_bridge.contract.errors import SetupError\n'
        'try:\n'
        '    import physical_ai_bridge.simulation.gl\n'
        'except SetupError as error:\n'
        '    print(error)\n', MUJOCO_GL='no-such-backend')
    assert done.returncode == 0, done.stderr
    assert 'apt-get install -y --no-install-recommends libegl1 libegl-mesa0' in done.stdout
