"""The MuJoCo cell: a robot cell that advances only when told to, deterministic for a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, cos, sin

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.samples import (
    ImageSample,
    JointSample,
    TrajectoryMessage,
    WrenchSample,
)
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.runtime.ports import SensorBatch
from physical_ai_bridge.runtime.setpoint_stream import SetpointStream
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.simulation.audit import LimitAudit, LimitUse
from physical_ai_bridge.simulation.cameras import CameraRig, Snapshot
from physical_ai_bridge.simulation.controller import Acceptance, Setpoint, TrajectoryController
from physical_ai_bridge.simulation.episode import (
    downward,
    draw_episode,
    EpisodeJudge,
    EpisodeStatus,
    SocketPose,
    TIP_M,
)
from physical_ai_bridge.simulation.forward_controller import ForwardCommandController
from physical_ai_bridge.simulation.gl import mujoco
from physical_ai_bridge.simulation.kinematics import ArmKinematics
from physical_ai_bridge.simulation.world import urdf_path, World

# Not 0: a trajectory stamped 0 means "now" to a joint_trajectory_controller.
START_NS = NS_PER_S

FORCE_NOISE_N, TORQUE_NOISE_NM = 0.2, 0.01
_NOISE_BLOCK = 512

# The elbow-up posture near which start poses are solved for.
_POSTURE = {
    'shoulder_pan_joint': 0.0, 'shoulder_lift_joint': -1.52, 'elbow_joint': 2.11,
    'wrist_1_joint': -2.16, 'wrist_2_joint': -1.57, 'wrist_3_joint': 0.0}


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """
    What one 2 ms step brought.

    ``frame`` is the state to render where the cameras fire at this step, else None; ``setpoint``
    is what the controller commanded.
    """

    joints: JointSample
    wrench: WrenchSample
    setpoint: Setpoint
    frame: Snapshot | None


class MujocoCell:
    """
    The simulated cell behind ``runtime.ports.CellPort``.

    The wrench is what the world exerts on the tool: force and torque about the origin of the
    sensor's frame (the flange), in that frame's axes, the tool's weight taken off as a driver's
    zeroing does, plus a little noise. Pushing the connector down onto something gives a negative
    z. It belongs to the beginning of the 2 ms step at whose end it is stamped.

    With ``cameras`` off nothing is rendered and batches hold no images. Both cameras fire at once,
    at the rate of the fastest, on the grid of the steps.
    """

    def __init__(
            self, cell: Cell, *, seed: int = 0, cameras: bool = True, brightness: float = 1.0,
    ) -> None:
        if cell.gripper is not None:
            raise SetupError('gripper: the simulated robot has none; use a cell file without one')
        self.cell = cell
        self._world = world = World(cell)
        self._data = data = mujoco.MjData(world.model)
        self._names, self._index = cell.robot.joints, world.joint_index
        self._arm = ArmKinematics(urdf_path(), cell.robot.joints, 'tool0')
        controller = cell.controller
        self._controller = (
            ForwardCommandController(cell.robot.joints, controller.joints)
            if controller.streams else TrajectoryController(cell.robot.joints))
        self._order = [cell.robot.joints.index(name) for name in controller.joints]
        self._audit = LimitAudit(limit_arrays(cell), world.step_ns / NS_PER_S)
        self._judge = EpisodeJudge()
        self._sensors = tuple(cell.sensors.wrenches)
        self._want_images = cameras and bool(cell.sensors.cameras)
        self._frame_rate = max(
            (camera.rate_hz for camera in cell.sensors.cameras.values()), default=0.0)
        self._brightness = brightness
        self._rig: CameraRig | None = None
        # Views into MuJoCo's memory: looking them up anew at each step costs more than the step.
        self._tip, self._tool_frame = data.site_xpos[world.tip], data.xmat[world.tool]
        self._raw, self._ctrl = data.sensordata, data.ctrl
        self._qpos, self._qvel = data.qpos, data.qvel
        self.reset(seed)

    def reset(self, seed: int, start_ns: int = START_NS) -> None:
        """
        Begin the episode of a seed, at rest, with the controller holding the start pose.

        ``start_ns`` is what the clock says then; a caller whose clock must not jump passes
        ``now_ns``. The same seed and start give the same bits.
        """
        draw, data = draw_episode(seed), self._data
        mujoco.mj_resetData(self._world.model, data)
        self.socket: SocketPose = draw.socket
        half = 0.5 * draw.socket.yaw_rad
        data.mocap_pos[0] = draw.socket.x_m, draw.socket.y_m, draw.socket.z_m
        data.mocap_quat[0] = cos(half), 0.0, 0.0, sin(half)
        near = np.array([_POSTURE[name] for name in self._names])
        tcp = np.array([draw.tip.x_m, draw.tip.y_m, draw.tip.z_m + TIP_M])
        start, left = self._arm.solve(near, downward(draw.tip.yaw_rad), tcp)
        if left > 1e-6:
            raise SetupError(f'seed {seed}: the arm misses its start pose by {left:g}')
        data.qpos[self._index] = data.ctrl[self._index] = start
        mujoco.mj_forward(self._world.model, data)
        self._controller.activate(start)
        controller = self.cell.controller
        self._stream = SetpointStream(controller) if controller.streams else None
        self._audit.reset(start)
        self._judge.begin(start_ns)
        self.seed, self._start_ns, self._now_ns = seed, start_ns, start_ns
        self._noise_source = np.random.default_rng([seed, 1])
        self._noise_row = _NOISE_BLOCK
        self._frames = 0
        self._frame_ns = start_ns

    @property
    def now_ns(self) -> int:
        """The cell's time, which its stamps are in."""
        return self._now_ns

    @cached_property
    def robot_model(self) -> RobotModel:
        """The robot as the supervisor's checks see it."""
        return RobotModel.from_urdf(urdf_path().read_text(encoding='utf-8'), self.cell)

    @property
    def step_ns(self) -> int:
        """The length of one step of physics, and the controller's period."""
        return self._world.step_ns

    @property
    def controller(self) -> TrajectoryController | ForwardCommandController:
        """The emulated controller, for shells that activate and deactivate it."""
        return self._controller

    @property
    def episode(self) -> EpisodeStatus:
        """How the episode stands."""
        return self._judge.status

    @property
    def limit_use(self) -> LimitUse:
        """How much of each joint limit this episode has used so far."""
        return self._audit.use

    def execute(self, command: Trajectory) -> None:
        """
        Hand a command to the controller; it takes effect from the next step on.

        Where the controller takes setpoints, the command is played as one each period, on time.
        """
        if self._stream is not None:
            self._stream.play(command, Instant(self._now_ns, self._now_ns))
        else:
            self.receive(message_from_trajectory(command))

    def execute_gripper(self, command: Trajectory) -> None:
        """Refuse: there is none."""
        raise SetupError('the simulated robot has no gripper')

    def receive(self, message: TrajectoryMessage | tuple[float, ...]) -> Acceptance:
        """Hand a message to the controller as it came, and return what became of it."""
        if isinstance(self._controller, TrajectoryController):
            return self._controller.receive(message, self._now_ns)
        return self._controller.receive(message)

    def _play(self) -> None:
        """Hand over the setpoint that is due, if ``execute`` has left any."""
        if self._stream is None or self._stream.resting:
            return
        setpoint = self._stream.next(Instant(self._now_ns, self._now_ns))
        if setpoint is not None:
            self._controller.receive(setpoint[self._order])

    def snapshot(self) -> Snapshot:
        """Return what a picture of this instant depends on."""
        data = self._data
        return Snapshot(
            stamp_ns=self._now_ns, qpos=data.qpos.copy(), socket_position=data.mocap_pos[0].copy(),
            socket_quaternion=data.mocap_quat[0].copy())

    def step(self) -> Step:
        """Let one step of physics pass."""
        frame = None
        if self._now_ns >= self._frame_ns and self._frame_rate:
            frame = self.snapshot()
            self._frames += 1
            due = ceil(self._frames * NS_PER_S / self._frame_rate / self._world.step_ns)
            self._frame_ns = self._start_ns + due * self._world.step_ns
        self._play()
        setpoint = self._controller.sample(self._now_ns, Setpoint(
            self._qpos[self._index], self._qvel[self._index], None))
        if np.isfinite(setpoint.position).all():
            self._ctrl[self._index] = setpoint.position
        # else: like a robot's own controller, this one does not follow what is not a number. The
        # audit below still sees it.
        mujoco.mj_step(self._world.model, self._data)
        self._now_ns = now_ns = self._now_ns + self._world.step_ns
        position, velocity = self._qpos[self._index], self._qvel[self._index]
        self._audit.add(setpoint, position, velocity)
        force, torque = self._contact()
        self._judge.look(now_ns, self._tip.tolist(), self.socket, float(force @ force))
        if self._noise_row == _NOISE_BLOCK:
            self._noise = self._noise_source.standard_normal((_NOISE_BLOCK, 2, 3))
            self._noise *= np.array([FORCE_NOISE_N, TORQUE_NOISE_NM])[:, None]
            self._noise_row = 0
        noise = self._noise[self._noise_row]
        self._noise_row += 1
        return Step(
            JointSample(now_ns, self._names, position, velocity),
            WrenchSample(now_ns, force + noise[0], torque + noise[1]), setpoint, frame)

    def _contact(self) -> tuple[np.ndarray, np.ndarray]:
        """Return force and torque of the world on the tool, without noise."""
        # MuJoCo's sensor has what the arm exerts on the tool. Row 2 of the tool's rotation is
        # world z in the tool's axes: the weight is -weight times it, at the tool's centre.
        up = self._world.tool_weight_n * self._tool_frame[6:9]
        x, y, z = self._world.tool_centre.tolist()
        ux, uy, uz = up.tolist()
        force = up - self._raw[:3]
        torque = np.array((y * uz - z * uy, z * ux - x * uz, x * uy - y * ux)) - self._raw[3:6]
        return force, torque

    def advance(self, duration_ns: int) -> SensorBatch:
        """Let ``duration_ns``, whole steps, pass; return what the sensors delivered meanwhile."""
        steps, rest = divmod(duration_ns, self._world.step_ns)
        if rest or duration_ns < 0:
            raise ValueError(f'{duration_ns} ns are not whole steps of {self._world.step_ns} ns')
        joints, wrenches, newest = [], [], None
        for _ in range(steps):
            step = self.step()
            joints.append(step.joints)
            wrenches.append(step.wrench)
            newest = step.frame or newest
        images: dict[str, ImageSample] = {}
        if newest is not None and self._want_images:
            if self._rig is None:
                self._rig = CameraRig(self.cell, brightness=self._brightness)
            images = self._rig.render(newest)
        stream = tuple(wrenches)
        return SensorBatch(
            tuple(joints), dict.fromkeys(self._sensors, stream), images)

    def close(self) -> None:
        """Free the cameras, if they were used."""
        if self._rig is not None:
            self._rig.close()
            self._rig = None
