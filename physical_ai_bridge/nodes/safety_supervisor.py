"""The node ``safety_supervisor``: hosts the supervisor, and alone talks to the controller."""

from __future__ import annotations

import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from physical_ai_bridge.contract.clock import Instant
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.cell_parameter import CellParameter
from physical_ai_bridge.nodes.clock import NodeClock
from physical_ai_bridge.nodes.command_output import ARM, GRIPPER, make_outputs
from physical_ai_bridge.nodes.conversions import (
    decision_status,
    diagnostic_array,
    refusal_values,
    status,
)
from physical_ai_bridge.nodes.executor import run
from physical_ai_bridge.nodes.hygiene import Collector
from physical_ai_bridge.nodes.incidents import Incidents
from physical_ai_bridge.nodes.journaling import NoJournal, open_journal
from physical_ai_bridge.nodes.lifecycle import ManagedNode
from physical_ai_bridge.nodes.other_publishers import OtherPublishers
from physical_ai_bridge.nodes.parameters import Parameters
from physical_ai_bridge.nodes.robot_description import robot_description
from physical_ai_bridge.nodes.scheduling import Linux, Scheduling
from physical_ai_bridge.nodes.supervisor_ears import STOP, SupervisorEars
from physical_ai_bridge.nodes.supervisor_report import SupervisorReport
from physical_ai_bridge.nodes.tracing import head_of, Trace
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.runtime.supervisor_inputs import (
    names_payload,
    SupervisorInputs,
    traced_kinds,
)
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.gripping import GrippingSupervisor, supervisor_of
from physical_ai_bridge.safety.robot_model import RobotModel
from rclpy.timer import Timer
from std_srvs.srv import Trigger

# Changes may follow each other within a tick or two, and none may get lost on the way.
_STATE_DEPTH = 16
# What ros2_control's controller manager asks for, too.
REALTIME_PRIORITY = 50
_STOPS = (Mode.STOPPING, Mode.STOPPED, Mode.FAULT)
_MOVING = (Mode.ACTIVE, Mode.LIMITING, Mode.STOPPING)
# How often to look who else publishes commands; a look takes some 40 microseconds.
_LOOK_S = 0.1


