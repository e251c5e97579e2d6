"""A short film of a run, in real time: the arm, what its cameras saw, mode and force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import math
import os
from pathlib import Path

import cv2
import numpy as np
from physical_ai_bridge.bags.errors import RecordingError
from physical_ai_bridge.bags.reader import decode, Recording
from physical_ai_bridge.contract.clock import NS_PER_S
from physical_ai_bridge.contract.errors import SetupError
from physical_ai_bridge.contract.samples import ImageSample
from physical_ai_bridge.evaluation.run import Episode, Run
from physical_ai_bridge.observation.decode import decode_image, resize_image

WIDTH, HEIGHT, FRAMES_PER_S = 640, 480, 12
AFTERWARDS_S = 0.5
_INSET_WIDTH, _INSET_HEIGHT, _BAR = 168, 126, 46
_WHITE, _DARK = (255, 255, 255), (24, 28, 34)
# RGB, the colours of the report's modes.
_MODE_COLOURS = {
    'INACTIVE': (130, 140, 152), 'READY': (126, 152, 196), 'ACTIVE': (53, 165, 106),
    'LIMITING': (234, 176, 66), 'STOPPING': (232, 116, 59), 'STOPPED': (208, 60, 50),
    'FAULT': (150, 40, 34)}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(slots=True)
class Shot:
    """One picture to make: an instant of an episode, and what the cameras showed then."""

    stamp_ns: int
    episode: Episode
    seen: dict[str, np.ndarray] = field(default_factory=dict)


def choose(run: Run, seconds: float) -> list[Shot]:
    """Return the pictures of the first good episodes, as many as fit into about ``seconds``."""
    shots: list[Shot] = []
    for episode in sorted(run.episodes, key=lambda e: (not e.success, e.number)):
        if len(shots) >= seconds * FRAMES_PER_S * 0.7:
            break
        length_s = min(episode.duration_s + AFTERWARDS_S, seconds)
        count = max(1, math.floor(length_s * FRAMES_PER_S))
        shots += [Shot(episode.start_ns + round(index * NS_PER_S / FRAMES_PER_S), episode)
                  for index in range(count)]
    return shots


def see(run: Run, recording: Recording, shots: list[Shot]) -> None:
    """Put into each shot the newest frame of each camera at its time, small."""
    cameras = {camera.topic: (name, camera) for name, camera in run.cell.sensors.cameras.items()}
    stamps = np.array([shot.stamp_ns for shot in shots], dtype=np.int64)
    order = np.argsort(stamps, kind='stable')
    for message in recording.messages(cameras.keys()):
        name, camera = cameras[message.topic]
        # A frame is seen by the shots from its own time until 0.3 s later, or a newer frame.
        rough = message.stamp_ns
        if not ((stamps >= rough - NS_PER_S // 2) & (stamps < rough + NS_PER_S // 2)).any():
            continue
        sample = decode(message)
        if not isinstance(sample, ImageSample):
            continue
        pixels = decode_image(name, sample, camera)
        if not isinstance(pixels, np.ndarray):
            continue
        shown = (stamps >= sample.stamp_ns) & (stamps < sample.stamp_ns + 3 * NS_PER_S // 10)
        small = resize_image(pixels, _INSET_WIDTH, _INSET_HEIGHT)
        for index in order[shown[order]]:
            shots[index].seen[name] = small


def pictures(run: Run, shots: list[Shot]) -> Iterator[np.ndarray]:
    """
    Yield the large picture of each shot, RGB.

    A simulated run is rendered again from its joint states, at a higher resolution and from where
    a person would stand; of a real one the first camera's frames are shown.
    """
    if shots and all(shot.episode.seed is not None for shot in shots):
        from physical_ai_bridge.evaluation.replay import snapshots
        from physical_ai_bridge.simulation import render_video_frames
        yield from render_video_frames(snapshots(run, shots), width=WIDTH, height=HEIGHT)
        return
    for shot in shots:
        seen = next(iter(shot.seen.values()), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        yield resize_image(seen, WIDTH, HEIGHT)


def _text(picture: np.ndarray, words: str, x: int, y: int, size: float = 0.5,
          colour: tuple[int, int, int] = _WHITE) -> None:
    cv2.putText(picture, words, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)


def _width(words: str, size: float) -> int:
    return cv2.getTextSize(words, _FONT, size, 1)[0][0]


def decorate(run: Run, shot: Shot, picture: np.ndarray) -> np.ndarray:
    """Return the picture with the cameras' views, and a bar that says how things stand."""
    out = np.ascontiguousarray(np.broadcast_to(picture, (HEIGHT, WIDTH, 3))).copy()
    for row, (name, view) in enumerate(sorted(shot.seen.items())):
        x, y = WIDTH - _INSET_WIDTH - 12, 12 + row * (_INSET_HEIGHT + 10)
        out[y:y + _INSET_HEIGHT, x:x + _INSET_WIDTH] = view
        cv2.rectangle(out, (x - 1, y - 1), (x + _INSET_WIDTH, y + _INSET_HEIGHT), _WHITE, 1)
        cv2.rectangle(out, (x, y), (x + _width(name, 0.4) + 12, y + 17), _DARK, -1)
        _text(out, name, x + 6, y + 13, 0.4)
    out[-_BAR:] = out[-_BAR:] // 5 + np.array(_DARK, np.uint8) * 4 // 5
    base = HEIGHT - _BAR // 2 + 5
    label = f'episode {shot.episode.number}'
    _text(out, label, 16, base)
    over = shot.stamp_ns >= shot.episode.end_ns
    mode, colour = _state(run, shot)
    if over:
        mode = 'INSERTED' if shot.episode.success else 'NOT INSERTED'
        colour = _MODE_COLOURS['ACTIVE' if shot.episode.success else 'STOPPED']
    x = 16 + _width(label, 0.5) + 22
    cv2.circle(out, (x, base - 5), 6, colour, -1, cv2.LINE_AA)
    _text(out, mode, x + 14, base)
    _draw_force(run, shot, out, base)
    return out


