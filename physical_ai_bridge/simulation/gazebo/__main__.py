"""``python -m physical_ai_bridge.simulation.gazebo``: write the files that Gazebo runs from."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.simulation.gazebo.files import texts
from physical_ai_bridge.simulation.gazebo.source import Source


def main(args: list[str] | None = None) -> int:
    """Write the files; return the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m physical_ai_bridge.simulation.gazebo',
        description="Write the MuJoCo cell's world, arm and settings for Gazebo.")
    parser.add_argument('folder', type=Path, help='where to write; it is made if need be')
    parser.add_argument(
        '--cell', type=Path, default=config_path('cells/mujoco_ur5e.yaml'),
        help='path of the cell file (default: the one that comes with this package)')
    parser.add_argument(
        '--seed', type=int, default=0,
        help="the episode: where the socket stands and the arm starts, as the MuJoCo cell's "
             'seed says (default: 0)')
    given = parser.parse_args(args)
    if given.seed < 0:
        parser.error(f'--seed: found {given.seed}; write 0 or more')
    try:
        written = texts(Source.from_cell(load_cell(given.cell), given.seed))
        given.folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (given.folder / name).write_text(text, encoding='utf-8')
    except (BridgeError, OSError) as error:
        sys.stderr.write(f'{error}\n')
        return 1
    sys.stdout.write(f'{given.folder}: {", ".join(written)}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
