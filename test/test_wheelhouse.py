"""What stands beside the wheels of a wheelhouse: pinned, hashed, and how to install from it."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / 'scripts'


@pytest.fixture(scope='module')
def wheelhouse():
    """Return the script, which is no part of what is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module('wheelhouse_files')


@pytest.fixture
def folder(tmp_path):
    for name in ('Some_Thing-1.2.3-py3-none-any.whl', 'cmeel_zlib-1.3.2-0-py3-none-any.whl'):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_every_wheel_is_pinned_with_its_sha256_and_nothing_else_is(wheelhouse, folder):
    (folder / 'notes.txt').write_text('no wheel')
    lines = wheelhouse.write_files(folder, 'cpu').read_text().splitlines()
    digest = hashlib.sha256(b'Some_Thing-1.2.3-py3-none-any.whl').hexdigest()
    assert [line.partition(' ')[0] for line in lines] == ['cmeel-zlib==1.3.2', 'some-thing==1.2.3']
    assert lines[1].endswith(f' --hash=sha256:{digest}')


@pytest.mark.parametrize(('extras', 'sees_apt'), [('cpu', True), ('cpu,sim,jazzy', False)])
def test_an_environment_sees_the_machines_ros_where_none_is_brought_along(
        wheelhouse, folder, extras, sees_apt):
    wheelhouse.write_files(folder, extras)
    text = (folder / 'README.txt').read_text()
    assert ('--system-site-packages' in text) == sees_apt
    assert f'--find-links {folder.name}' in text
    assert '--no-index' in text
    assert '--require-hashes' in text
