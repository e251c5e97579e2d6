"""A proposal as it came in, turned into a trajectory in the cell's joint order, or refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from physical_ai_bridge.contract.cell import LimitArrays
from physical_ai_bridge.contract.clock import NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory

MAX_POINTS = 1_000
MAX_DURATION_S = 30.0
# A proposal's stamp is the observation's, so it lies in the past; clocks differ by this at most.
CLOCK_TOLERANCE_S = 0.05
# A proposal goes on from where the plan is, give or take what the robot can do in this time.
REACH_S = 0.4


def sanitise(
        message: TrajectoryMessage, joints: tuple[str, ...], *, now_ns: int, max_age_s: float,
) -> Trajectory | Refusal:
    """
    Return ``message`` as a Trajectory over ``joints``, or the first thing that is wrong with it.

    Accelerations and effort may be there and are not used: positions and velocities alone define
    the cubics that the controller would execute.
    """
    return (_check_shape(message, joints)
            or _check_age(message, now_ns, max_age_s)
            or _convert(message, joints, now_ns))


def _check_shape(message: TrajectoryMessage, joints: tuple[str, ...]) -> Refusal | None:
    names, points = message.joint_names, message.points
    if not points:
        return Refusal(Reason.PROPOSAL_EMPTY, 'it has no points')
    if len(points) > MAX_POINTS:
        return Refusal(Reason.PROPOSAL_TOO_LARGE,
                       f'it has {len(points)} points, at most {MAX_POINTS} are taken')
    if len(names) != len(joints) or set(names) != set(joints):
        return Refusal(Reason.PROPOSAL_JOINTS,
                       f'it names {", ".join(names) or "no joints"}; '
                       f'the cell drives {", ".join(joints)}')
    width = len(joints)
    for index, point in enumerate(points):
        for field, values, optional in (
                ('positions', point.positions, False), ('velocities', point.velocities, False),
                ('accelerations', point.accelerations, True), ('effort', point.effort, True)):
            if len(values) != width and not (optional and not values):
                return Refusal(Reason.PROPOSAL_WIDTHS,
                               f'point {index} has {len(values)} {field} for {width} joints')
    return None


def _check_age(message: TrajectoryMessage, now_ns: int, max_age_s: float) -> Refusal | None:
    age_s = (now_ns - message.stamp_ns) / NS_PER_S
    if age_s > max_age_s:
        return Refusal(Reason.PROPOSAL_STALE,
                       f'its observation is {age_s:.3f} s old, at most {max_age_s:g} s is taken')
    if age_s < -CLOCK_TOLERANCE_S:
        return Refusal(Reason.FROM_THE_FUTURE,
                       f'its stamp is {-age_s:.3f} s later than now')
    return None


def _convert(
        message: TrajectoryMessage, joints: tuple[str, ...], now_ns: int) -> Trajectory | Refusal:
    times = [point.time_from_start_ns for point in message.points]
    if times[0] < 0:
        return Refusal(Reason.PROPOSAL_TIMES, f'the first point is at {times[0] / NS_PER_S:g} s')
    if times[-1] > seconds_to_ns(MAX_DURATION_S):
        return Refusal(Reason.PROPOSAL_TOO_LARGE,
                       f'it lasts {times[-1] / NS_PER_S:g} s, at most {MAX_DURATION_S:g} s is '
                       'taken')
    for index, (earlier, later) in enumerate(pairwise(times)):
        if later - earlier < MIN_KNOT_SPACING_NS:
            return Refusal(Reason.PROPOSAL_TIMES,
                           f'point {index + 1} is {(later - earlier) / NS_PER_S:g} s after the '
                           f'one before it, at least {MIN_KNOT_SPACING_NS / NS_PER_S:g} s is '
                           'needed')
    if message.stamp_ns + times[-1] <= now_ns:
        return Refusal(Reason.PROPOSAL_ENDED, 'its last point lies in the past')

    order = [message.joint_names.index(name) for name in joints]
    positions = np.array([point.positions for point in message.points], dtype=np.float64)
    velocities = np.array([point.velocities for point in message.points], dtype=np.float64)
    rest = [values for point in message.points
            for values in (point.accelerations, point.effort) if values]
    finite = np.isfinite(positions).all(axis=1) & np.isfinite(velocities).all(axis=1)
    if not finite.all():
        return Refusal(
            Reason.PROPOSAL_NOT_FINITE, f'point {int(finite.argmin())} is not finite')
    if rest and not np.isfinite(np.array(rest, dtype=np.float64)).all():
        return Refusal(Reason.PROPOSAL_NOT_FINITE, 'an acceleration or effort is not finite')
    return Trajectory(
        message.stamp_ns, joints, np.array(times, dtype=np.int64),
        np.ascontiguousarray(positions[:, order]), np.ascontiguousarray(velocities[:, order]))


def check_reach(
        proposal: Trajectory, plan: Trajectory, limits: LimitArrays, *, now_ns: int,
        latency_ns: int,
) -> Refusal | None:
    """
    Return a refusal where ``proposal`` is too far from ``plan`` to be a continuation of it.

    They are compared at the first instant at which the one could go on as the other. Degrees for
    radians, a joint that is off by a turn, a reference of another robot: within limits the robot
    could be driven there, but nobody has meant that.
    """
    earliest = now_ns + latency_ns
    at = max(earliest, proposal.start_ns)
    apart = np.abs(proposal.at(at).position - plan.at(at).position)
    reach = limits.velocity * (REACH_S + (at - earliest) / NS_PER_S)
    joint = int(np.argmax(apart - reach))
    if apart[joint] <= reach[joint]:
        return None
    return Refusal(Reason.PROPOSAL_FAR,
                   f'{proposal.joint_names[joint]} would be {apart[joint]:.3f} rad from where the '
                   f'plan has it, {reach[joint]:.3f} rad is within reach')
