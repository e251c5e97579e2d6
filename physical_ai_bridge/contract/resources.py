"""Where the files that come with the package are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def config_path(relative: str) -> Path:
    """Return the path of a file or folder of ``config/``, such as 'cells/mujoco_ur5e.yaml'."""
    return Path(str(files('physical_ai_bridge'))) / 'config' / relative
