"""What the header of a JPEG or PNG says, read before anything is allocated for its pixels."""

from __future__ import annotations

from dataclasses import dataclass
import struct

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
JPEG_SIGNATURE = b'\xff\xd8\xff'

_PNG_END = b'\x00\x00\x00\x00IEND\xaeB`\x82'
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
# Frame headers are C0 to CF, except for three that begin tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
_JPEG_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says it holds; ``whole`` tells whether the end of the file is there."""

    codec: str
    width: int
    height: int
    channels: int
    bits: int
    whole: bool


def read_image_header(data: memoryview) -> ImageHeader | None:
    """Return the header of a JPEG or PNG, or None where the bytes begin neither."""
    if bytes(data[:3]) == JPEG_SIGNATURE:
        return _read_jpeg(data)
    if bytes(data[:8]) == PNG_SIGNATURE:
        return _read_png(data)
    return None


def _read_png(data: memoryview) -> ImageHeader | None:
    if len(data) < 33 or bytes(data[12:16]) != b'IHDR':
        return None
    width, height, bits, colour = struct.unpack_from('>IIBB', data, 16)
    return ImageHeader('png', width, height, _PNG_CHANNELS.get(colour, 0), bits,
                       bytes(data[-12:]) == _PNG_END)


def _read_jpeg(data: memoryview) -> ImageHeader | None:
    at, end = 2, len(data)
    while at + 4 <= end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_FRAMES:
            if at + 10 > end:
                return None
            bits, height, width, channels = struct.unpack_from('>BHHB', data, at + 4)
            # Cameras pad the end with zeros; a decoder would paint a cut file grey and be content.
            tail = bytes(data[-_JPEG_TAIL_BYTES:]).rstrip(b'\0')
            return ImageHeader('jpeg', width, height, channels, bits, tail.endswith(b'\xff\xd9'))
        else:
            length = struct.unpack_from('>H', data, at + 2)[0]
            if length < 2:
                return None
            at += 2 + length
    return None
