"""How much of the limits a controller's setpoints have used: at every sample, and between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import Cell, LimitArrays, Safety
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.simulation.controller import Setpoint

# A length that is computed twice, and a distance of shapes that is iterated for.
_LENGTH_M, _DISTANCE_M = 1e-9, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointUse:
    """
    The largest share of each limit that was used at any joint; 1.0 is the limit, NaN not a number.

    Of the cubics that the controller has evaluated, over just the time for which it did: the
    ``position``, ``velocity``, ``acceleration`` and ``jerk`` between samples too, with a step of
    the acceleration as the jerk that a controller sees in one period, on top of the jerk beside
    it. ``sampled_*`` are differences of what it put out from sample to sample. ``position_jump``
    and ``velocity_jump`` (rad, rad/s) are the largest at any change of trajectories.

    Of the robot, at samples: ``tcp_speed`` from one to the next, how far the tcp was outside the
    workspace, and, at every fifth, by how much a pair of shapes was closer than allowed, in m.
    """

    position: float = 0.0
    velocity: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0
    sampled_velocity: float = 0.0
    sampled_acceleration: float = 0.0
    sampled_jerk: float = 0.0
    position_jump: float = 0.0
    velocity_jump: float = 0.0
    tcp_speed: float = 0.0
    tcp_outside_m: float = 0.0
    too_close_m: float = 0.0

    def violations(self, tolerance: float, jump_rad: float) -> tuple[str, ...]:
        """Return what went beyond a limit by more than ``tolerance`` of it, or jumped."""
        allowed = {'position_jump': jump_rad, 'velocity_jump': 1e3 * jump_rad,
                   'tcp_outside_m': _LENGTH_M, 'too_close_m': _DISTANCE_M}
        return tuple(name for name in self.__slots__
                     if not getattr(self, name) <= allowed.get(name, 1.0 + tolerance))


class SetpointAudit:
    """
    Follows a controller of a fixed period that executes trajectories of positions and velocities.

    It shares nothing with the verification of motions but the limits.
    """

    def __init__(self, limits: LimitArrays, period_s: float) -> None:
        self._limits, self._period = limits, period_s
        bounded = np.isfinite(limits.position_min) & np.isfinite(limits.position_max)
        low = np.where(bounded, limits.position_min, 0.0)
        high = np.where(bounded, limits.position_max, 0.0)
        self._middle = 0.5 * (low + high)
        self._half = np.where(bounded, 0.5 * (high - low), np.inf)
        self._use = dict.fromkeys(SetpointUse.__slots__, 0.0)
        self._rows: list[Setpoint] = []
        self._plan: Trajectory | None = None
        self._since_ns = 0

    def executes(self, plan: Trajectory, now_ns: int) -> None:
        """Take note that the controller executes ``plan`` from the sample at ``now_ns`` on."""
        before = self._plan
        if before is not None:
            self._close(now_ns)
            old, new = before.at(now_ns), plan.at(now_ns)
            self._note('position_jump', np.abs(new.position - old.position))
            self._note('velocity_jump', np.abs(new.velocity - old.velocity))
            step = np.abs(new.acceleration - old.acceleration) / self._period
            self._note('jerk', (step + np.maximum(np.abs(old.jerk), np.abs(new.jerk)))
                       / self._limits.jerk)
        self._plan, self._since_ns = plan, now_ns

    def add(self, setpoint: Setpoint) -> None:
        """Take what the controller puts out at the next sample."""
        self._rows.append(setpoint)

    def finish(self, now_ns: int, cell: Cell | None = None, robot: RobotModel | None = None,
               ) -> SetpointUse:
        """Return the use up to ``now_ns``, with that of the robot where there is one."""
        self._close(now_ns)
        self._since_ns = now_ns
        q, v, a = (np.array([row[field] for row in self._rows]) for field in range(3))
        if len(q):
            limits = self._limits
            self._note('position', self._position_share(q))
            self._note('velocity', np.abs(v) / limits.velocity)
            self._note('acceleration', np.abs(a) / limits.acceleration)
            for name, values, limit in (
                    ('sampled_velocity', q, limits.velocity),
                    ('sampled_acceleration', v, limits.acceleration),
                    ('sampled_jerk', a, limits.jerk)):
                self._note(name, np.abs(np.diff(values, axis=0)) / self._period / limit)
            if cell is not None and robot is not None:
                self._note_robot(q, cell.safety, robot)
        return SetpointUse(**self._use)

    def _note_robot(self, q: np.ndarray, safety: Safety, robot: RobotModel) -> None:
        moved = np.append(True, np.any(np.diff(q, axis=0) != 0.0, axis=1))
        tcp = np.array([robot.tcp(row) for row in q[moved]])
        speed = np.linalg.norm(np.diff(tcp, axis=0), axis=1) / self._period
        self._note('tcp_speed', speed / safety.tcp_speed_max_m_s)
        box = safety.workspace
        self._note('tcp_outside_m', np.maximum(np.array(box.min) - tcp, tcp - np.array(box.max)))
        least = np.array([pair.least_m for pair in robot.pairs])
        for row in q[moved][::5] if len(least) else ():
            self._note('too_close_m', least - robot.distances(row))

    def _note(self, name: str, values: np.ndarray) -> None:
        # NaN stays: np.maximum keeps it.
        self._use[name] = float(np.maximum(self._use[name], np.max(values, initial=0.0)))

    def _position_share(self, q: np.ndarray) -> np.ndarray:
        return np.abs(q - self._middle) / self._half

    def _close(self, now_ns: int) -> None:
        """Look at the plan from when it was taken up until now."""
        plan = self._plan
        if plan is None or now_ns <= self._since_ns or len(plan.times_ns) < 2:
            return
        knots = plan.times_ns
        begin, end = self._since_ns - plan.stamp_ns, now_ns - plan.stamp_ns
        first = max(int(knots.searchsorted(begin, side='right')) - 1, 0)
        last = min(int(knots.searchsorted(end, side='left')), len(knots) - 1)
        if last <= first:
            return  # at rest before its beginning or after its end
        _, *coefficients = plan.segments()
        c0, c1, c2, c3 = (c[first:last] for c in coefficients)
        starts = knots[first:last]
        low = (np.maximum(starts, begin) - starts)[:, None] / NS_PER_S
        high = (np.minimum(knots[first + 1:last + 1], end) - starts)[:, None] / NS_PER_S
        self._note_extremes(c0, c1, c2, c3, low, high)
        jerk = np.abs(6.0 * c3)
        self._note('jerk', jerk / self._limits.jerk)
        step = np.abs(2.0 * c2[1:] - (2.0 * c2 + 6.0 * c3 * high)[:-1]) / self._period
        self._note('jerk', (step + np.maximum(jerk[1:], jerk[:-1])) / self._limits.jerk)
        if end >= knots[-1]:  # to rest
            step = np.abs(2.0 * c2[-1] + 6.0 * c3[-1] * high[-1]) / self._period
            self._note('jerk', (step + jerk[-1]) / self._limits.jerk)

    def _note_extremes(self, c0: np.ndarray, c1: np.ndarray, c2: np.ndarray, c3: np.ndarray,
                       low: np.ndarray, high: np.ndarray) -> None:
        """Note the extremes of cubics between ``low`` and ``high``, (M, 1) s after their start."""
        with np.errstate(divide='ignore', invalid='ignore'):
            root = np.sqrt(np.maximum(c2 * c2 - 3.0 * c1 * c3, 0.0))
            turns = [(-c2 + root) / (3.0 * c3), (-c2 - root) / (3.0 * c3), -c1 / (2.0 * c2)]
            top = -c2 / (3.0 * c3)
        at = [low, high, *(np.clip(np.where(np.isfinite(t), t, low), low, high) for t in turns)]
        for tau in at:
            self._note('position', self._position_share(
                c0 + tau * (c1 + tau * (c2 + tau * c3))))
        for tau in (low, high, np.clip(np.where(np.isfinite(top), top, low), low, high)):
            self._note('velocity', np.abs(c1 + tau * (2.0 * c2 + 3.0 * tau * c3))
                       / self._limits.velocity)
        for tau in (low, high):
            self._note('acceleration', np.abs(2.0 * c2 + 6.0 * tau * c3)
                       / self._limits.acceleration)
