"""Candidates go on from the plan, keep every limit, end at rest, and change what they must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays, LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.trajectory import JointMotion, Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.safety.candidates import Candidates
from physical_ai_bridge.safety.limits import Violation
from physical_ai_bridge.safety.plans import Blocked, Passed, Plan
from physical_ai_bridge.safety.retiming import brake_along
from physical_ai_bridge.safety.trials import JointLimits
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.robots import seven_joint_cell, SEVEN_JOINT_START
import pytest

BEGIN_NS = 1_800_000_000_000_000_000
TICK_NS = 10_000_000
LATENCY_NS = 20_000_000
CELLS = {6: example_cell(), 7: seven_joint_cell()}
STARTS = {6: np.zeros(6), 7: np.array(SEVEN_JOINT_START)}
SIX = CELLS[6]
LIMITS = limit_arrays(SIX)
# How far cubics of a retimed motion may be off the path's points.
OFF_RAD = 2e-5


def resting(cell: Cell, at_ns: int = BEGIN_NS) -> Plan:
    """Return the plan of a robot that stands at its start."""
    at = np.repeat(STARTS[len(cell.robot.joints)][None, :], 2, axis=0)
    return Plan(Trajectory(
        at_ns, cell.robot.joints, np.array([0, 100_000_000]), at, np.zeros_like(at)))


def shaped(
        cell: Cell, plan: Plan, now_ns: int, goal: np.ndarray, *, bandwidth: float = 20.0,
        faster: float = 1.0, steps: int = 70,
) -> Trajectory:
    """Return a smooth proposal that goes on from the plan to ``goal``, counted from the start."""
    wide = limit_arrays(cell)
    wide = LimitArrays(wide.position_min, wide.position_max, faster * wide.velocity,
                       faster * wide.acceleration, faster * wide.jerk)
    begin_ns = plan.motion.snap(now_ns + 2 * LATENCY_NS)
    return ReferenceShaper(bandwidth, wide).follow(
        now_ns, begin_ns, plan.motion.at(begin_ns),
        np.repeat((STARTS[len(goal)] + goal)[None, :], steps, axis=0), cell.robot.joints)


def moving(cell: Cell = SIX, goal: float = 0.5, ticks: int = 12) -> tuple[Plan, Trajectory, int]:
    """Return a plan in mid-motion, the proposal that it follows, and now."""
    candidates = Candidates(cell)
    plan = resting(cell)
    path = shaped(cell, plan, BEGIN_NS, np.full(len(cell.robot.joints), goal), bandwidth=12.0)
    for tick in range(ticks):
        passed = candidates.follow(plan, path, BEGIN_NS + tick * TICK_NS)
        assert passed.reason is Reason.OK
        plan = passed.plan
    return plan, path, BEGIN_NS + ticks * TICK_NS


def largest_difference(a: Trajectory, b: Trajectory, from_ns: int, to_ns: int) -> JointMotion:
    """Return how far two motions are apart at most."""
    times = np.arange(from_ns, to_ns, 500_000)
    x, y = a.at_many(times - a.stamp_ns), b.at_many(times - b.stamp_ns)
    return JointMotion(*(np.abs(getattr(x, rate) - getattr(y, rate)).max(initial=0.0)
                         for rate in ('position', 'velocity', 'acceleration', 'jerk')))


def off_the_path(motion: Trajectory, from_ns: int, path: Trajectory) -> float:
    """Return how far ``motion`` gets from the points of ``path``, in rad, from an instant on."""
    dense = path.at_many(np.linspace(*path.times_ns[[0, -1]], 4_000).astype(np.int64)).position
    points = motion.at_many(np.linspace(
        from_ns - motion.stamp_ns, motion.times_ns[-1], 40).astype(np.int64)).position
    # To the straight lines between dense points of the path, which are off it by nanoradians.
    a, ab = dense[None, :-1], np.diff(dense, axis=0)[None]
    along = ((points[:, None] - a) * ab).sum(axis=2) / np.maximum((ab * ab).sum(axis=2), 1e-30)
    nearest = a + np.clip(along, 0.0, 1.0)[:, :, None] * ab
    return float(np.abs(points[:, None] - nearest).max(axis=2).min(axis=1).max())


def speed_use(cell: Cell, motion: Trajectory, from_ns: int) -> float:
    """Return the largest share of a joint's velocity limit that is used from an instant on."""
    times = np.arange(from_ns, max(motion.end_ns, from_ns) + 1, 1_000_000) - motion.stamp_ns
    return JointLimits(cell).speed_use(*(
        getattr(motion.at_many(times), rate) for rate in ('position', 'velocity')))


