"""A bundle's model on ONNX Runtime: what is run, what is refused, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import sys

import numpy as np
from physical_ai_bridge.contract.bundle import (
    Bundle,
    input_tensors,
    Manifest,
    output_tensors,
    Tensor,
)
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.errors import BundleError, ProviderError, SetupError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.policy.errors import InferenceError
from physical_ai_bridge.policy.onnx_policy import model_tensors, OnnxPolicy
from physical_ai_bridge.policy.providers import load_onnxruntime
from physical_ai_bridge.testing.contracts import example_manifest, JOINTS
from physical_ai_bridge.testing.models import linear_model_bytes, write_bundle, write_linear_bundle
from physical_ai_bridge.testing.policy_contract import example_inputs, PolicyContract
import pytest

MANIFEST = example_manifest(tasks=('insert', 'pull'))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_linear_bundle(tmp_path / 'bundle', MANIFEST, offset_rad=0.25)
    return load_bundle(tmp_path / 'bundle')


def cpu(bundle: Bundle, **options: object) -> OnnxPolicy:
    return OnnxPolicy(bundle, providers=('cpu',), **options)


def broken_model(tmp_path: Path, **changes: object) -> Bundle:
    """Return a bundle whose manifest is MANIFEST and whose model is another one."""
    return write_bundle(tmp_path / 'broken', MANIFEST, linear_model_bytes(MANIFEST, **changes))


class TestContract(PolicyContract):

    @pytest.fixture
    def policy(self, bundle: Bundle) -> OnnxPolicy:
        return cpu(bundle)


class TestContractThroughBoundBuffers(PolicyContract):
    """The way that a GPU takes, on buffers that lie on the CPU."""

    @pytest.fixture
    def policy(self, bundle: Bundle) -> OnnxPolicy:
        return cpu(bundle, io_binding=True)


class TestInference:

    def test_the_model_is_what_runs(self, bundle):
        inputs = example_inputs(MANIFEST)
        chunk = cpu(bundle).infer(inputs)
        np.testing.assert_allclose(
            chunk, np.broadcast_to(inputs['observation.reference'][0] + 0.25, chunk.shape),
            atol=1e-6)

    def test_bound_buffers_give_the_same_bits(self, bundle):
        inputs = example_inputs(MANIFEST)
        bound, direct = (cpu(bundle, io_binding=binding) for binding in (True, False))
        assert bound.infer(inputs).tobytes() == direct.infer(inputs).tobytes()

    def test_warming_up_is_no_inference(self, bundle):
        policy = cpu(bundle, deadline_s=1e-9)
        assert policy.last_inference_s is None
        policy.warm_up()
        assert policy.last_inference_s is None

    def test_an_inference_leaves_its_duration(self, bundle):
        policy = cpu(bundle)
        policy.infer(example_inputs(MANIFEST))
        assert policy.last_inference_s > 0.0

    def test_a_late_chunk_is_refused(self, bundle):
        policy = cpu(bundle, deadline_s=1e-9)
        with pytest.raises(InferenceError, match='deadline_s is 1e-09') as caught:
            policy.infer(example_inputs(MANIFEST))
        assert caught.value.refusal.reason is Reason.DEADLINE_MISSED
        assert policy.last_inference_s > 0.0

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    def test_a_chunk_that_is_not_finite_is_refused_by_row_and_joint(self, tmp_path, value):
        offset = np.zeros((16, 6))
        offset[3, 4] = value
        policy = cpu(broken_model(tmp_path, offset_rad=offset))
        with pytest.raises(InferenceError, match=f'row 3 .* {value} for {JOINTS[4]}') as caught:
            policy.infer(example_inputs(MANIFEST))
        assert caught.value.refusal.reason is Reason.ACTION_MALFORMED

    def test_a_policy_goes_on_after_a_refusal(self, bundle):
        policy = cpu(bundle)
        inputs = example_inputs(MANIFEST)
        with pytest.raises(InferenceError):
            policy.infer({**inputs, 'observation.state': np.zeros(6)})
        policy.infer(inputs)

    @pytest.mark.parametrize('changes', [
        {'observation.state': np.zeros(6, np.float64)},
        {'observation.state': np.zeros(5, np.float32)},
        {'observation.images.top': np.zeros((64, 64, 3), np.uint8)}])
    def test_inputs_that_are_not_the_manifests_are_refused_by_name(self, bundle, changes):
        with pytest.raises(InferenceError, match=next(iter(changes))) as caught:
            cpu(bundle).infer({**example_inputs(MANIFEST), **changes})
        assert caught.value.refusal.reason is Reason.INFERENCE_FAILED

    def test_a_model_that_raises_is_an_inference_error(self, tmp_path):
        policy = cpu(failing_bundle(tmp_path), warm_up_runs=0)
        with pytest.raises(InferenceError) as caught:
            policy.infer(example_inputs(MANIFEST))
        assert caught.value.refusal.reason is Reason.INFERENCE_FAILED
        assert '\n' not in caught.value.refusal.detail


def failing_bundle(tmp_path: Path) -> Bundle:
    """Return a bundle whose model opens and then reads past the end of a tensor."""
    import onnx

    model = onnx.load_from_string(linear_model_bytes(MANIFEST))
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.array(9), 'first'))
    return write_bundle(tmp_path / 'failing', MANIFEST, model.SerializeToString())


class TestLoading:

    def test_the_provider_that_runs_is_told(self, bundle):
        policy = OnnxPolicy(bundle)
        assert policy.provider == 'cpu'
        assert cpu(bundle).warnings == ()

    def test_a_fall_back_is_told(self, bundle):
        onnxruntime = load_onnxruntime()
        if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
            pytest.skip('this onnxruntime offers CUDA')
        warnings = OnnxPolicy(bundle).warnings
        assert any('cuda is not used' in warning for warning in warnings)
        with pytest.raises(ProviderError, match='cuda is required'):
            OnnxPolicy(bundle, require_provider='cuda')

    @pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.99])
    def test_a_truncated_model_is_refused_in_one_sentence(self, bundle, share, capfd):
        whole = bundle.model_path.read_bytes()
        bundle.model_path.write_bytes(whole[:int(share * len(whole))])
        for load in (lambda: cpu(bundle), lambda: model_tensors(bundle.model_path)):
            with pytest.raises(BundleError) as caught:
                load()
            assert str(caught.value).count(str(bundle.model_path)) == 1
            assert '\n' not in str(caught.value)
        assert capfd.readouterr() == ('', '')

    @pytest.mark.parametrize('content', [b'not a model at all', b'\0' * 100, b'<html></html>'])
    def test_a_file_that_is_no_model_is_refused(self, bundle, content, capfd):
        bundle.model_path.write_bytes(content)
        with pytest.raises(BundleError, match='not a whole ONNX model'):
            cpu(bundle)
        assert capfd.readouterr() == ('', '')

    def test_a_model_that_is_not_there_is_refused(self, bundle):
        bundle.model_path.unlink()
        with pytest.raises(BundleError, match='No such file'):
            cpu(bundle)

    def test_a_model_that_cannot_run_is_refused_before_the_first_observation(
            self, tmp_path, capfd):
        with pytest.raises(BundleError, match='can run: '):
            cpu(failing_bundle(tmp_path))
        assert capfd.readouterr() == ('', '')

    def test_every_difference_from_the_manifest_is_told_at_once(self, tmp_path):
        inputs = input_tensors(MANIFEST)
        del inputs['task']
        inputs['observation.images.scene'] = Tensor('uint8', (64, 64, 4))
        inputs['observation.images.top'] = Tensor('uint8', (64, 64, 3))
        with pytest.raises(BundleError) as caught:
            cpu(broken_model(tmp_path, inputs=inputs))
        assert {problem.key for problem in caught.value.problems} == {
            'task', 'observation.images.scene', 'observation.images.top'}

    @pytest.mark.parametrize('tensor', [
        Tensor('float32', (16, 5)), Tensor('float32', (8, 6)), Tensor('float64', (16, 6))])
    def test_another_chunk_than_the_manifests_is_refused(self, tmp_path, tensor):
        inputs = {name: wanted for name, wanted in input_tensors(MANIFEST).items()
                  if not name.startswith('observation.reference')}
        with pytest.raises(BundleError, match='action'):
            cpu(broken_model(tmp_path, inputs=inputs, outputs={'action': tensor}))

    def test_a_model_made_for_other_joints_is_refused(self, bundle):
        manifest = replace(MANIFEST, joints=(*JOINTS, 'seventh_joint'))
        with pytest.raises(BundleError, match=r'observation\.state'):
            cpu(replace(bundle, manifest=manifest))

    def test_without_onnxruntime_the_extra_is_named(self, bundle, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnxruntime', None)
        for load in (lambda: cpu(bundle), lambda: model_tensors(bundle.model_path)):
            with pytest.raises(SetupError, match=r'pip install "physical_ai_bridge\[cpu\]"'):
                load()


class TestModelTensors:

    @pytest.mark.parametrize('manifest', [MANIFEST, example_manifest(joints=JOINTS[:3])])
    def test_they_are_what_the_model_has(self, tmp_path, manifest: Manifest):
        written = write_linear_bundle(tmp_path / 'bundle', manifest)
        assert model_tensors(written.model_path) == (
            input_tensors(manifest), output_tensors(manifest))

    def test_a_size_that_is_left_open_is_told(self, tmp_path):
        import onnx

        model = onnx.load_from_string(linear_model_bytes(MANIFEST))
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = 'batch'
        bundle = write_bundle(tmp_path / 'open', MANIFEST, model.SerializeToString())
        inputs, _ = model_tensors(bundle.model_path)
        assert inputs['observation.images.scene'] == Tensor('uint8', (-1, 64, 3))
        with pytest.raises(BundleError, match=r'observation\.images\.scene'):
            cpu(bundle)
