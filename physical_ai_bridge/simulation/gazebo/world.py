"""The world around the arm: table, socket, lights, the camera that stands, and the systems."""

from __future__ import annotations

from math import cos, radians, sin
from xml.etree.ElementTree import Element

import numpy as np
from physical_ai_bridge.simulation.gazebo.elements import document, element, numbers, pose
from physical_ai_bridge.simulation.gazebo.sensors import camera, looking
from physical_ai_bridge.simulation.gazebo.shapes import shapes_of
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gl import mujoco

WORLD = 'ur5e_insertion'
# gz-sim's systems by the names of their libraries, which drop the words' separators or do not.
SYSTEMS = {
    'gz-sim-physics-system': 'gz::sim::systems::Physics',
    'gz-sim-sensors-system': 'gz::sim::systems::Sensors',
    'gz-sim-forcetorque-system': 'gz::sim::systems::ForceTorque',
    'gz-sim-user-commands-system': 'gz::sim::systems::UserCommands',
    'gz-sim-scene-broadcaster-system': 'gz::sim::systems::SceneBroadcaster',
}
# A spot's brightness falls as a power of the cosine in MuJoCo, between two cones in Gazebo: this
# power of the latter comes close to MuJoCo's tenth of the former.
_FALLOFF = 2.5
_COLOUR_DECIMALS = 4


def world_sdf(source: Source) -> str:
    """Return the world, without the arm, which is spawned into it."""
    model = source.model
    world = element(
        'world',
        element('physics', element('max_step_size', model.opt.timestep),
                element('real_time_factor', 1.0), name='step', type='dart'),
        element('gravity', numbers(model.opt.gravity)),
        *(_system(file, name) for file, name in SYSTEMS.items()),
        element('scene', element('ambient', _colour(model.vis.headlight.ambient)),
                element('background', '0 0 0 1'), element('shadows', False),
                element('grid', False)),
        *_lights(source),
        element('model', element('static', True),
                element('link', *shapes_of(model, 'world'), name='link'), name='table'),
        _socket(source),
        *(_standing_camera(source, name) for name in source.cell.sensors.cameras
          if model.camera(name).bodyid[0] == 0),
        name=WORLD)
    return document(
        element('sdf', world, version='1.10'),
        "The MuJoCo cell's world for Gazebo. Written by\n"
        '     python -m physical_ai_bridge.simulation.gazebo; do not edit.')


def _system(file: str, name: str) -> Element:
    engine = [element('render_engine', 'ogre2')] if 'sensors' in file else []
    return element('plugin', *engine, filename=file, name=name)


def _socket(source: Source) -> Element:
    place, half = source.socket, 0.5 * source.socket.yaw_rad
    return element(
        'model', element('static', True),
        pose((place.x_m, place.y_m, place.z_m), np.array([cos(half), 0.0, 0.0, sin(half)])),
        element('link', *shapes_of(source.model, 'socket'), name='link'), name='socket')


def _standing_camera(source: Source, name: str) -> Element:
    own = source.model.camera(name)
    return element(
        'model', element('static', True), pose(own.pos, looking(own.quat)),
        element('link', camera(source, name, placed=False), name='link'), name=f'{name}_camera')


def _lights(source: Source) -> list[Element]:
    """
    Return MuJoCo's spot, and its headlight.

    The headlight goes with each camera in MuJoCo. Here it stays where it is for the wrist's camera
    at the start.
    """
    model = source.model
    spots = [
        element(
            'light', pose(model.light_pos[i]), element('cast_shadows', False),
            element('diffuse', _colour(model.light_diffuse[i])),
            element('specular', _colour(model.light_specular[i])),
            element('direction', numbers(model.light_dir[i], 6)),
            element('attenuation', element('range', 10.0), element('constant', 1.0),
                    element('linear', 0.0), element('quadratic', 0.0)),
            element('spot', element('inner_angle', 0.0),
                    element('outer_angle', 2.0 * radians(float(model.light_cutoff[i]))),
                    element('falloff', _FALLOFF)),
            name=model.light(i).name, type='spot')
        for i in range(model.nlight) if model.light_type[i] == mujoco.mjtLightType.mjLIGHT_SPOT]
    view = -source.data.cam('wrist').xmat.reshape(3, 3)[:, 2]
    headlight = element(
        'light', element('pose', '0 0 1 0 0 0'), element('cast_shadows', False),
        element('diffuse', _colour(model.vis.headlight.diffuse)),
        element('specular', _colour(model.vis.headlight.specular)),
        element('direction', numbers(view, 4)), name='headlight', type='directional')
    return [*spots, headlight]


def _colour(rgb: np.ndarray) -> str:
    return f'{numbers(rgb, _COLOUR_DECIMALS)} 1'
