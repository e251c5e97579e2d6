"""docs/evaluation.md tells of every finding, as the code does."""

from __future__ import annotations

from pathlib import Path

from physical_ai_bridge.cli.main import main
from physical_ai_bridge.evaluation.offline.findings import FindingCode
import pytest

PAGE = Path(__file__).parents[1] / 'docs' / 'evaluation.md'


@pytest.mark.parametrize('code', list(FindingCode))
def test_every_finding_is_there_with_its_meaning_and_advice(code):
    row = f'| `{code}` | {code.meaning} ({code.severity}): {code.advice} |'
    assert row in PAGE.read_text('utf-8').splitlines()


def test_the_options_that_it_names_exist(capsys):
    assert main(['evaluate', '--help']) == 0
    said = capsys.readouterr().out
    text = PAGE.read_text('utf-8')
    for option in ('--cell', '--bundle', '--out', '--remap', '--latency-s', '--gate', '--baseline',
                   '--jobs', '--ray'):
        assert option in said
        assert option in text
