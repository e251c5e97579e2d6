"""Which plan the controller executes: never claimed wrongly, and never in doubt for ever."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import limit_arrays
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.contract.trajectory import MIN_KNOT_SPACING_NS, Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.anchor import Anchor
from physical_ai_bridge.safety.braking import brake
from physical_ai_bridge.safety.profiles import PhasedProfiles, Phases, sample_profiles
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
from physical_ai_bridge.testing.contracts import example_cell, JOINTS
from physical_ai_bridge.testing.transport import Transport
import pytest

MS = 1_000_000
BEGIN = 1_800_000_000_000_000_000
WAY = 20 * MS
CELL = example_cell()
WITH_REPORTS = replace(CELL, controller=replace(
    CELL.controller, state_topic='/joint_trajectory_controller/controller_state'))
LIMITS = limit_arrays(CELL)
QUIET = np.zeros(6)


def instant(at_ns):
    return Instant(at_ns, at_ns - BEGIN + 10**12)


def ms(at):
    return BEGIN + round(at * MS)


def hold(at_ms=0.0, position=QUIET):
    return Trajectory(ms(at_ms), JOINTS, np.array([0, 5 * MS]), np.tile(position, (2, 1)),
                      np.zeros((2, 6)))


def onwards(plan, now_ns, jerk, step_s=0.04):
    """Return a plan that leaves ``plan`` after the way of a command, and when: jerk, then rest."""
    leave = plan.snap(now_ns + WAY)
    begin = plan.snap(now_ns)
    if begin > now_ns:
        begin = now_ns - 2 * MIN_KNOT_SPACING_NS
    state = plan.at(leave)
    step = sample_profiles(leave, JOINTS, PhasedProfiles(state, [
        Phases((step_s / 2, step_s / 2), (j, -j)) for j in np.broadcast_to(jerk, 6)]))
    motion = plan.cut(begin, leave).then(step).then(
        brake(step.end_ns, JOINTS, step.at(step.end_ns), LIMITS))
    return motion, leave


def report(plan, at_ns, off=0.0, velocity=True):
    motion = plan.at(at_ns)
    return JointSample(at_ns, JOINTS, motion.position + off, motion.velocity if velocity else None)


def tell(anchor, plan, at_ns, off=0.0):
    assert anchor.on_controller_state(report(plan, at_ns, off), instant(at_ns)) is None


@pytest.fixture
def anchor():
    """Return one that has taken over at rest, and has seen that."""
    anchor = Anchor(WITH_REPORTS)
    anchor.begin(hold(), instant(ms(0)))
    for at in range(0, 42, 2):
        tell(anchor, hold(), ms(at))
    assert anchor.free(instant(ms(42)))
    return anchor


def moving(anchor):
    """Let it go on with a plan that is executed and confirmed; return the plan."""
    plan, leave = onwards(anchor.plan, ms(42), 40.0)
    anchor.published(plan, leave, instant(ms(42)))
    for at in range(44, 68, 2):
        tell(anchor, plan, ms(at))
    assert anchor.free(instant(ms(68)))
    return plan


class TestWithoutAStateTopic:
    """Commands are taken to arrive."""

    def test_the_plan_is_the_newest_and_always_free(self):
        anchor = Anchor(CELL)
        assert anchor.plan is None
        anchor.begin(hold(), instant(ms(0)))
        plan, leave = onwards(anchor.plan, ms(0), 40.0)
        assert anchor.free(instant(ms(0)))
        anchor.published(plan, leave, instant(ms(0)))
        assert anchor.plan is plan
        assert anchor.free(instant(ms(1)))
        assert anchor.cause(instant(ms(10_000))) is None

    def test_a_command_that_did_not_go_out_is_taken_back(self):
        anchor = Anchor(CELL)
        first = hold()
        anchor.begin(first, instant(ms(0)))
        anchor.withdraw()
        assert anchor.plan is first
        plan, leave = onwards(first, ms(0), 40.0)
        anchor.published(plan, leave, instant(ms(0)))
        anchor.withdraw()
        assert anchor.plan is first

    def test_reports_are_not_looked_at(self):
        anchor = Anchor(CELL)
        anchor.begin(hold(), instant(ms(0)))
        tell(anchor, hold(), ms(100), off=1.0)
        assert anchor.free(instant(ms(100)))
        assert anchor.cause(instant(ms(100))) is None


class TestTakingOver:
    """What the controller did before is not known."""

    def test_nothing_is_free_until_a_report_shows_the_hold(self):
        anchor = Anchor(WITH_REPORTS)
        anchor.begin(hold(), instant(ms(0)))
        assert not anchor.free(instant(ms(1)))
        tell(anchor, hold(), ms(2))
        assert anchor.free(instant(ms(2)))

    def test_a_report_from_before_the_hold_was_sent_shows_nothing(self):
        anchor = Anchor(WITH_REPORTS)
        anchor.begin(hold(), instant(ms(0)))
        early = JointSample(ms(-2), JOINTS, np.ones(6))
        assert anchor.on_controller_state(early, instant(ms(0))) is None
        assert not anchor.free(instant(ms(0)))
        assert anchor.cause(instant(ms(0))) is None

    def test_nor_does_one_of_a_robot_that_stood_there_already(self):
        anchor = Anchor(WITH_REPORTS)
        anchor.begin(hold(), instant(ms(0)))
        early = JointSample(ms(-2), JOINTS, QUIET)
        assert anchor.on_controller_state(early, instant(ms(1))) is None
        assert not anchor.free(instant(ms(1)))

    def test_another_reference_is_no_cause_before_the_hold_must_have_arrived(self):
        anchor = Anchor(WITH_REPORTS)
        anchor.begin(hold(), instant(ms(0)))
        tell(anchor, hold(), ms(18), off=0.1)
        assert anchor.cause(instant(ms(18))) is None
        tell(anchor, hold(), ms(20), off=0.1)
        assert anchor.cause(instant(ms(20))).reason is Reason.REFERENCE_LOST
        assert anchor.plan is None

    def test_a_hold_that_was_lost_is_no_jump_later(self):
        anchor = Anchor(WITH_REPORTS)
        anchor.begin(hold(), instant(ms(0)))
        for at in range(2, 60, 2):
            tell(anchor, hold(), ms(at), off=5e-4)
        assert anchor.free(instant(ms(60)))
        np.testing.assert_allclose(anchor.plan.at(ms(80)).position, QUIET + 5e-4)

    def test_the_reference_is_there_before_anything_was_sent(self):
        anchor = Anchor(WITH_REPORTS)
        assert anchor.reference is None
        names = JOINTS[::-1]
        sample = JointSample(ms(0), names, np.arange(6.0), np.arange(6.0) / 10)
        assert anchor.on_controller_state(sample, instant(ms(0))) is None
        np.testing.assert_array_equal(anchor.reference.position, np.arange(6.0)[::-1])
        np.testing.assert_array_equal(anchor.reference.velocity, np.arange(6.0)[::-1] / 10)
        assert anchor.reference.names == JOINTS

    def test_the_reference_is_the_newest_whatever_comes_last(self):
        anchor = Anchor(WITH_REPORTS)
        for at, position in ((2, QUIET + 1.0), (0, QUIET)):
            anchor.on_controller_state(JointSample(ms(at), JOINTS, position), instant(ms(4)))
        np.testing.assert_array_equal(anchor.reference.position, QUIET + 1.0)


class TestWhatIsFree:
    """A command must be the same motion, until it arrives, as all that may be executed."""

    def test_not_while_the_last_one_parts_before_the_next_can_arrive(self, anchor):
        plan, leave = onwards(anchor.plan, ms(42), 40.0)
        anchor.published(plan, leave, instant(ms(42)))
        assert leave == ms(62)
        assert not anchor.free(instant(ms(42)))

    def test_as_long_as_they_part_only_after_it_has_arrived(self, anchor):
        plan, _ = onwards(anchor.plan, ms(62), 40.0)
        anchor.published(plan, ms(82), instant(ms(42)))
        assert anchor.free(instant(ms(42)))
        assert anchor.free(instant(ms(62) - 1))
        assert not anchor.free(instant(ms(62)))

    def test_again_once_a_report_shows_which_is_executed(self, anchor):
        plan, leave = onwards(anchor.plan, ms(42), 40.0)
        anchor.published(plan, leave, instant(ms(42)))
        for at in range(44, 64, 2):
            tell(anchor, plan, ms(at))
            assert not anchor.free(instant(ms(at)))
        tell(anchor, plan, ms(64))
        assert anchor.free(instant(ms(64)))
        assert anchor.plan is plan

    def test_an_earlier_one_that_can_still_arrive_is_not_ruled_out(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(68), -20.0)
        anchor.published(plan, ms(70), instant(ms(68)))
        other, _ = onwards(first, ms(70), 20.0)
        anchor.published(other, ms(72), instant(ms(70)))
        tell(anchor, other, ms(86))
        assert not anchor.free(instant(ms(86)))  # a late copy of the one between may yet come
        tell(anchor, other, max(leave, ms(70) + WAY) + 10 * MS)
        assert anchor.free(instant(leave + 12 * MS))

    def test_one_that_parts_before_it_arrives_is_not_ruled_out_until_it_must_have(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(56), -20.0)
        anchor.published(plan, leave, instant(ms(68)))
        for at in range(70, 88, 2):
            tell(anchor, first, ms(at))
            assert anchor.cause(instant(ms(at))) is None
            assert not anchor.free(instant(ms(at)))
        # An exact controller is never that far from what it executes.
        assert np.abs(plan.at(ms(86)).position - first.at(ms(86)).position).min() > 1e-6
        tell(anchor, plan, ms(88))
        assert anchor.plan is plan
        assert anchor.cause(instant(ms(88))) is None

    def test_one_after_a_lost_one_parts_from_what_is_executed_where_that_did(self, anchor):
        first = moving(anchor)
        lost, leave = onwards(first, ms(68), 40.0)
        anchor.published(lost, leave, instant(ms(68)))
        last, leave = onwards(lost, ms(120), 20.0)
        anchor.published(last, leave, instant(ms(100)))
        late = report(first, ms(96))
        assert anchor.on_controller_state(late, instant(ms(104))) is None
        assert leave > ms(104) + WAY
        assert not anchor.free(instant(ms(104)))

    def test_one_that_did_not_go_out_leaves_no_doubt(self, anchor):
        before = anchor.plan
        plan, leave = onwards(before, ms(42), 40.0)
        anchor.published(plan, leave, instant(ms(42)))
        anchor.withdraw()
        assert anchor.free(instant(ms(42)))
        assert anchor.plan is before

    def test_no_more_than_so_many_are_in_doubt(self, anchor):
        sent = 0
        while anchor.free(instant(ms(42))) and sent < 100:
            anchor.published(anchor.plan, ms(10_000), instant(ms(42)))
            sent += 1
        assert sent == 15

    def test_sending_without_taking_over_is_an_error(self):
        with pytest.raises(ValueError, match='free'):
            Anchor(WITH_REPORTS).published(hold(), ms(0), instant(ms(0)))

    def test_an_exact_controller_that_is_not_exact_any_more_gets_nothing(self, anchor):
        plan = moving(anchor)
        tell(anchor, plan, ms(70), off=1e-5)
        assert not anchor.free(instant(ms(70)))
        tell(anchor, plan, ms(72))
        assert anchor.free(instant(ms(72)))

    def test_one_that_never_was_gets_commands_within_the_tolerance(self, anchor):
        plan, leave = onwards(anchor.plan, ms(42), 100.0)
        anchor.published(plan, leave, instant(ms(42)))
        late = []
        for at in range(44, 150, 2):
            behind = report(plan, ms(at - 2))
            sample = JointSample(ms(at), JOINTS, behind.position, behind.velocity)
            assert anchor.on_controller_state(sample, instant(ms(at))) is None
            late.append(anchor.free(instant(ms(at))))
        assert late[-1]
        assert anchor.plan is plan
        assert anchor.cause(instant(ms(148))) is None

    def test_plans_too_alike_to_tell_apart_do_not_block_for_ever(self, anchor):
        held = anchor.plan
        nearly = hold(42, QUIET + 5e-10)
        anchor.published(nearly, ms(62), instant(ms(42)))
        for at in range(44, 62, 2):
            tell(anchor, held, ms(at))
        assert not anchor.free(instant(ms(60)))
        tell(anchor, held, ms(62))
        assert anchor.free(instant(ms(62)))
        np.testing.assert_array_equal(anchor.plan.at(ms(62)).position, QUIET)


class TestLostCommands:
    """The controller goes on with an older one."""

    def test_is_noticed_as_soon_as_they_part_and_the_plan_falls_back(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(68), 40.0)
        anchor.published(plan, leave, instant(ms(68)))
        for at in range(70, 90, 2):
            tell(anchor, first, ms(at))
            assert anchor.cause(instant(ms(at))) is None
        tell(anchor, first, ms(90))
        cause = anchor.cause(instant(ms(90)))
        assert cause.reason is Reason.COMMAND_LOST
        assert 'the command of 0.022 s before' in cause.detail
        assert anchor.plan is first
        assert anchor.free(instant(ms(90)))

    def test_is_a_cause_until_the_next_command(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(68), 40.0)
        anchor.published(plan, leave, instant(ms(68)))
        tell(anchor, first, ms(90))
        stop, leave = onwards(first, ms(90), 0.0)
        anchor.published(stop, leave, instant(ms(90)))
        assert anchor.cause(instant(ms(90))) is None
        anchor.withdraw()
        assert anchor.cause(instant(ms(90))).reason is Reason.COMMAND_LOST

    def test_or_until_all_has_come_to_rest(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(68), 40.0)
        anchor.published(plan, leave, instant(ms(68)))
        for at_ns in range(ms(90), first.end_ns, 2 * MS):
            tell(anchor, first, at_ns)
            assert anchor.cause(instant(at_ns)).reason is Reason.COMMAND_LOST
        tell(anchor, first, first.end_ns + 2 * MS)
        tell(anchor, first, first.end_ns + 4 * MS)
        assert anchor.cause(instant(first.end_ns + 4 * MS)) is None
        assert anchor.plan is first

    def test_one_that_was_overtaken_is_as_good_as_lost(self, anchor):
        """The newer one arrived first; the older one then took its place."""
        first = moving(anchor)
        older, leave = onwards(first, ms(68), 40.0)
        anchor.published(older, leave, instant(ms(68)))
        newer, leave = onwards(older, ms(72), 20.0)
        anchor.published(newer, leave, instant(ms(72)))
        for at in range(74, 92, 2):
            tell(anchor, older, ms(at))
        assert anchor.cause(instant(ms(90))) is None
        tell(anchor, older, ms(96))
        assert anchor.cause(instant(ms(96))).reason is Reason.COMMAND_LOST
        assert anchor.plan is older

    def test_a_late_report_from_before_they_parted_changes_nothing(self, anchor):
        first = moving(anchor)
        plan, leave = onwards(first, ms(68), 40.0)
        anchor.published(plan, leave, instant(ms(68)))
        tell(anchor, plan, ms(92))
        early = report(first, ms(70))
        assert anchor.on_controller_state(early, instant(ms(94))) is None
        assert anchor.plan is plan
        assert anchor.cause(instant(ms(94))) is None


class TestLostReferences:
    """The controller executes nothing of ours."""

    def test_further_than_the_tolerance_from_every_plan(self, anchor):
        plan = moving(anchor)
        tell(anchor, plan, ms(70), off=9e-4)
        assert anchor.cause(instant(ms(70))) is None
        tell(anchor, plan, ms(72), off=1.1e-3)
        cause = anchor.cause(instant(ms(72)))
        assert cause.reason is Reason.REFERENCE_LOST
        assert JOINTS[0] in cause.detail
        assert '0.0011 rad' in cause.detail
        assert anchor.plan is None
        assert not anchor.free(instant(ms(72)))

    def test_stays_lost_until_taken_over_again(self, anchor):
        plan = moving(anchor)
        tell(anchor, plan, ms(70), off=0.1)
        tell(anchor, plan, ms(72))
        assert anchor.cause(instant(ms(72))).reason is Reason.REFERENCE_LOST
        anchor.begin(hold(500), instant(ms(500)))
        tell(anchor, hold(500), ms(502))
        assert anchor.cause(instant(ms(502))) is None
        assert anchor.free(instant(ms(502)))

    @pytest.mark.parametrize('upset', [
        lambda controller, at: controller.restart(at), lambda controller, at: controller.hold(at),
        lambda controller, at: setattr(controller, 'speed_scaling', 0.0),
        lambda controller, at: setattr(controller, 'speed_scaling', 0.5),
        lambda controller, at: setattr(controller, 'speed_scaling', 1.2)])
    def test_of_a_controller_that_goes_its_own_way(self, anchor, upset):
        """At once when the reference is a tolerance off: 5 ms at 1.2 times 1 rad/s."""
        controller = TrajectoryController(JOINTS)
        controller.hold = controller._hold
        controller.activate(QUIET)
        plan, leave = onwards(anchor.plan, ms(42), 60.0, step_s=0.2)
        assert controller.receive(
            message_from_trajectory(plan), ms(42)) is Acceptance.ACCEPTED
        anchor.published(plan, leave, instant(ms(42)))
        noticed_ns, off_ns = None, None
        for at_ns in range(ms(44), plan.end_ns, 2 * MS):
            controller.sample(at_ns)
            if at_ns == ms(160):
                upset(controller, controller.report.position.copy())
            off = np.abs(controller.report.position - plan.at(at_ns).position).max()
            if off_ns is None and off > 1e-3:
                off_ns = at_ns
            anchor.on_controller_state(controller.report, instant(at_ns))
            if noticed_ns is None and anchor.cause(instant(at_ns)) is not None:
                noticed_ns = at_ns
        assert off_ns is not None
        assert noticed_ns == off_ns
        assert anchor.cause(instant(noticed_ns)).reason is Reason.REFERENCE_LOST

    def test_another_speed_too_slow_to_notice_holds_the_next_command_back(self, anchor):
        plan = moving(anchor)
        at = plan.at(ms(69)), ms(70)
        sample = JointSample(at[1], JOINTS, at[0].position, at[0].velocity)
        anchor.on_controller_state(sample, instant(ms(70)))
        assert anchor.cause(instant(ms(70))) is None
        assert not anchor.free(instant(ms(70)))


class TestSilence:
    """No report within the watchdog's period."""

    def test_none_yet(self):
        cause = Anchor(WITH_REPORTS).cause(instant(ms(0)))
        assert cause.reason is Reason.CONTROLLER_SILENT
        assert WITH_REPORTS.controller.state_topic in cause.detail

    def test_counts_on_the_steady_clock(self, anchor):
        late = Instant(ms(40), instant(ms(40)).steady_ns + 100 * MS)
        assert anchor.cause(late) is None
        late = Instant(ms(40), late.steady_ns + 1)
        assert anchor.cause(late).reason is Reason.CONTROLLER_SILENT

    def test_ends_with_the_next_report(self, anchor):
        assert anchor.cause(instant(ms(300))).reason is Reason.CONTROLLER_SILENT
        tell(anchor, hold(), ms(300))
        assert anchor.cause(instant(ms(300))) is None

    def test_what_is_not_used_does_not_count(self, anchor):
        bad = JointSample(ms(300), JOINTS, np.full(6, np.nan))
        anchor.on_controller_state(bad, instant(ms(300)))
        assert anchor.cause(instant(ms(300))).reason is Reason.CONTROLLER_SILENT


