"""``replay-incident`` says what happened and why, and whether it is decided the same again."""

from __future__ import annotations

from dataclasses import replace
import io
import json
import re

import msgpack
import numpy as np
from physical_ai_bridge.cli import main
from physical_ai_bridge.contract.cell_file import load_cell
from physical_ai_bridge.contract.resources import config_path
from physical_ai_bridge.runtime.incident_file import (
    header_of,
    library_versions,
    Scene,
    write_incident,
)
from physical_ai_bridge.runtime.journal import read_entries
from physical_ai_bridge.testing.recorded import RecordedRobot
import pytest

CELL_FILE = config_path('cells/mujoco_ur5e.yaml')
CELL = load_cell(CELL_FILE)
HOME = np.array([0.0, -1.5, 2.0, -2.0, -1.5, 0.0])
SCENE = Scene(node='/safety_supervisor', cell_name=CELL.name, cell=CELL_FILE.read_text(),
              urdf=config_path('robots/ur5e.urdf').read_text())


def recorded(happen, moving=30, ticks=150):
    """Let something happen to a robot, in motion or not, and return the record of it."""
    robot = RecordedRobot(CELL)
    robot.position = HOME.copy()
    robot.make_ready()
    robot.move_to(HOME + 0.03, moving)
    happen(robot)
    robot.tick(ticks)
    robot.supervisor.deactivate(robot.clock.now)
    return robot.records[-1]


def press(robot):
    robot.force_n = 12.0
    robot.tick(5)
    robot.force_n = 0.0
    robot.pressed = True


@pytest.fixture(scope='module')
def record():
    return recorded(press)


@pytest.fixture
def replay(tmp_path, capfd):
    """Return a function that replays a record: exit status, what people read, machines read."""
    def run(record, **changes):
        path = tmp_path / 'incident.zip'
        header = replace(header_of(
            record, SCENE, authority='live', bundle_digest='ab' * 32,
            libraries=library_versions()), **changes)
        with path.open('wb') as file:
            write_incident(file, header, SCENE, record)
        status = main(['replay-incident', str(path)])
        for_people = capfd.readouterr()
        assert main(['replay-incident', str(path), '--json']) == status
        for_machines = capfd.readouterr()
        assert 'Traceback' not in for_people.err + for_machines.err
        return status, for_people.out, json.loads(for_machines.out)
    return run


def test_a_record_is_told_and_decides_the_same(replay, record):
    status, text, answer = replay(record)
    assert status == 0
    head, why = text.splitlines()[:2]
    assert head.startswith('STOPPING: EMERGENCY_STOP, on 20')
    assert why == 'the emergency stop is pressed: /emergency_stop says that it is pressed'
    assert 'bundle abababababab' in text
    assert f'replayed {answer["decisions"]} decisions, all identical' in text
    assert (answer['ok'], answer['first_difference']) == (True, None)
    assert answer['meaning'] == 'the emergency stop is pressed'
    assert answer['incident']['reason'] == 'EMERGENCY_STOP'


def test_its_timeline_says_what_happened_around_it(replay, record):
    _, text, answer = replay(record)
    events = answer['timeline']
    assert [event['at_s'] for event in events] == sorted(event['at_s'] for event in events)
    told = {event['what']: event for event in events}
    assert told['emergency stop']['detail'] == 'pressed'
    assert told['STOPPING']['at_s'] == 0.0
    assert told['STOPPED']['at_s'] > 0.0
    assert told['largest force on wrist']['detail'] == '12.0 N, 0.00 N·m'
    assert told['largest force on wrist']['at_s'] < 0.0
    assert told['proposals taken']['detail'].endswith('times')
    assert 'largest force on wrist' in text


def test_a_limit_names_the_joint_and_the_limit(replay):
    def ask_too_much(robot):
        steep = robot.proposal_to(HOME + 0.5)
        begin = steep.times_ns[0]
        robot.propose(replace(
            steep, times_ns=begin + (steep.times_ns - begin) // 4,
            velocities=steep.velocities * 4.0))

    record = recorded(ask_too_much, moving=0, ticks=10)
    status, text, answer = replay(record)
    assert status == 0
    assert answer['incident']['mode'] == 'LIMITING'
    assert any(name in text.splitlines()[1] for name in CELL.robot.joints)


