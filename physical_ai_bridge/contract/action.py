"""What the rows of a policy's action chunks mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from physical_ai_bridge.contract.fields import check_fields, Quantity, STRICT

Count = Annotated[int, Quantity('', at_least=1)]
Seconds = Annotated[float, Quantity('s', above=0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """
    The chunk: ``action``, float32 (horizon, W). Row k is for ``offset_s + k * period_s``.

    That is the time after the observation at which the robot should be where the row leads.
    ``action_columns`` names the W columns. Whatever the kind, rows become joint positions (in rad,
    or m for a prismatic joint) before anything is proposed:

    ``joint_positions``
        The row is the position of each joint.
    ``joint_deltas``
        The row is added to the joints that it is relative to.
    ``joint_velocities``
        In rad/s or m/s, over the period that ends at the row's time: ``period_s`` times the row is
        added to the row before; the first one to the reference at the observation.
    ``tcp_deltas``
        Translation x, y, z in m and rotation vector rx, ry, rz in rad (axis times angle) of the
        tcp. With the pose (R, p) that the row is relative to, in the base frame, the tcp should be
        at p + t (``translation_frame: base``) or p + R t (``tcp``), turned to exp(r) R
        (``rotation_frame: base``) or R exp(r) (``tcp``). Inverse kinematics finds the joints.

    ``relative_to`` says what a delta counts from: ``reference``, every row from what the
    controller was executing at the observation; ``state``, every row from the joints as they were
    measured at the observation; ``previous``, each row from where the row before leads, and the
    first from the reference. Velocities always begin at the reference: a measurement is noisy,
    and an arm that sags would be let down a little further by every chunk.
    """

    kind: Literal['joint_positions', 'joint_deltas', 'joint_velocities', 'tcp_deltas']
    horizon: Count
    period_s: Seconds
    offset_s: Annotated[float, Quantity('s', at_least=0.0)] = 0.0
    relative_to: Literal['reference', 'state', 'previous'] | None = None
    translation_frame: Literal['base', 'tcp'] | None = None
    rotation_frame: Literal['base', 'tcp'] | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        for key, kinds, options in (
                ('relative_to', ('joint_deltas', 'tcp_deltas'), 'reference, state or previous'),
                ('translation_frame', ('tcp_deltas',), 'base or tcp'),
                ('rotation_frame', ('tcp_deltas',), 'base or tcp')):
            found = getattr(self, key)
            if self.kind in kinds and found is None:
                extra.append((key, 'missing', f'write {options}: {self.kind} have no meaning '
                              'without it'))
            elif self.kind not in kinds and found is not None:
                extra.append((key, f'found {found!r} with kind {self.kind}',
                              f'remove it: it belongs to {" and ".join(kinds)}'))
        if self.kind == 'joint_velocities' and self.offset_s < self.period_s:
            extra.append(('offset_s', f'found {self.offset_s:g} with period_s {self.period_s:g}',
                          'write at least period_s: a velocity holds over the period that ends at '
                          "its row's time, and none may begin before the observation"))
        check_fields(self, extra)

    @property
    def is_relative(self) -> bool:
        """Whether rows count from where the robot was at the observation."""
        return self.kind != 'joint_positions'

    @property
    def counts_from_reference(self) -> bool:
        """Whether that is what the controller was executing, not what was measured."""
        return self.is_relative and self.relative_to != 'state'