def assert_is_safe(passed: Passed, plan: Plan, now_ns: int, cell: Cell) -> None:
    """Hold a candidate against I1, I2, I4, I5 and what it says of itself."""
    motion = passed.motion
    assert JointLimits(cell).check(motion) is None
    assert not motion.velocities[-1].any()
    assert np.abs(motion.at(motion.end_ns).acceleration).max() < 0.1
    assert motion.start_ns <= now_ns < passed.diverges_ns
    same = largest_difference(motion, plan.motion, motion.start_ns, passed.diverges_ns)
    assert same.position <= 1e-9
    assert same.velocity <= 1e-6
    assert passed.checks <= Candidates.MOST_CHECKS
    made_of = passed.plan
    begin_ns = max(made_of.path.start_ns, now_ns + LATENCY_NS)
    on_it = largest_difference(motion, made_of.path, begin_ns, made_of.tail_ns)
    assert on_it.position <= 1e-8
    if passed.tail == 'path' and passed.scale:
        assert off_the_path(motion, made_of.tail_ns, made_of.path) < OFF_RAD


numbers = st.floats(-1.0, 1.0)


@dataclass(frozen=True)
class Proposed:
    """What is proposed, and for how many ticks it is followed."""

    goal: list[float]
    size: float
    bandwidth: float
    faster: float
    shift: float
    stretch: float
    share: float
    steps: int
    ticks: int
    late_ns: int

    def path(self, cell: Cell, plan: Plan, now_ns: int) -> Trajectory:
        """Return the proposal."""
        path = shaped(cell, plan, now_ns, self.size * np.array(self.goal),
                      bandwidth=self.bandwidth, faster=self.faster, steps=self.steps)
        return Trajectory(path.stamp_ns, path.joint_names, path.times_ns,
                          path.positions + self.shift, path.velocities * self.stretch)


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, list[Proposed]]:
    """Return how many joints there are, and what is proposed one after the other."""
    joints = draw(st.sampled_from([6, 7]))
    return joints, draw(st.lists(st.builds(
        Proposed, goal=st.lists(numbers, min_size=joints, max_size=joints),
        size=st.sampled_from([0.0, 0.03, 0.3, 2.0]), bandwidth=st.floats(4.0, 30.0),
        faster=st.sampled_from([1.0, 1.0, 1.3]),
        shift=st.sampled_from([0.0, 0.0, 0.0, 1e-3, 0.05]),
        stretch=st.sampled_from([1.0, 1.0, 1.1]), share=st.sampled_from([1.0, 1.0, 0.5, 0.1]),
        steps=st.sampled_from([1, 3, 12, 70]), ticks=st.integers(1, 12),
        late_ns=st.integers(0, 3_000_000)), min_size=1, max_size=4))


@settings(max_examples=80)
@given(stories())
def test_whatever_is_proposed_each_candidate_is_safe_and_so_is_each_stop(story):
    joints, proposals = story
    cell = CELLS[joints]
    candidates = Candidates(cell)
    plan, now_ns = resting(cell), BEGIN_NS
    for proposed in proposals:
        path = proposed.path(cell, plan, now_ns)
        for _ in range(proposed.ticks):
            now_ns += TICK_NS + proposed.late_ns
            if now_ns < plan.motion.start_ns or candidates.exhausted(path, now_ns):
                continue
            stop = candidates.stop(plan, path, now_ns)
            if stop is not None:
                assert_is_safe(stop, plan, now_ns, cell)
                assert stop.motion.end_ns < plan.motion.end_ns
            passed = candidates.follow(plan, path, now_ns, speed_share=proposed.share)
            assert passed.checks <= Candidates.MOST_CHECKS
            if isinstance(passed, Passed):
                assert_is_safe(passed, plan, now_ns, cell)
                plan, path = passed.plan, passed.path


