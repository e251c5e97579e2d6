"""Candidate motions: what is committed, one step of the proposal, and the brake behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from physical_ai_bridge.contract.cell import Cell, LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import JointMotion, MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.leads import approach, joins
from physical_ai_bridge.safety.limits import Violation
from physical_ai_bridge.safety.plans import Blocked, Passed, Plan, Tail
from physical_ai_bridge.safety.profiles import inset
from physical_ai_bridge.safety.retiming import brake_along, retime
from physical_ai_bridge.safety.trials import Check, JointLimits, SpeedUse, Trials

# Where plan and proposal agree this well (rad, rad/s, rad/s²) the one goes on as the other.
_SAME_POSITION, _SAME_VELOCITY, _SAME_ACCELERATION = 1e-9, 1e-8, 1e-3
# The rungs below full speed. Where a speed limit tells how much is too much, it is that instead,
# with some room.
_SLOWER = (0.75, 0.5, 0.25)
_ROOM, _SLOWEST = 0.95, 0.05
# A stop that ends no sooner than the plan by this much is not worth a command.
_WORTH_A_STOP_NS = seconds_to_ns(0.005)
# A stop keeps to the path unless that takes this much longer than braking joint by joint.
_WORTH_THE_PATH_NS = seconds_to_ns(0.05)
# Where a path could not be braked on, it is looked at again once it is this much further.
_APART_FOR_NS = seconds_to_ns(0.045)
# How many motions are verified for one rung: one for each way to brake.
_CHECKS_EACH = 2
_SPEED = (Reason.VELOCITY_LIMIT, Reason.TCP_SPEED_LIMIT)
_SMOOTHNESS = (Reason.ACCELERATION_LIMIT, Reason.JERK_LIMIT)
_OF_JOINTS = (Reason.POSITION_LIMIT, Reason.VELOCITY_LIMIT, *_SMOOTHNESS)


class Candidates:
    """
    Builds and verifies candidates for one cell; it keeps nothing between calls.

    ``check`` verifies whole motions, and what it has not passed is not returned. ``speed_use`` is
    how much of its speed limits a state uses. Without them joint limits alone are held. At most
    ``MOST_CHECKS`` motions are verified in one ``follow``, two in one ``stop``.
    """

    MOST_CHECKS = 7

    def __init__(
            self, cell: Cell, check: Check | None = None, speed_use: SpeedUse | None = None,
    ) -> None:
        self.joints = JointLimits(cell)
        self.within: LimitArrays = inset(self.joints.arrays, self.joints.resolution_s)
        self.latency_ns = seconds_to_ns(cell.controller.latency_s)
        self.step_ns = seconds_to_ns(cell.safety.step_s)
        self._check = check or self.joints.check
        self._speed_use = speed_use or self.joints.speed_use

    def follow(
            self, plan: Plan, path: Trajectory, now_ns: int, *, speed_share: float = 1.0,
    ) -> Passed | Blocked:
        """
        Return the best verified candidate that follows ``path``, going on from ``plan``.

        First the path unchanged. Where that does not go on from the plan, or is not smooth
        enough, the plan is led onto it at full speed. Where it breaks another limit, it is
        followed at slower rates, along the same points; where it cannot be joined, it is
        approached at shares of its speed. Last, the plan brakes now. ``speed_share`` multiplies
        the speed limits of joints and tcp; what is faster already comes down: see ``Trials``.
        """
        motion = plan.motion
        join_ns = self._join(plan, path, now_ns)
        leave_ns = motion.snap(now_ns + self.latency_ns) if join_ns is None else join_ns
        begin_ns = _begin(motion, now_ns)
        trials = Trials(self._check, self._speed_use, motion, begin_ns, leave_ns, speed_share,
                        self.within)
        search = _Search(self, plan, path, now_ns, begin_ns, leave_ns, trials)
        rungs = search.approaches() if join_ns is None else search.along_the_path()
        with np.errstate(over='ignore', invalid='ignore'):  # what overflows does not pass
            found = next((rung for rung in rungs if rung is not None or trials.gives_up), None)
        return search.blocked() if found is None else found

    def stop(self, plan: Plan, path: Trajectory | None, now_ns: int) -> Passed | None:
        """
        Return the verified motion that brakes now, or None where the plan's own end is best.

        It brakes along the path that the plan is on (where the plan does not know, that is
        ``path`` if it goes on as that), unless braking joint by joint is sooner by 50 ms: then the
        path bends too much, or asks for too much already, to be braked on.
        """
        motion = plan.motion
        leave_ns = motion.snap(now_ns + self.latency_ns)
        begin_ns = _begin(motion, now_ns)
        if plan.path is None and path is not None and (
                path.start_ns <= leave_ns < path.end_ns
                and _same(motion.at(leave_ns), path.at(leave_ns))):
            plan = Plan(motion, path, leave_ns)
        trials = Trials(
            self._check, self._speed_use, motion, begin_ns, leave_ns, 1.0, self.within)
        return _Search(self, plan, motion, now_ns, begin_ns, leave_ns, trials).stop()

    def exhausted(self, path: Trajectory, now_ns: int) -> bool:
        """Tell whether nothing of ``path`` is left to follow."""
        return path.end_ns <= now_ns + self.latency_ns + MIN_KNOT_SPACING_NS

    def _join(self, plan: Plan, path: Trajectory, now_ns: int) -> int | None:
        """Return the instant from which the plan goes on as the path; None if it does not."""
        motion = plan.motion
        earliest = max(now_ns + self.latency_ns, path.start_ns)
        join = max(motion.snap(path.snap(earliest)), path.start_ns)
        end = min(path.snap(now_ns + self.latency_ns + self.step_ns), path.end_ns)
        if end - join <= MIN_KNOT_SPACING_NS:
            return None
        known = plan.path is path and join <= plan.tail_ns
        return join if known or _same(motion.at(join), path.at(join)) else None


@dataclass(slots=True)
class _Search:
    """One search for a motion that goes on from ``plan``, which it leaves at ``leave_ns``."""

    owner: Candidates
    plan: Plan
    path: Trajectory
    now_ns: int
    begin_ns: int
    leave_ns: int
    trials: Trials
    committed: Trajectory | None = None

    def along_the_path(self) -> Iterator[Passed | None]:
        """Yield what there is, the best first, where the plan goes on as the path."""
        path = self.path
        yield self._step(path, path, path, 1.0, 0)
        obstacle = self.trials.obstacle
        if obstacle is not None and obstacle.reason in _SMOOTHNESS:
            yield from self._joins()
        yield self._slower()
        yield self._brakes(Plan(self.plan.motion, path, self.leave_ns))

    def _slower(self) -> Passed | None:
        """
        Return the motion along the path at the best of the slower rates that are tried, or None.

        Where a speed limit is in the way it tells the rate. Else the middle rung of the ladder is
        tried, and where that passes the faster one too, where not the slower one.
        """
        trials = self.trials
        obstacle = trials.obstacle
        if obstacle is not None and obstacle.reason in _SPEED and obstacle.value > obstacle.limit:
            return self._at_rate(max(_ROOM * obstacle.limit / obstacle.value, _SLOWEST))
        best, begin, end = None, 0, len(_SLOWER)
        while begin < end and not trials.gives_up:
            middle = (begin + end) // 2
            found = self._at_rate(_SLOWER[middle])
            if found is None:
                begin = middle + 1
            else:
                best, end = found, middle
        return None if best is None else replace(best, checks=trials.count)

    def _at_rate(self, rate: float) -> Passed | None:
        slower = retime(self.path, self.leave_ns, rate, self.owner.joints.arrays)
        return None if slower is None else self._step(slower, slower, slower, rate, slower.end_ns)

    def approaches(self) -> Iterator[Passed | None]:
        """Yield what there is, the best first, where the plan has to be led onto the path."""
        owner = self.owner
        yield from self._joins()
        state = self.plan.motion.at(self.leave_ns)
        for scale in _SLOWER if self._is_in_the_way() else (1.0, *_SLOWER):
            lead = approach(
                self.leave_ns, state, self.path, scale, owner.joints.arrays, owner.within)
            if lead is not None:
                yield self._step(
                    lead.motion, lead.onwards, self.path, scale, lead.motion.end_ns)
        yield self._brakes(self.plan)

    def stop(self) -> Passed | None:
        """Return the motion that brakes now, or None."""
        return self._brakes(self.plan)

    def blocked(self) -> Blocked:
        """Return why nothing was found."""
        obstacle, checks = self.trials.obstacle, self.trials.count
        if obstacle is None:
            return Blocked(
                Reason.JOINING, 'no motion within the limits leads onto the proposal', checks)
        return Blocked(obstacle.reason, str(obstacle), checks)

    def _joins(self) -> Iterator[Passed | None]:
        """Yield what leads onto the path at full speed."""
        owner, state = self.owner, self.plan.motion.at(self.leave_ns)
        for lead in joins(
                self.leave_ns, state, self.path, owner.joints.arrays, owner.within):
            yield self._step(lead.motion, lead.onwards, lead.onwards, 1.0, lead.motion.end_ns)
            if self._is_in_the_way():
                return

    def _is_in_the_way(self) -> bool:
        """Tell whether what was met is a matter of where, not of how the motion gets there."""
        obstacle = self.trials.obstacle
        return obstacle is not None and obstacle.reason not in (*_OF_JOINTS, *_SPEED)

    def _step(
            self, step: Trajectory, onwards: Trajectory, follow: Trajectory, scale: float,
            joined_ns: int,
    ) -> Passed | None:
        """
        Return the verified motion of what is committed, one step, and a brake, or None.

        ``onwards`` goes on from the step, ``follow`` is to be followed on.
        """
        owner, trials = self.owner, self.trials
        end_ns = self._end_of(step)
        if (end_ns - self.leave_ns <= MIN_KNOT_SPACING_NS
                or trials.count + 2 * _CHECKS_EACH > owner.MOST_CHECKS):  # it, and the stop
            return None
        head = self._committed().along(step, end_ns)
        if not trials.comes_down(head):
            return None
        obstacle = trials.obstacle
        plan = self.plan
        apart_until_ns = plan.apart_until_ns if plan.path is onwards else 0
        looked = end_ns >= apart_until_ns
        for tail, brakes in self._tails(onwards, end_ns, looked):
            motion = _braked(head, brakes)
            found = trials.check(motion)
            if found is None:
                if looked and tail == 'joints':
                    apart_until_ns = end_ns + _APART_FOR_NS
                return self._passed(
                    Plan(motion, onwards, end_ns, apart_until_ns), follow, joined_ns, scale,
                    obstacle, tail)
            if found.reason not in _OF_JOINTS:
                if trials.count > 1:
                    break  # what is in the way of one brake mostly is in the way of the other
            elif trials.to_blame(head, owner.joints):
                break
        return None

    def _tails(
            self, onwards: Trajectory, end_ns: int, look: bool,
    ) -> Iterator[tuple[Tail, Trajectory]]:
        """Yield the brakes from ``end_ns`` on: along the path if it is looked for, then apart."""
        owner = self.owner
        along = brake_along(onwards, end_ns, owner.joints.arrays) if look else None
        if along is not None:
            yield 'path', along
        yield 'joints', brake(end_ns, onwards.joint_names, onwards.at(end_ns), owner.within)

    def _brakes(self, plan: Plan) -> Passed | None:
        """Return the verified motion that brakes from ``leave_ns`` on, where that is worth it."""
        owner, motion, leave_ns = self.owner, plan.motion, self.leave_ns
        state = motion.at(leave_ns)
        if leave_ns >= motion.end_ns or not (
                state.velocity.any() or (state.position != motion.positions[-1]).any()):
            return None
        apart = brake(leave_ns, motion.joint_names, state, owner.within)
        if motion.end_ns - apart.end_ns < _WORTH_A_STOP_NS:
            return None  # nothing brakes sooner than each joint by itself
        along = brake_along(self._onwards(plan), leave_ns, owner.joints.arrays)
        options: list[tuple[Tail, Trajectory]] = [('joints', apart)]
        best_ns = motion.end_ns
        if along is not None:
            best_ns = min(best_ns, along.end_ns)
            options.append(('path', along))
        if best_ns - apart.end_ns <= _WORTH_THE_PATH_NS:
            options.reverse()
            if motion.end_ns - best_ns < _WORTH_A_STOP_NS:
                return None
        obstacle = self.trials.obstacle
        for tail, brakes in options:
            if motion.end_ns - brakes.end_ns < _WORTH_A_STOP_NS:
                continue
            braked = _braked(self._committed(), brakes)
            if self.trials.check(braked, stops=True) is None:
                return self._passed(
                    Plan(braked, braked, braked.end_ns), braked, braked.end_ns, 0.0, obstacle,
                    tail)
        return None

    def _onwards(self, plan: Plan) -> Trajectory:
        """Return what ``plan`` is on when it is left, as far as that goes."""
        motion, path = plan.motion, plan.path
        if path is None or max(self.leave_ns, path.start_ns) > plan.tail_ns:
            return motion
        if path.start_ns <= self.leave_ns:
            return path
        return motion.cut(self.leave_ns, path.start_ns).then(path)

    def _passed(
            self, plan: Plan, follow: Trajectory, joined_ns: int, scale: float,
            obstacle: Violation | None, tail: Tail,
    ) -> Passed:
        before = self.plan
        diverges_ns = self.leave_ns
        if plan.path is before.path and plan.path is not None:
            diverges_ns = max(diverges_ns, min(before.tail_ns, plan.tail_ns))
        if obstacle is not None:
            reason, detail = obstacle.reason, str(obstacle)
        elif joined_ns and scale:
            reason, detail = Reason.JOINING, Reason.JOINING.meaning
        else:
            reason, detail = Reason.OK, ''
        return Passed(plan, follow, joined_ns, scale, reason, detail, diverges_ns, tail,
                      self.trials.count)

    def _committed(self) -> Trajectory:
        if self.committed is None:
            self.committed = self.plan.motion.cut(self.begin_ns, self.leave_ns)
        return self.committed

    def _end_of(self, step: Trajectory) -> int:
        owner = self.owner
        return min(step.snap(self.now_ns + owner.latency_ns + owner.step_ns), step.end_ns)


def _braked(head: Trajectory, brakes: Trajectory) -> Trajectory:
    motion = head.then(brakes)
    motion.velocities[-1] = brakes.velocities[-1]
    return motion


def _begin(plan: Trajectory, now_ns: int) -> int:
    """Return where a command that goes on from ``plan`` begins: now, but never just off a knot."""
    begin = plan.snap(now_ns)
    return begin if begin <= now_ns else now_ns - 2 * MIN_KNOT_SPACING_NS


def _same(a: JointMotion, b: JointMotion) -> bool:
    return bool(
        (np.abs(a.position - b.position) <= _SAME_POSITION).all()
        and (np.abs(a.velocity - b.velocity) <= _SAME_VELOCITY).all()
        and (np.abs(a.acceleration - b.acceleration) <= _SAME_ACCELERATION).all())
