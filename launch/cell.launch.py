"""
Bring a policy up on a robot cell: first the supervisor, then the policy.

``ros2 launch physical_ai_bridge cell.launch.py cell:=my_cell.yaml bundle:=my_bundle/``

Nothing moves unless ``authority:=ramp`` or ``authority:=live`` says so.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, RegisterEventHandler, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, LifecycleTransition
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

ARGUMENTS = [
    DeclareLaunchArgument('cell', description='path of the cell file'),
    DeclareLaunchArgument(
        'bundle', description='folder of the bundle: manifest.json and model.onnx'),
    DeclareLaunchArgument(
        'authority', default_value='shadow', choices=['shadow', 'ramp', 'live'],
        description='shadow: commands are verified and reported, and nothing moves; ramp: they '
                    'go to the controller, the speed limits rising from a floor; live: they go '
                    'to the controller'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=['true', 'false'],
        description='whether time comes from /clock'),
]


def text(argument: str) -> ParameterValue:
    """Return a launch argument as a text, also where it looks like a number."""
    return ParameterValue(LaunchConfiguration(argument), value_type=str)


def bring_up(node: str) -> LifecycleTransition:
    """
    Configure a node, and activate it when that has worked.

    By transitions, because ``LifecycleNode(autostart=True)`` is too new for Jazzy.
    """
    return LifecycleTransition(
        lifecycle_node_names=[f'/{node}'],
        transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE])


def end_the_launch(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End everything with the process that everything needs, unless it is ending already."""
    if context.is_shutdown:
        return None
    return Shutdown(reason=f'{event.process_name} has ended')


def generate_launch_description() -> LaunchDescription:
    common = {
        'cell': text('cell'),
        'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool),
    }
    supervisor = LifecycleNode(
        package='physical_ai_bridge', executable='safety_supervisor', name='safety_supervisor',
        namespace='', output='screen', parameters=[common, {'authority': text('authority')}],
        on_exit=end_the_launch)
    policy = LifecycleNode(
        package='physical_ai_bridge', executable='policy_node', name='policy_node',
        namespace='', output='screen', parameters=[common, {'bundle': text('bundle')}])
    return LaunchDescription([
        *ARGUMENTS,
        # Both start loading at once; the policy becomes active only under an active supervisor.
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=supervisor, goal_state='active',
            entities=[bring_up('policy_node')], handle_once=True)),
        supervisor,
        policy,
        bring_up('safety_supervisor'),
    ])
