"""
Bring a policy up on a robot cell: first the supervisor, then the policy.

``ros2 launch physical_ai_bridge cell.launch.py cell:=my_cell.yaml bundle:=my_bundle/``

Nothing moves unless ``authority:=ramp`` or ``authority:=live`` says so. docs/launch.md says what
happens when a node dies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
import signal
from typing import NoReturn

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
import launch.logging
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import ExecutableInPackage
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.names import CLOCK, remappings

ARGUMENTS = [
    DeclareLaunchArgument('cell', description='path of the cell file'),
    DeclareLaunchArgument(
        'bundle', description='folder of the bundle: manifest.json and model.onnx'),
    DeclareLaunchArgument(
        'authority', default_value='shadow', choices=['shadow', 'ramp', 'live'],
        description='shadow: commands are verified and reported, and nothing moves; ramp: they '
                    'go to the controller, the speed limits rising from a floor; live: they go '
                    'to the controller.'),
    DeclareLaunchArgument(
        'namespace', default_value='',
        description='namespace of the nodes, such as left. Every topic of the cell file is moved '
                    'into it, too, and so are /proposed_trajectory and /diagnostics; empty for '
                    'none. Two cells in two namespaces do not hear each other.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=['true', 'false'],
        description='whether time comes from /clock.'),
    DeclareLaunchArgument(
        'clock', default_value=CLOCK,
        description='topic of simulated time; the namespace does not change it'),
    DeclareLaunchArgument(
        'respawn', default_value='false', choices=['true', 'false'],
        description='what happens when a node dies. false: the launch ends. true: the process is '
                    'started again; the node comes back unconfigured, and does nothing before a '
                    'person brings it up.'),
    DeclareLaunchArgument(
        'record', default_value='false',
        description='record what goes in and out of the nodes, as MCAP. false: not; true: into a '
                    'new folder recordings/<date-time>; anything else: the folder, which must '
                    'not exist yet'),
    DeclareLaunchArgument(
        'params_file', default_value='',
        description='parameter file with more parameters of the nodes, such as '
                    'realtime_priority, providers or incidents; empty for none. The arguments '
                    'here win over it'),
    DeclareLaunchArgument(
        'bring_up_first', default_value='',
        description='lifecycle nodes of the cell itself, separated by commas, that are brought '
                    'up before the supervisor, and watched as it is; empty for none'),
]

# As long as the longest brake takes, and the watchdog before it: until then the supervisor's
# reason comes to the screen, and a simulated arm to rest.
REST_S = 2.0
RESPAWN_S = 2.0
# A node gives its middleware ten seconds to be taken down.
SIGTERM_S = '12'
MEANINGS = {
    'policy_node': 'No proposals come any more, so the supervisor stops the arm.',
    'safety_supervisor': 'Nothing goes to the controller any more; it comes to rest at the end of '
                         'the last command, which is verified down to standstill.',
}
OTHER = 'Where the supervisor misses what it delivered, it stops the arm.'

log = launch.logging.get_logger('cell.launch.py')


class NodeEndedError(Exception):
    """What everything needs has ended: with it ``ros2 launch`` ends, with exit status 1."""


def end(reason: str, context: LaunchContext) -> NoReturn:
    """End the launch."""
    raise NodeEndedError(reason)


def how(returncode: int) -> str:
    """Return how a process ended."""
    if returncode >= 0:
        return f'has ended with status {returncode}'
    return f'has died of {signal.Signals(-returncode).name}'


def on_death(
        names: list[str], respawn: bool, event: ProcessExited,
        context: LaunchContext) -> list[Action]:
    """Say what it means that one of the nodes has ended; end the launch unless it is respawned."""
    if context.is_shutdown:
        return []
    node = event.action.node_name
    what = f'{node} {how(event.returncode)}'
    meaning = MEANINGS.get(node.rpartition('/')[2], OTHER)
    if respawn:
        supervisor = f'{node.rpartition("/")[0]}/safety_supervisor'
        log.error(
            f'{what}. {meaning} Its process is started again, and does nothing by itself. When '
            f'the cause is understood: ros2 run physical_ai_bridge bring_up {" ".join(names)}, '
            f'and where the supervisor has stopped: ros2 service call {supervisor}/reset '
            'std_srvs/srv/Trigger')
        return []
    log.error(f'{what}. {meaning} The launch ends in {REST_S:g} s. What {node} wrote above says '
              'why, or the log of the machine, where it was killed; mend that and launch again')
    return [TimerAction(period=REST_S, actions=[OpaqueFunction(function=partial(end, what))])]


def on_brought_up(event: ProcessExited, context: LaunchContext) -> None:
    """End the launch where a node has refused to come up."""
    if event.returncode != 0 and not context.is_shutdown:
        log.error('the nodes did not come up. The lines of bring_up above say which node refused '
                  'what, and why; mend that and launch again')
        end('the nodes did not come up', context)


def on_recorded(event: ProcessExited, context: LaunchContext) -> None:
    """Say that nothing is recorded any more; the cell goes on."""
    if not context.is_shutdown:
        log.error('the recording has ended; its own line above says why. The cell goes on without')


def recording(argument: str, cell: str, namespace: str, bundle: str) -> list[Action]:
    """Return the process that records, if one is asked for."""
    if argument == 'false':
        return []
    folder = [] if argument == 'true' else ['--out', argument]
    return [ExecuteProcess(
        cmd=[ExecutableInPackage(package='physical_ai_bridge', executable='physical_ai_bridge'),
             'record', '--cell', cell, '--bundle', bundle, '--namespace', namespace, *folder],
        name='record', output='screen', sigterm_timeout=SIGTERM_S, on_exit=on_recorded)]


def cell_of(context: LaunchContext) -> list[Action]:
    """Return what starts the nodes, brings them up and watches them."""
    def text(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    def parameter(argument: str, value_type: type = str) -> ParameterValue:
        return ParameterValue(LaunchConfiguration(argument), value_type=value_type)

    outer = context.launch_configurations.get('ros_namespace')
    namespace = make_namespace_absolute(prefix_namespace(outer, text('namespace'))) or '/'
    moved = [] if namespace == '/' else list(remappings(load_cell(text('cell')), namespace))
    clock = [] if text('clock') == CLOCK else [(CLOCK, text('clock'))]
    respawn = text('respawn') == 'true'
    more = [ParameterFile(existing(text('params_file')))] if text('params_file') else []
    common = {'cell': parameter('cell'), 'use_sim_time': parameter('use_sim_time', bool)}
    process = {'output': 'screen', 'sigterm_timeout': SIGTERM_S}
    node = {'namespace': namespace, 'remappings': [*moved, *clock], 'respawn': respawn,
            'respawn_delay': RESPAWN_S, **process}
    supervisor = Node(
        package='physical_ai_bridge', executable='safety_supervisor', name='safety_supervisor',
        parameters=[*more, common, {'authority': parameter('authority')}], **node)
    policy = Node(
        package='physical_ai_bridge', executable='policy_node', name='policy_node',
        parameters=[*more, common, {'bundle': parameter('bundle')}], **node)
    first = [name.strip() for name in text('bring_up_first').split(',') if name.strip()]
    names = [f'{namespace.rstrip("/")}/{name.lstrip("/")}'
             for name in (*first, 'safety_supervisor', 'policy_node')]
    bring_up = Node(
        package='physical_ai_bridge', executable='bring_up', name='bring_up',
        namespace=namespace, arguments=names, on_exit=on_brought_up, **process)
    return [
        RegisterEventHandler(OnProcessExit(
            target_action=is_one_of(names), on_exit=partial(on_death, names, respawn))),
        supervisor,
        policy,
        bring_up,
        *recording(text('record'), text('cell'), namespace, text('bundle')),
    ]


def existing(path: str) -> str:
    """Return the path of a file that is there: launch would go on without."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'params_file:={path}: nothing is there; write the path of a '
                                'parameter file')
    return path


def is_one_of(names: list[str]) -> Callable[[Action], bool]:
    """Return a function that tells the actions that started these nodes."""
    return lambda action: isinstance(action, Node) and action.node_name in names


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=cell_of)])
