"""Imaging conditions: groups of images with another background tint, brightness or sharpness than the rest.

Two scanners, two cameras or two export settings in one class teach a model the setting in place of the cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOK_UNITS = (10.0, 10.0, 20.0, 0.15)
"""Least distance of two conditions in red − green, green − blue and brightness of the background, grey levels, and in
sharpness. Measured on 3,200 PBC images: those of the second condition lie 50 grey levels (red − blue) and 0.34
(sharpness) away from the others, whose middle 98 % spread over 5 grey levels and 0.43."""
_LEAST_SEPARATION = 5.0
"""Distance of two groups' means, in their own standard deviations. Halves of a normal distribution have 2.7, of an
even one 3.5, drawn cells of different classes up to 4.4."""
_LEAST_SHARE, _LEAST_IMAGES = 0.005, 5
_LEAST_VARIANCE = 1e-2
"""Added to variances before their logarithm: an image of one colour has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLook:
    """What the equipment, not the cell, gives an image."""

    red: float
    green: float
    blue: float
    """Background colour: median of the brightest quarter of the image, 0 to 255."""
    sharpness: float
    """Natural logarithm of fine over coarse detail; blur lowers it. Within a condition about ±0.2 in any class."""

    def as_row(self) -> tuple[float, float, float, float]:
        """Return the four numbers that `LOOK_UNITS` counts in."""
        brightness = (self.red + self.green + self.blue) / 3
        return self.red - self.green, self.green - self.blue, brightness, self.sharpness


def image_look(image: NDArray[np.uint8]) -> ImageLook:
    """Measure a cell image, (H, W, 3) uint8 RGB."""
    picture = Image.fromarray(image)
    pixels = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR)).reshape(-1, 3)
    brightness = pixels.sum(1)
    red, green, blue = np.median(pixels[brightness >= np.quantile(brightness, 0.75)], axis=0)
    grey = picture.convert("L")
    half = grey.resize((max(3, grey.width // 2), max(3, grey.height // 2)), Image.Resampling.BOX)
    sharpness = _detail(np.asarray(grey)) - _detail(np.asarray(half))
    return ImageLook(red=float(red), green=float(green), blue=float(blue), sharpness=sharpness)


def _detail(grey: NDArray[np.uint8]) -> float:
    """Return the logarithm of the variance of the Laplacian."""
    values = grey.astype(np.int16)
    middle = values[1:-1, 1:-1]
    laplacian = 4 * middle - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    flat = laplacian.ravel().astype(np.float32)
    return float(np.log(flat @ flat / len(flat) - flat.mean() ** 2 + _LEAST_VARIANCE))


def group_looks(looks: Sequence[ImageLook]) -> NDArray[np.intp]:
    """Return the imaging condition of each image, (N,): 0 is the most frequent one.

    A group is parted in two where one of the four numbers falls into two clearly separate ranges, again and again.
    """
    if not looks:
        return np.zeros(0, np.intp)
    rows = np.array([look.as_row() for look in looks]) / LOOK_UNITS
    least = max(_LEAST_IMAGES, round(_LEAST_SHARE * len(rows)))
    whole, parted = [np.arange(len(rows))], []
    while whole:
        group = whole.pop()
        upper = _upper_part(rows[group], least)
        if upper is None:
            parted.append(group)
        else:
            whole += [group[upper], group[~upper]]
    conditions = np.empty(len(rows), np.intp)
    for condition, group in enumerate(sorted(parted, key=len, reverse=True)):
        conditions[group] = condition
    return conditions


def _upper_part(rows: NDArray[np.float64], least: int) -> NDArray[np.bool_] | None:
    """Return which rows lie above the gap of the number that parts them best, or None where none parts them."""
    cuts = [(*_best_cut(column, least), column) for column in rows.T]
    separation, threshold, column = max(cuts, key=lambda cut: cut[0])
    return column > threshold if separation >= _LEAST_SEPARATION else None


def _best_cut(values: NDArray[np.float64], least: int) -> tuple[float, float]:
    """Return how far apart the best two parts of some values lie, and the value that parts them.

    Source: of the cut, N. Otsu, "A threshold selection method from gray-level histograms", 1979; of the separation, D,
    K. M. Ashman, C. M. Bird, S. E. Zepf, "Detecting bimodality in astronomical datasets", 1994.
    """
    values = np.sort(values)
    below = np.arange(least, len(values) - least + 1)
    if not len(below):
        return 0.0, 0.0
    sums = np.cumsum(values)
    total = sums[-1]
    lower, upper = sums[below - 1] / below, (total - sums[below - 1]) / (len(values) - below)
    cut = int(below[np.argmax(below * (len(values) - below) * (upper - lower) ** 2)])
    first, second = values[:cut], values[cut:]
    distance = second.mean() - first.mean()
    if distance < 1 or first[-1] == second[0]:
        return 0.0, 0.0
    spread = np.sqrt((first.var() + second.var()) / 2)
    return float(distance / max(spread, 1e-3)), float((first[-1] + second[0]) / 2)
