"""An emulated forward_command_controller on the joints' position interfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint


class ForwardCommandController:
    """
    The controller: the newest message is the setpoint, until the next one comes.

    As in the jazzy and kilted releases a message of the wrong size is dropped in silence, and
    nothing else is looked at: neither NaN nor a step. ``joint_names`` is the order of the cell,
    ``order`` that of the controller's own parameter ``joints``.
    """

    def __init__(self, joint_names: tuple[str, ...], order: tuple[str, ...]) -> None:
        self._order = order
        self._columns = [order.index(name) for name in joint_names]
        self._active = False
        self._held = np.zeros(len(joint_names))

    @property
    def parameters(self) -> dict[str, str | list[str]]:
        """How it executes, in the names and values of the original's parameters."""
        return {'joints': list(self._order), 'interface_name': 'position'}

    @property
    def active(self) -> bool:
        """Whether messages are taken."""
        return self._active

    def activate(self, position: np.ndarray) -> None:
        """Leave the joints at ``position`` (N,), where the robot is, until a message comes."""
        self._active = True
        self._held = np.array(position, dtype=np.float64)

    def deactivate(self) -> None:
        """Drop every message; the joints hold what they had."""
        self._active = False

    def receive(self, values: Sequence[float]) -> Acceptance:
        """Take a message's values, in the controller's order."""
        if not self._active:
            return Acceptance.INACTIVE
        if len(values) != len(self._columns):
            return Acceptance.WIDTHS
        self._held = np.array(values, dtype=np.float64)[self._columns]
        return Acceptance.ACCEPTED

    def sample(self, now_ns: int, measured: Setpoint | None = None) -> Setpoint:
        """Return the setpoint, a position alone."""
        del now_ns, measured
        return Setpoint(self._held, None, None)
