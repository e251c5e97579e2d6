"""
Which execution provider runs a model, decided in the open.

ONNX Runtime falls back to the CPU without a word when a provider's libraries are missing, and
TensorRT builds an engine for minutes at first use. So: what is asked for is held against what
this onnxruntime offers before a session is made, what runs is read back after it, and every step
down is either a warning that the shell logs or, with ``require``, an error.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
import difflib
import io
from pathlib import Path
from types import ModuleType
from typing import Any

from physical_ai_bridge.contract.errors import ProviderError, SetupError

PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
DEFAULT_PROVIDERS = ('tensorrt', 'cuda', 'cpu')

_SEVERITY_FATAL = 4


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """
    What is asked for: ``order`` from the first choice to the last, by the names of PROVIDERS.

    With ``require`` that provider runs or nothing does; those before it in ``order`` are not
    tried. TensorRT is only tried with an ``engine_cache``, a folder in which the engine that it
    builds at first use, for minutes, is kept.
    """

    order: tuple[str, ...] = DEFAULT_PROVIDERS
    require: str | None = None
    engine_cache: Path | None = None
    device_id: int = 0


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """What to try, in this order, and what was left out and why."""

    options: ProviderOptions
    order: tuple[str, ...]
    warnings: tuple[str, ...]

    def session_arguments(self, first: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the providers for a session that begins with the ``first``-th of the order."""
        return [(PROVIDERS[name], self._arguments(name)) for name in self.order[first:]]

    def _arguments(self, name: str) -> dict[str, Any]:
        if name == 'cuda':
            # An exhaustive search for kernels takes long and may choose others each time.
            return {'device_id': self.options.device_id, 'cudnn_conv_algo_search': 'HEURISTIC'}
        if name == 'tensorrt':
            folder = str(self.options.engine_cache)
            return {'device_id': self.options.device_id,
                    'trt_engine_cache_enable': True, 'trt_engine_cache_path': folder,
                    'trt_timing_cache_enable': True, 'trt_timing_cache_path': folder}
        return {}


def load_onnxruntime() -> ModuleType:
    """
    Return the onnxruntime module, silenced: what it has to say comes as exceptions.

    Raises
    ------
    SetupError
        If it is not installed; the message names the extras that bring it.

    """
    try:
        import onnxruntime
    except ImportError as error:
        raise SetupError(
            f'onnxruntime cannot be imported ({error}): install it with '
            'pip install "physical_ai_bridge[cpu]" or, for an NVIDIA GPU, '
            'pip install "physical_ai_bridge[gpu]"') from None
    onnxruntime.set_default_logger_severity(_SEVERITY_FATAL)
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def onnxruntime_errors(onnxruntime: ModuleType) -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises; its exceptions have no common base of their own."""
    state = onnxruntime.capi.onnxruntime_pybind11_state
    own = [value for value in vars(state).values()
           if isinstance(value, type) and issubclass(value, Exception)]
    return (*own, RuntimeError, ValueError)


def plan_providers(options: ProviderOptions, available: list[str]) -> ProviderPlan:
    """
    Hold what is asked for against ``onnxruntime.get_available_providers()``.

    Raises
    ------
    ProviderError
        If a name is unknown, if the required provider cannot be had, or if none can.

    """
    order, require = options.order, options.require
    for name in (*order, *([require] if require is not None else [])):
        if name not in PROVIDERS:
            close = difflib.get_close_matches(name, PROVIDERS, n=1)
            hint = f' (did you mean {close[0]}?)' if close else ''
            raise ProviderError(
                f'there is no provider {name!r}{hint}: write {_listed(PROVIDERS)}')
    if not order or len(set(order)) != len(order):
        raise ProviderError(f'the providers {_listed(order) or "(none)"} do not make an order: '
                            f'write each of {_listed(PROVIDERS)} at most once, and one at least')
    if require is not None:
        if require not in order:
            raise ProviderError(f'{require} is required, but the providers to try are '
                                f'{_listed(order)}: add {require} to them')
        order = order[order.index(require):]
    reasons = {name: reason for name in order
               if (reason := _obstacle(name, options, available)) is not None}
    if require in reasons:
        raise ProviderError(f'{require} is required, but {reasons[require]}')
    possible = tuple(name for name in order if name not in reasons)
    if not possible:
        raise ProviderError(
            f'no provider can be had: {"; ".join(reasons.values())}; or add cpu to the providers')
    return ProviderPlan(options, possible, tuple(
        f'{name} is not used: {reason}' for name, reason in reasons.items()))


def _obstacle(name: str, options: ProviderOptions, available: list[str]) -> str | None:
    """Return why a provider cannot even be tried, and what to do; None if it can."""
    if PROVIDERS[name] not in available:
        offered = [short for short, full in PROVIDERS.items() if full in available]
        return (f'this onnxruntime offers {_listed(offered)} alone: for {name} replace the extra '
                '[cpu] by [gpu], pip uninstall onnxruntime, then '
                'pip install "physical_ai_bridge[gpu]"')
    if name == 'tensorrt' and options.engine_cache is None:
        return ('TensorRT builds an engine for minutes at each start unless it may keep it: '
                'name a folder as its engine cache')
    return None


def check_running(
        plan: ProviderPlan, running: list[str], failures: dict[str, str]) -> tuple[str, list[str]]:
    """
    Return the provider that runs, given ``session.get_providers()``, and warnings about it.

    ``failures`` says why providers before it could not be used, as far as that is known.

    Raises
    ------
    ProviderError
        If it is not the required one, or not even one of those asked for.

    """
    names = [short for full in running for short, name in PROVIDERS.items() if name == full]
    runs = names[0] if names else ', '.join(running) or 'nothing'
    silent = ('onnxruntime found it, but its libraries or its device did not load: check the '
              'NVIDIA driver with nvidia-smi, and CUDA and cuDNN against the versions that this '
              'onnxruntime needs')
    require = plan.options.require
    if require is not None and runs != require:
        raise ProviderError(f'{require} is required, but {runs} would run the model; '
                            f'{failures.get(require, silent)}')
    if runs not in plan.order:
        asked = _listed(plan.order)
        raise ProviderError(f'{asked} was asked for, but {runs} would run the model; '
                            f'{failures.get(plan.order[0], silent)}; or add {runs} to the '
                            'providers')
    return runs, [f'{name} is not used, {runs} runs the model: {failures.get(name, silent)}'
                  for name in plan.order[:plan.order.index(runs)]]


def prepare_libraries(onnxruntime: ModuleType, plan: ProviderPlan) -> None:
    """Load CUDA and cuDNN from wheels, and make the engine cache, where the plan has use."""
    if plan.options.engine_cache is not None and 'tensorrt' in plan.order:
        plan.options.engine_cache.mkdir(parents=True, exist_ok=True)
    if {'cuda', 'tensorrt'} & set(plan.order) and hasattr(onnxruntime, 'preload_dlls'):
        # It prints what it does not find; what matters of that comes out of check_running.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def _listed(names: Any) -> str:
    return ', '.join(names)
