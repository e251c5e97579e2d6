"""Listen to a running cell, and take down what there is; nothing is published, nothing moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
import os
import time

from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.names import CLOCK, PROPOSALS, remappings
from physical_ai_bridge.nodes import qos
from physical_ai_bridge.nodes.controller_state import controller_state_type
from physical_ai_bridge.nodes.dds import use_packaged_profile
from physical_ai_bridge.nodes.executor import make_executor
from physical_ai_bridge.nodes.live_graph import LiveGraph, profile_advice
from physical_ai_bridge.nodes.live_questions import Questions
from physical_ai_bridge.runtime.live_check.clocks import USE_SIM_TIME
from physical_ai_bridge.runtime.live_check.controller import (
    controller_node,
    our_nodes,
    PARAMETERS,
)
from physical_ai_bridge.runtime.live_check.observed import (
    Content,
    Expected,
    expected_streams,
    Observed,
    Stream,
)
from physical_ai_bridge.runtime.live_check.tally import clock_of, Tally
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock

# Discovery takes up to a second, and some more on a busy machine or a bad network.
DISCOVERY_S = 5.0
# After the listening, for what has not been answered by then.
_ANSWERS_S = 3.0
_PROBE_S = 2.0
_SETTLE_S = 1.0
_STEP_S = 0.05
_ASK_EVERY_S = 0.2
# Deep enough that whoever counts does not lose what a busy moment holds up.
_DEPTH, _IMAGE_DEPTH = 512, 8


def observe(
        cell: Cell, cameras: tuple[str, ...] | None, seconds: float, *,
        namespace: str = '', remaps: Sequence[str] = (),
        advance: Callable[..., None] = lambda *steps: None) -> Observed:
    """
    Listen for ``seconds`` and return what was seen.

    Every topic of the cell is looked for in ``namespace``, where one is given; ``remaps``, such as
    '/clock:=/left/clock', come first.
    ``advance(seconds)`` is told how time goes by. A graph without anybody is left after
    ``DISCOVERY_S``.

    Raises
    ------
    BridgeError
        If the namespace or a remapping cannot be used.

    """
    use_packaged_profile()
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        listener = LiveListener(
            cell, cameras, context, namespace=namespace, remaps=remaps, advance=advance)
        try:
            return listener.observe(seconds)
        finally:
            listener.close()
    finally:
        rclpy.try_shutdown(context=context)


class LiveListener:
    """A node that subscribes to what the cell file promises, as our nodes do, and to /clock."""

    def __init__(
            self, cell: Cell, cameras: tuple[str, ...] | None, context: Context, *,
            namespace: str = '', remaps: Sequence[str] = (),
            advance: Callable[..., None] = lambda *steps: None) -> None:
        self._cell, self._advance = cell, advance
        self._expected = expected_streams(cell, cameras)
        moved = (f'{name}:={inside}' for name, inside in remappings(cell, namespace))
        try:
            self.node = rclpy.create_node(
                f'check_live_{os.getpid()}', context=context, namespace=namespace,
                cli_args=['--ros-args', *(
                    part for each in (*remaps, *moved) for part in ('-r', each))],
                use_global_arguments=False, enable_rosout=False, start_parameter_services=False,
                parameter_overrides=[Parameter('start_type_description_service', value=False)])
        except (ValueError, RuntimeError) as error:
            raise BridgeError(f'{namespace} {" ".join(remaps)}: {error}') from error
        self._executor = make_executor(context)
        self._executor.add_node(self.node)
        self._graph = LiveGraph(self.node, cell)
        self._questions = Questions(self.node)
        self._simulated_ns: int | None = None
        self._clock: list[int] = []
        self._clock_offset_ns: int | None = None
        self._unavailable: dict[str, str] = {}
        self._reliably: set[str] = set()
        self._held_up_s = 0.0
        self._taken = 0
        self._start_counting()
        self.node.create_subscription(
            Clock, CLOCK, self._on_clock, qos.newest_frame(), raw=True)
        for stream in self._expected:
            self._listen(stream)

    def close(self) -> None:
        """Take the node down."""
        self._executor.remove_node(self.node)
        self._executor.shutdown()
        self.node.destroy_node()

    def _start_counting(self) -> None:
        self._tallies = {each.topic: Tally(each, self._cell) for each in self._expected}
        self._clock.clear()

    def _listen(self, stream: Expected) -> None:
        try:
            message = self._type(stream)
        except BridgeError as error:
            self._unavailable[stream.topic] = str(error)
            return
        self.node.create_subscription(
            message, stream.topic, partial(self._take, stream.topic), _listening(stream), raw=True)

    def _type(self, stream: Expected) -> type:
        if stream.content is Content.REFERENCE:
            return controller_state_type(self._cell)
        package, _, name = stream.type_name.split('/')
        return getattr(import_module(f'{package}.msg'), name)

    def _take(self, topic: str, data: bytes) -> None:
        self._taken += 1
        self._tallies[topic].take(
            data, steady_ns=time.monotonic_ns(), system_ns=time.time_ns(),
            simulated_ns=self._simulated_ns)

    def _on_clock(self, data: bytes) -> None:
        self._taken += 1
        self._simulated_ns = clock_of(data)
        self._clock_offset_ns = time.time_ns() - self._simulated_ns
        self._clock.append(self._simulated_ns)

    def observe(self, seconds: float, discovery_s: float = DISCOVERY_S) -> Observed:
        """Wait until everything is there, or ``discovery_s``; then listen, and ask."""
        self._step_until(self._complete, discovery_s)
        nodes = self._graph.nodes()
        if not nodes:
            return self._observed(0, 0, ())
        # To begin asking takes a while, in which messages wait that are old when they are taken.
        self._ask()
        self._take_what_waits()
        # A description is latched: it came with the discovery.
        latched = {each.topic: self._tallies[each.topic] for each in self._expected
                   if each.latched}
        self._start_counting()
        self._tallies |= latched
        begun_ns, self._held_up_s = time.monotonic_ns(), 0.0
        self._step_until(lambda: self._ask() and False, seconds, _ASK_EVERY_S)
        held_up_s = self._held_up_s
        ended_ns = time.monotonic_ns()
        self._step_until(self._ask, _ANSWERS_S)
        self._probe(min(seconds, _PROBE_S))
        return self._observed(begun_ns, ended_ns, self._graph.nodes(), held_up_s)

    def _take_what_waits(self) -> None:
        """Serve until nothing is left that came before."""
        end_s = time.monotonic() + _SETTLE_S
        taken = -1
        while taken != self._taken and time.monotonic() < end_s:
            taken = self._taken
            self._executor.spin_once(timeout_sec=0.0)

    def _complete(self) -> bool:
        """Tell whether everybody whom the cell file names has been found, and is heard."""
        if not all(len(self._tallies[each.topic]) or each.topic in self._unavailable
                   for each in self._expected):
            return False
        found = [self._graph.topic(each.topic, each).publishers for each in self._expected]
        found.append(self._graph.commands().subscriptions)
        return all(found) and all(
            endpoint.node.startswith('/') for endpoints in found for endpoint in endpoints)

    def _ask(self) -> bool:
        """Ask whoever has to do with the cell; return whether all have answered."""
        commands, proposals = self._graph.commands(), self._graph.topic(PROPOSALS)
        supervisors = self._graph.supervisors(commands)
        seen = Observed(topics={PROPOSALS: proposals}, supervisors=supervisors)
        controller = controller_node(commands, our_nodes(seen))
        for stream in self._expected:
            for each in self._graph.topic(stream.topic, stream).publishers:
                self._questions.ask_parameters(each.node, [USE_SIM_TIME])
        for node in supervisors:
            self._questions.ask_parameters(node, [USE_SIM_TIME])
        if controller is not None:
            self._questions.ask_parameters(controller, [USE_SIM_TIME, *PARAMETERS])
        self._questions.ask_controllers()
        return self._questions.attend()

    def _probe(self, seconds: float) -> None:
        """
        Ask silent cameras to send until it arrives.

        A frame larger than the transport's segments gets lost as a whole when sent best-effort,
        and in parts, slowly, arrives when it is not.
        """
        silent = [each for each in self._expected if each.content is Content.IMAGE
                  and not len(self._tallies[each.topic])
                  and any(publisher.reliable and not publisher.mismatch
                          for publisher in self._graph.topic(each.topic, each).publishers)]
        arrived: set[str] = set()
        for stream in silent:
            self.node.create_subscription(
                self._type(stream), stream.topic,
                lambda data, topic=stream.topic: arrived.add(topic), qos.command(depth=1),
                raw=True)
        self._step_until(lambda: len(arrived) == len(silent), seconds)
        self._reliably = arrived

    def _step_until(
            self, done: Callable[[], bool], timeout_s: float, look_s: float = _STEP_S) -> None:
        """Serve what comes until ``done``, looked at every ``look_s``, or the time is up."""
        begun_s = told_s = time.monotonic()
        looked_s = 0.0
        while (now_s := time.monotonic()) - begun_s < timeout_s:
            # To look at the graph takes longer than to take a message.
            if now_s - looked_s >= look_s:
                looked_s = now_s
                if done():
                    return
                self._advance(now_s - told_s)
                told_s = now_s
            self._executor.spin_once(timeout_sec=_STEP_S)
            self._held_up_s = max(self._held_up_s, time.monotonic() - now_s - _STEP_S)

    def _observed(
            self, begun_ns: int, ended_ns: int, nodes: tuple[str, ...], held_up_s: float = 0.0,
    ) -> Observed:
        graph, questions = self._graph, self._questions
        topics = {each.topic: graph.topic(each.topic, each) for each in self._expected}
        commands = graph.commands()
        topics |= {self._cell.controller.topic: commands, PROPOSALS: graph.topic(PROPOSALS)}
        streams = {
            topic: Stream(unavailable=self._unavailable[topic]) if topic in self._unavailable
            else tally.stream(only_reliably=topic in self._reliably)
            for topic, tally in self._tallies.items()}
        return Observed(
            begun_ns=begun_ns, ended_ns=ended_ns, held_up_s=held_up_s, nodes=nodes,
            topics=topics, streams=streams, by_type=graph.by_type(),
            clock_publishers=graph.clock_publishers(),
            clock_ns=(self._clock[0], self._clock[-1]) if self._clock else None,
            clock_offset_ns=self._clock_offset_ns, parameters=questions.parameters(),
            supervisors=graph.supervisors(commands), action_clients=graph.action_clients(commands),
            controllers=questions.controllers(),
            controllers_untold=questions.controllers_untold(), place=graph.place(),
            profile_advice=profile_advice())


def _listening(stream: Expected) -> QoSProfile:
    """Return the profile with which our nodes listen, only deeper."""
    if stream.latched:
        return qos.latched()
    profile = qos.sensor_stream()
    profile.depth = _IMAGE_DEPTH if stream.content is Content.IMAGE else _DEPTH
    return profile
