"""Controllers, description and bridge offer the topics, rates and joints of the cell file."""

from __future__ import annotations

import ast
from importlib import metadata
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.simulation.gazebo.robot import arm_bodies
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.world import urdf_path
import pinocchio
import pytest
import yaml

angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6).map(np.array)

# From ros_gz_bridge's table of mappings (ros_gz_bridge/mappings.py).
KNOWN_MAPPINGS = {
    ('rosgraph_msgs/msg/Clock', 'gz.msgs.Clock'),
    ('sensor_msgs/msg/Image', 'gz.msgs.Image'),
    ('geometry_msgs/msg/WrenchStamped', 'gz.msgs.Wrench'),
}
# What the bridge reads from them.
READ = {
    'gz.msgs.Clock': {'sim'},
    'gz.msgs.Image': {'header', 'width', 'height', 'step', 'data', 'pixel_format_type'},
    'gz.msgs.Wrench': {'header', 'force', 'torque'},
}


@pytest.fixture(scope='module')
def bridge(folder):
    return yaml.safe_load((folder / 'bridge.yaml').read_text())


@pytest.fixture(scope='module')
def controllers(folder):
    return yaml.safe_load((folder / 'controllers.yaml').read_text())


@pytest.fixture(scope='module')
def description(folder):
    return ElementTree.parse(folder / 'robot.urdf').getroot()


@pytest.fixture(scope='module')
def gazebo_messages():
    """Return the names of the fields of each message of gz-msgs 10, from its descriptors."""
    try:
        distribution = metadata.distribution('gazebo-py-bindings')
    except metadata.PackageNotFoundError:
        pytest.skip('gz-msgs is not here: pip install --no-deps gazebo-py-bindings')
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    # Its modules are generated for a protobuf too old to be imported beside onnx; what they are
    # generated from stands in them as bytes.
    found = {}
    for path in distribution.files:
        if not str(path).startswith('gz/msgs10/') or not str(path).endswith('_pb2.py'):
            continue
        text = path.read_text()
        literal = re.search(r"serialized_pb=(b'.*')$", text, re.MULTILINE)
        if literal is None:
            continue
        file = FileDescriptorProto.FromString(ast.literal_eval(literal.group(1)))
        found |= {
            f'{file.package}.{message.name}': {field.name for field in message.field}
            for message in file.message_type}
    return found


def test_every_bridged_type_exists_in_gz_msgs_with_what_the_bridge_reads(bridge, gazebo_messages):
    assert {entry['gz_type_name'] for entry in bridge} == set(READ)
    for name, fields in READ.items():
        assert fields <= gazebo_messages[name]


def test_the_bridge_carries_the_clock_and_every_stream_that_a_controller_does_not(bridge, cell):
    carried = {entry['ros_topic_name']: entry['ros_type_name'] for entry in bridge}
    assert carried == {
        '/clock': 'rosgraph_msgs/msg/Clock',
        **{camera.topic: camera.type for camera in cell.sensors.cameras.values()},
        **{wrench.topic: 'geometry_msgs/msg/WrenchStamped'
           for wrench in cell.sensors.wrenches.values()}}


def test_the_bridge_knows_each_pair_of_types_and_carries_one_way(bridge):
    for entry in bridge:
        assert (entry['ros_type_name'], entry['gz_type_name']) in KNOWN_MAPPINGS
        assert entry['direction'] == 'GZ_TO_ROS'


def test_the_bridge_listens_where_gazebo_publishes(bridge, world, robot):
    published = {f"/world/{world.find('world').get('name')}/clock"}
    for root in (world, robot):
        published |= {'/' + sensor.findtext('topic') for sensor in root.iter('sensor')}
    assert {entry['gz_topic_name'] for entry in bridge} == published


def test_controllers_run_at_the_cells_rate_on_its_topics(controllers, cell):
    manager = controllers['controller_manager']['ros__parameters']
    assert manager['update_rate'] == cell.controller.rate_hz == cell.sensors.joint_states.rate_hz
    name = cell.controller.topic.split('/')[1]
    assert {key: manager[key]['type'] for key in manager if key != 'update_rate'} == {
        'joint_state_broadcaster': 'joint_state_broadcaster/JointStateBroadcaster',
        name: 'joint_trajectory_controller/JointTrajectoryController'}
    assert set(controllers) == {'controller_manager', 'joint_state_broadcaster', name}


