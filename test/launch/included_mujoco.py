"""A launch test: the simulated cell, included in a namespace, runs an episode and goes down."""

from __future__ import annotations

import unittest

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare
import launch_testing
from launch_testing.actions import ReadyToTest
import launch_testing.asserts

PATIENCE_S = 120.0


def generate_test_description() -> LaunchDescription:
    """Return what an integrator's own launch file has."""
    share = FindPackageShare('physical_ai_bridge')
    return LaunchDescription([
        IncludeLaunchDescription(
            PathJoinSubstitution([share, 'launch/mujoco.launch.py']),
            launch_arguments={'authority': 'shadow', 'namespace': 'left'}.items()),
        ReadyToTest(),
    ])


class TestEpisode(unittest.TestCase):

    def test_the_nodes_are_brought_up_in_their_namespace_and_in_order(self, proc_output):
        for name in ('mujoco_cell', 'safety_supervisor', 'policy_node'):
            proc_output.assertWaitFor(f'/left/{name} is active', timeout=PATIENCE_S)

    def test_the_supervisor_gets_what_it_needs_from_the_cell_beside_it(self, proc_output):
        proc_output.assertWaitFor('READY', timeout=PATIENCE_S)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):

    def test_every_process_ends_with_0(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)
