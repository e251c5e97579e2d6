"""
Where the executables of the nodes start: a Ctrl-C while they load ends them without a word.

Nothing is imported here that takes time; Python would answer the signal with a traceback.
"""

from __future__ import annotations

from importlib import import_module
import os
import signal
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)


def _start(module: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    return import_module(f'physical_ai_bridge.nodes.{module}').main()


def policy_node() -> int:
    """Run the node."""
    return _start('policy_node')


def safety_supervisor() -> int:
    """Run the node."""
    return _start('safety_supervisor')


def mujoco_cell() -> int:
    """Run the node."""
    return _start('mujoco_cell')


def simulated_emergency_stop() -> int:
    """Run the node."""
    return _start('simulated_emergency_stop')


def bring_up() -> int:
    """Run the process."""
    return _start('bring_up')


def episodes() -> int:
    """Run the process."""
    return _start('episodes')
