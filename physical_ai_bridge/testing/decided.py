"""Decisions for the marks of a cell file, so that a test can go on with it."""

from __future__ import annotations

from typing import Any

from physical_ai_bridge.contract.decisions import DECIDE

# What stands for a mark under a key, whatever is around it; any other key gets a number.
_BY_KEY: dict[str, Any] = {
    'min': -2.0, 'max': 2.0, 'min_position': -3.0, 'max_position': 3.0, 'max_velocity': 2.0,
    'max_acceleration': 5.0, 'max_jerk': 50.0, 'latency_s': 0.02, 'tcp_speed_max_m_s': 0.25,
    'max_age_s': 0.2, 'rate_hz': 500.0, 'width': 320, 'height': 240, 'cutoff_hz': 150.0,
    'workspace': {'min': [-2.0, -2.0, -2.0], 'max': [2.0, 2.0, 2.0]},
    'max_force_n': 40.0, 'max_torque_nm': 8.0, 'slow_down_force_n': 20.0,
    'slow_down_torque_nm': 4.0, 'tcp_frame': 'tool0',
    'proposals_s': 0.4, 'timeout_s': 0.25}
_BY_PLACE: dict[tuple[str, str], float] = {
    ('saturation', 'force_n'): 50.0, ('saturation', 'torque_nm'): 10.0,
    ('tare', 'force_n'): 10.0, ('tare', 'torque_nm'): 1.0}
_CAMERA = {
    'type': 'sensor_msgs/msg/Image', 'width': 320, 'height': 240, 'encoding': 'rgb8',
    'rate_hz': 15.0, 'max_age_s': 0.2}


def decided(raw: Any, key: str = '', above: str = '') -> Any:
    """
    Return the plain values of a cell file with something that fits for each mark.

    A mark for all cameras becomes ``scene`` and ``wrist``, 320x240 rgb8 at 15 Hz.
    """
    if isinstance(raw, dict):
        return {name: decided(inner, name, key) for name, inner in raw.items()}
    if isinstance(raw, list):
        return [decided(inner, key, above) for inner in raw]
    if raw != DECIDE:
        return raw
    if key == 'cameras':
        return {name: {'topic': f'/{name}_camera/image_raw', 'frame_id': name, **_CAMERA}
                for name in ('scene', 'wrist')}
    return _BY_PLACE.get((above, key), _BY_KEY.get(key, 0.1))
