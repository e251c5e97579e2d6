"""A run folder remembers what was asked, and refuses to mix two runs."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path

from physical_ai_bridge.cli.main import main
from physical_ai_bridge.contract.bundle_file import load_bundle
from physical_ai_bridge.distillation.config import QUICK
from physical_ai_bridge.distillation.runs import (
    export_round,
    RunError,
    RunFolder,
    write_json,
)
from physical_ai_bridge.distillation.train import save_weights
import pytest
import torch

JOINTS = tuple('abcdef')


def test_a_run_is_gone_on_with_by_the_same_words_only(tmp_path: Path) -> None:
    begun = RunFolder.begin(tmp_path / 'run', 'test', JOINTS, QUICK)
    again = RunFolder.begin(tmp_path / 'run', 'test', JOINTS, QUICK)
    assert again.manifest == begun.manifest
    with pytest.raises(RunError, match='begun with other options'):
        RunFolder.begin(tmp_path / 'run', 'test', JOINTS, replace(QUICK, seed=1))


def test_what_is_opened_is_what_was_begun(tmp_path: Path) -> None:
    begun = RunFolder.begin(tmp_path / 'run', 'test', JOINTS, replace(QUICK, seed=3, hidden=32))
    opened = RunFolder.open(tmp_path / 'run')
    assert opened.config == begun.config
    assert opened.manifest == begun.manifest
    for one, other in zip(begun.new_student().parameters(), opened.new_student().parameters(),
                          strict=True):
        assert torch.equal(one, other)


def test_a_folder_that_is_no_run_is_refused_in_a_sentence(tmp_path: Path, capsys) -> None:
    assert main(['export', '--run', str(tmp_path), '--bundle', str(tmp_path / 'bundle')]) == 1
    assert 'not a run folder' in capsys.readouterr().err


def test_a_run_that_has_not_ended_needs_the_round_named(tmp_path: Path) -> None:
    RunFolder.begin(tmp_path / 'run', 'test', JOINTS, QUICK)
    with pytest.raises(RunError, match='name a round with --round'):
        export_round(tmp_path / 'run', None, tmp_path / 'bundle')
    with pytest.raises(RunError, match='round 2 is not finished'):
        export_round(tmp_path / 'run', 2, tmp_path / 'bundle')


def test_a_damaged_run_file_is_named(tmp_path: Path) -> None:
    (tmp_path / 'run.json').write_text('{"name": ')
    with pytest.raises(RunError, match=r'run\.json: cannot be read'):
        RunFolder.open(tmp_path)


def test_a_finished_round_becomes_a_bundle(tmp_path: Path, seeing, capsys) -> None:
    run = RunFolder.begin(tmp_path / 'run', 'test', JOINTS, replace(QUICK, hidden=16))
    run.store.append('r0-00000', seeing(run.manifest, 0, 3))
    run.round(0).mkdir(parents=True)
    save_weights(run.new_student(), run.round(0) / 'weights.safetensors')
    write_json(run.round(0) / 'round.json', {'index': 0, 'episodes': 1})
    capsys.readouterr()
    assert main(['--json', 'export', '--run', str(run.path), '--round', '0',
                 '--bundle', str(tmp_path / 'bundle')]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said['ok'] and said['observations'] == 3
    assert load_bundle(tmp_path / 'bundle').manifest.provenance['round'] == 0
