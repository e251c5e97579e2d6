"""What a user names is found: bags, storage files, and folders of them, each once."""

from __future__ import annotations

from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.find import find_recordings
from physical_ai_bridge.testing.bags import write_messages
import pytest


@pytest.fixture
def shelf(words, tmp_path):
    """Return a folder with a bag, a bag without metadata, lone files and other things."""
    said = words.messages(40)
    write_messages(tmp_path / 'b' / 'whole', said)
    write_messages(tmp_path / 'a' / 'split', said, split_bytes=2000, metadata=False)
    write_messages(tmp_path / 'lone', said, metadata=False)
    write_messages(tmp_path / '.hidden', said)
    loose = tmp_path / 'loose'
    loose.mkdir()
    (tmp_path / 'lone' / 'lone_0.mcap').rename(loose / 'monday.mcap')
    (loose / 'tuesday.mcap').write_bytes((loose / 'monday.mcap').read_bytes())
    (loose / 'notes.txt').write_text('nothing')
    (tmp_path / 'lone').rmdir()
    return tmp_path


def test_a_folder_is_searched_in_the_order_of_names(shelf):
    assert find_recordings([shelf]) == (
        shelf / 'a' / 'split', shelf / 'b' / 'whole', shelf / 'loose' / 'monday.mcap',
        shelf / 'loose' / 'tuesday.mcap')


def test_each_recording_is_given_once_in_the_order_of_the_paths(shelf):
    whole, file = shelf / 'b' / 'whole', shelf / 'loose' / 'tuesday.mcap'
    assert find_recordings([whole, file, shelf / 'b', whole]) == (whole, file)


def test_a_place_without_a_recording_is_refused(shelf):
    (shelf / 'empty').mkdir()
    with pytest.raises(RecordingError, match=r'no recording.*looked for metadata.yaml, .mcap'):
        find_recordings([shelf, shelf / 'empty'])
    with pytest.raises(RecordingError, match='there is no such folder or file'):
        find_recordings([shelf / 'nowhere'])


def test_files_of_several_recordings_without_metadata_are_not_read_as_one(shelf, words):
    with pytest.raises(RecordingError, match=r'files of 2 recordings: monday.mcap, tuesday.mcap'):
        words.read(shelf / 'loose')
