"""
What an offline evaluation costs beside what it cannot do without.

A recording with two 640x480 cameras at 30 Hz, joints and wrench at 500 Hz, is evaluated, and
beside it, in the same run, only read, its used frames decoded, and the bare model run on them, one
thing after the other. ``python benchmarks/evaluation.py`` prints the ratio of the two wall times,
for the packaged student and for a model as heavy as an ACT encoder, and how several recordings
scale with the number of workers.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import statistics
import tempfile
import time

import numpy as np
from physical_ai_bridge.bags.reader import Recording
from physical_ai_bridge.contract.bundle import ImageInput, input_tensors, Manifest
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.evaluation.offline.bag_job import (
    BagJob,
    failed_outcome,
    judge_bag,
    open_bench,
)
from physical_ai_bridge.evaluation.offline.fleet import in_fleet
from physical_ai_bridge.observation.decode import decode_image, resize_image
from physical_ai_bridge.runtime import cdr
from physical_ai_bridge.testing.bag_messages import smooth_motion
from physical_ai_bridge.testing.bags import write_bag
from physical_ai_bridge.testing.models import write_bundle

CAMERAS = ('scene', 'wrist')
SIDE = 224
# Inside the cell's workspace; at rest for as long as the supervisor wants to see it.
POSTURE_RAD = (0.0, -1.52, 2.11, -2.16, -1.57, 0.0)
REST_S = 0.6


def vga_cell(folder: Path) -> Path:
    """Write the packaged cell with cameras of 640x480 at 30 Hz."""
    text = config_path('cells/mujoco_ur5e.yaml').read_text('utf-8')
    text = text.replace('width: 320', 'width: 640').replace('height: 240', 'height: 480')
    text = text.replace('rate_hz: 15.0', 'rate_hz: 30.0')
    text = text.replace('../robots/', f'{config_path("robots")}/')
    path = folder / 'vga.yaml'
    path.write_text(text, 'utf-8')
    return path


def write_vga_bag(folder: Path, cell_path: Path, duration_s: float, compression: str) -> Path:
    """Write a recording of the packaged arm, which rests at first and then goes to and fro."""
    cell = load_cell(cell_path)
    moving = smooth_motion(cell, start=np.array(POSTURE_RAD))
    return write_bag(
        folder, cell, duration_s=duration_s, compression=compression, commands=True,
        emergency_stop=True, motion=lambda at_s: moving(max(0.0, at_s - REST_S)))


def heavy_bundle(folder: Path) -> Path:
    """Write a bundle of the packaged student's interface with two encoders of 224x224 pictures."""
    from onnx import helper, numpy_helper, TensorProto
    manifest = load_bundle(config_path('bundles/ur5e_insertion')).manifest
    observation = replace(manifest.observation, images={
        name: ImageInput(width=SIDE, height=SIDE, channels=3) for name in CAMERAS})
    manifest = replace(manifest, name='heavy', observation=observation, files={})
    rng, weights, nodes, pooled = np.random.default_rng(0), [], [], []

    def weight(name: str, *shape: int) -> str:
        scale = 1.0 / np.sqrt(np.prod(shape[1:]))
        weights.append(numpy_helper.from_array(
            rng.normal(scale=scale, size=shape).astype(np.float32), name))
        return name

    for camera in CAMERAS:
        at = f'observation.images.{camera}'
        nodes += [helper.make_node('Cast', [at], [f'{camera}.f'], to=TensorProto.FLOAT),
                  helper.make_node('Transpose', [f'{camera}.f'], [f'{camera}.t'], perm=[2, 0, 1]),
                  helper.make_node('Unsqueeze', [f'{camera}.t', 'zero'], [f'{camera}.0'])]
        widths = (3, 64, 128, 256, 512)
        for layer, (before, after) in enumerate(pairwise(widths)):
            size = 7 if layer == 0 else 3
            nodes += [
                helper.make_node('Conv', [
                    f'{camera}.{layer}', weight(f'{camera}.w{layer}', after, before, size, size)],
                    [f'{camera}.c{layer}'], strides=[2, 2], pads=[size // 2] * 4),
                helper.make_node('Relu', [f'{camera}.c{layer}'], [f'{camera}.{layer + 1}'])]
        nodes.append(helper.make_node('GlobalAveragePool', [f'{camera}.4'], [f'{camera}.p']))
        pooled.append(f'{camera}.p')
    action = manifest.action
    rows = action.horizon * len(manifest.joints)
    weights += [numpy_helper.from_array(np.array([0], np.int64), 'zero'),
                numpy_helper.from_array(np.array([1, -1], np.int64), 'flat'),
                numpy_helper.from_array(
                    np.array([action.horizon, len(manifest.joints)], np.int64), 'chunk'),
                numpy_helper.from_array(np.array(1e-6, np.float32), 'little')]
    nodes += [helper.make_node('Concat', pooled, ['both'], axis=1),
              helper.make_node('Reshape', ['both', 'flat'], ['row']),
              helper.make_node('MatMul', ['row', weight('out', 1024, rows)], ['flat_action']),
              helper.make_node('Reshape', ['flat_action', 'chunk'], ['raw']),
              helper.make_node('Mul', ['raw', 'little'], ['action'])]
    kinds = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT, 'int64': TensorProto.INT64}
    graph = helper.make_graph(nodes, 'heavy', [
        helper.make_tensor_value_info(name, kinds[tensor.dtype], tensor.shape)
        for name, tensor in input_tensors(manifest).items()],
        [helper.make_tensor_value_info(
            'action', TensorProto.FLOAT, (action.horizon, len(manifest.joints)))], weights)
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid('', 17)])
    write_bundle(folder / 'heavy', manifest, model.SerializeToString())
    return folder / 'heavy'