@given(st.sampled_from([6, 7]), st.floats(0.05, 0.4), st.integers(0, 25))
def test_a_safe_proposal_passes_unchanged_at_the_first_check(joints, goal, ticks):
    cell = CELLS[joints]
    plan, path, now_ns = moving(cell, goal, ticks)
    passed = Candidates(cell).follow(plan, path, now_ns)
    assert (passed.reason, passed.scale, passed.path) == (Reason.OK, 1.0, path)
    begin_ns = max(path.start_ns, now_ns + LATENCY_NS)
    same = largest_difference(passed.motion, path, begin_ns, passed.plan.tail_ns)
    assert same.position <= 1e-12
    assert same.velocity <= 1e-10
    assert passed.plan.tail_ns == now_ns + LATENCY_NS + seconds_to_ns(cell.safety.step_s)


def test_a_gentle_motion_is_braked_along_its_path():
    plan, path, now_ns = moving(goal=0.1)
    passed = Candidates(SIX).follow(plan, path, now_ns)
    assert (passed.tail, passed.checks) == ('path', 1)
    assert off_the_path(passed.motion, passed.plan.tail_ns, path) < OFF_RAD


def test_what_extends_a_plan_diverges_from_it_where_its_brake_began():
    plan, path, now_ns = moving()
    passed = Candidates(SIX).follow(plan, path, now_ns)
    assert passed.diverges_ns == plan.tail_ns
    before = largest_difference(plan.motion, passed.motion, now_ns, plan.tail_ns)
    after = largest_difference(plan.motion, passed.motion, now_ns, plan.tail_ns + 20_000_000)
    assert before.position <= 1e-12
    assert after.position > 1e-7


def test_another_path_that_goes_on_from_the_plan_diverges_where_they_meet():
    plan, path, now_ns = moving()
    again = Trajectory(path.stamp_ns, path.joint_names, path.times_ns, path.positions,
                       path.velocities)
    assert Candidates(SIX).follow(plan, again, now_ns).diverges_ns == now_ns + LATENCY_NS


def test_a_plan_of_which_nothing_is_known_is_gone_on_from_all_the_same():
    plan, path, now_ns = moving()
    passed = Candidates(SIX).follow(Plan(plan.motion), path, now_ns)
    assert passed.reason is Reason.OK
    assert passed.diverges_ns == now_ns + LATENCY_NS


def too_fast(cell: Cell = SIX) -> tuple[Plan, Trajectory, int]:
    """Return a motion that is about to exceed a velocity limit along its path."""
    candidates = Candidates(cell)
    plan = resting(cell)
    goal = np.array([4.0, 1.0, 0.5, 0.2, -0.5, 0.3])
    wide = LimitArrays(*(2.0 * each for each in (
        LIMITS.position_min, LIMITS.position_max, LIMITS.velocity)),
        0.5 * LIMITS.acceleration, 0.5 * LIMITS.jerk)
    path = ReferenceShaper(6.0, wide).follow(
        BEGIN_NS, BEGIN_NS + 2 * LATENCY_NS, plan.motion.at(BEGIN_NS),
        np.repeat(goal[None], 200, axis=0), cell.robot.joints)
    now_ns = BEGIN_NS
    while True:
        passed = candidates.follow(plan, path, now_ns)
        if passed.reason is not Reason.OK:
            return plan, path, now_ns
        plan, now_ns = passed.plan, now_ns + TICK_NS


