"""The gripper's column of a policy's actions, shaped beside the arm's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from physical_ai_bridge.contract.binding import Binding
from physical_ai_bridge.contract.cell import limit_arrays, LimitArrays
from physical_ai_bridge.contract.clock import seconds_to_ns
from physical_ai_bridge.contract.samples import JointSample
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.policy.chunks import ChunkBuffer, PlacedChunk
from physical_ai_bridge.policy.reference import ReferenceShaper
from physical_ai_bridge.safety.gripper import gripper_cell

# A shaper keeps this far from position limits, which are meant in rad; a gripper uses all of its
# range.
_MARGIN = 0.02


class GripperLoop:
    """
    Keeps the gripper's chunks, and adds its column to the proposals of the arm.

    It goes on from what its controller is executing, else from where it was measured; while
    neither is known proposals are the arm's alone.
    """

    def __init__(self, binding: Binding) -> None:
        manifest, self._cell = binding.manifest, gripper_cell(binding.cell)
        self._joint = self._cell.robot.joints[0]
        limits = limit_arrays(self._cell)
        self._low, self._high = limits.position_min, limits.position_max
        self._shaper = ReferenceShaper(manifest.shaping.bandwidth_rad_s, _widened(limits))
        self._lookahead_ns = seconds_to_ns(manifest.shaping.lookahead_s)
        self._action, self._blend_s = manifest.action, manifest.shaping.blend_s
        self._command: Trajectory | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything but what is being executed."""
        self._chunks = ChunkBuffer(self._action, self._blend_s)
        self._measured: np.ndarray | None = None

    def clear(self) -> None:
        """Forget the chunks."""
        self._chunks.clear()

    def on_joint_state(self, sample: JointSample) -> None:
        """Take a joint state, of which only the gripper's column counts."""
        if self._joint in sample.names and len(sample.position) == len(sample.names):
            position = sample.position[[sample.names.index(self._joint)]]
            if np.isfinite(position).all():
                self._measured = np.clip(position, self._low, self._high)

    def on_command(self, command: Trajectory) -> None:
        """Take what the supervisor last sent to the gripper's controller."""
        self._command = command

    def add(self, chunk: PlacedChunk) -> None:
        """Take the gripper's column (horizon, 1) of a chunk."""
        self._chunks.add(chunk)

    def join(self, proposal: Trajectory) -> Trajectory:
        """Return a proposal of the arm with the gripper's column behind it."""
        if self._chunks.newest is None:
            return proposal
        times = proposal.stamp_ns + proposal.times_ns[1:] + self._lookahead_ns
        return self._with(proposal, self._chunks.target(times))

    def settle(self, proposal: Trajectory) -> Trajectory:
        """Return a proposal that comes to rest with the gripper's column, which does so, too."""
        self.clear()
        if self._command is None:
            return proposal
        goal = self._command.positions[-1]
        joined = self._with(proposal, np.repeat(goal[None, :], len(proposal.times_ns) - 1, axis=0))
        joined.velocities[-1] = 0.0
        return joined

    def _with(self, proposal: Trajectory, target: np.ndarray) -> Trajectory:
        start = self._command
        if start is None:
            if self._measured is None:
                return proposal
            start = Trajectory.hold(proposal.start_ns, (self._joint,), self._measured)
        motion = self._shaper.follow(
            proposal.stamp_ns, proposal.start_ns, start.at(proposal.start_ns), target,
            (self._joint,))
        return replace(
            proposal, joint_names=(*proposal.joint_names, self._joint),
            positions=np.hstack((proposal.positions, motion.positions)),
            velocities=np.hstack((proposal.velocities, motion.velocities)))


def _widened(limits: LimitArrays) -> LimitArrays:
    """Return limits of which a shaper uses the whole range of positions."""
    return replace(limits, position_min=limits.position_min - _MARGIN,
                   position_max=limits.position_max + _MARGIN)
