"""Verified plans played as setpoints, for a controller that holds the last one that it got."""

from __future__ import annotations

from dataclasses import dataclass
import json

import numpy as np
from physical_ai_bridge.contract.cell import Controller
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.trajectory import Trajectory

# How much of a period early a setpoint may follow one that was late, and by how much faster than
# planned a stream makes up for what it is behind. Together no more than two come in one period.
_EARLY, _CATCHES_UP = 0.9, 0.05
# Plans that go on from each other are the same motion up to where they part.
_SAME_POSITION, _SAME_VELOCITY = 1e-8, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SetpointTrouble:
    """
    Why a stream does not play what it was given, in words.

    ``held`` (N,) is the setpoint at which it has come to rest, None while it is on its way there.
    """

    detail: str
    held: np.ndarray | None

    def payload(self) -> bytes:
        """Return it as the payload of an entry 'setpoints'."""
        held = None if self.held is None else self.held.tolist()
        return json.dumps({'detail': self.detail, 'held': held}).encode()

    @classmethod
    def of_payload(cls, data: bytes) -> SetpointTrouble:
        """
        Return what ``payload`` has made bytes of.

        Raises
        ------
        WireError
            If they are something else.

        """
        try:
            values = json.loads(data)
            detail, held = str(values['detail']), values['held']
            return cls(detail, None if held is None else np.array(held, dtype=np.float64))
        except (ValueError, LookupError, TypeError) as error:
            raise WireError(f'an entry setpoints is not one: {error}') from error


