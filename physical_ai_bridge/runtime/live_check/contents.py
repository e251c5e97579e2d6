"""What messages hold: joints by name, wrenches that are plausible, frames of the right form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import pi

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.runtime.live_check.finding import About, Finding
from physical_ai_bridge.runtime.live_check.observed import (
    Content,
    Expected,
    Observed,
    Received,
    Stream,
)
from physical_ai_bridge.safety.force import WrenchGauge
from physical_ai_bridge.safety.watch import REST_RAD

_MEND = {
    Content.JOINTS: 'correct robot.joints in the cell file, or let one publisher send all joints',
    Content.REFERENCE: "correct robot.joints in the cell file, or the controller's joints",
    Content.WRENCH: 'start the sensor and its driver again',
    Content.IMAGE: 'set the camera, or correct width, height, encoding or type in the cell file',
    Content.DESCRIPTION: 'correct the robot section of the cell file, or the description',
}


def judge_content(
        about: About, expected: Expected, stream: Stream, observed: Observed, cell: Cell,
) -> Iterator[Finding]:
    """Yield what is to be said of what a stream's messages hold."""
    content, received = expected.content, stream.received
    complaints = [each.complaint for each in received if each.complaint]
    if complaints:
        yield about.failed(
            content.value, f'{complaints[0]} ({len(complaints)} of {len(received)} messages)',
            _MEND[content])
    elif content in (Content.JOINTS, Content.REFERENCE):
        yield _judge_joints(about, received[-1].value, stream, cell)
        if content is Content.JOINTS:
            yield from _judge_positions(about, positions(received, cell)[-1], cell)
        else:
            yield from _judge_reference(about, received, observed, cell)
    elif content is Content.WRENCH:
        joints = observed.stream(cell.sensors.joint_states.topic).received
        yield _judge_wrench(about, expected.name, received, joints, cell)
    elif content is Content.IMAGE:
        camera = cell.sensors.cameras[expected.name]
        yield about.passed('image', f'{camera.width}x{camera.height} {camera.encoding}')
    elif content is Content.PRESSED:
        yield _judge_pressed(about, received)
    else:
        yield about.passed('description', 'it has the joints and frames of the cell')


def positions(received: Sequence[Received], cell: Cell) -> np.ndarray:
    """Return where joint states without complaints are, (K, N) in the cell's order."""
    columns: dict[tuple[str, ...], list[int]] = {}
    rows = []
    for each in received:
        sample: JointSample = each.value
        order = columns.get(sample.names)
        if order is None:
            order = columns[sample.names] = [sample.names.index(x) for x in cell.robot.joints]
        rows.append(sample.position[order])
    return np.array(rows)


def _judge_joints(about: About, sample: JointSample, stream: Stream, cell: Cell) -> Finding:
    joints = cell.robot.joints
    ours = tuple(name for name in sample.names if name in joints)
    extra = sorted({*(name for name in sample.names if name not in joints), *stream.foreign})
    text = f'{len(joints)} joints'
    text += '' if ours == joints else ', in another order, which is no matter'
    text += f', beside {", ".join(extra)}' if extra else ''
    return about.passed('joints', text)


def _judge_positions(about: About, position: np.ndarray, cell: Cell) -> Iterator[Finding]:
    limits = limit_arrays(cell)
    outside = (position < limits.position_min) | (position > limits.position_max)
    if not outside.any():
        return
    at = int(np.argmax(outside))
    degrees = ': are these degrees?' if np.abs(position).max() > 4 * pi else ''
    yield about.failed(
        'positions', f'{cell.robot.joints[at]} stands at {position[at]:.3f} rad, its limits are '
        f'{limits.position_min[at]:g} to {limits.position_max[at]:g}{degrees}',
        'drive it back by hand, or correct its limits in safety.joint_limits')


def _judge_reference(
        about: About, received: Sequence[Received], observed: Observed, cell: Cell,
) -> Iterator[Finding]:
    measured = observed.stream(cell.sensors.joint_states.topic).received
    if not measured or any(each.complaint for each in measured):
        return
    apart = np.abs(positions(received, cell)[-1] - positions(measured, cell)[-1])
    at, tolerance = int(apart.argmax()), cell.controller.tracking_tolerance_rad
    if apart[at] > tolerance:
        yield about.failed(
            'reference', f'the controller holds {cell.robot.joints[at]} {apart[at]:.3f} rad from '
            f'where it is, tracking_tolerance_rad is {tolerance:g}',
            'deactivate the controller and activate it again: it begins where the robot is')
    else:
        yield about.passed('reference', f'{apart[at]:.4f} rad from the measured joints')


def _judge_wrench(
        about: About, name: str, received: Sequence[Received], joints: Sequence[Received],
        cell: Cell) -> Finding:
    """Let the supervisor's own gauge say whether a sensor's readings are plausible."""
    gauge = WrenchGauge(name, cell.safety.force_limits[name], cell.safety.watchdogs.wrenches_s)
    rest = _at_rest(joints, cell)
    for each in received:
        gauge.take(each.value, Instant(each.stamp_ns or 0, each.steady_ns))
    problem = gauge.cause or (gauge.tare_problem() if rest else None)
    if problem is not None and problem.reason is not Reason.TARING:
        return about.failed(
            'wrench', problem.detail, 'free the tool and zero the sensor (UR: `ros2 service call '
            '/io_and_status_controller/zero_ftsensor std_srvs/srv/Trigger`)')
    forces = np.array([each.value.force for each in received])
    if len(forces) > 2 and (forces == forces[0]).all():
        return about.warned('wrench', 'the readings do not change by one bit: is it measuring?',
                            'press against the tool, and look whether they do')
    force_n = float(np.median(np.linalg.norm(forces, axis=1)))
    return about.passed('wrench', f'{force_n:.1f} N' + (
        '' if rest is not False else ' while the robot moves, when more than a tare is plausible'))


def _at_rest(joints: Sequence[Received], cell: Cell) -> bool | None:
    """Tell whether the robot stood still all the time, None where nobody knows."""
    good = [each for each in joints if not each.complaint]
    if not good:
        return None
    return bool(np.ptp(positions(good, cell), axis=0).max() <= REST_RAD)


def _judge_pressed(about: About, received: Sequence[Received]) -> Finding:
    pressed = sum(each.value for each in received)
    if not pressed:
        return about.passed('pressed', 'not pressed')
    share = '' if pressed == len(received) else f', in {pressed} of {len(received)} messages'
    return about.failed('pressed', f'the emergency stop says that it is pressed{share}',
                        'release it' if not share else
                        'let one node alone send the heartbeat, or look for a loose contact')
