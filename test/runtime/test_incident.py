"""What is kept of an incident, how it is written, and that it decides the same again."""

from __future__ import annotations

from dataclasses import replace
import io
import json
import os
from pathlib import Path
import resource
import threading
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.clock import Instant, NS_PER_S
from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.runtime import incident_file
from physical_ai_bridge.runtime.incident import (
    AFTER_NS,
    BEFORE_NS,
    Happening,
    IncidentRecorder,
    LONGEST_NS,
    main_of,
    Record,
)
from physical_ai_bridge.runtime.incident_file import (
    header_of,
    IncidentError,
    read_incident,
    Scene,
    write_incident,
)
from physical_ai_bridge.runtime.incident_replay import replay_incident
from physical_ai_bridge.runtime.incident_store import IncidentStore
from physical_ai_bridge.runtime.journal import JournalEntry, read_entries
from physical_ai_bridge.runtime.replay import FAULT, replay_supervisor
from physical_ai_bridge.safety.decision import Decision, Mode
from physical_ai_bridge.safety.supervisor import Supervisor
from physical_ai_bridge.testing.recorded import RecordedRobot
import pytest

CELL_FILE = config_path('cells/mujoco_ur5e.yaml')
CELL = load_cell(CELL_FILE)
HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
GOAL = HOME + 0.3
SCENE = Scene(node='/safety_supervisor', cell_name=CELL.name, cell=CELL_FILE.read_text(),
              urdf=config_path('robots/ur5e.urdf').read_text())
STATE = b'state'


def at(seconds: float) -> Instant:
    """Return an instant; ROS time is far ahead of the steady clock."""
    return Instant(round((1000.0 + seconds) * NS_PER_S), round(seconds * NS_PER_S))


def decision(seconds: float, mode: Mode, reason: Reason = Reason.OK) -> Decision:
    return Decision(at(seconds), mode, reason, 'so it was')


def run(recorder: IncidentRecorder, begin: float, end: float, mode: Mode = Mode.ACTIVE,
        size: int = 10) -> list[Record]:
    """Tick a hundred times a second; return the records that were finished meanwhile."""
    records = []
    for number in range(round(begin * 100), round(end * 100)):
        now = at(number / 100)
        recorder.append('tick', now, bytes(size))
        recorder.decided(decision(number / 100, mode, Reason.FORCE_LIMIT))
        record = recorder.due(now)
        if record is not None:
            records.append(record)
        if recorder.snapshot_due(now):
            recorder.keep_snapshot(now, STATE)
    return records


def entries_of(record: Record) -> list[JournalEntry]:
    return list(read_entries(io.BytesIO(b''.join(record.pieces)), 'the record'))


def begun(**limits) -> IncidentRecorder:
    recorder = IncidentRecorder(**limits)
    recorder.begin(at(0.0), STATE)
    return recorder


