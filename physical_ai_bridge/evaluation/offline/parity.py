"""What a bag's run decided, decided again from the bag alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.names import POLICY_TRACE, SUPERVISOR_TRACE
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.safety.robot_model import RobotModel

Infer = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    An outcome that is not the one of then.

    ``at_s`` counts from the first message of the bag; ``kind`` is the call ('tick', 'propose',
    ...); ``then`` and ``now`` say what was decided, as far as the trace tells.
    """

    at_s: float
    kind: str
    then: str
    now: str

    def __str__(self) -> str:
        return f'{self.kind} at {self.at_s:.3f} s: then {self.then}; now {self.now}'


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParity:
    """
    One node's outcomes: how many were decided again, by kind, and how many came out the same.

    ``gaps`` says in sentences what could not be compared, and why; ``uncompared`` counts the
    outcomes in it that the trace has.
    """

    node: str
    compared: Mapping[str, int]
    identical: Mapping[str, int]
    uncompared: int
    gaps: tuple[str, ...]
    first_difference: Difference | None

    @property
    def holds(self) -> bool:
        """Whether something was compared, and all of it came out the same."""
        return bool(self.compared) and self.compared == self.identical


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Both nodes' parity."""

    supervisor: NodeParity
    policy: NodeParity


class ParityCheck:
    """
    Decides again what the traces in a bag say was decided; fed with the bag's messages in order.

    ``infer`` is ``policy.infer`` of the bundle in ``binding``; without both the policy's node is
    left out. ``kinematics`` is what ``policy.actions.kinematics_for`` returns for it.
    """

    def __init__(
            self, cell: Cell, cell_digest: str, robot: RobotModel, *,
            binding: Binding | None = None, infer: Infer | None = None,
            kinematics: TcpKinematics | None = None) -> None:
        self.topics = frozenset((SUPERVISOR_TRACE, POLICY_TRACE))

    def on_message(self, message: RecordedMessage) -> None:
        """Take a message of ``topics``, in recorded order; others are left aside."""

    def finish(self) -> Parity:
        """Return what came out, once, after the last message."""
        nothing = ('the bag has no trace',)
        return Parity(**{
            key: NodeParity(node=node, compared={}, identical={}, uncompared=0, gaps=nothing,
                            first_difference=None)
            for key, node in (('supervisor', 'safety_supervisor'), ('policy', 'policy_node'))})
