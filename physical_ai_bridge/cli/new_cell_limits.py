"""Joint limits with where they come from: MoveIt's joint_limits.yaml before the URDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from physical_ai_bridge.cli.new_cell_robot import Joint
from physical_ai_bridge.cli.new_cell_yaml import is_number, joined, read_mapping
from physical_ai_bridge.contract.errors import CellError, Problem

_DERIVATIVES = ('velocity', 'acceleration', 'jerk')
_VELOCITY_FACTOR = 'default_velocity_scaling_factor'
_ACCELERATION_FACTOR = 'default_acceleration_scaling_factor'


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number, None where nobody says it, and who says it."""

    value: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Limits:
    """One joint's limits in rad, s (prismatic: m, s); ``ends`` None where it has none."""

    prismatic: bool
    ends: tuple[Sourced, Sourced] | None
    velocity: Sourced
    acceleration: Sourced
    jerk: Sourced


class JointLimits:
    """
    The files given as joint_limits.yaml, joined; later ones overrule earlier ones.

    MoveIt's keys are read: has_*_limits, min_position, max_position, max_velocity,
    max_acceleration, max_jerk, and the default scaling factors. ``problems`` is what is wrong.
    """

    def __init__(self, paths: Sequence[Path], variables: dict[str, str]) -> None:
        self.source = ', '.join(path.name for path in paths)
        self.problems: list[Problem] = []
        self._where = ', '.join(str(path) for path in paths)
        found = []
        for path in paths:
            try:
                values = _limits_in(read_mapping(path, 'joint_limits.yaml', variables))
            except CellError as error:
                self.problems += error.problems
                continue
            if values is None:
                self.problems.append(Problem(
                    str(path), 'joint_limits', 'missing',
                    "write it: the mapping of joints to limits of MoveIt's joint_limits.yaml"))
            else:
                found.append(values)
        merged = joined(*found)
        joints = merged.get('joint_limits', {})
        self._joints = joints if isinstance(joints, dict) else {}
        self.velocity_factor = self._factor(merged, _VELOCITY_FACTOR)
        self.acceleration_factor = self._factor(merged, _ACCELERATION_FACTOR)

    def _factor(self, merged: dict[str, Any], key: str) -> float:
        value = merged.get(key, 1.0)
        if is_number(value) and 0.0 < value <= 1.0:
            return float(value)
        self.problems.append(Problem(
            self._where, key, f'found {value!r}', 'write a number above 0 and at most 1'))
        return 1.0

    def check_names(self, joints: Sequence[str]) -> None:
        """Complain where the files speak of none of the driven joints."""
        if self.source and not self.problems and not any(name in self._joints for name in joints):
            self.problems.append(Problem(
                self._where, 'joint_limits',
                f'found limits of {", ".join(self._joints) or "no joint"}',
                f'give the limits of the driven joints: {", ".join(joints)}'))

    def note(self) -> str:
        """Return what is to be known of MoveIt's scaling factors, '' where they are 1."""
        factor = self.acceleration_factor
        return '' if factor == 1.0 else (
            f'{_ACCELERATION_FACTOR} {factor:g} of {self.source} is left out: with less '
            'acceleration a stop would take longer')

    def of(self, joint: Joint) -> Limits:
        """Return what holds for a joint: the tighter where both sources speak."""
        values = self._joints.get(joint.name)
        key = f'joint_limits.{joint.name}'
        if values is not None and not isinstance(values, dict):
            self.problems.append(Problem(
                self._where, key, f'found {values!r}', 'write a mapping of limits'))
        values = values if isinstance(values, dict) else {}
        given = {name: self._given(key, values, name) for name in _DERIVATIVES}
        urdf = joint.velocity if (joint.velocity or 0.0) > 0.0 else None
        velocity = _tighter(
            Sourced(urdf, 'URDF' if urdf else 'not in the URDF'),
            Sourced(given['velocity'], self.source))
        if velocity.value is not None and self.velocity_factor != 1.0:
            velocity = Sourced(
                velocity.value * self.velocity_factor,
                f'{velocity.value:g} in {velocity.source}, times {_VELOCITY_FACTOR} '
                f'{self.velocity_factor:g}')
        nobody = f'not in {self.source}' if self.source else 'no joint_limits.yaml was given'
        return Limits(
            joint.kind == 'prismatic', self._ends(joint, key, values), velocity,
            *(Sourced(given[name], nobody if given[name] is None else self.source)
              for name in ('acceleration', 'jerk')))

    def _given(self, key: str, values: dict[str, Any], name: str) -> float | None:
        """Return max_``name`` if has_``name``_limits says that it holds."""
        has, most = f'has_{name}_limits', f'max_{name}'
        if not self._holds(key, values, has, (most,)):
            return None
        value = values.get(most)
        if is_number(value) and value > 0.0:
            return float(value)
        self.problems.append(Problem(
            self._where, f'{key}.{most}',
            'missing' if most not in values else f'found {value!r}',
            f'write a number above 0, or {has}: false'))
        return None

    def _holds(
            self, key: str, values: dict[str, Any], has: str, others: tuple[str, ...]) -> bool:
        if has in values and not isinstance(values[has], bool):
            self.problems.append(Problem(
                self._where, f'{key}.{has}', f'found {values[has]!r}', 'write true or false'))
            return False
        if has not in values and any(each in values for each in others):
            self.problems.append(Problem(
                self._where, f'{key}.{has}', 'missing',
                f'write true: without it MoveIt does not read {" and ".join(others)}'))
        return values.get(has) is True

    def _ends(
            self, joint: Joint, key: str, values: dict[str, Any],
    ) -> tuple[Sourced, Sourced] | None:
        turns = joint.kind == 'continuous'
        urdf = (None, None) if turns else (joint.lower, joint.upper)
        given: list[float | None] = [None, None]
        names = ('min_position', 'max_position')
        if self._holds(key, values, 'has_position_limits', names):
            for index, name in enumerate(names):
                if is_number(values.get(name)):
                    given[index] = float(values[name])
                else:
                    self.problems.append(Problem(
                        self._where, f'{key}.{name}',
                        'missing' if name not in values else f'found {values[name]!r}',
                        'write a number, or has_position_limits: false'))
        if turns and given == [None, None]:
            return None
        ends = tuple(
            _tighter(
                Sourced(urdf[index], 'not in the URDF' if urdf[index] is None else 'URDF'),
                Sourced(given[index], self.source), sign)
            for index, sign in enumerate((-1.0, 1.0)))
        low, high = ends
        if low.value is not None and high.value is not None and low.value >= high.value:
            self.problems.append(Problem(
                self._where, f'{key}.min_position',
                f'found {low.value:g} ({low.source}) with max_position {high.value:g} '
                f'({high.source})', 'write a min_position below max_position'))
        return low, high


def _limits_in(values: Any, depth: int = 5) -> dict[str, Any] | None:
    """Return the mapping that holds 'joint_limits', wherever launch wants it in the file."""
    if not isinstance(values, dict) or depth == 0:
        return None
    if isinstance(values.get('joint_limits'), dict):
        return values
    inner = (_limits_in(each, depth - 1) for each in values.values())
    return next((each for each in inner if each is not None), None)


def _tighter(urdf: Sourced, given: Sourced, sign: float = 1.0) -> Sourced:
    """Return the one that allows less, with a word on the other; ``sign`` -1 for a lower end."""
    if given.value is None or urdf.value is None:
        return urdf if given.value is None else given
    tight, wide = sorted((given, urdf), key=lambda each: sign * (each.value or 0.0))
    if math.isclose(given.value, urdf.value, rel_tol=1e-4):
        return Sourced(tight.value, given.source)
    return Sourced(tight.value, f'{tight.source}; {wide.source} says {wide.value:g}')
