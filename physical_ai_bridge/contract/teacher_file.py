"""Read a teacher file, or make a teacher of an address and a bundle's manifest."""

from __future__ import annotations

from dataclasses import replace
import difflib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from physical_ai_bridge.contract.bundle import (
    action_columns,
    gripper_columns,
    input_tensors,
    Manifest,
    Shaping,
)
from physical_ai_bridge.contract.bundle_file import load_manifest
from physical_ai_bridge.contract.errors import ContractError, Problem, TeacherError
from physical_ai_bridge.contract.fields import Complaint, InvalidFields
from physical_ai_bridge.contract.parsing import parse
from physical_ai_bridge.contract.teacher import (
    endpoint_complaint,
    PROMPT,
    TASK,
    Teacher,
    TeacherFile,
)
from physical_ai_bridge.contract.yaml_file import read_yaml

_SECTIONS = ('joints', 'rate_hz', 'observation', 'action', 'shaping', 'gripper', 'tasks')
_IMAGES = 'observation.images.'


def load_teacher(path: str | Path) -> Teacher:
    """
    Read and check a teacher file, and the manifest of the bundle that it is ``like``.

    Raises
    ------
    TeacherError
        With every problem at once: the file's, the manifest's, then what keeps them apart.

    """
    path = Path(path)
    raw = read_yaml(path, 'teacher file', TeacherError)
    file, problems = parse(TeacherFile, raw, path)
    base, more = _like(raw, path)
    if file is None or problems or more:
        raise TeacherError(problems + more)
    try:
        manifest = _manifest(file, base)
    except InvalidFields as error:
        raise TeacherError([Problem(str(path), *each) for each in error.complaints]) from None
    complaints = _mismatches(file, manifest)
    if complaints:
        raise TeacherError([Problem(str(path), *each) for each in complaints])
    return Teacher(
        name=file.name, endpoint=file.endpoint, manifest=manifest, keys=dict(file.keys),
        where=str(path), api_key_env=file.api_key_env, timeout_s=file.timeout_s,
        layout=file.images.layout, prompt=file.prompt, columns=file.actions.columns,
        first_row=file.actions.first_row)


def teacher_at(url: str, manifest: Manifest) -> Teacher:
    """
    Return the teacher at an address that sees and returns just what ``manifest`` says.

    Each input goes out under ``default_key``. The reply's actions must be (horizon, W).

    Raises
    ------
    TeacherError
        If the address is not one.

    """
    complaint = endpoint_complaint(url)
    if complaint is not None:
        raise TeacherError([Problem('teacher', '', *complaint)])
    return Teacher(
        name=urlsplit(url).netloc, endpoint=url, where=url,
        manifest=replace(manifest, name=urlsplit(url).netloc, files={}, provenance={}),
        keys={name: default_key(name) for name in input_tensors(manifest)})


def default_key(name: str) -> str:
    """
    Return the key under which openpi's examples expect an input.

    ``observation.images.wrist`` is ``observation/wrist_image``, ``task`` is ``prompt``, and what
    else there is has slashes for dots: ``observation/state``.
    """
    if name == TASK:
        return PROMPT
    if name.startswith(_IMAGES):
        return f'observation/{name.removeprefix(_IMAGES)}_image'
    return name.replace('.', '/')


def _like(raw: Any, path: Path) -> tuple[Manifest | None, list[Problem]]:
    """Return the manifest that the file, perhaps wrong elsewhere, builds on."""
    like = raw.get('like') if isinstance(raw, dict) else None
    if not isinstance(like, str) or not like.strip():
        return None, []
    try:
        return load_manifest(path.parent / like), []
    except ContractError as error:
        return None, list(error.problems)


def _manifest(file: TeacherFile, base: Manifest | None) -> Manifest:
    """Return what the teacher sees and returns; the file's sections stand before ``like``'s."""
    written = {key: getattr(file, key) for key in _SECTIONS if getattr(file, key) is not None}
    if base is None:
        manifest = Manifest(
            schema=1, name=file.name, files={}, **{'shaping': Shaping(), **written})
    else:
        manifest = replace(base, name=file.name, files={}, provenance={}, **written)
    width, height = file.images.width, file.images.height
    if width is None or height is None:
        return manifest
    images = {
        name: replace(image, width=width, height=height) if f'{_IMAGES}{name}' in file.keys
        else image for name, image in manifest.observation.images.items()}
    return replace(manifest, observation=replace(manifest.observation, images=images))


def _mismatches(file: TeacherFile, manifest: Manifest) -> list[Complaint]:
    """Return what in the file does not go with what the teacher sees and returns."""
    found: list[Complaint] = []
    inputs = {**input_tensors(manifest), **({} if file.prompt is None else {TASK: None})}
    for name in file.keys:
        if name not in inputs:
            close = difflib.get_close_matches(name, inputs, n=1)
            found.append((f'keys.{name}', 'is not an input of this teacher',
                          f'write {close[0]}' if close
                          else f'write one of {", ".join(inputs) or "none"}'))
    sent = dict(file.keys)
    if TASK in inputs:
        sent.setdefault(TASK, PROMPT)
    for name, key in file.keys.items():
        others = [other for other in sent if sent[other] == key and other != name]
        if others:
            found.append((f'keys.{name}', f'found {key!r}, under which {others[0]} is sent, too',
                          'write another key for one of them'))
    names = (*action_columns(manifest), *gripper_columns(manifest))
    columns = file.actions.columns
    if columns is not None and len(columns) != len(names):
        found.append(('actions.columns', f'found {len(columns)} columns, the action has '
                      f'{len(names)}', f'write a column of the reply for each of '
                      f'{", ".join(names)}'))
    return found
