"""A bundle bound to a cell: everything that a shell needs to run one on the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import difflib

import numpy as np
from physical_ai_bridge.contract.bundle import Manifest
from physical_ai_bridge.contract.cell import Camera, Cell
from physical_ai_bridge.contract.errors import BindingError, Problem
from physical_ai_bridge.contract.fields import Complaint

# A pose of the tcp has this many degrees of freedom.
_POSE = 6


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """
    A cell and a manifest that fit each other.

    ``model_from_cell`` (N,) int64 reorders the cell's joints into the model's: ``q_model =
    q_cell[model_from_cell]``; ``cell_from_model`` is its inverse. ``bundle_digest`` is the
    manifest file's sha256.
    """

    cell: Cell
    manifest: Manifest
    bundle_digest: str
    model_from_cell: np.ndarray
    cell_from_model: np.ndarray


def bind(
        cell: Cell, manifest: Manifest, *, bundle_digest: str = '',
        cell_path: str = 'cell file', manifest_path: str = 'manifest.json') -> Binding:
    """
    Bind a bundle to a cell, or say everything that keeps them apart.

    ``cell_path`` and ``manifest_path`` are only for the messages.

    Raises
    ------
    BindingError
        With every mismatch at once: the manifest's first, then the cell's.

    """
    in_manifest = [
        *_joint_mismatches(cell, manifest),
        *_sensor_mismatches(cell, manifest),
        *_action_mismatches(cell, manifest),
        *_gripper_mismatches(cell, manifest),
    ]
    in_cell = [*_rate_mismatches(cell, manifest), *_timeout_mismatches(cell, manifest)]
    problems = [Problem(manifest_path, *each) for each in in_manifest]
    problems += [Problem(cell_path, *each) for each in in_cell]
    if problems:
        raise BindingError(problems)
    position = {name: index for index, name in enumerate(cell.robot.joints)}
    model_from_cell = np.array([position[name] for name in manifest.joints], dtype=np.int64)
    cell_from_model = np.argsort(model_from_cell).astype(np.int64)
    for order in (model_from_cell, cell_from_model):
        order.setflags(write=False)
    return Binding(cell, manifest, bundle_digest, model_from_cell, cell_from_model)


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return ' (did you mean X?)' for the name that is most like ``name``, or nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f' (did you mean {close[0]}?)' if close else ''


def _listed(names: Iterable[str]) -> str:
    return ', '.join(names) or 'none'


def _joint_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    missing = [name for name in manifest.joints if name not in cell.robot.joints]
    extra = [name for name in cell.robot.joints if name not in manifest.joints]
    found = [('joints', f'the bundle moves {name}, which the cell does not have'
              f'{_nearest(name, extra)}',
              'use a bundle made for these joints, or rename the joint in the cell file: its '
              f'robot.joints are {_listed(cell.robot.joints)}') for name in missing]
    found += [('joints', f"the cell's {name} is not among the bundle's joints"
               f'{_nearest(name, missing)}',
               f"use a bundle that moves it too; this one's joints are {_listed(manifest.joints)}")
              for name in extra]
    return found


def _sensor_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    found = []
    cameras, wrenches = cell.sensors.cameras, cell.sensors.wrenches
    for name, image in manifest.observation.images.items():
        key = f'observation.images.{name}'
        camera = cameras.get(name)
        if camera is None:
            found.append((key, f'the cell has no camera {name}{_nearest(name, cameras)}',
                          f'add sensors.cameras.{name} to the cell file, or use a bundle that '
                          f'needs only the cameras it has: {_listed(cameras)}'))
        elif _channels(camera) not in (None, image.channels):
            found.append((f'{key}.channels', f'found {image.channels}, but the camera sends '
                          f'{camera.encoding}, which has {_channels(camera)}',
                          f'use a bundle made for {_channels(camera)}-channel images, or set '
                          f'the camera and sensors.cameras.{name}.encoding to '
                          f'{"mono8" if image.channels == 1 else "rgb8"}'))
    found += [(f'observation.wrenches.{name}',
               f'the cell has no wrench sensor {name}{_nearest(name, wrenches)}',
               f'add sensors.wrenches.{name} to the cell file, or use a bundle that needs only '
               f'the sensors it has: {_listed(wrenches)}')
              for name in manifest.observation.wrenches if name not in wrenches]
    return found


def _channels(camera: Camera) -> int | None:
    """Return how many colour channels a camera offers, None where only its frames can tell."""
    if camera.encoding in ('jpeg', 'png'):
        return None
    return 1 if camera.encoding == 'mono8' else 3


def _action_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    found = []
    action, shaping = manifest.action, manifest.shaping
    joints, robot = len(manifest.joints), cell.robot
    if action.kind == 'tcp_deltas' and joints < _POSE:
        found.append(('action.kind', f'found {action.kind}, but the arm has {joints} joints, and '
                      f'a pose of the tcp takes {_POSE}',
                      'use a bundle whose action.kind is joint_positions, joint_deltas or '
                      'joint_velocities'))
    if action.kind == 'tcp_deltas' and robot.tcp_frame == robot.base_frame:
        found.append(('action.kind', f"found {action.kind}, but the cell's tcp_frame is its "
                      f'base_frame, {robot.base_frame}, which no joint moves',
                      'write in robot.tcp_frame of the cell file the frame that the policy moves'))
    chunk_s = action.offset_s + (action.horizon - 1) * action.period_s
    # While the last chunk is being replaced, the supervisor still takes a step along it.
    needed_s = (1.0 / manifest.rate_hz + shaping.lookahead_s + cell.controller.latency_s
                + cell.safety.step_s)
    if chunk_s < needed_s:
        found.append(('action.horizon', f'a chunk of {chunk_s:g} s ends before the next one can '
                      f'be executed, after up to {needed_s:g} s on this cell',
                      'use a bundle with a longer chunk, or lower controller.latency_s or '
                      'safety.step_s in the cell file'))
    guard = shaping.contact_guard
    limit = cell.safety.force_limits.get(guard.sensor) if guard else None
    if guard and limit and guard.force_n >= limit.max_force_n:
        found.append(('shaping.contact_guard.force_n', f'the policy yields above '
                      f'{guard.force_n:g} N, but the cell stops at {limit.max_force_n:g} N',
                      'use a bundle with a lower force_n, or, if the robot and the part bear it, '
                      f'raise safety.force_limits.{guard.sensor}.max_force_n'))
    return found


def _gripper_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    wanted, gripper = manifest.gripper, cell.gripper
    if wanted is None:
        return []
    if gripper is None:
        return [('gripper', f'the bundle moves the gripper {wanted.joint}, which the cell does '
                 'not have', 'add the section gripper to the cell file, or use a bundle that '
                 'moves the arm alone')]
    if wanted.joint != gripper.joint:
        return [('gripper.joint', f"found {wanted.joint}, the cell's gripper is {gripper.joint}",
                 'use a bundle made for this gripper')]
    if wanted.unit != gripper.unit:
        return [('gripper.unit', f"found {wanted.unit}, the cell's gripper.unit is {gripper.unit}",
                 'use a bundle whose actions are in that unit')]
    return []


def _rate_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    found = []
    sensors = cell.sensors
    needs: list[tuple[str, float, float, float]] = []
    spec = manifest.observation
    if spec.state or spec.reference or manifest.action.is_relative:
        joints = sensors.joint_states
        needs.append(('joint_states', joints.rate_hz, joints.max_age_s, manifest.rate_hz))
    for name in manifest.observation.images:
        if name in sensors.cameras:
            camera = sensors.cameras[name]
            needs.append((f'cameras.{name}', camera.rate_hz, camera.max_age_s, manifest.rate_hz))
    for name, spec in manifest.observation.wrenches.items():
        if name in sensors.wrenches:
            wrench = sensors.wrenches[name]
            needed_hz = max(manifest.rate_hz, spec.rate_hz if spec.history > 1 else 0.0)
            needs.append((f'wrenches.{name}', wrench.rate_hz, wrench.max_age_s, needed_hz))
    for key, rate_hz, max_age_s, needed_hz in needs:
        if rate_hz < needed_hz:
            found.append((f'sensors.{key}.rate_hz', f'found {rate_hz:g} Hz, but the bundle needs '
                          f'{needed_hz:g} Hz', 'run the sensor at that rate or above and write '
                          'it here, or use a bundle that needs less'))
        if max_age_s < 1.0 / rate_hz:
            found.append((f'sensors.{key}.max_age_s', f'found {max_age_s:g} s, but at '
                          f'{rate_hz:g} Hz a new sample comes only every {1.0 / rate_hz:g} s',
                          'write more than one period of the sensor'))
    return found


def _timeout_mismatches(cell: Cell, manifest: Manifest) -> list[Complaint]:
    found = []
    safety, period_s = cell.safety, 1.0 / manifest.rate_hz
    if safety.watchdogs.proposals_s <= period_s:
        found.append(('safety.watchdogs.proposals_s', f'found {safety.watchdogs.proposals_s:g} s, '
                      f'but the bundle proposes only every {period_s:g} s',
                      f'write more than {period_s:g}, or use a faster bundle'))
    cameras = [cell.sensors.cameras[name] for name in manifest.observation.images
               if name in cell.sensors.cameras]
    oldest_s = max((1.0 / camera.rate_hz for camera in cameras), default=0.0)
    if safety.proposal_max_age_s <= oldest_s:
        found.append(('safety.proposal_max_age_s', f'found {safety.proposal_max_age_s:g} s, but '
                      f'a proposal counts from its frame, which may be {oldest_s:g} s old '
                      'before the inference begins',
                      f'write more than {oldest_s:g} plus the time of an inference'))
    return found
