"""The text of the robot's URDF: the cell's own file, or what robot_state_publisher publishes."""

from __future__ import annotations

import time

from physical_ai_bridge.contract.cell_file import urdf_path
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.names import ROBOT_DESCRIPTION
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import LoadedCell
from physical_ai_bridge.nodes.dds import use_packaged_profile
from physical_ai_bridge.nodes.executor import make_executor
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from std_msgs.msg import String

# It is latched: where somebody publishes it, it comes with the discovery.
_WAIT_S = 5.0
_STEP_S = 0.05


def robot_description(node: Node, loaded: LoadedCell) -> str:
    """
    Return the URDF that the cell file names, or wait for the one on /robot_description.

    Raises
    ------
    BridgeError
        If the file cannot be read, or nothing comes.

    """
    path = urdf_path(loaded.cell, loaded.path)
    if path is None:
        return _published(node)
    try:
        # Bytes: to read text would change line ends, and with them the sha256.
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BridgeError(f'{loaded.path}: robot.urdf: {path} cannot be read: {error}') from error


def published_description(wait_s: float = _WAIT_S) -> str:
    """
    Return the URDF on /robot_description, from outside of any node; wait ``wait_s`` at most.

    Raises
    ------
    BridgeError
        If nothing comes.

    """
    use_packaged_profile()
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        return _heard(
            context, 'robot_description_reader', None, wait_s,
            'start what brings your robot up, and try again; or give the URDF as a file')
    finally:
        rclpy.shutdown(context=context)


def _published(node: Node) -> str:
    """Wait for the description on a node of its own: ``node`` is busy with its transition."""
    return _heard(
        node.context, f'{node.get_name()}_robot_description', node.get_namespace(), _WAIT_S,
        'start robot_state_publisher and configure again, or write the path of a URDF under '
        'robot.urdf in the cell file')


def _heard(
        context: Context, name: str, namespace: str | None, wait_s: float, advice: str) -> str:
    listener = rclpy.create_node(
        name, namespace=namespace, context=context, start_parameter_services=False,
        enable_rosout=False)
    texts: list[str] = []
    executor = make_executor(context)
    try:
        listener.create_subscription(
            String, ROBOT_DESCRIPTION, lambda message: texts.append(message.data), qos.latched())
        executor.add_node(listener)
        end = time.monotonic() + wait_s
        while not texts and time.monotonic() < end:
            executor.spin_once(timeout_sec=_STEP_S)
    finally:
        executor.shutdown()
        listener.destroy_node()
    if not texts:
        raise BridgeError(
            f'nothing came on {ROBOT_DESCRIPTION} within {wait_s:g} s; {advice}')
    return texts[-1]
