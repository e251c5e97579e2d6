"""Every reason code and every mode is explained in two languages, as the code behaves."""

from __future__ import annotations

from pathlib import Path
import re

from physical_ai_bridge.contract.guide import Effect, GROUPS, Text
from physical_ai_bridge.contract.guide.keys import MODES, SOURCES
from physical_ai_bridge.contract.reasons import Reason
from physical_ai_bridge.safety.decision import Mode
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'physical_ai_bridge'
GUIDE = {reason: advice for group in GROUPS for reason, advice in group.advice.items()}

WHAT_TO_WRITE = """\
Reason.{0} is not explained. Write into one of physical_ai_bridge/contract/guide/*.py:

    Reason.{0}: Advice(
        meaning_ja='<Reason.{0}.meaning in Japanese>',
        effects=(Effect.<what it leads to>,),
        causes=Text('<usual causes>', '<in Japanese>'),
        remedy=Text('<what to do>', '<in Japanese>')),

and type: python scripts/reference_pages.py"""

JAPANESE = re.compile('[\u3040-\u30ff]')


@pytest.mark.parametrize('reason', list(Reason), ids=str)
def test_every_reason_code_is_explained(reason):
    assert reason in GUIDE, WHAT_TO_WRITE.format(reason)


def test_codes_are_explained_once_and_in_their_order():
    assert [reason for group in GROUPS for reason in group.advice] == list(Reason)


@pytest.mark.parametrize('reason', list(GUIDE), ids=str)
def test_an_explanation_says_everything_in_both_languages(reason):
    advice = GUIDE[reason]
    assert advice.effects
    for text in (advice.causes, advice.remedy, Text(f'{reason.meaning}.', advice.meaning_ja)):
        assert text.en.endswith('.'), text.en
        assert text.ja.endswith('。'), text.ja
        assert JAPANESE.search(text.ja), text.ja
        assert not JAPANESE.search(text.en), text.en


@pytest.mark.parametrize('reason', list(Reason), ids=str)
def test_no_reason_code_is_there_that_nobody_gives(reason):
    name = re.compile(rf'Reason\.{reason}\b')
    sources = (path for path in PACKAGE.rglob('*.py')
               if not {'guide', 'testing'} & set(path.parts) and path.name != 'reasons.py')
    assert any(name.search(path.read_text(encoding='utf-8')) for path in sources)


@pytest.mark.parametrize(('room', 'effect'), [
    ('observation', Effect.NO_INFERENCE),
    ('policy', Effect.NO_PROPOSAL),
    ('safety/sanitise.py', Effect.DROPPED),
    ('safety/tcp_check.py', Effect.LIMITS),
    ('safety/robot_model.py', Effect.LIMITS),
    ('safety/ticks.py', Effect.STOPS),
    ('safety/publishers.py', Effect.STOPS),
])
def test_what_a_room_gives_has_that_rooms_effect(room, effect):
    paths = [PACKAGE / room] if room.endswith('.py') else (PACKAGE / room).rglob('*.py')
    given = {code for path in paths for code in re.findall(
        r'Reason\.([A-Z_]+)\b', path.read_text(encoding='utf-8'))}
    assert given
    assert {code for code in given if effect not in GUIDE[Reason(code)].effects} == set()


def test_what_the_table_of_faults_calls_a_stop_is_explained_as_one():
    rows = re.findall(r'^\| [^|]+ \| stop[^|]* \| ([^|]+) \|',
                      (ROOT / 'docs' / 'faults.md').read_text(encoding='utf-8'), re.MULTILINE)
    # Behind a semicolon stands what comes besides.
    codes = {code for reasons in rows for code in re.findall(
        r'`([A-Z_]+)`', reasons.partition(';')[0])}
    assert len(codes) > 10
    assert {code for code in codes
            if not any(effect.latched for effect in GUIDE[Reason(code)].effects)} == set()


def test_every_mode_is_explained():
    assert list(MODES) == [str(mode) for mode in Mode]


def test_no_key_is_explained_twice_and_units_are_those_of_the_name():
    for source in SOURCES:
        names = [key.name for key in source.keys]
        assert len(names) == len(set(names))
        for key in source.keys:
            ending = re.search(r'_(ms|s|ns|hz|m|n)$', key.name)
            unit = {'hz': 'Hz', 'n': 'N'}.get(ending[1], ending[1]) if ending else ''
            assert key.unit == unit, key.name