def test_the_controller_is_set_as_the_supervisor_needs_it(controllers, cell):
    parameters = controllers[cell.controller.topic.split('/')[1]]['ros__parameters']
    assert tuple(parameters['joints']) == cell.robot.joints
    assert parameters['interpolate_from_desired_state'] is True
    assert parameters['allow_trajectory_replacement'] is False
    assert parameters['allow_nonzero_velocity_at_trajectory_end'] is False
    assert parameters['allow_partial_joints_goal'] is False


def test_gain_and_damping_are_the_two_halves_of_mujocos_actuator(controllers, robot, source):
    gains = controllers['joint_trajectory_controller']['ros__parameters']['gains']
    for name in source.cell.robot.joints:
        actuator = source.model.actuator(name)
        assert gains[name] == {'p': actuator.gainprm[0], 'i': 0.0, 'd': 0.0}
        assert actuator.biasprm[1] == -actuator.gainprm[0]
        damping = robot.findtext(f".//joint[@name='{name}']/axis/dynamics/damping")
        assert float(damping) == -actuator.biasprm[2]


def test_the_description_is_the_cells_urdf_and_what_gazebo_adds(description, cell):
    kept = ElementTree.parse(urdf_path()).getroot()
    for name in cell.robot.joints:
        # ros2_control takes the stricter of this and the interface's own limit.
        limit, own = (root.find(f"joint[@name='{name}']/limit") for root in (kept, description))
        assert float(own.get('effort')) > float(limit.get('effort'))
        limit.set('effort', own.get('effort'))
    written = [ElementTree.canonicalize(ElementTree.tostring(part), strip_text=True)
               for part in description]
    for part in kept:
        assert ElementTree.canonicalize(ElementTree.tostring(part), strip_text=True) in written
    added = description[len(kept):]
    assert [(part.tag, part.get('name')) for part in added] == [
        ('link', 'scene_camera_optical_frame'), ('joint', 'base_link-scene_camera_optical_frame'),
        ('link', 'wrist_camera_optical_frame'), ('joint', 'tool0-wrist_camera_optical_frame'),
        ('ros2_control', 'ur5e')]


def test_each_joint_offers_what_its_controllers_claim(description, controllers, robot, source):
    claimed = controllers['joint_trajectory_controller']['ros__parameters']
    control = description.find('ros2_control')
    assert control.findtext('hardware/plugin') == 'gz_ros2_control/GazeboSimSystem'
    joints = control.findall('joint')
    assert tuple(joint.get('name') for joint in joints) == source.cell.robot.joints
    for joint, start in zip(joints, source.start_rad, strict=True):
        assert [part.get('name') for part in joint.findall('command_interface')] == (
            claimed['command_interfaces'])
        assert [part.get('name') for part in joint.findall('state_interface')] == (
            claimed['state_interfaces'])
        assert float(joint.findtext("state_interface/param[@name='initial_value']")) == (
            pytest.approx(start, abs=1e-6))
        name = joint.get('name')
        limit = robot.findtext(f".//joint[@name='{name}']/axis/limit/effort")
        assert joint.findtext("command_interface/param[@name='min']") == f'-{limit}'
        assert joint.findtext("command_interface/param[@name='max']") == limit
        assert description.find(f"joint[@name='{name}']/limit").get('effort') == limit


@settings(max_examples=25)
@given(joints=angles)
def test_every_frame_of_the_description_is_where_mujoco_has_it(folder, source, joints):
    urdf = pinocchio.buildModelFromUrdf(str(folder / 'robot.urdf'))
    data, state = mujoco.MjData(source.model), urdf.createData()
    angle = dict(zip(source.cell.robot.joints, joints, strict=True))
    for name, value in angle.items():
        data.joint(name).qpos[0] = value
    mujoco.mj_kinematics(source.model, data)
    mujoco.mj_camlight(source.model, data)
    pinocchio.framesForwardKinematics(
        urdf, state, np.array([angle[name] for name in urdf.names[1:]]))
    for body in arm_bodies(source.model):
        at = state.oMf[urdf.getFrameId(body)]
        np.testing.assert_allclose(at.translation, data.body(body).xpos, atol=1e-6)
        np.testing.assert_allclose(at.rotation, data.body(body).xmat.reshape(3, 3), atol=1e-6)
    for name, camera in source.cell.sensors.cameras.items():
        at = state.oMf[urdf.getFrameId(camera.frame_id)]
        right, up, back = data.cam(name).xmat.reshape(3, 3).T
        np.testing.assert_allclose(at.translation, data.cam(name).xpos, atol=1e-6)
        # An optical frame: x to the right, y down, z along the view.
        np.testing.assert_allclose(at.rotation.T, (right, -up, -back), atol=1e-6)
