"""
Bring up the simulated cell, then the supervisor and the policy on it, and run episodes.

``ros2 launch physical_ai_bridge mujoco.launch.py``
"""

from __future__ import annotations

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.names import CLOCK, into_namespace, remappings

SHARE = FindPackageShare('physical_ai_bridge')
ARGUMENTS = [
    DeclareLaunchArgument(
        'cell', default_value=PathJoinSubstitution([SHARE, 'config/cells/mujoco_ur5e.yaml']),
        description='path of the cell file'),
    DeclareLaunchArgument(
        'bundle', default_value=PathJoinSubstitution([SHARE, 'config/bundles/ur5e_insertion']),
        description='folder of the bundle: manifest.json and model.onnx'),
    DeclareLaunchArgument(
        'authority', default_value='live', choices=['shadow', 'ramp', 'live'],
        description='as in cell.launch.py, but live by default: nobody stands beside a simulated '
                    'arm.'),
    DeclareLaunchArgument(
        'episodes', default_value='0',
        description='how many episodes to run before the launch ends; 0 for one after the other'),
    DeclareLaunchArgument(
        'seed', default_value='0',
        description='seed of the first episode; the episodes after it count on from there'),
    DeclareLaunchArgument(
        'namespace', default_value='',
        description='namespace of the nodes and of their topics, /clock included; empty for none'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=['true', 'false'],
        description="whether time comes from the simulated cell's /clock."),
    DeclareLaunchArgument(
        'respawn', default_value='false', choices=['true', 'false'],
        description='as in cell.launch.py.'),
    DeclareLaunchArgument(
        'record', default_value='false',
        description='as in cell.launch.py: false, true, or the folder of the recording'),
]


def on_run(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End the launch with the last episode."""
    if event.returncode != 0 or context.is_shutdown:
        return None
    return Shutdown(reason='all episodes have been run')


def value_of(argument: str, context: LaunchContext) -> str:
    """Return an argument's value."""
    return LaunchConfiguration(argument).perform(context)


def namespace_of(context: LaunchContext) -> str:
    """Return the full namespace of the nodes."""
    outer = context.launch_configurations.get('ros_namespace')
    return make_namespace_absolute(prefix_namespace(outer, value_of('namespace', context))) or '/'


def whole(argument: str, context: LaunchContext) -> int:
    """Return an argument that is a whole number, 0 or more."""
    value = value_of(argument, context)
    if not value.isdecimal():
        raise ValueError(f'{argument}:={value}: write a whole number, 0 or more')
    return int(value)


def prepare(context: LaunchContext) -> list[Action]:
    """
    Look at the numbers, and hand on the name of the clock.

    Before anything is started: what launch has started when it meets an error, it leaves behind.
    """
    whole('seed', context), whole('episodes', context)
    return [SetLaunchConfiguration('clock', into_namespace(CLOCK, namespace_of(context)))]


def simulation_of(context: LaunchContext) -> list[Action]:
    """Return what starts the simulated cell, and its episodes."""
    namespace = namespace_of(context)
    moved = [] if namespace == '/' else [
        *remappings(load_cell(value_of('cell', context)), namespace),
        (CLOCK, into_namespace(CLOCK, namespace))]
    common = {'namespace': namespace, 'output': 'screen', 'sigterm_timeout': '12'}
    return [
        Node(
            package='physical_ai_bridge', executable='mujoco_cell', name='mujoco_cell',
            parameters=[{
                'cell': ParameterValue(LaunchConfiguration('cell'), value_type=str),
                'seed': whole('seed', context),
            }],
            remappings=moved, respawn=value_of('respawn', context) == 'true', respawn_delay=2.0,
            **common),
        Node(
            package='physical_ai_bridge', executable='episodes', name='episodes',
            arguments=['--count', str(whole('episodes', context))], on_exit=on_run, **common),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *ARGUMENTS,
        OpaqueFunction(function=prepare),
        IncludeLaunchDescription(
            PathJoinSubstitution([SHARE, 'launch/cell.launch.py']),
            launch_arguments={
                'cell': LaunchConfiguration('cell'), 'bundle': LaunchConfiguration('bundle'),
                'record': LaunchConfiguration('record'),
                'bring_up_first': 'mujoco_cell'}.items()),
        OpaqueFunction(function=simulation_of),
    ])
