"""How much of each joint limit a run used: what was commanded, in closed form, and what moved."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.evaluation.run import Command, Episode, Run

# A share of a limit that is above 1 by no more than this is rounding.
TOLERANCE = 1e-3

QUANTITIES = ('position', 'velocity', 'acceleration', 'jerk')


def executed(commands: tuple[Command, ...], episode: Episode) -> list[Trajectory]:
    """
    Return the stretches of one episode's commands that were in force.

    A command is in force from its own start until the next one starts. Commands overlap what they
    replace, so that the exact instant of the change does not matter.
    """
    inside = [c.trajectory for c in commands
              if episode.start_ns <= c.trajectory.stamp_ns < episode.end_ns]
    pieces = []
    for index, motion in enumerate(inside):
        until = inside[index + 1].start_ns if index + 1 < len(inside) else motion.end_ns
        until = min(until, max(motion.end_ns, motion.start_ns + 2 * MIN_KNOT_SPACING_NS))
        if until - motion.start_ns > MIN_KNOT_SPACING_NS:
            pieces.append(motion.cut(motion.start_ns, until))
    return pieces


def peaks(motion: Trajectory) -> dict[str, np.ndarray]:
    """
    Return the exact extremes of a motion, (N,) each.

    ``low`` and ``high`` bound the position; ``velocity``, ``acceleration`` and ``jerk`` are the
    largest absolute values, between knots too.
    """
    h, c0, c1, c2, c3 = motion.segments()
    h = h[:, None]
    with np.errstate(divide='ignore', invalid='ignore'):
        # Where the velocity is extreme, and where it is zero, if that is inside the segment.
        root = np.sqrt(np.maximum(c2 * c2 - 3.0 * c1 * c3, 0.0))
        inner = [-c2 / (3.0 * c3), (-c2 + root) / (3.0 * c3), (-c2 - root) / (3.0 * c3),
                 -c1 / (2.0 * c2)]
    times = [np.zeros_like(c0), np.broadcast_to(h, c0.shape)]
    times += [np.where(np.isfinite(t), np.clip(t, 0.0, h), 0.0) for t in inner]
    tau = np.stack(times)
    position = c0 + tau * (c1 + tau * (c2 + tau * c3))
    velocity = np.abs(c1 + tau * (2.0 * c2 + tau * 3.0 * c3))
    acceleration = np.abs(2.0 * c2 + tau[:2] * 6.0 * c3)
    return {
        'low': position.min(axis=(0, 1)), 'high': position.max(axis=(0, 1)),
        'velocity': velocity.max(axis=(0, 1)), 'acceleration': acceleration.max(axis=(0, 1)),
        'jerk': np.abs(6.0 * c3).max(axis=0)}


def splices(pieces: list[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest step in position and in velocity from one stretch to the next, (N,)."""
    width = pieces[0].positions.shape[1] if pieces else 0
    position, velocity = np.zeros(width), np.zeros(width)
    for before, after in pairwise(pieces):
        if after.start_ns <= before.end_ns:
            np.maximum(position, np.abs(after.positions[0] - before.positions[-1]), out=position)
            np.maximum(velocity, np.abs(after.velocities[0] - before.velocities[-1]), out=velocity)
    return position, velocity


def audit(run: Run) -> dict[str, dict[str, float]]:
    """
    Return, by joint, the largest share of each limit over all episodes; 1.0 is the limit.

    ``reference_*`` is what the supervisor commanded, ``measured_*`` what the joints did,
    ``splice_*`` the largest steps from one command to the next, in rad and rad/s.
    """
    limits, joints = limit_arrays(run.cell), run.cell.robot.joints
    middle = np.where(np.isfinite(limits.position_min),
                      0.5 * (limits.position_min + limits.position_max), 0.0)
    half = np.where(np.isfinite(limits.position_min),
                    0.5 * (limits.position_max - limits.position_min), np.inf)
    found = {name: np.zeros(len(joints)) for name in (
        *(f'reference_{quantity}' for quantity in QUANTITIES), 'measured_position',
        'measured_velocity', 'splice_position_rad', 'splice_velocity_rad_s')}

    def raise_to(name: str, values: np.ndarray) -> None:
        np.maximum(found[name], values, out=found[name])

    track = run.joints
    for episode in run.episodes:
        pieces = executed(run.commands, episode)
        for piece in pieces:
            top = peaks(piece)
            raise_to('reference_position',
                     np.maximum(np.abs(top['low'] - middle), np.abs(top['high'] - middle)) / half)
            for quantity in QUANTITIES[1:]:
                raise_to(f'reference_{quantity}', top[quantity] / getattr(limits, quantity))
        if pieces:
            position, velocity = splices(pieces)
            raise_to('splice_position_rad', position)
            raise_to('splice_velocity_rad_s', velocity)
        inside = (track.stamps_ns >= episode.start_ns) & (track.stamps_ns < episode.end_ns)
        if inside.any():
            raise_to('measured_position',
                     (np.abs(track.position[inside] - middle) / half).max(axis=0))
            raise_to('measured_velocity',
                     (np.abs(track.velocity[inside]) / limits.velocity).max(axis=0))
    return {joint: {name: float(values[index]) for name, values in found.items()}
            for index, joint in enumerate(joints)}


def in_words(name: str) -> str:
    """Say 'commanded' for what the audits call the reference."""
    return name.replace('reference_', 'commanded ').replace('_', ' ')


def exceeded(shares: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence for each share that is above its limit, NaN included."""
    return [f'{joint}: {in_words(name)} reached {100.0 * share:.1f} % of its limit'
            for joint, values in shares.items() for name, share in values.items()
            if not name.startswith('splice_') and not share <= 1.0 + TOLERANCE]
