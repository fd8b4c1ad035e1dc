"""Random variation of training images: whole uint8 batches on the device, a fresh draw for every image.

The paper names illumination, orientation and cell structure and gives no ranges. `paper` is our reading of it, close to
what such pipelines use; `mild` is what our fast recipe learns best from; `strong` moves colour, focus and scale as
far as another laboratory's stain and camera do, and `laboratories` further, with looks that no training image has.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.config import Augmentation
from bloodcell.images.model_input import normalise
from bloodcell.training.foreign_looks import bent, greyed, noisy, recoloured, resampled, sharpened

STAIN_VECTORS: tuple[tuple[float, float, float], ...] = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical densities of haematoxylin, eosin and DAB over red, green, blue.
Source: A. C. Ruifrok, D. A. Johnston, "Quantification of histochemical staining by color deconvolution", 2001."""


_STAINS = F.normalize(torch.tensor(STAIN_VECTORS), dim=1)
_TO_STAINS = torch.linalg.inv(_STAINS)


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationRanges:
    """How far each property of an image may move, to either side."""

    rotation_turns: float
    """Rotation, share of a full turn: 0.5 is any angle."""
    flip: bool
    """Mirror half of the images."""
    log_scale: float
    """Zoom, natural logarithm of the factor."""
    shift: float
    """Shift, share of the image's side."""
    brightness: float
    """Factor on all channels, share."""
    contrast: float
    """Factor on the distance from the image's mean, share."""
    stain: float
    """Factor on the optical density of each stain, share."""
    blur: float
    """Most passes of a 3×3 blur; a part of a pass mixes its result in at that weight."""
    tint: float = 0
    """Factor on each colour channel, share."""
    looks: "ForeignLooks | None" = None
    """What else changes, where it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignLooks:
    """How far images move towards laboratories that nobody has seen; arguments of `foreign_looks`."""

    resampled_share: float
    sharpened_share: float
    log_gamma: float
    hue: float
    """Radians."""
    saturation: float
    mixing: float
    grey_share: float
    noise: float


AUGMENTATIONS: dict[Augmentation, AugmentationRanges | None] = {
    "none": None,
    "paper": AugmentationRanges(
        rotation_turns=0.5, flip=True, log_scale=0.1, shift=0.05, brightness=0.2, contrast=0.2, stain=0.1, blur=0.3
    ),
    "mild": AugmentationRanges(
        rotation_turns=0.5, flip=True, log_scale=0.08, shift=0.04, brightness=0.08, contrast=0.08, stain=0.06, blur=0.3
    ),
    "strong": AugmentationRanges(
        rotation_turns=0.5,
        flip=True,
        log_scale=0.5,
        shift=0.08,
        brightness=0.3,
        contrast=0.4,
        stain=0.5,
        blur=6,
        tint=0.15,
    ),
    "laboratories": AugmentationRanges(
        rotation_turns=0.5,
        flip=True,
        log_scale=0.45,
        shift=0.08,
        brightness=0.3,
        contrast=0.4,
        stain=0.5,
        blur=3,
        tint=0.2,
        looks=ForeignLooks(
            resampled_share=0.25,
            sharpened_share=0.25,
            log_gamma=0.5,
            hue=0.5,
            saturation=0.7,
            mixing=0.08,
            grey_share=0.1,
            noise=0.03,
        ),
    ),
}


class BatchAugmenter:
    """Turns uint8 batches of whole images into varied, normalised model input. Draws from torch's global generator."""

    def __init__(self, name: Augmentation, *, image_size_px: int, field_of_view: float) -> None:
        self.ranges = AUGMENTATIONS[name]
        self.image_size_px = image_size_px
        self.field_of_view = field_of_view

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, the whole image → (N, 3, S, S) float32, the field of view, normalised.

        Turned and shifted images show what really lies beside the field of view; beyond the image's edge, its mirror.
        """
        varied = self._orient(images.float() / 255)
        if self.ranges is not None:
            looks = self.ranges.looks
            varied = varied if looks is None else resampled(varied, looks.resampled_share)
            varied = _blur(varied, self.ranges.blur)
            varied = varied if looks is None else sharpened(varied, looks.sharpened_share)
            varied = _stain(varied, self.ranges.stain)
            varied = varied if looks is None else bent(varied, looks.log_gamma)
            varied = _illuminate(varied, self.ranges)
            varied = (varied if looks is None else _recoloured(varied, looks)).clamp(0, 1)
        return normalise(varied)

    def _orient(self, images: Tensor) -> Tensor:
        count, device, ranges = len(images), images.device, self.ranges
        angle, scale = torch.zeros(count, device=device), torch.full((count,), self.field_of_view, device=device)
        shift, mirror = torch.zeros(count, 2, device=device), torch.ones(count, device=device)
        if ranges is not None:
            angle = _between(ranges.rotation_turns, (count,), device) * 2 * math.pi
            scale = scale * torch.exp(_between(ranges.log_scale, (count,), device))
            shift = _between(2 * ranges.shift, (count, 2), device)
            mirror = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0) if ranges.flip else mirror
        cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
        rows = [
            torch.stack([cosine * mirror, -sine, shift[:, 0]], 1),
            torch.stack([sine * mirror, cosine, shift[:, 1]], 1),
        ]
        size = [count, 3, self.image_size_px, self.image_size_px]
        grid = F.affine_grid(torch.stack(rows, 1), size, align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _between(limit: float, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Draw evenly from −limit to limit."""
    return (torch.rand(shape, device=device) * 2 - 1) * limit


def _illuminate(images: Tensor, ranges: AugmentationRanges) -> Tensor:
    shape = (len(images), 1, 1, 1)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = (images - mean) * (1 + _between(ranges.contrast, shape, images.device)) + mean
    lit = contrasted * (1 + _between(ranges.brightness, shape, images.device))
    if not ranges.tint:
        return lit
    return lit * (1 + _between(ranges.tint, (len(images), 3, 1, 1), images.device))


def _recoloured(images: Tensor, looks: ForeignLooks) -> Tensor:
    turned = recoloured(images, hue=looks.hue, saturation=looks.saturation, mixing=looks.mixing)
    return noisy(greyed(turned, looks.grey_share), looks.noise)


def _stain(images: Tensor, limit: float) -> Tensor:
    """Scale the optical density of each stain by its own factor, image by image."""
    factors = 1 + _between(limit, (len(images), 3, 1), images.device)
    mixing = _TO_STAINS.to(images.device) @ (factors * _STAINS.to(images.device))
    density = -torch.log(images.clamp(min=1 / 255)).flatten(2)
    return torch.exp(-(mixing.transpose(1, 2) @ density)).view_as(images)


def _blur(images: Tensor, most: float) -> Tensor:
    """Blur each image by 0 to `most` passes of a 3×3 kernel."""
    kernel = images.new_tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    passes = torch.rand(len(images), 1, 1, 1, device=images.device) * most
    for begun in range(math.ceil(most)):
        blurred = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
        images = torch.lerp(images, blurred, (passes - begun).clamp(0, 1))
    return images
