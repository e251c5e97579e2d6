"""The student: cameras, joints, reference and wrenches in, a chunk of joint positions out."""

from __future__ import annotations

from dataclasses import dataclass

from physical_ai_bridge.contract.bundle import input_tensors, Manifest
from physical_ai_bridge.distillation.dataset import IMAGE, REFERENCE, STATE, WRENCH
import torch
from torch import nn, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentShape:
    """
    How large the student is.

    ``channels`` of the four convolutions of a camera's encoder, whose last layer's channels are
    the keypoints; ``hidden`` units in each of the two layers behind them; ``targets`` numbers that
    the auxiliary head estimates (what only the teacher knows, such as the socket's pose).
    """

    channels: tuple[int, int, int, int] = (16, 24, 32, 32)
    hidden: int = 256
    targets: int = 3


class Encoder(nn.Module):
    """One camera: four convolutions, then each channel's expected place in the image."""

    def __init__(self, height: int, width: int, planes: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        c1, c2, c3, c4 = channels
        self.layers = nn.Sequential(
            nn.Conv2d(planes, c1, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(c1, c2, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1))
        rows, columns = ((size + 3) // 4 for size in (height, width))
        y, x = torch.meshgrid(
            torch.linspace(-1.0, 1.0, rows), torch.linspace(-1.0, 1.0, columns), indexing='ij')
        self.register_buffer('grid', torch.stack((x.flatten(), y.flatten()), dim=1))
        # Sharper than a plain softmax from the start: keypoints, not averages over the image.
        self.sharpness = nn.Parameter(torch.full((c4, 1), 3.0))

    def forward(self, image: Tensor, mixed: bool = False) -> Tensor:
        """
        Return keypoints (B, 2 * channels) in [-1, 1] of ``image`` (B, planes, H, W).

        ``mixed`` computes the convolutions in bfloat16: twice as fast on some processors. Places
        in the image need more digits than that has, so they are always computed in float32.
        """
        if mixed:
            with torch.autocast('cpu', torch.bfloat16):
                maps = self.layers(image).float()
        else:
            maps = self.layers(image)
        return (torch.softmax(maps.flatten(2) * self.sharpness, dim=2) @ self.grid).flatten(1)


class Student(nn.Module):
    """
    The policy, for batches.

    ``forward`` takes images as float32 (B, H, W, C) in 0..255 (so that training can augment them)
    and everything else as the manifest says with a batch dimension in front; it returns the chunk
    in scaled joint deltas from the reference's position, (B, horizon, N), and the auxiliary
    targets, scaled, (B, targets). Every scale is a buffer: it is part of the model, and of the
    exported graph.
    """

    def __init__(self, manifest: Manifest, shape: StudentShape) -> None:
        super().__init__()
        inputs = input_tensors(manifest)
        self.horizon, self.joints = manifest.action.horizon, len(manifest.joints)
        self.cameras = [name for name in inputs if name.startswith(IMAGE)]
        self.wrenches = [name for name in inputs if name.startswith(WRENCH)]
        self.encoders = nn.ModuleList(
            Encoder(*inputs[name].shape, shape.channels) for name in self.cameras)
        joints = self.joints
        for name, value in {
            'state_mean': torch.zeros(joints), 'state_std': torch.ones(joints),
            'error_std': torch.full((joints,), 0.01), 'velocity_std': torch.full((joints,), 0.2),
            'wrench_scale': torch.tensor([10.0, 10.0, 10.0, 1.0, 1.0, 1.0]),
            'delta_std': torch.ones(self.horizon, joints),
            'label_limit': torch.full((self.horizon, joints), torch.inf),
            'target_mean': torch.zeros(shape.targets), 'target_std': torch.ones(shape.targets),
        }.items():
            self.register_buffer(name, value)
        width = (2 * shape.channels[-1] * len(self.cameras) + 3 * joints
                 + sum(inputs[name].shape[0] * 6 for name in self.wrenches))
        self.trunk = nn.Sequential(
            nn.Linear(width, shape.hidden), nn.ReLU(),
            nn.Linear(shape.hidden, shape.hidden), nn.ReLU())
        self.head = nn.Linear(shape.hidden, self.horizon * joints)
        self.targets = nn.Linear(2 * shape.channels[-1] * len(self.cameras) + joints,
                                 shape.targets)

    def forward(
            self, inputs: dict[str, Tensor], mixed: bool = False) -> tuple[Tensor, Tensor]:
        """Return scaled deltas (B, horizon, N) and scaled auxiliary targets (B, targets)."""
        keypoints = torch.cat([
            encoder((inputs[name].permute(0, 3, 1, 2) - 127.5) / 64.0, mixed)
            for name, encoder in zip(self.cameras, self.encoders, strict=True)], dim=1)
        state, reference = inputs[STATE], inputs[REFERENCE]
        pose = (state - self.state_mean) / self.state_std
        # Forces span decades and a bad one must not drown the rest: linear near 0, then bounded.
        wrenches = [torch.tanh(inputs[name] / self.wrench_scale / 3.0).flatten(1) * 3.0
                    for name in self.wrenches]
        features = self.trunk(torch.cat([
            keypoints, pose,
            ((reference[:, 0] - state) / self.error_std).clamp(-5.0, 5.0),
            (reference[:, 1] / self.velocity_std).clamp(-5.0, 5.0),
            *wrenches], dim=1))
        chunk = self.head(features).unflatten(1, (self.horizon, self.joints))
        return chunk, self.targets(torch.cat([keypoints, pose], dim=1))


class Deployed(nn.Module):
    """
    The graph that a bundle holds: one observation as sensors give it, one chunk in rad.

    No batch dimension, images uint8, every scale inside; the inputs are positional, in the order
    of ``contract.bundle.input_tensors``.
    """

    def __init__(self, student: Student, names: tuple[str, ...]) -> None:
        super().__init__()
        self.student = student
        self.names = names

    def forward(self, *values: Tensor) -> Tensor:
        """Return absolute joint positions, float32 (horizon, N)."""
        inputs = {name: value.to(torch.float32).unsqueeze(0)
                  for name, value in zip(self.names, values, strict=True)}
        chunk, _ = self.student(inputs)
        return inputs[REFERENCE][0, 0] + chunk[0] * self.student.delta_std
