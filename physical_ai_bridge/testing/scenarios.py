"""Adversarial scenarios for the supervisor: a robot, a policy and what goes wrong, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
import random
from typing import Any

import numpy as np
from physical_ai_bridge.contract.cell import Box, Cell, JointLimit, limit_arrays, SelfCollision
from physical_ai_bridge.contract.samples import TrajectoryMessage, TrajectoryPoint
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.robots import (
    EXAMPLE_IGNORE,
    EXAMPLE_START,
    example_urdf,
    seven_joint_cell,
    SEVEN_JOINT_START,
    seven_joint_urdf,
    wide_cell,
)

# What a policy may propose besides a smooth motion that goes on from the plan.
HOSTILE = (
    'random_knots', 'jump', 'chatter', 'frozen', 'not_finite', 'offset', 'too_fast', 'beyond',
    'malformed', 'old', 'at_rest')
_EVERYWHERE = Box(min=(-10.0,) * 3, max=(10.0,) * 3)
# What may happen to inputs, to the supervisor, and to the robot.
EVENTS = (
    'joint_states_starve', 'wrenches_starve', 'emergency_stop_starves', 'emergency_stop_pressed',
    'emergency_stop_flaps', 'force_spike', 'wrench_not_finite', 'joint_states_not_finite',
    'joint_states_spike', 'policy_dies', 'supervisor_dies', 'supervisor_stalls',
    'supervisor_held_up', 'stop_called', 'deactivated', 'robot_frozen', 'other_publisher',
    'proposals_flood')
# What the controller may do of itself, which nobody keeps within limits: what counts is that it is
# noticed.
CONTROLLER_EVENTS = (
    'controller_restarted', 'controller_deactivated', 'speed_scaling_0', 'speed_scaling_0.5',
    'speed_scaling_1.2')


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that goes wrong: when, in s after the supervisor is READY, and for how long."""

    kind: str
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """
    All that one run is made of; every draw in the run comes from ``seed`` too.

    ``way_s`` is how long commands take, ``back_s`` how long reports of the controller do.
    """

    seed: int
    cell: Cell
    start: np.ndarray
    duration_s: float
    proposal_period_s: float
    hostile_share: float
    hostile: tuple[str, ...]
    events: tuple[Event, ...]
    way_s: tuple[float, float]
    back_s: tuple[float, float]
    loss: float = 0.0
    duplicates: float = 0.0
    in_order: bool = True
    resets: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that goes wrong, by name, each once."""
        transport = [name for name, there in (
            ('loss', self.loss > 0.0), ('duplicates', self.duplicates > 0.0),
            ('reordering', not self.in_order), ('latency', self.way_s[1] > 0.005)) if there]
        proposals = self.hostile if self.hostile_share > 0.0 else ()
        return tuple(sorted({*transport, *proposals, *(e.kind for e in self.events)}))

    def robot(self) -> RobotModel:
        """Return the model of its robot."""
        urdf = example_urdf() if len(self.start) == 6 else seven_joint_urdf()
        return RobotModel.from_urdf(urdf, self.cell)

    @property
    def within_its_power(self) -> bool:
        """Whether limits can be kept by the supervisor alone."""
        return not any(event.kind in CONTROLLER_EVENTS for event in self.events)


def random_cell(draw: random.Random, *, shapes: bool) -> Cell:
    """
    Return a cell with the packaged arm, or one with 7 joints, and random limits to be kept.

    With ``shapes`` its parts keep clear of each other and position limits lie about its start;
    without, joints have limits anywhere.
    """
    six = draw.random() < 0.5
    cell = (wide_cell if six else seven_joint_cell)(
        self_collision=SelfCollision(ignore=EXAMPLE_IGNORE if six else ()) if shapes else None)
    limits = {}
    for joint, name in enumerate(cell.robot.joints):
        velocity = 10.0 ** draw.uniform(-0.5, 0.6)
        acceleration = velocity * 10.0 ** draw.uniform(0.1, 1.0)
        jerk = acceleration * 10.0 ** draw.uniform(0.7, 1.6)
        bounds: dict[str, Any] = {'has_position_limits': False}
        if draw.random() < 0.85:
            middle, half = draw.uniform(-1.5, 1.5), 10.0 ** draw.uniform(-0.7, 0.6)
            if shapes:
                middle = float((EXAMPLE_START if six else SEVEN_JOINT_START)[joint])
            bounds = {'has_position_limits': True,
                      'min_position': middle - half, 'max_position': middle + half}
        limits[name] = JointLimit(
            has_velocity_limits=True, max_velocity=velocity, has_acceleration_limits=True,
            max_acceleration=acceleration, has_jerk_limits=True, max_jerk=jerk, **bounds)
    latency = draw.choice((0.006, 0.01, 0.02))
    far = draw.choice((1.2, 10.0))
    return replace(
        cell, sensors=replace(cell.sensors, cameras={}),
        controller=replace(cell.controller, latency_s=latency),
        safety=replace(
            cell.safety, joint_limits=limits, tcp_speed_max_m_s=draw.choice((0.3, 1.5, 100.0)),
            workspace=Box(min=(-far,) * 3, max=(far,) * 3) if shapes else _EVERYWHERE,
            step_s=latency + draw.choice((0.0145, 0.02, 0.04, 0.08))))


def random_scenario(seed: int) -> Scenario:
    """Return the scenario of a seed: the same seed, the same scenario."""
    draw = random.Random(seed)
    shapes = draw.random() < 0.15
    cell = random_cell(draw, shapes=shapes)
    limits = limit_arrays(cell)
    low = np.where(np.isfinite(limits.position_min), limits.position_min, -2.0)
    high = np.where(np.isfinite(limits.position_max), limits.position_max, 2.0)
    at = np.array([draw.choice((0.002, 0.5, 0.998, draw.random())) for _ in low])
    start = low + at * (high - low)
    if shapes:
        start = EXAMPLE_START if len(low) == 6 else SEVEN_JOINT_START
    duration_s = draw.uniform(0.3, 1.0)
    kinds = EVENTS + CONTROLLER_EVENTS if draw.random() < 0.3 else EVENTS
    events = tuple(
        Event(draw.choice(kinds), draw.uniform(0.02, duration_s), draw.choice((0.02, 0.15, 0.5)))
        for _ in range(draw.choice((0, 0, 1, 1, 2, 3))))
    bad = draw.random() < 0.4
    loss = draw.uniform(0.0, 0.2) if bad and draw.random() < 0.7 else 0.0
    in_order = not (bad and draw.random() < 0.5)
    reports = loss > 0.0 or not in_order or draw.random() < 0.5 or any(
        event.kind in CONTROLLER_EVENTS for event in events)
    if reports:
        cell = replace(cell, controller=replace(
            cell.controller, state_topic='/joint_trajectory_controller/controller_state'))
    # A command is executed from the controller's next sample on, and may be held up before.
    held_up = any(event.kind == 'supervisor_held_up' for event in events)
    longest = cell.controller.latency_s * (0.5 if held_up else 1.0) - 1.0 / cell.controller.rate_hz
    least = draw.choice((0.0, 0.0005, 0.5 * longest))
    return Scenario(
        seed=seed, cell=cell, start=start, duration_s=duration_s,
        proposal_period_s=draw.choice((0.033, 0.05, 0.1)),
        hostile_share=draw.choice((0.0, 0.0, 0.1, 0.5, 1.0)),
        hostile=tuple(draw.sample(HOSTILE, draw.choice((1, 2, 5)))), events=events,
        way_s=(min(least, longest), max(draw.choice((0.001, 1.0)) * longest, least)),
        back_s=(0.0, draw.choice((0.001, 0.01, 0.02))), loss=loss,
        duplicates=draw.choice((0.0, 0.2)) if bad else 0.0, in_order=in_order,
        resets=draw.random() < 0.3)


class AdversarialPolicy:
    """Proposes smooth motions towards random goals and, now and then, something hostile."""

    def __init__(self, scenario: Scenario, draw: np.random.Generator) -> None:
        self._scenario, self._draw = scenario, draw
        self._names = scenario.cell.robot.joints
        self._limits = limits = limit_arrays(scenario.cell)
        self._shaper = ReferenceShaper(float(draw.choice((10.0, 20.0, 30.0))), limits)
        self._low = np.where(np.isfinite(limits.position_min), limits.position_min, -3.0)
        self._high = np.where(np.isfinite(limits.position_max), limits.position_max, 3.0)
        self._goal = scenario.start
        self._steps = int(draw.choice((10, 20, 40)))
        self._last: Trajectory | None = None

    def propose(self, plan: Trajectory, now_ns: int) -> TrajectoryMessage:
        """Return what it proposes at ``now_ns``, from an observation a little before."""
        draw = self._draw
        if draw.random() < 0.3:
            self._goal = draw.uniform(self._low, self._high)
        if draw.random() < self._scenario.hostile_share:
            return self._hostile(str(draw.choice(self._scenario.hostile)), plan, now_ns)
        return message_from_trajectory(self._smooth(plan, now_ns))

    def _smooth(self, plan: Trajectory, now_ns: int) -> Trajectory:
        stamp_ns = now_ns - int(self._draw.integers(0, 60_000_000))
        begin_ns = plan.snap(now_ns + int(
            self._draw.choice((0.5, 1.5, 2.5)) * self._scenario.cell.controller.latency_s * 1e9))
        self._last = self._shaper.follow(
            stamp_ns, begin_ns, plan.at(begin_ns), np.tile(self._goal, (self._steps, 1)),
            self._names)
        return self._last

    def _hostile(self, kind: str, plan: Trajectory, now_ns: int) -> TrajectoryMessage:
        draw, last = self._draw, self._last
        if last is None or kind not in ('frozen', 'offset', 'jump'):
            last = self._smooth(plan, now_ns)
        times, q, v = last.times_ns, last.positions.copy(), last.velocities.copy()
        stamp_ns = last.stamp_ns
        if kind == 'frozen':
            stamp_ns = now_ns
        elif kind == 'random_knots':
            times = np.cumsum(draw.integers(100_000, 50_000_000, len(times)))
            q = draw.uniform(self._low, self._high, q.shape)
            v = draw.normal(0.0, 1.0, v.shape) * self._limits.velocity
        elif kind == 'jump':
            q[int(draw.integers(len(q))):] += draw.normal(0.0, 0.1, q.shape[1])
        elif kind == 'chatter':
            q[::2] += draw.normal(0.0, 0.02, q.shape[1])
            v *= draw.choice((-1.0, 1.0), v.shape)
        elif kind == 'not_finite':
            field = q if draw.random() < 0.5 else v
            field[int(draw.integers(len(q))), int(draw.integers(q.shape[1]))] = draw.choice(
                (np.nan, np.inf, -np.inf))
        elif kind == 'offset':
            q += draw.normal(0.0, float(draw.choice((1e-9, 1e-6, 1e-3, 0.1))), q.shape[1])
        elif kind == 'too_fast':
            times, v = np.maximum(times // 3, 100_000 * np.arange(1, len(times) + 1)), 3.0 * v
        elif kind == 'beyond':
            q += np.linspace(0.0, 2.0, len(q))[:, None] * (self._high - self._low)
            v += 2.0 * (self._high - self._low) / ((times[-1] - times[0]) / 1e9)
        elif kind == 'old':
            stamp_ns = now_ns - int(draw.choice((100_000_000, 600_000_000)))
        elif kind == 'at_rest':
            v[-1] = 0.0
        message = message_from_trajectory(Trajectory(stamp_ns, self._names, times, q, v))
        return self._malformed(message) if kind == 'malformed' else message

    def _malformed(self, message: TrajectoryMessage) -> TrajectoryMessage:
        names, points = message.joint_names, message.points
        first = points[0]
        return replace(message, **[
            {'points': ()}, {'joint_names': ()}, {'joint_names': (*names[:-1], names[0])},
            {'joint_names': (*names[:-1], 'another')},
            {'points': (replace(first, velocities=()), *points[1:])},
            {'points': (replace(first, time_from_start_ns=-1), *points[1:])},
            {'points': (first, first, *points[1:])},
            {'points': points[::-1]},
            {'stamp_ns': message.stamp_ns + 10**12},
            {'points': (TrajectoryPoint(0, first.positions, first.velocities, (),
                                        (1.0,) * len(names)), *points)},
        ][int(self._draw.integers(10))])
