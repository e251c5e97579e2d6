"""The stand-in for a button beats in simulation alone, and gives way to a real one."""

from __future__ import annotations

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.simulated_emergency_stop import SimulatedEmergencyStopNode
import pytest
import rclpy

std_msgs = pytest.importorskip('std_msgs.msg')
std_srvs = pytest.importorskip('std_srvs.srv')
Bool, Trigger = std_msgs.Bool, std_srvs.Trigger

pytestmark = pytest.mark.ros

NODE, TOPIC = 'simulated_emergency_stop', '/emergency_stop'


def test_it_beats_can_be_pressed_gives_way_and_is_silent_when_inactive(graph, cell_path):
    beats = graph.listen(Bool, TOPIC, qos.newest_frame())
    client = graph.start(NODE, cell=cell_path, use_sim_time=True)
    graph.wait(lambda: len(beats.messages) >= 3)
    assert not any(beat.data for beat in beats.messages)
    assert graph.call(Trigger, f'/{NODE}/press').message == 'pressed'
    graph.wait(lambda: beats.last.data)
    assert graph.call(Trigger, f'/{NODE}/release').message == 'released'
    graph.wait(lambda: not beats.last.data)

    real = graph.node.create_publisher(Bool, TOPIC, qos.newest_frame())
    graph.wait(lambda: beats.last.data, 'pressed beside another publisher')
    assert '/emergency_stop: /test publishes there too; saying pressed' in graph.log(NODE)
    graph.node.destroy_publisher(real)
    graph.wait(lambda: not beats.last.data)

    client.deactivate()
    graph.call(Trigger, f'/{NODE}/release')
    heard = len(beats.messages)
    graph.call(Trigger, f'/{NODE}/release')
    assert len(beats.messages) == heard, 'silence means pressed'


def test_it_refuses_to_stand_in_for_a_button_on_a_real_cell(cell_path):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = SimulatedEmergencyStopNode(
        context=context, parameter_overrides=[rclpy.Parameter('cell', value=str(cell_path))])
    try:
        with pytest.raises(SetupError, match=r'use_sim_time: found false.*simulation alone'):
            node.configure()
        assert node.count_publishers(TOPIC) == 0
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