def test_a_path_that_is_too_fast_is_followed_at_slower_rates_along_its_points():
    plan, path, now_ns = too_fast()
    candidates = Candidates(SIX)
    passed = candidates.follow(plan, path, now_ns)
    assert passed.reason is Reason.VELOCITY_LIMIT
    assert 0.0 < passed.scale < 1.0
    assert passed.joined_ns == passed.path.end_ns
    for _ in range(60):
        assert_is_safe(passed, plan, now_ns, SIX)
        assert off_the_path(passed.path, passed.path.start_ns, path) < OFF_RAD
        plan, now_ns = passed.plan, now_ns + TICK_NS
        passed = candidates.follow(plan, passed.path, now_ns)
        assert isinstance(passed, Passed)
    assert speed_use(SIX, plan.motion, now_ns) > 0.5


def bent(path: Trajectory, at_ns: int) -> Trajectory:
    """Return the path with one velocity that does not fit."""
    velocities = path.velocities.copy()
    velocities[int(np.searchsorted(path.times_ns, at_ns - path.stamp_ns))] += 0.01
    return Trajectory(
        path.stamp_ns, path.joint_names, path.times_ns, path.positions, velocities)


def test_a_path_that_is_not_smooth_is_left_and_joined_again_at_full_speed():
    plan, path, now_ns = moving(goal=0.3)
    path = bent(path, now_ns + 45_000_000)
    passed = Candidates(SIX).follow(plan, path, now_ns)
    assert passed.reason in (Reason.ACCELERATION_LIMIT, Reason.JERK_LIMIT)
    assert passed.scale == 1.0
    assert_is_safe(passed, plan, now_ns, SIX)
    at_ns = passed.joined_ns + 20_000_000
    assert passed.path.at(at_ns).position == pytest.approx(path.at(at_ns).position, abs=1e-9)


def test_a_step_that_breaks_a_joint_limit_is_not_tried_with_another_brake():
    plan, path, now_ns = moving(goal=0.1)
    passed = Candidates(SIX).follow(plan, bent(path, now_ns + 45_000_000), now_ns)
    assert passed.checks == 2


def test_a_path_beside_the_plan_is_led_onto():
    plan, path, now_ns = moving(goal=0.3)
    beside = Trajectory(path.stamp_ns, path.joint_names, path.times_ns, path.positions + 0.005,
                        path.velocities)
    passed = Candidates(SIX).follow(plan, beside, now_ns)
    assert (passed.reason, passed.scale) == (Reason.JOINING, 1.0)
    assert_is_safe(passed, plan, now_ns, SIX)
    assert passed.diverges_ns == now_ns + LATENCY_NS
    at_ns = passed.joined_ns + 1_000_000
    assert passed.path.at(at_ns).position == pytest.approx(beside.at(at_ns).position, abs=1e-9)


@pytest.mark.parametrize(('faster', 'harder'), [(1e-6, 0.0), (1e-4, 0.0), (0.0, 0.01), (0.0, 0.1)],
                         ids=str)
def test_a_path_that_meets_the_plan_at_another_rate_is_led_onto(faster, harder):
    """By so many rad/s, or rad/s², where its position is the plan's."""
    plan, path, now_ns = moving(goal=0.3)
    since_s = (path.times_ns - (now_ns + LATENCY_NS - path.stamp_ns))[:, None] / 1e9
    other = Trajectory(
        path.stamp_ns, path.joint_names, path.times_ns,
        path.positions + faster * since_s + harder * since_s ** 2 / 2,
        path.velocities + faster + harder * since_s)
    passed = Candidates(SIX).follow(plan, other, now_ns)
    assert (passed.reason, passed.scale, passed.checks) == (Reason.JOINING, 1.0, 1)
    assert_is_safe(passed, plan, now_ns, SIX)
    at_ns = passed.joined_ns + 1_000_000
    assert passed.path.at(at_ns).position == pytest.approx(other.at(at_ns).position, abs=1e-9)


