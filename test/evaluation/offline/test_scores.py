"""metrics.json has a schema with a version, and what is written is read back."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path

from physical_ai_bridge.contract.errors import BridgeError
from physical_ai_bridge.evaluation.offline.scores import (
    as_json,
    json_schema,
    read_scores,
    SCHEMA,
)
from physical_ai_bridge.testing.judged import judged
import pytest

PUBLISHED = Path(__file__).parents[3] / 'docs' / 'metrics.schema.json'


def test_the_published_schema_is_that_of_the_code():
    # After a change: write json_schema() into the file, and raise SCHEMA if readers must know.
    assert json.loads(PUBLISHED.read_text('utf-8')) == json_schema()


def test_what_is_written_names_its_version_and_is_read_back(tmp_path):
    scores = judged(1, baseline=True, gate=True, partly=1, failed=1).scores
    path = tmp_path / 'metrics.json'
    path.write_text(as_json(scores), 'utf-8')
    assert json.loads(path.read_text('utf-8'))['schema'] == SCHEMA
    assert read_scores(path) == scores


def test_what_is_not_finite_becomes_null():
    scores = judged(1).scores
    error = replace(scores.overall.action_error, drift_rad_per_s=float('nan'))
    spoilt = replace(scores, overall=replace(scores.overall, action_error=error))
    assert json.loads(as_json(spoilt))['overall']['action_error']['drift_rad_per_s'] is None


@pytest.mark.parametrize('text', ['', '{}', '{"schema": "x"}', '[]', 'not JSON'])
def test_what_is_no_metrics_file_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / 'metrics.json'
    path.write_text(text)
    with pytest.raises(BridgeError, match=r'metrics\.json'):
        read_scores(path)
    with pytest.raises(BridgeError, match='No such file'):
        read_scores(tmp_path / 'none.json')
