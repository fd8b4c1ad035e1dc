"""A heat map laid over the cell image that it explains."""

import numpy as np
import torch
from PIL import Image, ImageDraw

from bloodcell.answers.heat_map import resize_heat_maps
from bloodcell.images.model_input import field_of_view_box

INFERNO: tuple[str, ...] = (
    *("#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60"),
    *("#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"),
)
"""Evenly spaced stops, cold to hot. Source: S. van der Walt, N. Smith, the perceptually even map of matplotlib."""
FRAME_COLOUR = (255, 255, 255)


def overlay(image: np.ndarray, heat_map: np.ndarray, *, field_of_view: float, strength: float) -> np.ndarray:
    """Colour a cell image by a heat map; cold places stay as they are.

    Args:
        image: uint8 RGB (H, W, 3).
        heat_map: float (h, w), 0 to 1, over the field of view.
        field_of_view: central share of each side that the map covers; a thin frame marks it where it is below 1.
        strength: 0 shows the image alone, 1 the hottest place in pure colour.

    Returns:
        uint8 RGB (H, W, 3).
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (round(edge) for edge in field_of_view_box(width, height, field_of_view))
    resized = resize_heat_maps(
        torch.from_numpy(np.array(heat_map, dtype=np.float32)), bottom - top, right - left
    ).numpy()
    heat = np.zeros((height, width, 1), dtype=np.float32)
    heat[top:bottom, left:right, 0] = resized
    weight = np.clip(strength, 0, 1) * heat
    mixed = np.rint(image * (1 - weight) + colours_of(heat[..., 0]) * weight).astype(np.uint8)
    if field_of_view == 1 or strength == 0:
        return mixed
    framed = Image.fromarray(mixed)
    ImageDraw.Draw(framed).rectangle(
        (left, top, right - 1, bottom - 1), outline=FRAME_COLOUR, width=max(1, height // 180)
    )
    return np.asarray(framed)


def colours_of(heat: np.ndarray) -> np.ndarray:
    """(…) values from 0 to 1 → (…, 3) float colours from 0 to 255 on the inferno map."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in INFERNO], dtype=np.float32)
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(heat, places, stops[:, channel]) for channel in range(3)], axis=-1)