@pytest.mark.parametrize('late_ns', [1_000_000, 4_000_000, 30_000_000])
def test_a_plan_that_brakes_already_is_led_back_onto_its_path(late_ns):
    """The tick comes so late that the next command would go on amid the brake."""
    plan, path, _ = moving(goal=0.1, ticks=8)
    now_ns = plan.tail_ns + late_ns - LATENCY_NS
    passed = Candidates(SIX).follow(plan, path, now_ns)
    assert (passed.reason, passed.scale, passed.checks) == (Reason.JOINING, 1.0, 1)
    assert_is_safe(passed, plan, now_ns, SIX)
    at_ns = passed.joined_ns + 1_000_000
    assert passed.path.at(at_ns).position == pytest.approx(path.at(at_ns).position, abs=1e-9)


@dataclass
class Refusing:
    """A check that refuses motions by their number, from 1, or by what they are."""

    refused: Callable[[int, Trajectory], bool]
    reason: Reason = Reason.KEEP_OUT
    seen: list[Trajectory] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def __call__(self, motion: Trajectory, *, speed_share: float = 1.0) -> Violation | None:
        """Refuse or verify."""
        self.seen.append(motion)
        self.shares.append(speed_share)
        if self.refused(len(self.seen), motion):
            return Violation(self.reason, 'the elbow and the table', 0.0, 0.01, 'm')
        return JointLimits(SIX).check(motion, speed_share=speed_share)


def test_where_the_brake_along_the_path_is_refused_the_joints_brake_apart():
    plan, path, now_ns = moving(goal=0.1)
    check = Refusing(lambda number, _: number == 1)
    passed = Candidates(SIX, check).follow(plan, path, now_ns)
    assert (passed.tail, passed.checks, passed.reason) == ('joints', 2, Reason.OK)
    assert passed.motion is check.seen[1]


@pytest.mark.parametrize(('refused', 'rate'), [
    ((1, 2), 0.75), ((1, 2, 4), 0.5), ((1, 2, 3), 0.25), ((1, 2, 3, 4), 0.0)])
def test_of_the_slower_rates_the_fastest_that_passes_is_taken_and_two_are_tried(refused, rate):
    """Both brakes of the path itself are refused; the next is that of half the rate."""
    plan, path, now_ns = moving(goal=0.1)
    check = Refusing(lambda number, _: number in refused)
    found = Candidates(SIX, check).follow(plan, path, now_ns)
    assert (found.scale, found.reason) == (rate, Reason.KEEP_OUT)
    assert found.checks == len(check.seen) == (4 if rate else 5)


def test_a_path_that_could_not_be_braked_on_is_asked_again_a_step_further():
    plan, path, now_ns = moving(goal=0.1)
    refusing = Candidates(SIX, Refusing(lambda number, _: number == 1))
    plan = refusing.follow(plan, path, now_ns).plan
    tails = []
    for tick in range(1, 7):
        passed = Candidates(SIX).follow(plan, path, now_ns + tick * TICK_NS)
        assert passed.checks == 1
        plan = passed.plan
        tails.append(passed.tail)
    assert tails == ['joints'] * 4 + ['path'] * 2


@pytest.mark.parametrize('shift', [0.0, 0.01])
@pytest.mark.parametrize('reason', [
    Reason.KEEP_OUT, Reason.JERK_LIMIT, Reason.POSITION_LIMIT, Reason.TCP_SPEED_LIMIT])
def test_where_all_is_refused_nothing_is_published_after_a_bounded_search(shift, reason):
    plan, path, now_ns = moving(goal=0.3)
    path = Trajectory(path.stamp_ns, path.joint_names, path.times_ns, path.positions + shift,
                      path.velocities)
    check = Refusing(lambda number, motion: True, reason)
    found = Candidates(SIX, check).follow(plan, path, now_ns)
    assert isinstance(found, Blocked)
    assert found.reason is reason
    assert 'the elbow and the table' in found.detail
    assert found.checks == len(check.seen) <= Candidates.MOST_CHECKS


def test_a_search_builds_no_more_than_leaves_room_for_a_stop():
    class Short(Candidates):
        MOST_CHECKS = 4

    plan, path, now_ns = moving(goal=0.1)
    check = Refusing(lambda number, motion: True)
    found = Short(SIX, check).follow(plan, path, now_ns)
    assert isinstance(found, Blocked)
    assert found.checks == len(check.seen) <= 4


