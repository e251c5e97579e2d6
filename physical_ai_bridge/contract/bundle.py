"""What a policy needs: the bundle's manifest as frozen, validated types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from physical_ai_bridge.contract.action import ActionSpec
from physical_ai_bridge.contract.errors import Problem
from physical_ai_bridge.contract.fields import check_fields, Quantity, STRICT, Text
from physical_ai_bridge.contract.gripper import GripperAction

Count = Annotated[int, Quantity('', at_least=1)]
Seconds = Annotated[float, Quantity('s', above=0.0)]
Hertz = Annotated[float, Quantity('Hz', above=0.0)]

# Of the low-pass's lag, how much must be made up for where chunks begin at what lags.
_LEAST_SHARE_OF_LAG = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """``observation.images.<camera>``: uint8 (height, width, 3) RGB, or (height, width, 1)."""

    width: Count
    height: Count
    channels: Literal[1, 3] = 3
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrenchInput:
    """
    ``observation.wrench.<sensor>``: float32 (history, 6), force in N then torque in N·m.

    The last row is the observation's time, each row before it 1/rate_hz earlier.
    """

    history: Count = 1
    rate_hz: Hertz
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationSpec:
    """
    The model's inputs.

    Beside images and wrenches: ``state`` asks for ``observation.state``, float32 (N,) measured
    joint positions; ``reference`` for ``observation.reference``, float32 (2, N), the position and
    velocity that the controller is executing. N joints in the manifest's order.
    """

    images: dict[str, ImageInput] = field(default_factory=dict)
    state: bool = True
    reference: bool = False
    wrenches: dict[str, WrenchInput] = field(default_factory=dict)
    max_skew_s: Seconds = 0.05
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactGuard:
    """Above ``force_n`` at ``sensor`` the target yields towards where the robot is."""

    sensor: Annotated[str, Text('the name of a wrench sensor')]
    force_n: Annotated[float, Quantity('N', above=0.0)]
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """
    How a chunk becomes a smooth reference; part of what the policy was trained with.

    A third-order low-pass of ``bandwidth_rad_s`` follows the chunk read ``lookahead_s`` ahead;
    where a new chunk overlaps the last one they are cross-faded over ``blend_s``.
    """

    bandwidth_rad_s: Annotated[float, Quantity('rad/s', above=0.0, at_most=50.0)] = 20.0
    lookahead_s: Annotated[float, Quantity('s', at_least=0.0)] = 0.1
    blend_s: Annotated[float, Quantity('s', at_least=0.0)] = 0.05
    contact_guard: ContactGuard | None = None
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """A file of the bundle: its size in bytes and its sha256 in lower-case hex."""

    sha256: Annotated[str, Text('64 hexadecimal digits')]
    bytes: Annotated[int, Quantity('bytes', at_least=0)]  # noqa: A003
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if len(self.sha256) != 64 or set(self.sha256) - set('0123456789abcdef'):
            extra.append(('sha256', f'found {self.sha256!r}', 'write 64 lower-case hex digits'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    One policy: what it sees and what it returns.

    A bundle's lists its files, and ``contract.bundle_file.load_bundle`` reads and verifies it;
    that of a teacher behind an endpoint lists none.
    """

    schema: Literal[1]
    name: Annotated[str, Text('a short name for this policy')]
    joints: Annotated[tuple[str, ...], Text('joint names in the order of the model')]
    rate_hz: Hertz
    observation: ObservationSpec
    action: ActionSpec
    shaping: Shaping
    files: dict[str, BundleFile]
    gripper: GripperAction | None = None
    tasks: Annotated[tuple[str, ...], Text('an instruction in words')] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        extra = []
        if not self.joints or len(set(self.joints)) != len(self.joints):
            extra.append(('joints', f'found {list(self.joints)}', 'write each joint once'))
        if len(set(self.tasks)) != len(self.tasks):
            extra.append(('tasks', f'found {list(self.tasks)}', 'write each instruction once'))
        if self.gripper is not None and self.gripper.joint in self.joints:
            extra.append(('gripper.joint', f'found {self.gripper.joint}, which joints has, too',
                          'write it in one of the two places'))
        guard = self.shaping.contact_guard
        if guard is not None and guard.sensor not in self.observation.wrenches:
            extra.append(('shaping.contact_guard.sensor', f'found {guard.sensor!r}',
                          'write a sensor that observation.wrenches lists'))
        bandwidth, lookahead = self.shaping.bandwidth_rad_s, self.shaping.lookahead_s
        # Multiplied out, here and below: a 0 has its own complaint and must not divide.
        if (self.action.counts_from_reference
                and bandwidth * lookahead < _LEAST_SHARE_OF_LAG * 3.0):
            extra.append((
                'shaping.lookahead_s', f'found {lookahead:g}, but {self.action.kind} count from a '
                f'reference that lags by 3 / bandwidth_rad_s, {3.0 / max(bandwidth, 1e-9):.3g} s: '
                'motion would be slower than the policy says',
                'write 3 / bandwidth_rad_s - 0.01, or have the graph add the reference itself and '
                'return joint_positions'))
        chunk_s = self.action.offset_s + (self.action.horizon - 1) * self.action.period_s
        if self.rate_hz * (chunk_s - self.shaping.lookahead_s) <= 1.0 and self.rate_hz > 0.0:
            extra.append(('action.horizon', f'found a chunk of {chunk_s:g} s',
                          'write one longer than shaping.lookahead_s + 1 / rate_hz'))
        check_fields(self, extra)


