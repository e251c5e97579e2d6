"""A supervisor's state, written down and put into another one: the two decide the same."""

from __future__ import annotations

from collections import Counter, deque
import copy
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import msgpack
import numpy as np
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import TrajectoryMessage
from physical_ai_bridge.contract.trajectory import Trajectory
from physical_ai_bridge.runtime.decision_bytes import decision_payload
from physical_ai_bridge.safety.decision import Mode
from physical_ai_bridge.safety.snapshot import restore, snapshot, SnapshotError
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.contracts import example_cell
from physical_ai_bridge.testing.supervised import SupervisedRobot
import pytest

GOAL = np.array([0.4, -0.3, 0.5, 0.2, -0.6, 0.8])


class Mirror:
    """Calls two supervisors alike, and holds them to the same answers."""

    def __init__(self, one: Supervisor, other: Supervisor) -> None:
        self._both = one, other
        self.decisions = 0

    def __getattr__(self, name):
        def call(*arguments):
            first, second = (getattr(each, name)(*arguments) for each in self._both)
            if hasattr(first, 'mode'):
                self.decisions += 1
                assert decision_payload(first) == decision_payload(second)
            else:
                assert first == second
            return first
        return call


def new_supervisor(robot: SupervisedRobot) -> Supervisor:
    """Return a supervisor of the same cell, as it was made."""
    return SupervisedRobot(robot.cell).supervisor


def mirror(robot: SupervisedRobot) -> Mirror:
    """Let a restored supervisor go on beside the robot's own."""
    state = msgpack.unpackb(msgpack.packb(snapshot(robot.supervisor)), strict_map_key=False)
    other = new_supervisor(robot)
    restore(state, other)
    robot.supervisor = Mirror(robot.supervisor, other)
    return robot.supervisor


def moving_robot() -> SupervisedRobot:
    """Return a robot on its way to GOAL."""
    robot = SupervisedRobot(example_cell())
    robot.make_ready()
    robot.move_to(GOAL, 12)
    return robot


def act(robot: SupervisedRobot, action: str, number: float) -> None:
    """Do one thing to a robot; ``number`` from -1 to 1 says how much."""
    now = robot.clock.now
    if action == 'move':
        if robot.command is not None:
            robot.move_to(2.0 * number * GOAL, 7)
    elif action == 'jump':
        if robot.command is not None:
            far = robot.proposal_to(GOAL)
            robot.propose(Trajectory(far.stamp_ns, far.joint_names, far.times_ns,
                                     far.positions + number, far.velocities))
    elif action == 'bad proposal':
        robot.supervisor.on_proposal(TrajectoryMessage(now.ros_ns, robot.names, ()), now)
    elif action == 'press':
        robot.pressed = number > 0.0
    elif action == 'push':
        robot.force_n = max(0.0, 120.0 * number)
    elif action == 'silence':
        robot.silent = set() if number > 0.0 else {'wrench'} if number > -0.5 else {'joint_state'}
    elif action == 'displace':
        robot.offset = np.full(len(robot.names), 0.3 * number)
    elif action == 'stop':
        robot.supervisor.stop(now)
    elif action == 'reset':
        robot.supervisor.reset(now)
    elif action == 'withdraw':
        robot.supervisor.withdraw(robot.supervisor.tick(now), now.later(20_000_000))
    elif action == 'restart':
        robot.apply(robot.supervisor.deactivate(now))
        robot.apply(robot.supervisor.activate(now))
    robot.tick(1 + int(8 * abs(number)))


actions = st.lists(st.tuples(
    st.sampled_from(['move', 'move', 'move', 'jump', 'bad proposal', 'press', 'push', 'silence',
                     'displace', 'stop', 'reset', 'withdraw', 'restart', 'tick']),
    st.floats(-1.0, 1.0, allow_subnormal=False)), min_size=1, max_size=8)


@settings(max_examples=60)
@given(before=actions, after=actions)
def test_a_restored_supervisor_decides_the_same_bit_for_bit(before, after):
    robot = SupervisedRobot(example_cell())
    robot.make_ready()
    for action, number in before:
        act(robot, action, number)
    mirrored = mirror(robot)
    for action, number in after:
        act(robot, action, number)
    assert mirrored.decisions > 0