def test_nothing_is_passed_that_was_not_checked():
    plan, path, now_ns = moving(goal=0.3)
    for number in range(1, 10):
        check = Refusing(lambda count, _, number=number: count < number)
        passed = Candidates(SIX, check).follow(plan, path, now_ns)
        if isinstance(passed, Passed):
            assert passed.motion is check.seen[-1]


def test_where_nothing_else_is_left_it_brakes_now_and_on_the_path():
    plan, path, now_ns = moving(goal=0.1)
    expected = Candidates(SIX).stop(plan, path, now_ns).motion
    check = Refusing(lambda _, motion: largest_difference(
        motion, expected, motion.start_ns, expected.end_ns).position > 1e-8)
    candidates = Candidates(SIX, check)
    passed = candidates.follow(plan, path, now_ns)
    assert (passed.scale, passed.tail, passed.reason) == (0.0, 'path', Reason.KEEP_OUT)
    assert passed.motion.end_ns < plan.motion.end_ns
    assert off_the_path(passed.motion, now_ns, path) < OFF_RAD
    now_ns += TICK_NS
    while not candidates.exhausted(passed.path, now_ns):
        passed = candidates.follow(passed.plan, passed.path, now_ns)
        assert passed.reason is Reason.OK
        now_ns += TICK_NS
    assert passed.motion.end_ns == expected.end_ns


def at_speed_share(plan: Plan, path: Trajectory, now_ns: int, share: float) -> Passed | Blocked:
    """Return what comes of the search with a share of the speed limits."""
    return Candidates(SIX).follow(plan, path, now_ns, speed_share=share)


@given(st.floats(0.05, 0.9), st.integers(0, 40))
def test_within_its_share_of_the_speed_limits_a_candidate_stays_there(share, ticks):
    plan, path, now_ns = resting(SIX), None, BEGIN_NS
    for tick in range(ticks + 1):
        if tick % 10 == 0:
            path = shaped(SIX, plan, now_ns, np.full(6, 0.5), bandwidth=12.0)
        found = at_speed_share(plan, path, now_ns, share)
        if isinstance(found, Passed):
            assert speed_use(SIX, found.motion, now_ns) <= share * (1.0 + 1e-9)
            plan, path = found.plan, found.path
        now_ns += TICK_NS


def test_with_a_small_share_it_still_gets_there():
    plan, now_ns = resting(SIX), BEGIN_NS
    for tick in range(700):
        if tick % 10 == 0:
            path = shaped(SIX, plan, now_ns, np.full(6, 0.4), bandwidth=12.0)
        found = at_speed_share(plan, path, now_ns, 0.1)
        if isinstance(found, Passed):
            plan, path = found.plan, found.path
        now_ns += TICK_NS
    assert plan.motion.positions[-1] == pytest.approx(np.full(6, 0.4), abs=2e-3)


@settings(max_examples=12)
@given(st.integers(5, 25), st.floats(0.02, 0.5))
def test_a_share_that_falls_brings_the_speed_down_without_ever_adding_to_it(ticks, share):
    plan, path, now_ns = moving(goal=0.5, ticks=ticks)
    published = speed_use(SIX, plan.motion, now_ns)
    # Half as hard as the plan would brake to rest.
    soon = 2 * (plan.motion.end_ns - now_ns) // TICK_NS
    used = []
    for tick in range(soon + 20):
        if tick % 10 == 0:
            path = shaped(SIX, plan, now_ns, np.full(6, 0.5), bandwidth=12.0)
        found = at_speed_share(plan, path, now_ns, share)
        if isinstance(found, Passed):
            plan, path = found.plan, found.path
        now_ns += TICK_NS
        speed = np.abs(plan.motion.at(now_ns).velocity)[None]
        used.append(JointLimits(SIX).speed_use(speed, speed))
    assert max(used) <= max(share, published) * 1.002
    assert max(used[soon:]) <= share * 1.002