@pytest.mark.parametrize(('bad', 'says'), [
    (JointSample(ms(50), JOINTS, np.array([0, 0, np.nan, 0, 0, 0.0])), f'{JOINTS[2]} is not fin'),
    (JointSample(ms(50), JOINTS, np.array([0, np.inf, 0, 0, 0, 0.0])), f'{JOINTS[1]} is not fin'),
    (JointSample(ms(50), JOINTS, np.zeros(6), np.array([0, 0, 0, np.nan, 0, 0])), JOINTS[3]),
    (JointSample(ms(50), JOINTS[1:], np.zeros(5)), f'lacks {JOINTS[0]}'),
    (JointSample(ms(50), (), np.zeros(0)), f'lacks {JOINTS[0]}'),
    (JointSample(ms(50), JOINTS, np.zeros(5)), 'as many positions'),
    (JointSample(ms(50), JOINTS, np.zeros(6), np.zeros(7)), 'as many positions'),
    (JointSample(ms(-51), JOINTS, np.zeros(6)), '0.101 s old'),
    (JointSample(ms(71), JOINTS, np.zeros(6)), '-0.021 s old'),
])
def test_a_malformed_report_is_refused_and_changes_nothing(anchor, bad, says):
    plan = anchor.plan
    refusal = anchor.on_controller_state(bad, instant(ms(50)))
    assert refusal.reason is Reason.CONTROLLER_MALFORMED
    assert says in refusal.detail
    assert anchor.plan is plan
    assert anchor.free(instant(ms(50)))


