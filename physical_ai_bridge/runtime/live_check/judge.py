"""Everything that is to be said of a running cell."""

from __future__ import annotations

from collections.abc import Sequence

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.runtime.live_check.clocks import judge_clocks
from physical_ai_bridge.runtime.live_check.controller import (
    controller_node,
    judge_controller,
    our_nodes,
)
from physical_ai_bridge.runtime.live_check.finding import About, Finding, Verdict
from physical_ai_bridge.runtime.live_check.observed import (
    Content,
    Expected,
    expected_streams,
    Observed,
)
from physical_ai_bridge.runtime.live_check.streams import judge_stream
from physical_ai_bridge.safety.watch import Watch

# So long nobody has to wait for the processor on a machine that has one to spare.
_HELD_UP_S = 0.1
# With more than this it is no hiccup.
_STOPPED_SHARE = 0.2
_SEE = 'see docs/faults.md for the reason, and the watchdogs in the cell file'


def judge(
        cell: Cell, observed: Observed, cameras: tuple[str, ...] | None = None) -> list[Finding]:
    """
    Hold what was observed against the cell file.

    ``cameras`` are those that the bundle uses, None for all of them. A mistake is named where it
    is made: what only follows from it is left out, or not checked.
    """
    if not observed.nodes:
        return [About('graph').failed(
            'nodes', f'no node was found {observed.place}', 'start the cell; if it runs, set '
            'ROS_DOMAIN_ID here as it is there, and see that multicast reaches this machine')]
    expected = expected_streams(cell, cameras)
    held_up = _judge_listener(observed)
    node = controller_node(observed.topic(cell.controller.topic), our_nodes(observed))
    found, simulated = judge_clocks(expected, observed, node)
    for stream in expected:
        found += judge_stream(stream, observed, cell, simulated=simulated)
    found += [About(f'sensors.cameras.{name}').not_checked('topic', 'the bundle does not use it')
              for name in cell.sensors.cameras if cameras is not None and name not in cameras]
    found += judge_controller(observed, cell)
    found.append(_judge_inputs(cell, observed, expected, found, simulated))
    return held_up + found


def _judge_listener(observed: Observed) -> list[Finding]:
    """Own up to having been late."""
    if observed.held_up_s < _HELD_UP_S:
        return []
    return [About('graph').warned(
        'listener', f'this check could not listen for {observed.held_up_s:.2f} s: what came late '
        'may be its own fault', 'run it again with a core to spare')]


def _judge_inputs(
        cell: Cell, observed: Observed, expected: Sequence[Expected], found: list[Finding],
        simulated: bool | None) -> Finding:
    """Let the supervisor's own watch say whether it would take the robot over now."""
    about = About('supervisor')
    if simulated is None or any(each.verdict is Verdict.FAILED for each in found):
        return about.not_checked('inputs', 'whether it would take the robot over: there is '
                                 'something to mend first')
    causes = _causes(cell, observed, expected, simulated)
    last = next((cause for cause in reversed(causes) if cause is not None), None)
    if None not in causes:
        if last is not None and last.reason in (Reason.NOT_AT_REST, Reason.TARING):
            return about.not_checked('inputs', f'whether it would take the robot over: {last}')
        return about.failed('inputs', f'it would not take the robot over: {last}', _SEE)
    taken_over = causes[causes.index(None):]
    stopped = sum(cause is not None for cause in taken_over)
    if not stopped:
        return about.passed('inputs', 'it would take the robot over')
    make = about.failed if stopped > _STOPPED_SHARE * len(taken_over) else about.warned
    return make('inputs', f'it would take the robot over, and stop it again: {last}', _SEE)


def _causes(
        cell: Cell, observed: Observed, expected: Sequence[Expected], simulated: bool,
) -> list[Refusal | None]:
    """Return what would have spoken against moving, at each joint state."""
    watch = Watch(cell)
    arrived = sorted(((each.steady_ns, stream, each) for stream in expected
                      for each in observed.stream(stream.topic).received),
                     key=lambda item: item[0])
    causes = []
    for _, stream, each in arrived:
        now = each.instant(simulated)
        if stream.content is Content.JOINTS:
            watch.joint_state(each.value, now)
            causes.append(watch.causes(now))
        elif stream.content is Content.WRENCH:
            watch.wrench(stream.name, each.value, now)
        elif stream.content is Content.PRESSED:
            watch.emergency_stop(each.value, now)
    return causes
