"""One episode of the simulated cell, run in lockstep by the shipped student, as a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from physical_ai_bridge.bags.reader import RecordedMessage
from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell, urdf_path
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.evaluation.offline.findings import Finding
from physical_ai_bridge.evaluation.offline.inference import Inference
from physical_ai_bridge.evaluation.offline.judge import Judge
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.replay_clock import ReplayClock
from physical_ai_bridge.evaluation.offline.scores import PolicyScores
from physical_ai_bridge.evaluation.offline.topics import match
from physical_ai_bridge.policy.onnx_policy import OnnxPolicy
from physical_ai_bridge.policy.protocol import Policy
from physical_ai_bridge.runtime.lockstep import Lockstep
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.lockstep_bag import RecordingCell
import pytest

CONFIG = Path(str(resources.files('physical_ai_bridge') / 'config'))
CELL, BUNDLE = CONFIG / 'cells' / 'mujoco_ur5e.yaml', CONFIG / 'bundles' / 'ur5e_insertion'
LATENCY_S = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What came of a recording."""

    judge: Judge
    scores: PolicyScores
    findings: dict[str, Finding]


@dataclass(frozen=True, slots=True, eq=False)
class Court:
    """Judges messages by the shipped student, or by another policy of its interface."""

    binding: Binding
    robot: RobotModel
    policy: Policy

    def judge(self, messages: Iterable[RecordedMessage], *, policy: Policy | None = None,
              shift_ns: int = 0) -> Verdict:
        """Return the verdict on messages in the order of their receipt."""
        messages, ledger = list(messages), Ledger()
        recorded = {}
        for message in messages:
            recorded[message.topic] = (message.type_name,
                                       recorded.get(message.topic, ('', 0))[1] + 1)
        topics = match(self.binding, recorded, {}, ledger)
        clock = ReplayClock()
        clock.shift_ns = shift_ns
        with ThreadPoolExecutor(1) as executor:
            judge = Judge(
                self.binding, self.robot, topics, ledger, clock,
                messages[0].stamp_ns + shift_ns,
                inference=(Inference(policy or self.policy, executor) if topics.policy
                           else None), kinematics=None, latency_s=LATENCY_S)
            for message in messages:
                judge.take(message)
            judge.finish()
        for health in judge.streams.values():
            health.score()
        return Verdict(judge, judge.sums.scores(),
                       {finding.code: finding for finding in ledger.findings()})


@pytest.fixture(scope='session')
def court() -> Court:
    cell, bundle = load_cell(CELL), load_bundle(BUNDLE)
    return Court(
        bind(cell, bundle.manifest, bundle_digest=bundle.digest),
        RobotModel.from_urdf(urdf_path(cell, CELL).read_text('utf-8'), cell),
        OnnxPolicy(bundle, providers=['cpu']))


@pytest.fixture(scope='session')
def episode(court: Court) -> tuple[RecordedMessage, ...]:
    """Return what a recorder got of an insertion that succeeds."""
    pytest.importorskip('mujoco')
    from physical_ai_bridge.simulation import MujocoCell
    cell = MujocoCell(court.binding.cell)
    cell.reset(3)
    recording = RecordingCell(cell, court.binding.cell)
    lockstep = Lockstep(court.binding, court.policy, recording, robot=court.robot,
                        latency_ns=lambda: seconds_to_ns(LATENCY_S))
    while not cell.episode.done:
        lockstep.cycle()
    assert cell.episode.success
    return tuple(recording.messages)


Change = Callable[[RecordedMessage], RecordedMessage | None]


@pytest.fixture(scope='session')
def verdict(court: Court, episode: tuple[RecordedMessage, ...]) -> Verdict:
    """Return the verdict on the episode as it was recorded."""
    return court.judge(episode)
