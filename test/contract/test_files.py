"""A file is written whole, or what was there stays."""

from __future__ import annotations

import os

from physical_ai_bridge.contract.files import write_text
import pytest


def test_it_takes_the_place_of_what_was_there_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / 'new' / 'report.txt'
    write_text(path, 'first')
    write_text(path, 'ü')
    assert path.read_bytes() == 'ü'.encode()
    assert list(path.parent.iterdir()) == [path]


def test_bytes_of_a_file_name_that_are_no_utf8_become_escapes(tmp_path):
    write_text(tmp_path / 'a', os.fsdecode(b'night-\xff'))
    assert (tmp_path / 'a').read_text('utf-8') == r'night-\udcff'


def test_where_it_cannot_be_written_what_was_there_stays(tmp_path):
    path = tmp_path / 'a'
    write_text(path, 'good')
    (tmp_path / '.a.part').mkdir()
    with pytest.raises(OSError):
        write_text(path, 'bad')
    assert path.read_text() == 'good'
