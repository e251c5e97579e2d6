"""What is looked for in a running cell, and what of it was seen, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.names import ROBOT_DESCRIPTION

COMMAND_TYPE = 'trajectory_msgs/msg/JointTrajectory'
SETPOINT_TYPE = 'std_msgs/msg/Float64MultiArray'


class Content(str, Enum):
    """What the messages of a stream hold."""

    JOINTS = 'joints'
    REFERENCE = 'reference'
    WRENCH = 'wrench'
    IMAGE = 'image'
    PRESSED = 'pressed'
    DESCRIPTION = 'description'


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """
    A stream that the cell file promises.

    ``key`` is where the file has it, ``name`` the sensor's; None where the file does not say.
    """

    key: str
    topic: str
    type_name: str
    content: Content
    name: str = ''
    rate_hz: float | None = None
    max_age_s: float | None = None
    frame_id: str | None = None

    @property
    def latched(self) -> bool:
        """Whether it is published once, for whoever comes."""
        return self.content is Content.DESCRIPTION


def expected_streams(cell: Cell, cameras: tuple[str, ...] | None = None) -> tuple[Expected, ...]:
    """Return what the nodes will listen to; of the cameras only those named, None for all."""
    sensors, controller = cell.sensors, cell.controller
    joints = sensors.joint_states
    found = [Expected(
        key='sensors.joint_states', topic=joints.topic, type_name='sensor_msgs/msg/JointState',
        content=Content.JOINTS, rate_hz=joints.rate_hz, max_age_s=joints.max_age_s)]
    found += [Expected(
        key=f'sensors.cameras.{name}', name=name, topic=camera.topic, type_name=camera.type,
        content=Content.IMAGE, rate_hz=camera.rate_hz, max_age_s=camera.max_age_s,
        frame_id=camera.frame_id)
        for name, camera in sensors.cameras.items() if cameras is None or name in cameras]
    found += [Expected(
        key=f'sensors.wrenches.{name}', name=name, topic=wrench.topic,
        type_name='geometry_msgs/msg/WrenchStamped', content=Content.WRENCH,
        rate_hz=wrench.rate_hz, max_age_s=wrench.max_age_s, frame_id=wrench.frame_id)
        for name, wrench in sensors.wrenches.items()]
    if controller.state_topic is not None:
        found.append(Expected(
            key='controller.state_topic', topic=controller.state_topic,
            type_name=controller.state_type, content=Content.REFERENCE,
            max_age_s=joints.max_age_s))
    found.append(Expected(
        key='safety.emergency_stop', topic=cell.safety.emergency_stop.topic,
        type_name='std_msgs/msg/Bool', content=Content.PRESSED))
    if cell.robot.urdf == ROBOT_DESCRIPTION:
        found.append(Expected(
            key='robot.urdf', topic=ROBOT_DESCRIPTION, type_name='std_msgs/msg/String',
            content=Content.DESCRIPTION))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """
    One publisher or subscription.

    ``node`` is its full name; ``mismatch`` is why the middleware will not connect it with ours,
    '' where it will.
    """

    node: str
    type_name: str
    mismatch: str = ''
    reliable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Who is on a topic of this full ``name``, the checking node itself left out."""

    name: str = ''
    publishers: tuple[Endpoint, ...] = ()
    subscriptions: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Received:
    """
    One message: when it came, by three clocks, and what it held.

    ``simulated_ns`` is the newest /clock at that moment, None where none has come.
    ``stamp_ns`` is None where the type has no header. ``value`` is a JointSample, a WrenchSample,
    a bool or a text, and None for an image. ``complaint`` is why a node would refuse its content.
    """

    steady_ns: int
    system_ns: int
    simulated_ns: int | None = None
    stamp_ns: int | None = None
    frame_id: str = ''
    value: Any = None
    complaint: str = ''

    def instant(self, simulated: bool) -> Instant:
        """Return when it came, ROS time being simulated or the system's."""
        ros_ns = self.simulated_ns if simulated else self.system_ns
        return Instant(ros_ns or 0, self.steady_ns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """
    What came on a topic.

    ``foreign`` are the joints of other devices on the topic, whose messages are left out.
    ``malformed`` is why a message could not be read, '' where all could; ``unavailable`` is why
    nobody could listen. ``only_reliably`` tells that nothing came best-effort, and something did
    when it was asked to be sent again until it arrives.
    """

    received: tuple[Received, ...] = ()
    foreign: tuple[str, ...] = ()
    malformed: str = ''
    unavailable: str = ''
    only_reliably: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStatus:
    """What the controller manager says of a controller."""

    name: str
    state: str
    claimed_interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """
    All that was seen, from ``begun_ns`` to ``ended_ns`` on the steady clock.

    ``held_up_s`` is for how long, at most, the listener itself could not take messages.
    ``topics`` and ``streams`` go by the name in the cell file, before remapping; ``by_type`` has
    the topics of the whole graph. ``clock_ns`` is what /clock said first and last, None where
    nothing came, and ``clock_offset_ns`` how far it was behind the system's clock in the end.
    ``parameters`` are those of each node that answered; one that a node does not have is missing.
    ``supervisors`` are the nodes that publish commands and can be stopped and reset,
    ``action_clients`` those that can send goals to the controller's action. ``controllers`` is
    None where no controller manager told, and ``controllers_untold`` says why. ``place`` says
    where was looked, ``profile_advice`` how images get a transport that carries them.
    """

    begun_ns: int = 0
    ended_ns: int = 0
    held_up_s: float = 0.0
    nodes: tuple[str, ...] = ()
    topics: Mapping[str, Topic] = field(default_factory=dict)
    streams: Mapping[str, Stream] = field(default_factory=dict)
    by_type: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clock_publishers: tuple[str, ...] = ()
    clock_ns: tuple[int, int] | None = None
    clock_offset_ns: int | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    supervisors: tuple[str, ...] = ()
    action_clients: tuple[str, ...] = ()
    controllers: tuple[ControllerStatus, ...] | None = None
    controllers_untold: str = ''
    place: str = ''
    profile_advice: str = ''

    @property
    def seconds(self) -> float:
        """How long was listened."""
        return (self.ended_ns - self.begun_ns) / NS_PER_S

    def topic(self, name: str) -> Topic:
        """Return who is on a topic."""
        return self.topics.get(name, Topic())

    def stream(self, name: str) -> Stream:
        """Return what came on a topic."""
        return self.streams.get(name, Stream())
