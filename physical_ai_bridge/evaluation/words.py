"""How figures are written for people, the same in the report and at the terminal."""

from __future__ import annotations

import math

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


def in_rad(value: float | None) -> str:
    """Write an angle in rad."""
    return NONE if value is None else f'{value:.4f} rad'


def in_degrees(rad: float | None) -> str:
    """Write an angle, given in rad, in degrees."""
    return NONE if rad is None else f'{math.degrees(rad):.2f}°'


def in_mm(metres: float | None) -> str:
    """Write a distance, given in m, in millimetres."""
    return NONE if metres is None else f'{1e3 * metres:.1f} mm'


def in_hertz(value: float | None) -> str:
    """Write a rate."""
    return NONE if value is None else f'{value:.1f} Hz'


def plain(value: float | None) -> str:
    """Write a number without a unit."""
    return NONE if value is None else f'{value:.4g}'


def counted(count: int, one: str, many: str = '') -> str:
    """Write how many there are of something: '1 recording', '2 recordings'."""
    return f'{count} {one if count == 1 else many or one + "s"}'


def number(text: str | None) -> float | None:
    """Read a number that a node has written into a diagnostic key; None where it is none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
