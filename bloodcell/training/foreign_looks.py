"""Variations that carry an image into another laboratory: its camera, its focus, its stain, its white balance.

Each function takes (N, 3, S, S) float32, 0 to 1, draws anew for every image from torch's global generator, and may
leave that range; the augmenter clamps once at the end.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST_RESOLUTION, _MOST_RESOLUTION = 0.3, 0.85
_GREY_AXIS = torch.full((3,), 1 / math.sqrt(3))


def resampled(images: Tensor, share: float) -> Tensor:
    """Show a share of the images at a coarser resolution, 0.3 to 0.85 of their own, all of a batch at one."""
    size = images.shape[-1]
    chosen = (torch.rand(len(images), device=images.device) < share).nonzero()[:, 0]
    low, high = _LEAST_RESOLUTION, _MOST_RESOLUTION
    coarse_px = max(1, int(size * (low + (high - low) * float(torch.rand(())))))
    if not len(chosen):
        return images
    coarse = F.interpolate(images[chosen], size=(coarse_px, coarse_px), mode="area")
    back = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return images.index_copy(0, chosen, back)


def sharpened(images: Tensor, share: float, most: float = 1.5) -> Tensor:
    """Sharpen a share of the images by up to `most` times what a blur takes away."""
    kernel = images.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = (kernel[:, None] * kernel / 256).expand(3, 1, 5, 5)
    blurred = F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
    amount = _chosen(images, share) * torch.rand(len(images), 1, 1, 1, device=images.device) * most
    return images + amount * (images - blurred)


def bent(images: Tensor, log_gamma: float) -> Tensor:
    """Raise the images to a power of e^±`log_gamma`: another camera's tone curve."""
    power = torch.exp(_between(images, log_gamma))
    return images.clamp(1e-4, 1) ** power


def recoloured(images: Tensor, *, hue: float, saturation: float, mixing: float) -> Tensor:
    """Turn, stretch and mix colours about each image's mean colour, which stays.

    Args:
        hue: turn about the grey axis, ± radians.
        saturation: factor on the distance from grey, ± share.
        mixing: standard deviation of what a random 3×3 matrix adds.
    """
    count, device = len(images), images.device
    angle, stretch = _between(images, hue).view(-1, 1, 1), 1 + _between(images, saturation).view(-1, 1, 1)
    axis = _GREY_AXIS.to(device)
    along, identity = torch.outer(axis, axis), torch.eye(3, device=device)
    x, y, z = axis.tolist()
    across = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], device=device)
    matrix = along + stretch * (torch.cos(angle) * (identity - along) + torch.sin(angle) * across)
    matrix = matrix + mixing * torch.randn(count, 3, 3, device=device)
    mean = images.mean(dim=(2, 3), keepdim=True)
    return (matrix @ (images - mean).flatten(2)).view_as(images) + mean


def greyed(images: Tensor, share: float) -> Tensor:
    """Take the colour from a share of the images."""
    grey = images.mean(dim=1, keepdim=True).expand_as(images)
    return torch.lerp(images, grey, _chosen(images, share))


def noisy(images: Tensor, most: float) -> Tensor:
    """Add Gaussian noise with a standard deviation of 0 to `most`."""
    deviation = torch.rand(len(images), 1, 1, 1, device=images.device) * most
    return images + torch.randn_like(images) * deviation


def _chosen(images: Tensor, share: float) -> Tensor:
    """Return 1 for a share of the images, else 0, (N, 1, 1, 1)."""
    return (torch.rand(len(images), 1, 1, 1, device=images.device) < share).to(images.dtype)


def _between(images: Tensor, limit: float) -> Tensor:
    return (torch.rand(len(images), 1, 1, 1, device=images.device) * 2 - 1) * limit
