"""Streams: are they there, with the right type and QoS, do they arrive, and how often."""

from __future__ import annotations

from collections.abc import Iterator
import difflib

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.runtime.live_check.clocks import judge_stamps
from physical_ai_bridge.runtime.live_check.contents import judge_content
from physical_ai_bridge.runtime.live_check.finding import About, Finding
from physical_ai_bridge.runtime.live_check.observed import (
    Content,
    Endpoint,
    Expected,
    Observed,
    Stream,
)

# Below this share of the cell file's rate the nodes starve; below that one somebody should know.
_TOO_SLOW, _SLOW = 0.8, 0.95
# From here on it costs time that nobody planned for, or two drivers publish the same.
_FAST = 1.5
_LOST_SHARE = 0.1


def judge_stream(
        expected: Expected, observed: Observed, cell: Cell, *, simulated: bool | None,
) -> Iterator[Finding]:
    """Yield what is to be said of one stream; stamps only where it is known what time it is."""
    about = About(expected.key)
    stream = observed.stream(expected.topic)
    publishers = observed.topic(expected.topic).publishers
    heard = [each for each in publishers
             if each.type_name == expected.type_name and not each.mismatch]
    if stream.unavailable:
        yield about.failed('type', stream.unavailable, 'the nodes cannot listen to it either')
        return
    if not heard:
        yield _unheard(about, expected, observed)
        return
    yield about.passed('topic', f'{expected.topic} from {_nodes(heard)}')
    for each in publishers:
        if each not in heard:
            yield about.warned(
                'topic', f'{each.node} publishes there too, and is not heard: '
                f'{each.mismatch or each.type_name}', f'stop {each.node}, or remap its topic')
    if not stream.received:
        yield _silent(about, expected, observed, heard)
        return
    if stream.malformed:
        yield _malformed(about, stream)
    yield from _judge_rate(about, expected, observed, cell, heard)
    if simulated is not None:
        yield from judge_stamps(about, expected, stream.received, simulated=simulated)
    if expected.frame_id is not None:
        yield _judge_frame(about, expected, stream)
    yield from judge_content(about, expected, stream, observed, cell)


def _nodes(endpoints: list[Endpoint]) -> str:
    return ', '.join(sorted({each.node for each in endpoints}))


def _unheard(about: About, expected: Expected, observed: Observed) -> Finding:
    """Say why nobody can be heard on a topic."""
    publishers = observed.topic(expected.topic).publishers
    if not publishers:
        others = observed.by_type.get(expected.type_name, ())
        close = difflib.get_close_matches(expected.topic, others, n=1, cutoff=0.0)
        where = f'; {expected.type_name} is published on {", ".join(others)}' if others else ''
        instead = f', or write topic: {close[0]} in the cell file' if close else ''
        return about.failed('topic', f'nobody publishes {expected.topic}{where}',
                            f'start its driver{instead}')
    first = publishers[0]
    if all(each.type_name != expected.type_name for each in publishers):
        return about.failed(
            'type', f'{first.node} publishes {first.type_name} on {expected.topic}, not '
            f'{expected.type_name}', 'correct topic or type in the cell file, or remap the driver')
    right = next(each for each in publishers if each.type_name == expected.type_name)
    return about.failed(
        'qos', f'the QoS of {right.node} on {expected.topic} is not what our nodes ask for: '
        f'{right.mismatch}',
        'publish it reliable and transient local' if expected.latched else
        'set the QoS of the driver (its qos_overrides) to the defaults of its kind')


def _malformed(about: About, stream: Stream) -> Finding:
    return about.failed(
        'messages', stream.malformed,
        'run the driver and this package with message packages of the same distribution')


def _silent(
        about: About, expected: Expected, observed: Observed, heard: list[Endpoint]) -> Finding:
    """Say what it may mean that nothing comes although somebody publishes."""
    stream = observed.stream(expected.topic)
    if stream.malformed:
        return _malformed(about, stream)
    if stream.foreign:
        return about.failed(
            'joints', f'the joint states are those of {", ".join(stream.foreign)} alone',
            'start the driver of the robot, or correct robot.joints in the cell file')
    nothing = f'nothing came on {expected.topic} for {observed.seconds:.1f} s'
    if expected.content is not Content.IMAGE:
        return about.failed('messages', f'{nothing}, although {_nodes(heard)} publishes there',
                            f'see the log of {_nodes(heard)}: is the device connected, the '
                            'controller that publishes it active?')
    if stream.only_reliably:
        return about.failed(
            'messages', f'{nothing}, and a reliable subscription gets frames: they do not fit '
            "the transport of the camera's process", _use_profile(observed, heard))
    return about.failed(
        'messages', f'{nothing}, although {_nodes(heard)} publishes there: either the camera '
        'sends nothing, or its frames do not fit the transport',
        f'see its log; then {_use_profile(observed, heard)}')


