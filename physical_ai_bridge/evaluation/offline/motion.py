"""Where the robot was, and what moved it, over the whole of a recording."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.profiles import inset
from physical_ai_bridge.safety.trials import JointLimits

# Linear interpolation over this errs by a dt² / 8: 0.025 mrad at 8 rad/s².
_SPACING_NS = seconds_to_ns(0.005)
# Nothing is interpolated over a longer pause.
_LONGEST_NS = seconds_to_ns(0.1)
_FIT_NS = seconds_to_ns(0.06)
_LEAST_SAMPLES = 4
# A command from measurements goes on for as long as a proposal looks ahead, and then brakes.
_GOES_ON_LATENCIES = 2.5
# What is measured is rounded and noisy: it is taken to be within the limits by this share.
_WITHIN = 0.98


class MotionTrack:
    """Joint positions (M, N) in rad over stamps (M,) in ns, at most 200 a second."""

    def __init__(self, joints: int) -> None:
        self._stamps = np.empty(1024, np.int64)
        self._positions = np.empty((1024, joints))
        self._count = 0

    def __len__(self) -> int:
        """Return how many samples there are."""
        return self._count

    @property
    def stamps_ns(self) -> np.ndarray:
        """The stamps, rising."""
        return self._stamps[:self._count]

    @property
    def positions(self) -> np.ndarray:
        """The positions."""
        return self._positions[:self._count]

    @property
    def last_ns(self) -> int:
        """The newest stamp; there must be one."""
        return int(self._stamps[self._count - 1])

    def add(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take a sample, unless one of about this time, or a later one, is there."""
        count = self._count
        if count and stamp_ns - int(self._stamps[count - 1]) < _SPACING_NS:
            return
        if count == len(self._stamps):
            self._stamps = np.concatenate((self._stamps, np.empty_like(self._stamps)))
            self._positions = np.concatenate((self._positions, np.empty_like(self._positions)))
        self._stamps[count], self._positions[count] = stamp_ns, position
        self._count = count + 1

    def at(self, times_ns: np.ndarray) -> np.ndarray:
        """Return positions (K, N) at ``times_ns`` (K,), NaN where nothing near was seen."""
        found = np.full((len(times_ns), self._positions.shape[1]), np.nan)
        if self._count < 2:
            return found
        stamps = self.stamps_ns
        after = np.clip(np.searchsorted(stamps, times_ns), 1, self._count - 1)
        begin, end = stamps[after - 1], stamps[after]
        known = (times_ns >= begin) & (times_ns <= end) & (end - begin <= _LONGEST_NS)
        share = ((times_ns - begin) / (end - begin))[:, None]
        low, high = self._positions[after - 1], self._positions[after]
        found[known] = (low + share * (high - low))[known]
        return found


class MeasuredMotion:
    """
    What moves the robot, made from where it was measured, where no command was recorded.

    The robot is taken to go on at the speed that it has: the slope of a straight line through the
    last 60 ms, cut to the cell's limits. Then it brakes, as every command does.
    """

    def __init__(self, cell: Cell) -> None:
        self._names = cell.robot.joints
        limits = JointLimits(cell)
        self._within = inset(limits.arrays, limits.resolution_s)
        self._limits = limit_arrays(cell)
        self._goes_on_ns = seconds_to_ns(_GOES_ON_LATENCIES * cell.controller.latency_s)

    def command(self, track: MotionTrack, now_ns: int) -> Trajectory | None:
        """Return the command at ``now_ns``, None where too little was measured lately."""
        first = int(np.searchsorted(track.stamps_ns, now_ns - _FIT_NS))
        stamps, positions = track.stamps_ns[first:], track.positions[first:]
        if len(stamps) < _LEAST_SAMPLES:
            return None
        seconds = (stamps - now_ns) * 1e-9
        centred = seconds - seconds.mean()
        middle = positions.mean(axis=0)
        slope = centred @ (positions - middle) / (centred @ centred)
        fastest = _WITHIN * self._limits.velocity
        velocity = np.clip(slope, -fastest, fastest)
        position = middle - seconds.mean() * slope
        ahead = position + velocity * (self._goes_on_ns * 1e-9)
        rest = np.zeros_like(velocity)
        braked = brake(now_ns + self._goes_on_ns, self._names,
                       JointMotion(ahead, velocity, rest, rest), self._within)
        going = Trajectory(
            now_ns, self._names, np.array([0, self._goes_on_ns]), np.stack((position, ahead)),
            np.stack((velocity, velocity)))
        return going.then(braked)
