"""ROS's own parser reads what the controllers in Gazebo are told, down to each gain."""

from __future__ import annotations

from physical_ai_bridge.contract.resources import config_path
import pytest
import rclpy
import yaml

pytestmark = pytest.mark.ros

FILE = config_path('gazebo/controllers.yaml').resolve()


def flat(values, prefix=''):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


@pytest.mark.parametrize(
    'node', ['controller_manager', 'joint_state_broadcaster', 'joint_trajectory_controller'])
def test_a_controllers_parameters_arrive_with_their_types(node):
    written = dict(flat(yaml.safe_load(FILE.read_text())[node]['ros__parameters']))
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node(
        node, context=context, enable_rosout=False, start_parameter_services=False,
        cli_args=['--ros-args', '--params-file', str(FILE)],
        automatically_declare_parameters_from_overrides=True)
    try:
        for name, value in written.items():
            read = made.get_parameter(name).value
            assert (read, type(read)) == (value, type(value)), name
    finally:
        made.destroy_node()
        rclpy.shutdown(context=context)