def _use_profile(observed: Observed, heard: list[Endpoint]) -> str:
    return (f'{observed.profile_advice} where {_nodes(heard)} is started, and start it again; '
            'from another machine also `sudo sysctl -w net.core.rmem_max=4194304` here')


def rate_hz(stream: Stream, ended_ns: int) -> float:
    """Return how often messages came, from the first one to the end; 0 for a single one."""
    if len(stream.received) < 2:
        return 0.0
    span_ns = max(ended_ns, stream.received[-1].steady_ns) - stream.received[0].steady_ns
    # From a message to an instant between two there is half a period more, on average.
    return (len(stream.received) - 0.5) * NS_PER_S / max(span_ns, 1)


def _longest_gap_s(stream: Stream, ended_ns: int) -> float:
    arrivals = [each.steady_ns for each in stream.received]
    return float(np.diff([*arrivals, max(ended_ns, arrivals[-1])]).max()) / NS_PER_S


def _judge_rate(
        about: About, expected: Expected, observed: Observed, cell: Cell, heard: list[Endpoint],
) -> Iterator[Finding]:
    stream = observed.stream(expected.topic)
    real_hz = rate_hz(stream, observed.ended_ns)
    if expected.content is Content.PRESSED:
        yield from _judge_heartbeat(
            about, stream, observed, real_hz, 'timeout_s', cell.safety.emergency_stop.timeout_s)
    elif expected.content is Content.REFERENCE:
        yield from _judge_heartbeat(
            about, stream, observed, real_hz, 'safety.watchdogs.controller_state_s',
            cell.safety.watchdogs.controller_state_s)
    if expected.rate_hz is None:
        return
    share = real_hz / expected.rate_hz
    told = f'{real_hz:.1f} Hz come, the cell file says {expected.rate_hz:g} Hz'
    if share < _SLOW:
        lost, sent = _lost(stream)
        if expected.content is Content.IMAGE and lost > _LOST_SHARE * sent:
            told += f'; by the stamps at least {lost} of {sent} frames were lost on the way'
            do = _use_profile(observed, heard)
        else:
            do = 'run the sensor at that rate, or write the real rate_hz'
        make = about.failed if share < _TOO_SLOW else about.warned
        yield make('rate', told, do)
    elif share > _FAST and len(heard) > 1:
        yield about.failed('rate', f'{told}, and {len(heard)} publish there: {_nodes(heard)}',
                           'stop all but one of them: the nodes cannot tell them apart')
    elif share > _FAST:
        yield about.warned('rate', told, 'write the real rate_hz, or run the sensor slower')
    else:
        yield about.passed('rate', f'{real_hz:.1f} Hz')


def _lost(stream: Stream) -> tuple[int, int]:
    """Return how many messages the gaps between stamps stand for, and how many were sent."""
    stamps = np.unique([each.stamp_ns for each in stream.received])
    if len(stamps) < 3:
        return 0, len(stamps)
    # Most gaps are one period where less than half is lost, and a quarter of them where more is.
    period_ns = float(np.quantile(np.diff(stamps), 0.1))
    sent = round((stamps[-1] - stamps[0]) / max(period_ns, 1.0)) + 1
    return max(0, sent - len(stamps)), sent


def _judge_heartbeat(
        about: About, stream: Stream, observed: Observed, real_hz: float, key: str,
        timeout_s: float) -> Iterator[Finding]:
    """Judge a stream whose silence stops the robot after ``timeout_s``."""
    if real_hz * timeout_s < 1.0:
        yield about.failed('rate', f'{real_hz:.1f} Hz come, and {timeout_s:g} s of silence stop '
                           'the robot', f'send it every {timeout_s / 4:g} s, or write more than '
                           f'the period under {key}')
        return
    gap_s = _longest_gap_s(stream, observed.ended_ns)
    if gap_s > timeout_s:
        yield about.warned('rate', f'it was silent for {gap_s:.2f} s once, and {timeout_s:g} s '
                           'of silence stop the robot', 'look whether its sender, or this '
                           f'machine, is too busy; else raise {key}')
    elif real_hz * timeout_s < 2.0:
        yield about.warned('rate', f'{real_hz:.1f} Hz come: one that is lost stops the robot',
                           f'send it every {timeout_s / 4:g} s')
    else:
        yield about.passed('rate', f'{real_hz:.1f} Hz')


def _judge_frame(about: About, expected: Expected, stream: Stream) -> Finding:
    frames = sorted({each.frame_id.lstrip('/') for each in stream.received})
    if frames == [expected.frame_id.lstrip('/')]:
        return about.passed('frame_id', frames[0])
    shown = ' and '.join(frame or '(none)' for frame in frames)
    return about.failed(
        'frame_id', f'found {shown}, the cell file says {expected.frame_id}',
        'set the frame of the driver, or, if this is the right sensor, write '
        f'frame_id: {frames[0] or "..."}')
