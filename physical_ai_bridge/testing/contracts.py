"""A small cell and a bundle's manifest that fit each other, made without any file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from physical_ai_bridge.contract.binding import bind, Binding
from physical_ai_bridge.contract.bundle import (
    ActionSpec,
    BundleFile,
    ContactGuard,
    ImageInput,
    Manifest,
    ObservationSpec,
    Shaping,
    WrenchInput,
)
from physical_ai_bridge.contract.cell import (
    Box,
    Camera,
    Cell,
    Controller,
    EmergencyStop,
    ForceLimit,
    JointLimit,
    JointStates,
    Robot,
    Safety,
    Sensors,
    Watchdogs,
    WrenchSensor,
)

JOINTS = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
          'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint')
CAMERAS = ('scene', 'wrist')
DIGEST = '0' * 64


def example_limit(**changes: Any) -> JointLimit:
    """Return the limits of one joint: ±2π rad, 3.14 rad/s, 8 rad/s², 100 rad/s³."""
    values: dict[str, Any] = {
        'has_position_limits': True, 'min_position': -6.2831, 'max_position': 6.2831,
        'has_velocity_limits': True, 'max_velocity': 3.14,
        'has_acceleration_limits': True, 'max_acceleration': 8.0,
        'has_jerk_limits': True, 'max_jerk': 100.0}
    return JointLimit(**{**values, **changes})


def example_camera(name: str, **changes: Any) -> Camera:
    """Return a 320x240 rgb8 camera at 15 Hz."""
    values: dict[str, Any] = {
        'topic': f'/{name}_camera/image_raw', 'type': 'sensor_msgs/msg/Image',
        'frame_id': f'{name}_camera_optical_frame', 'width': 320, 'height': 240,
        'encoding': 'rgb8', 'rate_hz': 15.0, 'max_age_s': 0.2}
    return Camera(**{**values, **changes})


def example_cell(**changes: Any) -> Cell:
    """
    Return a cell with six joints, the cameras ``scene`` and ``wrist`` and the wrench ``wrist``.

    It has the names and figures of ``config/cells/mujoco_ur5e.yaml``, but room for all that its
    joints can do. ``changes`` replace fields
    of Cell, as ``dataclasses.replace`` does.
    """
    cell = Cell(
        schema=1, name='example',
        robot=Robot(urdf='/robot_description', joints=JOINTS),
        sensors=Sensors(
            joint_states=JointStates(rate_hz=500.0, max_age_s=0.05),
            cameras={name: example_camera(name) for name in CAMERAS},
            wrenches={'wrist': WrenchSensor(
                topic='/force_torque_sensor/wrench', frame_id='tool0', rate_hz=500.0,
                max_age_s=0.05)}),
        controller=Controller(rate_hz=500.0, latency_s=0.02, tracking_tolerance_rad=0.2),
        safety=Safety(
            joint_limits={name: example_limit() for name in JOINTS},
            tcp_speed_max_m_s=10.0,
            workspace=Box(min=(-2.0, -2.0, -2.0), max=(2.0, 2.0, 2.0)),
            self_collision=None,
            force_limits={'wrist': ForceLimit(max_force_n=90.0, max_torque_nm=12.0)},
            emergency_stop=EmergencyStop(timeout_s=0.25),
            watchdogs=Watchdogs(
                proposals_s=0.4, joint_states_s=0.1, wrenches_s=0.1, tick_s=0.1)))
    return replace(cell, **changes)


def example_manifest(**changes: Any) -> Manifest:
    """
    Return the manifest of a policy for ``example_cell``: 64x64 images, 10 Hz, 16 x 0.05 s.

    ``changes`` replace fields of Manifest; ``joints=JOINTS[::-1]``, say, makes a model whose
    joint order is not the cell's.
    """
    manifest = Manifest(
        schema=1, name='example', joints=JOINTS, rate_hz=10.0,
        observation=ObservationSpec(
            images={name: ImageInput(width=64, height=64) for name in CAMERAS},
            reference=True, wrenches={'wrist': WrenchInput(history=8, rate_hz=50.0)}),
        action=ActionSpec(kind='joint_positions', horizon=16, period_s=0.05),
        shaping=Shaping(contact_guard=ContactGuard(sensor='wrist', force_n=20.0)),
        files={'model.onnx': BundleFile(sha256=DIGEST, bytes=0)})
    return replace(manifest, **changes)


def example_binding(cell: Cell | None = None, manifest: Manifest | None = None) -> Binding:
    """Return ``manifest`` bound to ``cell``; the examples stand in for what is not given."""
    return bind(cell or example_cell(), manifest or example_manifest(), bundle_digest=DIGEST)