class SetpointStream:
    """
    Which setpoint goes out when. A shell calls ``next`` at least once a period and publishes.

    Setpoints are the plan at every period, none left out: whenever they go out, their first,
    second and third differences are those of a verified motion. The clock says when: a setpoint
    is due when ROS time reaches its place in the plan. One that is later than 0.9 of a period
    shifts those behind it, which make up for that at 5 % more than the planned speed, at most. So
    no more than two go out within one period, and within any time T they come no further than the
    plan does in 1.05 (T + 0.9 periods).

    ``latency_s`` behind the plan, the stream gives it up. After a pause of the process the robot
    stands at the last setpoint, and the stream stays there: to go on would be a jerk, to go where
    the plan is by now a jump. Where ROS time has jumped, or too many setpoints were late, it plays
    what it has to its end, at rest, by the steady clock. Either way ``trouble`` says so, and no
    plan is taken until ``clear_trouble``.

    At rest nothing is due: what somebody else sends then is not contradicted. Not thread-safe.
    """

    def __init__(self, controller: Controller) -> None:
        self._period_ns = round(NS_PER_S / controller.rate_hz)
        self._spacing_ns = round(self._period_ns / (1.0 + _CATCHES_UP))
        self._early_ns = round(_EARLY * self._period_ns)
        self._late_ns = seconds_to_ns(controller.latency_s)
        # Those that the next setpoint may be of, the oldest first; none at rest.
        self._plans: list[Trajectory] = []
        self._at_ns = self._not_before_ns = self._called_ns = 0
        self._steady_due_ns: int | None = None
        self._last: np.ndarray | None = None
        self.trouble: SetpointTrouble | None = None

    @property
    def resting(self) -> bool:
        """Whether everything was played."""
        return not self._plans

    def play(self, plan: Trajectory, now: Instant) -> None:
        """
        Go on with ``plan``, which is the same motion as the one being played until they part.

        The first one is where the stream begins, at rest. One that does not go on from where the
        stream is means trouble, and is not played; nor is one that comes amid trouble.
        """
        self.notice_a_pause(now)
        if self.trouble is not None:
            return
        if self._plans:
            # From the next setpoint on, or the plan's first one if that comes later.
            at_ns = max(self._at_ns + self._period_ns, plan.start_ns)
            old, new = self._plan_at(at_ns).at(at_ns), plan.at(at_ns)
            if (np.abs(old.position - new.position).max() > _SAME_POSITION
                    or np.abs(old.velocity - new.velocity).max() > _SAME_VELOCITY):
                self._give_up('a plan does not go on from the one that is being played')
                return
            self._plans.append(plan)
            return
        begin_ns = max(plan.start_ns, now.ros_ns)
        begin = plan.at(begin_ns)
        last = begin.position if self._last is None else self._last
        if begin.velocity.any() or np.abs(begin.position - last).max() > _SAME_POSITION:
            self._last = last
            self._give_up('a plan does not begin at rest, where the one before it has ended')
            self._rest()
            return
        self._plans, self._last = [plan], last
        self._at_ns, self._called_ns = begin_ns - self._period_ns, now.steady_ns
        self._not_before_ns = begin_ns

    def next(self, now: Instant) -> np.ndarray | None:  # noqa: A003
        """Return the setpoint (N,) to publish now, in the plan's joint order, or None."""
        self.notice_a_pause(now)
        self._called_ns = now.steady_ns
        if not self._plans:
            return None
        behind_ns = now.ros_ns - self._at_ns - self._period_ns
        if self._steady_due_ns is None and not (
                -self._period_ns - self._late_ns <= behind_ns <= self._late_ns):
            self._give_up(f'setpoints are {behind_ns / NS_PER_S:.3f} s behind the plan')
            self.coast(now)
        if self.wait_ns(now) > 0:
            return None
        if self._steady_due_ns is None:
            self._not_before_ns = self._spacing_ns + max(
                self._not_before_ns, now.ros_ns - self._early_ns)
        else:
            self._steady_due_ns = self._period_ns + max(
                self._steady_due_ns, now.steady_ns - self._early_ns)
        return self._advance()

    def notice_a_pause(self, now: Instant) -> None:
        """See whether ``next`` was not called for so long that the robot stands by now."""
        silent_ns = now.steady_ns - self._called_ns
        if self._plans and silent_ns > self._period_ns + self._late_ns:
            if not self._stands():
                self._give_up(f'setpoints paused for {silent_ns / NS_PER_S:.3f} s amid a motion')
            self._rest()

    def wait_ns(self, now: Instant) -> int:
        """Return how long it is until the next setpoint is due; ROS time may pass differently."""
        if self._steady_due_ns is not None:
            return self._steady_due_ns - now.steady_ns
        return max(self._at_ns + self._period_ns, self._not_before_ns) - now.ros_ns

    def coast(self, now: Instant) -> None:
        """Play what there is to its end by the steady clock, whatever ROS time does."""
        if self._plans and self._steady_due_ns is None:
            self._steady_due_ns = now.steady_ns + max(0, min(self.wait_ns(now), self._period_ns))

    def clear_trouble(self) -> None:
        """Take plans again, which go on from where the stream rests; on its way it does not."""
        if not self._plans:
            self.trouble = None

    def _plan_at(self, ros_ns: int) -> Trajectory:
        """Return the newest plan that has begun by then."""
        return next((plan for plan in reversed(self._plans) if plan.start_ns <= ros_ns),
                    self._plans[0])

    def _stands(self) -> bool:
        """Tell whether nothing that is left to be played moves."""
        plan = self._plans[-1]
        return bool((plan.positions == self._last).all() and not plan.velocities.any())

    def _advance(self) -> np.ndarray:
        self._at_ns += self._period_ns
        plan = self._plan_at(self._at_ns)
        del self._plans[:self._plans.index(plan)]
        if self._at_ns < self._plans[-1].end_ns:
            self._last = plan.at(self._at_ns).position
        else:
            self._last = self._plans[-1].positions[-1]
            self._rest()
        return self._last

    def _give_up(self, why: str) -> None:
        self.trouble = self.trouble or SetpointTrouble(why, None)

    def _rest(self) -> None:
        """Stay at the last setpoint."""
        self._plans, self._steady_due_ns = [], None
        if self.trouble is not None:
            self.trouble = SetpointTrouble(self.trouble.detail, self._last)
