"""What the integrator sets is read at activation; while active nothing of it can be changed."""

from __future__ import annotations

from physical_ai_bridge.nodes.conversions import values_of
from physical_ai_bridge.nodes.lifecycle_client import LifecycleError
from physical_ai_bridge.nodes.safety_supervisor import SafetySupervisor
import pytest
import rclpy
from rclpy.parameter import Parameter

SetParameters = pytest.importorskip('rcl_interfaces.srv').SetParameters

pytestmark = pytest.mark.ros


class Integrator:
    """Somebody with the standard parameter service, and a supervisor."""

    def __init__(self, graph, cell_path, **parameters) -> None:
        self._graph = graph
        self._states = graph.statuses('/safety_supervisor/state')
        self.client = graph.start('safety_supervisor', cell=cell_path, **parameters)
        self._set = graph.node.create_client(SetParameters, '/safety_supervisor/set_parameters')
        graph.wait(self._set.service_is_ready)

    def set(self, name: str, value: object) -> tuple[bool, str]:  # noqa: A003
        """Set a parameter; return whether that was taken, and why not."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        future = self._set.call_async(request)
        self._graph.wait(future.done)
        result = future.result().results[0]
        return result.successful, result.reason

    def authority(self) -> str:
        """Return what the next state says."""
        self._states.messages.clear()
        self._graph.wait(lambda: self._states.messages)
        return values_of(self._states.last)['authority']


@pytest.fixture
def integrator(graph, cell_path):
    return Integrator(graph, cell_path, authority='shadow')


def test_the_authority_is_read_at_activation_alone(integrator):
    integrator.client.configure()
    assert integrator.set('authority', 'ramp') == (True, '')
    integrator.client.activate()
    assert integrator.authority() == 'ramp'
    taken, why = integrator.set('authority', 'live')
    assert not taken
    assert why == ('authority: no parameter of safety_supervisor can be changed while it is '
                   'active; deactivate it first')
    assert integrator.authority() == 'ramp'
    integrator.client.deactivate()
    assert integrator.set('authority', 'shadow') == (True, '')
    integrator.client.activate()
    assert integrator.authority() == 'shadow'


def test_an_authority_that_is_none_is_refused_at_activation(integrator):
    integrator.client.configure()
    integrator.set('authority', 'full')
    with pytest.raises(LifecycleError, match=r"found 'full'; write one of shadow, ramp, live"):
        integrator.client.activate()


def test_the_cell_and_everything_else_is_set_at_start_alone(integrator):
    for step in (lambda: None, integrator.client.configure, integrator.client.activate):
        step()
        for name, value in (('cell', 'other.yaml'), ('journal', '/tmp/j'),
                            ('realtime_priority', 50), ('lock_memory', True),
                            ('realtime_required', True)):
            taken, why = integrator.set(name, value)
            assert not taken
            assert name in why


def test_the_clock_cannot_be_changed_while_active(integrator):
    integrator.client.configure()
    integrator.client.activate()
    taken, why = integrator.set('use_sim_time', True)
    assert not taken
    assert 'use_sim_time: no parameter of safety_supervisor can be changed' in why


def test_the_share_of_the_speed_limits_is_told(graph, cell_path):
    integrator = Integrator(graph, cell_path, authority='ramp')
    integrator.client.configure()
    integrator.client.activate()
    states = graph.statuses('/safety_supervisor/state')
    graph.wait(lambda: states.messages)
    assert 0.0 < float(values_of(states.last)['speed_share']) <= 1.0
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: 'speed_share' in values)
    assert values['authority'] == 'ramp'
    assert 0.0 < float(values['speed_share']) <= 1.0


def test_nothing_is_published_unless_somebody_says_so():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = SafetySupervisor(context=context)
    assert node.get_parameter('authority').value == 'shadow'
    node.destroy_node()
    rclpy.shutdown(context=context)