@dataclass(frozen=True, slots=True)
class Bundle:
    """
    A bundle on disk, read and verified by ``contract.bundle_file.load_bundle``.

    ``digest`` is the sha256 of ``manifest.json``, which holds the sha256 of every other file.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def model_path(self) -> Path:
        """The ONNX model."""
        return self.folder / 'model.onnx'


@dataclass(frozen=True, slots=True)
class Tensor:
    """A model's input or output: dtype as numpy names it, shape; a free dimension is -1."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f'{self.dtype} {list(self.shape)}'


def input_tensors(manifest: Manifest) -> dict[str, Tensor]:
    """Return the inputs, by name, that the manifest's model must have."""
    wanted, joints = {}, len(manifest.joints)
    spec = manifest.observation
    for camera, image in spec.images.items():
        wanted[f'observation.images.{camera}'] = Tensor(
            'uint8', (image.height, image.width, image.channels))
    if spec.state:
        wanted['observation.state'] = Tensor('float32', (joints,))
    if spec.reference:
        wanted['observation.reference'] = Tensor('float32', (2, joints))
    if manifest.gripper is not None and manifest.gripper.observed:
        wanted['observation.gripper'] = Tensor('float32', (1,))
    for sensor, wrench in spec.wrenches.items():
        wanted[f'observation.wrench.{sensor}'] = Tensor('float32', (wrench.history, 6))
    if manifest.tasks:
        wanted['task'] = Tensor('int64', ())
    return wanted


def action_columns(manifest: Manifest) -> tuple[str, ...]:
    """Return what each of the arm's columns of an action row is for."""
    if manifest.action.kind == 'tcp_deltas':
        return ('x', 'y', 'z', 'rx', 'ry', 'rz')
    return manifest.joints


def gripper_columns(manifest: Manifest) -> tuple[str, ...]:
    """Return what the columns of an action row behind the arm's are for: one, or none."""
    return () if manifest.gripper is None else (manifest.gripper.joint,)


def output_tensors(manifest: Manifest) -> dict[str, Tensor]:
    """Return the outputs, by name, that the manifest's model must have."""
    columns = len(action_columns(manifest)) + len(gripper_columns(manifest))
    return {'action': Tensor('float32', (manifest.action.horizon, columns))}


def compare_tensors(
        expected: Mapping[str, Tensor], found: Mapping[str, Tensor], model_path: Path | str,
        role: str = 'tensor') -> list[Problem]:
    """
    Return every difference between the tensors a manifest asks for and those a model has.

    Missing, extra, wrong dtype, wrong shape. ``role``, 'input' or 'output', is only for the
    messages.
    """
    problems = []
    extra = [name for name in found if name not in expected]
    for name, wanted in expected.items():
        real = found.get(name)
        if real is None:
            close = difflib.get_close_matches(name, extra, n=1)
            hint = f' (it has {close[0]}, which the manifest does not)' if close else ''
            problems.append(Problem(
                str(model_path), name, f'the model has no such {role}{hint}',
                f'export it with {name}: {wanted}, or correct the manifest'))
        elif real != wanted:
            problems.append(Problem(
                str(model_path), name, f'the model has {real}{_difference(name, wanted, real)}',
                f'export it as {wanted}, as the manifest says, or correct the manifest'))
    problems += [Problem(
        str(model_path), name, f'the model has this {role}, {found[name]}, the manifest does not',
        f'export it without {name}, or add it to the manifest') for name in extra]
    return problems


def _difference(name: str, wanted: Tensor, real: Tensor) -> str:
    """Say in words what the numbers mean, where they mean something."""
    if real.dtype != wanted.dtype:
        return ''
    if -1 in real.shape:
        return ', where -1 is a dimension left free'
    if name.startswith('observation.images.') and len(real.shape) == 3:
        height, width, channels = wanted.shape
        if real.shape == (channels, height, width):
            return ', channels first where they come last'
        if real.shape[2] != channels:
            return f', a {real.shape[2]}-channel image where {channels} channels are declared'
    return ''
