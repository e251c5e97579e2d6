"""One recording and one policy: every message goes where the nodes would have taken it."""

from __future__ import annotations

from collections.abc import Callable
import math
import struct

import numpy as np
from physical_ai_bridge.bags.reader import decode, RecordedMessage
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.errors import WireError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.samples import ImageSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.evaluation.offline import topics as kinds
from physical_ai_bridge.evaluation.offline.chunk_scores import ChunkScores
from physical_ai_bridge.evaluation.offline.episodes import Episodes
from physical_ai_bridge.evaluation.offline.findings import FindingCode
from physical_ai_bridge.evaluation.offline.health import StreamHealth
from physical_ai_bridge.evaluation.offline.inference import Inference
from physical_ai_bridge.evaluation.offline.ledger import Ledger
from physical_ai_bridge.evaluation.offline.motion import MeasuredMotion, MotionTrack
from physical_ai_bridge.evaluation.offline.policy_run import PolicyRun
from physical_ai_bridge.evaluation.offline.replay_clock import ReplayClock
from physical_ai_bridge.evaluation.offline.scores import EpisodeScore
from physical_ai_bridge.evaluation.offline.sensor_watch import SensorWatch
from physical_ai_bridge.evaluation.offline.shadow import Shadow
from physical_ai_bridge.evaluation.offline.smoothness import ProposedMotion, recorded_motion
from physical_ai_bridge.evaluation.offline.sums import Sums
from physical_ai_bridge.evaluation.offline.topics import Input, Topics
from physical_ai_bridge.policy.chunks import PlacedChunk
from physical_ai_bridge.policy.kinematics import TcpKinematics
from physical_ai_bridge.runtime import cdr
from physical_ai_bridge.runtime.cdr_reader import Reader
from physical_ai_bridge.runtime.convert import trajectory_from_message
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.sanitise import MAX_POINTS

# In ticks: how often chunks are settled, joints compared, and a command made from measurements.
_SETTLE, _COMPARE, _COMMAND = 5, 2, 1
# Nobody ticks through a pause of hours: after this much of it, when all is missed that can be,
# the clock jumps.
_LONGEST_PAUSE_NS = 5 * NS_PER_S
_SHOWN_NS = seconds_to_ns(0.02)


