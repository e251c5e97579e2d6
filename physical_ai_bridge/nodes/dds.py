"""Give Fast DDS the transport profile that images need, unless somebody chose otherwise."""

from __future__ import annotations

from collections.abc import MutableMapping
import importlib.metadata
import importlib.resources
import os
from pathlib import Path

from physical_ai_bridge.contract.errors import SetupError

# Fast DDS 3 (Kilted) reads the first, Fast DDS 2 (Jazzy) the second. Kilted reads both, and to
# read one profile twice is an error, so only the right one may be set.
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
# With one of these set, somebody has chosen the transports already.
CHOICE_VARIABLES = (*PROFILE_VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
_FIRST_RCLPY_WITH_FAST_DDS_3 = 9


def packaged_profile() -> Path:
    """
    Return where the packaged profile is.

    Raises
    ------
    SetupError
        If the installation lacks it.

    """
    profile = Path(str(importlib.resources.files('physical_ai_bridge') / 'config' / 'dds'
                       / 'fastdds.xml'))
    if not profile.is_file():
        raise SetupError(f'{profile}: the Fast DDS profile is missing; install the package again')
    return profile


def profile_variable(rclpy_version: str) -> str:
    """Return the variable that Fast DDS reads in the distribution which has this rclpy."""
    major = int(rclpy_version.partition('.')[0])
    return PROFILE_VARIABLES[0 if major >= _FIRST_RCLPY_WITH_FAST_DDS_3 else 1]


def use_packaged_profile(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """
    Let Fast DDS use the packaged profile; call it before ``rclpy.init``.

    Does nothing and returns None under another middleware, or where the environment says already
    what Fast DDS is to use.
    """
    middleware = environment.get('RMW_IMPLEMENTATION') or 'rmw_fastrtps_cpp'
    if not middleware.startswith('rmw_fastrtps'):
        return None
    if any(environment.get(name) for name in CHOICE_VARIABLES):
        return None
    profile = packaged_profile()
    environment[profile_variable(importlib.metadata.version('rclpy'))] = str(profile)
    return profile