def _state(run: Run, shot: Shot) -> tuple[str, tuple[int, int, int]]:
    mode = next((change.mode for change in reversed(run.modes)
                 if change.stamp_ns <= shot.stamp_ns), 'INACTIVE')
    return mode, _MODE_COLOURS.get(mode, _WHITE)


def _draw_force(run: Run, shot: Shot, out: np.ndarray, base: int) -> None:
    sensor = next(iter(run.wrenches), None)
    if sensor is None or not len(run.wrenches[sensor].stamps_ns):
        return
    track, limit = run.wrenches[sensor], run.cell.safety.force_limits[sensor]
    to = int(np.searchsorted(track.stamps_ns, shot.stamp_ns))
    since = int(np.searchsorted(track.stamps_ns, shot.stamp_ns - NS_PER_S // FRAMES_PER_S))
    newest = track.force_n[max(0, min(since, len(track.force_n) - 1)):max(to, 1)]
    force = float(newest.max()) if len(newest) else 0.0
    long, x = 190, WIDTH - 190 - 16
    words = f'force {force:4.1f} N'
    _text(out, words, x - _width(words, 0.5) - 14, base)
    cv2.rectangle(out, (x, base - 10), (x + long, base), (74, 82, 94), -1)
    share = min(1.0, force / limit.max_force_n)
    colour = _MODE_COLOURS['ACTIVE' if share < 0.6 else 'LIMITING' if share < 1.0 else 'STOPPED']
    cv2.rectangle(out, (x, base - 10), (x + round(long * share), base), colour, -1)
    words = f'limit {limit.max_force_n:g} N'
    _text(out, words, x + long - _width(words, 0.33), base + 13, 0.33, (170, 178, 190))


def write_video(
        run: Run, recording: Path, path: Path, *, seconds: float = 9.0,
        advance: Callable[[int, int], object] | None = None) -> Path:
    """
    Write a film of the run's first good episodes to ``path``: .webm, or .gif.

    ``advance`` is told how many pictures of how many are made.

    Raises
    ------
    SetupError
        When this machine cannot write such a film, or cannot render it.
    RecordingError
        When there is no episode to show.

    """
    shots = choose(run, seconds)
    if not shots:
        raise RecordingError(f'{recording}: no episode was recorded, so there is nothing to film')
    with Recording(recording) as opened:
        see(run, opened, shots)
    partial = path.with_name(f'.part-{path.name}')
    write = _write_gif if path.suffix == '.gif' else _write_webm
    write(_made(run, shots, advance), partial)
    partial.replace(path)
    return path


def _made(run: Run, shots: list[Shot],
          advance: Callable[[int, int], object] | None) -> Iterator[np.ndarray]:
    for index, (shot, picture) in enumerate(zip(shots, pictures(run, shots), strict=True)):
        yield decorate(run, shot, picture)
        if advance is not None:
            advance(index + 1, len(shots))


@contextmanager
def _mute_stderr() -> Iterator[None]:
    """Keep OpenCV's note from the terminal that WebM names its codecs in another way."""
    kept = os.dup(2)
    with Path(os.devnull).open('wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _write_webm(frames: Iterator[np.ndarray], path: Path) -> None:
    # VP8 in WebM: every browser plays it, and the OpenCV wheels can write it.
    with _mute_stderr():
        writer = cv2.VideoWriter(
            str(path), cv2.VideoWriter_fourcc(*'VP80'), FRAMES_PER_S, (WIDTH, HEIGHT))
    try:
        if not writer.isOpened():
            raise SetupError("this machine's OpenCV cannot write WebM (VP8); install "
                             'opencv-python-headless from PyPI')
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    finally:
        writer.release()


def _write_gif(frames: Iterator[np.ndarray], path: Path) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise SetupError(
            'a GIF needs Pillow; type: pip install "physical_ai_bridge[report]"') from error
    pictures_ = [Image.fromarray(cv2.resize(frame, (WIDTH * 3 // 4, HEIGHT * 3 // 4),
                                            interpolation=cv2.INTER_AREA)) for frame in frames]
    # One palette for all, so that what stands still stays the same and costs nothing. It is made
    # of several pictures, and by coverage, so that small things in rare colours keep them.
    some = np.vstack([np.asarray(picture) for picture in pictures_[::max(1, len(pictures_) // 6)]])
    palette = Image.fromarray(some).quantize(
        224, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures_]
    flat[0].save(path, format='GIF', save_all=True, append_images=flat[1:], optimize=True,
                 duration=round(1000 / FRAMES_PER_S), loop=0)
