"""Training learns what can only be seen, gives the same weights for a seed, and resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from physical_ai_bridge.distillation.augment import Augmentation, Augmenter
from physical_ai_bridge.distillation.config import insertion_manifest, TrainConfig
from physical_ai_bridge.distillation.dataset import REFERENCE
from physical_ai_bridge.distillation.student import (
    Deployed,
    Student,
    StudentShape,
)
from physical_ai_bridge.distillation.train import (
    fit_scales,
    load_weights,
    save_weights,
    train,
)
import pytest
import torch

MANIFEST = insertion_manifest('test', tuple('abcdef'))
SMALL = StudentShape(channels=(8, 8, 8, 8), hidden=32)
CONFIG = TrainConfig(steps=12, batch=16, checkpoint_every=5, mixed=False)


def student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    return Student(MANIFEST, SMALL)


@pytest.fixture
def episodes(seeing):
    return lambda count: seeing(MANIFEST, 11, count).arrays


def weights(model: Student) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def test_it_learns_what_only_the_camera_shows(tmp_path: Path, episodes) -> None:
    torch.set_num_threads(1)
    arrays, model = episodes(256), student()
    fit_scales(model, arrays, 1.5)
    losses: list[float] = []
    train(model, arrays, replace(CONFIG, steps=150, batch=32, learning_rate=4e-3), tmp_path,
          lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, episodes) -> None:
    arrays, found = episodes(40), []
    for run in range(2):
        model = student()
        train(model, arrays, CONFIG, tmp_path / str(run))
        found.append(weights(model))
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name], err_msg=name)


class PowerCutError(Exception):
    """Stands for the power cut."""


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path, episodes) -> None:
    arrays, whole, broken = episodes(40), student(), student()
    report = train(whole, arrays, CONFIG, tmp_path / 'whole')

    def cut(done: int, total: int, loss: float) -> None:
        if done == 8:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train(broken, arrays, CONFIG, tmp_path / 'broken', cut)
    resumed = student(seed=99)
    steps: list[int] = []
    again = train(resumed, arrays, CONFIG, tmp_path / 'broken',
                  lambda done, total, loss: steps.append(done))
    assert steps[0] == 6
    assert again == report
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(value, weights(resumed)[name], err_msg=name)


def test_a_checkpoint_of_another_training_is_not_picked_up(tmp_path: Path, episodes) -> None:
    arrays = episodes(40)
    train(student(), arrays, CONFIG, tmp_path)
    steps: list[int] = []
    train(student(), arrays, replace(CONFIG, seed=1), tmp_path,
          lambda done, total, loss: steps.append(done))
    assert steps[0] == 1


def test_weights_come_back_from_safetensors(tmp_path: Path) -> None:
    model, other = student(1), student(2)
    save_weights(model, tmp_path / 'weights.safetensors')
    load_weights(other, tmp_path / 'weights.safetensors')
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, weights(other)[name])


def test_the_deployed_graph_adds_its_deltas_to_the_reference(observation) -> None:
    model, inputs = student().eval(), observation(MANIFEST)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        chunk = Deployed(model, tuple(inputs))(*map(torch.from_numpy, inputs.values()))
    np.testing.assert_array_equal(chunk.numpy(), np.repeat(inputs[REFERENCE][:1], 16, axis=0))


def test_augmented_images_stay_images_and_follow_the_generator_alone() -> None:
    augment = Augmenter(Augmentation(), 0, 4 * 60 * 80 * 3)
    images = torch.randint(0, 256, (4, 60, 80, 3), dtype=torch.uint8)
    first = augment(images, torch.Generator().manual_seed(5))
    again = augment(images, torch.Generator().manual_seed(5))
    other = augment(images, torch.Generator().manual_seed(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0.0 and first.max() <= 255.0
    assert torch.equal(first, first.round())
    assert len({round(float(image.mean())) for image in first}) > 1


def test_no_change_is_asked_for_no_change_is_made() -> None:
    still = Augmentation(gain=(1.0, 1.0), tint=0.0, offset=0.0, noise=0.0)
    images = torch.randint(0, 256, (2, 6, 8, 3), dtype=torch.uint8)
    augmented = Augmenter(still, 0, images.numel())(images, torch.Generator().manual_seed(0))
    assert torch.equal(augmented, images.float())
