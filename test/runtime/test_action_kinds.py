"""Real models of each kind of action move the robot in lockstep, or are refused and said to be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from physical_ai_bridge.contract.binding import bind
from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    ContactGuard,
    Manifest,
    ObservationSpec,
    Shaping,
    WrenchInput,
)
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.policy.actions import kinematics_for
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.testing.contracts import example_manifest
from physical_ai_bridge.testing.ideal_cell import IdealCell
from physical_ai_bridge.testing.models import write_constant_bundle
from physical_ai_bridge.testing.robots import (
    example_robot,
    EXAMPLE_START,
    example_urdf,
    seven_joint_cell,
    seven_joint_robot,
    SEVEN_JOINT_START,
    seven_joint_urdf,
    wide_cell,
)
import pytest
from transforms3d.axangles import mat2axangle

pytest.importorskip('onnxruntime')

HORIZON, PERIOD_S = 16, 0.05
TIMES = PERIOD_S * np.arange(1, HORIZON + 1)[:, None]
# Of the tcp: up and aside, slowly turning.
TWIST = np.array([0.01, -0.02, 0.03, 0.02, -0.01, 0.05])


def action(kind: str, **changes: Any) -> ActionSpec:
    return ActionSpec(kind=kind, horizon=HORIZON, period_s=PERIOD_S, offset_s=PERIOD_S, **changes)


def tcp_action(relative_to: str, frame: str) -> ActionSpec:
    return action('tcp_deltas', relative_to=relative_to, translation_frame=frame,
                  rotation_frame=frame)


def manifest_of(spec: ActionSpec, cell: Cell, **changes: Any) -> Manifest:
    """Return the manifest of a policy that sees the measured joints alone."""
    return example_manifest(action=spec, joints=cell.robot.joints, **{
        'observation': ObservationSpec(), 'shaping': Shaping(lookahead_s=0.14), **changes})


class Run:
    """A real model's bundle in lockstep on an ideal robot."""

    def __init__(self, folder: Path, spec: ActionSpec, rows: float | np.ndarray, *,
                 seven: bool = False, **manifest: Any) -> None:
        cell = seven_joint_cell() if seven else wide_cell()
        self.start = SEVEN_JOINT_START if seven else EXAMPLE_START
        write_constant_bundle(folder, manifest_of(spec, cell, **manifest), rows)
        bundle = load_bundle(folder)
        binding = bind(cell, bundle.manifest, bundle_digest=bundle.digest)
        self.cell = IdealCell(cell, start=self.start)
        self.kinematics = kinematics_for(binding, seven_joint_urdf if seven else example_urdf)
        self.lockstep = Lockstep(
            binding, OnnxPolicy(bundle, providers=['cpu']), self.cell,
            robot=(seven_joint_robot if seven else example_robot)(cell),
            latency_ns=lambda: 30_000_000, kinematics=self.kinematics)
        self.modes: Counter[Mode] = Counter()

    def cycles(self, count: int) -> np.ndarray:
        """Run cycles and return where the robot is then."""
        for _ in range(count):
            self.modes[self.lockstep.cycle().mode] += 1
        return self.cell.position_at(self.cell.now_ns)

    def assert_unhindered(self) -> None:
        """Make sure that every proposal passed as it was."""
        assert set(self.modes) == {Mode.INACTIVE, Mode.READY, Mode.ACTIVE}
        assert not self.lockstep.loop.refusals


SPEED = np.array([0.1, -0.05, 0.08, 0.02, -0.06, 0.12])
JOINT_KINDS = {
    'deltas from the reference': (action('joint_deltas', relative_to='reference'), TIMES * SPEED),
    'deltas from the state': (action('joint_deltas', relative_to='state'), TIMES * SPEED),
    'deltas from the row before': (
        action('joint_deltas', relative_to='previous'), PERIOD_S * SPEED),
    'velocities': (action('joint_velocities'), SPEED)}


@pytest.mark.parametrize(('spec', 'rows'), JOINT_KINDS.values(), ids=JOINT_KINDS)
def test_joints_move_at_the_speed_that_the_rows_say(tmp_path, spec, rows):
    run = Run(tmp_path, spec, rows)
    before = run.cycles(100)
    assert run.cycles(100) - before == pytest.approx(SPEED, rel=0.01)
    run.assert_unhindered()


@pytest.mark.parametrize('seven', [False, True], ids=['ur5e', 'seven joints'])
@pytest.mark.parametrize('relative_to', ['reference', 'previous'])
def test_the_tcp_moves_in_the_base_frame_at_the_speed_that_the_rows_say(
        tmp_path, relative_to, seven):
    rows = TIMES * TWIST if relative_to == 'reference' else PERIOD_S * TWIST
    run = Run(tmp_path, tcp_action(relative_to, 'base'), rows, seven=seven)
    here = run.kinematics.pose(run.cycles(100))
    there = run.kinematics.pose(run.cycles(100))
    assert there.translation - here.translation == pytest.approx(TWIST[:3], abs=5e-4)
    axis, angle = mat2axangle(there.rotation @ here.rotation.T)
    assert angle * axis == pytest.approx(TWIST[3:], abs=1e-3)
    run.assert_unhindered()


def test_the_tcp_moves_along_its_own_axis_where_the_rows_are_in_its_frame(tmp_path):
    run = Run(tmp_path, tcp_action('previous', 'tcp'), PERIOD_S * np.array([0, 0, -0.03, 0, 0, 0]))
    here = run.kinematics.pose(run.cycles(100))
    there = run.kinematics.pose(run.cycles(100))
    assert there.translation - here.translation == pytest.approx(
        -0.03 * here.rotation[:, 2], abs=5e-4)
    assert there.rotation == pytest.approx(here.rotation, abs=1e-4)
    run.assert_unhindered()


