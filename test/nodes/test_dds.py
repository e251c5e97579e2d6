"""Fast DDS gets the packaged profile, unless somebody chose otherwise."""

from __future__ import annotations

import importlib.metadata
from xml.etree import ElementTree

from physical_ai_bridge.nodes.dds import packaged_profile, profile_variable, use_packaged_profile
import pytest

NAMESPACE = {'dds': 'http://www.eprosima.com'}
VGA_FRAME_BYTES = 640 * 480 * 3


def test_the_variable_is_the_one_that_the_distribution_reads():
    assert profile_variable('9.1.2') == 'FASTDDS_DEFAULT_PROFILES_FILE'  # Kilted
    assert profile_variable('7.1.6') == 'FASTRTPS_DEFAULT_PROFILES_FILE'  # Jazzy
    assert profile_variable('10.0.0') == 'FASTDDS_DEFAULT_PROFILES_FILE'


@pytest.mark.parametrize('environment', [{}, {'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'},
                                         {'FASTDDS_DEFAULT_PROFILES_FILE': ''}])
def test_an_environment_without_a_choice_gets_the_profile_once(environment):
    profile = use_packaged_profile(environment)
    assert profile == packaged_profile()
    assert environment[profile_variable(importlib.metadata.version('rclpy'))] == str(profile)
    assert list(environment.values()).count(str(profile)) == 1


@pytest.mark.parametrize('environment', [
    {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'},
    {'FASTDDS_DEFAULT_PROFILES_FILE': '/etc/mine.xml'},
    {'FASTRTPS_DEFAULT_PROFILES_FILE': '/etc/mine.xml'},
    {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'},
])
def test_a_choice_that_was_made_is_left_alone(environment):
    before = dict(environment)
    assert use_packaged_profile(environment) is None
    assert environment == before


def test_the_shared_memory_segment_holds_several_frames():
    root = ElementTree.parse(packaged_profile()).getroot()
    segments = [int(each.text) for each in root.iterfind('.//dds:segment_size', NAMESPACE)]
    assert segments
    assert all(size > 4 * VGA_FRAME_BYTES for size in segments)
