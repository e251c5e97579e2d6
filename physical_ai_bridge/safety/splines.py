"""Cubic splines through positions, with velocity and acceleration given at both ends."""

from __future__ import annotations

import numpy as np


def spline_through(
        seconds: np.ndarray, positions: np.ndarray, velocity: tuple[np.ndarray, np.ndarray],
        acceleration: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return positions, velocities and accelerations (K, N) at the knots ``seconds`` (K,), K >= 4.

    Between the knots the acceleration is a straight line, so it has no steps and jerk is constant.
    ``velocity`` and ``acceleration`` are those of the first and last knot, (N,) each. To have
    them all, the second position and the last but one are given up: they come out of the
    equations (Biagiotti and Melchiorri, Trajectory Planning for Automatic Machines and Robots,
    section 4.4.4).
    """
    h = seconds[1:] - seconds[:-1]
    last = len(h)
    q = positions.copy()
    (v0, v1), (a0, a1), h0, h1 = velocity, acceleration, h[0], h[-1]
    q[1] = q[0] + h0 * (v0 + h0 / 3.0 * a0)
    q[-2] = q[-1] - h1 * (v1 - h1 / 3.0 * a1)
    width = h[:, None]
    slope = (q[1:] - q[:-1]) / width
    known = 6.0 * (slope[1:] - slope[:-1])
    known[0] -= h0 * a0
    known[-1] -= h1 * a1

    system = np.zeros((last - 1, last - 1))
    diagonals = system.ravel()
    diagonals[::last] = 2.0 * (h[:-1] + h[1:])
    diagonals[1::last] = diagonals[last - 1::last] = h[1:-1]
    # What the second position and the last but one take on with the accelerations there.
    system[0, 0] += h0 + h0 * h0 / h[1]
    system[1, 0] -= h0 * h0 / h[1]
    system[-1, -1] += h1 + h1 * h1 / h[-2]
    system[-2, -1] -= h1 * h1 / h[-2]
    a = np.concatenate((a0[None], np.linalg.solve(system, known), a1[None]))
    q[1] += h0 * h0 / 6.0 * a[1]
    q[-2] += h1 * h1 / 6.0 * a[-2]
    v = np.concatenate((
        (q[1:] - q[:-1]) / width - width / 6.0 * (2.0 * a[:-1] + a[1:]), v1[None]))
    v[0] = v0
    return q, v, a