def test_more_joints_than_ours_in_any_order_are_fine(anchor):
    names = ('gripper', *JOINTS[::-1])
    sample = JointSample(ms(50), names, np.array([9.0, 1, 1, 1, 1, 1, 1]))
    assert anchor.on_controller_state(sample, instant(ms(50))) is None
    assert anchor.cause(instant(ms(50))).reason is Reason.REFERENCE_LOST


class Execution:
    """An emulated controller, commands on a bad way to it, and reports on a bad way back."""

    def __init__(self, seed, *, loss, duplicates, in_order, tick_ms):
        draw = np.random.default_rng(seed)
        self.draw, self.tick_ms = draw, tick_ms
        self.controller = TrajectoryController(JOINTS)
        self.controller.activate(QUIET)
        self.anchor = Anchor(WITH_REPORTS)
        # On the way from a sample to the next one 2 ms of it may pass.
        self.way = Transport(draw, latency_s=(0.0, 0.018), loss=loss, duplicates=duplicates,
                             in_order=in_order)
        self.back = Transport(draw, latency_s=(0.0, 0.01), loss=loss, duplicates=duplicates)
        self.executed = self.before = hold()
        self.sent, self.lost, self.rejected = 0, 0, 0
        self.anchor.begin(self.executed, instant(ms(0)))
        self.way.send(self.executed, ms(0))

    def run(self, duration_ms):
        for at in range(0, duration_ms, 2):
            now_ns = ms(at)
            self.deliver(now_ns)
            if at % self.tick_ms == 0:
                self.tick(now_ns + int(self.draw.integers(0, 2 * MS)))

    def deliver(self, now_ns):
        """Let the controller sample; no command that it takes may make it jump."""
        for _, plan in self.way.receive(now_ns):
            if self.controller.receive(
                    message_from_trajectory(plan), now_ns) is Acceptance.ACCEPTED:
                on = self.executed.at(now_ns)
                np.testing.assert_allclose(plan.at(now_ns).position, on.position, atol=1e-9)
                np.testing.assert_allclose(plan.at(now_ns).velocity, on.velocity, atol=1e-7)
                self.executed = plan
        self.controller.sample(now_ns, Setpoint(QUIET, QUIET, None))
        self.back.send(self.controller.report, now_ns)
        for at_ns, sample in self.back.receive(now_ns):
            assert self.anchor.on_controller_state(sample, instant(max(at_ns, now_ns))) is None

    def tick(self, now_ns):
        now, anchor = instant(now_ns), self.anchor
        cause = anchor.cause(now)
        assert cause is None or cause.reason is not Reason.REFERENCE_LOST, cause
        self.lost += cause is not None and cause.reason is Reason.COMMAND_LOST
        if not anchor.free(now):
            return
        self.agrees(now_ns)
        plan, leave = onwards(
            anchor.plan, now_ns, self.draw.uniform(-80.0, 80.0, 6),
            step_s=float(self.draw.choice((0.02, 0.04, 0.1))))
        anchor.published(plan, leave, now)
        self.way.send(plan, now_ns)
        self.sent += 1

    def agrees(self, now_ns):
        """Free: the plan is the motion of the controller for as long as a command takes."""
        for at_ns in range(now_ns, now_ns + WAY, 3 * MS):
            np.testing.assert_allclose(
                self.anchor.plan.at(at_ns).position, self.executed.at(at_ns).position, atol=1e-8)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), loss=st.floats(0.0, 0.3), duplicates=st.floats(0.0, 0.3),
       in_order=st.booleans(), tick_ms=st.sampled_from((2, 10, 14)))
def test_no_command_ever_jumps_and_none_is_lost_unnoticed(
        seed, loss, duplicates, in_order, tick_ms):
    execution = Execution(
        seed, loss=loss, duplicates=duplicates, in_order=in_order, tick_ms=tick_ms)
    execution.run(600)
    assert execution.sent > 4
    # Let all that was sent end: what the anchor believes is what is held.
    for at in range(600, 1400, 2):
        execution.deliver(ms(at))
    assert execution.anchor.free(instant(ms(1400)))
    np.testing.assert_allclose(
        execution.anchor.plan.at(ms(1400)).position, execution.controller.report.position,
        atol=1e-9)


def test_with_loss_and_reordering_commands_are_found_lost():
    lost = 0
    for seed in range(5):
        execution = Execution(seed, loss=0.2, duplicates=0.2, in_order=False, tick_ms=10)
        execution.run(1000)
        lost += execution.lost
    assert lost > 5


def test_without_loss_nothing_is_found_lost():
    for seed in range(5):
        execution = Execution(seed, loss=0.0, duplicates=0.2, in_order=True, tick_ms=10)
        execution.run(1000)
        assert execution.lost == 0
        assert execution.sent > 15
