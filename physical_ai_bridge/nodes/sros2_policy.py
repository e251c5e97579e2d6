"""
The access-control policy of a cell's nodes, in the policy format of SROS2.

``python -m physical_ai_bridge.nodes.sros2_policy my_cell.yaml > policies.xml``

One enclave for each process, with what its node uses and nothing else. docs/security.md says how
to turn it into keys and permissions.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
import sys
from xml.etree import ElementTree

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.errors import BridgeError

ROOM = '/physical_ai_bridge'
POLICY, SUPERVISOR, MUJOCO_CELL, OPERATOR = (
    'policy_node', 'safety_supervisor', 'mujoco_cell', 'operator')
PARAMETER_SERVICES = (
    'describe_parameters', 'get_parameter_types', 'get_parameters', 'list_parameters',
    'set_parameters', 'set_parameters_atomically')

# The version of the published schema that this is written for.
_VERSION = '0.2.0'
_LIFECYCLE = ('change_state', 'get_available_states', 'get_available_transitions', 'get_state',
              'get_transition_graph')
_TRIGGERS = {
    SUPERVISOR: ('reset', 'stop'),
    MUJOCO_CELL: ('new_episode', 'press_emergency_stop', 'release_emergency_stop')}
# What moves the robot, or changes how it moves, past the supervisor. A name with an asterisk
# stands for every name of that pattern.
_BYPASSES = {
    ('services', 'request'): (
        '*/set_parameters', '*/set_parameters_atomically', '*/switch_controller',
        '/controller_manager/*'),
    ('actions', 'call'): ('*/follow_joint_trajectory',)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """What one process may do, and what it may not under any later rule; full names."""

    node: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    request: tuple[str, ...] = ()
    denied: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return the enclave's name."""
        return f'{ROOM}/{self.node}'

    @property
    def allowed(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return what is allowed, in the form of ``denied``."""
        return {('topics', 'publish'): self.publish, ('topics', 'subscribe'): self.subscribe,
                ('services', 'reply'): self.reply, ('services', 'request'): self.request}


def enclaves(
        cell: Cell, *, simulated: bool = False, use_sim_time: bool = False,
) -> tuple[Enclave, ...]:
    """
    Return the enclaves of a cell's nodes, and of the operator who brings them up.

    ``simulated`` adds the one of the simulated cell; with ``use_sim_time`` the others may hear
    the clock that it publishes.
    """
    sensors, controller = cell.sensors, cell.controller
    stop = cell.safety.emergency_stop.topic
    cameras = tuple(camera.topic for camera in sensors.cameras.values())
    state = () if controller.state_topic is None else (controller.state_topic,)
    moved = (sensors.joint_states.topic, *(each.topic for each in sensors.wrenches.values()))
    clock = ('/clock',) if use_sim_time else ()
    gripper = () if cell.gripper is None else (cell.gripper,)
    plans = (controller.plan_topic, *(each.plan_topic for each in gripper))
    commands = tuple(dict.fromkeys(
        (controller.topic, *(each.topic for each in gripper), *plans)))
    moved += tuple(each.state_topic for each in gripper if each.state_topic is not None)
    made = [
        _node(cell, POLICY, ('/proposed_trajectory', '/diagnostics', f'/{POLICY}/trace'),
              (*moved, *cameras, *clock, *plans, f'/{POLICY}/task')),
        _node(cell, SUPERVISOR,
              (*commands, f'/{SUPERVISOR}/state', f'/{SUPERVISOR}/trace', '/diagnostics'),
              (*moved, *state, *clock, stop, controller.plan_topic, '/proposed_trajectory',
               '/diagnostics'))]
    if simulated:
        made.append(_node(
            cell, MUJOCO_CELL, (*moved, *cameras, *state, stop, '/clock',
                                f'/{MUJOCO_CELL}/episode', '/diagnostics'), (controller.topic,)))
    nodes = [enclave.node for enclave in made]
    told = {topic for enclave in made for topic in enclave.publish} | {
        *moved, *cameras, stop, f'/{POLICY}/task'}
    made.append(Enclave(
        node=OPERATOR, publish=('/parameter_events', f'/{POLICY}/task', '/rosout'),
        subscribe=tuple(sorted(told - {'/clock', '/parameter_events'} | {'/rosout', *state})),
        request=tuple(sorted(
            f'/{node}/{service}' for node in nodes
            for service in ('change_state', 'get_state', *_TRIGGERS.get(node, ())))),
        denied=_denied(cell, OPERATOR)))
    return tuple(made)


def _node(
        cell: Cell, node: str, publish: tuple[str, ...], subscribe: tuple[str, ...]) -> Enclave:
    """Return the enclave of a lifecycle node; every one has more than what it is there for."""
    services = (*_LIFECYCLE, 'get_type_description', *_TRIGGERS.get(node, ()))
    return Enclave(
        node=node,
        publish=tuple(sorted((
            *publish, '/parameter_events', '/rosout', f'/{node}/transition_event'))),
        subscribe=tuple(sorted(subscribe)),
        reply=tuple(sorted(f'/{node}/{service}' for service in services)),
        denied=_denied(cell, node) | {
            ('services', 'reply'): tuple(f'/{node}/{each}' for each in PARAMETER_SERVICES)})


def _denied(cell: Cell, node: str) -> dict[tuple[str, str], tuple[str, ...]]:
    topic = cell.controller.topic
    topics = (topic,) if cell.gripper is None else (topic, cell.gripper.topic)
    scaling = f'{topic.rpartition("/")[0]}/speed_scaling_input'
    return {('topics', 'publish'): (scaling,) if node == SUPERVISOR else (*topics, scaling),
            **_BYPASSES}


def policy_xml(made: tuple[Enclave, ...]) -> str:
    """Return enclaves as the text of a policy file."""
    root = ElementTree.Element('policy', version=_VERSION)
    listed = ElementTree.SubElement(root, 'enclaves')
    for enclave in made:
        profiles = ElementTree.SubElement(
            ElementTree.SubElement(listed, 'enclave', path=enclave.path), 'profiles')
        profile = ElementTree.SubElement(profiles, 'profile', ns='/', node=enclave.node)
        for qualifier, rules in (('DENY', enclave.denied), ('ALLOW', enclave.allowed)):
            for (kind, what), names in rules.items():
                if names:
                    rule = ElementTree.SubElement(profile, kind, {what: qualifier})
                    for name in names:
                        ElementTree.SubElement(rule, kind.removesuffix('s')).text = name
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def main(args: list[str] | None = None) -> int:
    """Write the policy of a cell to stdout."""
    parser = argparse.ArgumentParser(
        prog='python -m physical_ai_bridge.nodes.sros2_policy',
        description="Write the SROS2 policy of a cell's nodes.",
        epilog='example: python -m physical_ai_bridge.nodes.sros2_policy my_cell.yaml '
               '> policies.xml')
    parser.add_argument('cell', help='path of the cell file')
    parser.add_argument(
        '--simulated', action='store_true', help='with an enclave for the simulated cell')
    parser.add_argument(
        '--use-sim-time', action='store_true', help='let the nodes hear /clock')
    given = parser.parse_args(args)
    try:
        cell = load_cell(given.cell)
    except BridgeError as error:
        sys.stderr.write(f'{error}\n')
        return 2
    sys.stdout.write(policy_xml(enclaves(
        cell, simulated=given.simulated, use_sim_time=given.use_sim_time)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