@pytest.mark.parametrize('spec', [
    action('joint_deltas', relative_to='reference'),
    action('joint_deltas', relative_to='previous'), action('joint_velocities'),
    tcp_action('reference', 'base'), tcp_action('previous', 'tcp')],
    ids=['deltas', 'steps', 'velocities', 'tcp', 'tcp steps'])
def test_zeros_hold_still_to_the_bit_even_where_the_arm_sags(tmp_path, spec):
    run = Run(tmp_path, spec, 0.0)
    run.cycles(50)
    run.cell.sag = np.full(6, -0.01)
    held = run.cycles(100)
    assert np.array_equal(held, run.start)
    assert run.modes[Mode.ACTIVE] > 50


def test_zeros_from_the_state_follow_an_arm_that_sags(tmp_path):
    # What that costs is why the manifest has to ask for it.
    run = Run(tmp_path, action('joint_deltas', relative_to='state'), 0.0)
    run.cycles(50)
    run.cell.sag = np.full(6, -0.01)
    assert (run.cycles(100) < run.start - 0.02).all()


def test_a_chunk_out_of_reach_never_becomes_motion_and_is_counted(tmp_path):
    rows = np.zeros((HORIZON, 6))
    rows[-1, :3] = (2.0, 0.0, 0.0)
    run = Run(tmp_path, tcp_action('reference', 'base'), rows)
    assert np.array_equal(run.cycles(100), run.start)
    assert run.lockstep.loop.refusals.keys() == {Reason.ACTION_OUT_OF_REACH}
    assert run.lockstep.loop.last_refusal.detail.startswith(f'row {HORIZON - 1} of the chunk')
    assert Mode.ACTIVE not in run.modes


def test_a_policy_that_runs_into_the_end_of_its_reach_is_stopped_there(tmp_path):
    outward = np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
    run = Run(tmp_path, tcp_action('reference', 'base'), TIMES * outward)
    stopped = run.cycles(900)
    assert run.modes[Mode.STOPPED] > 0
    reasons = {Reason.ACTION_OUT_OF_REACH, Reason.ACTION_TOO_FAST}
    assert reasons & run.lockstep.loop.refusals.keys()
    assert np.array_equal(run.cycles(50), stopped)


class TestTasks:

    SPEC = action('joint_positions')
    TASKS = ('insert the plug', 'pull it out')
    # Each instruction has a place of its own.
    GOALS = np.array([EXAMPLE_START + 0.05, EXAMPLE_START - 0.05])

    def run(self, folder: Path, **manifest: Any) -> Run:
        rows = np.repeat(self.GOALS[:, None], HORIZON, axis=1)
        return Run(folder, self.SPEC, rows, tasks=self.TASKS, **manifest)

    def test_nothing_moves_before_an_instruction_is_given(self, tmp_path):
        run = self.run(tmp_path)
        assert np.array_equal(run.cycles(100), run.start)
        assert run.lockstep.loop.refusals[Reason.TASK_UNKNOWN] > 0
        assert run.lockstep.loop.task is None

    def test_the_model_does_what_the_instruction_says_and_then_what_the_next_one_says(
            self, tmp_path):
        run = self.run(tmp_path)
        for index in (0, 1, 0):
            assert run.lockstep.loop.set_task(self.TASKS[index]) is None
            assert run.lockstep.loop.task == self.TASKS[index]
            assert run.cycles(150) == pytest.approx(self.GOALS[index], abs=1e-3)
        assert run.modes[Mode.STOPPED] == 0

    def test_an_unknown_instruction_is_refused_with_the_list_and_ends_the_motion(self, tmp_path):
        run = self.run(tmp_path)
        run.lockstep.loop.set_task(self.TASKS[0])
        run.cycles(40)
        refusal = run.lockstep.loop.set_task('make coffee')
        assert refusal.reason is Reason.TASK_UNKNOWN
        assert str(refusal).endswith(
            "'make coffee' is not among the bundle's: 'insert the plug', 'pull it out'")
        stopped = run.cycles(100)
        assert run.modes[Mode.STOPPED] > 0
        assert np.array_equal(run.cycles(50), stopped)

    def test_after_an_unknown_instruction_the_contact_guard_proposes_nothing_either(
            self, tmp_path):
        guard = ContactGuard(sensor='wrist', force_n=20.0)
        run = self.run(
            tmp_path, shaping=Shaping(contact_guard=guard),
            observation=ObservationSpec(wrenches={'wrist': WrenchInput(rate_hz=50.0)}))
        loop = run.lockstep.loop
        loop.set_task(self.TASKS[0])
        run.cell.force_n = 30.0
        run.cycles(40)
        now = Instant(run.cell.now_ns, run.cell.now_ns)
        assert loop.refresh(now.later(10_000_000)) is not None
        loop.set_task('make coffee')
        assert loop.refresh(now.later(20_000_000)) is None

    def test_what_was_inferred_for_another_instruction_is_dropped(self, tmp_path):
        run = self.run(tmp_path)
        loop = run.lockstep.loop
        loop.set_task(self.TASKS[0])
        for sample in run.cell.advance(100_000_000).joints:
            now = Instant(sample.stamp_ns, sample.stamp_ns)
            loop.on_joint_state(sample, now)
        observation = loop.observe(now)
        rows = np.repeat(self.GOALS[:1], HORIZON, axis=0).astype(np.float32)
        loop.set_task(self.TASKS[1])
        refusal = loop.propose(observation, rows, now)
        assert refusal.reason is Reason.TASK_CHANGED
        assert "'insert the plug'" in refusal.detail
        assert "'pull it out'" in refusal.detail
