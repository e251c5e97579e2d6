"""
Play a recording into the supervisor and the policy, in shadow, on the recording's own time.

``ros2 launch physical_ai_bridge replay.launch.py bag:=recordings/first cell:=my_cell.yaml
bundle:=my_bundle/``

Only what the cell sensed is played, and into a namespace of its own: no recorded command reaches a
controller, whatever runs beside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
import os
from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.names import CLOCK, into_namespace, sensed_topics
from physical_ai_bridge.nodes.dds import use_packaged_profile

SHARE = FindPackageShare('physical_ai_bridge')
CLOCK_HZ = '200'
ARGUMENTS = [
    DeclareLaunchArgument('bag', description='the recording: a rosbag2 folder, or its .mcap file'),
    DeclareLaunchArgument('cell', description='path of the cell file that was recorded'),
    DeclareLaunchArgument(
        'bundle', description='folder of the bundle: manifest.json and model.onnx'),
    DeclareLaunchArgument(
        'rate', default_value='1.0', description='speed of the replay; 1.0 is the real one'),
    DeclareLaunchArgument(
        'namespace', default_value='replay',
        description='namespace of the nodes and of what is played, /clock included'),
]


class ReplayError(Exception):
    """The recording cannot be played: with it ``ros2 launch`` ends, with exit status 1."""


def value_of(argument: str, context: LaunchContext) -> str:
    """Return an argument's value."""
    return LaunchConfiguration(argument).perform(context)


def prepare(context: LaunchContext) -> list[Action]:
    """
    See whether there is something to play, and something that plays it.

    Before anything is started: what launch has started when it meets an error, it leaves behind.
    """
    if find_spec('ros2bag') is None:
        raise ReplayError(
            'replay needs rosbag2, which is not installed; apt install '
            'ros-$ROS_DISTRO-ros2bag ros-$ROS_DISTRO-rosbag2-storage-mcap')
    bag = value_of('bag', context)
    if not Path(bag).exists():
        raise ReplayError(f'bag:={bag}: nothing is there; write the path of a recording')
    namespace = value_of('namespace', context)
    if not namespace.strip('/'):
        raise ReplayError('namespace:=: a replay needs a namespace, such as replay: without one '
                          'a cell that runs in this domain would hear it')
    return [SetLaunchConfiguration('clock', into_namespace(CLOCK, namespace))]


def player_of(context: LaunchContext) -> ExecuteProcess:
    """Return what plays the recording."""
    namespace, topics = value_of('namespace', context), sensed_topics(
        load_cell(value_of('cell', context)))
    moved = [f'{name}:={into_namespace(name, namespace)}' for name in (*topics, CLOCK)]
    environment = dict(os.environ)
    use_packaged_profile(environment)
    return ExecuteProcess(
        cmd=['ros2', 'bag', 'play', value_of('bag', context), '--clock', CLOCK_HZ,
             '--rate', value_of('rate', context), '--disable-keyboard-controls',
             '--topics', *topics, '--remap', *moved],
        name='player', output='screen', env=environment, on_exit=on_played)


def on_played(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End the launch with the recording."""
    if context.is_shutdown:
        return None
    if event.returncode != 0:
        raise ReplayError(f'the player has ended with status {event.returncode}; its own lines '
                          'above say why')
    return Shutdown(reason='the recording has been played')


def on_brought_up(
        player: ExecuteProcess, event: ProcessExited, context: LaunchContext) -> list[Action]:
    """Play once the nodes listen; where one refuses, cell.launch.py ends the launch."""
    return [] if context.is_shutdown or event.returncode != 0 else [player]


def replay_of(context: LaunchContext) -> list[Action]:
    """Return what plays the recording as soon as the nodes are up."""
    return [RegisterEventHandler(OnProcessExit(
        target_action=runs('bring_up'),
        on_exit=partial(on_brought_up, player_of(context))))]


def runs(executable: str) -> Callable[[Action], bool]:
    """Return a function that tells the action that runs an executable."""
    return lambda action: isinstance(action, Node) and action.node_executable == executable


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *ARGUMENTS,
        OpaqueFunction(function=prepare),
        OpaqueFunction(function=replay_of),
        IncludeLaunchDescription(
            PathJoinSubstitution([SHARE, 'launch/cell.launch.py']),
            launch_arguments={
                'cell': LaunchConfiguration('cell'), 'bundle': LaunchConfiguration('bundle'),
                'namespace': LaunchConfiguration('namespace'), 'authority': 'shadow',
                'use_sim_time': 'true'}.items()),
    ])
