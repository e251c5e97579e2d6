"""What ros2_control's parameter files say of controllers, broadcasters, topics and rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physical_ai_bridge.cli.new_cell_yaml import is_number, joined, read_mapping, unfilled
from physical_ai_bridge.contract.errors import CellError, Problem

MANAGER = 'controller_manager'
_TRAJECTORY = 'JointTrajectoryController'
_NOT_BY_TOPIC = ('Forward', 'JointGroup', 'Passthrough', 'FollowJointTrajectory')
_WRENCH = 'ForceTorqueSensorBroadcaster'
_JOINT_STATES = 'JointStateBroadcaster'


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One controller as its manager knows it.

    ``name`` is its node's full name; ``rate_hz`` None where no file says the update rate.
    """

    name: str
    kind: str
    namespace: str
    rate_hz: float | None
    parameters: dict[str, Any]

    def topic(self, name: str) -> str:
        """Return the full name of a topic that is private to the controller."""
        return f'{self.name}/{name}'

    @property
    def short_name(self) -> str:
        """The name without its namespace, as files have it."""
        return self.name.rpartition('/')[2]


class Controllers:
    """
    The files given as controllers.yaml, joined; later ones overrule earlier ones.

    Nodes may stand under namespaces and under the wildcards ``/**`` and ``*``. ``problems`` is
    what is wrong.
    """

    def __init__(self, paths: Sequence[Path], variables: dict[str, str]) -> None:
        self.where = ', '.join(str(path) for path in paths)
        self.source = ', '.join(path.name for path in paths)
        self.problems: list[Problem] = []
        mappings = []
        for path in paths:
            try:
                mappings.append(read_mapping(path, 'controllers.yaml', variables))
            except CellError as error:
                self.problems += error.problems
        self._nodes = dict(_nodes(joined(*mappings), ''))
        self.entries = tuple(self._entries())
        if not self.problems and not self.entries:
            self._complain(MANAGER, 'no controller with a type in it', (
                "give ros2_control's controllers.yaml, in which "
                f'{MANAGER}.ros__parameters names each controller with its type'))

    def _complain(self, key: str, found: str, write: str) -> None:
        self.problems.append(Problem(self.where, key, found, write))

    def _entries(self) -> Iterator[Entry]:
        everywhere = self._nodes.pop('/*', {})
        managers = [name for name in self._nodes if name.endswith(f'/{MANAGER}')]
        for manager in managers:
            namespace = manager.removesuffix(f'/{MANAGER}')
            values = joined(everywhere, self._nodes[manager])
            for short, inner in values.items():
                full = f'{namespace}/{short}'
                own = joined(everywhere, self._nodes.get(full, {}))
                kind = own.get('type') or (inner.get('type') if isinstance(inner, dict) else None)
                if isinstance(kind, str) and (isinstance(inner, dict) or full in self._nodes):
                    rate = self._rate(f'{short}.update_rate', own.get('update_rate')) or \
                        self._rate(f'{MANAGER}.update_rate', values.get('update_rate'))
                    yield Entry(full, kind, namespace, rate, own)

    def _rate(self, key: str, value: Any) -> float | None:
        if value is None or value == 0:
            return None
        if is_number(value) and value > 0.0:
            return float(value)
        self._complain(key, f'found {value!r}', 'write a number above 0 in Hz')
        return None

    def of_kind(self, kind: str, beside: Entry | None = None) -> list[Entry]:
        """Return the controllers of a class, of those under the same manager as ``beside``."""
        return [each for each in self.entries
                if each.kind.rpartition('/')[2].rpartition('::')[2].endswith(kind)
                and (beside is None or each.namespace == beside.namespace)]

    def choose(self, wanted: str | None) -> Entry | None:
        """Return the joint trajectory controller to drive, or complain and return None."""
        candidates = self.of_kind(_TRAJECTORY)
        listed = ', '.join(f'{each.name.lstrip("/")} ({each.kind})' for each in candidates)
        if wanted is not None:
            named = [each for each in candidates
                     if wanted.lstrip('/') in (each.name.lstrip('/'), each.short_name)]
            if len(named) == 1:
                return named[0]
            others = [each for each in self.entries if each.short_name == wanted]
            if others and not named:
                self._complain(
                    f'{wanted}.type', f'found {others[0].kind}, which takes no trajectories',
                    f'give --controller one of: {listed or "none is there"}')
            elif self.entries:
                self._complain(
                    MANAGER, f'found {len(named) or "no"} joint trajectory controller {wanted}',
                    f'give --controller one of: {listed or "none is there"}')
            return None
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            self._complain(MANAGER, f'found {len(candidates)} joint trajectory controllers',
                           f'give --controller one of: {listed}')
        elif self.entries:
            near = [f'{each.short_name} ({each.kind})' for each in self.entries
                    if any(part in each.kind for part in _NOT_BY_TOPIC)]
            self._complain(
                MANAGER, 'found no joint trajectory controller'
                + (f', only {", ".join(near)}' if near else ''),
                'add a joint_trajectory_controller/JointTrajectoryController for the joints')
        return None

    def joints_of(self, controller: Entry) -> list[str]:
        """Return the joints of a joint trajectory controller; [] and complaints where none."""
        key = f'{controller.short_name}.joints'
        joints = controller.parameters.get('joints')
        if not isinstance(joints, list) or not joints or not all(
                isinstance(name, str) and name for name in joints):
            self._complain(key, 'missing' if joints is None else f'found {joints!r}',
                           'write the names of the joints that it drives')
            return []
        open_ends = dict.fromkeys(found for text in joints if (found := unfilled(text)))
        for found, write in open_ends:
            self._complain(key, found, write)
        twice = sorted({name for name in joints if joints.count(name) > 1})
        if twice:
            self._complain(key, f'found {", ".join(twice)} more than once', 'write it once')
        return [] if open_ends or twice else joints

    def check(self, controller: Entry) -> list[str]:
        """Complain about what the supervisor cannot live with; return what should be changed."""
        values, name = controller.parameters, controller.short_name
        states = values.get('state_interfaces')
        if not isinstance(states, list) or 'position' not in states:
            self._complain(
                f'{name}.state_interfaces',
                'missing' if states is None else f'found {states!r}',
                'write position, and velocity where the hardware has it')
        commands = values.get('command_interfaces')
        if not isinstance(commands, list) or not commands:
            self._complain(
                f'{name}.command_interfaces',
                'missing' if commands is None else f'found {commands!r}',
                'write what the hardware takes, such as position')
        if values.get('interpolation_method', 'splines') != 'splines':
            self._complain(
                f'{name}.interpolation_method', f'found {values["interpolation_method"]!r}',
                'write splines: else it does not execute what was verified')
        notes = []
        for key, right, why in (
                ('interpolate_from_desired_state', True,
                 'a new command goes on from the reference, not from the measured joints'),
                ('allow_nonzero_velocity_at_trajectory_end', False,
                 'what does not end at rest is refused there too'),
                ('allow_trajectory_replacement', False,
                 'a command is executed as it was verified, not blended; where your release has '
                 'it')):
            default = key == 'allow_trajectory_replacement'
            if values.get(key, default) is not right:
                notes.append(f'{name}.{key}: write {str(right).lower()}, so that {why}')
        scaling = values.get('speed_scaling')
        scaled = isinstance(scaling, dict) and scaling.get('state_interface')
        if controller.kind.endswith('ScaledJointTrajectoryController') or scaled:
            notes.append(
                f'{name}: keep the speed slider at 100 %; at any other speed it executes another '
                'motion than was verified, and the supervisor stops (REFERENCE_LOST)')
        return notes

    def path_tolerance(self, controller: Entry, joints: Sequence[str]) -> float | None:
        """Return the tightest path tolerance that the controller itself holds, in rad."""
        constraints = controller.parameters.get('constraints')
        inner = [constraints.get(name) if isinstance(constraints, dict) else None
                 for name in joints]
        found = [each.get('trajectory') if isinstance(each, dict) else None for each in inner]
        numbers = [float(each) for each in found
                   if is_number(each) and each > 0.0]
        return min(numbers) if numbers else None

    def joint_states(self, controller: Entry, joints: Sequence[str]) -> Entry | None:
        """Return the joint_state_broadcaster; complain where it leaves out a driven joint."""
        found = self.of_kind(_JOINT_STATES, controller)
        if len(found) > 1:
            self._complain(MANAGER, f'found {len(found)} joint state broadcasters',
                           'give the files of one robot')
        if len(found) != 1:
            return None
        [broadcaster] = found
        own = broadcaster.parameters.get('joints')
        interfaces = broadcaster.parameters.get('interfaces')
        if isinstance(own, list) and own and isinstance(interfaces, list) and interfaces:
            for name in joints:
                if name not in own:
                    self._complain(f'{broadcaster.short_name}.joints', f'{name} is not in it',
                                   f'add {name}, which the controller drives')
        return broadcaster

    def wrenches(self, controller: Entry | None) -> list[Entry]:
        """Return the force_torque_sensor_broadcasters that a file says enough of."""
        found = []
        for each in self.of_kind(_WRENCH, controller):
            frame = each.parameters.get('frame_id')
            if not isinstance(frame, str) or not frame:
                self._complain(f'{each.short_name}.frame_id',
                               'missing' if frame is None else f'found {frame!r}',
                               'write the frame in which the sensor measures')
            elif open_end := unfilled(frame):
                self._complain(f'{each.short_name}.frame_id', *open_end)
            else:
                found.append(each)
        return found


def _nodes(values: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Return each node's full name and its parameters; '/*' is every node.

    A wildcard for namespaces is taken for none: the file does not say which it will be.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, inner in values.items():
        if not isinstance(inner, dict):
            continue
        if key == 'ros__parameters':
            name = path or '/*'
            found[name] = joined(found.get(name, {}), _nested(inner))
        else:
            steps = [step for step in key.split('/') if step.strip('*')]
            for name, parameters in _nodes(inner, '/'.join([path, *steps])):
                found[name] = joined(found.get(name, {}), parameters)
    yield from found.items()


def _nested(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with dotted names, as `ros2 param dump` may write them, nested."""
    nested: list[dict[str, Any]] = []
    for key, value in parameters.items():
        *outer, last = key.split('.') if all(key.split('.')) else [key]
        inner: dict[str, Any] = {last: _nested(value) if isinstance(value, dict) else value}
        for name in reversed(outer):
            inner = {name: inner}
        nested.append(inner)
    return joined(*nested)
