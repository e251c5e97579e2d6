"""
World and arm, as the SDFormat library reads them, are the MuJoCo cell.

Drake carries the library. The values are those of its plant, not of our text.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.simulation.gazebo.robot import arm_bodies
from physical_ai_bridge.simulation.gl import mujoco
import pytest

angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6).map(np.array)

# What Gazebo's systems and its renderer read, and Drake has no use for.
FOR_GAZEBO = {
    f'Ignoring unsupported SDFormat element in {inside}' for inside in (
        'world: plugin', 'world: physics', 'world: scene', 'world: light', 'world: gravity',
        'model: plugin', 'link: sensor', 'joint: sensor')} | {
    'Unsupported value for SDFormat element gravity: false'}


@pytest.fixture(scope='module')
def posed(source):
    """Return what puts MuJoCo's world into a configuration."""
    data = mujoco.MjData(source.model)

    def pose(joints):
        for name, angle in zip(source.cell.robot.joints, joints, strict=True):
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(source.model, data)
        mujoco.mj_camlight(source.model, data)
        return data

    return pose


def geoms(source, body):
    """Return kind, dimensions, pose and friction of what collides on a MuJoCo body."""
    model, own = source.model, source.model.body(body)
    found = []
    for geom in range(own.geomadr[0], own.geomadr[0] + own.geomnum[0]):
        if not model.geom_contype[geom]:
            continue
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, model.geom_quat[geom])
        kind, size = mujoco.mjtGeom(model.geom_type[geom]).name, model.geom_size[geom]
        found.append((
            kind.removeprefix('mjGEOM_').title(),
            2.0 * size if kind == 'mjGEOM_BOX' else np.array([size[0], 2.0 * size[1]]),
            model.geom_pos[geom], axes.reshape(3, 3), model.geom_friction[geom][0]))
    return found


def collisions(parsed, model, body):
    """Return the same of what SDFormat read, in the order of the file."""
    plant, inspector = parsed.plant, parsed.inspector
    own = plant.GetBodyByName(body, plant.GetModelInstanceByName(model))
    found = []
    for geometry in plant.GetCollisionGeometriesForBody(own):
        shape, pose = inspector.GetShape(geometry), inspector.GetPoseInFrame(geometry)
        kind = type(shape).__name__
        friction = inspector.GetProximityProperties(geometry).GetProperty(
            'material', 'coulomb_friction')
        found.append((
            kind, shape.size() if kind == 'Box' else np.array([shape.radius(), shape.length()]),
            pose.translation(), pose.rotation().matrix(), friction.static_friction()))
    return found


def assert_same_shapes(found, wanted):
    assert [shape[0] for shape in found] == [shape[0] for shape in wanted]
    for here, there in zip(found, wanted, strict=True):
        for value, expected in zip(here[1:], there[1:], strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-8)


def test_every_element_is_known_to_sdformat(parsed):
    assert {text.partition('warning: ')[2] for text in parsed.messages} == FOR_GAZEBO


@pytest.mark.parametrize(('right', 'wrong', 'said'), [
    ('<child>tool0</child>', '<child>tool1</child>', 'tool1'),
    ('<always_on>', '<always_onn>', 'always_onn'),
    ('child_to_parent', 'sideways', 'measure_direction'),
    ('relative_to="elbow_joint"', 'relative_to="forearm_link"', 'forearm_link'),
])
def test_sdformat_refuses_a_slip(parse, folder, right, wrong, said):
    text = (folder / 'robot.sdf').read_text()
    assert right in text
    with pytest.raises(RuntimeError, match=said):
        parse(text.replace(right, wrong).replace('</always_on>', (
            '</always_onn>' if 'onn' in wrong else '</always_on>')))


@settings(max_examples=25)
@given(joints=angles)
def test_every_link_is_where_mujoco_has_it(parsed, posed, source, joints):
    data = posed(joints)
    for body in arm_bodies(source.model):
        pose = parsed.pose(body, joints, source.cell.robot.joints)
        np.testing.assert_allclose(pose[:3, 3], data.body(body).xpos, atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3], data.body(body).xmat.reshape(3, 3), atol=1e-6)


