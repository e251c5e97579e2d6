"""The emulated forward_command_controller does what the original's source does."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.simulation.controller import Acceptance
from physical_ai_bridge.simulation.forward_controller import ForwardCommandController

NOW = 10_000_000_000


def test_it_holds_where_it_was_activated_until_a_message_comes():
    controller = ForwardCommandController(('a', 'b'), ('a', 'b'))
    controller.activate(np.array([0.3, -0.2]))
    np.testing.assert_array_equal(controller.sample(NOW).position, (0.3, -0.2))


def test_the_last_message_holds_for_ever_in_the_controllers_own_order():
    controller = ForwardCommandController(('a', 'b'), ('b', 'a'))
    controller.activate(np.zeros(2))
    assert controller.receive((1.0, 2.0)) is Acceptance.ACCEPTED
    np.testing.assert_array_equal(controller.sample(NOW).position, (2.0, 1.0))
    np.testing.assert_array_equal(controller.sample(NOW + 10**12).position, (2.0, 1.0))


def test_it_drops_what_has_the_wrong_size_or_comes_while_inactive():
    controller = ForwardCommandController(('a', 'b'), ('a', 'b'))
    assert controller.receive((1.0, 2.0)) is Acceptance.INACTIVE
    controller.activate(np.zeros(2))
    assert controller.receive((1.0,)) is Acceptance.WIDTHS
    controller.deactivate()
    np.testing.assert_array_equal(controller.sample(NOW).position, (0.0, 0.0))


def test_it_steps_to_whatever_it_is_sent():
    controller = ForwardCommandController(('a',), ('a',))
    controller.activate(np.zeros(1))
    controller.receive((float('nan'),))
    assert np.isnan(controller.sample(NOW).position).all()


def test_it_answers_in_the_names_of_the_originals_parameters():
    controller = ForwardCommandController(('a', 'b'), ('b', 'a'))
    assert controller.parameters == {'joints': ['b', 'a'], 'interface_name': 'position'}
