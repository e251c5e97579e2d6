"""Which provider runs is decided in the open: every step down is a warning or an error."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from physical_ai_bridge.contract.errors import ProviderError
from physical_ai_bridge.policy.providers import (
    check_running,
    plan_providers,
    ProviderOptions,
    PROVIDERS,
)
import pytest

CPU_ONLY = ['AzureExecutionProvider', 'CPUExecutionProvider']
GPU = ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']
CACHE = Path('engines')


class TestPlan:

    def test_everything_that_is_there_is_tried_in_the_order_asked_for(self):
        plan = plan_providers(ProviderOptions(engine_cache=CACHE), GPU)
        assert (plan.order, plan.warnings) == (('tensorrt', 'cuda', 'cpu'), ())
        plan = plan_providers(ProviderOptions(('cpu', 'cuda')), GPU)
        assert (plan.order, plan.warnings) == (('cpu', 'cuda'), ())

    def test_what_is_not_there_is_left_out_with_a_warning_that_says_what_to_do(self):
        plan = plan_providers(ProviderOptions(), CPU_ONLY)
        assert plan.order == ('cpu',)
        assert [warning.split()[0] for warning in plan.warnings] == ['tensorrt', 'cuda']
        assert 'pip install "physical_ai_bridge[gpu]"' in plan.warnings[1]

    def test_tensorrt_is_not_built_unless_its_engine_can_be_kept(self):
        plan = plan_providers(ProviderOptions(), GPU)
        assert plan.order == ('cuda', 'cpu')
        assert 'engine cache' in plan.warnings[0]
        with pytest.raises(ProviderError, match='tensorrt is required, but TensorRT builds'):
            plan_providers(ProviderOptions(require='tensorrt'), GPU)

    def test_what_is_required_is_tried_first(self):
        plan = plan_providers(ProviderOptions(require='cuda', engine_cache=CACHE), GPU)
        assert plan.order == ('cuda', 'cpu')

    @pytest.mark.parametrize('require', ['cuda', 'tensorrt'])
    def test_what_is_required_and_not_there_is_an_error(self, require):
        with pytest.raises(ProviderError, match=f'{require} is required, but this onnxruntime '
                           'offers cpu alone'):
            plan_providers(ProviderOptions(require=require, engine_cache=CACHE), CPU_ONLY)

    def test_what_is_required_must_be_asked_for(self):
        with pytest.raises(ProviderError, match='add cuda to them'):
            plan_providers(ProviderOptions(('cpu',), require='cuda'), GPU)

    def test_nothing_left_is_an_error(self):
        with pytest.raises(ProviderError, match='or add cpu to the providers'):
            plan_providers(ProviderOptions(('tensorrt', 'cuda')), CPU_ONLY)

    @pytest.mark.parametrize('options', [
        ProviderOptions(('cudda', 'cpu')), ProviderOptions(require='cudda')])
    def test_an_unknown_name_is_an_error_with_a_guess(self, options):
        with pytest.raises(ProviderError, match=r"no provider 'cudda' \(did you mean cuda\?\)"):
            plan_providers(options, GPU)

    @pytest.mark.parametrize('order', [(), ('cpu', 'cpu')])
    def test_an_order_names_each_once_and_one_at_least(self, order):
        with pytest.raises(ProviderError, match='do not make an order'):
            plan_providers(ProviderOptions(order), GPU)

    def test_a_session_gets_the_engine_cache_and_the_device(self):
        plan = plan_providers(ProviderOptions(engine_cache=CACHE, device_id=1), GPU)
        arguments = plan.session_arguments(0)
        assert [name for name, _ in arguments] == GPU
        assert arguments[0][1]['trt_engine_cache_path'] == 'engines'
        assert [options.get('device_id') for _, options in arguments] == [1, 1, None]
        assert [name for name, _ in plan.session_arguments(2)] == GPU[2:]


class TestWhatRuns:

    def test_the_first_choice_runs_without_a_word(self):
        plan = plan_providers(ProviderOptions(), GPU)
        assert check_running(plan, GPU[1:], {}) == ('cuda', [])

    def test_a_silent_fall_back_is_a_warning(self):
        plan = plan_providers(ProviderOptions(), GPU)
        runs, warnings = check_running(plan, ['CPUExecutionProvider'], {})
        assert runs == 'cpu'
        assert warnings[0].startswith('cuda is not used, cpu runs the model: ')
        assert 'nvidia-smi' in warnings[0]

    def test_a_silent_fall_back_from_what_is_required_is_an_error(self):
        plan = plan_providers(ProviderOptions(require='cuda'), GPU)
        with pytest.raises(ProviderError, match='cuda is required, but cpu would run the model'):
            check_running(plan, ['CPUExecutionProvider'], {})

    def test_a_silent_fall_back_to_what_was_not_asked_for_is_an_error(self):
        plan = plan_providers(ProviderOptions(('cuda',)), GPU)
        with pytest.raises(ProviderError, match=r'cuda was asked for, but cpu would .*add cpu'):
            check_running(plan, ['CPUExecutionProvider'], {})

    def test_a_known_failure_is_told(self):
        plan = plan_providers(ProviderOptions(), GPU)
        _, warnings = check_running(plan, ['CPUExecutionProvider'], {'cuda': 'out of memory'})
        assert warnings == ['cuda is not used, cpu runs the model: out of memory']

    @given(st.permutations(list(PROVIDERS)), st.integers(1, 3), st.sets(
        st.sampled_from(sorted(PROVIDERS.values()))), st.sampled_from([None, *PROVIDERS]),
        st.sampled_from(sorted(PROVIDERS.values())))
    def test_never_silent(self, order, count, available, require, running):
        options = ProviderOptions(tuple(order[:count]), require, CACHE)
        try:
            plan = plan_providers(options, sorted(available))
            runs, warnings = check_running(plan, [running], {})
        except ProviderError:
            return
        assert runs in options.order
        assert require in (None, runs)
        said = ' '.join((*plan.warnings, *warnings))
        first = options.order.index(require) if require else 0
        for passed_over in options.order[first:options.order.index(runs)]:
            assert f'{passed_over} is not used' in said