def test_in_motion_it_goes_on_to_the_goal_and_stops_alike():
    robot = moving_robot()
    mirrored = mirror(robot)
    robot.move_to(GOAL, 10)
    robot.pressed = True
    robot.tick(60)
    assert robot.decisions[-1].mode is Mode.STOPPED
    assert mirrored.decisions > 60


def test_what_is_one_object_stays_one():
    robot = moving_robot()
    execution = robot.supervisor._execution
    execution._before = execution._newest
    other = new_supervisor(robot)
    restore(snapshot(robot.supervisor), other)
    assert other._execution._before is other._execution._newest
    assert other._execution._newest is not execution._newest


def test_the_state_shares_nothing_with_the_supervisor():
    robot = moving_robot()
    state = snapshot(robot.supervisor)
    kept = copy.deepcopy(state)
    robot.move_to(-GOAL, 20)
    robot.supervisor._execution._newest.motion.positions[:] = 7.0
    assert state == kept


def test_what_the_cell_fixes_is_taken_from_the_new_supervisor():
    robot = moving_robot()
    other = new_supervisor(robot)
    fixed = other._cell, other._candidates
    restore(snapshot(robot.supervisor), other)
    assert (other._cell, other._candidates) == fixed
    assert other._cell is not robot.supervisor._cell or other._cell is robot.cell


@pytest.mark.parametrize('value', [
    None, True, 3, -2**63, 0.1, float('inf'), 'text', b'bytes', (1, (2.0, 'x')), [1, [2]],
    {'a': 1, 2: None, (3, 4): [5]}, {1, 2}, frozenset({'a'}), Counter({Reason.OK: 2}),
    deque([1, 2], maxlen=3), Mode.ACTIVE, Refusal(Reason.OK, 'x'), np.float64(0.1),
    np.int64(7), np.bool_(True)])
def test_a_value_comes_back_as_it_was(value):
    robot = SupervisedRobot(example_cell())
    robot.supervisor._requested = value
    other = new_supervisor(robot)
    restore(msgpack.unpackb(msgpack.packb(snapshot(robot.supervisor)), strict_map_key=False),
            other)
    assert type(other._requested) is type(value)
    assert other._requested == value
    assert getattr(other._requested, 'maxlen', None) == getattr(value, 'maxlen', None)


@pytest.mark.parametrize('array', [
    np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.zeros((0, 6)),
    np.array([True, False]), np.arange(4, dtype=np.uint8), np.array(3.0),
    np.array([np.nan, np.inf, -0.0])])
def test_an_array_comes_back_bit_for_bit_and_in_its_order(array):
    robot = SupervisedRobot(example_cell())
    robot.supervisor._requested = array
    other = new_supervisor(robot)
    restore(snapshot(robot.supervisor), other)
    again = other._requested
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.flags.c_contiguous is array.flags.c_contiguous
    assert again.tobytes() == array.tobytes()
    assert again.flags.writeable


def test_a_part_of_the_cell_is_found_wherever_it_is_kept():
    robot = SupervisedRobot(example_cell())
    robot.supervisor._requested = deque([robot.cell.safety.force_limits['wrist']])
    other = new_supervisor(robot)
    restore(snapshot(robot.supervisor), other)
    assert other._requested[0] is other._cell.safety.force_limits['wrist']


def test_what_contains_itself_comes_back():
    robot = SupervisedRobot(example_cell())
    circle = [1]
    circle.append(circle)
    robot.supervisor._requested = circle
    other = new_supervisor(robot)
    restore(snapshot(robot.supervisor), other)
    assert other._requested[1] is other._requested


@pytest.mark.parametrize('value', [
    SimpleNamespace(a=1), object(), 2**63, [print], np.array([object()]), {1: lambda: 0}.values()])
def test_what_it_does_not_know_is_refused_with_its_place(value):
    robot = SupervisedRobot(example_cell())
    robot.supervisor._requested = value
    with pytest.raises(SnapshotError, match='_requested'):
        snapshot(robot.supervisor)


