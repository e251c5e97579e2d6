"""A URDF's text, read into a pinocchio model of the driven joints and its collision geometry."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import coal
import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import SetupError
import pinocchio

# A joint that turns without end is a revolute one with room for many turns.
_UNLIMITED = '1e6'


def read_urdf(
        urdf_xml: str, cell: Cell,
) -> tuple[pinocchio.Model, pinocchio.GeometryModel, tuple[str, ...]]:
    """
    Return the model of the cell's joints, its collision geometry, and the joints locked in it.

    All is in the cell's base frame: it is the model's universe. Every movable joint that is not
    the cell's is locked at its neutral position (0), such as those of a gripper's fingers.
    Meshes are replaced by their convex hulls.

    Raises
    ------
    SetupError
        If the text is no URDF, lacks a joint or frame of the cell, or has meshes that cannot be
        loaded.

    """
    root = _parse(urdf_xml)
    text = ElementTree.tostring(root, encoding='unicode')
    try:
        model = pinocchio.buildModelFromXML(text)
    except (ValueError, RuntimeError, IndexError) as error:
        raise SetupError(f'the URDF cannot be read: {error}') from error
    _check_names(model, cell)
    try:
        geometry = pinocchio.buildGeomFromUrdfString(
            model, text, pinocchio.GeometryType.COLLISION)
    except (ValueError, RuntimeError) as error:
        raise SetupError(
            f'the collision geometry of the URDF cannot be loaded: {error}; source the workspace '
            'that has its meshes, or write boxes, cylinders and spheres') from error
    joints = cell.robot.joints
    locked = tuple(name for name in model.names[1:] if name not in joints)
    model, geometries = pinocchio.buildReducedModel(
        model, [geometry], [model.getJointId(name) for name in locked], pinocchio.neutral(model))
    [geometry] = geometries
    _check_joints(model, cell)
    _seat(model, geometry, cell)
    for shape in geometry.geometryObjects:
        _make_convex(shape)
    return model, geometry, locked


def _parse(urdf_xml: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(urdf_xml)
    except (ElementTree.ParseError, ValueError) as error:
        raise SetupError(f'the robot description is not a URDF: {error}') from error
    if root.tag != 'robot':
        raise SetupError(
            f'the robot description is not a URDF: its first element is <{root.tag}>, '
            'a URDF begins with <robot>')
    for joint in root.iter('joint'):
        if joint.get('type') == 'continuous':
            joint.set('type', 'revolute')
            limit = joint.find('limit')
            limit = ElementTree.SubElement(joint, 'limit') if limit is None else limit
            limit.set('lower', f'-{_UNLIMITED}')
            limit.set('upper', _UNLIMITED)
            for key in ('effort', 'velocity'):
                limit.set(key, limit.get(key, _UNLIMITED))
    return root


def _check_names(model: pinocchio.Model, cell: Cell) -> None:
    there = tuple(model.names[1:])
    missing = [name for name in cell.robot.joints if name not in there]
    if missing:
        raise SetupError(
            f'the URDF has no movable joint {", ".join(missing)}; write in robot.joints of the '
            f'cell file only what it has: {", ".join(there) or "none"}')
    for key, frame in (('base_frame', cell.robot.base_frame), ('tcp_frame', cell.robot.tcp_frame)):
        if not model.existBodyName(frame):
            links = ', '.join(f.name for f in model.frames
                              if f.type == pinocchio.FrameType.BODY)
            raise SetupError(
                f'the URDF has no link {frame}; write in robot.{key} of the cell file one of '
                f'{links}')


def _check_joints(model: pinocchio.Model, cell: Cell) -> None:
    """Refuse joints that are not one angle or one length, and a base that they move."""
    for name in cell.robot.joints:
        joint = model.joints[model.getJointId(name)]
        if joint.nq != 1 or joint.nv != 1:
            raise SetupError(
                f'{name} of the URDF has {joint.nv} degrees of freedom; a driven joint is '
                'revolute, continuous or prismatic')
    mover = model.frames[model.getBodyId(cell.robot.base_frame)].parentJoint
    if mover:
        raise SetupError(
            f'{cell.robot.base_frame} is moved by {model.names[mover]}; write in '
            'robot.base_frame of the cell file a link that stands still')


def _seat(
        model: pinocchio.Model, geometry: pinocchio.GeometryModel, cell: Cell) -> None:
    """Express all that is attached to the universe in the base frame."""
    to_base = model.frames[model.getBodyId(cell.robot.base_frame)].placement.inverse()
    for joint in range(1, model.njoints):
        if model.parents[joint] == 0:
            model.jointPlacements[joint] = to_base * model.jointPlacements[joint]
    for attached in (*model.frames, *geometry.geometryObjects):
        if attached.parentJoint == 0:
            attached.placement = to_base * attached.placement


def _make_convex(shape: pinocchio.GeometryObject) -> None:
    """Replace a mesh by its convex hull, which contains it and is quick to measure from."""
    if isinstance(shape.geometry, coal.BVHModelBase):
        try:
            shape.geometry.buildConvexHull(True, 'Qt')
        except (ValueError, RuntimeError) as error:
            raise SetupError(
                f'the mesh {Path(shape.meshPath).name} of {shape.name} has no convex hull: '
                f'{error}') from error
        shape.geometry = shape.geometry.convex
    shape.geometry.computeLocalAABB()


def hull_of(shape: pinocchio.GeometryObject) -> tuple[np.ndarray, float]:
    """
    Return points (M, 3) and a radius, in m, in the frame of the shape's joint.

    The shape lies in the convex hull of the balls of that radius around the points.
    """
    solid, placement, radius = shape.geometry, shape.placement, 0.0
    if isinstance(solid, coal.Sphere):
        points, radius = np.zeros((1, 3)), solid.radius
    elif isinstance(solid, coal.Capsule):
        points, radius = np.outer((-solid.halfLength, solid.halfLength), (0, 0, 1)), solid.radius
    else:
        box = solid.aabb_local
        points = np.array(list(product(*zip(box.min_, box.max_, strict=True))))
    return points @ placement.rotation.T + placement.translation, float(radius)