@settings(max_examples=60)
@given(st.integers(1, 30), st.floats(0.05, 1.0), st.lists(
    st.floats(0.02, 1.0), min_size=2, max_size=4), st.sampled_from([0.0, 0.01]))
def test_a_smaller_share_never_gives_a_faster_candidate(ticks, goal, shares, shift):
    plan, path, now_ns = moving(goal=goal, ticks=ticks)
    path = Trajectory(path.stamp_ns, path.joint_names, path.times_ns, path.positions + shift,
                      path.velocities)
    committed = speed_use(SIX, plan.motion.cut(now_ns, now_ns + LATENCY_NS), now_ns)
    scales = []
    for share in sorted(shares, reverse=True):
        found = at_speed_share(plan, path, now_ns, share)
        scales.append(found.scale if isinstance(found, Passed) else 0.0)
        if isinstance(found, Passed) and found.scale:
            used = speed_use(SIX, found.motion, now_ns)
            assert used <= max(share, committed) * (1.0 + 2e-3)
    assert scales == sorted(scales, reverse=True)


def test_a_brake_is_held_to_the_whole_of_the_speed_limits():
    plan, path, now_ns = moving(goal=1.0, ticks=14)
    check = Refusing(lambda number, motion: False)
    found = Candidates(SIX, check).follow(plan, path, now_ns, speed_share=0.05)
    assert found.reason is Reason.VELOCITY_LIMIT
    assert set(check.shares[:-1]) <= {check.shares[0]} or check.shares[-1] == 1.0
    assert check.shares[-1] == 1.0


def test_what_uses_speed_limits_besides_the_joints_is_asked_for():
    plan, path, now_ns = moving(goal=0.3)
    asked = []

    def use(position, velocity):
        asked.append(velocity)
        return 0.7

    check = Refusing(lambda number, motion: False)
    Candidates(SIX, check, use).follow(plan, path, now_ns, speed_share=0.5)
    assert asked
    assert all(share == 1.0 or share == pytest.approx(0.7, rel=2e-3) for share in check.shares)


@pytest.mark.parametrize('factor', [0.8, 0.5, 0.2])
def test_tighter_velocity_limits_never_make_it_faster(factor):
    plan, path, now_ns = moving(goal=0.6, ticks=10)
    limits = {name: replace(limit, max_velocity=factor * limit.max_velocity)
              for name, limit in SIX.safety.joint_limits.items()}
    tight = replace(SIX, safety=replace(SIX.safety, joint_limits=limits))
    loose, found = (Candidates(cell).follow(plan, path, now_ns) for cell in (SIX, tight))
    assert loose.scale == 1.0
    if isinstance(found, Passed):
        assert found.scale <= loose.scale
        assert speed_use(SIX, found.motion, now_ns) <= speed_use(SIX, loose.motion, now_ns) + 1e-9


def test_a_stop_keeps_to_the_path():
    plan, path, now_ns = moving(goal=0.1)
    stop = Candidates(SIX).stop(plan, path, now_ns)
    assert (stop.tail, stop.scale, stop.reason) == ('path', 0.0, Reason.OK)
    assert stop.diverges_ns == now_ns + LATENCY_NS
    assert stop.motion.end_ns < plan.motion.end_ns
    assert off_the_path(stop.motion, now_ns + LATENCY_NS, path) < OFF_RAD
    assert_is_safe(stop, plan, now_ns, SIX)


def test_a_stop_before_the_path_begins_keeps_to_the_plan_and_then_the_path():
    plan, _, now_ns = moving(goal=0.1)
    path = shaped(SIX, plan, now_ns, np.full(6, 0.12), bandwidth=12.0)
    plan = Candidates(SIX).follow(plan, path, now_ns).plan
    assert path.start_ns > now_ns + LATENCY_NS
    stop = Candidates(SIX).stop(plan, path, now_ns)
    assert stop.tail == 'path'
    onwards = plan.motion.cut(now_ns, path.start_ns).then(path)
    assert off_the_path(stop.motion, now_ns + LATENCY_NS, onwards) < OFF_RAD