def state_with(**changes) -> dict:
    """Return a good state of which attributes of the supervisor are replaced by plain values."""
    state = snapshot(SupervisedRobot(example_cell()).supervisor)
    attributes = state['nodes'][state['root'][0]][2]
    for pair in attributes:
        pair[1] = changes.get(pair[0], pair[1])
    return state


def with_node(*node) -> dict:
    """Return a state in which ``_requested`` is that node."""
    state = state_with()
    state['nodes'].append(list(node))
    index = len(state['nodes']) - 1
    for pair in state['nodes'][state['root'][0]][2]:
        if pair[0] == '_requested':
            pair[1] = [index]
    return state


@pytest.mark.parametrize('state', [
    None, 7, [], {}, {'root': [0], 'nodes': []}, {'root': None, 'nodes': None},
    {'root': [0], 'nodes': [['object', 'builtins:int', []]]},
    state_with(_requested=[10**9]), state_with(_requested=[-1]), state_with(_requested=['x']),
    state_with(_requested=[]), state_with(_requested=[[]]), state_with(_requested={}),
    with_node('object', 'subprocess:Popen', []),
    with_node('object', 'physical_ai_bridge.runtime.journal:JournalWriter', []),
    with_node('object', 'physical_ai_bridge.safety.snapshot:subprocess', []),
    with_node('object', 'physical_ai_bridge.safety.snapshot:importlib', []),
    with_node('object', 'physical_ai_bridge.safety.nothing:Nothing', []),
    with_node('object', 'physical_ai_bridge.safety.candidates:Candidates', []),
    with_node('object', 'physical_ai_bridge.contract.trajectory:Trajectory', [['__class__', 1]]),
    with_node('object', 'physical_ai_bridge.contract.trajectory:Trajectory', [['no_field', 1]]),
    with_node('object', 'physical_ai_bridge.contract.trajectory:Trajectory', 5),
    with_node('object', 'physical_ai_bridge.safety.decision:Mode', []),
    with_node('enum', 'physical_ai_bridge.safety.decision:Mode', 'NONE'),
    with_node('enum', 'physical_ai_bridge.contract.trajectory:Trajectory', 'x'),
    with_node('fixed', ['tick', '__func__', '__globals__']), with_node('fixed', ['_mode']),
    with_node('fixed', ['_nothing']), with_node('fixed', [0]), with_node('fixed', []),
    with_node('array', '|O', [1], 'C', bytes(8)), with_node('array', '<f8', [10**12], 'C', b''),
    with_node('array', '<f8', [1], 'K', bytes(8)), with_node('array', '<f8', [1], 'C', bytes(7)),
    with_node('array', '<f8', 'x', 'C', bytes(8)), with_node('scalar', '<f8', bytes(16)),
    with_node('set', [[0, 0]]), with_node('deque', [], -1), with_node('dict', [[1]]),
    with_node('unheard of'), with_node(), with_node('list'),
    with_node('tuple', [[len(state_with()['nodes'])]]),
])
def test_a_state_that_is_none_is_refused_and_changes_nothing(state):
    supervisor = SupervisedRobot(example_cell()).supervisor
    before = snapshot(supervisor)
    with pytest.raises(SnapshotError):
        restore(state, supervisor)
    assert snapshot(supervisor) == before


def test_a_state_nested_without_end_is_refused():
    state = state_with(_requested=[0])
    count = len(state['nodes'])
    state['nodes'] += [['tuple', [[count + 1 + index]]] for index in range(100_000)]
    for pair in state['nodes'][state['root'][0]][2]:
        if pair[0] == '_requested':
            pair[1] = [count]
    with pytest.raises(SnapshotError, match='nested'):
        restore(state, SupervisedRobot(example_cell()).supervisor)


def test_a_state_of_another_version_is_refused():
    robot = SupervisedRobot(example_cell())
    robot.supervisor._of_tomorrow = 1
    with pytest.raises(SnapshotError, match='_of_tomorrow'):
        restore(snapshot(robot.supervisor), new_supervisor(robot))
