"""DAgger: the teacher shows, the student acts, the teacher says what it would have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
import re
import shutil

from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.distillation.config import (
    DEMONSTRATION_SEEDS,
    REPORT_SEEDS,
    ROUND_SEEDS,
    SEEDS_A_RUN,
    SELECTION_SEEDS,
)
from physical_ai_bridge.distillation.dataset import gather
from physical_ai_bridge.distillation.rollout import Actor, Job, run_all
from physical_ai_bridge.distillation.runs import read_json, RunFolder, write_json
from physical_ai_bridge.distillation.student import Student
from physical_ai_bridge.distillation.train import (
    fit_scales,
    load_weights,
    save_weights,
    train,
    TrainReport,
)
from physical_ai_bridge.simulation.rollout import Outcome, Score, score_of

# (stage, done, total, a short note): for progress bars.
Progress = Callable[[str, int, int, str], None]
# What a student is asked for on unseen seeds.
SHARE_OF_TEACHER = 0.95
PEAK_FORCE_P95_N = 45.0
# What may round differently in another version.
_SOFTWARE = ('torch', 'onnxscript', 'mujoco', 'numpy')


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """One round: what it was trained on, how that went, and how it did on the selection seeds."""

    index: int
    episodes: int
    dataset_sha256: str
    training: TrainReport
    selection: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillResult:
    """A whole distillation: every round, the one chosen, and its report on unseen seeds."""

    rounds: tuple[RoundResult, ...]
    chosen: int
    teacher: Score
    student: dict[str, Score]

    @property
    def holds(self) -> bool:
        """Whether the student does what is asked of it, at every brightness."""
        return all(score.success_rate >= SHARE_OF_TEACHER * self.teacher.success_rate
                   and score.peak_force_p95_n < PEAK_FORCE_P95_N
                   for score in self.student.values())


class Distiller:
    """
    Runs a distillation in its folder.

    Everything that was finished is kept there, so that running the same again after an
    interruption goes on where it was. Same configuration and seed: same data and same weights,
    however many ``workers`` there are.
    """

    def __init__(self, run: RunFolder, cell_file: Path, *, workers: int, progress: Progress,
                 ) -> None:
        self._run, self._config, self._cell_file = run, run.config, cell_file
        self._workers, self._progress = workers, progress

    def run(self, bundle: Path) -> DistillResult:
        """Record, train, choose, report, and write the bundle."""
        results: list[RoundResult] = []
        keys = self._demonstrate()
        student = self._run.new_student()
        for index in range(self._config.rounds + 1):
            if index:
                keys = keys + self._act(index)
            results.append(self._round(index, student, keys))
        chosen = max(results, key=lambda each: (
            each.selection.success_rate, -each.selection.peak_force_p95_n)).index
        load_weights(student, self._run.round(chosen) / 'weights.safetensors')
        result = DistillResult(
            rounds=tuple(results), chosen=chosen, teacher=self._report('teacher', None, 1.0),
            student={f'{brightness:g}': self._report(
                'student', self._run.bundle(chosen), brightness)
                for brightness in self._config.brightness})
        provenance = self._provenance(result)
        self._run.export(student, keys, bundle, provenance)
        write_json(self._run.path / 'result.json', {**asdict(result), 'provenance': provenance})
        return result

    def _demonstrate(self) -> list[str]:
        config = self._config
        perturbed = round(config.perturbed_share * config.demonstrations)
        return self._record('demonstrations', [
            self._job(f'r0-{place:05d}', DEMONSTRATION_SEEDS + place,
                      'perturbed' if place < perturbed else 'teacher')
            for place in range(config.demonstrations)])

    def _act(self, index: int) -> list[str]:
        first = ROUND_SEEDS + 100_000 * index
        return self._record(f'round {index} rollouts', [
            self._job(f'r{index}-{place:05d}', first + place, 'student',
                      bundle=self._run.bundle(index - 1))
            for place in range(self._config.episodes)])

    def _job(self, key: str, seed: int, actor: Actor, *, bundle: Path | None = None,
             record: bool = True, brightness: float = 1.0) -> Job:
        return Job(
            key=key, seed=self._config.seed * SEEDS_A_RUN + seed, actor=actor,
            cell_file=self._cell_file, manifest=self._run.manifest, bundle=bundle,
            store=self._run.store.folder if record else None,
            latency_s=self._config.latency_s, brightness=brightness)

    def _record(self, stage: str, jobs: list[Job]) -> list[str]:
        store = self._run.store
        self._rollouts(stage, [job for job in jobs if job.key not in store])
        # A rollout that strayed at once recorded nothing: there is no episode of it.
        return [job.key for job in jobs if job.key in store]

    def _rollouts(self, stage: str, jobs: list[Job]) -> list[Outcome]:
        done = successes = 0

        def on_done(outcome: Outcome) -> None:
            nonlocal done, successes
            done += 1
            successes += outcome.success
            self._progress(stage, done, len(jobs), f'{successes}/{done} succeeded')

        return run_all(jobs, self._workers, on_done)

    def _round(self, index: int, student: Student, keys: list[str]) -> RoundResult:
        config, run, folder = self._config, self._run, self._run.round(index)
        weights = folder / 'weights.safetensors'
        facts = run.round_facts(index)
        if facts is not None:
            load_weights(student, weights)
            student.eval()
            return RoundResult(**{
                **facts, 'training': TrainReport(**facts['training']),
                'selection': Score(**facts['selection'])})
        steps = (config.last_steps if index == config.rounds else
                 config.round_steps if index else config.first_steps)
        arrays = gather(run.store, keys, run.manifest, folder / 'cache')
        if index == 0:
            fit_scales(student, arrays, config.train.label_room)
        stage = f'round {index} training'
        training = train(
            student, arrays, replace(config.train, steps=steps, seed=config.seed + index), folder,
            lambda done, total, loss: self._progress(stage, done, total, f'loss {loss:.3f}'))
        del arrays
        shutil.rmtree(folder / 'cache')
        save_weights(student, weights)
        run.export(student, keys, run.bundle(index), {'round': index})
        selection = self._score(f'round {index} selection', [
            self._job(f's{index}-{place}', SELECTION_SEEDS + place, 'student',
                      bundle=run.bundle(index), record=False)
            for place in range(config.selection_episodes)])
        result = RoundResult(index=index, episodes=len(keys), training=training,
                             dataset_sha256=run.store.digest(keys), selection=selection)
        write_json(folder / 'round.json', asdict(result))
        return result

    def _report(self, actor: Actor, bundle: Path | None, brightness: float) -> Score:
        return self._score(f'{actor} on unseen seeds, brightness x{brightness:g}', [
            self._job(f'report-{place}', REPORT_SEEDS + place, actor, bundle=bundle,
                      record=False, brightness=brightness)
            for place in range(self._config.report_episodes)])

    def _score(self, stage: str, jobs: list[Job]) -> Score:
        """Run and score a set of episodes, unless this very policy was scored on them before."""
        bundle = jobs[0].bundle
        policy = 'teacher' if bundle is None else load_bundle(bundle).digest[:12]
        name = re.sub(r'[^a-z0-9.]+', '-', f'{stage} {policy}')
        file = self._run.path / 'scores' / f'{name}.json'
        if file.exists():
            return Score(**read_json(file))
        score = score_of(self._rollouts(stage, jobs))
        write_json(file, asdict(score))
        return score

    def _provenance(self, result: DistillResult) -> dict[str, object]:
        last = result.rounds[result.chosen]
        return {
            'teacher': 'scripted and privileged: it reads the pose of the socket',
            'method': 'DAgger: demonstrations, then rollouts of the student that the teacher '
                      'labelled',
            'training': self._config.as_provenance(),
            'software': {name: version(name) for name in _SOFTWARE},
            'dataset': {'episodes': last.episodes, 'samples': last.training.samples,
                        'sha256': last.dataset_sha256},
            'round': result.chosen,
            'fidelity': {
                'teacher': asdict(result.teacher),
                'student_by_brightness': {
                    name: asdict(score) for name, score in result.student.items()},
                'seeds': f'{REPORT_SEEDS} and on; nothing was trained or chosen on them'},
        }
