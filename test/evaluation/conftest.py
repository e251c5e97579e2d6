"""A made-up run whose every figure is known, and the same as a recording."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.run import (
    Command,
    Diagnostics,
    Episode,
    JointTrack,
    ModeChange,
    Proposal,
    Run,
    Stream,
    WrenchTrack,
)
import pytest

EPOCH_NS = 1_700_000_000 * NS_PER_S
MODEL_MS, LATENCY_MS, PERIOD_S, EPISODE_S, PAUSE_S = 0.5, 8.0, 0.1, 3.0, 1.0


def smooth(seconds: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a motion there and back over an episode: position, velocity."""
    w = 2.0 * np.pi / EPISODE_S
    return size * (1.0 - np.cos(w * seconds)), size * w * np.sin(w * seconds)


def command(cell: Cell, start_ns: int, at_s: float, size: float) -> Trajectory:
    """Return the command decided at ``at_s`` of an episode: 0.3 s along the motion."""
    offsets_ns = np.arange(0, 310_000_000, 10_000_000)
    q, v = smooth(at_s + offsets_ns / NS_PER_S, size)
    joints = cell.robot.joints
    scale = np.linspace(1.0, 0.5, len(joints))
    return Trajectory(start_ns + round(at_s * NS_PER_S), joints, offsets_ns,
                      q[:, None] * scale, v[:, None] * scale)


def make_run(cell: Cell, *, episodes: int = 10, failing: tuple[int, ...] = (),
             size: float = 0.3) -> Run:
    """Return a run in which every figure follows from the arguments."""
    stamps = EPOCH_NS + np.arange(
        0, round(episodes * (EPISODE_S + PAUSE_S) * NS_PER_S), 2_000_000, dtype=np.int64)
    scale = np.linspace(1.0, 0.5, len(cell.robot.joints))
    q = np.zeros((len(stamps), len(scale)))
    v, force = np.zeros_like(q), np.full(len(stamps), 1.0)
    tried, proposals, commands, modes = [], [], [], []
    for number in range(episodes):
        start_ns = EPOCH_NS + round(number * (EPISODE_S + PAUSE_S) * NS_PER_S)
        end_ns = start_ns + round(EPISODE_S * NS_PER_S)
        inside = (stamps >= start_ns) & (stamps < end_ns)
        seconds = (stamps[inside] - start_ns) / NS_PER_S
        q[inside], v[inside] = (x[:, None] * scale for x in smooth(seconds, size))
        force[inside] = 2.0 + (10.0 + number) * np.exp(-((seconds - 2.2) / 0.3) ** 2)
        tried.append(Episode(
            number=number + 1, seed=100 + number, start_ns=start_ns, end_ns=end_ns,
            success=number + 1 not in failing))
        modes += [
            ModeChange(stamp_ns=start_ns - 200_000_000, mode='READY', reason='OK', detail=''),
            ModeChange(stamp_ns=start_ns + 100_000_000, mode='LIMITING', reason='JOINING',
                       detail=''),
            ModeChange(stamp_ns=start_ns + 400_000_000, mode='ACTIVE', reason='OK', detail=''),
            ModeChange(stamp_ns=end_ns + 10_000_000, mode='INACTIVE', reason='OK', detail='')]
        for at_s in np.arange(0.0, EPISODE_S - 0.3, PERIOD_S):
            observed_ns = start_ns + round(at_s * NS_PER_S)
            decided_s = at_s + LATENCY_MS / 1e3
            proposals.append(Proposal(stamp_ns=observed_ns, received_ns=observed_ns + 7_000_000))
            commands.append(Command(trajectory=command(cell, start_ns, decided_s, size),
                                    received_ns=observed_ns + 9_000_000))
    streams = {cell.sensors.joint_states.topic: Stream(
        type_name='sensor_msgs/msg/JointState', received_ns=stamps, wanted_rate_hz=500.0)}
    figures = {'inference_p50_ms': f'{MODEL_MS}', 'inference_p99_ms': f'{2 * MODEL_MS}'}
    return Run(
        cell=cell, joints=JointTrack(stamps_ns=stamps, position=q, velocity=v),
        wrenches={'wrist': WrenchTrack(
            stamps_ns=stamps, force_n=force, torque_nm=0.1 * force)},
        proposals=tuple(proposals), commands=tuple(commands), modes=tuple(modes),
        episodes=tuple(tried), streams=streams,
        diagnostics={'/policy_node': Diagnostics(
            name='/policy_node', told=tuple((e.end_ns, figures) for e in tried))},
        notes={'bundle': 'made up', 'bundle_digest': 'ab' * 32})


@pytest.fixture(scope='session')
def cell() -> Cell:
    """Return the packaged cell."""
    return load_cell(Path(str(resources.files('physical_ai_bridge')))
                     / 'config' / 'cells' / 'mujoco_ur5e.yaml')


@pytest.fixture(scope='session')
def made_up(cell: Cell) -> Callable[..., Run]:
    """Return a maker of runs whose every figure is known."""
    def make(**how: object) -> Run:
        return make_run(cell, **how)
    return make
