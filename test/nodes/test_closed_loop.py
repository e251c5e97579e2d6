"""Three real processes close the loop: whatever dies, the arm comes to rest within limits."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.runtime.cdr import decode_joint_state
import pytest

pytest.importorskip('mujoco')
sensor_msgs = pytest.importorskip('sensor_msgs.msg')
std_srvs = pytest.importorskip('std_srvs.srv')

pytestmark = pytest.mark.ros

AT_REST_RAD_S = 0.005
MOVING_RAD_S = 0.05


class ClosedLoop:
    """The whole graph, with what the arm does and what the supervisor says."""

    def __init__(self, graph, cell_path, bundle_path, *, factor: float = 1.0) -> None:
        self.graph = graph
        self.states = graph.statuses('/safety_supervisor/state')
        self.episodes = graph.statuses('/mujoco_cell/episode')
        self._joints = graph.listen(
            sensor_msgs.JointState, '/joint_states', qos.sensor_stream(), raw=True)
        shared = {'cell': cell_path, 'use_sim_time': factor != 1.0}
        graph.bring_up_all(
            graph.launch('mujoco_cell', seed=3, real_time_factor=factor, **shared),
            graph.launch('safety_supervisor', **shared),
            graph.launch('policy_node', bundle=bundle_path, **shared))
        graph.wait(lambda: self.speed() > MOVING_RAD_S, 'the arm to move')

    def speed(self) -> float:
        """Return the fastest joint's speed in the newest joint state; forget the others."""
        if not self._joints.messages:
            return float('nan')
        newest = decode_joint_state(self._joints.last)
        self._joints.messages.clear()
        return float(np.abs(newest.velocity).max())

    def wait_for_state(self, mode: str, reason: str) -> None:
        """Wait until the supervisor says so."""
        def said() -> bool:
            return any((values['mode'], values['reason']) == (mode, reason)
                       for values in map(values_of, self.states.messages))
        self.graph.wait(said, f'{mode} {reason}')

    def assert_rest_within_limits(self) -> None:
        """Wait for the arm to stand still and hold the cell's own audit against the limits."""
        self.graph.wait(lambda: self.speed() < AT_REST_RAD_S, 'the arm to come to rest')
        self.episodes.messages.clear()
        self.graph.wait(lambda: self.episodes.messages)
        audit = values_of(self.episodes.last)
        assert audit['limits_exceeded'] == ''
        assert 0.0 < float(audit['limits_worst_share']) <= 1.001


@pytest.fixture
def loop_cell_path(write_cell, tmp_path):
    return write_cell(tmp_path, watchdogs={
        'proposals_s': 0.6, 'joint_states_s': 2.0, 'wrenches_s': 2.0, 'tick_s': 2.0})


@pytest.fixture
def loop(graph, loop_cell_path, bundle_path):
    return ClosedLoop(graph, loop_cell_path, bundle_path)


def test_the_policy_is_killed_in_motion(loop):
    loop.graph.kill('policy_node')
    loop.wait_for_state('STOPPING', 'PROPOSALS_SILENT')
    loop.wait_for_state('STOPPED', 'PROPOSALS_SILENT')
    loop.assert_rest_within_limits()


def test_the_supervisor_is_killed_in_motion(loop):
    loop.graph.kill('safety_supervisor')
    loop.assert_rest_within_limits()


def test_the_emergency_stop_is_pressed_in_motion_and_released(loop):
    graph = loop.graph
    assert graph.call(std_srvs.Trigger, '/mujoco_cell/press_emergency_stop').success
    loop.wait_for_state('STOPPED', 'EMERGENCY_STOP')
    loop.assert_rest_within_limits()
    loop.states.messages.clear()
    assert graph.call(std_srvs.Trigger, '/mujoco_cell/release_emergency_stop').success
    graph.wait(lambda: graph.call(std_srvs.Trigger, '/safety_supervisor/reset').success)
    graph.wait(lambda: loop.speed() > MOVING_RAD_S, 'the arm to move again')


def test_a_new_episode_begins_on_demand(loop):
    graph = loop.graph
    index = int(values_of(loop.episodes.last)['index'])
    assert graph.call(std_srvs.Trigger, '/mujoco_cell/new_episode').success
    graph.wait(lambda: int(values_of(loop.episodes.last)['index']) == index + 1)
    values = values_of(loop.episodes.last)
    assert (values['seed'], values['done']) == ('4', 'false')


def test_simulated_time_may_run_slower(graph, loop_cell_path, bundle_path):
    loop = ClosedLoop(graph, loop_cell_path, bundle_path, factor=0.5)
    values = graph.wait_for_diagnostics(
        'mujoco_cell', lambda values, message: float(values['step_rate_hz']) > 0.0)
    assert float(values['step_rate_hz']) == pytest.approx(250.0, rel=0.2)
    graph.kill('policy_node')
    loop.wait_for_state('STOPPED', 'PROPOSALS_SILENT')
    loop.assert_rest_within_limits()