def bare(job: BagJob) -> tuple[float, float, float, int]:
    """Return the seconds of reading, decoding and inferring, and how many inferences."""
    bench = open_bench(job)
    manifest: Manifest = bench.binding.manifest
    cell, policy = bench.binding.cell, bench.opened.policy
    inputs = {name: np.zeros(tensor.shape, tensor.dtype)
              for name, tensor in input_tensors(manifest).items()}
    policy.infer(inputs)
    topics = {cell.sensors.cameras[name].topic: name for name in CAMERAS}
    newest, last_ns, decoding_s, inferring_s, count = {}, 0, 0.0, 0.0, 0
    spacing_ns = 0.75e9 / manifest.rate_hz
    begun_s = time.perf_counter()
    with Recording(job.bag) as recording:
        for message in recording.messages():
            name = topics.get(message.topic)
            if name is None:
                continue
            newest[name] = message
            if len(newest) < len(topics) or message.stamp_ns - last_ns < spacing_ns:
                continue
            last_ns = message.stamp_ns
            at_s = time.perf_counter()
            for camera, frame in newest.items():
                image = manifest.observation.images[camera]
                pixels = decode_image(
                    camera, cdr.SENSOR_DECODERS[frame.type_name](frame.data),
                    cell.sensors.cameras[camera])
                inputs[f'observation.images.{camera}'] = resize_image(
                    pixels, image.width, image.height)
            decoded_s = time.perf_counter()
            policy.infer(inputs)
            decoding_s += decoded_s - at_s
            inferring_s += time.perf_counter() - decoded_s
            count += 1
    total_s = time.perf_counter() - begun_s
    return total_s - decoding_s - inferring_s, decoding_s, inferring_s, count


def compare(job: BagJob, label: str, rounds: int) -> None:
    """Print the ratio of an evaluation to its bare parts, medians of ``rounds``."""
    judge_bag(job)  # what is made once in a process
    ratios = []
    for _ in range(rounds):
        reading_s, decoding_s, inferring_s, count = bare(job)
        begun_s, used_s = time.perf_counter(), time.process_time()
        outcome = judge_bag(job)
        wall_s, used_s = time.perf_counter() - begun_s, time.process_time() - used_s
        bare_s = reading_s + decoding_s + inferring_s
        ratios.append(wall_s / bare_s)
        print(f'{label}: {outcome.scores.duration_s:.0f} s recorded; bare {bare_s:.2f} s '
              f'(reading {reading_s:.2f}, decoding {decoding_s:.2f}, session.run '
              f'{inferring_s:.2f} for {count}); evaluation {wall_s:.2f} s, {used_s:.2f} s of '
              f'processor; ratio {ratios[-1]:.2f}', flush=True)
    print(f'{label}: ratio {statistics.median(ratios):.2f} (median of {rounds})')


def scale(jobs: list[BagJob], workers: int) -> float:
    """Return the wall time of jobs with so many workers."""
    begun_s = time.perf_counter()
    in_fleet(judge_bag, jobs, workers=workers, failed=failed_outcome)
    return time.perf_counter() - begun_s


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--duration-s', type=float, default=20.0, help='of the recording')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--compression', default='zstd', choices=('none', 'zstd', 'lz4'))
    parser.add_argument('--bags', type=int, default=4, help='for the scaling; 0 leaves it out')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cell_path = vga_cell(folder)
        bag = write_vga_bag(folder / 'bag', cell_path, args.duration_s, args.compression)
        size = sum(path.stat().st_size for path in bag.iterdir())
        print(f'two 640x480 cameras at 30 Hz, {size / 1e6:.0f} MB on disk ({args.compression})')
        job = BagJob(bag=bag, name='bag', cell=cell_path,
                     policy=str(config_path('bundles/ur5e_insertion')))
        compare(job, 'packaged student', args.rounds)
        heavy = replace(job, policy=str(heavy_bundle(folder)))
        compare(heavy, 'heavy model', args.rounds)
        jobs = [replace(job, name=f'bag {number}') for number in range(args.bags)]
        for workers in args.workers if jobs else ():
            wall_s = scale(jobs, workers)
            print(f'{len(jobs)} recordings with {workers} workers: {wall_s:.2f} s, '
                  f'{len(jobs) * args.duration_s / wall_s:.1f} s recorded a second')


if __name__ == '__main__':
    main()
