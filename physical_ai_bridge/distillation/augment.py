"""What a camera may do on another day: brighter, darker, tinted, noisier images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """
    How far images are changed in training, drawn anew for each image.

    ``gain`` multiplies the whole image, ``tint`` each colour by up to that share more or less,
    ``offset`` is added (in grey levels, 0 to 255), ``noise`` is a pixel's standard deviation.
    """

    gain: tuple[float, float] = (0.6, 1.35)
    tint: float = 0.08
    offset: float = 15.0
    noise: float = 3.0


class Augmenter:
    """
    Applies an Augmentation; every draw comes from the generator that ``__call__`` is given.

    Noise is read at a random place of one long strip made at the start: drawing it pixel by pixel
    would cost more than the student's own forward pass.
    """

    def __init__(self, augmentation: Augmentation, seed: int, largest: int) -> None:
        self._augmentation = augmentation
        source = torch.Generator().manual_seed(seed)
        self._strip = torch.randn(largest + 1_000_003, generator=source) * augmentation.noise

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return float32 images (B, H, W, C) from uint8 ones: whole numbers, 0..255."""
        spec, batch, planes = self._augmentation, images.shape[0], images.shape[-1]

        def draw(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        gain = spec.gain[0] + (spec.gain[1] - spec.gain[0]) * draw(batch, 1, 1, 1)
        tint = 1.0 + spec.tint * (2.0 * draw(batch, 1, 1, planes) - 1.0)
        offset = spec.offset * (2.0 * draw(batch, 1, 1, 1) - 1.0)
        out = images.to(torch.float32).mul_(gain * tint).add_(offset)
        room = len(self._strip) - out.numel()
        place = int(torch.randint(room, (), generator=generator))
        out.add_(self._strip[place:place + out.numel()].view_as(out))
        return out.round_().clamp_(0.0, 255.0)