def test_limits_and_damping_are_those_of_mujoco(parsed, source):
    plant, model = parsed.plant, source.model
    assert plant.num_positions() == plant.num_actuators() == len(source.cell.robot.joints)
    for name in source.cell.robot.joints:
        joint, own, drive = plant.GetJointByName(name), model.joint(name), model.actuator(name)
        assert joint.position_lower_limit() == pytest.approx(own.range[0], abs=1e-8)
        assert joint.position_upper_limit() == pytest.approx(own.range[1], abs=1e-8)
        assert joint.GetDampingVector(parsed.context) == pytest.approx(
            own.damping[0] - drive.biasprm[2])
        # At full speed the spring has all of the damping to overcome, and the drive's own limit
        # is left: what it bounds in MuJoCo is both together.
        left = plant.GetJointActuatorByName(name).effort_limit() - (
            joint.GetDampingVector(parsed.context)[0] * joint.velocity_upper_limit())
        assert left == pytest.approx(drive.forcerange[1], abs=1e-4)
        assert joint.velocity_upper_limit() == pytest.approx(np.pi, abs=1e-6)
        np.testing.assert_allclose(joint.revolute_axis(), own.axis, atol=1e-12)


def test_masses_and_inertias_are_those_of_mujoco(parsed, source):
    model = source.model
    for body in arm_bodies(model)[2:]:  # the base stands
        own = model.body(body)
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, own.iquat)
        axes = axes.reshape(3, 3)
        about_centre = axes @ np.diag(own.inertia) @ axes.T
        found = parsed.plant.GetBodyByName(body).default_spatial_inertia()
        assert found.get_mass() == pytest.approx(own.mass[0], abs=1e-9)
        np.testing.assert_allclose(found.get_com(), own.ipos, atol=1e-9)
        np.testing.assert_allclose(
            found.Shift(found.get_com()).CalcRotationalInertia().CopyToFullMatrix3(),
            about_centre, atol=1e-9)


def test_no_link_has_weight(robot):
    # Drake reports this element as one that it does not support; gz-physics sets it.
    assert [link.findtext('gravity') for link in robot.iter('link')] == ['false'] * 9


def test_the_arm_and_its_tool_collide_as_in_mujoco(parsed, source):
    for body in arm_bodies(source.model):
        assert_same_shapes(collisions(parsed, 'ur5e', body), geoms(source, body))


def test_table_and_socket_are_those_of_mujoco(parsed, source):
    for model, body in (('table', 'world'), ('socket', 'socket')):
        wanted = geoms(source, body)
        assert wanted
        assert_same_shapes(collisions(parsed, model, 'link'), wanted)


def test_the_socket_stands_where_the_episode_has_it(parsed, source):
    plant = parsed.plant
    link = plant.GetBodyByName('link', plant.GetModelInstanceByName('socket'))
    pose = plant.EvalBodyPoseInWorld(parsed.context, link)
    socket = source.socket
    np.testing.assert_allclose(
        pose.translation(), (socket.x_m, socket.y_m, socket.z_m), atol=1e-8)
    assert np.arctan2(*pose.rotation().matrix()[1::-1, 0]) == pytest.approx(socket.yaw_rad)


@settings(max_examples=25)
@given(joints=angles)
def test_every_camera_sees_from_where_mujoco_has_it(parsed, posed, robot, source, joints):
    data = posed(joints)
    for name in source.cell.sensors.cameras:
        at = camera_in_the_world(parsed, robot, name, joints, source.cell.robot.joints)
        there = data.cam(name)
        np.testing.assert_allclose(at[:3, 3], there.xpos, atol=1e-6)
        right, up, back = there.xmat.reshape(3, 3).T
        # Gazebo looks along x, y to the left and z up.
        np.testing.assert_allclose(at[:3, :3].T, (-back, -right, up), atol=1e-6)


def camera_in_the_world(parsed, robot, name, joints, names):
    """Return the pose (4, 4) of a camera: SDFormat's for its link, times its own."""
    link = next((link for link in robot.iter('link')
                 if link.find(f"sensor[@name='{name}_camera']") is not None), None)
    if link is None:
        plant = parsed.plant
        standing = plant.GetBodyByName('link', plant.GetModelInstanceByName(f'{name}_camera'))
        return plant.EvalBodyPoseInWorld(parsed.context, standing).GetAsMatrix4()
    from pydrake.common.eigen_geometry import Quaternion
    from pydrake.math import RigidTransform

    pose = link.find(f"sensor[@name='{name}_camera']/pose")
    assert pose.get('rotation_format') == 'quat_xyzw'
    x, y, z, qx, qy, qz, qw = map(float, pose.text.split())
    quaternion = np.array([qw, qx, qy, qz])
    own = RigidTransform(Quaternion(quaternion / np.linalg.norm(quaternion)), [x, y, z])
    return parsed.pose(link.get('name'), joints, names) @ own.GetAsMatrix4()
