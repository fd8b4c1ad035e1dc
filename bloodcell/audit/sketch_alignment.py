"""Lay one small grey picture over a part of another as exactly as it goes, and say how alike they then are.

A copy that was cropped by a few per cent does not match its original pixel by pixel, and two different cells of one
class match roughly. After the alignment, a copy matches in every detail and another cell still only roughly.
"""

import numpy as np
from numpy.typing import NDArray

GRID_PX = 40
"""Side, in points, of the grid on which two sketches are compared."""
_BLUR_PX = 1.0
"""Standard deviation of the blur, in pixels of the sketch: what recompression and resizing change is finer than it."""
_ITERATIONS = 8
_SMALLEST_SCALE, _LARGEST_SCALE = 0.8, 1.05
_BATCH = 512

Boxes = NDArray[np.float32]
"""(N, 4): centre x, centre y, scale x, scale y of an upright box; 0, 0, 1, 1 is the whole picture, edges at ±1."""


def align_sketches(wholes: NDArray[np.float32], copies: NDArray[np.float32], boxes: Boxes) -> NDArray[np.float32]:
    """Move and scale each box of a whole until the part in it is most like the copy; return how alike they are.

    Args:
        wholes: (N, S, S), the pictures that boxes are cut from.
        copies: (N, S, S), turned and mirrored as the wholes are.
        boxes: where to begin, within a few per cent of the right place.

    Returns:
        (N,) correlation of the grey values, −1 to 1; 0 where a picture is of one grey.

    Source: S. Baker, I. Matthews, "Lucas-Kanade 20 years on", 2004; here the boxes are upright, so each step is two
    matrix products, and brightness and contrast are divided out.
    """
    parts = [
        _align_batch(wholes[at : at + _BATCH], copies[at : at + _BATCH], boxes[at : at + _BATCH])
        for at in range(0, len(boxes), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _align_batch(wholes: NDArray[np.float32], copies: NDArray[np.float32], boxes: Boxes) -> NDArray[np.float32]:
    side = wholes.shape[-1]
    whole_box = np.array([[0, 0, 1, 1]], np.float32)
    rows, _ = _sampling(whole_box[:, 1], whole_box[:, 3], side)
    target, _ = _standardised(rows @ copies @ rows.transpose(0, 2, 1))
    boxes, best = boxes.copy(), np.full(len(boxes), -1, np.float32)
    for iteration in range(_ITERATIONS + 1):
        columns, columns_slope = _sampling(boxes[:, 0], boxes[:, 2], side)
        rows, rows_slope = _sampling(boxes[:, 1], boxes[:, 3], side)
        half = wholes @ columns.transpose(0, 2, 1)
        part, norm = _standardised(rows @ half)
        best = np.maximum(best, (part * target).sum(1))
        if iteration < _ITERATIONS:
            along_x = rows @ (wholes @ columns_slope.transpose(0, 2, 1))
            boxes = _moved(boxes, along_x, rows_slope @ half, part, norm, target)
    return best


def _sampling(
    centre: NDArray[np.float32], scale: NDArray[np.float32], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return matrices (N, G, S) that read G blurred points along an axis, and their slope per unit of shift."""
    points = np.linspace(-1, 1, GRID_PX, dtype=np.float32) * (1 - 1 / GRID_PX)
    place = (centre[:, None] + scale[:, None] * points + 1) * (side / 2) - 0.5
    distance = place[..., None] - np.arange(side, dtype=np.float32)
    weight = np.exp(distance**2 * np.float32(-0.5 / _BLUR_PX**2))
    weight /= weight.sum(-1, keepdims=True)
    slope = -distance / _BLUR_PX**2
    slope = weight * (slope - (weight * slope).sum(-1, keepdims=True)) * np.float32(side / 2)
    return weight, slope


def _standardised(pictures: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pictures as rows of mean 0 and length 1, and the length each had; one grey alone stays 0."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32, copy=False)
    flat = flat - flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    norm = np.where(norm < 1e-3, np.inf, norm).astype(np.float32)
    return flat / norm, norm


def _moved(
    boxes: Boxes,
    along_x: NDArray[np.float32],
    along_y: NDArray[np.float32],
    part: NDArray[np.float32],
    norm: NDArray[np.float32],
    target: NDArray[np.float32],
) -> Boxes:
    """Take one Gauss-Newton step of all boxes at once."""
    points = np.linspace(-1, 1, GRID_PX, dtype=np.float32)
    slopes = np.stack([along_x, along_y, along_x * points, along_y * points[:, None]], axis=1)
    slopes = slopes.reshape(len(boxes), 4, -1)
    slopes = slopes - slopes.mean(2, keepdims=True)
    # What only changes contrast is divided out, so it is no direction to go in.
    slopes = (slopes - (slopes @ part[..., None]) * part[:, None]) / norm[..., None]
    square = slopes @ slopes.transpose(0, 2, 1) + 1e-6 * np.eye(4, dtype=np.float32)
    step = np.linalg.solve(square, slopes @ (target - part)[..., None])[..., 0]
    moved = boxes + step.clip(-0.05, 0.05)
    moved[:, 2:] = moved[:, 2:].clip(_SMALLEST_SCALE, _LARGEST_SCALE)
    room = np.maximum(1.05 - moved[:, 2:], 0)
    moved[:, :2] = moved[:, :2].clip(-room, room)
    return moved
