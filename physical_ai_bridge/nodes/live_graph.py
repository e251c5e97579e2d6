"""Who is in the graph, and which of the publishers and subscriptions there fit ours."""

from __future__ import annotations

from collections.abc import Callable
import importlib.metadata
import os

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.names import CLOCK
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.dds import packaged_profile, profile_variable
from physical_ai_bridge.nodes.other_publishers import full_name
from physical_ai_bridge.runtime.live_check.observed import Content, Endpoint, Expected, Topic
from rclpy.duration import Infinite
from rclpy.node import Node
from rclpy.qos import (
    LivelinessPolicy,
    qos_check_compatible,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo


class LiveGraph:
    """The graph as ``node`` sees it; the node itself does not count."""

    def __init__(self, node: Node, cell: Cell) -> None:
        self._node = node
        self._cell = cell
        self._own = node.get_fully_qualified_name()

    def nodes(self) -> tuple[str, ...]:
        """Return the full names of the other nodes, without those of ros2cli and other tools."""
        found = {full_name(namespace, name)
                 for name, namespace in self._node.get_node_names_and_namespaces()}
        return tuple(sorted(name for name in found - {self._own}
                            if not name.rpartition('/')[2].startswith('_')))

    def topic(self, name: str, expected: Expected | None = None) -> Topic:
        """Return who is on a topic, named as before remapping; how they fit the expected one."""
        ours = None if expected is None else _ours(expected)
        publishers = self._node.get_publishers_info_by_topic(name)
        return Topic(
            name=self._node.resolve_topic_name(name),
            publishers=self._endpoints(publishers, lambda theirs: _mismatch(theirs, ours)))

    def commands(self) -> Topic:
        """Return who is on the topic of the controller, and how they fit our commands."""
        name = self._cell.controller.topic
        return Topic(
            name=self._node.resolve_topic_name(name),
            publishers=self._endpoints(
                self._node.get_publishers_info_by_topic(name), lambda theirs: ''),
            subscriptions=self._endpoints(
                self._node.get_subscriptions_info_by_topic(name),
                lambda theirs: _mismatch(_spelt_out(qos.command()), theirs)))

    def _endpoints(
            self, infos: list[TopicEndpointInfo], mismatch: Callable[[QoSProfile], str],
    ) -> tuple[Endpoint, ...]:
        return tuple(
            Endpoint(node=full_name(info.node_namespace, info.node_name),
                     type_name=info.topic_type, mismatch=mismatch(info.qos_profile),
                     reliable=info.qos_profile.reliability is ReliabilityPolicy.RELIABLE)
            for info in infos if full_name(info.node_namespace, info.node_name) != self._own)

    def by_type(self) -> dict[str, tuple[str, ...]]:
        """Return the topics on which somebody publishes, by their types."""
        found: dict[str, list[str]] = {}
        for topic, types in self._node.get_topic_names_and_types():
            if self._node.count_publishers(topic):
                for each in types:
                    found.setdefault(each, []).append(topic)
        return {name: tuple(sorted(topics)) for name, topics in found.items()}

    def clock_publishers(self) -> tuple[str, ...]:
        """Return the nodes that publish /clock."""
        return tuple(sorted({each.node for each in self.topic(CLOCK).publishers}))

    def supervisors(self, commands: Topic) -> tuple[str, ...]:
        """Return who of those that publish commands can be stopped and reset: our supervisor."""
        services = {name for name, _ in self._node.get_service_names_and_types()}
        return tuple(sorted({
            each.node for each in commands.publishers
            if {f'{each.node}/stop', f'{each.node}/reset'} <= services}))

    def action_clients(self, commands: Topic) -> tuple[str, ...]:
        """Return who can send goals to the action that a controller offers beside its topic."""
        goals = (f'{commands.name.rpartition("/")[0]}/follow_joint_trajectory/_action/send_goal')
        if not self._node.count_clients(goals):
            return ()
        found = set()
        for name, namespace in self._node.get_node_names_and_namespaces():
            clients = self._node.get_client_names_and_types_by_node(name, namespace)
            if any(service == goals for service, _ in clients):
                found.add(full_name(namespace, name))
        return tuple(sorted(found))

    def place(self) -> str:
        """Say where was looked."""
        reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE')
        return (f'in the ROS domain {self._node.context.get_domain_id()}'
                + (f' (ROS_AUTOMATIC_DISCOVERY_RANGE={reach})' if reach else ''))


def _ours(expected: Expected) -> QoSProfile:
    """Return the profile with which our nodes subscribe."""
    if expected.latched:
        return _spelt_out(qos.latched())
    return _spelt_out(
        qos.newest_frame() if expected.content is Content.IMAGE else qos.sensor_stream())


def _spelt_out(profile: QoSProfile) -> QoSProfile:
    """Say what a profile leaves to the middleware's defaults, so that it can be compared."""
    profile.deadline = profile.liveliness_lease_duration = Infinite
    profile.liveliness = LivelinessPolicy.AUTOMATIC
    return profile


def _mismatch(publisher: QoSProfile | None, subscription: QoSProfile | None) -> str:
    """Return why the middleware does not connect the two, '' where it does."""
    if publisher is None or subscription is None:
        return ''
    compatible, reason = qos_check_compatible(publisher, subscription)
    if compatible != QoSCompatibility.ERROR:
        return ''
    return ', '.join(part.strip().removeprefix('ERROR: ').lower() for part in reason.split(';')
                     if part.strip().startswith('ERROR'))


def profile_advice() -> str:
    """Say how a process gets a transport that carries images."""
    middleware = os.environ.get('RMW_IMPLEMENTATION') or 'rmw_fastrtps_cpp'
    if not middleware.startswith('rmw_fastrtps'):
        return f'give {middleware} buffers larger than a frame'
    variable = profile_variable(importlib.metadata.version('rclpy'))
    return f'type `export {variable}={packaged_profile()}`'
