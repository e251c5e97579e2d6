"""How figures are written for people, the same in the report and at the terminal."""

from __future__ import annotations

NONE = '–'


def in_ms(value: float | None) -> str:
    """Write milliseconds."""
    return NONE if value is None else f'{value:.2f} ms' if value < 10.0 else f'{value:.1f} ms'


def in_seconds(value: float | None) -> str:
    """Write seconds."""
    return NONE if value is None else f'{value:.3f} s' if value < 0.1 else f'{value:.2f} s'


def in_newtons(value: float | None) -> str:
    """Write newtons."""
    return NONE if value is None else f'{value:.1f} N'


def in_percent(share: float | None, digits: int = 1) -> str:
    """Write a share in percent."""
    return NONE if share is None else f'{100.0 * share:.{digits}f} %'


def number(text: str | None) -> float | None:
    """Read a number that a node has written into a diagnostic key; None where it is none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
