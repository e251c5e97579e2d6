"""Garbage is collected between ticks; real time is asked for, and what was refused is said."""

from __future__ import annotations

import errno
import gc
import os
import threading
import weakref

from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.nodes.hygiene import Collector, set_aside, settle
from physical_ai_bridge.nodes.scheduling import Linux, Scheduling
import pytest

SECOND_NS = 10**9


class Thing:
    """Something that can be watched going, in a cycle with itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector():
    settle()
    collector = Collector()
    collector.begin()
    yield collector
    collector.end()
    gc.unfreeze()


def dropped() -> weakref.ref:
    """Return a reference to a cycle that nobody has any more."""
    return weakref.ref(Thing())


@pytest.mark.parametrize('moving', [True, False])
def test_garbage_is_collected_once_a_second_after_a_tick_and_at_no_other_time(collector, moving):
    now_ns = collector._last_ns
    gone = dropped()
    churn = [[index] for index in range(10_000)]
    collector.after_tick(now_ns + SECOND_NS // 2, moving=moving)
    assert gone() is not None
    assert collector.pause_ms.count == 0
    collector.after_tick(now_ns + SECOND_NS, moving=moving)
    assert gone() is None
    assert collector.pause_ms.count == 1
    later = dropped()
    collector.after_tick(now_ns + SECOND_NS + 1, moving=moving)
    assert later() is not None
    assert len(churn) == 10_000


def test_old_garbage_waits_until_nothing_moves(collector):
    thing = Thing()
    gone = weakref.ref(thing)
    now_ns = collector._last_ns
    for second in (1, 2, 3):
        collector.after_tick(now_ns + second * SECOND_NS, moving=True)
    del thing
    collector.after_tick(now_ns + 4 * SECOND_NS, moving=True)
    assert gone() is not None
    collector.after_tick(now_ns + 5 * SECOND_NS, moving=False)
    assert gone() is None


def test_what_was_set_aside_is_looked_at_again_when_all_settles():
    thing = Thing()
    gone = weakref.ref(thing)
    set_aside()
    del thing
    gc.collect()
    assert gone() is not None
    settle()
    assert gone() is None
    gc.unfreeze()


def test_automatic_collection_comes_back(collector):
    assert not gc.isenabled()
    collector.end()
    assert gc.isenabled()


class Machine:
    """A kernel that grants or refuses, and keeps what was asked of it."""

    def __init__(self, *, grants: bool) -> None:
        self._grants = grants
        self.state = 'other, nice 0'
        self.locked = False

    def _ask(self) -> None:
        if not self._grants:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def set_fifo(self, priority: int) -> None:
        self._ask()
        self.state = f'SCHED_FIFO {priority}'

    def set_other(self) -> None:
        self.state = 'other, nice 0'

    def lock_memory(self) -> None:
        self._ask()
        self.locked = True

    def unlock_memory(self) -> None:
        self.locked = False

    def scheduling(self) -> str:
        return self.state


def test_what_is_granted_holds_until_it_is_given_back():
    machine = Machine(grants=True)
    scheduling = Scheduling(machine)
    assert scheduling.apply(priority=50, lock_memory=True, required=True) == ()
    assert (str(scheduling), scheduling.memory_locked, machine.locked) == (
        'SCHED_FIFO 50', True, True)
    scheduling.undo()
    assert (str(scheduling), scheduling.memory_locked, machine.locked) == (
        'other, nice 0', False, False)


def test_nothing_is_asked_for_by_default():
    machine = Machine(grants=False)
    assert Scheduling(machine).apply(priority=0, lock_memory=False, required=False) == ()


def test_what_is_refused_is_said_with_what_to_type_and_the_rest_goes_on():
    scheduling = Scheduling(Machine(grants=False))
    real_time, memory = scheduling.apply(priority=50, lock_memory=True, required=False)
    assert 'realtime_priority: found 50, but the machine refuses it (Operation not' in real_time
    assert ' - rtprio 50" into /etc/security/limits.d/' in real_time
    assert 'LimitRTPRIO=50' in real_time
    assert 'lock_memory: found true, but the machine refuses it' in memory
    assert ' - memlock unlimited" into' in memory
    assert 'LimitMEMLOCK=infinity' in memory
    assert not scheduling.memory_locked


@pytest.mark.parametrize(('priority', 'lock_memory', 'sentence'), [
    (50, False, 'realtime_priority: found 50'), (0, True, 'lock_memory: found true'),
    (0, False, 'realtime_required: found true, but neither')])
def test_what_is_required_and_refused_fails(priority, lock_memory, sentence):
    with pytest.raises(SetupError, match=sentence):
        Scheduling(Machine(grants=False)).apply(
            priority=priority, lock_memory=lock_memory, required=True)


def test_where_a_part_is_refused_and_required_nothing_is_kept():
    machine = Machine(grants=True)

    def refuse() -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    machine.lock_memory = refuse
    with pytest.raises(SetupError, match='lock_memory'):
        Scheduling(machine).apply(priority=50, lock_memory=True, required=True)
    assert machine.state == 'other, nice 0'


def test_real_time_is_for_what_ticks_and_not_for_what_writes_files():
    kernel, policies = Linux(), {}
    ready, done = threading.Event(), threading.Event()

    def wait(name, told) -> None:
        told.set()
        done.wait()
        policies[name] = kernel.scheduling()
    early = threading.Thread(target=wait, args=('early', ready))
    late = threading.Thread(target=wait, args=('late', threading.Event()))
    before = kernel.scheduling()
    early.start()
    ready.wait()
    try:
        kernel.set_fifo(1)
    except PermissionError:
        done.set()
        early.join()
        pytest.skip('this machine does not permit SCHED_FIFO')
    try:
        assert kernel.scheduling() == 'SCHED_FIFO 1'
        late.start()
    finally:
        kernel.set_other()
        done.set()
    early.join()
    late.join()
    assert kernel.scheduling().startswith('other, nice ')
    assert before.startswith('other, nice ')
    assert {policy[:5] for policy in policies.values()} == {'other'}


def test_this_machine_says_how_a_thread_is_scheduled():
    assert Linux().scheduling().startswith(('other, nice ', 'SCHED_FIFO '))


@pytest.mark.ros
def test_the_supervisor_asks_for_real_time_and_says_what_it_got(graph, cell_path):
    client = graph.start('safety_supervisor', cell=cell_path, realtime_priority=1,
                         lock_memory=True)
    client.configure()
    client.activate()
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: 'scheduling' in values)
    log = graph.log('safety_supervisor')
    assert (values['scheduling'] == 'SCHED_FIFO 1') == ('LimitRTPRIO' not in log)
    assert (values['memory_locked'] == 'true') == ('LimitMEMLOCK' not in log)
    assert values['late_ticks'].isdigit()


@pytest.mark.ros
def test_without_being_told_it_asks_for_the_priority_of_a_controller(graph, cell_path):
    client = graph.start('safety_supervisor', cell=cell_path)
    client.configure()
    client.activate()
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: 'scheduling' in values)
    log = graph.log('safety_supervisor')
    assert (values['scheduling'] == 'SCHED_FIFO 50') == ('LimitRTPRIO' not in log)


@pytest.mark.ros
def test_a_supervisor_collects_no_garbage_but_after_a_tick(graph, cell_path):
    client = graph.start('safety_supervisor', cell=cell_path, realtime_priority=0)
    client.configure()
    client.activate()
    values = graph.wait_for_diagnostics(
        'safety_supervisor', lambda values, message: values['gc_pause_p99_ms'])
    assert float(values['gc_pause_p99_ms']) >= 0.0
    assert values['scheduling'].startswith('other, nice ')
    assert values['memory_locked'] == 'false'
