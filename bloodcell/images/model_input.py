"""From a cell image to what a model reads: field of view, size, normalisation. Training and answering share it."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD


def field_of_view_box(width: int, height: int, field_of_view: float) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom in pixels of the central part that the model reads; may fall between pixels."""
    margin = (1 - field_of_view) / 2
    return (width * margin, height * margin, width * (1 - margin), height * (1 - margin))


def prepare_image(image: np.ndarray, *, image_size_px: int, field_of_view: float = 1.0) -> np.ndarray:
    """Cut the field of view out of a cell image and resize it to a square, as the paper does.

    Args:
        image: uint8 RGB (H, W, 3).

    Returns:
        uint8 RGB (image_size_px, image_size_px, 3), antialiased bilinear.
    """
    height, width = image.shape[:2]
    box = field_of_view_box(width, height, field_of_view)
    side = (image_size_px, image_size_px)
    return np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR, box=box))


def as_images(prepared: np.ndarray) -> Tensor:
    """(N, S, S, 3) uint8 array → (N, 3, S, S) uint8 tensor, channels last in memory, without a copy."""
    return torch.from_numpy(prepared).permute(0, 3, 1, 2)


def normalise(images: Tensor, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> Tensor:
    """(N, 3, H, W), 0 to 1 → the same shape with each channel's mean subtracted and divided by its deviation."""
    shape = (1, 3, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(std).view(shape)


def model_input(images: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 → float32, normalised; what a model reads when nothing is varied."""
    return normalise(images.float() / 255)
