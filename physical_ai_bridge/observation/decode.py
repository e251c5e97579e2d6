"""
Frames to pixels.

A frame becomes uint8 (height, width, channels) in RGB order, or one channel for mono, and is
refused unless it is exactly what the cell file says that the camera sends: an image that is
reinterpreted, cropped or painted grey at its end looks like a good one to a policy.
"""

from __future__ import annotations

import cv2
import numpy as np
from physical_ai_bridge.contract.cell import Camera
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.observation.image_header import read_image_header

# Channels as sent, and how OpenCV turns them into RGB; None where they are right already.
_RAW = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
    'mono8': (1, None),
}
_CODECS = {'jpeg': 'jpeg', 'jpg': 'jpeg', 'png': 'png'}


class _MalformedError(Exception):
    """What is wrong with a frame; ``decode_image`` makes a Refusal of it."""


def decode_image(name: str, sample: ImageSample, camera: Camera) -> np.ndarray | Refusal:
    """
    Return the pixels of ``sample`` at the size at which the camera ``name`` sent them.

    Alpha is dropped. The array may be a view of the message's bytes (rgb8 and mono8) and must
    not be written to.

    Returns
    -------
    uint8 (height, width, 3) RGB or (height, width, 1); or a Refusal with IMAGE_MALFORMED where
    the type, encoding, size, step or length is not what the cell file and the frame declare.

    """
    try:
        if sample.compressed != camera.type.endswith('CompressedImage'):
            raise _MalformedError(f'a {"Compressed" if sample.compressed else ""}Image came, '
                                  f'the cell file declares {camera.type}')
        return (_decode_compressed if sample.compressed else _decode_raw)(sample, camera)
    except _MalformedError as error:
        return Refusal(Reason.IMAGE_MALFORMED, f'camera {name}: {error}')


def resize_image(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """
    Return ``pixels`` at another size; the same array where the size is that already.

    Plain: the aspect is not kept and nothing is cropped or padded, so that every pixel which a
    camera sends is seen and a bundle needs no rule beside its input's size. Where neither side
    grows each new pixel is the average of the area that it covers (a policy trained on that must
    not meet aliasing), else it is interpolated linearly.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    resized = cv2.resize(pixels, (width, height),
                         interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(height, width, pixels.shape[2])


def _decode_raw(sample: ImageSample, camera: Camera) -> np.ndarray:
    if sample.encoding != camera.encoding:
        raise _MalformedError(
            f'encoding {sample.encoding!r} came, the cell file declares {camera.encoding}')
    _check_size(sample.width, sample.height, camera)
    channels, to_rgb = _RAW[camera.encoding]
    row = camera.width * channels
    if sample.step < row:
        raise _MalformedError(f'step is {sample.step} bytes, a row of {camera.width} '
                              f'{camera.encoding} pixels has {row}')
    size = len(sample.data)
    if size != sample.step * camera.height:
        raise _MalformedError(f'{size} bytes came, {camera.height} rows of {sample.step} bytes '
                              f'have {sample.step * camera.height}')
    rows = np.frombuffer(sample.data, np.uint8).reshape(camera.height, sample.step)
    pixels = rows[:, :row].reshape(camera.height, camera.width, channels)
    return pixels if to_rgb is None else cv2.cvtColor(pixels, to_rgb)


def _decode_compressed(sample: ImageSample, camera: Camera) -> np.ndarray:
    codec, size = _codec(sample.encoding), len(sample.data)
    if codec != camera.encoding:
        raise _MalformedError(
            f'format {sample.encoding!r} came, the cell file declares {camera.encoding}')
    header = read_image_header(memoryview(sample.data))
    if header is None or header.codec != codec:
        raise _MalformedError(f'{size} bytes came that do not begin with the header of a {codec}')
    _check_size(header.width, header.height, camera)
    if header.channels not in (1, 3) or header.bits != 8:
        raise _MalformedError(f'{header.channels} channels of {header.bits} bits came, 1 or 3 '
                              'channels of 8 bits are read')
    if not header.whole:
        raise _MalformedError(f'the {codec} is truncated: its end is not in its {size} bytes')
    colour = cv2.IMREAD_COLOR if header.channels == 3 else cv2.IMREAD_GRAYSCALE
    try:
        # A camera's orientation tag must not turn the picture: the cell file says its size.
        pixels = cv2.imdecode(
            np.frombuffer(sample.data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (camera.height, camera.width):
        raise _MalformedError(f'the {codec} of {size} bytes is damaged and cannot be decoded')
    if header.channels == 1:
        return pixels.reshape(camera.height, camera.width, 1)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _check_size(width: int, height: int, camera: Camera) -> None:
    if (width, height) != (camera.width, camera.height):
        raise _MalformedError(f'{width}x{height} came, the cell file declares '
                              f'{camera.width}x{camera.height}')


def _codec(text: str) -> str | None:
    """
    Return 'jpeg' or 'png' for a CompressedImage's ``format``, or None where it is neither.

    Drivers write the codec alone, image_transport writes 'rgb8; jpeg compressed bgr8': there the
    first word is the encoding that was compressed, and one that is no colour or grey picture (a
    Bayer mosaic, a depth image) would decode into something that looks like one.
    """
    source, _, rest = text.partition(';')
    if not rest:
        return _CODECS.get(source.strip().lower())
    words = rest.split()
    if source.strip() not in _RAW or not words or words[1:2] not in ([], ['compressed']):
        return None
    return _CODECS.get(words[0].lower())
