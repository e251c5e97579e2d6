"""A bundle's model behind the Policy protocol, on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import time
from typing import Any

import numpy as np
from physical_ai_bridge.contract.bundle import (
    action_columns,
    Bundle,
    compare_tensors,
    gripper_columns,
    input_tensors,
    Manifest,
    output_tensors,
)
from physical_ai_bridge.contract.errors import BundleError, ProviderError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.inputs import check_inputs
from physical_ai_bridge.policy.onnx_session import (
    BoundRun,
    check_model_file,
    DirectRun,
    first_line,
    model_tensors,
    Run,
    session_options,
    session_tensors,
    unusable,
)
from physical_ai_bridge.policy.providers import (
    check_running,
    DEFAULT_PROVIDERS,
    load_onnxruntime,
    onnxruntime_errors,
    plan_providers,
    prepare_libraries,
    ProviderOptions,
)

__all__ = ['OnnxPolicy', 'model_tensors']

WARM_UP_RUNS = 3


class OnnxPolicy:
    """
    Runs a bundle's model, and says which provider does.

    Loading holds the model's real inputs and outputs against the manifest and runs it a few times
    on zeros, so that the first observation does not pay for what only first runs cost.
    """

    def __init__(
            self,
            bundle: Bundle,
            *,
            providers: Sequence[str] = DEFAULT_PROVIDERS,
            require_provider: str | None = None,
            deadline_s: float | None = None,
            intra_op_threads: int = 1,
            engine_cache: str | Path | None = None,
            device_id: int = 0,
            io_binding: bool | None = None,
            warm_up_runs: int = WARM_UP_RUNS,
    ) -> None:
        """
        Load the model; a TensorRT engine that is not in ``engine_cache`` yet is built here.

        ``providers`` are tried in order, by the names of ``providers.PROVIDERS``; each that is
        passed over leaves a sentence in ``warnings``. ``deadline_s`` is how long an inference may
        take, None (which a shell that runs in lockstep wants) for ever. ``io_binding`` copies the
        inputs into buffers on the device that are allocated once; None does so where that gains
        something, which is not on a CPU.

        Raises
        ------
        BundleError
            If the model is damaged, does not run, or is not what the manifest says.
        ProviderError
            If ``require_provider`` is not what would run it, or none of ``providers`` is.
        SetupError
            If onnxruntime is not installed.

        """
        self._bundle = bundle
        self._ort = load_onnxruntime()
        self._errors = onnxruntime_errors(self._ort)
        self._deadline_s = deadline_s
        self._inputs = input_tensors(bundle.manifest)
        self._outputs = output_tensors(bundle.manifest)
        (self._action, self._chunk), = self._outputs.items()
        self._last_inference_s: float | None = None
        plan = plan_providers(
            ProviderOptions(tuple(providers), require_provider,
                            None if engine_cache is None else Path(engine_cache), device_id),
            self._ort.get_available_providers())
        check_model_file(bundle.model_path)
        prepare_libraries(self._ort, plan)
        failures: dict[str, str] = {}
        for first, name in enumerate(plan.order):
            try:
                session = self._open(plan.session_arguments(first), intra_op_threads)
                self._provider, warnings = check_running(plan, session.get_providers(), failures)
                self._run = self._runner(session, device_id, io_binding)
                self.warm_up(warm_up_runs)
            except self._errors as error:
                if name in (plan.order[-1], require_provider):
                    raise self._hopeless(name, error) from None
                failures[name] = first_line(error)
            else:
                break
        self.warnings = (*plan.warnings, *warnings)

    def _open(self, providers: list[tuple[str, dict[str, Any]]], intra_op_threads: int) -> Any:
        """Open the model, and make sure that it is what the manifest says."""
        path = self._bundle.model_path
        session = self._ort.InferenceSession(
            str(path), session_options(self._ort, intra_op_threads), providers=providers,
            enable_fallback=0)
        inputs, outputs = session_tensors(session)
        problems = (compare_tensors(self._inputs, inputs, path, 'input')
                    + compare_tensors(self._outputs, outputs, path, 'output'))
        if problems:
            raise BundleError(problems)
        return session

    def _hopeless(self, provider: str, error: Exception) -> BundleError | ProviderError:
        """Return what to raise where no other provider may be tried, by whose fault it is."""
        if provider != 'cpu':
            model_tensors(self._bundle.model_path)  # raises if it is the model's
            return ProviderError(f'{provider} cannot run this model: {first_line(error)}; see '
                                 'that the NVIDIA driver, CUDA and cuDNN fit this onnxruntime')
        return unusable(self._bundle.model_path, error)

    def _runner(self, session: Any, device_id: int, io_binding: bool | None) -> Run:
        on_cpu = self._provider == 'cpu'
        if on_cpu if io_binding is None else not io_binding:
            return DirectRun(session, self._action)
        return BoundRun(self._ort, session, self._inputs, self._outputs,
                        'cpu' if on_cpu else 'cuda', device_id)

    @property
    def manifest(self) -> Manifest:
        """What the policy needs and returns."""
        return self._bundle.manifest

    @property
    def provider(self) -> str:
        """The execution provider that runs the model: tensorrt, cuda or cpu."""
        return self._provider

    @property
    def last_inference_s(self) -> float | None:
        """How long the model itself took last, on the steady clock; None before the first."""
        return self._last_inference_s

    def warm_up(self, runs: int = WARM_UP_RUNS) -> None:
        """Run the model on zeros; neither latency figures nor the deadline see it."""
        zeros = {name: np.zeros(tensor.shape, tensor.dtype)
                 for name, tensor in self._inputs.items()}
        for _ in range(runs):
            self._run(zeros)

    def infer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """
        Return the action chunk, float32 (horizon, W), for one observation.

        Raises
        ------
        InferenceError
            If the model fails, returns something that is not finite, or misses the deadline.

        """
        # A bound buffer would not notice.
        check_inputs(inputs, self._inputs)
        begun_ns = time.perf_counter_ns()
        try:
            actions = self._run(inputs)
        except self._errors as error:
            raise InferenceError(Reason.INFERENCE_FAILED, first_line(error)) from None
        self._last_inference_s = taken_s = (time.perf_counter_ns() - begun_ns) / 1e9
        if actions.shape != self._chunk.shape:
            raise InferenceError(Reason.ACTION_MALFORMED, f'the model returned {actions.dtype} '
                                 f'{list(actions.shape)}, the manifest says {self._chunk}')
        if not np.isfinite(actions).all():
            row, column = np.argwhere(~np.isfinite(actions))[0]
            raise InferenceError(
                Reason.ACTION_MALFORMED, f'row {row} of the chunk has {actions[row, column]} for '
                f'{(*action_columns(self.manifest), *gripper_columns(self.manifest))[column]}')
        if self._deadline_s is not None and taken_s > self._deadline_s:
            raise InferenceError(
                Reason.DEADLINE_MISSED, f'the inference took {taken_s * 1e3:.1f} ms, '
                f'deadline_s is {self._deadline_s:g}')
        return actions
