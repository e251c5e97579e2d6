"""Put the simulated world where a recorded run was, to make pictures of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, sin
from typing import Protocol

import numpy as np
from physical_ai_bridge.evaluation.run import Episode, Run
from physical_ai_bridge.simulation import Snapshot
from physical_ai_bridge.simulation.episode import draw_episode
from physical_ai_bridge.simulation.world import World


class Moment(Protocol):
    """An instant of an episode."""

    @property
    def stamp_ns(self) -> int:
        """When, in ROS time."""

    @property
    def episode(self) -> Episode:
        """Of which episode."""


def snapshots(run: Run, moments: Sequence[Moment]) -> Iterator[Snapshot]:
    """
    Yield the state of the world at each moment.

    The socket stands where the episode's seed puts it, the joints where they were measured,
    between two joint states in between.
    """
    world, track = World(run.cell), run.joints
    for moment in moments:
        socket = draw_episode(moment.episode.seed or 0).socket
        half = 0.5 * socket.yaw_rad
        qpos = np.zeros(world.model.nq)
        qpos[world.joint_index] = [
            np.interp(moment.stamp_ns - run.start_ns, track.stamps_ns - run.start_ns, column)
            for column in track.position.T]
        yield Snapshot(
            stamp_ns=moment.stamp_ns, qpos=qpos,
            socket_position=np.array([socket.x_m, socket.y_m, socket.z_m]),
            socket_quaternion=np.array([cos(half), 0.0, 0.0, sin(half)]))
