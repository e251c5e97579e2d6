"""A cell file, and a bundle whose model is a real ONNX graph that fits it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
import shutil

from physical_ai_bridge.contract.bundle import input_tensors, output_tensors
from physical_ai_bridge.contract.bundle_file import describe_files, write_manifest
from physical_ai_bridge.testing.contracts import example_manifest
import pytest

CONFIG = Path(str(resources.files('physical_ai_bridge') / 'config'))


@pytest.fixture
def cell_file(tmp_path) -> Path:
    """Return a copy of the shipped cell, its URDF beside it, that a test may spoil."""
    for name in ('cells/mujoco_ur5e.yaml', 'robots/ur5e.urdf'):
        (tmp_path / name).parent.mkdir()
        shutil.copy(CONFIG / name, tmp_path / name)
    return tmp_path / 'cells' / 'mujoco_ur5e.yaml'


@pytest.fixture
def make_bundle(tmp_path):
    """Return a function that writes a bundle: a model with these tensors, and its manifest."""
    onnx = pytest.importorskip('onnx')

    def write_model(path, inputs, outputs):
        def values(tensors):
            return [onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(onnx.numpy_helper.np.dtype(each.dtype)),
                each.shape) for name, each in tensors.items()]
        nodes = [onnx.helper.make_node('Constant', [], [name], value=onnx.helper.make_tensor(
            name, onnx.TensorProto.FLOAT, each.shape, bytes(4 * each.shape[0] * each.shape[1]),
            raw=True)) for name, each in outputs.items()]
        graph = onnx.helper.make_graph(nodes, 'policy', values(inputs), values(outputs))
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid('', 17)], ir_version=9)
        onnx.save(model, path)

    def make(manifest=None, inputs=None, outputs=None) -> Path:
        manifest = manifest or example_manifest()
        folder = tmp_path / 'bundle'
        folder.mkdir()
        write_model(folder / 'model.onnx', {**input_tensors(manifest), **(inputs or {})},
                    outputs or output_tensors(manifest))
        write_manifest(folder, manifest)
        assert describe_files(folder).keys() == {'model.onnx'}
        return folder

    return make
