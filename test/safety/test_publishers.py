"""Somebody else on the controller's topic is a cause to stop, unless the cell only reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.publishers import PublisherWatch
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
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


def robot_of(other_publishers: str, authority: Authority = Authority.LIVE) -> SupervisedRobot:
    """Return a robot that moves, under a cell that minds other publishers so."""
    cell = example_cell()
    robot = SupervisedRobot(replace(cell, controller=replace(
        cell.controller, other_publishers=other_publishers)), authority)
    robot.make_ready()
    if authority is Authority.LIVE:
        robot.move_to(np.full(6, 0.5), 20)
        assert robot.decisions[-1].mode is Mode.ACTIVE
    return robot


def tell(robot: SupervisedRobot, *others: str) -> Decision | None:
    """Tell the supervisor who else is there; return the decision where it wants a tick at once."""
    if robot.supervisor.on_publishers(others, robot.clock.now):
        return robot.apply(robot.supervisor.tick(robot.clock.now))
    return None


def test_somebody_else_stops_the_motion_at_once_until_gone_and_reset():
    robot = robot_of('stop')
    decision = tell(robot, '/move_group')
    assert (decision.mode, decision.reason) == (Mode.STOPPING, Reason.OTHER_PUBLISHER)
    assert not decision.command.velocities[-1].any()
    assert robot.tick(100).mode is Mode.STOPPED
    assert robot.supervisor.reset(robot.clock.now).reason is Reason.OTHER_PUBLISHER
    tell(robot)
    assert robot.tick().mode is Mode.STOPPED
    assert robot.supervisor.reset(robot.clock.now) is None


def test_it_does_not_begin_beside_somebody_else():
    robot = SupervisedRobot(example_cell())
    robot.apply(robot.supervisor.activate(robot.clock.now))
    tell(robot, '/move_group')
    decision = robot.tick(50)
    assert (decision.mode, decision.reason) == (Mode.INACTIVE, Reason.OTHER_PUBLISHER)
    assert robot.commands == []
    tell(robot)
    assert robot.tick().mode is Mode.READY


def test_a_cell_that_only_reports_moves_on():
    robot = robot_of('report')
    assert tell(robot, '/move_group') is None
    assert robot.tick(5).mode is Mode.ACTIVE


def test_a_shadow_runs_beside_whatever_moves_the_robot():
    robot = robot_of('stop', Authority.SHADOW)
    tell(robot, '/move_group')
    assert robot.tick(5).mode is Mode.READY


def test_who_is_there_is_told_anew_after_an_activation():
    robot = robot_of('stop')
    tell(robot, '/move_group')
    robot.supervisor.deactivate(robot.clock.now)
    assert robot.make_ready().mode is Mode.READY
