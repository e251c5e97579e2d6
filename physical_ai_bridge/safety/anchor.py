"""Which of the published plans the controller executes, by the reference that it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.contract.trajectory import Trajectory

# A controller evaluates the published cubics in double precision at the time that it reports, or
# within this of it: one that sums up its periods rounds each of them.
_EXACT_RAD, _EXACT_S = 1e-9, 1e-6
# Slower than this a plan does not show whether a report is of this instant or a period off.
_MOVING_RAD_S = 1e-5
# A reference that reports no more speed than this, and does not change, is at rest.
_RESTING_RAD_S = 1e-6
# So many plans may be in doubt at once. Each is compared with each report.
_MOST = 16


@dataclass(slots=True, eq=False)
class _Possible:
    """
    A plan that the controller may execute, now or once it arrives.

    Before ``diverges_ns`` it is the same motion as the one before it in the list.
    """

    plan: Trajectory
    published_ns: int
    diverges_ns: int
    segments: tuple[np.ndarray, ...] | None = None

    def at(self, ros_ns: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return position and velocity, (N,) each, the latter None where the plan rests."""
        plan = self.plan
        knots, offset = plan.times_ns, ros_ns - plan.stamp_ns
        if offset < knots[0]:
            return plan.positions[0], None
        if offset >= knots[-1]:
            return plan.positions[-1], None
        if self.segments is None:
            self.segments = plan.segments()[1:]
        index = int(knots.searchsorted(offset, side='right')) - 1
        tau = (offset - int(knots[index])) / NS_PER_S
        c0, c1, c2, c3 = (c[index] for c in self.segments)
        return (c0 + tau * (c1 + tau * (c2 + tau * c3)),
                c1 + tau * (2.0 * c2 + (3.0 * tau) * c3))


