"""
How long a tick of the supervisor's core takes, with every check on.

Two robots go to and fro under changing proposals: the packaged arm (6 joints) in its own cell, and
an arm with seven joints. ``python benchmarks/tick.py`` prints the median, p99 and maximum.
"""

from __future__ import annotations

import argparse
import gc
import time

import numpy as np
from physical_ai_bridge.contract.cell import Cell
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.safety.decision import Decision
from physical_ai_bridge.safety.robot_model import RobotModel
from physical_ai_bridge.testing.robots import (
    example_robot,
    EXAMPLE_START,
    seven_joint_cell,
    seven_joint_robot,
    SEVEN_JOINT_START,
)
from physical_ai_bridge.testing.supervised import SupervisedRobot


class _Timed:
    """A supervisor whose ticks are timed."""

    def __init__(self, supervisor) -> None:
        self._supervisor = supervisor
        self.ticks_ms: list[float] = []

    def tick(self, now) -> Decision:
        begun = time.perf_counter_ns()
        decision = self._supervisor.tick(now)
        self.ticks_ms.append((time.perf_counter_ns() - begun) / 1e6)
        return decision

    def __getattr__(self, name: str):
        return getattr(self._supervisor, name)


def measure(cell: Cell, robot: RobotModel, start: np.ndarray, reach_rad: float, moves: int) -> str:
    """Return the figures of one robot."""
    supervised = SupervisedRobot(cell, robot=robot)
    supervised.position = start.copy()
    supervised.make_ready()
    timed = supervised.supervisor = _Timed(supervised.supervisor)
    rng = np.random.default_rng(1)
    modes: dict[str, int] = {}
    gc.collect()
    gc.disable()
    for _ in range(moves):
        goal = start + rng.uniform(-reach_rad, reach_rad, len(start))
        for decision in supervised.move_to(goal, 40):
            modes[decision.mode.value] = modes.get(decision.mode.value, 0) + 1
    gc.enable()
    ticks = np.array(timed.ticks_ms)
    shares = ', '.join(f'{mode} {count / sum(modes.values()):.0%}'
                       for mode, count in sorted(modes.items()))
    return (f'{len(start)} joints, {len(robot.pairs)} pairs: p50 {np.median(ticks):.2f} ms, '
            f'p99 {np.percentile(ticks, 99):.2f} ms, max {ticks.max():.2f} ms '
            f'over {len(ticks)} ticks ({shares})')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--moves', type=int, default=50, help='of 40 ticks each')
    moves = parser.parse_args().moves
    cell = load_cell(config_path('cells/mujoco_ur5e.yaml'))
    print(measure(cell, example_robot(cell), EXAMPLE_START, 0.1, moves))
    cell = seven_joint_cell()
    print(measure(cell, seven_joint_robot(cell), SEVEN_JOINT_START, 0.4, moves))


if __name__ == '__main__':
    main()
