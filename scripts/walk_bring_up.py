"""
Type docs/bring_up.md: every line for the simulated cell, in one shell, in a clean clone.

``python scripts/walk_bring_up.py`` clones what is committed into a temporary folder, and runs
there what stands in the page's console blocks. It stops at the first line whose exit status is not
what the page says: 0, or N where the line ends with ``# exits with N``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r'\s+# exits with (\d+)$')
_MARK = 'this-line-has-ended'
_LINE_S = 300.0
# What a ROS that this was started from would leak into the shell.
_LEAKS = ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PYTHONPATH',
          'VIRTUAL_ENV')


@dataclass(frozen=True, slots=True)
class Line:
    """A line to type, and the exit status that the page promises."""

    text: str
    status: int


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return a page's blocks: their language and their text."""
    return _BLOCK.findall(page.read_text(encoding='utf-8'))


def lines(page: Path, language: str) -> Iterator[Line]:
    """Yield the lines of the blocks in a language."""
    for name, text in blocks(page):
        if name == language:
            for line in text.splitlines():
                exits = _EXITS.search(line)
                yield Line(_EXITS.sub('', line), int(exits[1]) if exits else 0)


class Shell:
    """A shell that is typed into; use it in a ``with`` statement, which ends what it started."""

    def __init__(self, folder: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in _LEAKS}
        self._process = subprocess.Popen(
            ['bash', '--norc', '--noprofile'], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)

    def type(self, line: str) -> int:
        """Type a line, show what it says, and return its exit status."""
        process = self._process
        process.stdin.write(f'{line}\nprintf "\\n%s %d\\n" {_MARK} $?\n')
        process.stdin.flush()
        watchdog = threading.Timer(_LINE_S, self._kill)
        watchdog.start()
        try:
            for said in process.stdout:
                if said.startswith(_MARK):
                    return int(said.split()[1])
                print(f'    {said}', end='', flush=True)
        finally:
            watchdog.cancel()
        raise TimeoutError(f'not within {_LINE_S:g} s')

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()
        self._process.wait()


def walk(page: Path, folder: Path, domain: str) -> int:
    """Type every line; return 0 if each ended as the page says."""
    with Shell(folder) as shell:
        for line in lines(page, 'console'):
            text = re.sub(r'ROS_DOMAIN_ID=\d+', f'ROS_DOMAIN_ID={domain}', line.text)
            print(f'{text}', flush=True)
            begun = time.monotonic()
            status = shell.type(text)
            print(f'  [{status}] {time.monotonic() - begun:.1f} s', flush=True)
            if status != line.status:
                print(f'it ended with {status}, the page says {line.status}')
                return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--page', default='bring_up.md', help='a page in docs/')
    parser.add_argument('--domain', default='42', help='the ROS domain to walk in')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        clone = Path(made) / 'clone'
        subprocess.run(['git', 'clone', '--quiet', str(ROOT), str(clone)], check=True)
        return walk(clone / 'docs' / args.page, clone, args.domain)


if __name__ == '__main__':
    sys.exit(main())
