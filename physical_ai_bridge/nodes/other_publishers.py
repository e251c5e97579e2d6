"""Who else publishes on a topic, from the graph."""

from __future__ import annotations

from rclpy.node import Node

# What the middleware says before it has heard the name, or where there is no ROS node behind it.
_UNKNOWN = '_NODE_NAME_UNKNOWN_'
_NAMELESS = '(a publisher without a known node)'


class OtherPublishers:
    """
    Tells a node's own publisher on a topic from everybody else's.

    By the endpoint's GID: another node may bear our name, a second supervisor say. Make this
    before the node's publisher, and look right after: ours is the one of our name that is new
    then. Should there be more than one at first sight, all of them count as others.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Look at ``topic``, a name before remapping."""
        self._node = node
        self._topic = topic
        self._before = frozenset(self._found())
        self._own: str | None = None

    def names(self) -> tuple[str, ...]:
        """Return the full names of the others' nodes, sorted; one that has two comes twice."""
        found = self._found()
        if self._own is None:
            self._own = self._ours(found)
        return tuple(sorted(name for gid, name in found.items() if gid != self._own))

    def _ours(self, found: dict[str, str]) -> str | None:
        name = self._node.get_fully_qualified_name()
        new = [gid for gid in found if found[gid] == name and gid not in self._before]
        return new[0] if len(new) == 1 else None

    def _found(self) -> dict[str, str]:
        """Return the name of each publisher's node, by GID."""
        return {
            bytes(info.endpoint_gid).hex(): full_name(info.node_namespace, info.node_name)
            for info in self._node.get_publishers_info_by_topic(self._topic)}


def full_name(namespace: str, name: str) -> str:
    """Return a node's full name, from what the middleware tells of an endpoint or a node."""
    if name == _UNKNOWN or not name:
        return _NAMELESS
    return f'{namespace.rstrip("/")}/{name}'
