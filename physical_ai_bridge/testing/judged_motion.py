"""Recordings that never were, over time: a motion, and a policy that nearly predicts it."""

from __future__ import annotations

import cv2
import numpy as np
from physical_ai_bridge.evaluation.offline.timeline import BagTimeline, ModeSpan, WorstMoment

JOINTS = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
          'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint')
PERIOD_S, ROWS, CHUNKS_PER_S, SAMPLES_PER_S = 0.05, 16, 8.0, 50.0
STOP_S = 1.2


def moving(times: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Return smooth positions (M, N) in rad at ``times`` (M,) in s; ``phase`` (2, N) makes it."""
    rates = np.array([0.35, 0.9])[:, None] * (1.0 + 0.15 * phase)
    sizes = np.array([0.5, 0.12])[:, None] * np.ones(phase.shape[1])
    angles = 2.0 * np.pi * (rates * times[:, None, None] + phase)
    return (sizes * np.sin(angles)).sum(axis=1) + np.array([0.0, -1.4, 1.5, -1.6, -1.5, 0.2])


def make_timeline(
        rng: np.random.Generator, bag: str, *, duration_s: float, skill: float,
        pictures: bool, gap: bool, topic: str) -> tuple[BagTimeline, np.ndarray]:
    """
    Return a recording over time, and what its policy got wrong: (C, H, N) in rad, by chunk.

    ``skill`` scales the error; ``gap`` is whether ``topic`` pauses once.
    """
    phase = rng.uniform(-1.0, 1.0, (2, len(JOINTS)))
    times = np.arange(0.0, duration_s, 1.0 / SAMPLES_PER_S)
    commanded = moving(times, phase)
    measured = moving(np.clip(times - 0.03, 0.0, None), phase)
    measured += rng.normal(0.0, 2e-4, measured.shape)
    starts = np.arange(0.4, max(0.5, duration_s - ROWS * PERIOD_S), 1.0 / CHUNKS_PER_S)
    ahead = np.arange(ROWS) * PERIOD_S
    truth = moving((starts[:, None] + ahead).ravel(), phase)
    truth = truth.reshape(len(starts), ROWS, len(JOINTS))
    where_hard = 1.0 + 4.0 * np.exp(-((starts - 0.6 * duration_s) / 0.5) ** 2)
    lean = rng.normal(0.0, 0.02 * skill, (len(starts), 1, len(JOINTS))) * where_hard[:, None, None]
    errors = lean * (0.15 + ahead[:, None]) + rng.normal(0.0, 0.001 * skill, truth.shape)
    worst = np.abs(errors).max(axis=(1, 2))
    force = 2.0 + 24.0 * np.exp(-((times - 0.62 * duration_s) / 0.25) ** 2)
    force += rng.normal(0.0, 0.3, len(times))
    timeline = BagTimeline(
        bag=bag, joints=JOINTS, duration_s=duration_s, measured=(times, measured),
        commanded=(times, commanded), chunks=(starts, truth + errors), period_s=PERIOD_S,
        errors=(starts, worst), modes=_modes(duration_s), forces={'wrist': (times, force)},
        gaps=((topic, 0.3 * duration_s, 0.3 * duration_s + 0.4),) if gap else (),
        moments=_moments(starts, errors, bag, pictures))
    return timeline, errors


def _modes(duration_s: float) -> tuple[ModeSpan, ...]:
    edges = np.array([0.0, 0.4, 1.1, 0.58 * duration_s, 0.61 * duration_s,
                      0.61 * duration_s + 0.1, 0.61 * duration_s + STOP_S, duration_s])
    modes = (('READY', 'OK', ''), ('LIMITING', 'JOINING', ''), ('ACTIVE', 'OK', ''),
             ('LIMITING', 'FORCE_SLOW_DOWN', '21.3 N on wrist, from 15 N on it slows'),
             ('STOPPING', 'FORCE_LIMIT', '25.9 N on wrist, allowed are 25 N'),
             ('STOPPED', 'FORCE_LIMIT', '25.9 N on wrist, allowed are 25 N'),
             ('ACTIVE', 'OK', ''))
    return tuple(
        ModeSpan(start_s=float(start), end_s=float(end), mode=mode, reason=reason, detail=detail)
        for start, end, (mode, reason, detail) in zip(edges, edges[1:], modes, strict=False)
        if end > start)


def _moments(
        starts: np.ndarray, errors: np.ndarray, bag: str, pictures: bool,
) -> tuple[WorstMoment, ...]:
    worst = np.abs(errors).max(axis=1)
    moments: list[WorstMoment] = []
    for chunk in np.argsort(-worst.max(axis=1)):
        if all(abs(starts[chunk] - moment.at_s) > 1.0 for moment in moments):
            joint = int(worst[chunk].argmax())
            moments.append(WorstMoment(
                at_s=float(starts[chunk]),
                what=f'{JOINTS[joint]} is {np.degrees(worst[chunk, joint]):.1f}° off',
                frames={name: picture(float(starts[chunk]), name) for name in ('scene', 'wrist')}
                if pictures else {}))
        if len(moments) == 4:
            break
    return tuple(moments)


def picture(at_s: float, camera: str) -> bytes:
    """Return a JPEG file, 320 x 240: something like an arm before a board."""
    height, width = 240, 320
    image = np.full((height, width, 3), (196, 202, 206), np.uint8)
    image[150:] = (120, 132, 140)
    if camera == 'scene':
        cv2.rectangle(image, (210, 110), (285, 175), (90, 150, 60), -1)
        cv2.rectangle(image, (236, 130), (258, 146), (40, 60, 40), -1)
        elbow = (int(110 + 18 * np.sin(at_s)), int(70 + 10 * np.cos(at_s)))
        hand = (int(222 + 20 * np.cos(1.7 * at_s)), int(108 + 14 * np.sin(1.3 * at_s)))
        for start, end in (((70, 200), elbow), (elbow, hand)):
            cv2.line(image, start, end, (60, 64, 70), 17, cv2.LINE_AA)
            cv2.line(image, start, end, (214, 148, 84), 11, cv2.LINE_AA)
        cv2.circle(image, elbow, 11, (60, 64, 70), -1, cv2.LINE_AA)
        cv2.circle(image, hand, 8, (30, 34, 38), -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (70, 60), (250, 200), (90, 150, 60), -1)
        cv2.rectangle(image, (130, 105), (190, 150), (40, 60, 40), -1)
        shift = int(26 * np.sin(1.3 * at_s))
        cv2.rectangle(image, (138 + shift, 92), (182 + shift, 136), (70, 190, 240), -1)
        cv2.rectangle(image, (138 + shift, 92), (182 + shift, 136), (30, 90, 120), 2)
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
