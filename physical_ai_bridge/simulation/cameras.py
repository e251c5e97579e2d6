"""The cell's cameras: rendered from a snapshot of the state, in whatever thread made the rig."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.simulation.gl import gl_missing, mujoco
from physical_ai_bridge.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """What a picture depends on: MuJoCo's qpos, and the socket's position and quaternion."""

    stamp_ns: int
    qpos: np.ndarray
    socket_position: np.ndarray
    socket_quaternion: np.ndarray


class CameraRig:
    """
    Renders every camera of a cell, at the cell file's sizes.

    It has a model, a state and GL contexts of its own. Make it, use it and close it in one and the
    same thread: a GL context belongs to the thread that made it. ``brightness`` multiplies the
    pixels, as a camera's gain does.
    """

    def __init__(self, cell: Cell, *, brightness: float = 1.0) -> None:
        model = World(cell).model
        self._cameras = cell.sensors.cameras
        sizes = {(camera.height, camera.width) for camera in self._cameras.values()}
        model.vis.global_.offheight = max((height for height, _ in sizes), default=1)
        model.vis.global_.offwidth = max((width for _, width in sizes), default=1)
        self._model, self._data = model, mujoco.MjData(model)
        self._gain = None
        if brightness != 1.0:
            self._gain = np.clip(np.arange(256) * brightness + 0.5, 0, 255).astype(np.uint8)
        self._renderers = {size: make_renderer(model, *size) for size in sorted(sizes)}
        for renderer in self._renderers.values():
            for flag in ('mjRND_SHADOW', 'mjRND_REFLECTION', 'mjRND_SKYBOX'):
                renderer.scene.flags[getattr(mujoco.mjtRndFlag, flag)] = False

    def render(self, snapshot: Snapshot) -> dict[str, ImageSample]:
        """Return one frame of each camera, stamped as the snapshot is."""
        pose(self._model, self._data, snapshot)
        frames = {}
        for name, camera in self._cameras.items():
            renderer = self._renderers[camera.height, camera.width]
            renderer.update_scene(self._data, camera=name)
            pixels = renderer.render()
            if self._gain is not None:
                pixels = self._gain[pixels]
            if camera.encoding == 'bgr8':
                pixels = pixels[:, :, ::-1]
            frames[name] = ImageSample(
                snapshot.stamp_ns, camera.encoding, camera.height, camera.width,
                camera.width * 3, memoryview(np.ascontiguousarray(pixels)).cast('B'))
        return frames

    def close(self) -> None:
        """Free the GL contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers = {}


def pose(model: mujoco.MjModel, data: mujoco.MjData, snapshot: Snapshot) -> None:
    """Put the world into the state of a snapshot, as far as pictures go."""
    data.qpos[:] = snapshot.qpos
    data.mocap_pos[0] = snapshot.socket_position
    data.mocap_quat[0] = snapshot.socket_quaternion
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)


def make_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """Return a renderer; where GL is missing, say what to install."""
    try:
        return mujoco.Renderer(model, height, width)
    except (ImportError, RuntimeError, AttributeError, OSError, mujoco.FatalError) as error:
        raise gl_missing(error) from error
