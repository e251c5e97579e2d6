"""What a URDF says of a robot: its joints, their limits, and the links at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import difflib
import math
from xml.etree import ElementTree

from physical_ai_bridge.contract.errors import CellError, Problem

_MOVABLE = ('revolute', 'continuous', 'prismatic')


@dataclass(frozen=True, slots=True)
class Joint:
    """
    One joint of a URDF.

    ``lower`` and ``upper`` are in rad (m if prismatic), ``velocity`` in rad/s (m/s), each None
    where the URDF has none.
    """

    name: str
    kind: str
    parent: str
    child: str
    lower: float | None
    upper: float | None
    velocity: float | None
    follows: str | None


@dataclass(frozen=True, slots=True)
class Robot:
    """A URDF's joints by name, and its links; ``where`` is for complaints."""

    where: str
    name: str
    joints: dict[str, Joint]
    links: tuple[str, ...]

    def problems_of(self, names: Sequence[str], place: str, key: str) -> list[Problem]:
        """Return what keeps ``names``, which stand at ``place`` and ``key``, from being driven."""
        movable = [each.name for each in self.joints.values()
                   if each.kind in _MOVABLE and each.follows is None]
        problems = []
        for name in names:
            joint = self.joints.get(name)
            if joint is None:
                close = difflib.get_close_matches(name, movable, n=1)
                problems.append(Problem(
                    place, key, f'found {name}, which is not a joint in {self.where}',
                    f'write {close[0]}' if close else
                    f'give the URDF of this robot; it has {", ".join(movable) or "no joint"}'))
            elif joint.kind not in _MOVABLE:
                problems.append(Problem(
                    place, key, f'found {name}, which is {joint.kind} in {self.where}',
                    f'write only joints that are {", ".join(_MOVABLE)}'))
            elif joint.follows is not None:
                problems.append(Problem(
                    place, key, f'found {name}, which follows {joint.follows} in {self.where}',
                    f'write {joint.follows} alone: a joint that follows another is not driven'))
            elif (joint.lower is not None and joint.upper is not None
                  and joint.lower >= joint.upper and joint.kind != 'continuous'):
                problems.append(Problem(
                    self.where, f'joint {name}',
                    f'found a lower limit of {joint.lower:g} and an upper one of '
                    f'{joint.upper:g}', 'write a lower limit below the upper one'))
        return problems

    def base_frame(self, joints: Sequence[str]) -> str:
        """Return what carries the first of ``joints``; base_link if that carries it in turn."""
        parents = {joint.child: joint.parent for joint in self.joints.values()}
        first = self._ends(joints)[0]
        roots = [link for link in self.links if link not in parents]
        link = nearest = self.joints[first].parent if first else roots[0]
        visited = set()
        while link in parents and link not in visited:
            visited.add(link)
            if link == 'base_link':
                return link
            link = parents[link]
        return link if link == 'base_link' else nearest

    def tool_frames(self, joints: Sequence[str]) -> list[str]:
        """
        Return the links that may be the tip: those fixed to the last of ``joints``.

        tool0 alone where it is one of them, else those that carry no further link; none where
        ``joints`` branch.
        """
        last = self._ends(joints)[1]
        if last is None:
            return []
        rigid, outer = [self.joints[last].child], []
        for link in rigid:
            inner = [joint.child for joint in self.joints.values()
                     if joint.parent == link and joint.kind == 'fixed'
                     and joint.child not in rigid]
            rigid += inner
            if not inner:
                outer.append(link)
        return ['tool0'] if 'tool0' in rigid else outer

    def _ends(self, joints: Sequence[str]) -> tuple[str | None, str | None]:
        """Return the first and the last of ``joints``, None where there are several."""
        above = {name: self._above(name) for name in joints}
        first = [name for name in joints if not above[name] & set(joints)]
        last = [name for name in joints if not any(name in each for each in above.values())]
        return (first[0] if len(first) == 1 else None, last[0] if len(last) == 1 else None)

    def _above(self, name: str) -> set[str]:
        """Return the joints between a joint and the root."""
        carrier = {joint.child: joint for joint in self.joints.values()}
        above: set[str] = set()
        joint = carrier.get(self.joints[name].parent)
        while joint is not None and joint.name not in above:
            above.add(joint.name)
            joint = carrier.get(joint.parent)
        return above


def read_robot(xml: str | bytes, where: str) -> Robot:
    """
    Read a URDF's text.

    Raises
    ------
    CellError
        With everything that keeps it from being read.

    """
    def refuse(found: str, write: str) -> CellError:
        return CellError([Problem(where, '', found, write)])

    xacro = 'run it through xacro first: xacro robot.urdf.xacro > robot.urdf'
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError) as error:
        raise refuse(f'is not XML: {error}', f'give the path of a URDF; {xacro}') from None
    if root.tag != 'robot':
        raise refuse(f'holds <{root.tag}>, not <robot>', 'give the path of a URDF')
    if any('xacro' in str(element.tag).partition('}')[0] for element in root.iter()):
        raise refuse('holds xacro macros', xacro)
    problems: list[Problem] = []
    joints = [_joint(element, where, problems) for element in root.findall('joint')]
    links = tuple(link.get('name', '') for link in root.findall('link'))
    for each in joints:
        problems += [
            Problem(where, f'joint {each.name}', f'its {end} {name or "nothing"} is not a link',
                    'write the name of one')
            for end, name in (('parent', each.parent), ('child', each.child))
            if name not in links]
    if problems:
        raise CellError(problems)
    name = root.get('name', '').strip() or 'robot'
    return Robot(where, name, {each.name: each for each in joints}, links)


def _joint(element: ElementTree.Element, where: str, problems: list[Problem]) -> Joint:
    name = element.get('name', '')
    limit, mimic = element.find('limit'), element.find('mimic')

    def number(key: str) -> float | None:
        text = None if limit is None else limit.get(key)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            problems.append(Problem(
                where, f'joint {name}', f'found {text!r} as its limit {key!r}',
                'write a finite number'))
            return None
        return value

    ends = [end.get('link', '') if end is not None else ''
            for end in (element.find('parent'), element.find('child'))]
    return Joint(
        name, element.get('type', ''), *ends, number('lower'), number('upper'),
        number('velocity'), None if mimic is None else mimic.get('joint', 'another joint'))