class Judge:
    """
    Judges one policy on one recording: ``take`` every message in order, then ``finish``.

    ``inference`` is None where only what knows no policy can be judged. ``begin_ns`` is the ROS
    time of the first message, by ``clock``.
    """

    def __init__(
            self, binding: Binding, robot: RobotModel, topics: Topics, ledger: Ledger,
            clock: ReplayClock, begin_ns: int, *, inference: Inference | None,
            kinematics: TcpKinematics | None, latency_s: float) -> None:
        cell, manifest = binding.cell, binding.manifest
        self._cell, self._ledger = cell, ledger
        self.topics = topics
        self.messages = 0
        self._joints = cell.robot.joints
        self._clock = clock
        self.begin_ns = self._now_ns = begin_ns
        self._next_tick_ns: int | None = None
        self._heard_ns = 0
        self._ticks = 0
        moved = topics.has(kinds.COMMAND) or topics.has(kinds.REFERENCE)
        self.sums = Sums.empty(
            self._joints, tuple(manifest.action.offset_s + row * manifest.action.period_s
                                for row in range(manifest.action.horizon)),
            'commanded' if moved else 'measured')
        self.measured = MotionTrack(len(self._joints))
        self.commanded = MotionTrack(len(self._joints))
        self.shadow = Shadow(cell, robot, self.sums.counts, self._on_judged)
        self._tick_ns = seconds_to_ns(self.shadow.tick_s)
        self._policy = None if inference is None else PolicyRun(
            binding, inference, kinematics, seconds_to_ns(latency_s), self.sums)
        self.chunks = ChunkScores(
            manifest.action, self._joints, cell.sensors.cameras, robot, begin_ns,
            self.sums.predictions)
        self._proposed = ProposedMotion()
        self._scored: PlacedChunk | None = None
        self.episodes = Episodes(begin_ns, told=topics.has(kinds.EPISODE))
        self._motion = MeasuredMotion(cell)
        self._command: Trajectory | None = None
        self._commands_recorded = topics.has(kinds.COMMAND)
        self._reference_recorded = topics.has(kinds.REFERENCE)
        self.streams = {topic: StreamHealth(each, ledger, begin_ns)
                        for topic, each in topics.inputs.items()}
        self._watch = SensorWatch(cell, ledger, begin_ns)
        self._frames: dict[str, ImageSample] = {}
        self.forces: dict[str, list[tuple[int, float]]] = {
            name: [] for name in cell.sensors.wrenches}
        self._handlers = {topic: self._handler(each) for topic, each in topics.inputs.items()}

    def _handler(self, source: Input) -> Callable[[Input, RecordedMessage, Instant], int | None]:
        """Return what takes a kind of message and returns its stamp, None where it has none."""
        return {
            kinds.JOINTS: self._on_joints, 'wrench': self._on_wrench, 'image': self._on_image,
            kinds.COMMAND: self._on_command, kinds.REFERENCE: self._on_reference,
            kinds.STOP: self._on_stop, kinds.TASK: self._on_task,
            kinds.GRIPPER_STATE: self._on_gripper, kinds.GRIPPER_COMMAND: self._on_gripper_command,
            kinds.EPISODE: self._on_episode, kinds.PROPOSAL: self._on_proposal,
            kinds.ROS_TIME: self._on_clock}[source.kind.partition('/')[0]]

    def take(self, message: RecordedMessage) -> None:
        """Take a message; those of topics that are no inputs only let time pass."""
        now = self._clock.at(message.stamp_ns)
        self.messages += 1
        if self._next_tick_ns is None:
            self._heard_ns = now.steady_ns
            self._next_tick_ns = now.steady_ns + self._tick_ns
            self.shadow.start(now)
        self._advance(now)
        self._now_ns, self._heard_ns = now.ros_ns, now.steady_ns
        handler = self._handlers.get(message.topic)
        if handler is None:
            return
        health = self.streams[message.topic]
        try:
            stamp_ns = handler(health.source, message, now)
        except (WireError, KeyError, ValueError) as error:
            self._ledger.add(FindingCode.UNDECODABLE, message.topic, str(error), self._at_s(now))
            stamp_ns = None
        health.take(now.ros_ns, stamp_ns)

    def _at_s(self, now: Instant) -> float:
        return (now.ros_ns - self.begin_ns) / NS_PER_S

    def _advance(self, now: Instant) -> None:
        """Let everything happen that was due before ``now``, in the order of time."""
        shift_ns = now.ros_ns - now.steady_ns
        while True:
            ready_ns = None if self._policy is None else self._policy.ready_ns
            if ready_ns is not None and ready_ns <= min(self._next_tick_ns, now.steady_ns):
                self._deliver(Instant(ready_ns + shift_ns, ready_ns))
            elif self._next_tick_ns <= now.steady_ns:
                self._tick(Instant(self._next_tick_ns + shift_ns, self._next_tick_ns))
                self._next_tick_ns += self._tick_ns
                if self._next_tick_ns - self._heard_ns > _LONGEST_PAUSE_NS:
                    missed = max(0, now.steady_ns - self._next_tick_ns) // self._tick_ns
                    self._next_tick_ns += missed * self._tick_ns
            else:
                return

    def _tick(self, now: Instant) -> None:
        core = self.shadow.core
        if not self.topics.stop:
            core.on_emergency_stop(False, now)
        for sensor in self.topics.silent:
            core.on_wrench(sensor, WrenchSample(now.ros_ns, np.zeros(3), np.zeros(3)), now)
        self._ticks += 1
        if not self._commands_recorded and self._ticks % _COMMAND == 0:
            track = self.commanded if self._reference_recorded else self.measured
            made = self._motion.command(track, now.ros_ns)
            if made is not None:
                self._execute(made, now)
        elif self._command is not None:
            self._follow(now)
        self._decide(now)
        if self._ticks % _SETTLE == 0:
            self._settle(all_of_them=False)
            self._watch.tell_jumps(now.ros_ns)

    def _follow(self, now: Instant) -> None:
        """Note where the recorded commands have the robot, and whether it is there."""
        where = self._command.at(now.ros_ns).position
        self.commanded.add(now.ros_ns, where)
        if self._ticks % _COMPARE == 0:
            self._watch.compare(where, now)

    def _decide(self, now: Instant) -> None:
        episode = self.episodes.now
        if self.shadow.tick(now) is not None and episode is not None:
            episode.stops += 1

    def _on_judged(self, passed: bool) -> None:
        """Take whether a proposal was passed unchanged."""
        newest = self.episodes.all[-1] if self.episodes.all else None
        if newest is not None:
            newest.proposals += 1
            newest.limited += not passed

    def _deliver(self, now: Instant) -> None:
        """Propose what was inferred, and have it judged."""
        done = self._policy.deliver(now)
        if done is None:
            return
        counts = self.episodes.counts(done.chunk.observation_ns)
        jerk = self._proposed.add(done.proposal) if counts else None
        if counts:
            # A seam is between two chunks that both count.
            before = done.before if done.before is self._scored else None
            self.chunks.add(done.chunk, before, done.frames)
            self._scored = done.chunk
            if jerk is not None:
                self.episodes.now.jerks.append(jerk)
        self.shadow.propose(done.proposal, now, counts=counts)

    def _look(self, now: Instant) -> None:
        if self._policy is None:
            return
        observed = self._policy.look(now, self._frames)
        episode = self.episodes.now
        if observed is None or episode is None:
            return
        if observed:
            episode.observations += 1
            return
        episode.refused += 1
        refusal = self._policy.refused
        if refusal.reason is Reason.IMAGE_MALFORMED:
            self._ledger.add(FindingCode.IMAGE_REFUSED, 'cameras', refusal.detail, self._at_s(now))

    def _on_joints(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        sample = cdr.decode_joint_state(message.data)
        core = self.shadow.core
        before = core.last_refusal
        core.on_joint_state(sample, now)
        refusal = None if core.last_refusal is before else core.last_refusal
        position = self._watch.on_joints(source, sample, refusal, now)
        if position is not None:
            self.measured.add(sample.stamp_ns, position)
        if self._policy is not None:
            self._policy.loop.on_joint_state(sample, now)
            self._look(now)
        return sample.stamp_ns

    def _on_wrench(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        sample = cdr.decode_wrench_stamped(message.data)
        sensor = source.kind.partition('/')[2]
        forces = self.forces[sensor]
        if not forces or sample.stamp_ns - forces[-1][0] >= _SHOWN_NS:
            forces.append((sample.stamp_ns, math.hypot(*sample.force.tolist())))
        core = self.shadow.core
        before = core.last_refusal
        wants_tick = core.on_wrench(sensor, sample, now)
        self._watch.on_wrench(
            source, sample, None if core.last_refusal is before else core.last_refusal, now)
        if wants_tick:
            self._decide(now)
        if self._policy is not None:
            self._policy.loop.on_wrench(sensor, sample, now)
            shaped = self._policy.loop.refresh(now)
            if shaped is not None:
                self.shadow.propose(shaped, now, counts=False)
        return sample.stamp_ns

    def _on_image(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        sample = cdr.SENSOR_DECODERS[source.type_name](message.data)
        camera = source.kind.partition('/')[2]
        self._frames[camera] = sample
        self._watch.on_frame(source, sample, now)
        if self._policy is not None:
            self._policy.loop.on_image(camera, sample, now)
            self._look(now)
        return sample.stamp_ns

    def _on_command(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        command = trajectory_from_message(
            cdr.decode_joint_trajectory(message.data, MAX_POINTS), self._joints)
        self._execute(command, now)
        return command.stamp_ns

    def _execute(self, command: Trajectory, now: Instant) -> None:
        self._command = command
        self.shadow.core.on_command(command, now)
        if self._policy is not None:
            self._policy.loop.on_command(command, now)

    def _on_reference(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        del now
        decoder = (cdr.decode_joint_state if source.type_name.endswith('JointState')
                   else cdr.decode_controller_state)
        sample = decoder(message.data)
        order = [sample.names.index(name) for name in self._joints]
        if not self._commands_recorded:
            self.commanded.add(sample.stamp_ns, np.asarray(sample.position)[order])
        return sample.stamp_ns

    def _on_stop(self, source: Input, message: RecordedMessage, now: Instant) -> None:
        if self.shadow.core.on_emergency_stop(cdr.decode_bool(message.data), now):
            self._decide(now)

    def _on_task(self, source: Input, message: RecordedMessage, now: Instant) -> None:
        if self._policy is not None:
            self._policy.loop.set_task(cdr.decode_string(message.data))

    def _on_gripper(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        sample = cdr.decode_joint_state(message.data)
        self.shadow.core.on_gripper_state(sample, now)
        if self._policy is not None:
            self._policy.loop.on_joint_state(sample, now)
        return sample.stamp_ns

    def _on_gripper_command(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        command = trajectory_from_message(
            cdr.decode_joint_trajectory(message.data, MAX_POINTS), (self._cell.gripper.joint,))
        if self._policy is not None:
            self._policy.loop.on_gripper_command(command, now)
        return command.stamp_ns

    def _on_episode(self, source: Input, message: RecordedMessage, now: Instant) -> None:
        if self.episodes.on_status(decode(message)[0].values, now.ros_ns):
            self._watch.on_episode(self.episodes.all[-1].start_ns)
            self._settle(all_of_them=True)
            self.shadow.start(now)
            if self._policy is not None:
                self._policy.restart()

    def _on_proposal(self, source: Input, message: RecordedMessage, now: Instant) -> int:
        stamp_ns = Reader(message.data, message.type_name).header()
        self.episodes.on_proposal(stamp_ns)
        return stamp_ns

    def _on_clock(self, source: Input, message: RecordedMessage, now: Instant) -> None:
        if self._clock.shift_ns:
            seconds, nanoseconds = struct.unpack_from('<iI', message.data, 4)
            self._clock.follow(message.stamp_ns, seconds * NS_PER_S + nanoseconds)

    @property
    def truth(self) -> MotionTrack:
        """The motion that predictions are compared with."""
        return self.measured if self.sums.truth == 'measured' else self.commanded

    def _settle(self, *, all_of_them: bool) -> None:
        newest = self.episodes.all[-1] if self.episodes.all else None
        until_ns = None if newest is None else newest.end_ns
        self.chunks.settle(self.truth, until_ns, all_of_them=all_of_them)

    def finish(self) -> None:
        """Take what is left; nothing more may come."""
        self._watch.tell_jumps(None)
        self._settle(all_of_them=True)
        self.chunks.finish()
        self.shadow.finish()
        if self._policy is not None:
            self._policy.finish()
        self.sums.worst = list(self.chunks.worst())
        self.sums.recorded_jerk, self.sums.recorded_rad = recorded_motion(self.measured)
        self.sums.proposed_jerk, self.sums.proposed_rad = (
            self._proposed.jerk, self._proposed.path_rad)

    @property
    def duration_s(self) -> float:
        """From the first message to the newest, on ROS time."""
        return (self._now_ns - self.begin_ns) / NS_PER_S

    def seconds(self, received_ns: int) -> float:
        """Return when something was received, from the recording's begin."""
        return (received_ns + self._clock.shift_ns - self.begin_ns) / NS_PER_S

    def episode_scores(self) -> tuple[EpisodeScore, ...]:
        """Return the scores of every episode."""
        return self.episodes.scores(self.chunks.rows, self.begin_ns, self._now_ns)
