"""Parameters: declared once, read-only, described, and refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.fields import Quantity
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter


class ParameterError(BridgeError):
    """A node's parameter has a value that cannot be used."""


class Parameters:
    """
    A node's parameters.

    They are declared with dynamic types, so that a wrong type (an integer for a number, say) does
    not end the process with a traceback but is mended or refused, with a sentence, when the node
    is configured. While the node is active none can be changed, rclpy's own included.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        node.add_on_set_parameters_callback(self._refuse_while_active)

    def declare(
            self, name: str, default: Any, description: str, *, read_only: bool = True) -> None:
        """Declare one parameter, to be set at start alone unless it is not ``read_only``."""
        self._node.declare_parameter(name, default, ParameterDescriptor(
            description=description, read_only=read_only, dynamic_typing=True))

    def _refuse_while_active(self, parameters: list[Parameter]) -> SetParametersResult:
        if not self._node.active:
            return SetParametersResult(successful=True)
        return SetParametersResult(successful=False, reason=(
            f'{", ".join(each.name for each in parameters)}: no parameter of '
            f'{self._node.get_name()} can be changed while it is active; deactivate it first'))

    def _value(self, name: str) -> Any:
        parameter = self._node.get_parameter(name)
        return None if parameter.type_ is Parameter.Type.NOT_SET else parameter.value

    def _error(self, name: str, wanted: str) -> ParameterError:
        return ParameterError(
            f'{self._node.get_name()}: parameter {name}: found {self._value(name)!r}; '
            f'write {wanted}')

    def text(self, name: str) -> str:
        """Return a text, which may be empty."""
        value = self._value(name)
        if not isinstance(value, str):
            raise self._error(name, 'a text')
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``."""
        value = self._value(name)
        if value not in choices:
            raise self._error(name, f'one of {", ".join(choices)}')
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._value(name)
        if not isinstance(value, (list, tuple)) or not all(isinstance(x, str) for x in value):
            raise self._error(name, 'a list of texts')
        return tuple(value)

    def path(self, name: str, wanted: str) -> Path:
        """Return the path of something that exists."""
        value = self._value(name)
        if not isinstance(value, str) or not value:
            raise self._error(name, f'the path of {wanted}')
        path = Path(value).expanduser()
        if not path.exists():
            raise self._error(name, f'the path of {wanted}: nothing is there')
        return path

    def number(
            self, name: str, unit: str, *, above: float | None = None,
            at_least: float | None = None, at_most: float | None = None) -> float:
        """Return a finite number within its bounds."""
        value = self._value(name)
        rule = Quantity(unit, above, at_least, at_most)
        if (isinstance(value, bool) or not isinstance(value, (int, float))
                or rule.complaint(value) is not None):
            raise self._error(name, rule.wanted())
        return float(value)

    def whole(self, name: str, at_least: int, at_most: int | None = None) -> int:
        """Return a whole number."""
        value = self._value(name)
        if (isinstance(value, bool) or not isinstance(value, int) or value < at_least
                or (at_most is not None and value > at_most)):
            to = '' if at_most is None else f' and at most {at_most}'
            raise self._error(name, f'a whole number, at least {at_least}{to}')
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise self._error(name, 'true or false')
        return value