class SafetySupervisor(ManagedNode):
    """Feeds the supervisor, ticks it, and publishes what it lets through."""

    def __init__(self, **options: Any) -> None:
        super().__init__('safety_supervisor', **options)
        self._settings = Parameters(self)
        self._cell_parameter = CellParameter(self._settings)
        self._settings.declare(
            'authority', str(Authority.SHADOW), 'shadow: commands are verified and reported, and '
            'nothing is published to the controller; ramp: they go to the controller, the speed '
            'limits rising from a floor; live: they go to the controller. It is read at '
            'activation, and can be changed before', read_only=False)
        self._settings.declare(
            'realtime_priority', REALTIME_PRIORITY, 'run by SCHED_FIFO with this priority, 1 to '
            '99, where the machine permits it; 0 for not')
        self._settings.declare('lock_memory', False, 'keep all memory of the process resident')
        self._settings.declare(
            'realtime_required', False, 'refuse to be configured where the machine does not '
            'permit realtime_priority or lock_memory, instead of a warning')
        self._settings.declare(
            'journal', '', 'path of a file to write every input and decision to; empty for none')
        self._incidents = Incidents(self._settings)
        self._node_clock = NodeClock(self)
        self._journal = NoJournal()
        self._tick_timer: Timer | None = None
        self._scheduling = Scheduling(Linux())
        self._collector = Collector()

    def configure(self) -> None:
        """Read the cell, make the supervisor, the topics and the services."""
        loaded = self._cell_parameter.load()
        self._read_authority()
        for refused in self._scheduling.apply(
                priority=self._settings.whole('realtime_priority', at_least=0, at_most=99),
                lock_memory=self._settings.flag('lock_memory'),
                required=self._settings.flag('realtime_required')):
            self.get_logger().warning(refused)
        urdf = robot_description(self, loaded)
        robot = RobotModel.from_urdf(urdf, loaded.cell)
        self._journal = self._trace = Trace(
            self, head_of(self.get_fully_qualified_name(), loaded.digest),
            traced_kinds(loaded.cell), open_journal(self._settings.text('journal')))
        self._journal = self._incidents.start(
            loaded, urdf, self.get_fully_qualified_name(), self._trace)
        self._cell, self._cell_digest = loaded.cell, loaded.digest
        self._supervisor = supervisor_of(self._cell, robot)
        self._inputs = SupervisorInputs(self._supervisor, self._cell)
        self._report = SupervisorReport(self._cell.safety.tick_rate_hz)
        self._last: Decision | None = None
        self._others: tuple[str, ...] = ()
        self._make_topics()

    def _read_authority(self) -> None:
        self._authority = Authority(self._settings.choice(
            'authority', tuple(str(each) for each in Authority)))

    def _make_topics(self) -> None:
        gripper = self._cell.gripper
        watched = [self._cell.controller.topic, *([] if gripper is None else [gripper.topic])]
        self._other_publishers = [OtherPublishers(self, topic) for topic in watched]
        self._outputs = make_outputs(self, self._cell, self._node_clock)
        self._look_around()
        self._state_publisher = self.make_publisher(
            DiagnosticStatus, '~/state', qos.latched(_STATE_DEPTH))
        self._diagnostics_publisher = self.make_publisher(
            DiagnosticArray, '/diagnostics', qos.diagnostics())
        self._ears = SupervisorEars(self, self._cell, self._take)
        self.make_subscription(
            DiagnosticArray, '/diagnostics', self._incidents.on_diagnostics, qos.diagnostics())
        self.make_service(Trigger, '~/stop', self._on_stop)
        self.make_service(Trigger, '~/reset', self._on_reset)
        self.make_timer(1.0, self._tell, self._node_clock.steady)
        self.make_timer(_LOOK_S, self._look_around, self._node_clock.steady)

    def activate(self) -> None:
        """Begin to tick."""
        self._read_authority()
        self._ears.begin(self._authority)
        self._collector.begin()
        self._report.on_activate()
        now = self._tick_at = self._node_clock.now()
        for output in self._outputs.values():
            output.begin()
        self._incidents.begin(self._supervisor, self._authority, now)
        self._trace.begin(now, self._state)
        self._hand_in('authority', str(self._authority).encode(), now)
        decision = self._supervisor.activate(now)
        self._note('activate', now, decision)
        self._hand_in('publishers', names_payload(self._others), now)
        self._publish(decision)
        self._tick_timer = self.create_timer(
            1.0 / self._cell.safety.tick_rate_hz, self._on_timer, clock=self._node_clock.steady)

    def deactivate(self) -> None:
        """Let the last command brake, and tick no more."""
        try:
            if self._tick_timer is not None:
                self.destroy_timer(self._tick_timer)
                self._tick_timer = None
                decision = self._supervisor.deactivate(self._node_clock.now())
                self._note('deactivate', decision.now, decision)
                self._publish(decision)
                self._incidents.end()
                self._trace.flush()
        finally:
            for output in self._outputs.values():
                output.end()
        self._collector.end()

    def end(self, error: BaseException | None = None) -> None:
        """Brake where needed; after an error of its own the last state says so."""
        if error is not None and self.active:
            self.active = False
            self._incidents.fault(error, self._tick_at, self._node_clock.now())
            self.deactivate()
            self._publish_state(Decision(
                self._node_clock.now(), Mode.FAULT, Reason.INTERNAL_ERROR, repr(error)))
        super().end(error)

    def release(self) -> None:
        """Take down topics and services and close the journal."""
        self.destroy_made()
        self._journal.close()
        self._journal = NoJournal()
        self._scheduling.undo()

    def _take(self, kind: str, data: bytes) -> None:
        """Hand an input to the supervisor, and tick at once where it wants that."""
        if not self.active:
            return
        now = self._node_clock.now()
        if self._hand_in(kind, data, now):
            self._decide(now)

    def _hand_in(self, kind: str, data: bytes, now: Instant) -> bool:
        self._journal.append(kind, now, data)
        return self._inputs.take(kind, data, now)

    def _look_around(self) -> None:
        """See who else publishes commands."""
        others = tuple(name for topic in self._other_publishers for name in topic.names())
        if others == self._others:
            return
        self._others = others
        topic = ' or '.join(output.topic_name for output in self._outputs.values())
        if others:
            self.get_logger().error(f'{", ".join(others)} publishes on {topic}, too')
        else:
            self.get_logger().info(f'nobody else publishes on {topic} any more')
        self._take('publishers', names_payload(others))

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self.active:
            response.message = 'not active: nothing moves'
            return response
        now = self._node_clock.now()
        self._journal.append('stop', now)
        if self._supervisor.stop(now):
            self._decide(now)
        response.success = True
        response.message = 'stopping; only ~/reset at standstill leaves this'
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self.active:
            response.message = 'not active'
            return response
        now = self._node_clock.now()
        self._journal.append('reset', now)
        refusal = self._supervisor.reset(now)
        response.success = refusal is None
        response.message = 'reset' if refusal is None else str(refusal)
        self._decide(now)
        return response

    def _on_timer(self) -> None:
        now = self._node_clock.now()
        self._report.on_timer(now.steady_ns)
        for kind, name in (('setpoints', ARM), ('gripper_setpoints', GRIPPER)):
            trouble = self._outputs[name].trouble() if name in self._outputs else None
            if trouble is not None:
                self._hand_in(kind, trouble.payload(), now)
        self._decide(now)
        fresh = self._incidents.after_tick(self._supervisor, now)
        self._trace.publish(self._trace.collect(now, self._state, fresh))
        self._collector.after_tick(now.steady_ns, moving=self._last.mode in _MOVING)

    def _state(self) -> bytes | None:
        return self._incidents.state(self._supervisor)

    def _hear_stop(self, now: Instant) -> Instant:
        """Take what waits of the emergency stop; return when that was, or ``now``."""
        for data in self._ears.waiting_stops():
            now = self._node_clock.now()
            self._hand_in(STOP, data, now)
        return now

    def _decide(self, now: Instant) -> None:
        now = self._tick_at = self._hear_stop(now)
        begun_ns = time.perf_counter_ns()
        decision = self._supervisor.tick(now)
        ended_ns = time.perf_counter_ns()
        done = self._node_clock.now()
        decided = [('tick', decision.now, decision)]
        if ((decision.command is not None or decision.gripper is not None)
                and done.steady_ns - now.steady_ns > self._supervisor.command_expires_ns):
            decision = self._supervisor.withdraw(decision, done)
            decided.append(('withdraw', done, decision))
        # What is written down for later does not hold up a stop.
        self._publish(decision)
        for each in decided:
            self._note(*each)
        self._report.on_tick(decision, ended_ns - begun_ns, self._node_clock.now().ros_ns)

    def _note(self, kind: str, now: Instant, decision: Decision) -> None:
        if self._journal.wanted:
            self._journal.append(kind, now, decision_payload(decision))
            self._incidents.decided(decision)

    def _publish(self, decision: Decision) -> None:
        if decision.command is not None:
            self._outputs[ARM].send(decision.command)
        if decision.gripper is not None:
            self._outputs[GRIPPER].send(decision.gripper)
        last, self._last = self._last, decision
        if last is None or (last.mode, last.reason) != (decision.mode, decision.reason):
            self._publish_state(decision)
            if last is None or last.mode != decision.mode:
                self._log(decision)

    def _publish_state(self, decision: Decision) -> None:
        self._state_publisher.publish(decision_status(
            self.get_fully_qualified_name(), decision, authority=str(self._authority),
            hardware_id=self._cell.name))

    def _log(self, decision: Decision) -> None:
        """Log stops and what ends them; other modes may change many times a second."""
        detail = f': {decision.detail}' if decision.detail else ''
        text = f'{decision.mode}: {decision.reason}{detail}'
        if decision.mode in _STOPS:
            self.get_logger().error(text)
        elif decision.mode is Mode.READY:
            self.get_logger().info(text)

    def _tell(self) -> None:
        """Say once a second how things are."""
        if self._last is None:
            return
        self._publish_state(self._last)
        problem = self._incidents.new_problem()
        if problem:
            self.get_logger().error(problem)
        values = self._report.values(time.monotonic_ns())
        values.update(refusal_values(self._supervisor.refusals))
        refusal = self._supervisor.last_refusal
        values['last_refusal'] = '' if refusal is None else str(refusal)
        values.update(self._incidents.values())
        for name, output in self._outputs.items():
            values.update({key if name == ARM else f'{name}.{key}': value
                           for key, value in output.values().items()})
        if isinstance(self._supervisor, GrippingSupervisor):
            values['gripper.limited'] = str(self._supervisor.gripper_limited or '')
        values['reaction_delay_s'] = self._supervisor.reaction_delay_s
        values['cell_digest'] = self._cell_digest
        values['authority'] = str(self._authority)
        values['other_publishers'] = ', '.join(self._others)
        values['scheduling'] = str(self._scheduling)
        values['memory_locked'] = self._scheduling.memory_locked
        values['gc_pause_p99_ms'] = self._collector.pause_ms.percentile(99.0)
        self._diagnostics_publisher.publish(diagnostic_array(
            self._node_clock.now().ros_ns,
            status(self.get_fully_qualified_name(), f'{self._last.mode}: {self._last.reason}',
                   values, level=decision_status(
                       '', self._last, authority='', hardware_id='').level,
                   hardware_id=self._cell.name)))


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(SafetySupervisor, args, urgent=True)


if __name__ == '__main__':
    sys.exit(main())