class TestRecorder:

    @pytest.mark.parametrize('mode', [Mode.LIMITING, Mode.STOPPING, Mode.STOPPED, Mode.FAULT])
    def test_a_record_has_two_seconds_before_and_one_after(self, mode):
        recorder = begun()
        assert run(recorder, 0.0, 20.5) == []
        (record,) = run(recorder, 20.5, 30.0, mode)
        (happening,) = record.happenings
        assert (happening.mode, happening.reason) == (str(mode), 'FORCE_LIMIT')
        assert happening.steady_ns == at(20.5).steady_ns
        entries = entries_of(record)
        assert len(entries) == record.entries
        assert record.begin.steady_ns <= entries[0].now.steady_ns
        first = happening.steady_ns - entries[0].now.steady_ns
        assert BEFORE_NS - NS_PER_S / 100 <= first <= BEFORE_NS + NS_PER_S
        assert entries[-1].now.steady_ns == happening.steady_ns + AFTER_NS
        assert record.end == entries[-1].now

    @pytest.mark.parametrize('mode', [Mode.INACTIVE, Mode.READY, Mode.ACTIVE])
    def test_what_is_no_intervention_makes_no_record(self, mode):
        recorder = begun()
        assert run(recorder, 0.0, 5.0, mode) == []
        assert recorder.finish() is None

    def test_a_stop_goes_on_through_its_modes_as_one(self):
        recorder = begun()
        run(recorder, 0.0, 3.0)
        run(recorder, 3.0, 3.2, Mode.STOPPING)
        (record,) = run(recorder, 3.2, 9.0, Mode.STOPPED)
        assert record.interventions == len(record.happenings) == 1

    def test_it_may_begin_with_what_there_is(self):
        recorder = begun()
        (record,) = run(recorder, 0.0, 3.0, Mode.STOPPING)
        assert record.begin == at(0.0)
        assert record.state == STATE

    def test_interventions_within_an_open_record_are_merged_and_the_stop_names_it(self):
        recorder = begun()
        run(recorder, 0.0, 3.0)
        for start in (3.0, 3.4, 3.8):
            run(recorder, start, start + 0.2, Mode.LIMITING)
            run(recorder, start + 0.2, start + 0.4)
        (record,) = run(recorder, 4.2, 9.0, Mode.STOPPING)
        assert record.interventions == 4
        assert [each.mode for each in record.happenings] == ['LIMITING'] * 3 + ['STOPPING']
        assert main_of(record.happenings).mode == 'STOPPING'
        assert record.end.steady_ns == at(4.2).steady_ns + AFTER_NS
        assert record.begin.steady_ns <= at(3.0).steady_ns - BEFORE_NS

    def test_none_grows_without_end_and_the_next_follows(self):
        recorder = begun()
        run(recorder, 0.0, 3.0)
        records = []
        for number in range(150):
            start = 3.0 + 0.2 * number
            records += run(recorder, start, start + 0.1, Mode.LIMITING)
            records += run(recorder, start + 0.1, start + 0.2)
        assert len(records) == 2
        for record in records:
            length = record.end.steady_ns - record.happenings[0].steady_ns
            assert AFTER_NS <= length <= LONGEST_NS
        assert records[1].begin.steady_ns < records[0].end.steady_ns

    def test_a_stop_has_its_second_after_it_even_at_the_end_of_a_long_record(self):
        recorder = begun()
        run(recorder, 0.0, 3.0)
        for number in range(49):
            run(recorder, 3.0 + 0.2 * number, 3.1 + 0.2 * number, Mode.LIMITING)
            run(recorder, 3.1 + 0.2 * number, 3.2 + 0.2 * number)
        (record,) = run(recorder, 12.8, 20.0, Mode.STOPPING)
        assert main_of(record.happenings).mode == 'STOPPING'
        assert record.end.steady_ns == at(12.8).steady_ns + AFTER_NS

    def test_what_is_open_at_the_end_is_not_lost(self):
        recorder = begun()
        run(recorder, 0.0, 3.0)
        assert run(recorder, 3.0, 3.1, Mode.STOPPING) == []
        record = recorder.finish()
        assert record.end == at(3.09)
        assert recorder.finish() is None
        assert recorder.bytes_kept == 0

    def test_without_a_state_an_incident_is_counted_as_lost(self):
        recorder = IncidentRecorder()
        recorder.append('tick', at(0.0))
        recorder.decided(decision(0.0, Mode.STOPPING))
        assert recorder.finish() is None
        assert recorder.lost_incidents == 1

    def test_a_flood_after_a_stop_ends_its_record_sooner_and_loses_nothing_of_it(self):
        recorder = begun(max_bytes=100_000)
        run(recorder, 0.0, 3.0)
        run(recorder, 3.0, 3.1, Mode.STOPPING)
        (record,) = run(recorder, 3.1, 5.0, Mode.STOPPED, size=10_000)
        assert record.happenings[0].steady_ns == at(3.0).steady_ns
        assert entries_of(record)[0].now.steady_ns <= at(1.01).steady_ns

    @given(
        st.lists(st.tuples(
            st.sampled_from(['append', 'snapshot', 'limit', 'pass', 'stop', 'wait']),
            st.integers(0, 3000)), max_size=120),
        st.integers(2_000, 20_000), st.integers(3, 60))
    def test_it_is_bounded_and_every_record_can_be_replayed_from_its_state(
            self, actions, max_bytes, max_entries):
        recorder = IncidentRecorder(max_bytes=max_bytes, max_entries=max_entries)
        recorder.begin(at(0.0), b'0')
        told, states, seconds, records = [], {b'0': 0}, 0.0, []
        modes = {'limit': Mode.LIMITING, 'pass': Mode.ACTIVE, 'stop': Mode.STOPPING}
        for action, size in actions:
            seconds += size / 1000 if action == 'wait' else 0.001
            now = at(seconds)
            if action == 'snapshot':
                state = str(len(told)).encode()
                states[state] = len(told)
                recorder.keep_snapshot(now, state)
            elif action in modes:
                recorder.decided(decision(seconds, modes[action]))
            elif action == 'append':
                payload = len(told).to_bytes(4, 'big') + bytes(size)
                told.append(payload)
                recorder.append('x', now, payload)
            assert recorder.bytes_kept <= max_bytes
            assert recorder.entries_kept <= max_entries
            records.append(recorder.due(now))
        records.append(recorder.finish())
        for record in filter(None, records):
            kept = [entry.payload for entry in entries_of(record)]
            begin = states[record.state]
            assert kept == told[begin:begin + len(kept)]
            assert len(kept) == record.entries


