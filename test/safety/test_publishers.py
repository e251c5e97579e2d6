"""Somebody else on the controller's topic is a cause to stop, unless the cell only reports."""

from __future__ import annotations

from dataclasses import replace

from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.publishers import PublisherWatch
from physical_ai_bridge.testing.contracts import example_cell
import pytest


def watch_of(other_publishers: str) -> PublisherWatch:
    cell = example_cell()
    return PublisherWatch(replace(
        cell, controller=replace(cell.controller, other_publishers=other_publishers)))


@pytest.mark.parametrize('policy', ['stop', 'report'])
def test_nobody_else_is_no_cause(policy):
    watch = watch_of(policy)
    assert watch.cause() is None
    assert not watch.take(())
    assert watch.cause() is None


def test_somebody_else_is_a_cause_while_there_and_named_with_the_topic():
    watch = watch_of('stop')
    assert watch.take(('/move_group', '/rqt'))
    assert watch.cause().reason is Reason.OTHER_PUBLISHER
    assert '/move_group, /rqt on /joint_trajectory_controller' in watch.cause().detail
    assert not watch.take(('/rqt',))
    assert watch.cause().detail.startswith('/rqt on')
    watch.take(())
    assert watch.cause() is None


def test_where_the_cell_only_reports_somebody_else_is_known_and_no_cause():
    watch = watch_of('report')
    assert not watch.take(('/move_group',))
    assert watch.others == ('/move_group',)
    assert watch.cause() is None
