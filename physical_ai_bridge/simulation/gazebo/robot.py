"""The arm: a model for Gazebo, and the description that ros2_control reads."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from physical_ai_bridge.simulation.gazebo.elements import (
    document,
    element,
    number,
    numbers,
    pose,
)
from physical_ai_bridge.simulation.gazebo.sensors import camera, force_torque
from physical_ai_bridge.simulation.gazebo.shapes import inertial, shapes_of
from physical_ai_bridge.simulation.gazebo.source import Source
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.world import urdf_path

MODEL = 'ur5e'
CONTROLLERS_FILE = 'controllers.yaml'
# Start poses come out of an iteration.
_START_DECIMALS = 6


def robot_sdf(source: Source) -> str:
    """Return the arm with its tool, the tool's camera and the force-torque sensor."""
    model = source.model
    inside: list[Element] = []
    for body in arm_bodies(model):
        inside += [_joint(source, body), _link(source, body)]
    inside.append(element(
        'plugin', element('parameters', CONTROLLERS_FILE),
        # Nothing pulls at a joint that no controller drives: no weight, and damping.
        element('hold_joints', False),
        filename='gz_ros2_control-system', name='gz_ros2_control::GazeboSimROS2ControlPlugin'))
    return document(
        element('sdf', element('model', *inside, name=MODEL), version='1.10'),
        'The arm of the MuJoCo cell for Gazebo. Written by\n'
        '     python -m physical_ai_bridge.simulation.gazebo; do not edit.')


def arm_bodies(model: mujoco.MjModel) -> list[str]:
    """Return the bodies of the arm, the base first; MuJoCo keeps parents before children."""
    base = model.body('base_link').id
    return [model.body(i).name for i in range(1, model.nbody) if model.body_rootid[i] == base]


def joint_name(model: mujoco.MjModel, body: str) -> str:
    """Return the name of the joint that carries a body, also where it is fixed."""
    own = model.body(body)
    if own.jntnum[0]:
        return model.joint(own.jntadr[0]).name
    return f'{model.body(own.parentid[0]).name}-{body}'


def _link(source: Source, body: str) -> Element:
    model = source.model
    carried = [
        camera(source, name, placed=True) for name in source.cell.sensors.cameras
        if model.camera(name).bodyid[0] == model.body(body).id]
    weighs = [inertial(model, body)] if model.body(body).mass[0] > 0.0 else []
    return element(
        'link', element('pose', '0 0 0 0 0 0', relative_to=joint_name(model, body)),
        # As MuJoCo's gravcomp="1", and as a robot's own controller does.
        element('gravity', False), *weighs, *shapes_of(model, body), *carried, name=body)


def _joint(source: Source, body: str) -> Element:
    model = source.model
    own = model.body(body)
    parent = model.body(own.parentid[0]).name
    inside = [
        pose(own.pos, own.quat, relative_to='__model__' if parent == 'world' else parent),
        element('parent', parent), element('child', body)]
    if not own.jntnum[0]:
        if body == source.cell.robot.tcp_frame:
            inside += [force_torque(wrench) for wrench in source.cell.sensors.wrenches.values()]
        return element('joint', *inside, name=joint_name(model, body), type='fixed')
    joint = model.joint(own.jntadr[0])
    inside.append(element(
        'axis', element('xyz', numbers(joint.axis)),
        element('limit', element('lower', float(joint.range[0])),
                element('upper', float(joint.range[1])),
                element('effort', spring_limit_nm(model, joint.name)),
                element('velocity', _max_velocity_rad_s(joint.name))),
        element('dynamics', element('damping', damping_nm_s(model, joint.name)))))
    return element('joint', *inside, name=joint.name, type='revolute')


def damping_nm_s(model: mujoco.MjModel, joint: str) -> float:
    """
    Return what slows a joint, in N·m·s/rad.

    MuJoCo's actuator is kp (command - position) - kv velocity. The first half is the controller's
    gain; this is the second, which both engines take in implicitly. As a gain of the controller it
    would shake the wrist, which weighs so little.
    """
    return -float(model.actuator(joint).biasprm[2])


def spring_limit_nm(model: mujoco.MjModel, joint: str) -> float:
    """
    Return the largest effort that the controller may command, in N·m.

    The drive's own limit bounds spring and damper together, and only the spring is commanded: at
    full speed it has to overcome all of the damping first.
    """
    limit = float(model.actuator(joint).forcerange[1])
    return limit + damping_nm_s(model, joint) * _max_velocity_rad_s(joint)


def _max_velocity_rad_s(joint: str) -> float:
    limit = ElementTree.parse(urdf_path()).find(f"joint[@name='{joint}']/limit")
    return float(limit.attrib['velocity'])


def robot_urdf(source: Source) -> str:
    """
    Return the arm's URDF with its ros2_control interfaces and the cameras' optical frames.

    The interface is effort, because a spring and a damper are what drives MuJoCo's joints: with
    position, gz_ros2_control commands velocities, which push with all the torque that there is
    against whatever is in the way.
    """
    root = ElementTree.parse(urdf_path()).getroot()
    for name in source.cell.robot.joints:
        limit = root.find(f"joint[@name='{name}']/limit")
        limit.set('effort', number(spring_limit_nm(source.model, name)))
    for name, wanted in source.cell.sensors.cameras.items():
        root.extend(_optical_frame(source, name, wanted.frame_id))
    root.append(element(
        'ros2_control',
        element('hardware', element('plugin', 'gz_ros2_control/GazeboSimSystem')),
        *(_interfaces(source, name, start) for name, start in zip(
            source.cell.robot.joints, source.start_rad.tolist(), strict=True)),
        name=MODEL, type='system'))
    return document(
        root, "config/robots/ur5e.urdf with ros2_control's interfaces in Gazebo and the cameras'\n"
        '     frames. Written by python -m physical_ai_bridge.simulation.gazebo; do not edit.')


def _interfaces(source: Source, joint: str, start_rad: float) -> Element:
    limit = spring_limit_nm(source.model, joint)
    return element(
        'joint',
        element('command_interface', element('param', -limit, name='min'),
                element('param', limit, name='max'), name='effort'),
        element('state_interface', element(
            'param', number(start_rad, _START_DECIMALS), name='initial_value'), name='position'),
        element('state_interface', name='velocity'), name=joint)


def _optical_frame(source: Source, name: str, frame: str) -> list[Element]:
    """Return a camera's optical frame, z along the view and x to the right, on its body."""
    own = source.model.camera(name)
    body = source.model.body(own.bodyid[0]).name
    axes = np.empty(9)
    mujoco.mju_quat2Mat(axes, own.quat)
    axes = axes.reshape(3, 3) * (1.0, -1.0, -1.0)
    parent = source.cell.robot.base_frame if body == 'world' else body
    return [
        element('link', name=frame),
        element('joint', element('parent', link=parent), element('child', link=frame),
                element('origin', xyz=numbers(own.pos), rpy=numbers(_rpy(axes))),
                name=f'{parent}-{frame}', type='fixed')]


def _rpy(axes: np.ndarray) -> tuple[float, float, float]:
    """Return roll, pitch and yaw of a rotation matrix (3, 3); no camera looks along x."""
    return (
        float(np.arctan2(axes[2, 1], axes[2, 2])),
        float(np.arcsin(np.clip(-axes[2, 0], -1.0, 1.0))),
        float(np.arctan2(axes[1, 0], axes[0, 0])))