def moving_robot() -> RecordedRobot:
    robot = RecordedRobot(CELL)
    robot.position = HOME.copy()
    robot.make_ready()
    robot.move_to(GOAL, 30)
    return robot


def stopped_record() -> Record:
    """Return the record of an emergency stop in motion."""
    robot = moving_robot()
    robot.pressed = True
    robot.tick(150)
    (*_, record) = robot.records
    return record


def write(path: Path, record: Record, scene: Scene = SCENE) -> Path:
    header = header_of(record, scene, authority='live', bundle_digest='b' * 64,
                       libraries={'numpy': '1'})
    with path.open('wb') as file:
        write_incident(file, header, scene, record)
    return path


@pytest.fixture(scope='module')
def record() -> Record:
    return stopped_record()


@pytest.fixture
def path(record, tmp_path) -> Path:
    return write(tmp_path / 'incident.zip', record)


def rewrite(path: Path, **parts) -> Path:
    """Replace parts of a record, by the names of their files with dots as underscores."""
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept |= {name.replace('_', '.'): data for name, data in parts.items()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def with_header(path: Path, **changes) -> Path:
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read('incident.json'))
    return rewrite(path, incident_json=json.dumps(header | changes).encode())


class TestFile:

    def test_comes_back_as_it_was_written(self, path, record):
        incident = read_incident(path)
        header = incident.header
        assert (header.mode, header.reason) == ('STOPPING', 'EMERGENCY_STOP')
        assert header.happenings == record.happenings
        assert len(header.cell_digest) == len(header.urdf_digest) == 64
        assert header.cell == CELL.name
        assert header.bundle_digest == 'b' * 64
        assert header.at.endswith('+00:00')
        assert incident.cell == SCENE.cell
        assert incident.entries == tuple(entries_of(record))

    def test_every_decision_is_the_same_again(self, path):
        replayed = list(replay_incident(read_incident(path)))
        assert all(each.identical for each in replayed)
        modes = [each.decision.mode for each in replayed if each.decision is not None]
        assert {Mode.ACTIVE, Mode.STOPPING, Mode.STOPPED} <= set(modes)

    def test_a_decision_that_was_changed_shows(self, path):
        incident = read_incident(path)
        entries = list(incident.entries)
        index = max(i for i, each in enumerate(entries) if each.kind == 'tick')
        entries[index] = replace(
            entries[index], payload=entries[index].payload.replace(b'STOPPED', b'STOPPET'))
        changed = incident_file.Incident(
            incident.header, incident.cell, incident.urdf, incident.state, tuple(entries))
        assert [each.identical for each in replay_incident(changed)].index(False) == index

    @pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_one_that_is_cut_off_is_refused(self, path, share):
        data = path.read_bytes()
        path.write_bytes(data[:int(share * len(data))])
        with pytest.raises(IncidentError, match='not the whole record'):
            read_incident(path)

    def test_one_that_is_damaged_is_refused(self, path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(IncidentError, match='not the whole record'):
            read_incident(path)

    @pytest.mark.parametrize('name', ['incident_json', 'cell_yaml', 'robot_urdf',
                                      'state_msgpack', 'entries_journal'])
    def test_one_that_lacks_a_part_is_refused(self, path, name):
        with pytest.raises(IncidentError, match=name.replace('_', '.')):
            read_incident(rewrite(path, **{name: None}))

    def test_one_with_a_huge_part_is_refused_without_unpacking_it(self, path):
        rewrite(path, incident_json=bytes((1 << 20) + 1))
        with pytest.raises(IncidentError, match='larger than any record needs'):
            read_incident(path)

    def test_one_of_another_schema_says_what_to_replay_it_with(self, path):
        with pytest.raises(IncidentError, match=r"with the version that wrote it, '9\.9'"):
            read_incident(with_header(path, schema=2, package_version='9.9'))

    @pytest.mark.parametrize('changes', [
        {'happenings': []}, {'happenings': 7}, {'entries': 'many'}, {'more': 1},
        {'happenings': [{'mode': 'STOPPING'}]}, {'at': None}])
    def test_one_with_another_header_is_refused(self, path, changes):
        with pytest.raises(IncidentError, match=r'incident\.json'):
            read_incident(with_header(path, **changes))

    @pytest.mark.parametrize('data', [b'', b'[', b'[' * 100_000, b'\xff', b'null', b'[1]'])
    def test_one_whose_header_is_none_is_refused(self, path, data):
        with pytest.raises(IncidentError):
            read_incident(rewrite(path, incident_json=data))

    @pytest.mark.parametrize('parts', [
        {'state_msgpack': b'\xc1'}, {'state_msgpack': b'\x81\x80\xc0'},
        {'state_msgpack': b''}, {'state_msgpack': b'\xdd\xff\xff\xff'},
        {'cell_yaml': b'\xff'}, {'cell_yaml': b'schema: 1'}, {'robot_urdf': b'<robot/>'},
        {'entries_journal': b'\x93'}, {'entries_journal': b'\x01'},
        {'entries_journal': b'\x94\xa1x\x01\x01\xa1x'}, {'entries_journal': b''}])
    def test_one_with_other_contents_is_refused(self, path, parts):
        with pytest.raises(BridgeError):
            read_incident(rewrite(path, **parts))

    @pytest.mark.parametrize('parts', [
        {'state_msgpack': b'\xc0'}, {'state_msgpack': b'\x80'},
        {'entries_journal': b'\x94\xa4boom\x01\x01\xc4\x00'},
        {'entries_journal': b'\x94\xa8withdraw\x01\x01\xc4\x00'}])
    def test_one_whose_contents_are_no_supervisors_cannot_be_replayed(self, path, parts):
        if 'entries_journal' in parts:
            with_header(path, entries=1)
        with pytest.raises(IncidentError, match='cannot be replayed'):
            list(replay_incident(read_incident(rewrite(path, **parts))))

    def test_a_file_that_is_not_there_is_said_so(self, tmp_path):
        with pytest.raises(IncidentError, match='No such file'):
            read_incident(tmp_path / 'nothing.zip')

    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 255)),
                    min_size=1, max_size=4))
    def test_whatever_the_state_is_it_replays_or_is_refused(
            self, record, tmp_path_factory, changes):
        state = bytearray(record.state)
        for place, value in changes:
            state[int(place * len(state))] = value
        path = tmp_path_factory.mktemp('damaged') / 'incident.zip'
        try:
            for _ in replay_incident(read_incident(write(path, replace(
                    record, state=bytes(state))))):
                pass
        except BridgeError as error:
            assert str(error)  # one sentence, and no other error


