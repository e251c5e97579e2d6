"""The parameter ``cell``, which every node has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import cell_digest, load_cell
from physical_ai_bridge.nodes.parameters import Parameters


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCell:
    """A cell, the path that it was read from, and the file's sha256."""

    cell: Cell
    path: Path
    digest: str


class CellParameter:
    """Declares the parameter and reads the file that it names."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        parameters.declare('cell', '', 'path of the cell file')

    def load(self) -> LoadedCell:
        """
        Read the cell file.

        Raises
        ------
        BridgeError
            If the parameter names none, or the file cannot be used.

        """
        path = self._parameters.path('cell', 'a cell file, such as my_cell.yaml')
        return LoadedCell(load_cell(path), path, cell_digest(path))
