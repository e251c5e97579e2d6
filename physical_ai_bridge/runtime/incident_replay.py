"""Decide again what a record says was decided."""

from __future__ import annotations

from collections.abc import Iterator

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import parse_cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.runtime.incident_file import CELL, Incident, IncidentError
from physical_ai_bridge.runtime.replay import replay_supervisor, Replayed
from physical_ai_bridge.safety.gripping import supervisor_of
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.snapshot import restore
from physical_ai_bridge.safety.supervisor import Supervisor


def make_supervisor(cell: Cell, urdf: str) -> Supervisor:
    """
    Return a supervisor of a cell, from nothing but its files' contents.

    Raises
    ------
    BridgeError
        If the two do not fit each other.

    """
    return supervisor_of(cell, RobotModel.from_urdf(urdf, cell))


def replay_incident(incident: Incident) -> Iterator[Replayed]:
    """
    Yield each entry of a record with what a supervisor in the same state makes of it now.

    Raises
    ------
    IncidentError
        If what the record holds is no cell, no state, or no journal of a supervisor.

    """
    try:
        cell = parse_cell(incident.cell, CELL)
        core = make_supervisor(cell, incident.urdf)
        restore(incident.state, core)
        yield from replay_supervisor(core, cell, incident.entries)
    except BridgeError as error:
        raise IncidentError(f'the record cannot be replayed: {error}') from error
