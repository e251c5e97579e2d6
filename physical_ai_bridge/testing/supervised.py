"""A supervisor with an ideal robot behind it: what a test of the supervisor's rules needs."""

from __future__ import annotations

import numpy as np
from physical_ai_bridge.contract.cell import Cell, limit_arrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.samples import JointSample, WrenchSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.policy.reference import ReferenceShaper, STEP_NS
from physical_ai_bridge.runtime.convert import message_from_trajectory
from physical_ai_bridge.safety.decision import Authority, Decision, Mode
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.clock import ManualClock
from physical_ai_bridge.testing.robots import example_robot


class SupervisedRobot:
    """
    A Supervisor, its inputs at its tick rate, and a robot that is always where its plan says.

    ``silent`` names inputs that are withheld: 'joint_state', 'wrench', 'emergency_stop'.
    ``commands`` are all that was published, ``decisions`` all that was decided. ``robot`` is what
    the cell's joints belong to: the packaged arm, unless it is given.
    """

    def __init__(
            self, cell: Cell, authority: Authority = Authority.LIVE,
            robot: RobotModel | None = None) -> None:
        self.cell = cell
        self.clock = ManualClock()
        self.supervisor = Supervisor(cell, robot or example_robot(cell), authority)
        self.names = cell.robot.joints
        self.position = np.zeros(len(self.names))
        self.offset = np.zeros(len(self.names))
        self.force_n = 0.0
        self.pressed = False
        self.silent: set[str] = set()
        self.command: Trajectory | None = None
        self.commands: list[Trajectory] = []
        self.decisions: list[Decision] = []
        self._shaper = ReferenceShaper(20.0, limit_arrays(cell))

    def sense(self) -> None:
        """Give the supervisor one sample of everything that is not silent."""
        now = self.clock.now
        if self.command is not None:
            self.position = self.command.at(now.ros_ns).position
        if 'emergency_stop' not in self.silent:
            self.supervisor.on_emergency_stop(self.pressed, now)
        if 'joint_state' not in self.silent:
            self.supervisor.on_joint_state(
                JointSample(now.ros_ns, self.names, self.position + self.offset), now)
        if 'wrench' not in self.silent:
            for sensor in self.cell.sensors.wrenches:
                self.supervisor.on_wrench(sensor, WrenchSample(
                    now.ros_ns, np.array([self.force_n, 0.0, 0.0]), np.zeros(3)), now)

    def apply(self, decision: Decision) -> Decision:
        """Take note of a decision and execute its command."""
        self.decisions.append(decision)
        if decision.command is not None:
            self.command = decision.command
            self.commands.append(decision.command)
        return decision

    def tick(self, ticks: int = 1) -> Decision:
        """Let ``ticks`` tick periods pass, each with fresh samples; return the last decision."""
        for _ in range(ticks):
            self.clock.advance(1.0 / self.cell.safety.tick_rate_hz)
            self.sense()
            decision = self.apply(self.supervisor.tick(self.clock.now))
        return decision

    def make_ready(self) -> Decision:
        """Activate, and tick until READY."""
        self.apply(self.supervisor.activate(self.clock.now))
        for _ in range(100):
            decision = self.tick()
            if decision.mode is Mode.READY:
                return decision
        raise AssertionError(f'not READY after 100 ticks but {decision}')

    def proposal_to(self, goal: np.ndarray, duration_s: float = 0.7) -> Trajectory:
        """Return a smooth proposal from where the plan will be towards ``goal`` (N,)."""
        now_ns = self.clock.now.ros_ns
        begin_ns = self.command.snap(
            now_ns + 2 * seconds_to_ns(self.cell.controller.latency_s))
        steps = seconds_to_ns(duration_s) // STEP_NS
        return self._shaper.follow(
            now_ns, begin_ns, self.command.at(begin_ns),
            np.repeat(np.asarray(goal, dtype=np.float64)[None, :], steps, axis=0), self.names)

    def propose(self, proposal: Trajectory) -> Decision | None:
        """Hand in a proposal; return the decision where it asks for a tick at once."""
        if self.supervisor.on_proposal(message_from_trajectory(proposal), self.clock.now):
            return self.apply(self.supervisor.tick(self.clock.now))
        return None

    def move_to(self, goal: np.ndarray, ticks: int) -> list[Decision]:
        """Propose towards ``goal`` at every fifth tick; return the decisions meanwhile."""
        begin = len(self.decisions)
        for index in range(ticks):
            if index % 5 == 0:
                self.propose(self.proposal_to(goal))
            self.tick()
        return self.decisions[begin:]
