"""XML as SDFormat writes it: numbers, poses, elements."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

# Finer than any figure that anybody wrote, coarser than what a library's next version rounds.
_DECIMALS = 9


def number(value: float, decimals: int = _DECIMALS) -> str:
    """Return a number as short as it can be written with so many decimals."""
    text = f'{value:.{decimals}f}'.rstrip('0').rstrip('.')
    return '0' if text in ('', '-0') else text


def numbers(values: Iterable[float], decimals: int = _DECIMALS) -> str:
    """Return numbers with spaces between them."""
    return ' '.join(number(float(value), decimals) for value in values)


def element(tag: str, *inside: Element | str | float | bool, **attributes: str) -> Element:
    """Return an element that holds either other elements or one value."""
    made = Element(tag, attributes)
    for part in inside:
        if isinstance(part, Element):
            made.append(part)
        elif isinstance(part, bool):
            made.text = 'true' if part else 'false'
        else:
            made.text = part if isinstance(part, str) else number(part)
    return made


def pose(
        position: np.ndarray | Iterable[float], quaternion: np.ndarray | None = None,
        relative_to: str = '',
) -> Element:
    """Return a pose; ``position`` in m, ``quaternion`` as MuJoCo writes it: w, x, y, z."""
    attributes = {'relative_to': relative_to} if relative_to else {}
    if quaternion is None or np.allclose(quaternion, (1.0, 0.0, 0.0, 0.0)):
        return element('pose', f'{numbers(position)} 0 0 0', **attributes)
    w, x, y, z = quaternion * (1.0 if quaternion[0] >= 0.0 else -1.0)
    return element(
        'pose', f'{numbers(position)}  {numbers((x, y, z, w))}',
        rotation_format='quat_xyzw', **attributes)


def document(root: Element, comment: str) -> str:
    """Return the text of an XML file, which begins with a comment for people."""
    ElementTree.indent(root)
    return (f'<?xml version="1.0"?>\n<!-- {comment} -->\n'
            + ElementTree.tostring(root, encoding='unicode') + '\n')