def test_a_stop_leaves_a_path_that_would_take_much_longer():
    plan, path, now_ns = moving(goal=2.0, ticks=10)
    stop = Candidates(SIX).stop(plan, path, now_ns)
    assert stop.tail == 'joints'
    assert_is_safe(stop, plan, now_ns, SIX)
    sooner_ns = plan.motion.end_ns - stop.motion.end_ns
    assert sooner_ns > 0


def test_a_stop_that_ends_later_than_the_plan_is_not_even_tried():
    plan, path, now_ns = moving(goal=0.25, ticks=18)
    check = Refusing(lambda number, _: number == 1)
    assert brake_along(path, now_ns + LATENCY_NS, LIMITS).end_ns > plan.motion.end_ns
    assert Candidates(SIX, check).stop(plan, path, now_ns) is None
    assert len(check.seen) == 1


def test_where_the_stop_on_the_path_is_refused_the_joints_brake_apart():
    plan, path, now_ns = moving(goal=0.1)
    check = Refusing(lambda number, _: number == 1)
    stop = Candidates(SIX, check).stop(plan, path, now_ns)
    assert (stop.tail, stop.checks) == ('joints', 2)


def test_where_every_stop_is_refused_the_plan_is_left_as_it_is():
    plan, path, now_ns = moving(goal=0.1)
    check = Refusing(lambda number, motion: True)
    assert Candidates(SIX, check).stop(plan, path, now_ns) is None
    assert len(check.seen) == 2


def test_a_plan_that_ends_as_soon_by_itself_is_left_as_it_is():
    plan, path, now_ns = moving(goal=0.1)
    candidates = Candidates(SIX)
    stop = candidates.stop(plan, path, now_ns)
    for tick in range(1, 8):
        again = candidates.stop(stop.plan, path, now_ns + tick * TICK_NS)
        assert again is None
    assert candidates.stop(resting(SIX), None, BEGIN_NS + 50_000_000) is None


def test_a_stop_of_a_plan_of_which_nothing_is_known_takes_the_path_that_it_is_on():
    plan, path, now_ns = moving(goal=0.1)
    stop = Candidates(SIX).stop(Plan(plan.motion), path, now_ns)
    assert stop.tail == 'path'
    assert off_the_path(stop.motion, now_ns + LATENCY_NS, path) < OFF_RAD
    assert stop.motion.end_ns == Candidates(SIX).stop(plan, path, now_ns).motion.end_ns


def test_without_a_check_joint_limits_are_held_and_rest_at_the_end():
    limits = JointLimits(SIX)
    plan, path, _ = moving(goal=0.3)
    assert limits.check(plan.motion) is None
    assert limits.check(path.cut(path.start_ns, path.start_ns + 100_000_000)) is not None
    assert limits.check(plan.motion, speed_share=0.01).reason is Reason.VELOCITY_LIMIT
    broken = Trajectory(path.stamp_ns, path.joint_names, path.times_ns,
                        np.full_like(path.positions, np.nan), path.velocities)
    assert limits.check(broken).reason is Reason.PROPOSAL_NOT_FINITE


def test_a_path_is_exhausted_once_a_command_could_not_follow_it():
    path = moving()[1]
    candidates = Candidates(SIX)
    assert candidates.exhausted(path, path.end_ns - LATENCY_NS)
    assert not candidates.exhausted(path, path.end_ns - LATENCY_NS - 1_000_000)


def test_what_cannot_be_verified_ends_the_search_soon():
    plan, path, now_ns = moving()

    def never(motion, *, speed_share=1.0):
        return Violation(Reason.NOT_VERIFIED, 'tcp', 0.0, 0.0, 'm')

    found = Candidates(SIX, never).follow(plan, path, now_ns)
    assert isinstance(found, Blocked)
    assert (found.reason, found.checks) == (Reason.NOT_VERIFIED, 2)
