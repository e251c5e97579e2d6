"""What a robot cell offers: the cell file as frozen, validated types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from physical_ai_bridge.contract.fields import check_fields, Complaint, Quantity, STRICT, Text
from physical_ai_bridge.contract.gripper import Gripper
from physical_ai_bridge.contract.interfaces import interface_complaint, VERIFIED_TRAJECTORY

Seconds = Annotated[float, Quantity('s', above=0.0)]
Hertz = Annotated[float, Quantity('Hz', above=0.0)]
Topic = Annotated[str, Text('a topic name, such as /joint_states')]
Frame = Annotated[str, Text('a frame name, such as tool0')]
Metres = Annotated[float, Quantity('m')]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """The arm: where its description is, which joints are driven and in which order."""

    urdf: Annotated[str, Text('a path from the cell file to a URDF, or /robot_description')]
    joints: Annotated[tuple[str, ...], Text('joint names as the driver publishes them')]
    base_frame: Frame = 'base_link'
    tcp_frame: Frame = 'tool0'
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if not self.joints:
            extra.append(('joints', 'found an empty list', 'write the names of the driven joints'))
        twice = sorted({name for name in self.joints if self.joints.count(name) > 1})
        if twice:
            extra.append(('joints', f'found {", ".join(twice)} more than once', 'write it once'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera. ``max_age_s`` is the oldest frame that an inference may use."""

    topic: Topic
    type: Literal['sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage']  # noqa: A003
    frame_id: Frame
    width: Annotated[int, Quantity('pixels', above=0)]
    height: Annotated[int, Quantity('pixels', above=0)]
    encoding: Literal['rgb8', 'bgr8', 'mono8', 'rgba8', 'bgra8', 'jpeg', 'png']
    rate_hz: Hertz
    max_age_s: Seconds
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        compressed = self.encoding in ('jpeg', 'png')
        if compressed != self.type.endswith('CompressedImage'):
            extra.append(('encoding', f'found {self.encoding!r} with type {self.type}',
                          'write jpeg or png for CompressedImage, rgb8, bgr8, mono8, rgba8 or '
                          'bgra8 for Image'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointStates:
    """The joint state topic."""

    topic: Topic = '/joint_states'
    rate_hz: Hertz
    max_age_s: Seconds
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrenchSensor:
    """A force-torque sensor."""

    topic: Topic
    frame_id: Frame
    rate_hz: Hertz
    max_age_s: Seconds
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """Everything that senses, by the names that bundles use."""

    joint_states: JointStates
    cameras: dict[str, Camera] = field(default_factory=dict)
    wrenches: dict[str, WrenchSensor] = field(default_factory=dict)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        streams = {'joint_states': self.joint_states.topic}
        streams |= {f'cameras.{name}': camera.topic for name, camera in self.cameras.items()}
        streams |= {f'wrenches.{name}': wrench.topic for name, wrench in self.wrenches.items()}
        extra, owners = [], {}
        for key, topic in streams.items():
            if topic in owners:
                extra.append((f'{key}.topic', f'found {topic}, which {owners[topic]} has already',
                              'write the topic of its own that each sensor publishes'))
            owners.setdefault(topic, key)
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """
    The controller that executes, by default a joint_trajectory_controller.

    ``interface: position_stream`` is a forward_command_controller (std_msgs/Float64MultiArray) on
    the joints' position interfaces: the supervisor plays each verified plan itself, one setpoint
    every 1 / ``rate_hz``, in the order of ``joints``, which is the controller's own parameter
    ``joints``; a setpoint carries no names. Such a controller holds its last value when messages
    stop. So where a joint_trajectory_controller that hears no more plays out a verified brake,
    this one stops the robot at once, by the robot's own limits, not by those written here: that
    is what the death of the supervisor's process, or a pause of it, comes to.

    ``latency_s`` is the longest time that a command takes from being decided to being executed:
    what is committed already, and cannot be changed any more, reaches that far ahead. A stream of
    setpoints that is later than that stops.
    ``state_topic`` is where the controller reports the reference that it executes, which is
    ``reference_tolerance_rad`` at most from the published plan: with it, lost commands and a
    controller that does something else are noticed at once. Without it commands are taken to
    arrive, and only the measured joints tell. ``other_publishers`` says what somebody else on
    ``topic`` leads to.
    """

    interface: Annotated[str, Text('joint_trajectory or position_stream')] = 'joint_trajectory'
    topic: Topic = '/joint_trajectory_controller/joint_trajectory'
    joints: Annotated[tuple[str, ...], Text('the joints of the controller, in its order')] = ()
    state_topic: Topic | None = None
    state_type: Literal[
        'control_msgs/msg/JointTrajectoryControllerState', 'sensor_msgs/msg/JointState',
    ] = 'control_msgs/msg/JointTrajectoryControllerState'
    reference_tolerance_rad: Annotated[float, Quantity('rad', above=0.0)] = 0.001
    other_publishers: Literal['stop', 'report'] = 'stop'
    rate_hz: Hertz
    latency_s: Seconds
    tracking_tolerance_rad: Annotated[float, Quantity('rad', above=0.0)]
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        wrong = interface_complaint(self.interface, self.topic)
        if wrong is not None:
            extra.append(wrong)
        if self.interface == 'position_stream':
            if self.state_topic is not None:
                extra.append(('state_topic', f'found {self.state_topic} with interface '
                              'position_stream', 'remove it: a forward_command_controller reports '
                              'no reference'))
            if self.latency_s * self.rate_hz < 2.0:
                extra.append(('rate_hz', f'found {self.rate_hz:g} with latency_s '
                              f'{self.latency_s:g}', 'write at least two setpoints a latency'))
        elif self.joints:
            extra.append(('joints', f'found {", ".join(self.joints)} with interface '
                          f'{self.interface}', 'remove it: a trajectory names its joints'))
        check_fields(self, extra)

    @property
    def streams(self) -> bool:
        """Whether the supervisor plays its plans itself, as setpoints."""
        return self.interface == 'position_stream'

    @property
    def plan_topic(self) -> str:
        """Where each verified plan is published as a trajectory."""
        return VERIFIED_TRAJECTORY if self.streams else self.topic


@dataclass(frozen=True, slots=True, kw_only=True)
class JointLimit:
    """One joint's limits, in the keys of MoveIt's joint_limits.yaml, jerk included."""

    has_position_limits: bool
    has_velocity_limits: Literal[True]
    max_velocity: Annotated[float, Quantity('rad/s', above=0.0)]
    has_acceleration_limits: Literal[True]
    max_acceleration: Annotated[float, Quantity('rad/s²', above=0.0)]
    has_jerk_limits: Literal[True]
    max_jerk: Annotated[float, Quantity('rad/s³', above=0.0)]
    min_position: Annotated[float, Quantity('rad')] | None = None
    max_position: Annotated[float, Quantity('rad')] | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        low, high = self.min_position, self.max_position
        if self.has_position_limits:
            extra += [(key, 'missing', 'write a number in rad, or has_position_limits: false')
                      for key, value in (('min_position', low), ('max_position', high))
                      if value is None]
            if low is not None and high is not None and not low < high:
                extra.append(('min_position', f'found {low:g} with max_position {high:g}',
                              'write a min_position below max_position'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An axis-aligned box in the base frame: corners (x, y, z) in m."""

    min: tuple[Metres, Metres, Metres]  # noqa: A003
    max: tuple[Metres, Metres, Metres]  # noqa: A003
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if any(low >= high for low, high in zip(self.min, self.max, strict=True)):
            extra.append(('min', f'found {list(self.min)} with max {list(self.max)}',
                          'write a min below max on each axis'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A force and a torque, by their norms."""

    force_n: Annotated[float, Quantity('N', above=0.0)]
    torque_nm: Annotated[float, Quantity('N·m', above=0.0)]
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceLimit:
    """
    A sensor's limits: above ``max_*`` the robot stops; from ``slow_down_*`` on it slows.

    ``tare`` has what the sensor reads at activation, at rest and without contact, taken off; a
    reading above it is not plausible, and refused. Without it nothing is taken off.
    ``saturation`` is what the sensor can measure at most: a reading that reaches it is a fault.
    ``cutoff_hz`` is a first-order low-pass through which the limits see the readings; its delay,
    1 / (2 pi cutoff_hz), adds to the reaction time. Without it they see them as they come.
    """

    max_force_n: Annotated[float, Quantity('N', above=0.0)]
    max_torque_nm: Annotated[float, Quantity('N·m', above=0.0)]
    slow_down_force_n: Annotated[float, Quantity('N', above=0.0)] | None = None
    slow_down_torque_nm: Annotated[float, Quantity('N·m', above=0.0)] | None = None
    tare: Load | None = None
    saturation: Load | None = None
    cutoff_hz: Hertz | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if self.saturation is not None:
            for key, limit, most in (
                    ('max_force_n', self.max_force_n, self.saturation.force_n),
                    ('max_torque_nm', self.max_torque_nm, self.saturation.torque_nm)):
                if limit >= most:
                    extra.append((key, f'found {limit:g}, which the sensor, with saturation at '
                                  f'{most:g}, cannot measure', 'write less'))
        for slow, top in (('slow_down_force_n', 'max_force_n'),
                          ('slow_down_torque_nm', 'max_torque_nm')):
            value, limit = getattr(self, slow), getattr(self, top)
            if value is not None and value >= limit:
                extra.append((slow, f'found {value:g} with {top} {limit:g}',
                              f'write a number below {top}'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyStop:
    """The heartbeat topic, std_msgs/Bool: true is pressed, silence is pressed."""

    topic: Topic = '/emergency_stop'
    timeout_s: Seconds
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdogs:
    """
    How long, on the steady clock, a stream may be silent before the robot stops.

    ``controller_state_s`` counts where the controller has a state topic. ``bad_proposals`` is how
    many proposals in a row may be refused before it stops, ``late_ticks`` how many of the
    supervisor's own ticks within one second may come half a period late.
    """

    proposals_s: Seconds
    joint_states_s: Seconds
    wrenches_s: Seconds
    tick_s: Seconds
    controller_state_s: Seconds = 0.1
    bad_proposals: Annotated[int, Quantity('', at_least=1)] = 10
    late_ticks: Annotated[int, Quantity('', at_least=1)] = 50
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCollision:
    """
    How close two parts of the robot may come, by the collision geometry of its URDF.

    Links that a joint connects are left out, and so are the pairs in ``ignore``.
    """

    min_distance_m: Annotated[float, Quantity('m', at_least=0.0)] = 0.01
    ignore: tuple[tuple[str, str], ...] = ()
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """
    The share of the speed limits that holds after activation with the authority ``ramp``.

    It rises from ``floor`` to 1 in a straight line over ``duration_s``, while the robot moves.
    """

    floor: Annotated[float, Quantity('', above=0.0, at_most=1.0)] = 0.1
    duration_s: Seconds = 10.0
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """
    What the supervisor enforces.

    The tcp stays in ``workspace`` and under ``tcp_speed_max_m_s``; no part of the robot that a
    joint moves comes into a box of ``keep_out``. ``self_collision: null`` leaves that check out.
    """

    joint_limits: dict[str, JointLimit]
    tcp_speed_max_m_s: Annotated[float, Quantity('m/s', above=0.0)]
    workspace: Box
    emergency_stop: EmergencyStop
    watchdogs: Watchdogs
    tick_rate_hz: Hertz = 100.0
    step_s: Seconds = 0.04
    proposal_max_age_s: Seconds = 0.5
    keep_out: dict[str, Box] = field(default_factory=dict)
    self_collision: SelfCollision | None = SelfCollision()
    ramp: Ramp = Ramp()
    force_limits: dict[str, ForceLimit] = field(default_factory=dict)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if self.step_s * self.tick_rate_hz < 2.0:
            extra.append(('step_s', f'found {self.step_s:g} with tick_rate_hz '
                          f'{self.tick_rate_hz:g}', 'write at least two tick periods'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One robot cell. ``contract.cell_file.load_cell`` reads it from YAML."""

    schema: Literal[1]
    name: Annotated[str, Text('a short name for this cell')]
    robot: Robot
    sensors: Sensors
    controller: Controller
    safety: Safety
    gripper: Gripper | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        limits, joints = self.safety.joint_limits, self.robot.joints
        forces, wrenches = self.safety.force_limits, self.sensors.wrenches
        extra += [(f'safety.joint_limits.{name}', 'missing',
                   f'write the limits of {name}: robot.joints names it')
                  for name in joints if name not in limits]
        extra += [(f'safety.joint_limits.{name}', f'found limits of {name}',
                   f'write only joints that robot.joints names: {", ".join(joints)}')
                  for name in limits if name not in joints]
        extra += [(f'safety.force_limits.{name}', 'no such sensor',
                   f'write a name from sensors.wrenches: {", ".join(wrenches) or "none is there"}')
                  for name in forces if name not in wrenches]
        extra += [(f'safety.force_limits.{name}', 'missing',
                   f'write max_force_n and max_torque_nm for sensors.wrenches.{name}')
                  for name in wrenches if name not in forces]
        if self.controller.streams and sorted(self.controller.joints) != sorted(joints):
            extra.append((
                'controller.joints', f'found {", ".join(self.controller.joints) or "nothing"}',
                f'write {", ".join(joints)} in the order of the parameter joints of the '
                'forward_command_controller: a setpoint carries no names'))
        if self.gripper is not None:
            extra += [(f'gripper.{key}', found, write)
                      for key, found, write in self._gripper_complaints(self.gripper)]
        least_s = self.controller.latency_s + 1.0 / self.safety.tick_rate_hz
        if self.safety.step_s < least_s:
            extra.append(('safety.step_s', f'found {self.safety.step_s:g} with '
                          f'controller.latency_s {self.controller.latency_s:g}',
                          f'write at least {least_s:g}, one latency and one tick: a proposal '
                          'begins two latencies ahead, where the plan must not brake yet'))
        check_fields(self, extra)

    def _gripper_complaints(self, gripper: Gripper) -> list[Complaint]:
        found = []
        if gripper.joint in self.robot.joints:
            found.append(('joint', f'found {gripper.joint}, which robot.joints names, too',
                          'write it in one of the two places'))
        if gripper.topic == self.controller.topic:
            found.append(('topic', f'found {gripper.topic}, which the controller has already',
                          'write the topic of the controller of the gripper'))
        if gripper.streams and gripper.rate_hz * self.controller.latency_s < 2.0:
            found.append(('rate_hz', f'found {gripper.rate_hz:g} with controller.latency_s '
                          f'{self.controller.latency_s:g}',
                          'write at least two setpoints a latency'))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class LimitArrays:
    """Joint limits as arrays (N,) float64 in the cell's joint order; unlimited is ±inf."""

    position_min: np.ndarray
    position_max: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray


def limit_arrays(cell: Cell) -> LimitArrays:
    """Return the cell's joint limits as arrays in the order of ``cell.robot.joints``."""
    limits = [cell.safety.joint_limits[name] for name in cell.robot.joints]
    unlimited = float('inf')
    return LimitArrays(
        np.array([x.min_position if x.has_position_limits else -unlimited for x in limits]),
        np.array([x.max_position if x.has_position_limits else unlimited for x in limits]),
        np.array([x.max_velocity for x in limits]),
        np.array([x.max_acceleration for x in limits]),
        np.array([x.max_jerk for x in limits]))
