"""An episode is on disk whole or not at all, and damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from physical_ai_bridge.distillation.config import insertion_manifest
from physical_ai_bridge.distillation.dataset import ACTION, DatasetError, EpisodeStore, gather
import pytest

MANIFEST = insertion_manifest('test', tuple('abcdef'))


@pytest.fixture
def store(tmp_path: Path, seeing) -> EpisodeStore:
    """Return a store with two episodes of different length."""
    store = EpisodeStore(tmp_path / 'episodes')
    store.append('b', seeing(MANIFEST, 2, 3))
    store.append('a', seeing(MANIFEST, 1, 2))
    return store


def test_an_episode_comes_back_as_it_was_written(store: EpisodeStore, seeing) -> None:
    wanted, found = seeing(MANIFEST, 2, 3), store.load('b')
    assert found.facts == wanted.facts
    assert sorted(found.arrays) == sorted(wanted.arrays)
    for name, value in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], value)
        assert found.arrays[name].dtype == value.dtype


def test_an_interrupted_write_leaves_no_episode(store: EpisodeStore) -> None:
    (store.folder / 'c.1234.part').write_bytes(b'half an episode')
    assert store.keys() == ['a', 'b']
    assert 'c' not in store


def test_the_digest_follows_content_not_the_order_or_time_of_writing(
        store: EpisodeStore, tmp_path: Path, seeing) -> None:
    other = EpisodeStore(tmp_path / 'other')
    other.append('a', seeing(MANIFEST, 1, 2))
    other.append('b', seeing(MANIFEST, 2, 3))
    assert other.digest() == store.digest()
    other.append('c', seeing(MANIFEST, 3, 1))
    assert other.digest() != store.digest()
    assert other.digest(['a', 'b']) == store.digest()


def test_one_changed_pixel_changes_the_digest(
        store: EpisodeStore, tmp_path: Path, seeing) -> None:
    episode = seeing(MANIFEST, 1, 2)
    episode.arrays['observation.images.wrist'][0, 0, 0, 0] ^= 1
    other = EpisodeStore(tmp_path / 'other')
    other.append('a', episode)
    assert other.digest() != store.digest(['a'])


def test_episodes_are_joined_in_the_order_asked_for(
        store: EpisodeStore, tmp_path: Path) -> None:
    joined = gather(store, ['b', 'a'], MANIFEST, tmp_path / 'cache')
    assert all(isinstance(value, np.memmap) for value in joined.values())
    np.testing.assert_array_equal(joined[ACTION][:3], store.load('b').arrays[ACTION])
    np.testing.assert_array_equal(joined[ACTION][3:], store.load('a').arrays[ACTION])


def test_a_truncated_file_is_named(store: EpisodeStore) -> None:
    path = store.folder / 'a.npz'
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DatasetError, match=r'a\.npz.*not a readable episode'):
        store.load('a')


@pytest.mark.parametrize('damage', [
    ('observation.state', None, 'observation.state is missing'),
    ('observation.images.wrist', lambda image: image[:, :32], r'uint8 \[32, 80, 3\]'),
    ('action', lambda action: action.astype(np.float64), 'action is float64'),
])
def test_an_episode_of_another_manifest_is_refused(
        store: EpisodeStore, tmp_path: Path, seeing, damage) -> None:
    name, change, complaint = damage
    episode = seeing(MANIFEST, 5, 2)
    value = episode.arrays.pop(name)
    if callable(change):
        episode.arrays[name] = change(value)
    store.append('z', episode)
    with pytest.raises(DatasetError, match=complaint):
        gather(store, ['a', 'z'], MANIFEST, tmp_path / 'cache')


def test_pickled_objects_are_never_loaded(store: EpisodeStore) -> None:
    with (store.folder / 'evil.npz').open('wb') as file:
        np.savez(file, action=np.array([{'a': 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError):
        store.load('evil')
