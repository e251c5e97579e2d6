"""A gripper: on the cell's side what drives it within which limits, on the bundle's its column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from physical_ai_bridge.contract.fields import check_fields, Quantity, STRICT, Text
from physical_ai_bridge.contract.interfaces import interface_complaint

VERIFIED_GRIPPER_TRAJECTORY = '/verified_gripper_trajectory'

_Unit = Literal['m', 'rad']
_Joint = Annotated[str, Text("the gripper's joint, as its driver publishes it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gripper:
    """
    A gripper of one joint, with a controller of its own.

    Positions and limits are in ``unit``, m or rad, which is that of the joint. ``interface`` is as
    for the arm's controller, ``rate_hz`` that of this one. Its motion is verified as a joint's is,
    and goes on only with the arm's; on a stop it brakes and holds what it was commanded: it never
    opens by itself. An effort is not commanded: neither interface carries one beside a position;
    limit it in the gripper's driver. ``state_topic`` is where the joint's state comes from, if not
    with the arm's.
    """

    joint: _Joint
    unit: _Unit
    interface: Annotated[str, Text('joint_trajectory or position_stream')] = 'joint_trajectory'
    topic: Annotated[str, Text('a topic name, such as /gripper_controller/joint_trajectory')]
    rate_hz: Annotated[float, Quantity('Hz', above=0.0)]
    state_topic: Annotated[str, Text('a topic of sensor_msgs/msg/JointState')] | None = None
    min_position: Annotated[float, Quantity('m or rad')]
    max_position: Annotated[float, Quantity('m or rad')]
    max_velocity: Annotated[float, Quantity('m/s or rad/s', above=0.0)]
    max_acceleration: Annotated[float, Quantity('m/s² or rad/s²', above=0.0)]
    max_jerk: Annotated[float, Quantity('m/s³ or rad/s³', above=0.0)]
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        wrong = interface_complaint(self.interface, self.topic)
        if wrong is not None:
            extra.append(wrong)
        if not self.min_position < self.max_position:
            extra.append(('min_position', f'found {self.min_position:g} with max_position '
                          f'{self.max_position:g}', 'write a min_position below max_position'))
        check_fields(self, extra)

    @property
    def streams(self) -> bool:
        """Whether the supervisor plays its plans itself, as setpoints."""
        return self.interface == 'position_stream'

    @property
    def plan_topic(self) -> str:
        """Where each verified plan is published as a trajectory."""
        return VERIFIED_GRIPPER_TRAJECTORY if self.streams else self.topic


@dataclass(frozen=True, slots=True, kw_only=True)
class GripperAction:
    """
    One more column of each action row, behind the arm's: the gripper's position, in ``unit``.

    With ``observed`` the model has the input ``observation.gripper``, float32 (1,), the measured
    position.
    """

    joint: _Joint
    unit: _Unit
    observed: bool = False
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)
