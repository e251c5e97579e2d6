"""Which topic of a recording is which input of the cell, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from physical_ai_bridge.contract import names
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.ledger import Ledger

JOINTS, STOP, COMMAND, TASK = 'joint_state', 'emergency_stop', 'command', 'task'
REFERENCE, GRIPPER_STATE, GRIPPER_COMMAND = 'controller_state', 'gripper_state', 'gripper_command'
EPISODE, PROPOSAL, ROS_TIME = 'episode', 'proposal', 'clock'

_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
JOINT_STATE = 'sensor_msgs/msg/JointState'
_WRENCH = 'geometry_msgs/msg/WrenchStamped'
_CONTROLLER_STATE = 'control_msgs/msg/JointTrajectoryControllerState'


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """
    One input: its kind, as in a journal (``image/wrist``, say), and its name in the cell file.

    ``topic`` is what the recording calls it. ``rate_hz`` and ``max_age_s`` are the cell file's,
    None where it promises neither.
    """

    kind: str
    name: str
    topic: str
    type_name: str
    rate_hz: float | None = None
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """
    What of a recording is used, by its topic; and what is not there.

    ``policy`` says whether the policy can run. ``silent`` are the wrench sensors that are not in
    the recording, ``stop`` whether the emergency stop is.
    """

    inputs: dict[str, Input]
    policy: bool
    silent: tuple[str, ...]
    stop: bool

    def has(self, kind: str) -> bool:
        """Tell whether an input of this kind is in the recording."""
        return any(each.kind == kind for each in self.inputs.values())


def parse_remap(rules: list[str]) -> dict[str, str]:
    """
    Return what ``FROM:=TO`` says, from the recording's names to the cell file's.

    Raises
    ------
    SetupError
        If a rule is none.

    """
    found = {}
    for rule in rules:
        before, mark, after = rule.partition(':=')
        if not (mark and before.startswith('/') and after.startswith('/')):
            raise SetupError(f'--remap {rule}: write FROM:=TO, both with a leading slash: the '
                             "recording's topic, and the cell file's that it stands for")
        found[before] = after
    return found


def wanted(binding: Binding) -> tuple[Input, ...]:
    """Return every input that an evaluation has a use for, by the cell file's names."""
    cell, spec = binding.cell, binding.manifest.observation
    sensors, controller = cell.sensors, cell.controller
    joints = sensors.joint_states
    found = [Input(
        kind=JOINTS, name=joints.topic, topic=joints.topic, type_name=JOINT_STATE,
        rate_hz=joints.rate_hz, max_age_s=joints.max_age_s)]
    found += [Input(
        kind=f'wrench/{name}', name=wrench.topic, topic=wrench.topic, type_name=_WRENCH,
        rate_hz=wrench.rate_hz, max_age_s=wrench.max_age_s)
        for name, wrench in sensors.wrenches.items()]
    found += [Input(
        kind=f'image/{name}', name=sensors.cameras[name].topic, topic=sensors.cameras[name].topic,
        type_name=sensors.cameras[name].type, rate_hz=sensors.cameras[name].rate_hz,
        max_age_s=sensors.cameras[name].max_age_s) for name in spec.images]
    if controller.state_topic is not None:
        reports_joints = controller.state_type == JOINT_STATE
        found.append(_plain(REFERENCE, controller.state_topic,
                            JOINT_STATE if reports_joints else _CONTROLLER_STATE))
    found += _gripper(cell)
    found += [
        _plain(COMMAND, controller.plan_topic, _TRAJECTORY),
        _plain(STOP, cell.safety.emergency_stop.topic, 'std_msgs/msg/Bool'),
        _plain(TASK, names.POLICY_TASK, 'std_msgs/msg/String'),
        _plain(PROPOSAL, names.PROPOSALS, _TRAJECTORY),
        _plain(EPISODE, names.EPISODE, 'diagnostic_msgs/msg/DiagnosticStatus'),
        _plain(ROS_TIME, names.CLOCK, 'rosgraph_msgs/msg/Clock')]
    return tuple(found)


def _gripper(cell: Cell) -> list[Input]:
    gripper = cell.gripper
    if gripper is None:
        return []
    found = [_plain(GRIPPER_COMMAND, gripper.plan_topic, _TRAJECTORY)]
    if gripper.state_topic is not None:
        found.append(_plain(GRIPPER_STATE, gripper.state_topic, JOINT_STATE))
    return found


def _plain(kind: str, topic: str, type_name: str) -> Input:
    return Input(kind=kind, name=topic, topic=topic, type_name=type_name)


def match(
        binding: Binding, recorded: Mapping[str, tuple[str, int]], remap: Mapping[str, str],
        ledger: Ledger) -> Topics:
    """
    Match what was ``recorded``, (type, count) by topic, with what is wanted.

    ``remap`` is from the recording's names to the cell file's. What is missing goes into
    ``ledger``.
    """
    called = {name: name for name in recorded}
    called.update({after: before for before, after in remap.items()})
    inputs, missing = {}, set()
    for each in wanted(binding):
        topic = called.get(each.name, each.name)
        type_name, count = recorded.get(topic, ('', 0))
        if not count:
            missing.add(each.kind)
        elif type_name != each.type_name:
            missing.add(each.kind)
            ledger.add(FindingCode.TYPE_UNEXPECTED, topic,
                       f'it is recorded as {type_name}; expected {each.type_name}')
        else:
            inputs[topic] = Input(
                kind=each.kind, name=each.name, topic=topic, type_name=type_name,
                rate_hz=each.rate_hz, max_age_s=each.max_age_s)
    return _told(binding, inputs, missing, ledger)


def _told(
        binding: Binding, inputs: dict[str, Input], missing: set[str], ledger: Ledger) -> Topics:
    spec, cell = binding.manifest.observation, binding.cell
    needed = {JOINTS, *(f'image/{name}' for name in spec.images),
              *(f'wrench/{name}' for name in spec.wrenches)}
    for each in wanted(binding):
        if each.kind in missing & needed:
            ledger.add(FindingCode.TOPIC_MISSING, each.name, _needed_for(each.kind))
    silent = tuple(name for name in cell.sensors.wrenches if f'wrench/{name}' in missing)
    for name in silent:
        ledger.add(FindingCode.ASSUMED_NO_FORCE, cell.sensors.wrenches[name].topic,
                   'the supervisor was told zero; its force limits were not judged')
    if STOP in missing:
        ledger.add(FindingCode.ASSUMED_RELEASED, cell.safety.emergency_stop.topic,
                   'the supervisor was told that it is released')
    if missing.issuperset({COMMAND, REFERENCE} if cell.controller.state_topic else {COMMAND}):
        ledger.add(FindingCode.REFERENCE_MEASURED, cell.controller.plan_topic,
                   'each proposal goes on from where, and how fast, the robot was measured')
    return Topics(inputs=inputs, policy=not missing & needed, silent=silent,
                  stop=STOP not in missing)


def _needed_for(kind: str) -> str:
    if kind == JOINTS:
        return 'without joint states nothing can be evaluated'
    sensor, _, name = kind.partition('/')
    what = 'camera' if sensor == 'image' else 'wrench sensor'
    return f'the policy looks at {what} {name}: it could not be run'
