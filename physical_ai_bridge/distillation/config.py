"""What a distillation is told: the manifest to fill, the data to record, how to train."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    BundleFile,
    ContactGuard,
    ImageInput,
    Manifest,
    ObservationSpec,
    Shaping,
    WrenchInput,
)

# Seeds are cut into ranges that never meet, so that no report is on seen connectors.
DEMONSTRATION_SEEDS = 1_000_000
ROUND_SEEDS = 2_000_000
SELECTION_SEEDS = 8_000_000
REPORT_SEEDS = 9_000_000
SEEDS_A_RUN = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """
    One training.

    L1 on the chunk's scaled deltas, row k weighted by exp(-k / ``row_decay``) because the early
    rows are those that get executed, and samples by 1 / (``precision`` + size of the label), so
    that the small motions that seat a connector are not drowned by the large ones that lead to it;
    ``target_weight`` times L1 on the auxiliary targets. AdamW with a one-cycle learning rate up to
    ``learning_rate``. Labels are clipped to ``label_room``
    times the widest that the demonstrations hold. ``mixed`` uses bfloat16 convolutions except in
    the last tenth of the steps. Another number of ``threads`` rounds differently.
    """

    steps: int = 1000
    batch: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    target_weight: float = 0.2
    row_decay: float = 8.0
    precision: float = 0.3
    label_room: float = 1.5
    mixed: bool = True
    checkpoint_every: int = 250
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig:
    """
    A whole distillation: demonstrations, then rounds in which the student acts.

    In ``perturbed_share`` of the demonstrations the teacher is pushed off its way now and then, so
    that it also shows how to come back. ``latency_s`` is the inference latency simulated. The
    report is made once at each ``brightness`` of the images.
    """

    seed: int = 0
    demonstrations: int = 200
    perturbed_share: float = 0.5
    rounds: int = 4
    episodes: int = 80
    first_steps: int = 900
    round_steps: int = 700
    last_steps: int = 2500
    selection_episodes: int = 20
    report_episodes: int = 200
    brightness: tuple[float, ...] = (1.0, 0.7, 1.25)
    latency_s: float = 0.04
    hidden: int = 256
    train: TrainConfig = field(default_factory=TrainConfig)

    def as_provenance(self) -> dict[str, Any]:
        """Return the configuration as JSON values; each round has its own steps and seed."""
        values = asdict(self)
        values['brightness'] = list(self.brightness)
        del values['train']['steps'], values['train']['seed']
        return values


QUICK = DistillConfig(
    demonstrations=8, rounds=1, episodes=4, first_steps=60, round_steps=40, last_steps=60,
    selection_episodes=4, report_episodes=4)


def insertion_manifest(name: str, joints: tuple[str, ...]) -> Manifest:
    """Return the manifest of the connector insertion; the files' hashes are still to be filled."""
    return Manifest(
        schema=1, name=name, joints=joints, rate_hz=15.0,
        observation=ObservationSpec(
            # The wrist camera decides the last millimetre; the scene camera need not be sharp.
            images={'scene': ImageInput(width=40, height=30),
                    'wrist': ImageInput(width=80, height=60)},
            state=True, reference=True,
            wrenches={'wrist': WrenchInput(history=8, rate_hz=50.0)}),
        action=ActionSpec(kind='joint_positions', horizon=16, period_s=0.05, offset_s=0.05),
        shaping=Shaping(contact_guard=ContactGuard(sensor='wrist', force_n=20.0)),
        files={'model.onnx': BundleFile(sha256='0' * 64, bytes=0)})
