"""What MuJoCo's geoms and bodies are in SDFormat."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
from physical_ai_bridge.simulation.gazebo.elements import element, number, numbers, pose
from physical_ai_bridge.simulation.gl import mujoco

# Inertias, in kg m²: the smallest figure of the arm's is 6e-8.
_INERTIA_DECIMALS = 10
# MuJoCo keeps colours in single precision.
_COLOUR_DECIMALS = 4


def geometry(kind: int, size: np.ndarray) -> Element:
    """Return a geom's shape; MuJoCo gives half the lengths of boxes, cylinders and capsules."""
    shapes = mujoco.mjtGeom
    if kind == shapes.mjGEOM_BOX:
        shape = element('box', element('size', numbers(2.0 * size)))
    elif kind in (shapes.mjGEOM_CYLINDER, shapes.mjGEOM_CAPSULE):
        shape = element(
            'cylinder' if kind == shapes.mjGEOM_CYLINDER else 'capsule',
            element('radius', float(size[0])), element('length', 2.0 * float(size[1])))
    else:
        raise ValueError(f'geom type {kind}: only boxes, cylinders and capsules are written')
    return element('geometry', shape)


def material(model: mujoco.MjModel, index: int) -> Element:
    """Return a MuJoCo material; what is lit is what is seen, in both lights."""
    colour = numbers(model.mat_rgba[index], _COLOUR_DECIMALS)
    shine = number(float(model.mat_specular[index]), _COLOUR_DECIMALS)
    return element(
        'material', element('ambient', colour), element('diffuse', colour),
        element('specular', f'{shine} {shine} {shine} 1'))


def shapes_of(model: mujoco.MjModel, body: str) -> list[Element]:
    """
    Return the visuals and collisions of a body, in its frame.

    A geom that collides with nothing is a visual alone.
    """
    found = []
    first, count = int(model.body(body).geomadr[0]), int(model.body(body).geomnum[0])
    for index, geom in enumerate(range(first, first + count)):
        name = model.geom(geom).name or f'{body}_{index}'
        place = model.geom_pos[geom], model.geom_quat[geom]
        shape = int(model.geom_type[geom]), model.geom_size[geom]
        if model.geom_contype[geom] or model.geom_conaffinity[geom]:
            friction = float(model.geom_friction[geom][0])
            found.append(element(
                'collision', pose(*place), geometry(*shape),
                element('surface', element('friction', element(
                    'ode', element('mu', friction), element('mu2', friction)))),
                name=name))
        found.append(element(
            'visual', pose(*place), geometry(*shape),
            material(model, int(model.geom_matid[geom])), name=name))
    return found


def inertial(model: mujoco.MjModel, body: str) -> Element:
    """Return a body's mass and inertia, the tensor in the body's own axes."""
    own = model.body(body)
    axes = np.empty(9)
    mujoco.mju_quat2Mat(axes, own.iquat)
    axes = axes.reshape(3, 3)
    tensor = axes @ np.diag(own.inertia) @ axes.T
    return element(
        'inertial', element('mass', float(own.mass[0])), pose(own.ipos),
        element('inertia', *(
            element(f'i{"xyz"[row]}{"xyz"[column]}',
                    number(float(tensor[row, column]), _INERTIA_DECIMALS))
            for row, column in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))))
