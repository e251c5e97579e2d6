"""A camera that nobody publishes, one that starves, and one that is well."""

from __future__ import annotations

from physical_ai_bridge.contract.clock import Instant, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.observation.watch import CameraWatch
from physical_ai_bridge.testing.contracts import example_camera
import pytest


def at(seconds: float) -> Instant:
    # ROS time stands still: a simulation that is paused must not hide a starving camera.
    return Instant(0, seconds_to_ns(seconds))


@pytest.fixture
def watch() -> CameraWatch:
    return CameraWatch('scene', example_camera('scene', rate_hz=15.0))


def test_without_a_publisher_it_is_missing(watch):
    found = watch.check(0, at(0.0))
    assert found.reason is Reason.IMAGE_MISSING
    assert '/scene_camera/image_raw' in found.detail


def test_a_publisher_is_given_a_moment_before_its_frames_are_missed(watch):
    assert watch.check(1, at(10.0)) is None
    assert watch.check(1, at(11.9)) is None
    found = watch.check(1, at(12.1))
    assert found.reason is Reason.IMAGE_STARVED
    assert 'has 1 publisher but no frame has arrived yet, for 2.1 s' in found.detail


def test_frames_that_arrive_are_well(watch):
    for tick in range(100):
        watch.on_frame(at(tick / 15.0))
        assert watch.check(1, at(tick / 15.0)) is None


def test_frames_that_cease_are_missed(watch):
    watch.on_frame(at(1.0))
    assert watch.check(2, at(2.9)) is None
    found = watch.check(2, at(3.1))
    assert found.reason is Reason.IMAGE_STARVED
    assert 'has 2 publishers but no frame arrives any more' in found.detail
    watch.on_frame(at(3.2))
    assert watch.check(2, at(3.3)) is None


def test_a_publisher_that_comes_back_is_given_a_moment_again(watch):
    watch.on_frame(at(1.0))
    assert watch.check(0, at(60.0)).reason is Reason.IMAGE_MISSING
    assert watch.check(1, at(61.0)) is None


def test_a_slow_camera_is_given_ten_frames():
    watch = CameraWatch('slow', example_camera('slow', rate_hz=0.5))
    assert watch.check(1, at(0.0)) is None
    assert watch.check(1, at(19.9)) is None
    assert watch.check(1, at(20.1)).reason is Reason.IMAGE_STARVED
