"""The task: where the socket and the arm begin, and when the connector is in."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, radians, sin

import numpy as np

# Where the socket stands, and how far it and the start pose vary about that.
NOMINAL_X_M, NOMINAL_Y_M, FACE_Z_M = 0.45, 0.12, 0.06
NOMINAL_YAW_RAD = pi / 2
SPREAD_M, SPREAD_RAD = 0.030, radians(15.0)
START_ABOVE_M = (0.060, 0.100)

# The connector's tip in the tcp frame, along z.
TIP_M = 0.130

SUCCESS_DEPTH_M, SUCCESS_LATERAL_M, SUCCESS_HOLD_S = 0.014, 0.003, 0.3
TIME_LIMIT_S = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketPose:
    """The middle of the socket's face in the base frame; yaw turns its 20 mm side from x."""

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeDraw:
    """What varies: the socket's pose and the tip's pose at the start, pointing down."""

    socket: SocketPose
    tip: SocketPose


def draw_episode(seed: int) -> EpisodeDraw:
    """Return the episode that a seed stands for."""
    rng = np.random.default_rng([seed, 0])

    def pose(z_m: float) -> SocketPose:
        x, y = rng.uniform(-SPREAD_M, SPREAD_M, 2).tolist()
        return SocketPose(
            x_m=NOMINAL_X_M + x, y_m=NOMINAL_Y_M + y, z_m=z_m,
            yaw_rad=NOMINAL_YAW_RAD + float(rng.uniform(-SPREAD_RAD, SPREAD_RAD)))

    socket = pose(FACE_Z_M)
    return EpisodeDraw(
        socket=socket, tip=pose(FACE_Z_M + float(rng.uniform(*START_ABOVE_M))))


def downward(yaw_rad: float) -> np.ndarray:
    """Return the tcp's rotation (3, 3) that points down, the connector's 20 mm side at a yaw."""
    c, s = cos(yaw_rad), sin(yaw_rad)
    return np.array([[-c, -s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStatus:
    """
    How an episode stands.

    ``depth_m`` is how far the tip is below the socket's face (negative above it), ``lateral_m``
    how far it is beside the socket's axis, ``peak_force_n`` the largest force at the wrist so far,
    without the sensor's noise. ``success`` latches; ``done`` is success, or time up.
    """

    elapsed_s: float
    depth_m: float
    lateral_m: float
    peak_force_n: float
    success: bool
    done: bool


class EpisodeJudge:
    """Watches the tip, step by step."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, now_ns: int) -> None:
        """Start a new episode."""
        self._start_ns = self._now_ns = now_ns
        self._in_since_ns: int | None = None
        self._success = False
        self._depth = self._lateral = 0.0
        self._peak_squared = 0.0

    def look(
            self, now_ns: int, tip: list[float], socket: SocketPose, force_squared: float,
    ) -> None:
        """Take the tip's position [x, y, z] and the squared force in N² at ``now_ns``."""
        self._now_ns = now_ns
        self._depth = socket.z_m - tip[2]
        self._lateral = hypot(tip[0] - socket.x_m, tip[1] - socket.y_m)
        self._peak_squared = max(self._peak_squared, force_squared)
        if self._depth < SUCCESS_DEPTH_M or self._lateral >= SUCCESS_LATERAL_M:
            self._in_since_ns = None
        elif self._in_since_ns is None:
            self._in_since_ns = now_ns
        elif (now_ns - self._in_since_ns >= SUCCESS_HOLD_S * 1e9
              and now_ns - self._start_ns <= TIME_LIMIT_S * 1e9):
            self._success = True

    @property
    def status(self) -> EpisodeStatus:
        """How the episode stands."""
        elapsed = (self._now_ns - self._start_ns) / 1e9
        return EpisodeStatus(
            elapsed_s=elapsed, depth_m=self._depth, lateral_m=self._lateral,
            peak_force_n=self._peak_squared ** 0.5, success=self._success,
            done=self._success or elapsed >= TIME_LIMIT_S)