class TestFault:

    def entries(self, payload: bytes) -> list[JournalEntry]:
        """Return a journal whose last tick raises: an instant that has no steady time."""
        return [JournalEntry('tick', at(0.0), b''),
                JournalEntry(FAULT, Instant(0, 'not a time'), payload)]

    def core(self) -> Supervisor:
        robot = moving_robot()
        return robot.supervisor.core

    def test_an_error_of_its_own_comes_again(self):
        core = self.core()
        with pytest.raises(TypeError) as raised:
            core.tick(Instant(0, 'not a time'))
        *_, fault = replay_supervisor(
            self.core(), CELL, self.entries(repr(raised.value).encode()))
        assert fault.entry.kind == FAULT
        assert fault.identical

    def test_another_error_than_then_shows(self):
        *_, fault = replay_supervisor(self.core(), CELL, self.entries(b'KeyError(7)'))
        assert not fault.identical

    def test_an_error_that_was_not_there_then_is_said(self):
        entries = [JournalEntry('tick', Instant(0, 'not a time'), b'')]
        with pytest.raises(BridgeError, match='did not then: TypeError'):
            list(replay_supervisor(self.core(), CELL, entries))


def small(seconds: float, reason: str = 'FORCE_LIMIT', size: int = 1000) -> Record:
    """Return a record of which only the size matters."""
    now = at(seconds)
    return Record(
        happenings=(Happening(mode='STOPPING', reason=reason, detail='', ros_ns=now.ros_ns,
                              steady_ns=now.steady_ns),),
        interventions=1, state=b'', begin=now, end=now, pieces=(os.urandom(size),), entries=0)


def put(store: IncidentStore, *records: Record) -> None:
    for each in records:
        store.put(each, authority='live', bundle_digest='')


def store_one(folder: Path, record: Record, **limits) -> None:
    """Write one record of which only the random bytes take room."""
    store = IncidentStore(folder, replace(SCENE, urdf='', cell=''), **limits)
    put(store, record)
    store.close()
    assert (store.written, store.problem) == (1, '')


