"""
Bring up the simulated cell in Gazebo, then the supervisor and the policy on it.

``ros2 launch physical_ai_bridge gazebo.launch.py``

It needs gz-sim 8 or newer, ros_gz and gz_ros2_control; docs/gazebo.md says what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shlex
from xml.etree import ElementTree

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
import yaml

MANAGER = 'controller_manager'
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
        description='what the supervisor may do, as in cell.launch.py; live, because nobody '
                    'stands beside a simulated arm'),
    DeclareLaunchArgument(
        'files', default_value=PathJoinSubstitution([SHARE, 'config/gazebo']),
        description='folder with the world, the arm and the settings, as `python -m '
                    'physical_ai_bridge.simulation.gazebo FOLDER --seed N` writes them'),
    DeclareLaunchArgument(
        'gui', default_value='true', choices=['true', 'false'],
        description="whether Gazebo's window opens; without it the cameras render off screen"),
    DeclareLaunchArgument(
        'simulated_emergency_stop', default_value='true', choices=['true', 'false'],
        description='whether an emergency stop is simulated; if not, nothing moves until '
                    "something publishes the heartbeat on the cell's topic"),
    DeclareLaunchArgument(
        'record', default_value='false',
        description='as in cell.launch.py: false, true, or the folder of the recording'),
]


def after(
        ended: Node, start: Callable[[LaunchContext], list[Action]]) -> RegisterEventHandler:
    """Start what follows a process that has done its work; end the launch where it has not."""
    def follow(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        if event.returncode:
            return [Shutdown(
                reason=f'{event.process_name} ended with {event.returncode}; see above')]
        return start(context)

    return RegisterEventHandler(OnProcessExit(target_action=ended, on_exit=follow))


def end_the_launch(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End everything with the process that everything needs, unless it is ending already."""
    if context.is_shutdown:
        return None
    return Shutdown(reason=f'{event.process_name} has ended')


def end_with_gazebo(world: Path) -> RegisterEventHandler:
    """End everything with Gazebo; ros_gz's own way of that does it once more after Ctrl-C."""
    def follow(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        if str(world) not in ' '.join(event.cmd):
            return None
        return end_the_launch(event, context)

    return RegisterEventHandler(OnProcessExit(on_exit=follow))


def simulation(context: LaunchContext) -> list[Action]:
    """Return Gazebo with the world, the arm in it, and what carries its topics to ROS."""
    files = Path(LaunchConfiguration('files').perform(context)).resolve()
    gui = LaunchConfiguration('gui').perform(context) == 'true'
    world, controllers = files / 'world.sdf', files / 'controllers.yaml'
    spawned = [name for name in yaml.safe_load(controllers.read_text(encoding='utf-8'))
               if name != MANAGER]
    arm = ElementTree.parse(files / 'robot.sdf')
    # Gazebo looks for a relative path in the folder that it was started in.
    arm.find('.//plugin/parameters').text = str(controllers)
    description = (files / 'robot.urdf').read_text(encoding='utf-8')
    gazebo = IncludeLaunchDescription(
        PathJoinSubstitution([FindPackageShare('ros_gz_sim'), 'launch', 'gz_sim.launch.py']),
        launch_arguments={
            'gz_args': ' '.join([
                '-r', *([] if gui else ['-s', '--headless-rendering']),
                shlex.quote(str(world))])}.items())
    publisher = Node(
        package='robot_state_publisher', executable='robot_state_publisher', output='screen',
        parameters=[{'robot_description': ParameterValue(description, value_type=str),
                     'use_sim_time': True}])
    bridge = Node(
        package='ros_gz_bridge', executable='parameter_bridge', output='screen',
        parameters=[{'config_file': str(files / 'bridge.yaml')}], on_exit=end_the_launch)
    spawn = Node(
        package='ros_gz_sim', executable='create', output='screen',
        parameters=[{
            'name': arm.find('model').get('name'),
            'string': ParameterValue(
                ElementTree.tostring(arm.getroot(), encoding='unicode'), value_type=str)}])
    spawners = Node(
        package='controller_manager', executable='spawner', output='screen',
        arguments=[*spawned, '--controller-manager', f'/{MANAGER}',
                   '--param-file', str(controllers)])
    return [
        end_with_gazebo(world), after(spawn, lambda _: [spawners]), after(spawners, graph),
        gazebo, publisher, bridge, spawn]


def graph(context: LaunchContext) -> list[Action]:
    """Return the nodes that every cell has, and the emergency stop if it is simulated."""
    cell = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch/cell.launch.py']),
        launch_arguments={
            'cell': LaunchConfiguration('cell'), 'bundle': LaunchConfiguration('bundle'),
            'authority': LaunchConfiguration('authority'), 'use_sim_time': 'true',
            'record': LaunchConfiguration('record')}.items())
    if LaunchConfiguration('simulated_emergency_stop').perform(context) == 'false':
        return [cell]
    # It brings itself up: it commands nothing.
    stop = Node(
        package='physical_ai_bridge', executable='simulated_emergency_stop',
        name='simulated_emergency_stop', namespace='', output='screen',
        parameters=[{
            'cell': ParameterValue(LaunchConfiguration('cell'), value_type=str),
            'use_sim_time': True}],
        on_exit=end_the_launch)
    return [stop, cell]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=simulation)])
