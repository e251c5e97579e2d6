"""The cell's cameras and its force-torque sensor, as Gazebo's sensors."""

from __future__ import annotations

from math import atan, degrees, radians, tan
from xml.etree.ElementTree import Element

import numpy as np
from physical_ai_bridge.contract.cell import WrenchSensor
from physical_ai_bridge.simulation.cell import FORCE_NOISE_N, TORQUE_NOISE_NM
from physical_ai_bridge.simulation.gazebo.elements import element, pose
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gl import mujoco

# A camera looks along -z with x to the right in MuJoCo, along x with y to the left in Gazebo:
# the rotation from the former's axes to the latter's, as a quaternion w, x, y, z.
_LOOK = np.array([0.5, -0.5, 0.5, 0.5])


def horizontal_fov_rad(fovy_deg: float, width: int, height: int) -> float:
    """Return the width of a view from its height: MuJoCo states the one, SDFormat the other."""
    return 2.0 * atan(tan(radians(fovy_deg) / 2.0) * width / height)


def vertical_fov_deg(fov_rad: float, width: int, height: int) -> float:
    """Return the height of a view from its width."""
    return degrees(2.0 * atan(tan(fov_rad / 2.0) * height / width))


def looking(quaternion: np.ndarray) -> np.ndarray:
    """Return Gazebo's orientation of a camera whose orientation MuJoCo gives; w, x, y, z."""
    turned = np.empty(4)
    mujoco.mju_mulQuat(turned, np.asarray(quaternion, np.float64), _LOOK)
    return turned


def topic_in_gazebo(topic: str) -> str:
    """Return a topic's name on Gazebo's transport: that of ROS."""
    return topic.strip('/')


def camera(source: Source, name: str, *, placed: bool) -> Element:
    """Return a camera; ``placed`` with its pose in the body that MuJoCo attaches it to."""
    wanted, model = source.cell.sensors.cameras[name], source.model
    own = model.camera(name)
    view = element(
        'camera',
        element('horizontal_fov', horizontal_fov_rad(
            float(own.fovy[0]), wanted.width, wanted.height)),
        element('image', element('width', wanted.width), element('height', wanted.height),
                element('format', 'R8G8B8')),
        element('clip', element('near', round(model.vis.map.znear * model.stat.extent, 6)),
                element('far', round(model.vis.map.zfar * model.stat.extent, 6))), name=name)
    return element(
        'sensor', *([pose(own.pos, looking(own.quat))] if placed else []),
        element('topic', topic_in_gazebo(wanted.topic)),
        element('update_rate', wanted.rate_hz), element('always_on', True),
        element('gz_frame_id', wanted.frame_id), view,
        name=f'{name}_camera', type='camera')


def force_torque(wrench: WrenchSensor) -> Element:
    """
    Return the sensor between the wrist and the tool, which belongs into their fixed joint.

    What the child exerts on the parent is, where nothing accelerates, what the world exerts on
    the tool: the MuJoCo cell's sign. The tool is weightless here, so that its weight, which the
    MuJoCo cell takes off, is not in it either.
    """
    def axes(tag: str, deviation: float) -> Element:
        return element(tag, *(
            element(axis, element(
                'noise', element('mean', 0.0), element('stddev', deviation), type='gaussian'))
            for axis in 'xyz'))

    return element(
        'sensor', element('topic', topic_in_gazebo(wrench.topic)),
        element('update_rate', wrench.rate_hz), element('always_on', True),
        element('gz_frame_id', wrench.frame_id),
        element('force_torque', element('frame', 'child'),
                element('measure_direction', 'child_to_parent'),
                axes('force', FORCE_NOISE_N), axes('torque', TORQUE_NOISE_NM)),
        name='force_torque_sensor', type='force_torque')