class TestStore:

    def test_writes_files_that_say_when_and_why(self, tmp_path, record):
        store = IncidentStore(tmp_path / 'a' / 'b', SCENE, max_bytes=10**8)
        put(store, record)
        store.close()
        (path,) = (tmp_path / 'a' / 'b').iterdir()
        date = read_incident(path).header.at[:19].replace('-', '').replace(':', '')
        assert path.name == f'incident-{date.replace("T", "-")}-EMERGENCY_STOP.zip'
        assert (store.written, store.dropped, store.problem) == (1, 0, '')

    def test_two_of_the_same_second_are_two_files(self, tmp_path):
        store = IncidentStore(tmp_path, SCENE, max_bytes=10**8)
        put(store, small(1.0), small(1.0))
        store.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            'incident-19700101-001641-FORCE_LIMIT-2.zip',
            'incident-19700101-001641-FORCE_LIMIT.zip']

    def test_the_oldest_give_way_by_size_and_nothing_else_does(self, tmp_path):
        (tmp_path / 'incident-notes.txt').write_bytes(bytes(10**6))
        for second in range(20):
            store_one(tmp_path, small(second, size=20_000), max_bytes=100_000)
        files = sorted(path.name for path in tmp_path.glob('*.zip'))
        assert sum(path.stat().st_size for path in tmp_path.glob('*.zip')) <= 100_000
        assert 3 <= len(files) <= 5
        assert files[-1].startswith('incident-19700101-001659')
        assert (tmp_path / 'incident-notes.txt').exists()

    def test_the_oldest_give_way_by_number(self, tmp_path):
        for second in range(6):
            store_one(tmp_path, small(second), max_bytes=10**8, max_files=3)
        assert [path.name[9:24] for path in sorted(tmp_path.iterdir())] == [
            f'19700101-00164{second}' for second in (3, 4, 5)]

    def test_one_that_is_too_large_is_dropped_and_leaves_the_others(self, tmp_path):
        store = IncidentStore(tmp_path, replace(SCENE, urdf='', cell=''), max_bytes=50_000)
        put(store, small(1.0), small(2.0, size=60_000))
        store.close()
        assert (store.written, store.dropped) == (1, 1)
        assert 'is more than the 50000' in store.problem
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_folder_that_cannot_be_written_is_told_at_once(self, tmp_path):
        (tmp_path / 'file').write_text('')
        store = IncidentStore(tmp_path / 'file' / 'folder', SCENE, max_bytes=10**8)
        put(store, small(1.0))
        store.close()
        assert (store.written, store.dropped) == (0, 1)
        assert str(tmp_path / 'file' / 'folder') in store.problem
        assert 'the parameter incidents' in store.problem

    def test_a_full_disk_is_told_leaves_no_half_file_and_may_end(self, tmp_path):
        sizes = iter((500, resource.RLIM_INFINITY))

        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (next(sizes), resource.RLIM_INFINITY))

        store = IncidentStore(tmp_path, SCENE, max_bytes=10**8, prepare=prepare)
        put(store, small(1.0), small(2.0))
        store.close()
        assert (store.written, store.dropped) == (1, 1)
        assert [path.name[-15:] for path in tmp_path.iterdir()] == ['FORCE_LIMIT.zip']
        assert store.problem == ''

    def test_a_file_is_not_seen_before_it_is_whole(self, tmp_path):
        seen = []

        class Pieces:

            def __iter__(self):
                yield b'one half'
                seen.extend(path.name for path in tmp_path.iterdir())
                yield b'the other'

        store_one(tmp_path, replace(small(1.0), pieces=Pieces()), max_bytes=10**8)
        assert [name[0] for name in seen] == ['.']
        assert [path.name[-4:] for path in tmp_path.iterdir()] == ['.zip']

    def test_what_does_not_fit_into_the_queue_is_dropped_and_counted_at_once(self, tmp_path):
        gate = threading.Event()
        store = IncidentStore(tmp_path, SCENE, max_bytes=10**8, prepare=gate.wait)
        put(store, *(small(second) for second in range(10)))
        dropped = store.dropped
        gate.set()
        store.close()
        assert dropped >= 5
        assert store.written + store.dropped == 10

    def test_what_a_killed_process_left_half_written_is_removed(self, tmp_path):
        old, new = (tmp_path / f'.incident-{number}.partial' for number in (1, 2))
        for each in (old, new):
            each.write_text('half')
        os.utime(old, (0, 0))
        store = IncidentStore(tmp_path, SCENE, max_bytes=10**8)
        store.close()
        assert [path.name for path in tmp_path.iterdir()] == [new.name]
