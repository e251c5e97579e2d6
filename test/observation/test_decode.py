"""Frames to pixels: what is taken, and everything that is refused."""

from __future__ import annotations

from dataclasses import replace
import struct

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from physical_ai_bridge.contract.cell import Camera
from physical_ai_bridge.contract.reasons import Reason, Refusal
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.observation.decode import decode_image, resize_image
from physical_ai_bridge.testing.contracts import example_camera
import pytest

WIDTH, HEIGHT = 32, 24


def camera(encoding: str = 'rgb8') -> Camera:
    compressed = 'Compressed' if encoding in ('jpeg', 'png') else ''
    return example_camera('scene', encoding=encoding, width=WIDTH, height=HEIGHT,
                          type=f'sensor_msgs/msg/{compressed}Image')


def picture(channels: int = 3) -> np.ndarray:
    """Return a smooth picture whose channels differ, so that a swap shows."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [8 * x, 10 * y, 255 - 4 * (x + y), 128 + 0 * x][:channels]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def raw(encoding: str = 'rgb8', channels: int = 3, padding: int = 0) -> ImageSample:
    rows = picture(channels).reshape(HEIGHT, WIDTH * channels)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return ImageSample(5, encoding, HEIGHT, WIDTH, rows.shape[1], memoryview(rows.tobytes()))


def compressed(suffix: str, text: str, pixels: np.ndarray) -> ImageSample:
    """Return an RGB, grey or RGBA picture as a driver would send it."""
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, file = cv2.imencode(suffix, pixels)
    assert done
    return ImageSample(5, text, 0, 0, 0, memoryview(file.tobytes()), compressed=True)


def refusal(sample: ImageSample, declared: Camera) -> str:
    found = decode_image('scene', sample, declared)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.IMAGE_MALFORMED
    assert found.detail.startswith('camera scene: ')
    return found.detail


class TestRawFrames:

    @pytest.mark.parametrize('padding', [0, 5])
    @pytest.mark.parametrize(('encoding', 'channels', 'order'), [
        ('rgb8', 3, [0, 1, 2]), ('bgr8', 3, [2, 1, 0]), ('rgba8', 4, [0, 1, 2]),
        ('bgra8', 4, [2, 1, 0]), ('mono8', 1, [0])])
    def test_every_encoding_becomes_rgb_or_mono(self, encoding, channels, order, padding):
        pixels = decode_image('scene', raw(encoding, channels, padding), camera(encoding))
        np.testing.assert_array_equal(pixels, picture(channels)[:, :, order])
        assert pixels.dtype == np.uint8

    def test_an_rgb_frame_is_not_copied(self):
        sample = raw()
        data = bytearray(sample.data)
        pixels = decode_image('scene', replace(sample, data=memoryview(data)), camera())
        data[0] ^= 0xFF
        assert pixels[0, 0, 0] == data[0]

    def test_another_encoding_is_refused(self):
        assert ("encoding 'rgba8' came, the cell file declares rgb8"
                in refusal(raw('rgba8', 4), camera()))

    def test_four_channels_called_three_are_refused(self):
        detail = refusal(replace(raw('rgba8', 4), encoding='rgb8', step=3 * WIDTH), camera())
        assert f'{4 * WIDTH * HEIGHT} bytes came' in detail
        assert f'{3 * WIDTH * HEIGHT}' in detail

    def test_another_size_is_refused(self):
        detail = refusal(replace(raw(), width=WIDTH + 1), camera())
        assert f'{WIDTH + 1}x{HEIGHT} came, the cell file declares {WIDTH}x{HEIGHT}' in detail

    @pytest.mark.parametrize('step', [0, 1, 3 * WIDTH - 1])
    def test_a_step_below_a_row_is_refused(self, step):
        detail = refusal(replace(raw(), step=step), camera())
        assert f'step is {step} bytes' in detail
        assert f'has {3 * WIDTH}' in detail

    @pytest.mark.parametrize('change', [-1, 1, -3 * WIDTH * HEIGHT])
    def test_a_buffer_that_is_not_step_times_height_is_refused(self, change):
        size = 3 * WIDTH * HEIGHT + change
        assert f'{size} bytes came' in refusal(replace(raw(), data=bytes(size)), camera())

    def test_an_absurd_step_is_refused_without_memory(self):
        assert 'bytes came' in refusal(replace(raw(), step=2**32 - 1), camera())

    def test_a_compressed_frame_where_a_raw_one_is_declared_is_refused(self):
        sample = compressed('.png', 'png', picture())
        assert 'declares sensor_msgs/msg/Image' in refusal(sample, camera())

    @given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200), st.integers(0, 4000),
           st.sampled_from(['rgb8', 'bgr8', 'mono8', 'rgba8', 'bgra8', 'jpeg', 'x', '']),
           st.sampled_from(['rgb8', 'mono8', 'bgra8']))
    def test_any_frame_gives_the_declared_shape_or_a_refusal(
            self, width, height, step, size, encoding, declared):
        sample = ImageSample(5, encoding, height, width, step, bytes(size))
        found = decode_image('scene', sample, camera(declared))
        if not isinstance(found, Refusal):
            assert found.shape == (HEIGHT, WIDTH, 1 if declared == 'mono8' else 3)


class TestCompressedFrames:

    @pytest.mark.parametrize('text', ['png', 'PNG', 'rgb8; png compressed bgr8'])
    def test_png_is_decoded_exactly(self, text):
        pixels = decode_image('scene', compressed('.png', text, picture()), camera('png'))
        np.testing.assert_array_equal(pixels, picture())

    @pytest.mark.parametrize(
        'text', ['jpeg', 'jpg', 'rgb8; jpeg compressed bgr8', 'bgr8; jpeg compressed '])
    def test_jpeg_is_decoded_in_rgb_order(self, text):
        pixels = decode_image('scene', compressed('.jpg', text, picture()), camera('jpeg'))
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(pixels.astype(int) - picture()).mean() < 8

    @pytest.mark.parametrize(('suffix', 'codec'), [('.jpg', 'jpeg'), ('.png', 'png')])
    def test_grey_files_become_one_channel(self, suffix, codec):
        sample = compressed(suffix, f'mono8; {codec} compressed ', picture(1))
        pixels = decode_image('scene', sample, camera(codec))
        assert pixels.shape == (HEIGHT, WIDTH, 1)
        assert np.abs(pixels.astype(int) - picture(1)).mean() < 8

    def test_an_orientation_tag_does_not_turn_the_picture(self):
        plain = compressed('.jpg', 'jpeg', picture())
        tiff = b'MM\x00*\x00\x00\x00\x08\x00\x01' + struct.pack(
            '>HHIHH', 0x0112, 3, 1, 6, 0) + bytes(4)
        exif = b'Exif\0\0' + tiff
        data = bytes(plain.data)
        turned = data[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + data[2:]
        np.testing.assert_array_equal(
            decode_image('scene', replace(plain, data=turned), camera('jpeg')),
            decode_image('scene', plain, camera('jpeg')))

    @pytest.mark.parametrize('text', [
        '', 'webp', 'png', '16UC1; jpeg compressed', '32FC1; compressedDepth png',
        'bayer_rggb8; jpeg compressed bgr8', 'rgb8; compressedDepth jpeg', 'rgb8;'])
    def test_another_format_is_refused(self, text):
        sample = compressed('.jpg', text, picture())
        assert f'format {text!r} came, the cell file declares jpeg' in refusal(
            sample, camera('jpeg'))

    def test_a_png_that_is_called_jpeg_is_refused(self):
        sample = compressed('.png', 'jpeg', picture())
        assert 'do not begin with the header of a jpeg' in refusal(sample, camera('jpeg'))

    @pytest.mark.parametrize(('suffix', 'codec'), [('.jpg', 'jpeg'), ('.png', 'png')])
    def test_another_size_is_refused(self, suffix, codec):
        sample = compressed(suffix, codec, picture()[:-1])
        assert f'{WIDTH}x{HEIGHT - 1} came' in refusal(sample, camera(codec))

    def test_a_png_of_four_channels_is_refused(self):
        sample = compressed('.png', 'png', picture(4))
        assert '4 channels of 8 bits came' in refusal(sample, camera('png'))

    def test_a_png_of_sixteen_bits_is_refused(self):
        sample = compressed('.png', 'png', picture(1).astype(np.uint16) * 100)
        assert '1 channels of 16 bits came' in refusal(sample, camera('png'))

    @pytest.mark.parametrize(('suffix', 'codec'), [('.jpg', 'jpeg'), ('.png', 'png')])
    def test_a_truncated_file_is_refused_wherever_it_is_cut(self, suffix, codec):
        sample = compressed(suffix, codec, picture())
        whole = bytes(sample.data)
        for length in range(len(whole)):
            refusal(replace(sample, data=whole[:length]), camera(codec))
        assert f'the {codec} is truncated' in refusal(
            replace(sample, data=whole[:-10]), camera(codec))

    def test_zeros_after_the_end_of_a_jpeg_are_taken(self):
        sample = compressed('.jpg', 'jpeg', picture())
        padded = replace(sample, data=bytes(sample.data) + bytes(100))
        assert not isinstance(decode_image('scene', padded, camera('jpeg')), Refusal)

    def test_a_damaged_png_is_refused(self):
        sample = compressed('.png', 'png', picture())
        data = bytearray(sample.data)
        data[len(data) // 2] ^= 0x55
        assert 'damaged' in refusal(replace(sample, data=bytes(data)), camera('png'))

    def test_a_small_file_that_claims_a_huge_picture_is_refused_by_its_header(self):
        sample = compressed('.png', 'png', picture())
        data = bytearray(sample.data)
        data[16:24] = struct.pack('>II', 2**31 - 1, 2**31 - 1)
        assert f'{2**31 - 1}x{2**31 - 1} came' in refusal(
            replace(sample, data=bytes(data)), camera('png'))

    @given(st.sampled_from([b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n']), st.binary(max_size=80))
    def test_any_bytes_are_refused(self, begin, rest):
        for codec in ('jpeg', 'png'):
            refusal(ImageSample(5, codec, 0, 0, 0, begin + rest, compressed=True), camera(codec))


class TestResizing:

    def test_the_same_size_is_the_same_array(self):
        pixels = picture()
        assert resize_image(pixels, WIDTH, HEIGHT) is pixels

    @given(st.integers(1, 80), st.integers(1, 80), st.sampled_from([1, 3]))
    def test_the_shape_is_what_was_asked_for(self, width, height, channels):
        resized = resize_image(picture(channels), width, height)
        assert (resized.shape, resized.dtype) == ((height, width, channels), np.uint8)

    def test_shrinking_averages_areas(self):
        pixels = np.zeros((4, 4, 1), np.uint8)
        pixels[::2] = 200
        assert (resize_image(pixels, 2, 2) == 100).all()

    def test_a_channel_is_resized_on_its_own(self):
        pixels = picture()
        together = resize_image(pixels, 8, 6)
        for channel in range(3):
            alone = resize_image(np.ascontiguousarray(pixels[:, :, channel:channel + 1]), 8, 6)
            assert np.abs(alone[:, :, 0].astype(int) - together[:, :, channel]).max() <= 1
