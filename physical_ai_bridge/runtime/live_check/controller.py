"""The controller: is it the one that was verified for, and does nobody else command it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.names import PROPOSALS
from physical_ai_bridge.runtime.live_check.finding import About, Finding
from physical_ai_bridge.runtime.live_check.observed import (
    COMMAND_TYPE,
    Observed,
    SETPOINT_TYPE,
    Topic,
)

_ABOUT = About('controller')
# What a joint_trajectory_controller must be set to, and what happens where it is not.
_WANTED = {
    'interpolate_from_desired_state': (
        True, 'it begins each command from the measured position, with a jerk of its own'),
    'allow_trajectory_replacement': (
        False, 'it blends into a command, and moves its stamp, instead of executing it as it is'),
    'allow_nonzero_velocity_at_trajectory_end': (
        False, 'it takes commands that do not end at rest'),
}
PARAMETERS = ('joints', 'command_interfaces', *_WANTED)


def controller_node(commands: Topic, others: Collection[str]) -> str | None:
    """
    Return which node executes what comes on the topic of the commands, None where none listens.

    The one after which the topic is named; else the first that is not one of ``others``, our own.
    """
    listening = sorted({each.node for each in commands.subscriptions} - set(others))
    named = commands.name.rpartition('/')[0]
    return named if named in listening else next(iter(listening), None)


def our_nodes(observed: Observed) -> set[str]:
    """Return the nodes that propose and supervise."""
    return {*observed.supervisors,
            *(each.node for each in observed.topic(PROPOSALS).publishers)}


def judge_controller(observed: Observed, cell: Cell) -> Iterator[Finding]:
    """Yield what is to be said of the controller, and of who commands it."""
    yield from _judge_listener(observed, cell)
    yield from _judge_others(observed, cell)


def _judge_listener(observed: Observed, cell: Cell) -> Iterator[Finding]:
    topic = cell.controller.topic
    commands = observed.topic(topic)
    node = controller_node(commands, our_nodes(observed))
    if node is None:
        yield _ABOUT.failed(
            'topic', f'nobody listens to {topic}', 'load and activate the controller: `ros2 run '
            'controller_manager spawner joint_trajectory_controller`; or correct '
            'controller.topic')
        return
    listening = next(each for each in commands.subscriptions if each.node == node)
    streams = cell.controller.streams
    wanted = SETPOINT_TYPE if streams else COMMAND_TYPE
    if listening.type_name != wanted:
        yield _ABOUT.failed(
            'type', f'{node} takes {listening.type_name} on {topic}, not {wanted}',
            f'write the topic of a {"forward_command" if streams else "joint_trajectory"}'
            '_controller under controller.topic, and its interface beside it')
        return
    if listening.mismatch:
        yield _ABOUT.failed(
            'qos', f'{node} does not hear our commands on {topic}: {listening.mismatch}',
            'subscribe reliable and volatile, as the controllers of ros2_control do')
    else:
        yield _ABOUT.passed('topic', f'{node} listens to {topic}')
    parameters = observed.parameters.get(node)
    yield from (_judge_order(node, parameters, cell) if streams
                else _judge_parameters(node, parameters, cell))
    yield from _judge_state(node, observed, cell)


def _judge_parameters(
        node: str, parameters: Mapping[str, Any] | None, cell: Cell) -> Iterator[Finding]:
    if parameters is None:
        yield _ABOUT.not_checked(
            'parameters', f'{node} does not answer to {node}/get_parameters',
            f'look at them yourself: {", ".join(_WANTED)}')
        return
    if 'joints' not in parameters and not parameters.keys() & _WANTED.keys():
        yield _ABOUT.warned(
            'parameters', f'{node} has none of the parameters of a joint_trajectory_controller',
            'make sure that it interpolates positions and velocities by cubics, in absolute time')
        return
    yield from _judge_joints(node, parameters, cell)
    interfaces = parameters.get('command_interfaces')
    if interfaces and list(interfaces) != ['position']:
        yield _ABOUT.warned(
            'command_interfaces', f'{node} commands {", ".join(interfaces)}: a gain of its own is '
            'between what was verified and what the joints do',
            'write command_interfaces: [position], if the hardware takes positions')
    for name, (wanted, otherwise) in _WANTED.items():
        if name not in parameters:
            # The first is in every release that we know, the others came later.
            if wanted:
                yield _ABOUT.not_checked(name, f'{node} has no such parameter')
            continue
        value = parameters[name]
        if value is wanted:
            yield _ABOUT.passed(name, f'{name} {str(wanted).lower()}')
        else:
            yield _ABOUT.failed(
                name, f'{name} is {str(value).lower()}: {otherwise}',
                f'write {name}: {str(wanted).lower()} under {node.rpartition("/")[2]} in '
                'controllers.yaml, and start the controller again')


def _judge_order(
        node: str, parameters: Mapping[str, Any] | None, cell: Cell) -> Iterator[Finding]:
    """Yield whether a forward_command_controller has its joints in the order of the setpoints."""
    joints = None if parameters is None else parameters.get('joints')
    if joints is None:
        yield _ABOUT.not_checked(
            'joints', f'{node} does not tell its parameter joints',
            'compare their order with controller.joints yourself: a setpoint carries no names')
    elif tuple(joints) != cell.controller.joints:
        yield _ABOUT.failed(
            'joints', f'{node} has {", ".join(joints)}, controller.joints is '
            f'{", ".join(cell.controller.joints)}: each setpoint would go to another joint',
            'write them in the order of the controller, under controller.joints')
    else:
        yield _ABOUT.passed('joints', 'the same joints in the same order')


def _judge_joints(node: str, parameters: Mapping[str, Any], cell: Cell) -> Iterator[Finding]:
    joints = parameters.get('joints')
    if joints is None:
        yield _ABOUT.not_checked('joints', f'{node} has no such parameter')
        return
    less = [name for name in cell.robot.joints if name not in joints]
    more = [name for name in joints if name not in cell.robot.joints]
    if less or more:
        said = [f'{what} {", ".join(names)}'
                for what, names in (('lacks', less), ('has also', more)) if names]
        yield _ABOUT.failed(
            'joints', f'{node} {" and ".join(said)}: it rejects every command, silently',
            'write the same joints in controllers.yaml and under robot.joints')
    else:
        yield _ABOUT.passed('joints', 'the same joints')


def _judge_state(node: str, observed: Observed, cell: Cell) -> Iterator[Finding]:
    if observed.controllers is None:
        yield _ABOUT.not_checked(
            'active', f'whether {node} is active, and has claimed the joints: '
            f'{observed.controllers_untold}', '`ros2 control list_controllers` shows it')
        return
    name = node.rpartition('/')[2]
    found = next((each for each in observed.controllers if each.name == name), None)
    if found is None:
        others = ', '.join(each.name for each in observed.controllers) or 'none'
        yield _ABOUT.failed('active', f'the controller manager does not know {name}; it has '
                            f'{others}', 'correct controller.topic, or spawn the controller')
        return
    if found.state != 'active':
        yield _ABOUT.failed('active', f'{name} is {found.state}: it drops every command, silently',
                            f'`ros2 control switch_controllers --activate {name}`')
        return
    missing = [f'{joint}/position' for joint in cell.robot.joints
               if f'{joint}/position' not in found.claimed_interfaces]
    if missing:
        yield _ABOUT.warned('claimed', f'{name} has not claimed {", ".join(missing)}',
                            'write command_interfaces: [position] in controllers.yaml')
    else:
        yield _ABOUT.passed('active', 'active, the joints claimed')


def _judge_others(observed: Observed, cell: Cell) -> Iterator[Finding]:
    controller = cell.controller
    publishers = sorted({each.node for each in observed.topic(controller.topic).publishers})
    others = [node for node in publishers if node not in observed.supervisors]
    if others:
        make = _ABOUT.failed if controller.other_publishers == 'stop' else _ABOUT.warned
        yield make('publishers', f'{", ".join(others)} publishes on {controller.topic}, too: what '
                   'it commands nobody has verified', f'stop {", ".join(others)}')
    elif len(observed.supervisors) > 1:
        yield _ABOUT.failed('publishers', f'{", ".join(observed.supervisors)} all publish on '
                            f'{controller.topic}', 'stop all but one of them')
    else:
        yield _ABOUT.passed('publishers', f'only {observed.supervisors[0]} commands it'
                            if observed.supervisors else 'nobody commands it')
    if observed.action_clients:
        yield _ABOUT.warned(
            'action', f'{", ".join(observed.action_clients)} can send goals to its '
            'follow_joint_trajectory action: what they command nobody has verified',
            f'stop {", ".join(observed.action_clients)} before the policy runs')
