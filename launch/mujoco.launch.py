"""
Bring up the simulated cell, then the supervisor and the policy on it.

``ros2 launch physical_ai_bridge mujoco.launch.py``
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    RegisterEventHandler,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, LifecycleTransition
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

SHARE = FindPackageShare('physical_ai_bridge')
ARGUMENTS = [
    DeclareLaunchArgument(
        'cell', default_value=PathJoinSubstitution([SHARE, 'config/cells/mujoco_ur5e.yaml']),
        description='path of the cell file'),
    DeclareLaunchArgument(
        'bundle', default_value=PathJoinSubstitution([SHARE, 'config/bundles/ur5e_insertion']),
        description='folder of the bundle: manifest.json and model.onnx'),
    DeclareLaunchArgument(
        'seed', default_value='0', description='seed of the first episode'),
]


def end_the_launch(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End everything with the process that everything needs, unless it is ending already."""
    if context.is_shutdown:
        return None
    return Shutdown(reason=f'{event.process_name} has ended')


def generate_launch_description() -> LaunchDescription:
    cell = LifecycleNode(
        package='physical_ai_bridge', executable='mujoco_cell', name='mujoco_cell',
        namespace='', output='screen',
        parameters=[{
            'cell': ParameterValue(LaunchConfiguration('cell'), value_type=str),
            'seed': ParameterValue(LaunchConfiguration('seed'), value_type=int),
        }],
        on_exit=end_the_launch)
    bridge = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch/cell.launch.py']),
        # Nobody stands beside a simulated arm.
        launch_arguments={
            'cell': LaunchConfiguration('cell'), 'bundle': LaunchConfiguration('bundle'),
            'authority': 'live'}.items())
    return LaunchDescription([
        *ARGUMENTS,
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=cell, goal_state='active', entities=[bridge],
            handle_once=True)),
        cell,
        LifecycleTransition(
            lifecycle_node_names=['/mujoco_cell'],
            transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE]),
    ])
