"""Training: deterministic for a seed, resumable at any checkpoint, one thread or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path

import numpy as np
from physical_ai_bridge.distillation.augment import Augmentation, Augmenter
from physical_ai_bridge.distillation.config import TrainConfig
from physical_ai_bridge.distillation.dataset import (
    ACTION,
    IMAGE,
    REFERENCE,
    STATE,
    TARGETS,
)
from physical_ai_bridge.distillation.student import Student
from safetensors.torch import load_file, save_file
import torch
from torch import Tensor

# (steps done, steps in all, loss): for progress bars.
OnStep = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """How a training went: means over its last tenth of steps, and samples seen."""

    samples: int
    steps: int
    action_loss: float
    target_loss: float


def fit_scales(student: Student, arrays: Mapping[str, np.ndarray], label_room: float) -> None:
    """Set the student's scales from demonstrations; done once, they are part of the model."""
    state, reference = arrays[STATE], arrays[REFERENCE]
    delta = arrays[ACTION] - reference[:, :1]
    values = {
        'state_mean': state.mean(0), 'state_std': np.maximum(state.std(0), 1e-3),
        'delta_std': np.maximum(delta.std(0), 1e-4),
        'label_limit': label_room * np.maximum(np.abs(delta).max(0), 1e-3),
        'error_std': np.maximum((reference[:, 0] - state).std(0), 1e-4),
        'velocity_std': np.maximum(reference[:, 1].std(0), 1e-3),
        'target_mean': arrays[TARGETS].mean(0),
        'target_std': np.maximum(arrays[TARGETS].std(0), 1e-6),
    }
    for name, value in values.items():
        getattr(student, name).copy_(torch.from_numpy(value.astype(np.float32)))


def train(student: Student, arrays: Mapping[str, np.ndarray], config: TrainConfig, folder: Path,
          on_step: OnStep = lambda done, total, loss: None) -> TrainReport:
    """
    Train ``student`` in place on the joined episodes; ``folder`` takes its checkpoints.

    A training that was interrupted goes on from its newest checkpoint and ends with the same
    weights, because what step k sees depends only on the seed and on k.
    """
    torch.set_num_threads(config.threads)
    count = len(arrays[ACTION])
    batch = min(config.batch, count)
    names = [name for name in arrays if name not in (ACTION, TARGETS)]
    images = [name for name in names if name.startswith(IMAGE)]
    largest = max(int(np.prod(arrays[name].shape[1:])) for name in images) * batch
    augment = Augmenter(Augmentation(), config.seed, largest)
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.steps + 1, pct_start=0.1)
    row_weight = torch.exp(-torch.arange(student.horizon) / config.row_decay)
    row_weight = (row_weight / row_weight.mean())[:, None]
    checkpoint = _Checkpoint(folder / 'checkpoint.pt', config, count)
    start, sums = checkpoint.restore(student, optimizer, schedule)
    tail = config.steps - max(config.steps // 10, 1)
    student.train()
    for step in range(start, config.steps):
        picked = _batch_of(step, count, batch, config.seed)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        inputs = {name: torch.from_numpy(arrays[name][picked]) for name in names}
        for name in images:
            inputs[name] = augment(inputs[name], generator)
        delta = torch.from_numpy(arrays[ACTION][picked]) - inputs[REFERENCE][:, :1]
        limit = student.label_limit
        wanted = torch.minimum(torch.maximum(delta, -limit), limit) / student.delta_std
        known = ((torch.from_numpy(arrays[TARGETS][picked]) - student.target_mean)
                 / student.target_std)
        chunk, targets = student(inputs, mixed=config.mixed and step < tail)
        weight = 1.0 / (config.precision + wanted.abs().mean(dim=(1, 2), keepdim=True))
        weight = row_weight * weight / weight.mean()
        action_loss = ((chunk - wanted).abs() * weight).mean()
        target_loss = (targets - known).abs().mean()
        loss: Tensor = action_loss + config.target_weight * target_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step >= tail:
            sums = (sums[0] + action_loss.item(), sums[1] + target_loss.item())
        on_step(step + 1, config.steps, loss.item())
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            checkpoint.write(student, optimizer, schedule, step + 1, sums)
    student.eval()
    ended = max(config.steps - tail, 1)
    return TrainReport(samples=count, steps=config.steps,
                       action_loss=sums[0] / ended, target_loss=sums[1] / ended)


def save_weights(student: Student, path: Path) -> None:
    """Write the weights as safetensors, under a temporary name first."""
    scratch = path.with_suffix('.part')
    save_file({name: value.contiguous() for name, value in student.state_dict().items()}, scratch)
    scratch.replace(path)


def load_weights(student: Student, path: Path) -> None:
    """Read weights; they must be this student's, name for name."""
    student.load_state_dict(load_file(path), strict=True)


def _batch_of(step: int, count: int, batch: int, seed: int) -> np.ndarray:
    """Return the samples of a step: each epoch is one shuffle, its incomplete batch dropped."""
    epoch, place = divmod(step, count // batch)
    order = np.random.default_rng((seed, epoch)).permutation(count)
    return np.sort(order[place * batch:(place + 1) * batch])


class _Checkpoint:
    """A training's state on disk; one of another training is not picked up."""

    def __init__(self, path: Path, config: TrainConfig, samples: int) -> None:
        self._path = path
        self._identity = hashlib.sha256(
            json.dumps([asdict(config), samples], sort_keys=True).encode()).hexdigest()

    def write(self, student: Student, optimizer: torch.optim.Optimizer,
              schedule: torch.optim.lr_scheduler.LRScheduler, step: int,
              sums: tuple[float, float]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_suffix('.part')
        torch.save({
            'identity': self._identity, 'step': step, 'sums': list(sums),
            'student': student.state_dict(), 'optimizer': optimizer.state_dict(),
            'schedule': schedule.state_dict()}, scratch)
        scratch.replace(self._path)

    def restore(self, student: Student, optimizer: torch.optim.Optimizer,
                schedule: torch.optim.lr_scheduler.LRScheduler,
                ) -> tuple[int, tuple[float, float]]:
        if not self._path.exists():
            return 0, (0.0, 0.0)
        state = torch.load(self._path, weights_only=True)
        if state['identity'] != self._identity:
            return 0, (0.0, 0.0)
        student.load_state_dict(state['student'])
        optimizer.load_state_dict(state['optimizer'])
        schedule.load_state_dict(state['schedule'])
        return int(state['step']), (state['sums'][0], state['sums'][1])
