"""``check``, without a bundle and with ``--live``: usage, what people read, what machines read."""

from __future__ import annotations

import json

from physical_ai_bridge.cli import main
from physical_ai_bridge.cli.check_live import say
from physical_ai_bridge.cli.output import Output
from physical_ai_bridge.runtime.live_check.finding import About
import pytest


def test_a_cell_file_can_be_checked_alone(cell_file, capsys):
    assert main(['check', '--cell', str(cell_file)]) == 0
    assert 'The cell file is without mistakes; no bundle was checked.' in capsys.readouterr().out
    assert main(['check', '--cell', str(cell_file), '--json']) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer['ok'] is True
    assert 'bundle' not in answer
    assert 'live' not in answer


@pytest.mark.parametrize('words', [
    ['--seconds', '2'], ['--namespace', '/a'], ['--remap', '/a:=/b'],
    ['--live', '--seconds', '0.1'], ['--live', '--seconds', 'inf']])
def test_a_wrong_usage_exits_2(cell_file, capsys, words):
    assert main(['check', '--cell', str(cell_file), *words]) == 2
    assert words[-2] in capsys.readouterr().err


def test_a_cell_file_with_mistakes_is_not_held_against_anything(cell_file, capsys):
    cell_file.write_text(cell_file.read_text().replace('tick_s: 0.1', 'tick_s: -1.0'))
    assert main(['check', '--cell', str(cell_file), '--live']) == 1
    text = capsys.readouterr().out
    assert 'The cell file is wrong: 1 thing to mend.' in text
    assert 'live' in text
    assert 'not checked: it needs a cell file without mistakes' in text


ABOUT = About('sensors.wrenches.wrist')
FINDINGS = [ABOUT.passed('topic', '/wrench from /driver'), ABOUT.passed('rate', '500.0 Hz'),
            ABOUT.warned('stamps', 'some are late', 'look at the load'),
            About('controller').not_checked('active', 'no manager'),
            About('controller').failed('topic', 'nobody listens', 'spawn the controller')]


def test_findings_are_a_line_each_and_what_holds_is_one_line_a_subject(capsys):
    fine, answer = say(FINDINGS, Output())
    assert not fine
    assert capsys.readouterr().out.splitlines() == [
        'OK   sensors.wrenches.wrist /wrench from /driver; 500.0 Hz',
        'WARN sensors.wrenches.wrist stamps: some are late',
        '       - look at the load',
        '--   controller             active: not checked: no manager',
        'FAIL controller             topic: nobody listens',
        '       - spawn the controller',
        'The running cell is not as it has to be: 2 passed, 1 warned, 1 failed, 1 not checked.']
    assert answer[-1] == {'subject': 'controller', 'check': 'topic', 'verdict': 'failed',
                          'found': 'nobody listens', 'do': 'spawn the controller'}


def test_warnings_do_not_fail_a_cell(capsys):
    fine, _ = say(FINDINGS[:4], Output())
    assert fine
    assert 'as its file says: 2 passed, 1 warned, 1 not checked.' in capsys.readouterr().out
