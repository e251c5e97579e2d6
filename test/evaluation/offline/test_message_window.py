"""Messages are found by what a trace knows of them, in the order in which they came."""

from __future__ import annotations

from physical_ai_bridge.evaluation.offline.message_window import MessageWindow
from physical_ai_bridge.runtime.traces import key_of

IMAGE = bytes(100_000)
KEY = key_of(IMAGE)


def test_a_message_is_found_on_its_topic_and_is_not_copied():
    window = MessageWindow()
    window.add('/scene', 1, IMAGE)
    assert window.find('/scene', KEY, -1)[1] is IMAGE
    assert window.find('/wrist', KEY, -1) is None
    assert window.find('/scene', key_of(b'other'), -1) is None


def test_two_that_look_alike_are_found_one_after_the_other():
    window = MessageWindow()
    other = IMAGE[:50_000] + b'\1' + IMAGE[50_001:]
    window.add('/scene', 1, IMAGE)
    window.add('/scene', 2, other)
    first, data = window.find('/scene', KEY, -1)
    assert data is IMAGE
    second, data = window.find('/scene', KEY, first)
    assert data is other
    assert window.find('/scene', KEY, second) == (second, other)


def test_what_is_forgotten_is_not_found():
    window = MessageWindow()
    for stamp_ns in (1, 2, 3):
        window.add('/scene', stamp_ns, IMAGE)
    window.forget(3)
    assert len(window) == 1
    assert window.find('/scene', KEY, -1)[0] == 2
    window.forget(10)
    assert len(window) == 0
    assert window.find('/scene', KEY, -1) is None
