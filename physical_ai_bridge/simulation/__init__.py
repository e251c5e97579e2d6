"""
The simulated cell, its emulated controller, its task and the task's scripted teacher.

MuJoCo is imported when a name that needs it is first used, not with this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from physical_ai_bridge.simulation.audit import LimitUse
    from physical_ai_bridge.simulation.cameras import CameraRig, Snapshot
    from physical_ai_bridge.simulation.cell import MujocoCell, Step
    from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
    from physical_ai_bridge.simulation.episode import EpisodeStatus, SocketPose
    from physical_ai_bridge.simulation.kinematics import ArmKinematics
    from physical_ai_bridge.simulation.teacher import Teacher
    from physical_ai_bridge.simulation.video import render_video_frames

_HOMES = {
    'LimitUse': 'audit',
    'CameraRig': 'cameras',
    'Snapshot': 'cameras',
    'MujocoCell': 'cell',
    'Step': 'cell',
    'Acceptance': 'controller',
    'Setpoint': 'controller',
    'TrajectoryController': 'controller',
    'EpisodeStatus': 'episode',
    'SocketPose': 'episode',
    'ArmKinematics': 'kinematics',
    'Teacher': 'teacher',
    'render_video_frames': 'video',
}

__all__ = [
    'Acceptance', 'ArmKinematics', 'CameraRig', 'EpisodeStatus', 'LimitUse', 'MujocoCell',
    'Setpoint', 'Snapshot', 'SocketPose', 'Step', 'Teacher', 'TrajectoryController',
    'render_video_frames',
]


def __getattr__(name: str) -> Any:
    """Import the module that holds ``name`` on first use."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
