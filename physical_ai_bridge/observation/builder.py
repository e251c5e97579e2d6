"""Samples in, one observation out: everything a policy sees, as of one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.bundle import ImageInput, input_tensors, WrenchInput
from physical_ai_bridge.contract.clock import Instant, NS_PER_S, seconds_to_ns
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample, JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.observation.align import AgeRule, in_seconds, RefusedError
from physical_ai_bridge.observation.decode import decode_image, resize_image
from physical_ai_bridge.observation.joint_columns import JointColumns
from physical_ai_bridge.observation.streams import Newest, Placed, Stream

MIN_SPAN_NS = NS_PER_S

# An input's array, and the stamp of the sample that it shows (None where none came from a sensor).
_Input = tuple[np.ndarray, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """
    What a policy sees at ``stamp_ns``, ROS time.

    ``inputs`` has the arrays that ``contract.bundle.input_tensors(manifest)`` names; they are
    read-only. ``ages_s`` says for each input from a sensor how old the sample that it shows was
    when the observation was built. ``anchor`` is what relative actions count from: joint positions
    (N,) float64, in the manifest's order, as the controller was executing them or, with
    ``relative_to: state``, as they were measured; None where actions are absolute.
    """

    stamp_ns: int
    inputs: Mapping[str, np.ndarray]
    ages_s: Mapping[str, float]
    anchor: np.ndarray | None = None


class ObservationBuilder:
    """
    Keeps what the sensors sent lately and aligns it to one observation time.

    The observation time is the oldest among the newest frames of the bundle's cameras, or the
    newest joint state's where it has no camera. Frames are the newest of each camera. Joints, and
    each row of a wrench history, are the newest sample not later than their instant (sample and
    hold: nothing is interpolated, so nothing is shown that no sensor sent). A wrench history that
    reaches back before the first sample repeats the first. The reference is what the newest
    command that had begun says about the observation time, else where the robot was, at rest.

    Every input is held against its ``max_age_s`` twice: what is shown must not be older than that
    at its own instant, and the newest sample of its stream not older than that now. No input,
    no observation: ``build`` returns why. A frame is decoded in ``build`` and never before.

    ``span_ns`` is how far back what came can matter, as long as more comes.

    Nothing here reads a clock; the same calls give the same observation, bit for bit. Not
    thread-safe.
    """

    def __init__(self, binding: Binding) -> None:
        self._manifest = manifest = binding.manifest
        self._spec = spec = manifest.observation
        self._action = manifest.action
        sensors = binding.cell.sensors
        joints = sensors.joint_states
        self._cameras = {name: sensors.cameras[name] for name in spec.images}
        self._joint_rule = AgeRule(
            'joint states', joints.topic, seconds_to_ns(joints.max_age_s),
            Reason.JOINTS_MISSING, Reason.JOINTS_STALE)
        self._frame_rules = {
            name: AgeRule(f'camera {name}', camera.topic, seconds_to_ns(camera.max_age_s),
                          Reason.IMAGE_MISSING, Reason.IMAGE_STALE)
            for name, camera in self._cameras.items()}
        self._wrench_rules = {
            name: AgeRule(f'wrench {name}', sensors.wrenches[name].topic,
                          seconds_to_ns(sensors.wrenches[name].max_age_s),
                          Reason.WRENCH_MISSING, Reason.WRENCH_STALE)
            for name in spec.wrenches}
        # As far back as an observation may lie, and as its inputs may reach back from there.
        oldest_ns = max((rule.max_age_ns for rule in self._frame_rules.values()), default=0)
        reach_ns = [self._joint_rule.max_age_ns] + [
            self._wrench_rules[name].max_age_ns + seconds_to_ns(wrench.history / wrench.rate_hz)
            for name, wrench in spec.wrenches.items()]
        self.span_ns = span_ns = max(MIN_SPAN_NS, 2 * (oldest_ns + max(reach_ns)))
        self._joints: Stream[JointSample] = Stream(span_ns)
        self._commands: Stream[Trajectory] = Stream(span_ns)
        self._wrenches: dict[str, Stream[WrenchSample]] = {
            name: Stream(span_ns) for name in spec.wrenches}
        self._frames: dict[str, Newest[ImageSample]] = {
            name: Newest(span_ns) for name in spec.images}
        self._columns = JointColumns(manifest.joints)
        gripper = manifest.gripper if manifest.gripper and manifest.gripper.observed else None
        self._gripper_columns = None if gripper is None else JointColumns((gripper.joint,))
        self._gripper: Stream[JointSample] = Stream(span_ns)
        self._gripper_rule = replace(
            self._joint_rule, label='the gripper',
            topic=(binding.cell.gripper and binding.cell.gripper.state_topic) or joints.topic)
        self._order = tuple(input_tensors(manifest))
        self._task: int | None = 0 if len(manifest.tasks) == 1 else None
        self._task_detail = 'no instruction has been given yet'

    def push_joint_state(self, sample: JointSample) -> None:
        """Take a joint state; one of other joints altogether (a gripper's, say) is left aside."""
        if self._gripper_columns is not None and self._gripper_columns.concerns(sample.names):
            self._gripper.push(sample.stamp_ns, sample)
        if not self._columns.concerns(sample.names):
            return
        if self._joints.push(sample.stamp_ns, sample) is Placed.RESTARTED:
            self._commands.clear()

    def push_wrench(self, sensor: str, sample: WrenchSample) -> None:
        """Take a wrench; one of a sensor that the bundle does not use is left aside."""
        stream = self._wrenches.get(sensor)
        if stream is not None:
            stream.push(sample.stamp_ns, sample)

    def push_image(self, camera: str, sample: ImageSample) -> Refusal | None:
        """Take a frame, undecoded; it replaces the camera's last one unless it is older."""
        frames = self._frames.get(camera)
        if frames is None or frames.push(sample.stamp_ns, sample) is not Placed.DROPPED:
            return None
        behind_ns = (frames.newest_ns or 0) - sample.stamp_ns
        return Refusal(Reason.IMAGE_STALE, f'camera {camera}: a frame is {in_seconds(behind_ns)} '
                       's older than one that came before it')

    def push_command(self, command: Trajectory) -> Refusal | None:
        """Take what the controller executes from the command's first knot on."""
        missing = [name for name in self._manifest.joints if name not in command.joint_names]
        if missing:
            return Refusal(
                Reason.JOINTS_MISSING, f'a command lacks the joints {", ".join(missing)}')
        self._commands.push(command.start_ns, command)
        return None

    def set_task(self, instruction: str) -> Refusal | None:
        """
        Choose an instruction; one that the bundle does not list leaves it without any.

        A bundle that lists a single one begins with that.
        """
        tasks = self._manifest.tasks
        self._task = tasks.index(instruction) if instruction in tasks else None
        if self._task is not None:
            return None
        listed = ', '.join(repr(task) for task in tasks) or 'none'
        self._task_detail = f"{instruction!r} is not among the bundle's: {listed}"
        return Refusal(Reason.TASK_UNKNOWN, self._task_detail)

    @property
    def task(self) -> int | None:
        """The index of the instruction in force among the bundle's, None where there is none."""
        return self._task

    def clear(self) -> None:
        """Forget every sample and command, as when time is set back or the robot was moved."""
        for stream in (self._joints, self._gripper, self._commands, *self._wrenches.values(),
                       *self._frames.values()):
            stream.clear()

    def newest_stamp_ns(self) -> int | None:
        """Return the time that an observation built now would have, None where it has none."""
        if not self._frames:
            return self._joints.newest_ns
        stamps = [frames.newest_ns for frames in self._frames.values()]
        return None if None in stamps else min(stamps)

    def build(self, now: Instant) -> Observation | Refusal:
        """Return the observation as of ``newest_stamp_ns``, or the first reason against it."""
        try:
            return self._build(now)
        except RefusedError as error:
            return error.refusal

    def _build(self, now: Instant) -> Observation:
        self._check_frames(now)
        stamp_ns = self.newest_stamp_ns()
        if stamp_ns is None:
            stamp_ns = self._joint_rule.check_newest(None, now)
        found: dict[str, _Input] = {}
        anchor = None
        if self._spec.state or self._spec.reference or self._action.is_relative:
            joints_ns, joints = self._joint_rule.held(self._joints, stamp_ns, now)
            anchor = measured = self._columns.pick(joints)
            if self._spec.state:
                found['observation.state'] = measured.astype(np.float32), joints_ns
            if self._spec.reference or self._action.counts_from_reference:
                reference, shown, reference_ns = self._reference(stamp_ns, measured, joints_ns)
                anchor = reference if self._action.counts_from_reference else measured
                if self._spec.reference:
                    found['observation.reference'] = shown, reference_ns
            anchor.flags.writeable = False
        if self._gripper_columns is not None:
            gripper_ns, gripper = self._gripper_rule.held(self._gripper, stamp_ns, now)
            found['observation.gripper'] = (
                self._gripper_columns.pick(gripper).astype(np.float32), gripper_ns)
        for name, wrench in self._spec.wrenches.items():
            found[f'observation.wrench.{name}'] = self._wrench(name, wrench, stamp_ns, now)
        if self._manifest.tasks:
            if self._task is None:
                raise RefusedError(Reason.TASK_UNKNOWN, self._task_detail)
            found['task'] = np.array(self._task, np.int64), None
        # Last, since it costs most: by now nothing else stands against the observation.
        for name, image in self._spec.images.items():
            found[f'observation.images.{name}'] = self._image(name, image)
        for array, _ in found.values():
            array.flags.writeable = False
        return Observation(
            stamp_ns,
            {name: found[name][0] for name in self._order},
            {name: (now.ros_ns - found[name][1]) / NS_PER_S
             for name in self._order if found[name][1] is not None},
            anchor if self._action.is_relative else None)

    def _check_frames(self, now: Instant) -> None:
        stamps = {name: self._frame_rules[name].check_newest(self._frames[name].newest_ns, now)
                  for name in self._cameras}
        if not stamps:
            return
        oldest, newest = min(stamps, key=stamps.__getitem__), max(stamps, key=stamps.__getitem__)
        skew_ns = stamps[newest] - stamps[oldest]
        if skew_ns > seconds_to_ns(self._spec.max_skew_s):
            raise RefusedError(
                Reason.IMAGE_SKEWED, f'camera {oldest} is {in_seconds(skew_ns)} s behind camera '
                f'{newest}, max_skew_s is {self._spec.max_skew_s:g}')

    def _reference(
            self, stamp_ns: int, measured: np.ndarray, joints_ns: int,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the reference's position (N,), the input that shows it, and its stamp."""
        shown = np.zeros((2, len(measured)), np.float32)
        shown[0] = measured
        begun = self._commands.at(stamp_ns)
        if begun is None:
            return measured, shown, joints_ns
        command_ns, command = begun
        motion = command.at(stamp_ns)
        columns = [command.joint_names.index(name) for name in self._manifest.joints]
        position = motion.position[columns]
        with np.errstate(over='ignore'):
            shown[0] = position
            shown[1] = motion.velocity[columns]
        if not np.isfinite(shown).all():
            raise RefusedError(
                Reason.JOINTS_MALFORMED, 'the command that the controller executes is not finite')
        return position, shown, command_ns

    def _wrench(self, name: str, wanted: WrenchInput, stamp_ns: int, now: Instant) -> _Input:
        rule, stream = self._wrench_rules[name], self._wrenches[name]
        shown_ns, sample = rule.held(stream, stamp_ns, now)
        rows = np.empty((wanted.history, 6), np.float32)
        for back in range(wanted.history):
            row_ns = stamp_ns - seconds_to_ns(back / wanted.rate_hz)
            held = stream.at(row_ns)
            if held is None:
                sample = stream.first()[1]
            else:
                sample = held[1]
                rule.check(row_ns - held[0], f'the one that holds {back / wanted.rate_hz:g} s '
                           'before the observation')
            with np.errstate(over='ignore'):
                rows[-1 - back, :3] = sample.force
                rows[-1 - back, 3:] = sample.torque
        if not np.isfinite(rows).all():
            raise RefusedError(
                Reason.WRENCH_MALFORMED,
                f'{rule.label}: a force or torque that is to be shown is not finite')
        return rows, shown_ns

    def _image(self, name: str, wanted: ImageInput) -> _Input:
        frame_ns, sample = self._frames[name].get()
        pixels = decode_image(name, sample, self._cameras[name])
        if isinstance(pixels, Refusal):
            raise RefusedError(pixels.reason, pixels.detail)
        if pixels.shape[2] != wanted.channels:
            raise RefusedError(
                Reason.IMAGE_MALFORMED, f'camera {name}: {pixels.shape[2]} channel'
                f'{"" if pixels.shape[2] == 1 else "s"} came, the bundle takes {wanted.channels}')
        return np.ascontiguousarray(resize_image(pixels, wanted.width, wanted.height)), frame_ns