class Anchor:
    """
    Keeps the plans that the controller may be executing, and rules out those that it is not.

    Without a state topic commands are taken to arrive within the cell's ``latency_s``, in order:
    ``plan`` is the newest, and a command may always be sent.

    With one nothing is taken for granted but that a command arrives within ``latency_s`` or never;
    copies of it, too. What is executed changes only when one arrives, so a plan is out of the
    question as soon as a report, stamped ``latency_s`` after the plan was sent or later, shows
    another motion: no copy of it can still come. That makes no difference between commands that
    were lost, rejected, overtaken or dropped, and needs no order among the reports.

    A report fits a plan that comes within ``reference_tolerance_rad`` of it, up to one period of
    the controller earlier or later: it may be stamped with the beginning or the end of the cycle
    that sampled it. A report that has a moving plan at its stamp, to 1e-9 rad and 1 µs, shows
    that the controller is exact. From then on it is held to that: a report fits only the plans
    that it has just so, which rules out the others long before they are a tolerance apart. With
    one that fits none like that, but some within the tolerance, nothing is free to be sent.

    Where a report fits no plan at all the reference is lost: the controller was restarted or
    deactivated, runs at another speed, or obeys somebody else. Then ``plan`` is None and nothing
    is free to be sent until ``begin``: any command would make the robot jump, and what it executes
    ends at rest if it is ours.

    Once everything sent has ended and the reference is seen to rest close enough, the robot is
    taken to hold what was reported, so that plans too similar to be told apart cannot block the
    next command for ever.
    """

    def __init__(self, cell: Cell) -> None:
        controller = cell.controller
        self._joints = cell.robot.joints
        self._topic = controller.state_topic
        self._tolerance = controller.reference_tolerance_rad
        self._way_ns = seconds_to_ns(controller.latency_s)
        self._period_ns = seconds_to_ns(1.0 / controller.rate_hz)
        self._silence_ns = seconds_to_ns(cell.safety.watchdogs.controller_state_s)
        self._possible: list[_Possible] = []
        self._before: tuple[list[_Possible], Refusal | None] | None = None
        self._cause: Refusal | None = None
        self._taken_over = False
        self._exact = self._held_to_it = False
        self._reference: JointSample | None = None
        self._reported_at: int | None = None

    @property
    def plan(self) -> Trajectory | None:
        """The newest plan that may be executed, which the next command goes on from, or None."""
        return self._possible[-1].plan if self._possible else None

    @property
    def reference(self) -> JointSample | None:
        """The newest reference reported, in the cell's joint order."""
        return self._reference

    def begin(self, plan: Trajectory, now: Instant) -> None:
        """
        Take the robot over with a command that holds it; what was executed before is not known.

        Nothing is free to be sent until a report shows that it is executed.
        """
        self._possible = [_Possible(plan, now.ros_ns, now.ros_ns)]
        self._before = self._cause = None
        self._taken_over = False
        self._exact = self._held_to_it = False

    def published(self, plan: Trajectory, diverges_ns: int, now: Instant) -> None:
        """
        Take note of a command that goes on from ``self.plan``.

        Before ``diverges_ns``, ROS time, it is the same motion as that.
        """
        if not self._possible or len(self._possible) > _MOST:
            raise ValueError('a command was sent although none was free to be sent')
        self._before = (self._possible, self._cause)
        new = _Possible(plan, now.ros_ns, diverges_ns)
        self._possible = [new] if self._topic is None else [*self._possible, new]
        if self._cause is not None and self._cause.reason is Reason.COMMAND_LOST:
            self._cause = None

    def withdraw(self) -> None:
        """Take the last ``published`` back, if nothing has come since: it did not go out."""
        if self._before is not None:
            (self._possible, self._cause), self._before = self._before, None

    def free(self, now: Instant) -> bool:
        """
        Tell whether a command that goes on from ``plan`` may be sent now.

        It arrives within ``latency_s``, and goes on without a jump if all plans that may be
        executed then are the same motion until it does.
        """
        if self._topic is None:
            return True
        arrived_ns = now.ros_ns + self._way_ns
        return (self._taken_over
                and 0 < len(self._possible) < _MOST
                and (self._exact or not self._held_to_it)
                and all(entry.diverges_ns > arrived_ns for entry in self._possible[1:]))

    def cause(self, now: Instant) -> Refusal | None:
        """
        Return what speaks against moving.

        COMMAND_LOST until the next command is sent or all has come to rest, REFERENCE_LOST until
        ``begin``, CONTROLLER_SILENT until the next report, on the steady clock.
        """
        if self._topic is None:
            return None
        if self._cause is not None:
            return self._cause
        if self._reported_at is None:
            return Refusal(Reason.CONTROLLER_SILENT, f'nothing good has come on {self._topic} yet')
        silent_ns = now.steady_ns - self._reported_at
        if silent_ns > self._silence_ns:
            return Refusal(Reason.CONTROLLER_SILENT, f'nothing good on {self._topic} for '
                           f'{silent_ns / NS_PER_S:.3f} s')
        return None

    def on_controller_state(self, sample: JointSample, now: Instant) -> Refusal | None:
        """Take a reference that the controller reports, or return why it is not used."""
        reference = self._in_order(sample, now)
        if isinstance(reference, Refusal):
            return reference
        self._reported_at = now.steady_ns
        before = self._reference
        if before is None or before.stamp_ns < reference.stamp_ns:
            self._reference = reference
        if self._possible and self._topic is not None:
            self._before = None
            self._compare(reference)
            if self._possible and before is not None:
                self._settle(before, reference)
        return None

    def _in_order(self, sample: JointSample, now: Instant) -> JointSample | Refusal:
        """Return the sample in the cell's joint order, or what is wrong with it."""
        names, position, velocity = sample.names, sample.position, sample.velocity
        if len(position) != len(names) or (velocity is not None and len(velocity) != len(names)):
            return _malformed('as many positions, and velocities, as names are needed')
        if names != self._joints:
            missing = [name for name in self._joints if name not in names]
            if missing:
                return _malformed(f'it lacks {", ".join(missing)}')
            order = [names.index(name) for name in self._joints]
            position = position[order]
            velocity = None if velocity is None else velocity[order]
        for field in (position,) if velocity is None else (position, velocity):
            finite = np.isfinite(field)
            if not finite.all():
                return _malformed(f'{self._joints[int(finite.argmin())]} is not finite')
        age_ns = now.ros_ns - sample.stamp_ns
        # A controller's clock further ahead than a command's whole way makes all of them late.
        if not -self._way_ns <= age_ns <= self._silence_ns:
            return _malformed(f'it is {age_ns / NS_PER_S:.3f} s old')
        if names == self._joints:
            return sample
        return JointSample(sample.stamp_ns, self._joints, position, velocity)

    def _compare(self, reference: JointSample) -> None:
        """Rule out the plans that are not executed at the stamp of ``reference``."""
        stamp_ns = reference.stamp_ns
        sent = [entry for entry in self._possible if entry.published_ns <= stamp_ns]
        if not sent:
            return
        fits = exact = self._fits(sent, reference, self._fits_exactly)
        if not (self._held_to_it and any(exact)):
            fits = self._fits(sent, reference, self._fits_roughly)
        if not any(fits):
            if self._taken_over or stamp_ns >= sent[0].published_ns + self._way_ns:
                self._lose(reference)
            return
        self._exact = any(exact)
        self._taken_over = self._taken_over or self._exact
        kept: list[_Possible] = []
        diverges_ns = None
        for entry, fit in zip(sent, fits, strict=True):
            diverges_ns = (entry.diverges_ns if diverges_ns is None
                           else min(diverges_ns, entry.diverges_ns))
            if fit or stamp_ns < entry.published_ns + self._way_ns:
                entry.diverges_ns, diverges_ns = diverges_ns, None
                kept.append(entry)
        if len(kept) == len(sent):
            return
        last = sent[-1]
        later = self._possible[len(sent):]
        if diverges_ns is not None and later:
            later[0].diverges_ns = min(later[0].diverges_ns, diverges_ns)
        self._possible = [*kept, *later]
        if not later and kept[-1] is not last:
            self._cause = Refusal(
                Reason.COMMAND_LOST,
                f'the command of {(stamp_ns - last.published_ns) / NS_PER_S:.3f} s before is not '
                f'executed, but that of {(stamp_ns - kept[-1].published_ns) / NS_PER_S:.3f} s')

    def _fits(self, sent: list[_Possible], reference: JointSample,
              test: Callable[[_Possible, JointSample], bool]) -> list[bool]:
        """Tell for each plan whether it fits; those that are still the same fit alike."""
        fits: list[bool] = []
        for entry in sent:
            if not fits or reference.stamp_ns >= entry.diverges_ns:
                fits.append(test(entry, reference))
            else:
                fits.append(fits[-1])
        return fits

    def _fits_exactly(self, entry: _Possible, reference: JointSample) -> bool:
        position, velocity = entry.at(reference.stamp_ns)
        off = np.abs(reference.position - position)
        if velocity is None:
            return bool(off.max() <= _EXACT_RAD)
        speed = np.abs(velocity)
        if (off - _EXACT_S * speed).max() > _EXACT_RAD:
            return False
        self._held_to_it = self._held_to_it or bool(speed.max() > _MOVING_RAD_S)
        return True

    def _off(self, entry: _Possible, reference: JointSample) -> np.ndarray:
        """Return how far each joint is from where the plan is at the stamp, or around it."""
        slack_ns = 0 if self._held_to_it else self._period_ns
        around = [entry.at(reference.stamp_ns + shift)[0]
                  for shift in {-slack_ns, 0, slack_ns}]
        return np.maximum(np.minimum.reduce(around) - reference.position,
                          reference.position - np.maximum.reduce(around))

    def _fits_roughly(self, entry: _Possible, reference: JointSample) -> bool:
        return bool(self._off(entry, reference).max() <= self._tolerance)

    def _lose(self, reference: JointSample) -> None:
        off = self._off(self._possible[-1], reference)
        joint = int(off.argmax())
        self._cause = Refusal(
            Reason.REFERENCE_LOST,
            f'{self._joints[joint]} is sent {off[joint]:.4f} rad away from every plan, '
            f'{self._tolerance:g} rad is tolerated')
        self._possible = []

    def _settle(self, before: JointSample, reference: JointSample) -> None:
        """Once all is over and at rest, take what is reported for what is held."""
        stamp_ns = reference.stamp_ns
        if stamp_ns - before.stamp_ns < self._period_ns or any(
                stamp_ns < max(entry.plan.end_ns, entry.published_ns + self._way_ns)
                for entry in self._possible):
            return
        rests = reference.velocity is None or np.abs(reference.velocity).max() <= _RESTING_RAD_S
        if not rests or np.abs(reference.position - before.position).max() > _EXACT_RAD:
            return
        if len(self._possible) > 1 or not self._exact:
            newest = self._possible[-1]
            held = Trajectory.hold(stamp_ns, self._joints, reference.position)
            self._possible = [_Possible(held, newest.published_ns, newest.diverges_ns)]
            self._exact = True
        self._taken_over = True
        if self._cause is not None and self._cause.reason is Reason.COMMAND_LOST:
            self._cause = None


def _malformed(what: str) -> Refusal:
    return Refusal(Reason.CONTROLLER_MALFORMED, f'the state of the controller is not used: {what}')
