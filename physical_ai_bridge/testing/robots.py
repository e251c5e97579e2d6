"""Robots to verify motions of: the packaged one, and one with seven joints made in code."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Box, Cell, JointLimit, Robot, Safety, SelfCollision
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.contracts import example_cell

# The packaged arm with its tcp pointing down over the table, in the middle of its workspace.
EXAMPLE_START = np.array([0.1, -1.6, 2.1, -2.07, -1.57, 0.2])
# Room for all that the packaged arm can reach.
WIDE = Box(min=(-1.5, -1.5, -1.0), max=(1.5, 1.5, 1.5))
# The base and the upper arm are always 2.5 mm apart: they turn past each other.
EXAMPLE_IGNORE = (('base_link_inertia', 'upper_arm_link'),)

SEVEN_JOINTS = tuple(f'joint_{k}' for k in range(1, 8))
# Elbow bent, hand pointing down in front of the base.
SEVEN_JOINT_START = np.array([0.0, -pi / 4, 0.0, -3 * pi / 4, 0.0, pi / 2, pi / 4])

# Of each joint: origin in the frame before it (xyz in m, roll in rad), position limits in rad,
# and limits of velocity, acceleration and jerk. The lengths are those of a Franka arm.
_CHAIN = (
    ((0.0, 0.0, 0.333), 0.0, (-2.8, 2.8), (2.1, 8.0, 90.0)),
    ((0.0, 0.0, 0.0), -pi / 2, (-1.7, 1.7), (1.8, 6.0, 70.0)),
    ((0.0, -0.316, 0.0), pi / 2, (-2.8, 2.8), (2.1, 8.0, 100.0)),
    ((0.0825, 0.0, 0.0), pi / 2, (-3.0, -0.1), (2.0, 9.0, 110.0)),
    ((-0.0825, 0.384, 0.0), -pi / 2, (-2.8, 2.8), (2.5, 12.0, 140.0)),
    ((0.0, 0.0, 0.0), pi / 2, (0.1, 3.6), (2.6, 14.0, 160.0)),
    ((0.088, 0.0, 0.0), pi / 2, (-2.8, 2.8), (2.6, 15.0, 180.0)),
)
# Of each link from the base on: its shapes, as URDF geometry and origin (xyz, rpy).
_CYLINDER = '<cylinder radius="{}" length="{}"/>'
_SHAPES = (
    ((_CYLINDER.format(0.07, 0.14), '0 0 0.07', '0 0 0'),),
    ((_CYLINDER.format(0.06, 0.17), '0 0 -0.08', '0 0 0'),),
    ((_CYLINDER.format(0.06, 0.14), '0 -0.09 0', '1.5707963 0 0'),),
    ((_CYLINDER.format(0.055, 0.12), '0.03 0 -0.06', '0 0 0'),
     ('<sphere radius="0.06"/>', '0.0825 0 0', '0 0 0')),
    ((_CYLINDER.format(0.05, 0.16), '-0.0825 0.1 0', '1.5707963 0 0'),),
    ((_CYLINDER.format(0.05, 0.22), '0 0 -0.18', '0 0 0'),),
    ((_CYLINDER.format(0.045, 0.09), '0.06 0 0', '0 0 0'),),
    (('<box size="0.08 0.2 0.06"/>', '0 0 0.13', '0 0 0'),),
)


def seven_joint_urdf(*, shapes: bool = True, fingers: bool = False) -> str:
    """
    Return the URDF of an arm with seven joints: link_0 to link_7, joint_1 to joint_7, and tcp.

    Without ``shapes`` it has no collision geometry; with ``fingers`` two sliding fingers.
    """
    parts = ['<robot name="seven_joint_arm">']
    for index, solids in enumerate(_SHAPES):
        parts.append(f'<link name="link_{index}">')
        parts += [f'<collision><origin xyz="{xyz}" rpy="{rpy}"/><geometry>{solid}</geometry>'
                  '</collision>' for solid, xyz, rpy in (solids if shapes else ())]
        parts.append('</link>')
    for index, (name, (origin, roll, (low, high), _)) in enumerate(
            zip(SEVEN_JOINTS, _CHAIN, strict=True)):
        parts.append(_joint(name, 'revolute', f'link_{index}', f'link_{index + 1}', origin, roll,
                            f'<axis xyz="0 0 1"/><limit lower="{low}" upper="{high}" '
                            'effort="80" velocity="2.6"/>'))
    parts.append('<link name="tcp"/>')
    parts.append(_joint('tcp_joint', 'fixed', 'link_7', 'tcp', (0.0, 0.0, 0.21), 0.0, ''))
    if fingers:
        for side, sign in (('left', 1), ('right', -1)):
            parts.append(
                f'<link name="{side}_finger"><collision><origin xyz="0 0 0.02"/><geometry>'
                '<box size="0.02 0.01 0.04"/></geometry></collision></link>')
            parts.append(_joint(
                f'{side}_finger_joint', 'prismatic', 'link_7', f'{side}_finger',
                (0.0, 0.0, 0.16), 0.0, f'<axis xyz="0 {sign} 0"/><limit lower="0" upper="0.04" '
                'effort="20" velocity="0.2"/>'))
    return '\n'.join((*parts, '</robot>'))


def _joint(name: str, kind: str, parent: str, child: str, origin: tuple[float, ...], roll: float,
           rest: str) -> str:
    return (f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
            f'<origin xyz="{" ".join(map(str, origin))}" rpy="{roll} 0 0"/>{rest}</joint>')


def seven_joint_cell(**safety: Any) -> Cell:
    """
    Return a cell with the arm of ``seven_joint_urdf``, each joint with limits of its own.

    It has the sensors and the controller of ``example_cell``. ``safety`` replaces fields of its
    Safety.
    """
    limits = {
        name: JointLimit(
            has_position_limits=True, min_position=low, max_position=high,
            has_velocity_limits=True, max_velocity=velocity,
            has_acceleration_limits=True, max_acceleration=acceleration,
            has_jerk_limits=True, max_jerk=jerk)
        for name, (_, _, (low, high), (velocity, acceleration, jerk)) in zip(
            SEVEN_JOINTS, _CHAIN, strict=True)}
    return _with_safety(
        example_cell(),
        {'joint_limits': limits, 'workspace': WIDE, 'tcp_speed_max_m_s': 1.0,
         'self_collision': SelfCollision(), **safety},
        robot=Robot(urdf='/robot_description', joints=SEVEN_JOINTS, base_frame='link_0',
                    tcp_frame='tcp'))


def seven_joint_robot(cell: Cell | None = None) -> RobotModel:
    """Return the model of the arm with seven joints in ``cell``, or in its own."""
    return RobotModel.from_urdf(seven_joint_urdf(), cell or seven_joint_cell())


def wide_cell(**safety: Any) -> Cell:
    """
    Return ``example_cell`` with room to move: a workspace of all its reach, and 1.5 m/s.

    ``safety`` replaces fields of its Safety.
    """
    return _with_safety(example_cell(), {
        'workspace': WIDE, 'tcp_speed_max_m_s': 1.5,
        'self_collision': SelfCollision(ignore=EXAMPLE_IGNORE), **safety})


def example_urdf() -> str:
    """Return the text of the packaged arm's URDF."""
    return config_path('robots/ur5e.urdf').read_text(encoding='utf-8')


def example_robot(cell: Cell | None = None) -> RobotModel:
    """Return the model of the packaged arm in ``cell``, or in ``example_cell()``."""
    return RobotModel.from_urdf(example_urdf(), cell or example_cell())


def _with_safety(cell: Cell, changes: dict[str, Any], **more: Any) -> Cell:
    fields = {name: getattr(cell.safety, name) for name in Safety.__dataclass_fields__}
    return replace(cell, safety=Safety(**{**fields, **changes}), **more)
