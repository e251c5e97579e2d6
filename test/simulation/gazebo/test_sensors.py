"""The sensors measure what the cell file promises, and Gazebo has what they need."""

from __future__ import annotations

from math import degrees, tan

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.simulation.cell import FORCE_NOISE_N, TORQUE_NOISE_NM
from physical_ai_bridge.simulation.gazebo.sensors import horizontal_fov_rad, vertical_fov_deg
import pytest

# From the sources of gz-sim 8 (src/systems/*/CMakeLists.txt and GZ_ADD_PLUGIN_ALIAS) and of
# gz_ros2_control (gz_ros2_control_plugin.cpp and its demos); the file has no prefix or suffix.
KNOWN_PLUGINS = {
    ('gz-sim-physics-system', 'gz::sim::systems::Physics'),
    ('gz-sim-sensors-system', 'gz::sim::systems::Sensors'),
    ('gz-sim-forcetorque-system', 'gz::sim::systems::ForceTorque'),
    ('gz-sim-user-commands-system', 'gz::sim::systems::UserCommands'),
    ('gz-sim-scene-broadcaster-system', 'gz::sim::systems::SceneBroadcaster'),
    ('gz_ros2_control-system', 'gz_ros2_control::GazeboSimROS2ControlPlugin'),
}


@pytest.fixture(scope='module')
def sensors(world, robot):
    """Return every sensor by its name."""
    found = [sensor for root in (world, robot) for sensor in root.iter('sensor')]
    return {sensor.get('name'): sensor for sensor in found}


def test_there_is_a_sensor_for_each_stream_of_the_cell_and_no_other(sensors, cell):
    assert set(sensors) == {
        *(f'{name}_camera' for name in cell.sensors.cameras), 'force_torque_sensor'}


def test_cameras_are_those_of_the_cell_file(sensors, source, cell):
    for name, wanted in cell.sensors.cameras.items():
        sensor = sensors[f'{name}_camera']
        assert sensor.get('type') == 'camera'
        assert '/' + sensor.findtext('topic') == wanted.topic
        assert float(sensor.findtext('update_rate')) == wanted.rate_hz
        assert sensor.findtext('gz_frame_id') == wanted.frame_id
        assert int(sensor.findtext('camera/image/width')) == wanted.width
        assert int(sensor.findtext('camera/image/height')) == wanted.height
        assert sensor.findtext('camera/image/format') == 'R8G8B8'
        own = source.model.camera(name)
        fov_rad = float(sensor.findtext('camera/horizontal_fov'))
        assert vertical_fov_deg(fov_rad, wanted.width, wanted.height) == pytest.approx(
            own.fovy[0], abs=1e-6)
        # The same, the other way: how much one pixel covers at 1 m, in both directions.
        down = 2.0 * tan(np.radians(own.fovy[0]) / 2.0) / wanted.height
        assert 2.0 * tan(fov_rad / 2.0) / wanted.width == pytest.approx(down, rel=1e-7)
        assert float(sensor.findtext('camera/clip/near')) == pytest.approx(
            source.model.vis.map.znear, abs=1e-6)
        assert float(sensor.findtext('camera/clip/far')) == source.model.vis.map.zfar


@given(fovy=st.floats(5.0, 120.0), width=st.integers(32, 4096), height=st.integers(32, 4096))
def test_a_square_pixel_stays_square(fovy, width, height):
    fov = horizontal_fov_rad(fovy, width, height)
    assert vertical_fov_deg(fov, width, height) == pytest.approx(fovy)
    assert (degrees(fov) > fovy) == (width > height) or width == height


def test_the_wrench_is_measured_between_wrist_and_tool(sensors, robot, cell):
    sensor, wanted = sensors['force_torque_sensor'], cell.sensors.wrenches['wrist']
    carrier = next(joint for joint in robot.iter('joint') if joint.find('sensor') is not None)
    assert carrier.find('sensor') is sensor
    # The child's frame is the one that the cell file names, and the joint has no pose in it.
    assert carrier.findtext('child') == wanted.frame_id
    assert (carrier.get('type'), sensor.get('type')) == ('fixed', 'force_torque')
    assert sensor.find('pose') is None
    assert '/' + sensor.findtext('topic') == wanted.topic
    assert float(sensor.findtext('update_rate')) == wanted.rate_hz
    assert sensor.findtext('gz_frame_id') == wanted.frame_id
    assert sensor.findtext('force_torque/frame') == 'child'
    assert sensor.findtext('force_torque/measure_direction') == 'child_to_parent'
    for kind, deviation in (('force', FORCE_NOISE_N), ('torque', TORQUE_NOISE_NM)):
        for axis in 'xyz':
            noise = sensor.find(f'force_torque/{kind}/{axis}/noise')
            assert (noise.get('type'), float(noise.findtext('stddev'))) == ('gaussian', deviation)


def test_every_plugin_is_one_that_exists(world, robot):
    used = [(plugin.get('filename'), plugin.get('name'))
            for root in (world, robot) for plugin in root.iter('plugin')]
    assert sorted(used) == sorted(KNOWN_PLUGINS)


def test_physics_steps_as_mujoco_does(world, source):
    physics = world.find('world/physics')
    assert float(physics.findtext('max_step_size')) == source.model.opt.timestep
    assert [float(g) for g in world.findtext('world/gravity').split()] == pytest.approx(
        source.model.opt.gravity.tolist())


def test_nothing_casts_a_shadow_because_nothing_does_in_mujoco(world):
    assert world.findtext('world/scene/shadows') == 'false'
    assert {light.findtext('cast_shadows') for light in world.iter('light')} == {'false'}