def test_several_interventions_in_one_record_are_listed(replay):
    def stop_and_go_on(robot):
        robot.supervisor.stop(robot.clock.now)
        robot.tick(60)
        robot.supervisor.reset(robot.clock.now)
        robot.tick(5)
        robot.pressed = True

    _, text, answer = replay(recorded(stop_and_go_on))
    assert [each['reason'] for each in answer['incident']['happenings']] == [
        'STOP_REQUESTED', 'EMERGENCY_STOP']
    assert '2 interventions in this record, beside it: STOPPING: EMERGENCY_STOP' in text
    assert {'~/stop was called', '~/reset was called'} <= {
        event['what'] for event in answer['timeline']}


def tampered(record, old: bytes, new: bytes):
    data = b''.join(record.pieces)
    assert data.count(old)
    return replace(record, pieces=(data.replace(old, new, 1),))


def test_a_decision_that_differs_is_told_with_what_differs(replay, record):
    status, text, answer = replay(
        tampered(record, b'"mode": "STOPPING"', b'"mode": "SLEEPING"'))
    assert status == 1
    assert answer['ok'] is False
    assert answer['first_difference']['at_s'] == 0.0
    assert answer['first_difference']['differences'] == [
        "mode: then 'SLEEPING', now 'STOPPING'"]
    assert 'is another one now: tick, +0.000 s' in text


def test_a_command_that_differs_names_the_joint(replay, record):
    entries = [[each.kind, each.now.ros_ns, each.now.steady_ns, each.payload] for each in
               read_entries(io.BytesIO(b''.join(record.pieces)), '')]
    last = max(i for i, each in enumerate(entries) if b'wrist_3_joint' in each[3]
               and each[0] == 'tick')
    command = bytearray(entries[last][3])
    command[-100] ^= 1  # among the positions of its last point
    entries[last][3] = bytes(command)
    status, _, answer = replay(replace(record, pieces=tuple(map(msgpack.packb, entries))))
    assert status == 1
    assert re.search('the command: .*_joint differs', answer['first_difference']['differences'][0])


def test_other_versions_are_told_where_a_decision_differs(replay, record):
    bad = tampered(record, b'"mode": "STOPPING"', b'"mode": "SLEEPING"')
    _, text, answer = replay(bad, libraries={'numpy': '0.9'}, package_version='0.0')
    assert 'numpy: recorded with 0.9, here is' in text
    assert answer['other_versions']


def test_a_record_of_something_else_is_refused(replay, record, tmp_path):
    happening = replace(record.happenings[0], reason='FORCE_LIMIT')
    path = tmp_path / 'other.zip'
    other = replace(record, happenings=(happening,))
    with path.open('wb') as file:
        write_incident(file, header_of(other, SCENE, authority='live', bundle_digest='',
                                       libraries={}), SCENE, other)
    assert main(['replay-incident', str(path)]) == 1


def test_what_a_file_says_does_not_steer_the_terminal(replay, record):
    happening = replace(record.happenings[0], detail='\x1b[2Jgone')
    _, text, _ = replay(replace(record, happenings=(happening,)))
    assert '\x1b' not in text


@pytest.mark.parametrize('data', [b'', b'PK\x03\x04', b'not a zip', bytes(1000)])
def test_a_file_that_is_no_record_is_one_sentence(tmp_path, capfd, data):
    path = tmp_path / 'incident.zip'
    path.write_bytes(data)
    assert main(['replay-incident', str(path)]) == 1
    captured = capfd.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 1
    assert str(path) in captured.err


def test_a_file_that_is_not_there_and_none_at_all(tmp_path, capfd):
    assert main(['replay-incident', str(tmp_path / 'none.zip')]) == 1
    assert main(['replay-incident']) == 2
    assert 'No such file' in capfd.readouterr().err
