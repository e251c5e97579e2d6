"""Pictures for people: the same world at a higher resolution, with shadows and a background."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from physical_ai_bridge.simulation.cameras import make_renderer, pose, Snapshot
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.world import world_path


def render_video_frames(
        snapshots: Iterable[Snapshot], *, width: int = 640, height: int = 480,
        camera: str = 'people', shadows: bool = True,
) -> Iterator[np.ndarray]:
    """
    Yield one uint8 (height, width, 3) RGB picture for each snapshot of a run.

    ``camera`` is ``people`` (the whole arm), ``scene`` or ``wrist``. Render after the run: with
    shadows a picture takes many times as long as a frame of the policy's cameras.
    """
    spec = mujoco.MjSpec.from_file(str(world_path()))
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.quality.offsamples = 4
    spec.visual.quality.shadowsize = 2048 if shadows else 0
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 48, 24
    for light in spec.lights:
        light.castshadow = shadows
    spec.add_texture(
        name='sky', type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.93, 0.95, 0.97], rgb2=[0.70, 0.75, 0.80], width=64, height=384)
    model = spec.compile()
    data = mujoco.MjData(model)
    renderer = make_renderer(model, height, width)
    try:
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        for snapshot in snapshots:
            pose(model, data, snapshot)
            renderer.update_scene(data, camera=camera)
            yield renderer.render()
    finally:
        renderer.close()
