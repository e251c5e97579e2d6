"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """
    Write ``text`` to ``path``, UTF-8; what was there gives way once the new file is whole.

    A file name that is no UTF-8 may be in the text: its bytes become escapes.

    Raises
    ------
    OSError
        If it cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.part')
    partial.write_text(text, encoding='utf-8', errors='backslashreplace')
    partial.replace(path)
