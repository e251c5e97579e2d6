"""What a rollout records is the teacher's word on the states that the actor visited."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.distillation.config import insertion_manifest
from physical_ai_bridge.distillation.dataset import ACTION, REFERENCE, TARGETS
from physical_ai_bridge.distillation.relabel import Perturbed, Relabelling

MANIFEST = insertion_manifest('test', tuple('abcdef'))


class Constant:
    """A policy that always wants the same offset from the reference."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    @property
    def manifest(self) -> Manifest:
        return MANIFEST

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.repeat(inputs[REFERENCE][:1], 16, axis=0) + np.float32(self.offset)


def test_the_actor_moves_and_the_teacher_labels(observation) -> None:
    recorder = Relabelling(Constant(0.2), Constant(0.1), lambda: np.arange(4.0), lambda: False)
    inputs = observation(MANIFEST, seed=3)
    chunk = recorder.infer(inputs)
    np.testing.assert_allclose(chunk - inputs[REFERENCE][0], 0.2, atol=1e-6)
    recorded = recorder.recorded()
    np.testing.assert_allclose(recorded[ACTION][0] - inputs[REFERENCE][0], 0.1, atol=1e-6)
    np.testing.assert_array_equal(recorded[TARGETS], [[0, 1, 2, 3]])
    for name, value in inputs.items():
        np.testing.assert_array_equal(recorded[name][0], value)


def test_what_is_recorded_does_not_change_when_the_caller_reuses_its_arrays(observation) -> None:
    recorder = Relabelling(
        Constant(0.0), Constant(0.0), lambda: np.zeros(4), lambda: False)
    inputs = observation(MANIFEST, seed=1)
    kept = {name: value.copy() for name, value in inputs.items()}
    recorder.infer(inputs)
    for value in inputs.values():
        value[...] = 0
    for name, value in kept.items():
        np.testing.assert_array_equal(recorder.recorded()[name][0], value)


def test_a_runaway_ends_the_recording_and_stays_a_runaway(observation) -> None:
    astray = iter([False, True, False])
    recorder = Relabelling(
        Constant(0.0), Constant(0.1), lambda: np.zeros(4), lambda: next(astray))
    recorder.infer(observation(MANIFEST))
    recorder.infer(observation(MANIFEST))
    recorder.infer(observation(MANIFEST))
    assert recorder.runaway
    assert len(recorder.recorded()[ACTION]) == 1


def test_a_label_that_is_not_finite_is_a_runaway(observation) -> None:
    recorder = Relabelling(
        Constant(0.0), Constant(float('nan')), lambda: np.zeros(4), lambda: False)
    recorder.infer(observation(MANIFEST))
    assert recorder.runaway
    assert recorder.recorded() == {}


def test_pushes_come_from_the_seed_alone_and_fade_out(observation) -> None:
    inputs = observation(MANIFEST)

    def offsets(seed: int) -> np.ndarray:
        policy = Perturbed(Constant(0.0), seed)
        return np.array([policy.infer(inputs)[0] - inputs[REFERENCE][0] for _ in range(300)])

    first = offsets(7)
    np.testing.assert_array_equal(first, offsets(7))
    assert np.any(first != offsets(8))
    pushed = np.any(first != 0.0, axis=1)
    assert 0.1 < pushed.mean() < 0.9
    assert np.abs(first).max() < 0.2
